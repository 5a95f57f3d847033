// QueryBinder+Select: SELECT .. FROM .. WHERE .. GROUP BY .. HAVING, with DISTINCT, ORDER BY and LIMIT.
//
// The select list, HAVING and ORDER BY are bound over the columns of FROM first, which collects the aggregates; then, when the query
// is grouped, they are rewritten to the columns of the aggregation (see `GroupedRewriter`). The nodes, from below: filter, [window],
// aggregate, filter (HAVING), over (a node for each different window), filter (QUALIFY), project (with hidden columns for ORDER BY), aggregate (DISTINCT), sort or limit, project (without them).

import Columns
import Syntax

/// An item of a select list, `*` expanded.
private struct Item {
    var expression: BoundExpression
    var name: String
    var span: SourceSpan
    /// As written; nil for a column of `*`.
    var source: Expression?
    var hasAlias: Bool
}

/// The keys of GROUP BY.
private struct Keys {
    var columns: [LogicalColumn] = []
    var sets = GroupingSets()
    /// `FLOOR(ts TO HOUR)` that is the window.
    var windowMatch: BoundExpression?
}

extension QueryBinder {
    func bindSelect(_ select: Select, _ query: Query, _ context: QueryContext) throws(SQLError) -> BoundQuery {
        if !select.distinctOn.isEmpty {
            let (ranked, ordered) = firstRows(select, query)
            return try bindSelect(ranked, ordered, context)
        }
        do { return try bindParts(of: select, query, context) } catch { throw NameHints.alias(error, select.items) }
    }

    private func bindParts(of select: Select, _ query: Query, _ whole: QueryContext) throws(SQLError) -> BoundQuery {
        var context = whole
        (context.alertItems, context.alertProbe) = ([], nil)
        let source = try bindSource(select, context)
        var plan = source.plan
        let scope = source.scope
        let subqueries = SubqueryCollector(self, context)

        let grouping = Grouping(scope: scope, columnCount: plan.fields.count)
        var keys = try bindKeys(select, grouping, plan)
        let overs = try OverCollector(select.windows)
        var binder = ExpressionBinder(scope: scope, clause: .select, grouping: grouping, overs: overs)
        binder.subqueries = subqueries
        var items = try bindItems(select, binder)
        try bindAlertItems(whole.alertItems, &items, scope, grouping, overs, subqueries)
        var having: BoundExpression?
        if let condition = select.having {
            var binder = ExpressionBinder(scope: scope, clause: .having, grouping: grouping)
            binder.subqueries = subqueries
            subqueries.allowMarks(condition)
            having = try binder.bindCondition(condition, of: "HAVING")
        }
        var qualify = try bindQualify(select, items, scope, grouping, overs)
        var order = try bindOrder(query, items, scope, grouping, overs)

        if !select.groupBy.isEmpty || having != nil || !grouping.calls.isEmpty || !grouping.groupings.isEmpty {
            whole.alertProbe?.isGrouped = true
            let used = items.map(\.expression) + [having, qualify].compactMap { $0 } + order.hidden.map(\.expression)
                + overs.expressions
            let (aggregated, rewriter) = try bindGroups(plan, &keys, grouping, used: used, select, context)
            plan = aggregated
            for index in items.indices { items[index].expression = try rewriter.rewrite(items[index].expression) }
            for index in order.hidden.indices { order.hidden[index].expression = try rewriter.rewrite(order.hidden[index].expression) }
            plan = try subqueries.attach(plan) { (expression) throws(SQLError) in try rewriter.rewrite(expression) }
            if let condition = having { plan = .filter(plan, subqueries.placed(try rewriter.rewrite(condition))) }
            qualify = try qualify.map { (condition) throws(SQLError) in try rewriter.rewrite(condition) }
            try overs.rewrite { (expression) throws(SQLError) in try rewriter.rewrite(expression) }
        } else {
            plan = try subqueries.attach(plan) { $0 }
        }
        if !overs.isEmpty {
            whole.alertProbe?.hasWindows = true
            plan = overs.apply(to: plan)
            try count(overs.nodeCount, span: select.span)
            for index in items.indices { items[index].expression = overs.placed(items[index].expression) }
            for index in order.hidden.indices { order.hidden[index].expression = overs.placed(order.hidden[index].expression) }
            if let condition = qualify { plan = .filter(plan, overs.placed(condition)) }
        }
        for index in items.indices { items[index].expression = subqueries.placed(items[index].expression) }
        return try finish(plan, select, query, context, items, order)
    }

    /// Everything behind the aggregation.
    private func finish(
        _ input: LogicalPlan, _ select: Select, _ query: Query, _ context: QueryContext, _ items: [Item],
        _ order: (keys: [SortNode.Key], hidden: [LogicalColumn])
    ) throws(SQLError) -> BoundQuery {
        let fields = items.map { SQLType.Field(name: $0.name, type: $0.expression.type) }
        let visible = items.map { LogicalColumn(expression: $0.expression, name: $0.name) }
        var plan = LogicalPlan.project(input, visible + order.hidden)
        if select.isDistinct {
            if let item = zip(query.orderBy, order.keys).first(where: { $1.column >= items.count })?.0 {
                throw SQLError(
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list", at: item.expression.span, code: "42P10")
            }
            plan = try WindowFusion.aggregate(
                plan,
                LogicalAggregate(
                    keys: LogicalPlan.passing(fields), window: nil, calls: [], emit: context.emit, isDistinct: true,
                    allowedLatenessMicroseconds: latenessMicroseconds, span: select.span),
                mode: mode)
        }
        plan = try self.order(plan, order.keys, query)
        if !order.hidden.isEmpty { plan = .project(plan, LogicalPlan.passing(fields)) }
        try count(4, span: select.span)
        return BoundQuery(plan: plan, fields: fields, spans: items.map(\.span))
    }

    /// DISTINCT ON (a) .. ORDER BY a, b is QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1. A query that goes on has no order of its
    /// own, so there ORDER BY says no more than which row is the first.
    private func firstRows(_ select: Select, _ query: Query) -> (Select, Query) {
        var (select, query) = (select, query)
        func meant(_ expression: Expression) -> Expression {
            switch expression.kind {
            case .literal(.integer(let digits)):
                guard let place = Int(digits), select.items.indices.contains(place - 1) else { return expression }
                return select.items[place - 1].expression
            case .column(let name) where name.parts.count == 1:
                return select.items.first { $0.alias?.name.lowercased() == name.last.name.lowercased() }?.expression ?? expression
            default: return expression
            }
        }
        let keys = select.distinctOn.map(meant)
        let plainKeys = keys.map { $0.strippingSpans() }
        let order = query.orderBy.map { item in OrderItem(expression: meant(item.expression), isDescending: item.isDescending, nullsFirst: item.nullsFirst) }
            .filter { !plainKeys.contains($0.expression.strippingSpans()) }
        let span = select.distinctOn[0].span
        let window = WindowSpecification(partitionBy: keys, orderBy: order, span: span)
        let number = FunctionCall(name: QualifiedName([Identifier("row_number", span: span)], span: span), arguments: [], over: .inline(window))
        let one = Expression(.literal(.integer("1")), span: span)
        let isFirst = Expression(.binary(.equal, Expression(.call(number), span: span), one, operatorSpan: span), span: span)
        select.distinctOn = []
        select.qualify = select.qualify.map { Expression(.binary(.and, $0, isFirst, operatorSpan: span), span: span) } ?? isFirst
        if mode == .continuous, query.limit == nil { query.orderBy = [] }
        return (select, query)
    }

    // MARK: The select list

    /// Columns of a select list, keys of GROUP BY and of ORDER BY: PostgreSQL's limit.
    static let columnsMax = 1664

    private func check(count: Int, of clause: String, span: SourceSpan) throws(SQLError) {
        if count > Self.columnsMax {
            throw SQLError("\(clause) can have at most \(Self.columnsMax) entries", at: span, code: "54011")
        }
    }

    private func bindItems(_ select: Select, _ binder: ExpressionBinder) throws(SQLError) -> [Item] {
        var items: [Item] = []
        try check(count: select.items.count, of: "SELECT", span: select.span)
        for item in select.items {
            try check(count: items.count, of: "SELECT", span: item.expression.span)
            if case .star(let qualifier) = item.expression.kind {
                if let qualifier, try binder.scope.rowOfStar(qualifier) {
                    let row = try binder.bind(Expression(.column(qualifier), span: item.expression.span))
                    guard case .row(let fields) = row.type else { continue }
                    for (index, field) in fields.enumerated() {
                        let value = BoundExpression.field(row, index, type: field.type, span: item.expression.span)
                        items.append(Item(expression: value, name: field.name, span: item.expression.span, source: nil, hasAlias: false))
                    }
                    continue
                }
                let columns = try qualifier.map { (name) throws(SQLError) in try binder.scope.columns(of: name) } ?? binder.scope.starColumns
                if columns.isEmpty {
                    throw SQLError("SELECT * with no tables specified is not valid", at: item.expression.span)
                }
                for column in columns {
                    items.append(
                        Item(
                            expression: .column(column.ordinal, column.type, span: item.expression.span), name: column.name,
                            span: item.expression.span, source: nil, hasAlias: false))
                }
                continue
            }
            let bound = try binder.bind(item.expression)
            items.append(
                Item(
                    expression: bound, name: item.alias?.name ?? Self.defaultName(item.expression, binder.scope),
                    span: item.expression.span, source: item.expression, hasAlias: item.alias != nil))
        }
        return items
    }

    /// The conditions of rules, behind the select list. They may use its names: where no column has the name, as in QUALIFY; RESOLVE WHEN, which
    /// speaks of the row that people see, before columns.
    private func bindAlertItems(
        _ added: [AlertItem], _ items: inout [Item], _ scope: Scope, _ grouping: Grouping, _ overs: OverCollector, _ subqueries: SubqueryCollector
    ) throws(SQLError) {
        if added.isEmpty { return }
        let aliases = items.map { ($0.name, $0.expression) }
        for item in added {
            let isFilter = item.place == .filter
            let clause: Clause = switch item.place {
            case .filter: .where
            case .having: .having
            case .qualify, .resolve: .qualify
            }
            var binder = ExpressionBinder(
                scope: scope, clause: clause, grouping: isFilter ? nil : grouping, overs: item.place == .qualify || item.place == .resolve ? overs : nil)
            binder.subqueries = subqueries
            subqueries.allowMarks(item.expression)
            if !isFilter { binder.aliases = aliases }
            binder.prefersAliases = item.place == .resolve
            let name = item.place == .resolve ? "RESOLVE WHEN" : clause.name
            let bound = try binder.bindCondition(item.expression, of: name)
            items.append(Item(expression: bound, name: "condition", span: item.expression.span, source: item.expression, hasAlias: false))
        }
    }

    /// PostgreSQL's: a column's own name, a function's, else `?column?`.
    private static func defaultName(_ expression: Expression, _ scope: Scope) -> String {
        switch expression.kind {
        case .column(let name):
            guard let (column, fields) = try? scope.resolvePath(name) else { return name.last.name }
            return ExpressionTyping.fieldName(fields, in: column.type) ?? column.name
        case .field(_, let name): return name.name
        case .element(let operand, _): return defaultName(operand, scope)
        case .array: return "array"
        case .row: return "row"
        case .call(let call): return call.name.last.name.lowercased()
        case .niladic(let name): return name.lowercased()
        case .extract: return "extract"
        case .exists: return "exists"
        case .scalarQuery(let query):
            guard case .select(let select) = query.body, let item = select.items.first else { return "?column?" }
            return item.alias?.name ?? defaultName(item.expression, Scope())
        case .caseWhen(_, _, let otherwise):
            if let otherwise, case .column = otherwise.kind { return defaultName(otherwise, scope) }
            return "case"
        case .cast(let operand, _, _):
            let inner = defaultName(operand, scope)
            return inner == "?column?" ? "cast" : inner
        case .literal(.typed(let type, _)): return Printer.print(type).lowercased()
        default: return "?column?"
        }
    }

    // MARK: GROUP BY

    private func bindKeys(_ select: Select, _ grouping: Grouping, _ plan: LogicalPlan) throws(SQLError) -> Keys {
        var keys = Keys()
        try check(count: select.groupBy.count, of: "GROUP BY", span: select.span)
        for element in select.groupBy {
            switch element {
            case .expression(let expression):
                if let key = try bindKey(expression, select, grouping, plan, &keys) { keys.sets.add(key: key) }
            case .groupingSets(let sets):
                var listed: [[Int]] = []
                for set in sets { listed.append(try bindSet(set, select, grouping, plan, &keys)) }
                try keys.sets.add(listed, span: select.span)
            case .all: try bindAllKeys(select, grouping, plan, &keys)
            case .rollup(let parts):
                try keys.sets.add(GroupingSets.rollup(try bindParts(parts, select, grouping, plan, &keys)), span: select.span)
            case .cube(let parts):
                let bound = try bindParts(parts, select, grouping, plan, &keys)
                try keys.sets.add(try GroupingSets.cube(bound, span: parts.first?.span ?? select.span), span: select.span)
            }
        }
        return keys
    }

    /// GROUP BY ALL: what of the select list holds no aggregate and no property of a window. An item that is wrong otherwise is reported as part of the select list.
    private func bindAllKeys(_ select: Select, _ grouping: Grouping, _ plan: LogicalPlan, _ keys: inout Keys) throws(SQLError) {
        for item in select.items {
            if case .star(let qualifier) = item.expression.kind {
                let columns = try qualifier.map { (name) throws(SQLError) in try grouping.scope.columns(of: name) } ?? grouping.scope.starColumns
                for column in columns {
                    let name = QualifiedName([Identifier(column.name, span: item.expression.span)], span: item.expression.span)
                    let key = LogicalColumn(expression: .column(column.ordinal, column.type, span: item.expression.span), name: name.last.name)
                    guard !keys.columns.contains(where: { $0.expression.isSame(as: key.expression) }) else { continue }
                    keys.columns.append(key)
                    keys.sets.add(key: keys.columns.count - 1)
                }
                continue
            }
            do throws(SQLError) {
                if let key = try bindKey(item.expression, select, grouping, plan, &keys) { keys.sets.add(key: key) }
            } catch {
                guard error.code == SQLError.groupingError || error.code == SQLError.windowingError || error.code == SQLError.featureNotSupported else { throw error }
            }
        }
    }

    /// The elements of ROLLUP and CUBE: `a` or `(a, b)`.
    private func bindParts(
        _ parts: [Expression], _ select: Select, _ grouping: Grouping, _ plan: LogicalPlan, _ keys: inout Keys
    ) throws(SQLError) -> [[Int]] {
        var bound: [[Int]] = []
        for part in parts {
            if case .row(let items) = part.kind {
                bound.append(try bindSet(items, select, grouping, plan, &keys))
            } else {
                bound.append(try bindSet([part], select, grouping, plan, &keys))
            }
        }
        return bound
    }

    private func bindSet(
        _ set: [Expression], _ select: Select, _ grouping: Grouping, _ plan: LogicalPlan, _ keys: inout Keys
    ) throws(SQLError) -> [Int] {
        var bound: [Int] = []
        for expression in set {
            guard let key = try bindKey(expression, select, grouping, plan, &keys) else {
                throw SQLError(
                    "a window cannot stand in GROUPING SETS, ROLLUP or CUBE", at: expression.span,
                    hint: "put it beside them: GROUP BY TUMBLE(...), ROLLUP (...)", code: SQLError.windowingError)
            }
            bound.append(key)
        }
        return bound
    }

    /// The place of the key; nil when it is the window.
    private func bindKey(
        _ written: Expression, _ select: Select, _ grouping: Grouping, _ plan: LogicalPlan, _ keys: inout Keys
    ) throws(SQLError) -> Int? {
        let expression = try keyExpression(written, select, grouping.scope)
        if case .call(let call) = expression.kind, case .window(let kind)? = WindowFunction.named(call.name) {
            let window = try GroupWindow.bind(call, kind: kind, span: expression.span, scope: grouping.scope)
            if grouping.window != nil {
                throw SQLError(
                    "more than one window in GROUP BY is not supported yet", at: written.span, code: SQLError.featureNotSupported)
            }
            let name = call.arguments.first.map { Printer.print($0) } ?? ""
            try checkWindowTime(window, plan, name, span: call.arguments.first?.span ?? written.span)
            grouping.window = window
            return nil
        }
        let binder = ExpressionBinder(scope: grouping.scope, clause: .groupBy)
        var bound = try binder.bind(expression)
        if bound.type == .null { bound = .constant(.null, .text, span: bound.span) }
        if grouping.window == nil, let window = try floorWindow(expression, plan, binder) {
            grouping.window = window
            keys.windowMatch = bound
            return nil
        }
        if let known = keys.columns.firstIndex(where: { $0.expression.isSame(as: bound) }) { return known }
        let name = bound.plainColumn.map { plan.fields[$0].name } ?? Printer.print(expression)
        keys.columns.append(LogicalColumn(expression: bound, name: name))
        return keys.columns.count - 1
    }

    /// A position, else a column of FROM, else an alias of the select list, else the expression itself (PostgreSQL's order).
    private func keyExpression(_ expression: Expression, _ select: Select, _ scope: Scope) throws(SQLError) -> Expression {
        if case .literal(.integer) = expression.kind {
            if select.items.contains(where: { if case .star = $0.expression.kind { true } else { false } }) {
                throw SQLError(
                    "positions in GROUP BY cannot be used with *", at: expression.span, hint: "name the columns",
                    code: SQLError.featureNotSupported)
            }
            let position = try ordinal(expression, count: select.items.count, clause: "GROUP BY")
            return position.map { select.items[$0].expression } ?? expression
        }
        if case .column(let name) = expression.kind, name.parts.count == 1,
            try scope.find(name.last, span: name.span) == nil
        {
            var matches = select.items.filter { $0.alias?.name == name.last.name }
            if matches.isEmpty { matches = select.items.filter { $0.alias?.name.lowercased() == name.last.name.lowercased() } }
            if matches.count > 1 {
                throw SQLError("GROUP BY \"\(name.last.name)\" is ambiguous", at: name.span, code: SQLError.ambiguousColumn)
            }
            if let match = matches.first { return match.expression }
        }
        return expression
    }

    private func checkWindowTime(_ window: GroupWindow, _ plan: LogicalPlan, _ name: String, span: SourceSpan) throws(SQLError) {
        guard mode == .continuous else { return }
        try checkTime(plan, window.time.plainColumn ?? -1, name, span: span)
    }

    /// `FLOOR(ts TO HOUR)` of a time attribute, as a group key of a continuous query, is a tumbling window (Kinesis Data Analytics). Weeks
    /// and months are not: they are plain expressions.
    private func floorWindow(_ expression: Expression, _ plan: LogicalPlan, _ binder: ExpressionBinder) throws(SQLError) -> GroupWindow? {
        guard mode == .continuous, case .call(let call) = expression.kind, call.name.parts.count == 1,
            call.name.last.name.lowercased() == "floor", call.arguments.count == 2,
            case .literal(.string(let unit)) = call.arguments[1].kind
        else { return nil }
        let time = try binder.bind(call.arguments[0])
        guard let column = time.plainColumn, time.type.isTimestamp, plan.isTimeAttribute(column) else { return nil }
        let size: Int64
        switch unit.uppercased() {
        case "SECOND": size = 1_000_000
        case "MINUTE": size = 60_000_000
        case "HOUR": size = 3_600_000_000
        case "DAY": size = 86_400_000_000
        default: return nil
        }
        return GroupWindow(kind: .tumble, shape: .tumble(size: size, offset: 0), time: time, span: expression.span)
    }

    /// The aggregation, and how to write the other clauses over it.
    private func bindGroups(
        _ input: LogicalPlan, _ keys: inout Keys, _ grouping: Grouping, used: [BoundExpression], _ select: Select,
        _ context: QueryContext
    ) throws(SQLError) -> (LogicalPlan, GroupedRewriter) {
        var plan = input
        var matches: [(match: BoundExpression, column: Int)] = []
        for (index, key) in keys.columns.enumerated() { matches.append((key.expression, index)) }
        var setColumn: Int?
        if keys.sets.isWritten && keys.sets.sets.count > 1 {
            (plan, keys.columns) = keys.sets.expand(plan, keys.columns)
            setColumn = keys.columns.count - 1
        }
        var phantom: BoundExpression?
        if setColumn != nil, grouping.window == nil { (plan, phantom) = keys.sets.withEmptySets(plan) }
        let groupings = try bindGroupings(grouping, matches, keys.sets, setColumn: setColumn)

        if let window = grouping.window {
            let timeColumn: Int
            if let column = window.time.plainColumn {
                timeColumn = column
            } else {
                timeColumn = plan.fields.count
                plan = .project(plan, LogicalPlan.passing(plan.fields) + [LogicalColumn(expression: window.time, name: "time")])
            }
            let fields = plan.fields
            plan = .window(
                plan, LogicalWindow(shape: window.shape, timeColumn: timeColumn, partitionColumns: nil, span: window.span))
            for (role, field) in LogicalPlan.windowFields(window.time.type).enumerated() {
                if let windowRole = WindowRole(rawValue: role) {
                    matches.append((grouping.windowColumn(windowRole, span: .none), keys.columns.count))
                }
                if role == 0, let match = keys.windowMatch { matches.append((match, keys.columns.count)) }
                keys.columns.append(
                    LogicalColumn(expression: .column(fields.count + role, field.type), name: field.name))
            }
        } else {
            addWindowTime(plan, &keys, &matches, used: used)
        }

        var calls = grouping.calls
        for index in calls.indices where calls[index].text.isEmpty { calls[index].text = calls[index].function.rawValue }
        if let phantom {
            for index in calls.indices {
                calls[index].filter = try ExpressionTyping.and([phantom] + (calls[index].filter.map { [$0] } ?? []), span: calls[index].span, text: "")
            }
        }
        let aggregate = LogicalAggregate(
            keys: keys.columns, window: nil, calls: calls, emit: context.emit, isDistinct: false,
            allowedLatenessMicroseconds: latenessMicroseconds, span: select.span)
        let aggregated = try WindowFusion.aggregate(plan, aggregate, mode: mode)
        try count(4, span: select.span)
        let rewriter = GroupedRewriter(
            keys: matches, callBase: grouping.callBase, callColumn: keys.columns.count, groupings: groupings, scope: grouping.scope)
        return (aggregated, rewriter)
    }

    /// Each GROUPING(..) over the aggregation's columns.
    private func bindGroupings(
        _ grouping: Grouping, _ matches: [(match: BoundExpression, column: Int)], _ sets: GroupingSets, setColumn: Int?
    ) throws(SQLError) -> [BoundExpression] {
        var bound: [BoundExpression] = []
        for (arguments, span) in grouping.groupings {
            var places: [Int] = []
            for argument in arguments {
                guard let key = matches.first(where: { $0.match.isSame(as: argument) }) else {
                    throw SQLError(
                        "arguments to GROUPING must be keys of GROUP BY", at: argument.span, code: SQLError.groupingError)
                }
                places.append(key.column)
            }
            bound.append(
                setColumn.map { sets.grouping(places, setColumn: $0, span: span) } ?? .constant(.integer(0), .bigint, span: span))
        }
        return bound
    }

    /// window_time follows from window_start and window_end, so it may be named without being grouped by.
    private func addWindowTime(
        _ plan: LogicalPlan, _ keys: inout Keys, _ matches: inout [(match: BoundExpression, column: Int)], used: [BoundExpression]
    ) {
        var depths: [Int: Set<WindowRole>] = [:]
        for key in keys.columns {
            guard let column = key.expression.plainColumn, let origin = plan.windowOrigin(column) else { continue }
            depths[origin.depth, default: []].insert(origin.role)
        }
        let fields = plan.fields
        for column in used.reduce(into: Set<Int>(), { $1.collectColumns(into: &$0) }).sorted() where column < fields.count {
            guard let origin = plan.windowOrigin(column), let roles = depths[origin.depth], roles.contains(.start), roles.contains(.end),
                !keys.columns.contains(where: { $0.expression.plainColumn == column })
            else { continue }
            let expression = BoundExpression.column(column, fields[column].type)
            matches.append((expression, keys.columns.count))
            keys.columns.append(LogicalColumn(expression: expression, name: fields[column].name))
        }
    }

    // MARK: QUALIFY

    /// A filter over the results of window functions; may use the names of the select list.
    private func bindQualify(_ select: Select, _ items: [Item], _ scope: Scope, _ grouping: Grouping, _ overs: OverCollector)
        throws(SQLError) -> BoundExpression?
    {
        guard let condition = select.qualify else { return nil }
        var binder = ExpressionBinder(scope: scope, clause: .qualify, grouping: grouping, overs: overs)
        binder.aliases = items.map { ($0.name, $0.expression) }
        let bound = try binder.bindCondition(condition, of: "QUALIFY")
        if overs.isEmpty {
            throw SQLError(
                "QUALIFY needs a window function", at: condition.span,
                hint: "filter rows with WHERE, groups with HAVING; QUALIFY filters by ROW_NUMBER() OVER (..) and its kin",
                code: SQLError.windowingError)
        }
        return bound
    }

    // MARK: ORDER BY

    private func bindOrder(
        _ query: Query, _ items: [Item], _ scope: Scope, _ grouping: Grouping, _ overs: OverCollector
    ) throws(SQLError)
        -> (keys: [SortNode.Key], hidden: [LogicalColumn])
    {
        var keys: [SortNode.Key] = []
        var hidden: [LogicalColumn] = []
        try check(count: query.orderBy.count, of: "ORDER BY", span: query.span)
        for item in query.orderBy {
            let column: Int
            if let position = try ordinal(item.expression, count: items.count, clause: "ORDER BY") {
                column = position
            } else if let named = try outputColumn(item.expression, items) {
                column = named
            } else {
                let bound = try ExpressionBinder(scope: scope, clause: .orderBy, grouping: grouping, overs: overs).bind(item.expression)
                if let same = items.firstIndex(where: { $0.expression.isSame(as: bound) }) {
                    column = same
                } else {
                    column = items.count + hidden.count
                    hidden.append(LogicalColumn(expression: bound, name: Printer.print(item.expression)))
                }
            }
            keys.append(SortNode.Key(item, column: column))
        }
        return (keys, hidden)
    }

    /// A bare name that the select list gives to a column.
    private func outputColumn(_ expression: Expression, _ items: [Item]) throws(SQLError) -> Int? {
        guard case .column(let name) = expression.kind, name.parts.count == 1 else { return nil }
        var matches = items.indices.filter { items[$0].name == name.last.name }
        if matches.isEmpty { matches = items.indices.filter { items[$0].name.lowercased() == name.last.name.lowercased() } }
        guard let first = matches.first else { return nil }
        if matches.contains(where: { !items[$0].expression.isSame(as: items[first].expression) }) {
            throw SQLError("ORDER BY \"\(name.last.name)\" is ambiguous", at: name.span, code: SQLError.ambiguousColumn)
        }
        return first
    }
}
