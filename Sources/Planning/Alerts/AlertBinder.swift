// AlertBinder: rules over one body, from their text to a plan that ends in an AlertNode.
//
// The body is a rule's query without its outermost condition: QUALIFY, else HAVING, else the WHERE of a query that neither groups nor has window
// functions (what such a query filters beforehand is part of its body). The condition becomes a column behind the select list, so every row of the
// body is an evaluation of the rule. A query without such a condition, and one that would take rows back once its condition is a column (a ranking), is
// taken whole: each of its rows is an evaluation that is true.
//
// The key of the instances is what KEY says, else what the body groups, or its window functions or pattern partition, by; else there is one instance.
// The time of an evaluation is the end of the window it closes, else the time attribute, wherever in the body's last step it can be seen.

import Columns
import Syntax

/// A rule as the engine knows it.
package struct AlertDefinition: Sendable {
    package var id: UInt64
    package var create: CreateAlert
    package var isPaused = false
    package var retirement: AlertReason?
    package var afterEpoch: UInt64 = 0

    package init(id: UInt64, create: CreateAlert) {
        self.id = id
        self.create = create
    }

    package var name: String { create.name.last.name }
}

package struct PlannedAlerts: Sendable {
    package var query: PlannedQuery
    package var node: AlertNode
    /// Rules with the same one can run as one query.
    package var group: String
    /// As bound and optimised, for EXPLAIN.
    var stages: PlanStages
}

/// An expression that a rule adds to the select list.
struct AlertItem {
    enum Place { case filter, having, qualify, resolve }

    var expression: Expression
    var place: Place
}

/// What the SELECT that a rule is about turned out to be.
final class AlertProbe {
    var isGrouped = false
    var hasWindows = false
}

enum AlertBinder {
    static func plan(_ rules: [AlertDefinition], catalog: any Catalog, options: PlannerOptions, tags: AlertTags = AlertTags()) throws(SQLError) -> PlannedAlerts {
        guard let first = rules.first else { throw SQLError("an alert without a rule", at: .none) }
        var body = try AlertBody(first.create, catalog: catalog, options: options)
        var items: [AlertItem] = []
        var places: [(condition: Int?, resolve: Int?)] = []
        for rule in rules {
            let condition = body.condition(of: rule.create.query)
            var place: (condition: Int?, resolve: Int?) = (nil, nil)
            if let condition {
                place.condition = items.count
                items.append(condition)
            }
            if let resolve = rule.create.resolve {
                place.resolve = items.count
                items.append(AlertItem(expression: resolve, place: .resolve))
            }
            places.append(place)
        }
        let query = body.stripped(first.create.query)
        let binder = QueryBinder(catalog: catalog, mode: .continuous, latenessMicroseconds: options.allowedLatenessMicroseconds)
        binder.alertItems = items
        let bound = try binder.bindStatement(query)
        var columns = try AlertRow(bound, itemCount: items.count, key: first.create.key, alert: first.create, tags: tags)
        body.notices += columns.notices

        var node = AlertNode(
            rules: [], names: columns.names, keyColumns: columns.keyColumns, keyNames: columns.keyNames, timeColumn: columns.timeColumn,
            isTimeInclusive: columns.isTimeInclusive, tags: [], inputRetracts: bound.plan.retracts(mode: .continuous))
        for (definition, place) in zip(rules, places) {
            var rule = try rule(definition, names: columns.names)
            rule.condition = place.condition.map { columns.condition($0, evaluate: options.evaluate) } ?? .always
            rule.resolve = place.resolve.map { columns.condition($0, evaluate: options.evaluate) }
            if let notice = unending(rule, definition.create) { body.notices.append(notice) }
            node.rules.append(rule)
        }
        node.tags = columns.tags
        let widened = BoundQuery(
            plan: .project(columns.input, columns.columns), fields: columns.columns.map { SQLType.Field(name: $0.name, type: $0.expression.type) },
            spans: columns.columns.map(\.expression.span))
        var stages = try PlanStages(widened, startFrom: query.startFrom, mode: .continuous, options: options)
        var planned = stages.planned
        let states = planned.plan.keyedSignatures.joined(separator: "\n")
        let group = [Printer.print(Statement(.query(query), span: .none)), node.signature, states].joined(separator: "\n--\n")
        planned.plan = .alert(planned.plan, node)
        planned.schema = AlertColumns.schema
        planned.changelog = .appendOnly
        if planned.startFrom == nil, planned.plan.readsOneStream { planned.startFrom = .latest }
        planned.notices += body.notices
        stages.planned = planned
        return PlannedAlerts(query: planned, node: node, group: group, stages: stages)
    }

    // MARK: One rule

    private static func rule(_ definition: AlertDefinition, names: [String]) throws(SQLError) -> AlertRule {
        let create = definition.create
        var rule = AlertRule(id: definition.id, name: definition.name)
        rule.isPaused = definition.isPaused
        rule.retirement = definition.retirement
        rule.afterEpoch = definition.afterEpoch
        if let interval = create.hold { rule.timing.holdMicroseconds = try microseconds(interval, "FOR") }
        if let interval = create.keepFiring { rule.timing.keepFiringMicroseconds = try microseconds(interval, "KEEP FIRING FOR") }
        if let quorum = create.quorum {
            rule.timing.of = try count(quorum.of, 1...AlertTiming.evaluationsMax)
            rule.timing.needed = try count(quorum.needed, 1...rule.timing.of)
        }
        if let noData = create.noData {
            rule.timing.noDataMicroseconds = try microseconds(noData.interval, "ON NO DATA FOR")
            switch noData.action {
            case .fire: rule.timing.noData = .fire
            case .resolve: rule.timing.noData = .resolve
            case .keep: rule.timing.noData = .keep
            }
        }
        for option in create.options {
            let key = option.key.lowercased()
            if key == "severity" {
                rule.severity = try AlertTemplate(option.value, columns: names, what: "severity", span: option.valueSpan)
            } else if key == "notify" {
                rule.notify = try notifiers(option)
            } else if key.hasPrefix("label."), key.utf8.count > 6 {
                let name = String(option.key.dropFirst(6))
                rule.labels.append(AlertLabel(name: name, text: try AlertTemplate(option.value, columns: names, what: "label \(name)", span: option.valueSpan)))
            } else if key.hasPrefix("annotation."), key.utf8.count > 11 {
                let name = String(option.key.dropFirst(11))
                rule.annotations.append(
                    AlertLabel(name: name, text: try AlertTemplate(option.value, columns: names, what: "annotation \(name)", span: option.valueSpan)))
            } else {
                let known = ["severity", "notify", "label.", "annotation."]
                throw SQLError(
                    "an alert has no option '\(option.key)'", at: option.keySpan,
                    hint: NearestName.find(key, among: known).map { "did you mean '\($0)'?" } ?? "there are severity, notify, label.NAME and annotation.NAME",
                    code: SQLError.invalidParameter)
            }
        }
        return rule
    }

    /// `'a, b'`.
    private static func notifiers(_ option: Option) throws(SQLError) -> [String] {
        var names: [String] = []
        for part in option.value.split(separator: ",", omittingEmptySubsequences: false) {
            let name = part.drop { $0 == " " }
            let trimmed = String(name.reversed().drop { $0 == " " }.reversed())
            if trimmed.isEmpty {
                throw SQLError("notify names nobody between two commas", at: option.valueSpan, hint: "notify = 'one, another'", code: SQLError.invalidParameter)
            }
            if !names.contains(trimmed) { names.append(trimmed) }
        }
        return names
    }

    private static func microseconds(_ expression: Expression, _ clause: String) throws(SQLError) -> Int64 {
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("the interval of \(clause)")).bind(expression)
        if case .interval(let interval)? = bound.constantValue, interval.months != 0 {
            throw SQLError(
                "the interval of \(clause) must have a fixed length", at: expression.span, hint: "months and years differ in length; give days",
                code: SQLError.invalidParameter)
        }
        guard let microseconds = ExpressionTyping.constantMicroseconds(bound), microseconds >= 0 else {
            throw SQLError(
                "the interval of \(clause) must be a constant and not negative", at: expression.span, hint: "for example INTERVAL '5' MINUTE",
                code: SQLError.invalidParameter)
        }
        return microseconds
    }

    private static func count(_ expression: Expression, _ range: ClosedRange<Int>) throws(SQLError) -> Int {
        guard case .literal(.integer(let digits)) = expression.kind, let number = Int(digits), range.contains(number) else {
            throw SQLError(
                "the number of evaluations must be from \(range.lowerBound) to \(range.upperBound)", at: expression.span, hint: "WHEN 3 OF 5 EVALUATIONS",
                code: SQLError.invalidParameter)
        }
        return number
    }

    /// Rows that are all true end nothing.
    private static func unending(_ rule: AlertRule, _ create: CreateAlert) -> String? {
        guard rule.condition == .always, rule.resolve == nil, rule.timing.keepFiringMicroseconds == 0 else { return nil }
        if rule.timing.noDataMicroseconds != nil, rule.timing.noData == .resolve { return nil }
        return "every row makes alert \"\(rule.name)\" fire, and nothing resolves it: add KEEP FIRING FOR, RESOLVE WHEN, or ON NO DATA FOR .. RESOLVE"
    }
}

/// Which part of a rule's query is its condition.
private struct AlertBody {
    var notices: [String] = []
    private var place: AlertItem.Place?
    private var isWrapped = false

    init(_ create: CreateAlert, catalog: any Catalog, options: PlannerOptions) throws(SQLError) {
        let query = create.query
        if let item = query.orderBy.first {
            throw SQLError("an alert's query has no order", at: item.expression.span, hint: "leave out ORDER BY", code: SQLError.featureNotSupported)
        }
        if let limit = query.limit ?? query.offset {
            throw SQLError("an alert's query goes on for ever", at: limit.span, hint: "leave out LIMIT and OFFSET", code: SQLError.featureNotSupported)
        }
        func bind(_ query: Query, _ items: [AlertItem], _ probe: AlertProbe?) throws(SQLError) -> BoundQuery {
            let binder = QueryBinder(catalog: catalog, mode: .continuous, latenessMicroseconds: options.allowedLatenessMicroseconds)
            binder.alertItems = items
            binder.alertProbe = probe
            return try binder.bindStatement(query)
        }
        let probe = AlertProbe()
        let whole = try bind(query, [], probe)
        guard whole.plan.readsRelation else {
            throw SQLError("an alert's query must read a stream, a table or a view", at: query.span, code: SQLError.invalidParameter)
        }
        guard case .select(let select) = query.body, !select.isDistinct, select.distinctOn.isEmpty else {
            isWrapped = true
            return
        }
        if select.qualify != nil {
            place = .qualify
        } else if select.having != nil {
            place = .having
        } else if select.filter != nil, !probe.isGrouped, !probe.hasWindows {
            place = .filter
        }
        // A condition that makes the query what it is (the first rows of a ranking) stays where it is.
        guard let item = condition(of: query), !whole.plan.retracts(mode: .continuous) else { return }
        if try bind(stripped(query), [item], nil).plan.retracts(mode: .continuous) {
            place = nil
            isWrapped = true
        }
    }

    func condition(of query: Query) -> AlertItem? {
        guard let place, case .select(let select) = query.body else { return nil }
        let expression: Expression? = switch place {
        case .filter: select.filter
        case .having: select.having
        case .qualify: select.qualify
        case .resolve: nil
        }
        return expression.map { AlertItem(expression: $0, place: place) }
    }

    /// The query without its condition; one that is taken whole, as the table of another.
    func stripped(_ query: Query) -> Query {
        var query = query
        if isWrapped {
            var inner = query
            inner.startFrom = nil
            let table = TableExpression(.query(inner), span: query.span)
            let star = SelectItem(expression: Expression(.star(qualifier: nil), span: query.span))
            var named = table
            named.alias = Identifier("body", span: query.span)
            return Query(body: .select(Select(items: [star], from: [named], span: query.span)), startFrom: query.startFrom, span: query.span)
        }
        guard let place, case .select(var select) = query.body else { return query }
        switch place {
        case .filter: select.filter = nil
        case .having: select.having = nil
        case .qualify: select.qualify = nil
        case .resolve: break
        }
        query.body = .select(select)
        return query
    }
}

/// The columns that reach the node: the select list, then what else the rules want, each once.
private struct AlertRow {
    let input: LogicalPlan
    private(set) var columns: [LogicalColumn]
    private(set) var tags: [String] = []
    let names: [String]
    private(set) var keyColumns: [Int] = []
    private(set) var keyNames: [String] = []
    private(set) var timeColumn: Int?
    private(set) var isTimeInclusive = false
    private(set) var notices: [String] = []
    /// Of columns, by their tags.
    private var places: [String: Int] = [:]
    private let known: AlertTags
    /// Of the items behind the select list.
    private let items: [BoundExpression]

    init(_ bound: BoundQuery, itemCount: Int, key: [Identifier]?, alert: CreateAlert, tags known: AlertTags) throws(SQLError) {
        self.known = known
        var plan = bound.plan
        if case .project = plan {} else { plan = .project(plan, LogicalPlan.passing(bound.fields)) }
        guard case .project(let input, let all) = plan, all.count >= itemCount else {
            throw SQLError("this query cannot be watched by an alert yet", at: alert.query.span, code: SQLError.featureNotSupported)
        }
        self.input = input
        let visible = all.count - itemCount
        columns = Array(all[..<visible])
        items = all[visible...].map(\.expression)
        names = bound.fields[..<visible].map(\.name)
        for (index, column) in columns.enumerated() {
            if let other = names[..<index].firstIndex(of: names[index]) {
                let span = bound.spans.indices.contains(index) ? bound.spans[index] : alert.query.span
                _ = other
                throw SQLError("column \"\(names[index])\" specified more than once", at: span, hint: "give it another name with AS", code: "42701")
            }
            note("\(index) \(names[index]) \(column.expression.type.name)")
        }
        if !bound.plan.retracts(mode: .continuous) { findTime(plan) }
        if let key {
            for name in key {
                guard let column = Self.find(name, names) else {
                    throw SQLError(
                        "column \"\(name.name)\" of KEY does not exist", at: name.span,
                        hint: NearestName.find(name.name, among: names).map { "did you mean \"\($0)\"?" } ?? "KEY names columns of the select list",
                        code: SQLError.undefinedColumn)
                }
                keyColumns.append(column)
                keyNames.append(names[column])
            }
        } else if let natural = input.alertKey {
            for (column, name) in natural {
                if let shown = columns[..<visible].firstIndex(where: { $0.expression.plainColumn == column }) {
                    keyColumns.append(shown)
                    keyNames.append(names[shown])
                } else {
                    keyColumns.append(place(.column(column, input.fields[column].type), name))
                    keyNames.append(name)
                }
            }
        } else if names.count > 1 {
            notices.append("alert \"\(alert.name.last.name)\" has one instance for all rows; KEY (..) gives it one for each value of columns")
        }
        for column in keyColumns where !columns[column].expression.type.canBeKey {
            throw SQLError(
                "a \(columns[column].expression.type.name) cannot be the key of an alert", at: alert.query.span, code: SQLError.featureNotSupported)
        }
    }

    private static func find(_ name: Identifier, _ names: [String]) -> Int? {
        if let exact = names.firstIndex(of: name.name) { return exact }
        let loose = names.indices.filter { names[$0].lowercased() == name.name.lowercased() }
        return loose.count == 1 ? loose[0] : nil
    }

    private mutating func findTime(_ plan: LogicalPlan) {
        func closed(_ plan: LogicalPlan, _ column: Int) -> Bool {
            guard let origin = plan.windowOrigin(column) else { return false }
            return origin.isClosed && origin.role == .end
        }
        let fields = input.fields
        let shown = columns.indices
        if let column = shown.first(where: { closed(plan, $0) }) {
            (timeColumn, isTimeInclusive) = (column, true)
        } else if let column = fields.indices.first(where: { closed(input, $0) }) {
            (timeColumn, isTimeInclusive) = (place(.column(column, fields[column].type), "time"), true)
        } else if let column = shown.first(where: { plan.isTimeAttribute($0) }) {
            timeColumn = column
        } else if let column = fields.indices.first(where: { input.isTimeAttribute($0) }) {
            timeColumn = place(.column(column, fields[column].type), "time")
        }
    }

    /// The column of an expression over the input, behind the select list when it is not there yet.
    private mutating func place(_ expression: BoundExpression, _ name: String) -> Int {
        let tag = known.text(of: expression)
        if let place = places[tag] { return place }
        columns.append(LogicalColumn(expression: expression, name: name))
        note(tag)
        return columns.count - 1
    }

    private mutating func note(_ tag: String) {
        if places[tag] == nil { places[tag] = tags.count }
        tags.append(tag)
    }

    /// How a condition is asked for: a number compared with a constant by its bound, everything else by a column of its own.
    mutating func condition(_ item: Int, evaluate: ConstantEvaluator?) -> AlertCondition {
        let expression = items[item]
        if let (operand, comparison, bound) = AlertThreshold.find(expression, evaluate: evaluate) {
            let shown = columns[..<names.count].firstIndex { $0.expression.isSame(as: operand) }
            return .threshold(column: shown ?? place(operand, "value"), comparison, bound)
        }
        return .column(place(expression, "condition"))
    }
}

/// `x > 5` and its kin.
enum AlertThreshold {
    static func find(_ expression: BoundExpression, evaluate: ConstantEvaluator?) -> (BoundExpression, AlertComparison, AlertBound)? {
        guard case .call(let function, let operands) = expression.kind, operands.count == 2 else { return nil }
        let (comparison, flipped): (AlertComparison, AlertComparison)
        switch function {
        case .greater: (comparison, flipped) = (.greater, .less)
        case .greaterOrEqual: (comparison, flipped) = (.greaterOrEqual, .lessOrEqual)
        case .less: (comparison, flipped) = (.less, .greater)
        case .lessOrEqual: (comparison, flipped) = (.lessOrEqual, .greaterOrEqual)
        default: return nil
        }
        func constant(_ operand: BoundExpression) -> Value? {
            if let value = operand.constantValue { return value }
            guard operand.isFixed else { return nil }
            return evaluate?(operand)
        }
        func bound(_ value: Value?, _ type: SQLType) -> AlertBound? {
            switch (value, type) {
            case (.integer(let number)?, .smallint), (.integer(let number)?, .integer), (.integer(let number)?, .bigint): .integer(number)
            case (.double(let number)?, .double) where !number.isNaN: .double(number)
            default: nil
            }
        }
        if let value = bound(constant(operands[1]), operands[0].type), operands[0].type == operands[1].type, !operands[0].isFixed {
            return (operands[0], comparison, value)
        }
        if let value = bound(constant(operands[0]), operands[1].type), operands[0].type == operands[1].type, !operands[1].isFixed {
            return (operands[1], flipped, value)
        }
        return nil
    }
}

extension BoundExpression {
    /// Over constants alone.
    fileprivate var isFixed: Bool {
        switch kind {
        case .column, .epochClock: false
        default: children.allSatisfy(\.isFixed)
        }
    }
}

extension SQLType {
    fileprivate var canBeKey: Bool {
        switch self {
        case .map: false
        case .array(let element): element.canBeKey
        case .row(let fields): fields.allSatisfy { $0.type.canBeKey }
        default: true
        }
    }
}

extension LogicalPlan {
    /// The columns by which a plan's rows are about one thing: what it groups or partitions by, windows apart. nil when it does neither.
    var alertKey: [(column: Int, name: String)]? {
        switch self {
        case .filter(let input, _), .watermark(let input, _), .sort(let input, _), .limit(let input, _, _), .window(let input, _): return input.alertKey
        case .project(let input, let columns):
            guard let key = input.alertKey else { return nil }
            var moved: [(column: Int, name: String)] = []
            for (column, _) in key {
                guard let place = columns.firstIndex(where: { $0.expression.plainColumn == column }) else { return nil }
                moved.append((place, columns[place].name))
            }
            return moved
        case .aggregate(_, let aggregate):
            return aggregate.keys.indices.filter { windowOrigin($0) == nil }.map { ($0, aggregate.keys[$0].name) }
        case .over(let input, let over):
            var key: [(column: Int, name: String)] = []
            let fields = input.fields
            for part in over.partition {
                guard let column = part.plainColumn else { return input.alertKey }
                if input.windowOrigin(column) == nil { key.append((column, fields[column].name)) }
            }
            return key.isEmpty ? input.alertKey : key
        case .match(_, let match):
            var key: [(column: Int, name: String)] = []
            for column in match.node.partition {
                guard let place = match.node.passedColumns.firstIndex(of: column), match.fields.indices.contains(place) else { return nil }
                key.append((place, match.fields[place].name))
            }
            return key
        case .join(let left, _, let join): return join.version == nil ? nil : left.alertKey
        case .scan, .values, .union, .unnest, .expand, .replicate: return nil
        }
    }
}

extension PhysicalPlan {
    /// The signatures of the uppermost nodes that keep state.
    fileprivate var keyedSignatures: [String] {
        switch self {
        case .scan, .values: []
        case .watermark, .filter, .project, .assignWindow, .union, .unnest, .expand, .replicate: inputs.flatMap(\.keyedSignatures)
        case .aggregate, .sort, .limit, .join, .over, .rank, .match, .alert, .shared: [signature]
        }
    }

    /// One stream of the log and nothing else: what a rule that was just made looks at is what comes from now on.
    fileprivate var readsOneStream: Bool {
        var scans: [ScanNode] = []
        func visit(_ plan: PhysicalPlan) {
            if case .scan(let node) = plan { scans.append(node) }
            plan.inputs.forEach(visit)
        }
        visit(self)
        guard let relation = scans.first?.relation, scans.allSatisfy({ $0.relation.name == relation.name }) else { return false }
        return (relation.connector == "log" || relation.connector == "system") && !relation.isUpsert && !relation.isMaterializedView && !relation.isChangelog
    }
}

extension PlannedAlerts {
    func explanation(_ kind: ExplainKind?) -> [String] {
        var lines = stages.explanation(kind, target: nil)
        if let place = lines.firstIndex(of: "== Physical plan ==") { lines.insert("transitions go to alerts", at: place + 1) }
        return lines
    }
}
