// QueryBinder+Join: joins in FROM: names and conditions.
//
// A join is bound with its condition as one expression over the columns of both sides; which parts of it are keys, an interval or windows is
// found later (`JoinAnalysis`), when WHERE has given what it has to give. The columns that USING merges are in the scope once without a
// table, ahead of the others as in PostgreSQL; under their tables' names both remain.

import Columns
import Syntax

extension QueryBinder {
    /// The table of FROM to the right of a comma or JOIN, joined.
    func bindJoin(
        _ kind: JoinKind, _ left: BoundTable, _ rightTable: TableExpression, _ condition: JoinCondition, _ context: QueryContext
    ) throws(SQLError) -> BoundTable {
        if let bound = try bindLateral(kind, left, rightTable, condition, context) { return bound }
        var table = rightTable
        var asOf: Expression?
        if case .name(let name, let time?) = table.kind {
            (asOf, table.kind) = (time, .name(name, asOf: nil))
        }
        let outer = readsVersions
        readsVersions = kind.isAsOf || asOf.map { !isProcessingTime($0, of: left) } ?? false
        defer { readsVersions = outer }
        var right = try bindTable(table, context)
        readsVersions = outer
        try count(2, span: table.span)
        if let twice = right.scope.tables.first(where: left.scope.tables.contains) {
            throw SQLError(
                "table name \"\(twice)\" specified more than once", at: table.span, hint: "give one of them another name with AS",
                code: "42712")
        }
        let base = left.plan.fields.count
        for index in right.scope.columns.indices { right.scope.columns[index].ordinal += base }
        var join = LogicalJoin(kind: Self.joinOperator(kind), condition: nil, span: table.span)
        join.leftTTLMicroseconds = Self.stateTTL(left.scope, context)
        join.rightTTLMicroseconds = Self.stateTTL(right.scope, context)
        var scope = Scope(columns: left.scope.columns + right.scope.columns)
        var merged: [LogicalColumn] = []
        switch condition {
        case .none: break
        case .on(let expression):
            join.condition = try ExpressionBinder(scope: scope, clause: .join).bindCondition(expression, of: "JOIN/ON")
        case .using(let names):
            (join.condition, scope) = try bindUsing(names, kind, left.scope, right.scope, base + right.plan.fields.count, &merged)
        case .natural:
            let names = left.scope.starColumns.filter { column in right.scope.starColumns.contains { $0.name == column.name } }
            (join.condition, scope) = try bindUsing(
                names.map { Identifier($0.name, span: table.span) }, kind, left.scope, right.scope, base + right.plan.fields.count, &merged)
        }
        if let asOf {
            try bindVersion(asOf, left, right, rightTable, context, &join)
        } else if kind.isAsOf {
            var isUsing = condition == .natural
            if case .using = condition { isUsing = true }
            try bindAsOfJoin(left, right, rightTable, isUsing: isUsing, &join)
        }
        var plan = LogicalPlan.join(left.plan, right.plan, join)
        if !merged.isEmpty { plan = .project(plan, LogicalPlan.passing(plan.fields) + merged) }
        return BoundTable(plan: plan, scope: scope)
    }

    private func isProcessingTime(_ time: Expression, of left: BoundTable) -> Bool {
        guard let bound = try? ExpressionBinder(scope: left.scope, clause: .join).bind(time) else { return false }
        return left.plan.isProcessingTime(bound)
    }

    /// A hint holds for a table, not for what it was joined to before.
    private static func stateTTL(_ scope: Scope, _ context: QueryContext) -> Int64? {
        let tables = scope.tables
        return tables.count == 1 ? context.stateTTL[tables[0].lowercased()] : nil
    }

    private static func joinOperator(_ kind: JoinKind) -> JoinOperator {
        switch kind {
        case .inner, .cross, .asof: .inner
        case .left, .asofLeft: .left
        case .right: .right
        case .full: .full
        }
    }

    /// `(a JOIN b ON ..) AS j (x, y)`.
    func aliased(_ joined: BoundTable, _ table: TableExpression) throws(SQLError) -> BoundTable {
        guard let alias = table.alias else { return joined }
        let columns = joined.scope.starColumns
        var fields = columns.map { SQLType.Field(name: $0.name, type: $0.type) }
        try rename(&fields, table.columnAliases, table: alias.name, span: table.span)
        return BoundTable(
            plan: joined.plan,
            scope: Scope(
                columns: zip(columns, fields).map { ScopeColumn(table: alias.name, name: $1.name, type: $1.type, ordinal: $0.ordinal) }))
    }

    // MARK: USING

    /// The condition, and the scope with the merged columns ahead. Those that are no column of either side are added to `merged`, which stands
    /// from ordinal `width` on.
    private func bindUsing(
        _ names: [Identifier], _ kind: JoinKind, _ left: Scope, _ right: Scope, _ width: Int, _ merged: inout [LogicalColumn]
    ) throws(SQLError) -> (BoundExpression?, Scope) {
        var (leftColumns, rightColumns) = (left.columns, right.columns)
        var ahead: [ScopeColumn] = []
        var conjuncts: [BoundExpression] = []
        var seen: Set<String> = []
        for name in names {
            guard seen.insert(name.name).inserted else {
                throw SQLError("column name \"\(name.name)\" appears more than once in USING clause", at: name.span, code: "42701")
            }
            let first = try usingColumn(name, left, "left")
            let second = try usingColumn(name, right, "right")
            let (a, b) = (
                BoundExpression.column(first.ordinal, first.type, span: name.span),
                BoundExpression.column(second.ordinal, second.type, span: name.span)
            )
            do {
                conjuncts.append(
                    try ExpressionTyping.binary(.equal, a, b, operatorSpan: name.span, span: name.span, text: name.name))
            } catch {
                throw SQLError(
                    "JOIN/USING types \(first.type.name.lowercased()) and \(second.type.name.lowercased()) of column \"\(name.name)\" cannot be matched",
                    at: name.span, hint: "join ON with a CAST", code: SQLError.datatypeMismatch)
            }
            guard let type = ExpressionTyping.commonType([first.type, second.type]) else { continue }
            let sides = [
                try ExpressionTyping.cast(a, to: type, mode: .explicit, span: name.span, text: name.name),
                try ExpressionTyping.cast(b, to: type, mode: .explicit, span: name.span, text: name.name),
            ]
            var value = kind == .right ? sides[1] : sides[0]
            if kind == .full { value = try ExpressionTyping.coalesce(sides, span: name.span, text: name.name) }
            var ordinal = value.plainColumn
            if ordinal == nil {
                ordinal = width + merged.count
                merged.append(LogicalColumn(expression: value, name: first.name))
            }
            ahead.append(ScopeColumn(table: nil, name: first.name, type: type, ordinal: ordinal ?? 0))
            Self.hide(first, in: &leftColumns)
            Self.hide(second, in: &rightColumns)
        }
        return (BoundExpression.conjunction(conjuncts), Scope(columns: ahead + leftColumns + rightColumns))
    }

    /// A merged column of an earlier USING has no table, so nothing can name it any more.
    private static func hide(_ column: ScopeColumn, in columns: inout [ScopeColumn]) {
        guard let index = columns.firstIndex(where: { $0.ordinal == column.ordinal && $0.table == column.table && !$0.isMerged }) else { return }
        columns[index].isMerged = true
    }

    private func usingColumn(_ name: Identifier, _ scope: Scope, _ side: String) throws(SQLError) -> ScopeColumn {
        let found: ScopeColumn?
        do { found = try scope.find(name, span: name.span) } catch {
            throw SQLError(
                "common column name \"\(name.name)\" appears more than once in \(side) table", at: name.span, hint: error.hint,
                code: SQLError.ambiguousColumn)
        }
        if let found { return found }
        throw SQLError(
            "column \"\(name.name)\" specified in USING clause does not exist in \(side) table", at: name.span,
            hint: NearestName.find(name.name, among: scope.starColumns.map(\.name)).map { "did you mean \"\($0)\"?" },
            code: SQLError.undefinedColumn)
    }

    // MARK: WHERE

    /// The tables of FROM with the conditions of WHERE: those over both sides of an inner join belong to the join, the others
    /// stand above all of them. Then it is known what bounds each join.
    func place(_ predicate: BoundExpression?, over plan: LogicalPlan) -> LogicalPlan {
        var isJoin = false
        switch plan {
        case .join, .project(.join, _): isJoin = true
        default: break
        }
        guard isJoin else { return predicate.map { .filter(plan, $0) } ?? plan }
        let (placed, rest) = Self.absorb(predicate?.conjuncts ?? [], plan)
        let bounded = JoinAnalysis.bounding(placed, mode: mode)
        return BoundExpression.conjunction(rest).map { .filter(bounded, $0) } ?? bounded
    }

    /// The plan with the conditions that its joins could take, and the others.
    private static func absorb(_ conditions: [BoundExpression], _ plan: LogicalPlan) -> (LogicalPlan, [BoundExpression]) {
        if conditions.isEmpty { return (plan, []) }
        switch plan {
        case .join(let left, let right, var join) where !join.kind.keepsLeftOnly:
            let base = left.fields.count
            let takes = join.kind == .inner && join.version == nil
            var own = join.condition.map { [$0] } ?? []
            var below: (left: [BoundExpression], right: [BoundExpression]) = ([], [])
            var rest: [BoundExpression] = []
            for condition in conditions {
                let columns = condition.columns
                if columns.isEmpty {
                    rest.append(condition)
                } else if columns.allSatisfy({ $0 < base }) {
                    if join.kind == .inner || join.kind == .left { below.left.append(condition) } else { rest.append(condition) }
                } else if columns.allSatisfy({ $0 >= base }) {
                    if takes { below.right.append(condition.renumbered { $0 - base }) } else { rest.append(condition) }
                } else if takes {
                    own.append(condition)
                } else {
                    rest.append(condition)
                }
            }
            join.condition = BoundExpression.conjunction(own)
            let (newLeft, leftRest) = absorb(below.left, left)
            let (newRight, rightRest) = absorb(below.right, right)
            return (.join(newLeft, newRight, join), rest + leftRest + rightRest.map { $0.renumbered { $0 + base } })
        case .project(let input, let columns):
            // The merged columns of USING stand behind the others, which are passed as they are.
            guard case .join = input else { return (plan, conditions) }
            let width = input.fields.count
            var below: [BoundExpression] = []
            var rest: [BoundExpression] = []
            for condition in conditions {
                if columns.count >= width, condition.columns.allSatisfy({ $0 < width && columns[$0].expression.plainColumn == $0 }) {
                    below.append(condition)
                } else {
                    rest.append(condition)
                }
            }
            let (placed, belowRest) = absorb(below, input)
            return (.project(placed, columns), rest + belowRest)
        default: return (plan, conditions)
        }
    }
}
