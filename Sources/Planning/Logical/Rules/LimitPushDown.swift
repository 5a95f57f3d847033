// Limit push-down: no input of a union needs to give more rows than the whole may. Only where the input ends, since a limit is what
// ends a continuous query.

enum LimitPushDown {
    static func apply(_ plan: LogicalPlan, mode: RunMode) -> LogicalPlan {
        guard mode == .bounded else { return plan }
        return plan.rewritten { node in
            guard case .limit(.union(let inputs), let count?, let offset) = node else { return node }
            let (rows, overflowed) = count.addingReportingOverflow(offset)
            if overflowed { return node }
            let limited = inputs.map { input -> LogicalPlan in
                if case .limit(_, let inner?, _) = input, inner <= rows { return input }
                return .limit(input, count: rows, offset: 0)
            }
            return .limit(.union(limited), count: count, offset: offset)
        }
    }
}
