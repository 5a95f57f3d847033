// Optimizer: the rewrite rules in the order they run. Each rule is a function from plan to plan with equal results, and can be left
// out; `PlannerOptions.usesOptimizer = false` leaves out all of them.
//
// The rounds end when nothing changes any more, and after `roundsMax` in any case. Projections are pruned last, when every other rule
// has moved what it can.

enum OptimizerRule: String, CaseIterable, Sendable {
    case constantFolding = "constant folding"
    case trivialFilters = "trivial filters"
    case mergeProjections = "merge projections"
    case filterPushDown = "filter push-down"
    case limitPushDown = "limit push-down"
    case projectionPruning = "projection pruning"

    func apply(_ plan: LogicalPlan, mode: RunMode) -> LogicalPlan {
        switch self {
        case .constantFolding: ConstantFolding.apply(plan)
        case .trivialFilters: TrivialFilters.apply(plan, mode: mode)
        case .mergeProjections: MergeProjections.apply(plan)
        case .filterPushDown: FilterPushDown.apply(plan)
        case .limitPushDown: LimitPushDown.apply(plan, mode: mode)
        case .projectionPruning: ProjectionPruning.apply(plan)
        }
    }
}

enum Optimizer {
    static let roundsMax = 4

    /// The plan, and the rules that changed something, in the order of `OptimizerRule`.
    static func optimize(_ plan: LogicalPlan, mode: RunMode) -> (plan: LogicalPlan, applied: [OptimizerRule]) {
        var plan = plan
        var applied: Set<OptimizerRule> = []
        for _ in 0..<roundsMax {
            let before = plan
            for rule in OptimizerRule.allCases where rule != .projectionPruning { step(rule, &plan, mode, &applied) }
            if plan == before { break }
        }
        step(.projectionPruning, &plan, mode, &applied)
        step(.mergeProjections, &plan, mode, &applied)
        return (plan, OptimizerRule.allCases.filter(applied.contains))
    }

    private static func step(_ rule: OptimizerRule, _ plan: inout LogicalPlan, _ mode: RunMode, _ applied: inout Set<OptimizerRule>) {
        let rewritten = rule.apply(plan, mode: mode)
        if rewritten != plan { applied.insert(rule) }
        plan = rewritten
    }
}

extension LogicalPlan {
    /// Rewrites every node, inputs first.
    func rewritten(_ transform: (LogicalPlan) -> LogicalPlan) -> LogicalPlan {
        transform(mapInputs { $0.rewritten(transform) })
    }
}
