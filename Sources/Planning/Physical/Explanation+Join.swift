// Explanation+Join: how EXPLAIN shows these nodes.

import Columns

extension LogicalPlan {
    static func label(_ join: LogicalJoin, _ left: [String], _ right: [String]) -> String {
        var text = "Join \(join.kind.text)"
        if let condition = join.condition { text += " on " + ExpressionText.print(condition, left + right) }
        switch join.version {
        case .eventTime(let leftTime, let rightTime, let isStrict)?:
            text += ", as of \(left[leftTime]), versions by \(right[rightTime])\(isStrict ? " (before)" : "")"
        case .processingTime?: text += ", as of now"
        case nil: break
        }
        switch join.bound {
        case .none: break
        case .interval: text += ", interval"
        case .window: text += ", window"
        }
        return text
    }
}

extension PhysicalPlan {
    static func label(_ node: JoinNode, _ left: [String], _ right: [String]) -> String {
        let keys = node.leftKeys.indices.map { index in
            "\(left[node.leftKeys[index]]) \(node.nullSafeKeys[index] ? "IS NOT DISTINCT FROM" : "=") \(right[node.rightKeys[index]])"
        }
        var text = "join \(node.kind.text)"
        if !keys.isEmpty { text += " on " + keys.joined(separator: " AND ") }
        let (left, right) = (named("left", left, right), named("right", right, left))
        switch node.time {
        case .none, .lookup, .window: break
        case .interval(let leftTime, let rightTime, let lower, let upper):
            text += ", \(left[leftTime]) from \(moved(right[rightTime], lower)) to \(moved(right[rightTime], upper))"
        case .asOf(let leftTime, let rightTime, let isStrict):
            text += ", newest \(right[rightTime]) \(isStrict ? "<" : "<=") \(left[leftTime])"
        }
        if let residual = node.residual { text += ", where " + ExpressionText.print(residual, left + right) }
        text += ", state: " + state(node, left, right)
        if node.leftRetracts { text += ", left \(node.leftIsUnique ? "updates by key" : "retracts")" }
        if node.rightRetracts { text += ", right \(node.rightIsUnique ? "updates by key" : "retracts")" }
        return text + made(by: node.madeBy)
    }

    /// Names of one side, those that the other side has too with the side ahead.
    private static func named(_ side: String, _ names: [String], _ other: [String]) -> [String] {
        let shared = Set(names).intersection(other)
        return names.map { shared.contains($0) ? "\(side).\($0)" : $0 }
    }

    private static func moved(_ name: String, _ microseconds: Int64) -> String {
        if microseconds == 0 { return name }
        return "\(name) \(microseconds < 0 ? "-" : "+") \(ExpressionText.duration(abs(microseconds)))"
    }

    /// What is kept, and how long.
    private static func state(_ node: JoinNode, _ left: [String], _ right: [String]) -> String {
        if node.isBounded { return "both sides until the end" }
        switch node.time {
        case .interval(let leftTime, let rightTime, let lower, let upper):
            return "left until watermark > \(moved(left[leftTime], max(0, lower == .min ? 0 : -lower))), "
                + "right until watermark > \(moved(right[rightTime], max(0, upper)))"
        case .window(let leftEnd, let rightEnd): return "until watermark >= \(left[leftEnd]), \(right[rightEnd])"
        case .asOf(let leftTime, _, _):
            return "left until watermark >= \(left[leftTime]), right one version of each key before the watermark and all after it"
        case .lookup: return "right"
        case .none:
            switch (node.leftTTLMicroseconds, node.rightTTLMicroseconds) {
            case (nil, nil): return "both sides for ever"
            case (let ttl?, nil): return "left for \(ExpressionText.duration(ttl)) without use, right for ever"
            case (nil, let ttl?): return "left for ever, right for \(ExpressionText.duration(ttl)) without use"
            case (let first?, let second?) where first == second: return "both sides for \(ExpressionText.duration(first)) without use"
            case (let first?, let second?):
                return "left for \(ExpressionText.duration(first)), right for \(ExpressionText.duration(second)) without use"
            }
        }
    }
}

extension JoinOperator {
    fileprivate var text: String { self == .antiNullAware ? "anti, NULL-aware" : rawValue }
}
