// Two-phase aggregation: the tasks before an aggregation aggregate the rows of their slice of the source, and hand on groups instead of
// rows; the partition of the key puts them together.
//
// Every aggregate can be put together from parts. Not so those that must see rows in the order of their arrival: a collection out of which
// rows are taken back by their place, and the approximate top k, which forgets. Sessions, whose bounds rows decide one by one, and inputs that have
// one row for each group anyway gain nothing. A task that finds that there are nearly as many groups as rows goes on with rows, so the rule
// never has to guess how many keys there are.
//
// Switched off, results are the same but for the last digit of sums of DOUBLE.

import Columns

enum TwoPhaseAggregation {
    static func apply(_ plan: PhysicalPlan) -> PhysicalPlan {
        let lowered = plan.mapInputs(apply)
        guard case .aggregate(let input, var node) = lowered, isWorthwhile(node, input) else { return lowered }
        node.isTwoPhase = true
        return .aggregate(input, node)
    }

    private static func isWorthwhile(_ node: AggregateNode, _ input: PhysicalPlan) -> Bool {
        if case .session? = node.window?.shape { return false }
        if input.isUnique(by: node.keys) { return false }
        return !node.aggregates.contains { $0.needsOrder(inputRetracts: node.inputRetracts) }
    }
}

extension AggregateCall {
    /// Whether parts do not suffice, in any order.
    fileprivate func needsOrder(inputRetracts: Bool) -> Bool {
        switch function {
        case .approxTopK: !inputRetracts
        case .firstValue, .lastValue, .minBy, .maxBy: inputRetracts
        case .arrayAgg, .stringAgg: inputRetracts && !isDistinct
        default: false
        }
    }
}
