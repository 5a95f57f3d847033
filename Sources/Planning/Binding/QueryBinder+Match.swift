// QueryBinder+Match: MATCH_RECOGNIZE to a `LogicalMatch`.
//
// Output, as the standard says: with ONE ROW PER MATCH the columns of the partition, then the measures; with ALL ROWS PER MATCH all columns
// of the input, then the measures.

import Columns
import Syntax

extension QueryBinder {
    /// Variables that a pattern may have when its quantifiers and permutations are written out.
    static let patternPositionsMax = 10_000

    func bindMatch(_ input: TableExpression, _ clause: MatchClause, _ table: TableExpression, _ context: QueryContext) throws(SQLError)
        -> BoundTable
    {
        let source = try bindTable(input, context)
        let scope = source.scope
        if source.plan.retracts(mode: mode) {
            throw SQLError(
                "MATCH_RECOGNIZE over an input that retracts rows is not supported", at: input.span,
                hint: "a pattern needs rows that stay: give it a stream, or an aggregation over windows that emits when they close",
                code: SQLError.featureNotSupported)
        }
        var partition: [Int] = []
        for expression in clause.partitionBy {
            partition.append(try column(expression, scope, "PARTITION BY").ordinal)
        }
        let order = try bindMatchOrder(clause, source)
        let fields = source.plan.fields
        let firstIsTime = order.first.map { fields[$0.column].type.isTimestamp && !$0.isDescending } ?? false
        let timeColumn = firstIsTime ? order.first?.column : nil

        var variables = MatchVariables()
        collect(clause.pattern, into: &variables)
        try bindSubsets(clause.subsets, &variables)
        let pattern = try bindPattern(clause.pattern, variables)
        if pattern.positionCount(limit: Self.patternPositionsMax + 1) > Self.patternPositionsMax {
            throw SQLError(
                "the pattern is too large: with its quantifiers written out it has more than \(Self.patternPositionsMax) variables",
                at: clause.pattern.span, hint: "use * or + where the exact number does not matter", code: SQLError.programLimitExceeded)
        }

        let isOneRow = clause.rows == nil || clause.rows == .one
        let names = MatchOperandNames(scope: scope, variables: variables, place: .define(0), timeColumn: timeColumn)
        let definitions = try bindDefinitions(clause, variables, names)
        let measured = MatchOperandNames(
            scope: scope, variables: variables, place: .measures(isFinalByDefault: isOneRow), timeColumn: timeColumn)
        var measures: [BoundExpression] = []
        for measure in clause.measures {
            var binder = ExpressionBinder(scope: scope, clause: .match("MEASURES"))
            binder.match = measured
            var bound = try binder.bind(measure.expression)
            if bound.type == .null { bound = .constant(.null, .text, span: bound.span) }
            measures.append(bound)
        }
        let passed: [(ordinal: Int, name: String)] = isOneRow
            ? partition.map { ordinal in (ordinal, scope.columns.first { $0.ordinal == ordinal }?.name ?? fields[ordinal].name) }
            : scope.columns.map { ($0.ordinal, $0.name) }
        if passed.isEmpty, measures.isEmpty {
            throw SQLError(
                "this gives rows without columns", at: clause.span, hint: "add MEASURES, PARTITION BY or ALL ROWS PER MATCH",
                code: SQLError.syntaxError)
        }
        let node = MatchNode(
            partition: partition, order: order, timeColumn: timeColumn, isBounded: mode == .bounded, variables: variables.names,
            pattern: pattern, definitions: definitions, operands: names.operands, rows: Self.output(clause.rows),
            passedColumns: passed.map(\.ordinal), measures: measures, measureOperands: measured.operands,
            skip: try bindSkip(clause.skip, variables), withinMicroseconds: try bindWithin(clause, timeColumn: timeColumn),
            inputTypes: fields.map(\.type))
        var output = passed.map { SQLType.Field(name: $0.name, type: fields[$0.ordinal].type) }
        output += zip(clause.measures, measures).map { SQLType.Field(name: $0.name.name, type: $1.type) }
        let alias = table.alias?.name
        try rename(&output, table.columnAliases, table: alias ?? "", span: table.span)
        return BoundTable(
            plan: .match(source.plan, LogicalMatch(node: node, fields: output, span: clause.span)),
            scope: Scope(table: alias, fields: output))
    }

    // MARK: PARTITION BY and ORDER BY

    private func column(_ expression: Expression, _ scope: Scope, _ clause: String) throws(SQLError) -> ScopeColumn {
        guard case .column(let name) = expression.kind else {
            throw SQLError(
                "\(clause) of MATCH_RECOGNIZE takes columns only", at: expression.span,
                hint: "compute it in a subquery: FROM (SELECT *, ... AS x FROM t) MATCH_RECOGNIZE (...)",
                code: SQLError.featureNotSupported)
        }
        let column = try scope.resolve(name)
        switch column.type.layout {
        case .list, .structure:
            throw SQLError(
                "\(clause) of type \(column.type.name) is not supported yet", at: expression.span, code: SQLError.featureNotSupported)
        default: return column
        }
    }

    private func bindMatchOrder(_ clause: MatchClause, _ source: BoundTable) throws(SQLError) -> [SortNode.Key] {
        var keys: [SortNode.Key] = []
        for item in clause.orderBy { keys.append(SortNode.Key(item, column: try column(item.expression, source.scope, "ORDER BY").ordinal)) }
        guard mode == .continuous else {
            guard keys.isEmpty else { return keys }
            throw SQLError(
                "MATCH_RECOGNIZE needs ORDER BY", at: clause.pattern.span, hint: "a pattern is about rows in an order",
                code: SQLError.windowingError)
        }
        let plan = source.plan
        let known = plan.fields.indices.filter { plan.isTimeAttribute($0) }.map { plan.fields[$0].name }
        let remedy = known.isEmpty
            ? "declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND on the stream"
            : "the watermark is on " + Scope.alternatives(known.map { "\"\($0)\"" })
        guard let first = keys.first, let item = clause.orderBy.first else {
            throw SQLError(
                "MATCH_RECOGNIZE over a stream needs ORDER BY its time column", at: clause.pattern.span, hint: remedy,
                code: SQLError.windowingError)
        }
        guard plan.isTimeAttribute(first.column) else {
            throw SQLError(
                "ORDER BY over a stream must begin with the column that has the watermark", at: item.expression.span, hint: remedy,
                code: SQLError.windowingError)
        }
        guard !first.isDescending else {
            throw SQLError(
                "rows of a stream can only be matched in ascending order of time", at: item.expression.span, hint: "leave DESC out",
                code: SQLError.windowingError)
        }
        return keys
    }

    // MARK: Patterns

    private func collect(_ pattern: RowPattern, into variables: inout MatchVariables) {
        switch pattern.kind {
        case .variable(let name): if variables.index(of: name.name) == nil { variables.names.append(name.name) }
        case .sequence(let parts), .alternation(let parts), .permutation(let parts):
            for part in parts { collect(part, into: &variables) }
        case .quantified(let part, _, _, _), .exclusion(let part): collect(part, into: &variables)
        case .start, .end: break
        }
    }

    private func bindSubsets(_ subsets: [MatchSubset], _ variables: inout MatchVariables) throws(SQLError) {
        for subset in subsets {
            if variables.members(of: subset.name.name) != nil {
                throw SQLError(
                    "the variable \"\(subset.name.name)\" exists already", at: subset.name.span, code: SQLError.duplicateObject)
            }
            var members: [Int] = []
            for member in subset.members {
                guard let index = variables.index(of: member.name) else { throw unknown(member, variables) }
                if !members.contains(index) { members.append(index) }
            }
            variables.subsets.append((subset.name.name, members.sorted()))
        }
    }

    private func unknown(_ name: Identifier, _ variables: MatchVariables) -> SQLError {
        SQLError(
            "the variable \"\(name.name)\" is not in PATTERN", at: name.span,
            hint: NearestName.find(name.name, among: variables.names).map { "did you mean \"\($0)\"?" }
                ?? "PATTERN has " + variables.names.joined(separator: ", "), code: SQLError.undefinedObject)
    }

    private func bindPattern(_ pattern: RowPattern, _ variables: MatchVariables) throws(SQLError) -> MatchPattern {
        switch pattern.kind {
        case .variable(let name): return .variable(variables.index(of: name.name) ?? 0)
        case .sequence(let parts): return .sequence(try bindPatterns(parts, variables))
        case .alternation(let parts): return .alternation(try bindPatterns(parts, variables))
        case .quantified(let part, let min, let max, let isGreedy):
            if let max, max < min || max == 0 {
                throw SQLError(
                    max == 0 ? "a quantifier of 0 matches nothing" : "a quantifier's largest number is below its smallest one",
                    at: pattern.span, code: SQLError.invalidParameter)
            }
            return .repetition(try bindPattern(part, variables), min: min, max: max, isGreedy: isGreedy)
        case .permutation(let parts):
            // 7! alternatives of 7 parts each would pass every other limit.
            if parts.count > 6 {
                throw SQLError("PERMUTE takes at most 6 patterns", at: pattern.span, code: SQLError.programLimitExceeded)
            }
            let bound = try bindPatterns(parts, variables)
            return .alternation(Self.permutations(Array(bound.indices)).map { .sequence($0.map { bound[$0] }) })
        case .exclusion(let part): return .exclusion(try bindPattern(part, variables))
        case .start: return .start
        case .end: return .end
        }
    }

    private func bindPatterns(_ parts: [RowPattern], _ variables: MatchVariables) throws(SQLError) -> [MatchPattern] {
        var bound: [MatchPattern] = []
        for part in parts { bound.append(try bindPattern(part, variables)) }
        return bound
    }

    /// In lexicographic order.
    private static func permutations(_ items: [Int]) -> [[Int]] {
        guard items.count > 1 else { return [items] }
        return items.indices.flatMap { index -> [[Int]] in
            var rest = items
            let first = rest.remove(at: index)
            return permutations(rest).map { [first] + $0 }
        }
    }

    // MARK: The other clauses

    private func bindDefinitions(_ clause: MatchClause, _ variables: MatchVariables, _ names: MatchOperandNames) throws(SQLError)
        -> [BoundExpression?]
    {
        var definitions = [BoundExpression?](repeating: nil, count: variables.names.count)
        for definition in clause.definitions {
            guard let index = variables.index(of: definition.variable.name) else { throw unknown(definition.variable, variables) }
            if definitions[index] != nil {
                throw SQLError(
                    "the variable \"\(definition.variable.name)\" is defined twice", at: definition.variable.span,
                    code: SQLError.duplicateObject)
            }
            names.place = .define(index)
            var binder = ExpressionBinder(scope: names.scope, clause: .match("DEFINE"))
            binder.match = names
            definitions[index] = try binder.bindCondition(definition.condition, of: "DEFINE \(definition.variable.name)")
        }
        return definitions
    }

    private static func output(_ rows: MatchRows?) -> MatchOutput {
        switch rows {
        case nil, .one: .oneRow
        case .all, .allShowEmpty: .allRows(showsEmpty: true, showsUnmatched: false)
        case .allOmitEmpty: .allRows(showsEmpty: false, showsUnmatched: false)
        case .allWithUnmatched: .allRows(showsEmpty: true, showsUnmatched: true)
        }
    }

    private func bindSkip(_ skip: MatchSkip?, _ variables: MatchVariables) throws(SQLError) -> MatchSkipTarget {
        switch skip {
        case nil, .pastLastRow: return .pastLastRow
        case .toNextRow: return .nextRow
        case .toFirst(let name):
            guard let members = variables.members(of: name.name) else { throw unknown(name, variables) }
            return .first(members)
        case .toLast(let name):
            guard let members = variables.members(of: name.name) else { throw unknown(name, variables) }
            return .last(members)
        }
    }

    private func bindWithin(_ clause: MatchClause, timeColumn: Int?) throws(SQLError) -> Int64? {
        guard let within = clause.within else { return nil }
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("WITHIN")).bind(within)
        guard bound.type == .interval, let microseconds = ExpressionTyping.constantMicroseconds(bound), microseconds > 0 else {
            throw SQLError(
                "WITHIN needs a positive interval of fixed length", at: within.span, hint: "for example WITHIN INTERVAL '1' HOUR",
                code: SQLError.invalidParameter)
        }
        if timeColumn == nil {
            throw SQLError(
                "WITHIN needs ORDER BY a TIMESTAMP column in ascending order", at: within.span, code: SQLError.windowingError)
        }
        return microseconds
    }
}
