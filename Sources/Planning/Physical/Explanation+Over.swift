// Explanation+Over: how EXPLAIN shows window functions and rankings.

import Columns

extension LogicalPlan {
    static func label(_ over: LogicalOver, _ names: [String]) -> String {
        var parts: [String] = []
        if !over.partition.isEmpty { parts.append("by (\(over.partition.map { ExpressionText.print($0, names) }.joined(separator: ", ")))") }
        if !over.order.isEmpty {
            let order = over.order.map { ExpressionText.print($0.expression, names) + PhysicalPlan.direction($0.isDescending, $0.nullsFirst) }
            parts.append("order \(order.joined(separator: ", "))")
        }
        parts.append("[\(over.calls.map(\.text).joined(separator: ", "))]")
        return "Over " + parts.joined(separator: " ")
    }
}

extension PhysicalPlan {
    static func direction(_ isDescending: Bool, _ nullsFirst: Bool) -> String {
        (isDescending ? " DESC" : "") + (nullsFirst == isDescending ? "" : nullsFirst ? " NULLS FIRST" : " NULLS LAST")
    }

    private static func keys(_ partition: [Int], _ order: [SortNode.Key], _ names: [String]) -> String {
        var parts: [String] = []
        if !partition.isEmpty { parts.append("by (\(partition.map { names[$0] }.joined(separator: ", ")))") }
        if !order.isEmpty {
            parts.append("order " + order.map { names[$0.column] + direction($0.isDescending, $0.nullsFirst) }.joined(separator: ", "))
        }
        return parts.joined(separator: " ")
    }

    static func label(_ node: OverNode, _ names: [String]) -> String {
        var parts = ["over"]
        let keys = keys(node.partition, node.order, names)
        if !keys.isEmpty { parts.append(keys) }
        parts.append("[\(node.calls.map(\.text).joined(separator: ", "))]")
        switch node.mode {
        case .eventTime(let column): parts.append("emit when the watermark has passed \(names[column])")
        case .onWindowClose: parts.append("emit on window close")
        case .atEnd: parts.append("emit at end")
        case .changes: parts.append("emit changes")
        }
        if node.inputRetracts { parts.append("input retracts") }
        return parts.joined(separator: " ")
    }

    /// Deduplication is the ranking of one row.
    static func label(_ node: RankNode, _ names: [String]) -> String {
        let isOne = node.function == .rowNumber && node.firstRank == 1 && node.lastRank == 1
        var parts = [isOne ? "deduplicate" : "rank"]
        let keys = keys(node.partition, node.order, names)
        if !keys.isEmpty { parts.append(keys) }
        if !isOne {
            let function: String
            switch node.function {
            case .rowNumber: function = "row_number"
            case .rank: function = "rank"
            case .denseRank: function = "dense_rank"
            }
            parts.append("[\(function) \(node.firstRank)..\(node.lastRank)]")
        }
        switch node.emit {
        case .onWindowClose: parts.append("emit on window close")
        case .changes: parts.append("emit changes")
        case .atEnd: parts.append("emit at end")
        }
        if node.inputRetracts { parts.append("input retracts") }
        return parts.joined(separator: " ") + made(by: node.madeBy)
    }
}
