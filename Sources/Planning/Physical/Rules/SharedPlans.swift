// Shared plans: a keyed step that stands in a plan more than once, over the same input, runs once (Nexmark q5 counts its windows once; a
// view or a WITH query used twice aggregates once).
//
// Every subtree gets a number by its own content and the numbers of its inputs, where it was written and what it is called left out, so
// equal subtrees have equal numbers and the walk is linear. The largest keyed subtrees that occur more than once become `.shared`.

import Columns
import Syntax

enum SharedPlans {
    static func apply(_ plan: PhysicalPlan) -> PhysicalPlan {
        var census = Census()
        _ = census.count(plan)
        var ids: [Int: Int] = [:]
        return census.mark(plan, &ids)
    }

    /// Whether two plans compute the same.
    static func areSame(_ a: PhysicalPlan, _ b: PhysicalPlan) -> Bool {
        var census = Census()
        return census.number(a) == census.number(b)
    }

    private struct Census {
        private var numbers: [PhysicalPlan: Int] = [:]
        private var uses: [Int] = []

        /// The subtree's number. Inputs of one that was met before are not counted again: they are shared with it.
        mutating func count(_ plan: PhysicalPlan) -> Int {
            let number = number(plan)
            uses[number] += 1
            if uses[number] == 1 { for input in plan.inputs { _ = count(input) } }
            return number
        }

        mutating func number(_ plan: PhysicalPlan) -> Int {
            let key = plan.mapInputs { .shared(.values([], Schema([])), id: number($0)) }.withoutPlaces
            if let known = numbers[key] { return known }
            numbers[key] = uses.count
            uses.append(0)
            return uses.count - 1
        }

        mutating func mark(_ plan: PhysicalPlan, _ ids: inout [Int: Int]) -> PhysicalPlan {
            let number = number(plan)
            guard plan.isKeyed, uses[number] > 1 else { return plan.mapInputs { mark($0, &ids) } }
            let id = ids[number] ?? ids.count + 1
            ids[number] = id
            return .shared(plan.mapInputs { mark($0, &ids) }, id: id)
        }
    }
}

extension PhysicalPlan {
    /// Whether it is a stage of its own, with state.
    var isKeyed: Bool {
        switch self {
        case .aggregate, .join, .over, .rank, .match, .sort, .limit, .alert: true
        case .scan, .values, .watermark, .filter, .project, .assignWindow, .union, .unnest, .expand, .replicate, .shared: false
        }
    }

    /// The same node over other inputs with the same columns.
    package func mapInputs(_ transform: (PhysicalPlan) -> PhysicalPlan) -> PhysicalPlan {
        switch self {
        case .scan, .values: self
        case .watermark(let input, let node): .watermark(transform(input), node)
        case .filter(let input, let predicate): .filter(transform(input), predicate)
        case .project(let input, let expressions): .project(transform(input), expressions)
        case .assignWindow(let input, let node): .assignWindow(transform(input), node)
        case .aggregate(let input, let node): .aggregate(transform(input), node)
        case .union(let inputs): .union(inputs.map(transform))
        case .sort(let input, let node): .sort(transform(input), node)
        case .limit(let input, let count, let offset): .limit(transform(input), count: count, offset: offset)
        case .join(let left, let right, let node): .join(transform(left), transform(right), node)
        case .over(let input, let node): .over(transform(input), node)
        case .rank(let input, let node): .rank(transform(input), node)
        case .match(let input, let node): .match(transform(input), node)
        case .unnest(let input, let node): .unnest(transform(input), node)
        case .expand(let input, let rows): .expand(transform(input), rows)
        case .replicate(let input, let column): .replicate(transform(input), column: column)
        case .shared(let input, let id): .shared(transform(input), id: id)
        case .alert(let input, let node): .alert(transform(input), node)
        }
    }

    /// The node without what only messages need: spans of expressions, names of calls.
    fileprivate var withoutPlaces: PhysicalPlan {
        switch self {
        case .watermark(let input, var node):
            node.expression = node.expression.withoutPlaces
            return .watermark(input, node)
        case .filter(let input, let predicate): return .filter(input, predicate.withoutPlaces)
        case .project(let input, let expressions): return .project(input, expressions.map(\.withoutPlaces))
        case .aggregate(let input, var node):
            for index in node.aggregates.indices { node.aggregates[index].text = "" }
            return .aggregate(input, node)
        case .join(let left, let right, var node):
            node.residual = node.residual?.withoutPlaces
            return .join(left, right, node)
        case .over(let input, var node):
            for index in node.calls.indices { node.calls[index].text = "" }
            return .over(input, node)
        case .unnest(let input, var node):
            node.arrays = node.arrays.map(\.withoutPlaces)
            return .unnest(input, node)
        case .expand(let input, let rows): return .expand(input, rows.map { $0.map(\.withoutPlaces) })
        case .scan, .values, .assignWindow, .union, .sort, .limit, .rank, .match, .replicate, .shared, .alert: return self
        }
    }
}

extension BoundExpression {
    fileprivate var withoutPlaces: BoundExpression {
        var copy = mapChildren { $0.withoutPlaces }
        copy.span = .none
        copy.text = ""
        return copy
    }
}
