// GroupWindow: windows written as functions of the time column: TUMBLE(ts, size), HOP(ts, slide, size), CUMULATE(ts, step, size),
// SESSION(ts, gap) in GROUP BY with TUMBLE_START and its kin beside them, and Kinesis Data Analytics' STEP(ts BY size). Their arguments
// are those of the window table functions without the table.

import Columns
import Syntax

enum WindowKind: String, CaseIterable {
    case tumble, hop, cumulate, session

    /// The names of the arguments behind the time column, in order; the last one may be left out when it is the offset.
    var parameters: [WindowParameter] {
        switch self {
        case .tumble: [.size, .offset]
        case .hop: [.slide, .size, .offset]
        case .cumulate: [.step, .size, .offset]
        case .session: [.gap]
        }
    }

    static func named(_ name: String) -> WindowKind? { WindowKind(rawValue: name.lowercased()) }
}

enum WindowParameter: String, CaseIterable {
    case size, slide, step, gap, offset
}

/// What a call in an expression has to do with windows.
enum WindowFunction {
    /// `TUMBLE(ts, ..)` itself, and `STEP(ts BY ..)`; its value is window_start.
    case window(WindowKind)
    /// `TUMBLE_START`, `TUMBLE_END`, `TUMBLE_ROWTIME`.
    case property(WindowKind, WindowRole)

    static func named(_ name: QualifiedName) -> WindowFunction? {
        guard name.parts.count == 1 else { return nil }
        let lowered = name.last.name.lowercased()
        if lowered == "step" { return .window(.tumble) }
        if let kind = WindowKind.named(lowered) { return .window(kind) }
        for kind in WindowKind.allCases {
            switch lowered {
            case kind.rawValue + "_start": return .property(kind, .start)
            case kind.rawValue + "_end": return .property(kind, .end)
            case kind.rawValue + "_rowtime": return .property(kind, .time)
            default: continue
            }
        }
        return nil
    }

    var kind: WindowKind {
        switch self {
        case .window(let kind), .property(let kind, _): kind
        }
    }

    var role: WindowRole {
        switch self {
        case .window: .start
        case .property(_, let role): role
        }
    }
}

extension WindowShape {
    /// Longer than any record is kept, and short enough that no sum with a timestamp overflows.
    static let microsecondsMax: Int64 = 1000 * 366 * 86_400_000_000
    /// Windows that one row may belong to.
    static let overlapMax: Int64 = 100_000

    /// A shape from its sizes; each with the place of its argument. Says what is wrong with them.
    static func make(
        _ kind: WindowKind, _ arguments: [WindowParameter: (microseconds: Int64, span: SourceSpan)], timeType: SQLType,
        span: SourceSpan, usage: String
    ) throws(SQLError) -> WindowShape {
        let name = kind.rawValue.uppercased()
        let unit = LogicalWindow.unitMicroseconds(timeType)
        func size(_ parameter: WindowParameter) throws(SQLError) -> Int64 {
            guard let argument = arguments[parameter] else {
                throw SQLError(
                    "\(name) needs a \(parameter.rawValue)", at: span,
                    hint: usage, code: SQLError.windowingError)
            }
            if argument.microseconds <= 0 {
                throw SQLError(
                    "the \(parameter.rawValue) of a window must be positive", at: argument.span, code: SQLError.windowingError)
            }
            if argument.microseconds > microsecondsMax {
                throw SQLError(
                    "the \(parameter.rawValue) of a window can be at most 1000 years", at: argument.span, code: SQLError.windowingError)
            }
            if argument.microseconds % unit != 0 {
                throw SQLError(
                    "the \(parameter.rawValue) of a window over \(timeType.name) must be a multiple of a millisecond", at: argument.span,
                    hint: "make the time column TIMESTAMP(6)", code: SQLError.windowingError)
            }
            return argument.microseconds
        }
        func offset() throws(SQLError) -> Int64 {
            guard let argument = arguments[.offset] else { return 0 }
            if argument.microseconds.magnitude > UInt64(microsecondsMax) || argument.microseconds % unit != 0 {
                throw SQLError("the offset of a window is out of range", at: argument.span, code: SQLError.windowingError)
            }
            return argument.microseconds
        }
        func checkOverlap(_ size: Int64, _ part: Int64) throws(SQLError) {
            if size / part > overlapMax {
                throw SQLError(
                    "a row would belong to \(size / part) windows; at most \(overlapMax) are possible", at: span,
                    hint: "make the window shorter or its steps longer", code: SQLError.programLimitExceeded)
            }
        }
        switch kind {
        case .tumble: return .tumble(size: try size(.size), offset: try offset())
        case .hop:
            let (slide, whole) = (try size(.slide), try size(.size))
            if slide > whole {
                throw SQLError(
                    "the slide of a HOP must not be longer than its size", at: arguments[.slide]?.span ?? span,
                    hint: "HOP takes the slide first, then the size", code: SQLError.windowingError)
            }
            try checkOverlap(whole, slide)
            return .hop(size: whole, slide: slide, offset: try offset())
        case .cumulate:
            let (step, whole) = (try size(.step), try size(.size))
            if whole % step != 0 {
                throw SQLError(
                    "the size of a CUMULATE must be a multiple of its step", at: arguments[.size]?.span ?? span,
                    hint: "CUMULATE takes the step first, then the size", code: SQLError.windowingError)
            }
            try checkOverlap(whole, step)
            return .cumulate(size: whole, step: step, offset: try offset())
        case .session: return .session(gap: try size(.gap))
        }
    }
}

/// A constant interval as an argument of a window.
func windowInterval(_ expression: Expression, _ parameter: WindowParameter) throws(SQLError) -> Int64 {
    let binder = ExpressionBinder(scope: Scope(), clause: .constant("the \(parameter.rawValue) of a window"))
    let bound = try binder.bind(expression)
    if let microseconds = ExpressionTyping.constantMicroseconds(bound) { return microseconds }
    if case .interval(let interval)? = bound.constantValue, interval.months != 0 {
        throw SQLError(
            "the \(parameter.rawValue) of a window must have a fixed length", at: expression.span,
            hint: "months and years differ in length; give days", code: SQLError.windowingError)
    }
    throw SQLError(
        "the \(parameter.rawValue) of a window must be a constant interval, not \(bound.type.name)", at: expression.span,
        hint: "for example INTERVAL '10' SECOND", code: SQLError.windowingError)
}

/// The window of a GROUP BY, while the select list is bound.
struct GroupWindow {
    var kind: WindowKind
    var shape: WindowShape
    /// Over the columns of FROM.
    var time: BoundExpression
    var span: SourceSpan

    /// Reads `TUMBLE(ts, INTERVAL ..)` and its kin, also under the names of their properties.
    static func bind(_ call: FunctionCall, kind: WindowKind, span: SourceSpan, scope: Scope) throws(SQLError) -> GroupWindow {
        let name = call.name.last.name.uppercased()
        try call.checkPlain(span: span)
        guard let first = call.arguments.first else {
            throw SQLError("\(name) needs a time column and a size", at: span, code: SQLError.windowingError)
        }
        let time = try ExpressionBinder(scope: scope, clause: .groupBy).bind(first)
        guard time.type.isTimestamp else {
            throw SQLError(
                "\(name) needs a TIMESTAMP, not \(time.type.name)", at: first.span, code: SQLError.windowingError)
        }
        var values: [WindowParameter: (microseconds: Int64, span: SourceSpan)] = [:]
        let parameters = kind.parameters
        for (index, argument) in call.arguments.dropFirst().enumerated() {
            guard index < parameters.count else {
                throw SQLError(
                    "\(name) takes at most \(parameters.count + 1) arguments", at: argument.span, code: SQLError.windowingError)
            }
            values[parameters[index]] = (try windowInterval(argument, parameters[index]), argument.span)
        }
        let sizes = parameters.filter { $0 != .offset }.map(\.rawValue).joined(separator: ", ")
        let usage = "\(kind.rawValue.uppercased())(ts, \(sizes))"
        let shape = try WindowShape.make(kind, values, timeType: time.type, span: span, usage: usage)
        return GroupWindow(kind: kind, shape: shape, time: time, span: span)
    }
}

extension FunctionCall {
    /// Refuses what only aggregates may carry.
    func checkPlain(span: SourceSpan) throws(SQLError) {
        let name = name.last.name
        if over != nil {
            throw SQLError(
                "OVER specified, but \(name) is not a window function nor an aggregate function", at: span, code: "42809")
        }
        if isDistinct {
            throw SQLError("DISTINCT specified, but \(name) is not an aggregate function", at: span, code: "42809")
        }
        if let filter {
            throw SQLError("FILTER specified, but \(name) is not an aggregate function", at: filter.span, code: "42809")
        }
        if let item = orderBy.first ?? withinGroup.first {
            throw SQLError("ORDER BY specified, but \(name) is not an aggregate function", at: item.expression.span, code: "42809")
        }
        if case let named?? = argumentNames.first(where: { $0 != nil }) {
            throw SQLError("\(name) takes no named arguments", at: named.span, code: SQLError.undefinedFunction)
        }
    }
}
