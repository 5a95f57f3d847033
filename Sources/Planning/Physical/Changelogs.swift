// Changelogs: what the nodes of a continuous plan need to know of each other's changes.
//
// - An input of a join has one row for each key at a time when its unique key is among the join's keys: the group keys of an aggregation,
//   the partition of a rank of one row, and what projections and filters leave of them. Such a side needs no lists.
// - SET state_ttl holds for every node whose state nothing else bounds. A node with a TTL may forget a row and make it anew without having
//   taken it back, so its keys are not unique then.
//
// Who needs the old row of an update is a rule of its own (`UnreadUpdates`).

import Columns

struct Changelogs {
    let stateTTLMicroseconds: Int64?

    func apply(_ plan: PhysicalPlan) -> PhysicalPlan {
        switch plan {
        case .aggregate(let input, var node):
            if node.window == nil, node.emit == .changes { node.stateTTLMicroseconds = node.stateTTLMicroseconds ?? stateTTLMicroseconds }
            return .aggregate(apply(input), node)
        case .rank(let input, var node):
            if node.emit == .changes { node.stateTTLMicroseconds = node.stateTTLMicroseconds ?? stateTTLMicroseconds }
            return .rank(apply(input), node)
        case .over(let input, var node):
            if node.isOfModels, !node.partition.isEmpty, case .eventTime = node.mode {
                node.stateTTLMicroseconds = node.stateTTLMicroseconds ?? stateTTLMicroseconds
            }
            return .over(apply(input), node)
        case .join(let left, let right, var node):
            let (left, right) = (apply(left), apply(right))
            if node.time == .none, !node.isBounded, node.kind != .antiNullAware {
                node.leftTTLMicroseconds = node.leftTTLMicroseconds ?? stateTTLMicroseconds
                node.rightTTLMicroseconds = node.rightTTLMicroseconds ?? stateTTLMicroseconds
            }
            if node.leftTTLMicroseconds == nil, node.rightTTLMicroseconds == nil, node.time == .none, !node.isBounded {
                node.leftIsUnique = left.isUnique(by: node.leftKeys)
                node.rightIsUnique = right.isUnique(by: node.rightKeys)
            }
            return .join(left, right, node)
        default: return plan.mapInputs(apply)
        }
    }
}

extension PhysicalPlan {
    /// Whether at most one row at a time has given values in these columns.
    func isUnique(by columns: [Int]) -> Bool {
        let columns = Set(columns)
        return uniqueKeys.contains { $0.isSubset(of: columns) }
    }

    /// Columns of which each combination of values stands in one row of the result at a time; nil when none are known.
    package var resultKey: [Int]? { uniqueKeys.min { $0.count < $1.count }?.sorted() }

    /// Sets of columns of which each combination of values stands in one row at a time.
    var uniqueKeys: [Set<Int>] {
        switch self {
        case .aggregate(_, let node):
            guard node.stateTTLMicroseconds == nil, node.allowedLatenessMicroseconds == 0 else { return [] }
            return [Set(0..<(node.keys.count + (node.window == nil ? 0 : 2)))]
        case .rank(let input, let node):
            guard node.stateTTLMicroseconds == nil else { return [] }
            if node.function == .rowNumber, node.firstRank == node.lastRank { return [Set(node.partition)] }
            return node.function == .rowNumber && node.emitsRank ? [Set(node.partition + [input.outputTypes.count])] : []
        case .project(let input, let expressions):
            var places: [Int: Int] = [:]
            for (place, expression) in expressions.enumerated() {
                if let column = expression.plainColumn, places[column] == nil { places[column] = place }
            }
            return input.uniqueKeys.compactMap { key in
                let moved = key.compactMap { places[$0] }
                return moved.count == key.count ? Set(moved) : nil
            }
        case .filter(let input, _), .shared(let input, _): return input.uniqueKeys
        case .scan, .values, .watermark, .assignWindow, .union, .sort, .limit, .join, .over, .match, .unnest, .expand, .replicate, .alert: return []
        }
    }
}
