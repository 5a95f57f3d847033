// MatchNames: names and navigations within MATCH_RECOGNIZE. An `ExpressionBinder` that has one asks it first, about every column and call:
// what it answers is a column of the operands collected here.

import Columns
import Syntax

class MatchNames {
    /// Over the input's columns.
    let scope: Scope
    let variables: MatchVariables

    init(scope: Scope, variables: MatchVariables) {
        self.scope = scope
        self.variables = variables
    }

    /// nil: nothing that matching gives a meaning to.
    func bind(_ expression: Expression, _ binder: ExpressionBinder) throws(SQLError) -> BoundExpression? { nil }

    /// `a.price`: the variable and the rest; nil for a name without a variable.
    final func split(_ name: QualifiedName) -> (variables: [Int], name: QualifiedName)? {
        guard name.parts.count > 1, let members = variables.members(of: name.parts[0].name) else { return nil }
        return (members, QualifiedName(Array(name.parts.dropFirst()), span: name.span))
    }

    /// A column of the input, whatever its qualifier.
    final func column(_ name: QualifiedName, _ clause: Clause, span: SourceSpan) throws(SQLError) -> BoundExpression {
        do {
            return try ExpressionBinder(scope: scope, clause: clause).bind(Expression(.column(name), span: span))
        } catch {
            guard error.code == SQLError.undefinedTable, name.parts.count > 1 else { throw error }
            let known = variables.names + variables.subsets.map(\.name) + scope.tables
            throw SQLError(
                "there is no pattern variable \"\(name.parts[0].name)\"", at: name.parts[0].span,
                hint: NearestName.find(name.parts[0].name, among: known).map { "did you mean \"\($0)\"?" }
                    ?? "PATTERN has " + variables.names.joined(separator: ", "), code: SQLError.undefinedTable)
        }
    }
}

/// The pattern's variables and the subsets of them.
struct MatchVariables {
    /// In the order in which PATTERN names them.
    var names: [String] = []
    var subsets: [(name: String, members: [Int])] = []

    func index(of name: String) -> Int? {
        names.firstIndex(of: name) ?? names.firstIndex { $0.lowercased() == name.lowercased() }
    }

    /// The variables that a name stands for; nil when it is none.
    func members(of name: String) -> [Int]? {
        if let index = index(of: name) { return [index] }
        return subsets.first { $0.name == name }?.members ?? subsets.first { $0.name.lowercased() == name.lowercased() }?.members
    }
}

/// Within one row: the argument of a navigation or an aggregate. All its columns belong to the same variable.
final class MatchRowNames: MatchNames {
    private let place: String
    /// nil before the first column.
    private(set) var rowVariables: [Int]?

    init(_ outer: MatchNames, place: String) {
        self.place = place
        super.init(scope: outer.scope, variables: outer.variables)
    }

    override func bind(_ expression: Expression, _ binder: ExpressionBinder) throws(SQLError) -> BoundExpression? {
        switch expression.kind {
        case .column(let name):
            let (members, column) = split(name) ?? ([], name)
            if let known = rowVariables, known != members {
                throw SQLError(
                    "the columns of one \(place) must all belong to one variable", at: expression.span,
                    hint: "use one \(place) for each variable", code: SQLError.syntaxError)
            }
            rowVariables = members
            return try self.column(column, binder.clause, span: expression.span)
        case .call(let call) where call.name.parts.count == 1 && MatchFunction.isReserved(call):
            throw SQLError(
                "\(call.name.last.name.uppercased()) cannot stand within \(place)", at: expression.span,
                hint: place == "PREV" || place == "NEXT" ? "only FIRST and LAST can: PREV(LAST(a.x, 1), 2)" : nil,
                code: SQLError.syntaxError)
        default: return nil
        }
    }
}

/// The functions that only mean something within MATCH_RECOGNIZE.
enum MatchFunction: String {
    case prev, next, first, last, classifier, matchNumber = "match_number", matchRowtime = "match_rowtime"
    case matchProctime = "match_proctime"

    static func named(_ name: String) -> MatchFunction? { MatchFunction(rawValue: name.lowercased()) }

    static func isReserved(_ call: FunctionCall) -> Bool {
        named(call.name.last.name) != nil || AggregateFunction.named(call.name.last.name) != nil
    }
}

/// Within DEFINE or MEASURES.
final class MatchOperandNames: MatchNames {
    static let offsetMax = 10_000

    enum Place {
        /// The variable being defined.
        case define(Int)
        case measures(isFinalByDefault: Bool)
    }

    var place: Place
    private let timeColumn: Int?
    private(set) var operands: [MatchOperand] = []

    init(scope: Scope, variables: MatchVariables, place: Place, timeColumn: Int?) {
        self.place = place
        self.timeColumn = timeColumn
        super.init(scope: scope, variables: variables)
    }

    private var isFinalByDefault: Bool { if case .measures(let isFinal) = place { isFinal } else { false } }

    override func bind(_ expression: Expression, _ binder: ExpressionBinder) throws(SQLError) -> BoundExpression? {
        switch expression.kind {
        case .column(let name):
            let (members, column) = split(name) ?? ([], name)
            let value = try self.column(column, binder.clause, span: expression.span)
            return operand(.value(value, row(.last, members, isFinal: isFinalByDefault)), span: expression.span)
        case .call(let call) where call.name.parts.count == 1:
            return try bind(call, expression.span, binder)
        default: return nil
        }
    }

    private func bind(_ call: FunctionCall, _ span: SourceSpan, _ binder: ExpressionBinder) throws(SQLError) -> BoundExpression? {
        let name = call.name.last.name
        if call.over != nil {
            throw SQLError(
                "window functions cannot stand in MATCH_RECOGNIZE", at: span,
                hint: "use FIRST, LAST, PREV, NEXT or an aggregate over a variable", code: SQLError.windowingError)
        }
        guard let function = MatchFunction.named(name) else {
            if let aggregate = AggregateFunction.named(name) { return try bind(aggregate, call, span, binder) }
            try refuseSemantics(call)
            return nil
        }
        if call.filter != nil || call.isDistinct {
            throw SQLError("\(name.uppercased()) takes no \(call.isDistinct ? "DISTINCT" : "FILTER")", at: span)
        }
        switch function {
        case .prev, .next: return try bindPhysical(call, isNext: function == .next, span, binder)
        case .first, .last:
            let (value, row) = try bindLogical(call, span, binder)
            return operand(.value(value, row), span: span)
        case .classifier:
            try checkCount(call, 0...0, span)
            return operand(.classifier(row(.last, [], isFinal: try isFinal(call))), span: span)
        case .matchNumber:
            try checkCount(call, 0...0, span)
            if case .define = place {
                throw SQLError("MATCH_NUMBER in DEFINE is not supported yet", at: span, code: SQLError.featureNotSupported)
            }
            return operand(.matchNumber, span: span)
        case .matchRowtime:
            guard let timeColumn, let type = scope.columns.first(where: { $0.ordinal == timeColumn })?.type else {
                throw SQLError("MATCH_ROWTIME needs ORDER BY a TIMESTAMP column", at: span, code: SQLError.windowingError)
            }
            return operand(.value(.column(timeColumn, type), row(.last, [], isFinal: isFinalByDefault)), span: span)
        case .matchProctime:
            try checkCount(call, 0...0, span)
            return BoundExpression(.epochClock, type: .timestampTZ(precision: 6), span: span)
        }
    }

    /// The column of an operand; the same one twice is one.
    private func operand(_ operand: MatchOperand, span: SourceSpan) -> BoundExpression {
        if let index = operands.firstIndex(where: { $0.isSame(as: operand) }) { return .column(index, operand.type, span: span) }
        operands.append(operand)
        return .column(operands.count - 1, operand.type, span: span)
    }

    /// In DEFINE the last row of the variable being defined is the one being tried.
    private func row(_ anchor: MatchRow.Anchor, _ members: [Int], offset: Int = 0, isFinal: Bool = false) -> MatchRow {
        if case .define(let variable) = place, anchor == .last, offset == 0, members.isEmpty || members.contains(variable) {
            return MatchRow(.current)
        }
        return MatchRow(anchor, variables: members, logicalOffset: offset, isFinal: isFinal)
    }

    private func isFinal(_ call: FunctionCall) throws(SQLError) -> Bool {
        guard let semantics = call.semantics else { return isFinalByDefault }
        if case .define = place, semantics == .final {
            throw SQLError(
                "FINAL cannot stand in DEFINE", at: call.name.span, hint: "while rows are matched the match has no end yet")
        }
        return semantics == .final || isFinalByDefault && !hasRunningRows
    }

    /// RUNNING and FINAL are the same at the only row of ONE ROW PER MATCH.
    private var hasRunningRows: Bool { if case .measures(let isFinal) = place { !isFinal } else { true } }

    private func refuseSemantics(_ call: FunctionCall) throws(SQLError) {
        guard let semantics = call.semantics else { return }
        throw SQLError(
            "\(semantics.rawValue) can only stand before FIRST, LAST, CLASSIFIER or an aggregate", at: call.name.span)
    }

    private func checkCount(_ call: FunctionCall, _ range: ClosedRange<Int>, _ span: SourceSpan) throws(SQLError) {
        if range.contains(call.arguments.count) { return }
        let name = call.name.last.name.uppercased()
        let wanted = range.upperBound == 0 ? "no arguments" : "a column and, if wanted, a number of rows"
        throw SQLError("\(name) takes \(wanted)", at: span, code: SQLError.undefinedFunction)
    }

    // MARK: Navigation

    /// `PREV(a.x, 2)`, `NEXT(LAST(a.x, 1))`.
    private func bindPhysical(_ call: FunctionCall, isNext: Bool, _ span: SourceSpan, _ binder: ExpressionBinder) throws(SQLError)
        -> BoundExpression
    {
        try refuseSemantics(call)
        try checkCount(call, 1...2, span)
        let distance = try offset(call, default: 1, binder)
        var value: BoundExpression
        var target: MatchRow
        if case .call(let inner) = call.arguments[0].kind, inner.name.parts.count == 1,
            MatchFunction.named(inner.name.last.name) == .first || MatchFunction.named(inner.name.last.name) == .last
        {
            (value, target) = try bindLogical(inner, call.arguments[0].span, binder)
        } else {
            let names = MatchRowNames(self, place: isNext ? "NEXT" : "PREV")
            value = try bindRow(call.arguments[0], names, binder)
            target = row(.last, names.rowVariables ?? [], isFinal: isFinalByDefault)
        }
        target.physicalOffset = isNext ? distance : -distance
        return operand(.value(value, target), span: span)
    }

    /// `LAST(a.x, 1)`.
    private func bindLogical(_ call: FunctionCall, _ span: SourceSpan, _ binder: ExpressionBinder) throws(SQLError)
        -> (BoundExpression, MatchRow)
    {
        try checkCount(call, 1...2, span)
        let isFirst = MatchFunction.named(call.name.last.name) == .first
        let names = MatchRowNames(self, place: isFirst ? "FIRST" : "LAST")
        let value = try bindRow(call.arguments[0], names, binder)
        let distance = try offset(call, default: 0, binder)
        return (value, row(isFirst ? .first : .last, names.rowVariables ?? [], offset: distance, isFinal: try isFinal(call)))
    }

    private func bindRow(_ expression: Expression, _ names: MatchRowNames, _ binder: ExpressionBinder) throws(SQLError) -> BoundExpression {
        var inner = ExpressionBinder(scope: scope, clause: binder.clause)
        inner.match = names
        let bound = try inner.bind(expression)
        return bound.type == .null ? .constant(.null, .text, span: bound.span) : bound
    }

    private func offset(_ call: FunctionCall, default standard: Int, _ binder: ExpressionBinder) throws(SQLError) -> Int {
        guard call.arguments.count > 1 else { return standard }
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("the number of rows")).bind(call.arguments[1])
        guard case .integer(let value)? = bound.constantValue, bound.type.isInteger, (0...Int64(Self.offsetMax)).contains(value) else {
            throw SQLError(
                "the number of rows must be an integer constant from 0 to \(Self.offsetMax)", at: call.arguments[1].span,
                code: SQLError.invalidParameter)
        }
        return Int(value)
    }

    // MARK: Aggregates

    private func bind(_ function: AggregateFunction, _ call: FunctionCall, _ span: SourceSpan, _ binder: ExpressionBinder) throws(SQLError)
        -> BoundExpression
    {
        let name = call.name.last.name.lowercased()
        let isFinal = try isFinal(call)
        let text = Printer.print(Expression(.call(call), span: span))
        if call.isDistinct || call.filter != nil || !call.orderBy.isEmpty || !call.withinGroup.isEmpty {
            throw SQLError(
                "DISTINCT, FILTER and ORDER BY in an aggregate are not supported yet in MATCH_RECOGNIZE", at: span,
                code: SQLError.featureNotSupported)
        }
        if function == .count || function == .countRows, call.arguments.count == 1, case .star(let qualifier) = call.arguments[0].kind {
            var members: [Int] = []
            if let qualifier {
                guard let found = variables.members(of: qualifier.last.name) else {
                    throw SQLError(
                        "there is no pattern variable \"\(qualifier.last.name)\"", at: qualifier.span,
                        hint: NearestName.find(qualifier.last.name, among: variables.names).map { "did you mean \"\($0)\"?" },
                        code: SQLError.undefinedTable)
                }
                members = found
            }
            return operand(
                .aggregate(.countRows, nil, variables: members, isFinal: isFinal, type: .bigint, text: text), span: span)
        }
        switch function {
        case .count, .sum, .avg, .min, .max: break
        default:
            throw SQLError(
                "the aggregate \(name) is not supported yet in MATCH_RECOGNIZE", at: span,
                hint: "there are count, sum, avg, min and max", code: SQLError.featureNotSupported)
        }
        guard call.arguments.count == 1 else {
            throw SQLError("\(name) takes one argument, not \(call.arguments.count)", at: span, code: SQLError.undefinedFunction)
        }
        let names = MatchRowNames(self, place: name.uppercased())
        let argument = try bindRow(call.arguments[0], names, binder)
        guard let types = function.types(argument: argument.type) else {
            throw SQLError(
                "function \(name)(\(argument.type.name)) does not exist", at: span,
                hint: argument.type.isText ? "CAST the argument to a number" : nil, code: SQLError.undefinedFunction)
        }
        let cast = try ExpressionTyping.cast(argument, to: types.argument, mode: .explicit, span: argument.span, text: text)
        return operand(
            .aggregate(
                function, cast, variables: names.rowVariables ?? [], isFinal: isFinal, type: types.result, text: text), span: span)
    }
}
