// Join order: in a chain of inner joins those come first whose state time bounds.
//
//     a JOIN b ON a.k = b.k JOIN c ON a.k = c.k AND c.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR
//     =>  (a JOIN c) JOIN b
//
// As written the first join keeps a and b for ever, its rows have lost their event time, and so the second keeps its inputs for ever too.
// The other way round the first join forgets its rows as time passes, and only what it gives is kept.
//
// The chain is taken apart into inputs and conditions; each condition is asked at the first join that has all its columns. Beginning at
// every input in turn, the next one is the first that makes a join bounded by time, else the first that shares a key, else the first. The
// written order stays unless another one has more bounded joins and no more joins without a key.
//
// Equal results: inner joins give the same pairs in any order, at the same moment, and nothing is taken back. So the rule leaves a chain
// alone when an input takes rows back, when a condition could fail on pairs that another one would have kept from it, when a side has a
// TTL of its own, and when something above follows the chain's event time.
//
// One thing does differ: as always where time bounds a join, rows later than the watermark and the bounds allow are reported as late and
// match nothing, where the joins as written keep everything and join them. So the rule runs only when it is asked for, and where it
// would help a notice says so.

import Columns
import Syntax

enum JoinOrder {
    private static let inputsMax = 6

    static func apply(_ plan: LogicalPlan, mode: RunMode) -> LogicalPlan {
        guard mode == .continuous else { return plan }
        if let reordered = reordered(plan) { return reordered.mapLeaves { apply($0, mode: mode) } }
        return plan.mapInputs { apply($0, mode: mode) }
    }

    /// For people: what the rule would do if it were asked for; nil when it would do nothing.
    static func notice(_ plan: LogicalPlan, mode: RunMode) -> String? {
        guard mode == .continuous, apply(plan, mode: mode) != plan else { return nil }
        return "in another order time would bound more of the joins, and rows too late for them would be reported instead of joined: SET optimizer_on = '\(OptimizerRule.joinOrder.rawValue)'"
    }

    private static func reordered(_ plan: LogicalPlan) -> LogicalPlan? {
        guard case .join(_, _, let top) = plan, top.bound == .none, top.madeBy == nil else { return nil }
        var chain = Chain(span: top.span)
        let columns = chain.add(plan)
        guard (3...inputsMax).contains(chain.inputs.count), chain.canMove else { return nil }
        let written = Order(inputs: Array(chain.inputs.indices), boundedCount: chain.boundedCount, crossCount: chain.crossCount)
        var best = written
        for first in chain.inputs.indices {
            let order = chain.order(from: first)
            if order.boundedCount > best.boundedCount, order.crossCount <= written.crossCount { best = order }
        }
        guard best.boundedCount > written.boundedCount else { return nil }
        let (joined, places) = chain.plan(best.inputs)
        let names = plan.fields.map(\.name)
        return .project(
            joined,
            zip(columns, names).map { column, name in
                LogicalColumn(expression: .column(places[column] ?? 0, chain.types[column]), name: name)
            })
    }

    private struct Order {
        var inputs: [Int]
        var boundedCount = 0
        /// Joins without a key that time does not bound either.
        var crossCount = 0
    }

    /// Inner joins taken apart. Columns are numbered through all inputs.
    private struct Chain {
        let span: SourceSpan
        var inputs: [LogicalPlan] = []
        var bases: [Int] = []
        var types: [SQLType] = []
        var conditions: [BoundExpression] = []
        var boundedCount = 0
        var crossCount = 0

        init(span: SourceSpan) { self.span = span }

        /// The plan's output columns.
        mutating func add(_ plan: LogicalPlan) -> [Int] {
            switch plan {
            case .join(let left, let right, let join) where JoinOrder.isLink(join):
                let columns = add(left) + add(right)
                let conjuncts = join.condition?.conjuncts ?? []
                conditions += conjuncts.map { $0.renumbered { columns[$0] } }
                if join.bound != .none {
                    boundedCount += 1
                } else if JoinAnalysis(left, right, join, mode: .continuous).keys.isEmpty {
                    crossCount += 1
                }
                return columns
            case .project(let input, let columns):
                guard case .join(_, _, let join) = input, JoinOrder.isLink(join) else { return addInput(plan) }
                let plain = columns.compactMap(\.expression.plainColumn)
                guard plain.count == columns.count else { return addInput(plan) }
                let below = add(input)
                return plain.map { below[$0] }
            default: return addInput(plan)
            }
        }

        private mutating func addInput(_ plan: LogicalPlan) -> [Int] {
            let base = types.count
            inputs.append(plan)
            bases.append(base)
            types += plan.fields.map(\.type)
            return Array(base..<types.count)
        }

        var canMove: Bool {
            inputs.allSatisfy { !$0.retracts(mode: .continuous) }
                && conditions.allSatisfy { !$0.columns.isEmpty && JoinOrder.isHarmless($0) }
        }

        /// What has been joined so far: the plan, where columns are, and the conditions still to be asked.
        private struct Part {
            var plan: LogicalPlan
            var places: [Int: Int]
            var open: [BoundExpression]
        }

        private func start(_ input: Int) -> Part {
            var places: [Int: Int] = [:]
            for index in 0..<width(input) { places[bases[input] + index] = index }
            return Part(plan: inputs[input], places: places, open: conditions)
        }

        private func width(_ input: Int) -> Int { (input + 1 < bases.count ? bases[input + 1] : types.count) - bases[input] }

        /// The part with one more input, and what its join is.
        private func adding(_ input: Int, to part: Part) -> (part: Part, join: JoinAnalysis) {
            var next = part
            let base = part.plan.fields.count
            for index in 0..<width(input) { next.places[bases[input] + index] = base + index }
            var asked: [BoundExpression] = []
            next.open = []
            for condition in part.open {
                if condition.columns.allSatisfy({ next.places[$0] != nil }) { asked.append(condition) } else { next.open.append(condition) }
            }
            let condition = BoundExpression.conjunction(asked)?.renumbered { next.places[$0] ?? 0 }
            var join = LogicalJoin(kind: .inner, condition: condition, span: span)
            join.madeBy = .joinOrder
            let analysis = JoinAnalysis(part.plan, inputs[input], join, mode: .continuous)
            join.bound = analysis.bound
            next.plan = .join(part.plan, inputs[input], join)
            return (next, analysis)
        }

        func order(from first: Int) -> Order {
            var part = start(first)
            var order = Order(inputs: [first])
            var rest = inputs.indices.filter { $0 != first }
            while !rest.isEmpty {
                let candidates = rest.map { adding($0, to: part) }
                let place =
                    candidates.firstIndex { $0.join.bound != .none } ?? candidates.firstIndex { !$0.join.keys.isEmpty } ?? 0
                let chosen = candidates[place]
                if chosen.join.bound != .none { order.boundedCount += 1 } else if chosen.join.keys.isEmpty { order.crossCount += 1 }
                part = chosen.part
                order.inputs.append(rest.remove(at: place))
            }
            return order
        }

        /// The joins in that order. Nothing above has followed the chain's event time, and nothing shall begin to.
        func plan(_ order: [Int]) -> (plan: LogicalPlan, places: [Int: Int]) {
            var part = start(order[0])
            for input in order.dropFirst() { part = adding(input, to: part).part }
            if case .join(let left, let right, var join) = part.plan {
                switch join.bound {
                case .none: break
                case .interval: join.bound = .interval(columns: [])
                case .window: join.bound = .window(columns: [])
                }
                part.plan = .join(left, right, join)
            }
            return (part.plan, part.places)
        }
    }

    private static func isLink(_ join: LogicalJoin) -> Bool {
        join.kind == .inner && join.version == nil && join.leftTTLMicroseconds == nil && join.rightTTLMicroseconds == nil
    }

    /// Whether no pair of rows can make it fail. Times moved by an interval count as harmless: what bounds a join is not computed.
    private static func isHarmless(_ expression: BoundExpression) -> Bool {
        if expression.linearTime != nil { return true }
        switch expression.kind {
        case .call(let function, let operands):
            if expression.type == .interval, function == .subtract { return operands.allSatisfy { $0.linearTime != nil } }
            return !function.canFail && operands.allSatisfy(isHarmless)
        case .cast(let operand, let mode):
            return (mode == .attempt || isWidening(operand.type, expression.type)) && isHarmless(operand)
        default: return expression.children.allSatisfy(isHarmless)
        }
    }

    private static func isWidening(_ source: SQLType, _ target: SQLType) -> Bool {
        switch (source, target) {
        case (.smallint, .integer), (.smallint, .bigint), (.integer, .bigint), (.date, .timestamp), (.varchar, .varchar(nil)): true
        case (.timestamp(let from), .timestamp(let to)), (.timestampTZ(let from), .timestampTZ(let to)): to >= from
        case (.smallint, .double), (.integer, .double), (.bigint, .double), (.real, .double): true
        case (.smallint, .decimal(let precision, let scale)): precision - scale >= 5
        case (.integer, .decimal(let precision, let scale)): precision - scale >= 10
        case (.bigint, .decimal(let precision, let scale)): precision - scale >= 19
        case (.decimal(let p1, let s1), .decimal(let p2, let s2)): s2 >= s1 && p2 - s2 >= p1 - s1
        default: false
        }
    }
}

extension LogicalPlan {
    /// The inputs of joins made by the rule and of the projection above them, rewritten.
    fileprivate func mapLeaves(_ transform: (LogicalPlan) -> LogicalPlan) -> LogicalPlan {
        switch self {
        case .project(let input, let columns): return .project(input.mapLeaves(transform), columns)
        case .join(let left, let right, let join) where join.madeBy == .joinOrder:
            return .join(left.mapLeaves(transform), transform(right), join)
        default: return transform(self)
        }
    }
}
