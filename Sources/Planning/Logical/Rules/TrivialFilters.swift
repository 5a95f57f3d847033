// Trivial filters: one that is always true goes. One that is never true makes a bounded query empty; a continuous one keeps it, because
// its watermark still moves.

import Columns

enum TrivialFilters {
    static func apply(_ plan: LogicalPlan, mode: RunMode) -> LogicalPlan {
        plan.rewritten { node in
            guard case .filter(let input, let predicate) = node, let value = predicate.constantValue else { return node }
            if value == .boolean(true) { return input }
            return mode == .bounded ? .values([], input.fields) : node
        }
    }
}
