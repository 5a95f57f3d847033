// LogicalPlan+Retraction: why a query takes rows back, and what would make it stop.

import Columns

extension LogicalPlan {
    /// The uppermost node that takes back rows of inputs that do not; nil when the plan takes nothing back.
    func retractionCause(mode: RunMode) -> (what: String, remedy: String)? {
        guard retracts(mode: mode) else { return nil }
        if case .filter(let input, let predicate) = self, let pattern = Self.rankPattern(input, predicate), !pattern.input.retracts(mode: mode) {
            return ("a ranking replaces the rows it gave", "add window_end to PARTITION BY, so that each window is ranked once")
        }
        for input in inputs where input.retracts(mode: mode) { return input.retractionCause(mode: mode) }
        switch self {
        case .scan(let scan): return ("\"\(scan.relation.name)\" is a changelog", "write into a target that takes updates")
        case .aggregate(_, let aggregate):
            if aggregate.window == nil {
                return (
                    aggregate.isDistinct ? "DISTINCT without a window" : "an aggregation without a window updates its results",
                    "group by a window such as TUMBLE(ts, INTERVAL '10' SECOND), which gives each result once"
                )
            }
            if aggregate.emit == .changes { return ("EMIT CHANGES gives windows that are still open", "leave EMIT CHANGES out, so that a window is given once") }
            return ("late rows change windows that were given", "SET allowed_lateness = INTERVAL '0' SECOND")
        case .join(_, _, let join):
            switch join.kind {
            case .semi, .anti, .antiNullAware: return ("a row comes and goes with its partners", "bound the condition by event time")
            default:
                return (
                    "a \(join.kind.rawValue.uppercased()) JOIN takes back a row without partner when one comes",
                    "bound the join by event time (ON .. AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '1' HOUR), which waits for the partner"
                )
            }
        case .sort: return ("ORDER BY .. LIMIT replaces the rows it gave", "leave ORDER BY .. LIMIT out")
        case .over: return ("window functions in this order change with later rows", "ORDER BY the event time, ascending")
        case .values, .watermark, .filter, .project, .window, .union, .limit, .match, .unnest, .expand, .replicate: return nil
        }
    }
}

/// Comparisons that are never true: PostgreSQL takes them without a word, and people wonder where their rows are.
enum NullComparison {
    static func notices(_ plan: LogicalPlan) -> [String] {
        var found: [String] = []
        func look(_ expression: BoundExpression, _ names: [String]) {
            if case .call(let function, let operands) = expression.kind, operands.count == 2, comparisons.contains(function),
                let place = operands.firstIndex(where: { $0.constantValue == .null })
            {
                let other = ExpressionText.print(operands[1 - place], names, nested: true)
                let text = "\(ExpressionText.print(expression, names)) is never true: write \(other) IS \(function == .notEqual ? "NOT " : "")NULL"
                if !found.contains(text) { found.append(text) }
            }
            for child in expression.children { look(child, names) }
        }
        func walk(_ plan: LogicalPlan) {
            switch plan {
            case .filter(let input, let predicate): look(predicate, input.fields.map(\.name))
            case .join(let left, let right, let join):
                if let condition = join.condition { look(condition, (left.fields + right.fields).map(\.name)) }
            default: break
            }
            for input in plan.inputs { walk(input) }
        }
        walk(plan)
        return found
    }

    private static let comparisons: Set<ScalarFunction> = [.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual]
}
