// WindowTableFunction: `TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND))` and its kin, by position or by name.
//
// The arguments are the input (a table or a query), the time column, the sizes in the order of the group function, and an offset;
// a session may carry PARTITION BY, which the parser hands over as the argument `partition_by`. By name they are DATA, TIMECOL, SIZE,
// SLIDE, STEP, GAP, OFFSET, in any order.

import Columns
import Syntax

struct WindowTableFunction {
    var kind: WindowKind
    var data: Expression
    var time: Identifier
    var sizes: [WindowParameter: Expression]
    var partitionBy: [Identifier]?

    init(_ call: FunctionCall, kind: WindowKind, span: SourceSpan) throws(SQLError) {
        let name = kind.rawValue.uppercased()
        self.kind = kind
        let positions = ["data", "timecol"] + kind.parameters.map(\.rawValue)
        var arguments: [String: Expression] = [:]
        var position = 0
        for (index, argument) in call.arguments.enumerated() {
            var key: String
            if index < call.argumentNames.count, let written = call.argumentNames[index] {
                key = written.name.lowercased()
                guard positions.contains(key) || (key == "partition_by" && kind == .session) else {
                    throw SQLError(
                        "\(name) has no argument \"\(written.name)\"", at: key == "partition_by" ? argument.span : written.span,
                        hint: key == "partition_by"
                            ? "only SESSION takes PARTITION BY; group by the columns instead"
                            : NearestName.find(key, among: positions).map { "did you mean \($0.uppercased())?" }
                                ?? "it takes " + positions.map { $0.uppercased() }.joined(separator: ", "),
                        code: SQLError.undefinedFunction)
                }
            } else {
                guard position < positions.count else {
                    throw SQLError(
                        "\(name) takes at most \(positions.count) arguments", at: argument.span, code: SQLError.windowingError)
                }
                key = positions[position]
                position += 1
            }
            if arguments[key] != nil {
                throw SQLError("argument \(key.uppercased()) is given twice", at: argument.span, code: SQLError.windowingError)
            }
            arguments[key] = argument
        }
        guard let data = arguments["data"] else {
            throw SQLError("\(name) needs a table", at: span, hint: Self.usage(kind), code: SQLError.windowingError)
        }
        guard let timeArgument = arguments["timecol"] else {
            throw SQLError("\(name) needs a time column", at: span, hint: Self.usage(kind), code: SQLError.windowingError)
        }
        self.data = data
        self.time = try Self.column(timeArgument, of: kind)
        sizes = [:]
        for parameter in kind.parameters { sizes[parameter] = arguments[parameter.rawValue] }
        if case .descriptor(let columns)? = arguments["partition_by"]?.kind { partitionBy = columns }
    }

    private static func column(_ expression: Expression, of kind: WindowKind) throws(SQLError) -> Identifier {
        switch expression.kind {
        case .descriptor(let columns) where columns.count == 1: return columns[0]
        case .column(let name): return name.last
        default:
            throw SQLError(
                "the time column must be given as DESCRIPTOR(column)", at: expression.span, hint: usage(kind),
                code: SQLError.windowingError)
        }
    }

    static func usage(_ kind: WindowKind) -> String {
        let sizes = kind.parameters.filter { $0 != .offset }.map(\.rawValue)
        return "\(kind.rawValue.uppercased())(TABLE t, DESCRIPTOR(ts), " + sizes.joined(separator: ", ") + ")"
    }

    /// The window's shape for a time column of this type.
    func shape(timeType: SQLType, span: SourceSpan) throws(SQLError) -> WindowShape {
        var values: [WindowParameter: (microseconds: Int64, span: SourceSpan)] = [:]
        for parameter in kind.parameters {
            guard let argument = sizes[parameter] else { continue }
            values[parameter] = (try windowInterval(argument, parameter), argument.span)
        }
        return try WindowShape.make(kind, values, timeType: timeType, span: span, usage: Self.usage(kind))
    }
}
