// Unread updates: the old row of an update (-U) is not given where nobody looks at it.
//
// Going down from the sink, each node is told what its reader needs:
// - a `blackhole` needs nothing of it;
// - an upsert stream whose PRIMARY KEY is the query's own key knows the old row by it;
// - a side of a join that has one row for each key, and no other key, finds the row that a new one takes the place of by itself. A row whose key
//   is NULL is not kept, so a side that is given without partner (OUTER, ANTI) still needs it;
// - everything else needs it: aggregations, rankings and set operations take it back, a filter may have passed the old row and not pass the
//   new one.
// Projections hand on what they are told. A step that runs for several readers gives what any of them needs.
//
// Aggregations and rankings then leave the old row out. A join does so when nobody reads it at all: the row that comes for an old one may
// have another partner or none, so that no reader could do without.

import Columns

/// What a reader does with the old row of an update, from less to more.
enum UpdateNeed: Int, Comparable {
    case nothing
    /// It knows the old row by its key.
    case keyed
    case all

    static func < (left: UpdateNeed, right: UpdateNeed) -> Bool { left.rawValue < right.rawValue }
}

struct UnreadUpdates {
    /// Of shared steps, by number.
    private var needs: [Int: UpdateNeed] = [:]

    static func apply(_ plan: PhysicalPlan, sink: UpdateNeed) -> PhysicalPlan {
        var rule = UnreadUpdates()
        rule.collect(plan, sink)
        return rule.rewritten(plan, sink)
    }

    private mutating func collect(_ plan: PhysicalPlan, _ need: UpdateNeed) {
        if case .shared(let input, let id) = plan {
            if let known = needs[id], known >= need { return }
            needs[id] = need
            return collect(input, need)
        }
        for (input, need) in zip(plan.inputs, Self.inputNeeds(plan, need)) { collect(input, need) }
    }

    private func rewritten(_ plan: PhysicalPlan, _ need: UpdateNeed) -> PhysicalPlan {
        if case .shared(let input, let id) = plan { return .shared(rewritten(input, needs[id] ?? .all), id: id) }
        let inputs = zip(plan.inputs, Self.inputNeeds(plan, need)).map(rewritten)
        switch plan {
        case .aggregate(_, var node):
            if node.emit == .changes || node.allowedLatenessMicroseconds > 0 { node.emitsUpdateBefore = need == .all || (need == .keyed && node.isSession) }
            return .aggregate(inputs[0], node)
        case .rank(_, var node):
            if node.emit == .changes { node.emitsUpdateBefore = need == .all }
            return .rank(inputs[0], node)
        case .join(_, _, var node):
            if node.kind == .inner, node.leftRetracts || node.rightRetracts { node.emitsUpdateBefore = need != .nothing }
            return .join(inputs[0], inputs[1], node)
        default:
            var next = inputs.makeIterator()
            return plan.mapInputs { next.next() ?? $0 }
        }
    }

    /// What a node needs of each input when its own reader needs that much.
    private static func inputNeeds(_ plan: PhysicalPlan, _ need: UpdateNeed) -> [UpdateNeed] {
        switch plan {
        case .scan, .values: return []
        case .project, .shared: return [need]
        case .watermark, .filter, .assignWindow, .unnest, .expand: return [need == .nothing ? .nothing : .all]
        case .union(let inputs): return inputs.map { _ in need == .nothing ? .nothing : .all }
        case .join(let left, let right, let node):
            return [
                node.leftIsUnique && !node.givesUnmatched(port: 0) && left.uniqueKeys.contains(Set(node.leftKeys)) ? .keyed : .all,
                node.rightIsUnique && !node.givesUnmatched(port: 1) && right.uniqueKeys.contains(Set(node.rightKeys)) ? .keyed : .all,
            ]
        case .aggregate, .rank, .over, .match, .sort, .limit, .replicate, .alert: return [.all]
        }
    }
}

extension AggregateNode {
    /// A session's row has another end, so another key, when it grows.
    fileprivate var isSession: Bool { if case .session? = window?.shape { true } else { false } }
}

extension JoinNode {
    /// Whether rows of a side without partner come out or are looked at.
    fileprivate func givesUnmatched(port: Int) -> Bool {
        switch kind {
        case .inner: false
        case .left: port == 0
        case .right: port == 1
        case .full, .antiNullAware: true
        case .semi: false
        case .anti: port == 0
        }
    }
}
