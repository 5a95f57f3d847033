// Explanation: plans as indented trees, a node a line, inputs below and further in.

import Columns
import Syntax

extension LogicalPlan {
    func lines(indent: Int = 0) -> [String] {
        [String(repeating: "  ", count: indent) + label] + inputs.flatMap { $0.lines(indent: indent + 1) }
    }

    private var label: String {
        func names(_ input: LogicalPlan) -> [String] { input.fields.map(\.name) }
        switch self {
        case .scan(let scan):
            return "Scan \(scan.relation.name) [\(names(self).joined(separator: ", "))]"
        case .values(let rows, _): return rows.count == 1 ? "Values, 1 row" : "Values, \(rows.count) rows"
        case .watermark(let input, let node):
            let names = names(input)
            return "Watermark \(names[node.timeColumn]) AS \(ExpressionText.print(node.expression, names))"
        case .filter(let input, let predicate): return "Filter \(ExpressionText.print(predicate, names(input)))"
        case .project(let input, let columns): return "Project " + Self.text(columns, names(input))
        case .window(let input, let window):
            return "Window " + ExpressionText.window(window.shape, names(input)[window.timeColumn])
        case .aggregate(let input, let aggregate):
            let names = names(input)
            var parts: [String] = []
            if !aggregate.keys.isEmpty { parts.append("by (\(Self.text(aggregate.keys, names)))") }
            if let window = aggregate.window { parts.append(ExpressionText.window(window.shape, names[window.timeColumn])) }
            if !aggregate.calls.isEmpty { parts.append("[\(aggregate.calls.map(\.text).joined(separator: ", "))]") }
            return (aggregate.calls.isEmpty ? "Distinct " : "Aggregate ") + parts.joined(separator: " ")
        case .union(let inputs): return "Union, \(inputs.count) inputs"
        case .sort(let input, let sort):
            return "S" + PhysicalPlan.sortLabel(SortNode(keys: sort.keys, limit: sort.limit, offset: sort.offset), names(input)).dropFirst()
        case .limit(_, let count, let offset): return "L" + PhysicalPlan.limitLabel(count, offset).dropFirst()
        case .join(let left, let right, let join): return Self.label(join, names(left), names(right))
        case .over(let input, let over): return Self.label(over, names(input))
        case .match(let input, let match): return Self.label(match, names(input))
        case .unnest(let input, let unnest):
            return "Unnest " + unnest.node.arrays.map { ExpressionText.print($0, names(input)) }.joined(separator: ", ")
        case .expand(_, let rows, let names): return "Expand, \(rows.count) rows each [\(names.joined(separator: ", "))]"
        case .replicate(let input, let column): return "Replicate by \(names(input)[column])"
        }
    }

    private static func text(_ columns: [LogicalColumn], _ names: [String]) -> String {
        columns.map { column in
            let text = ExpressionText.print(column.expression, names)
            return text == column.name ? text : "\(text) AS \(column.name)"
        }.joined(separator: ", ")
    }
}

extension PhysicalPlan {
    /// What columns are called: those of streams by their names, computed ones by a short expression's text or `$` and their place.
    var columnNames: [String] {
        switch self {
        case .scan(let node):
            let schema = node.relation.scanSchema
            return node.columns.map { $0.name(in: schema) }
        case .values(_, let schema): return schema.fields.map(\.name)
        case .watermark(let input, let node):
            var names = input.columnNames
            if names.indices.contains(node.timeColumn), names[node.timeColumn].hasPrefix("$"), let name = input.timeName(node.timeColumn) {
                names[node.timeColumn] = name
            }
            return names
        case .filter(let input, _), .sort(let input, _), .limit(let input, _, _): return input.columnNames
        case .project(let input, let expressions):
            let names = input.columnNames
            return expressions.enumerated().map { Self.name($1, $0, names) }
        case .assignWindow(let input, _): return input.columnNames + ["window_start", "window_end"]
        case .aggregate(let input, let node):
            let names = input.columnNames
            return node.keys.map { names[$0] } + (node.window == nil ? [] : ["window_start", "window_end"])
                + node.aggregates.map(\.text)
        case .union(let inputs): return inputs.first?.columnNames ?? []
        case .join(let left, let right, let node): return left.columnNames + (node.kind.keepsLeftOnly ? [] : right.columnNames)
        case .over(let input, let node): return input.columnNames + node.calls.map(\.text)
        case .rank(let input, let node): return input.columnNames + (node.emitsRank ? ["rank"] : [])
        case .match(_, let node): return node.outputTypes.indices.map { "$\($0)" }
        case .unnest(let input, let node): return input.columnNames + node.elementTypes.indices.map { "element\($0 + 1)" }
        case .expand(let input, let rows):
            let names = input.columnNames
            return (rows.first ?? []).enumerated().map { Self.name($1, $0, names) }
        case .replicate(let input, _), .shared(let input, _): return input.columnNames
        case .alert: return AlertColumns.schema.fields.map(\.name)
        }
    }

    /// What a computed time above a scan is called where it was defined.
    private func timeName(_ column: Int) -> String? {
        guard case .project(.scan(let node), let expressions) = self, expressions.indices.contains(column) else { return nil }
        if expressions[column].readsClock { return "proctime" }
        return node.relation.watermark.map { node.relation.columns[$0.column].name }
    }

    private static let nameLengthMax = 40

    private static func name(_ expression: BoundExpression, _ place: Int, _ names: [String]) -> String {
        if let column = expression.plainColumn { return names.indices.contains(column) ? names[column] : "#\(column)" }
        let text = ExpressionText.print(expression, names, nested: true)
        return text.utf8.count <= nameLengthMax ? text : "$\(place)"
    }

    /// Of a query that goes on also what each node keeps and which changes come out of it.
    package func lines(indent: Int = 0, mode: RunMode = .bounded) -> [String] {
        var shown: Set<Int> = []
        return lines(indent, mode, &shown)
    }

    /// A shared plan is shown where it first stands.
    private func lines(_ indent: Int, _ mode: RunMode, _ shown: inout Set<Int>) -> [String] {
        var line = String(repeating: "  ", count: indent) + label
        if case .shared(_, let id) = self, !shown.insert(id).inserted { return [line + ", as above"] }
        if mode == .continuous { line += (stateText.map { ", state: " + $0 } ?? "") + changesText }
        return [line] + inputs.flatMap { $0.lines(indent + 1, mode, &shown) }
    }

    package var inputs: [PhysicalPlan] {
        switch self {
        case .scan, .values: []
        case .watermark(let input, _), .filter(let input, _), .project(let input, _), .assignWindow(let input, _),
            .aggregate(let input, _), .sort(let input, _), .limit(let input, _, _), .over(let input, _), .rank(let input, _),
            .match(let input, _), .unnest(let input, _), .expand(let input, _), .replicate(let input, _), .shared(let input, _),
            .alert(let input, _):
            [input]
        case .union(let inputs): inputs
        case .join(let left, let right, _): [left, right]
        }
    }

    private var label: String {
        switch self {
        case .scan(let node):
            let connector = node.relation.connector == "log" ? "" : " (\(node.relation.connector))"
            return "scan \(node.relation.name)\(connector) [\(columnNames.joined(separator: ", "))]"
        case .values(let rows, _): return rows.count == 1 ? "values, 1 row" : "values, \(rows.count) rows"
        case .watermark(_, let node):
            let names = columnNames
            if let delay = node.delayMicroseconds {
                return "watermark \(names[node.timeColumn]), delay \(ExpressionText.duration(delay))"
            }
            return "watermark \(names[node.timeColumn]) AS \(ExpressionText.print(node.expression, names))"
        case .filter(let input, let predicate): return "filter \(ExpressionText.print(predicate, input.columnNames))"
        case .project(let input, let expressions):
            let names = input.columnNames
            let columns = expressions.enumerated().map { place, expression in
                let text = ExpressionText.print(expression, names)
                let name = Self.name(expression, place, names)
                return name.hasPrefix("$") && text != name ? "\(name) := \(text)" : text
            }
            return "project " + columns.joined(separator: ", ")
        case .assignWindow(let input, let node):
            return "assign window " + ExpressionText.window(node.shape, input.columnNames[node.timeColumn])
        case .aggregate(let input, let node): return Self.aggregateLabel(node, input.columnNames)
        case .union(let inputs): return "union, \(inputs.count) inputs"
        case .sort(let input, let node): return Self.sortLabel(node, input.columnNames)
        case .limit(_, let count, let offset): return Self.limitLabel(count, offset)
        case .join(let left, let right, let node): return Self.label(node, left.columnNames, right.columnNames)
        case .over(let input, let node): return Self.label(node, input.columnNames)
        case .rank(let input, let node): return Self.label(node, input.columnNames)
        case .match(let input, let node): return Self.label(node, input.columnNames)
        case .unnest(let input, let node):
            return "unnest " + node.arrays.map { ExpressionText.print($0, input.columnNames) }.joined(separator: ", ")
        case .expand(_, let rows): return "expand, \(rows.count) rows each"
        case .replicate(let input, let column): return "replicate by \(input.columnNames[column])"
        case .shared(_, let id): return "shared #\(id)"
        case .alert(let input, let node): return node.label(input.columnNames)
        }
    }

    private static func aggregateLabel(_ node: AggregateNode, _ names: [String]) -> String {
        var parts: [String] = []
        if !node.keys.isEmpty { parts.append("by (\(node.keys.map { names[$0] }.joined(separator: ", ")))") }
        if let window = node.window { parts.append(ExpressionText.window(window.shape, names[window.timeColumn])) }
        if !node.aggregates.isEmpty {
            let calls = node.aggregates.map { call in
                var text = call.function == .countRows ? "count(*)" : call.function.rawValue
                if let argument = call.argument { text += "(\(call.isDistinct ? "DISTINCT " : "")\(names[argument]))" }
                if let filter = call.filter { text += " FILTER \(names[filter])" }
                return text
            }
            parts.append("[\(calls.joined(separator: ", "))]")
        }
        switch node.emit {
        case .onWindowClose: parts.append("emit on window close")
        case .changes: parts.append("emit changes")
        case .atEnd: parts.append("emit at end")
        }
        if node.allowedLatenessMicroseconds > 0 {
            parts.append("allowed lateness \(ExpressionText.duration(node.allowedLatenessMicroseconds))")
        }
        if node.inputRetracts { parts.append("input retracts") }
        let text = (node.aggregates.isEmpty ? "distinct " : "aggregate ") + parts.joined(separator: " ") + (node.isTwoPhase ? ", two-phase" : "")
        return text + Self.made(by: node.madeBy)
    }

    /// The rule that put a node where it is.
    static func made(by rule: OptimizerRule?) -> String { rule.map { " (by \($0.rawValue))" } ?? "" }

    static func sortLabel(_ node: SortNode, _ names: [String]) -> String {
        let keys = node.keys.map { key in
            names[key.column] + (key.isDescending ? " DESC" : "")
                + (key.nullsFirst == key.isDescending ? "" : key.nullsFirst ? " NULLS FIRST" : " NULLS LAST")
        }
        return "sort \(keys.joined(separator: ", "))" + (node.limit.map { ", limit \($0)" } ?? "")
            + (node.offset > 0 ? ", offset \(node.offset)" : "")
    }

    static func limitLabel(_ count: Int?, _ offset: Int) -> String {
        "limit \(count.map { "\($0)" } ?? "all")" + (offset > 0 ? " offset \(offset)" : "")
    }
}

extension PlanStages {
    func explanation(_ kind: ExplainKind?, target: RelationDefinition?) -> [String] {
        var lines: [String] = []
        let head = target.map { ["Insert into \($0.name)"] } ?? []
        let indent = head.count
        if kind != .physical {
            lines.append("== Logical plan ==")
            lines += head + logical.lines(indent: indent)
        }
        if kind != .logical {
            if !lines.isEmpty { lines.append("") }
            lines.append("== Physical plan ==")
            lines += target.map { ["insert into \($0.name), takes \($0.takenChanges)"] } ?? []
            lines += planned.plan.lines(indent: indent, mode: mode)
        }
        lines.append("")
        lines.append("mode: \(mode == .bounded ? "bounded, ends with what is there now" : "continuous")")
        lines.append("output: \(planned.changelog == .appendOnly ? "append-only" : "changelog with retractions")")
        lines.append("rules: \(rules.isEmpty ? "none" : rules.map(\.rawValue).joined(separator: ", "))")
        for notice in planned.notices { lines.append("notice: \(notice)") }
        return lines
    }
}

extension BoundExpression {
    fileprivate var readsClock: Bool { kind == .epochClock || children.contains { $0.readsClock } }
}
