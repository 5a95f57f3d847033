// Optimizer: the rewrite rules in the order they run. Each rule is a function from plan to plan with equal results, and can be left
// out: `PlannerOptions.rules` are those that may run.
//
// The rounds end when nothing changes any more, and after `roundsMax` in any case. Projections are pruned last, when every other rule
// has moved what it can.

package enum OptimizerRule: String, CaseIterable, Sendable {
    case constantFolding = "constant folding"
    case trivialFilters = "trivial filters"
    case mergeProjections = "merge projections"
    case filterPushDown = "filter push-down"
    case limitPushDown = "limit push-down"
    case nestedFields = "nested fields"
    case projectionPruning = "projection pruning"
    // Rules of the physical plan.
    case windowMaximum = "window maximum"
    case sharedPlans = "shared plans"
    // Saved queries keep rules by number: new ones come last.
    case joinOrder = "join order"
    case splitDistinct = "split distinct"
    case unreadUpdates = "unread updates"
    case twoPhaseAggregation = "two-phase aggregation"

    /// Those that run unless something else is asked for: all that pay in every case and leave every result as it is. `joinOrder` makes rows late
    /// that were not; `splitDistinct` may cost more than it brings.
    package static let standard = Set(allCases).subtracting([.joinOrder, .splitDistinct])

    /// The rules of the logical plan that run until nothing changes.
    static let repeated: [OptimizerRule] = [
        .constantFolding, .trivialFilters, .mergeProjections, .filterPushDown, .limitPushDown, .joinOrder,
    ]

    func apply(_ plan: LogicalPlan, mode: RunMode, options: PlannerOptions) -> LogicalPlan {
        switch self {
        case .constantFolding: ConstantFolding.apply(plan, evaluate: options.evaluate)
        case .trivialFilters: TrivialFilters.apply(plan, mode: mode)
        case .mergeProjections: MergeProjections.apply(plan)
        case .filterPushDown: FilterPushDown.apply(plan)
        case .limitPushDown: LimitPushDown.apply(plan, mode: mode)
        case .nestedFields: NestedFields.apply(plan)
        case .projectionPruning: ProjectionPruning.apply(plan)
        case .joinOrder: JoinOrder.apply(plan, mode: mode)
        case .splitDistinct: SplitDistinct.apply(plan, mode: mode, hasTTL: options.stateTTLMicroseconds != nil)
        case .windowMaximum, .sharedPlans, .unreadUpdates, .twoPhaseAggregation: plan
        }
    }

    func apply(_ plan: PhysicalPlan, mode: RunMode, sink: UpdateNeed) -> PhysicalPlan {
        switch self {
        case .windowMaximum: WindowMaximum.apply(plan)
        case .sharedPlans: SharedPlans.apply(plan)
        case .unreadUpdates: mode == .continuous ? UnreadUpdates.apply(plan, sink: sink) : plan
        case .twoPhaseAggregation: TwoPhaseAggregation.apply(plan)
        default: plan
        }
    }
}

enum Optimizer {
    static let roundsMax = 4

    /// The plan, and the rules that changed something.
    static func optimize(_ plan: LogicalPlan, mode: RunMode, options: PlannerOptions) -> (plan: LogicalPlan, applied: Set<OptimizerRule>) {
        var plan = plan
        var applied: Set<OptimizerRule> = []
        func step(_ rule: OptimizerRule) {
            guard options.rules.contains(rule) else { return }
            let rewritten = rule.apply(plan, mode: mode, options: options)
            if rewritten != plan { applied.insert(rule) }
            plan = rewritten
        }
        for _ in 0..<roundsMax {
            let before = plan
            for rule in OptimizerRule.repeated { step(rule) }
            if plan == before { break }
        }
        step(.splitDistinct)
        step(.nestedFields)
        step(.projectionPruning)
        step(.mergeProjections)
        return (plan, applied)
    }

    /// The rules of the physical plan, once each. What one place needs of a step that runs for several is known when they are one.
    static func optimize(_ plan: PhysicalPlan, mode: RunMode, sink: UpdateNeed, options: PlannerOptions) -> (
        plan: PhysicalPlan, applied: Set<OptimizerRule>
    ) {
        var plan = plan
        var applied: Set<OptimizerRule> = []
        for rule in [OptimizerRule.windowMaximum, .twoPhaseAggregation, .sharedPlans, .unreadUpdates] where options.rules.contains(rule) {
            let rewritten = rule.apply(plan, mode: mode, sink: sink)
            if rewritten != plan { applied.insert(rule) }
            plan = rewritten
        }
        return (plan, applied)
    }
}

extension LogicalPlan {
    /// Rewrites every node, inputs first.
    func rewritten(_ transform: (LogicalPlan) -> LogicalPlan) -> LogicalPlan {
        transform(mapInputs { $0.rewritten(transform) })
    }
}
