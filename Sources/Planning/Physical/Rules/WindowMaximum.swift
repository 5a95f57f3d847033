// Window maximum: closed windows joined with their own maximum are the first rows of each window (Nexmark q5).
//
//     SELECT a.* FROM counts a JOIN (SELECT w, max(n) AS m FROM counts GROUP BY w) b ON a.w = b.w AND a.n >= b.m
//     =>  RANK() OVER (PARTITION BY w ORDER BY n DESC) = 1 over counts, once per window
//
// Both sides must come from the same keyed step by projections alone; the join must equate every key of the maximum with the same column
// of the other side, and compare the maximum with the column it is the maximum of by =, or by the inequality that only the
// maximum itself can satisfy. Rows where the column is NULL match nothing and go first. MIN is the same with the order turned round.

import Columns

enum WindowMaximum {
    static func apply(_ plan: PhysicalPlan) -> PhysicalPlan {
        let lowered = plan.mapInputs(apply)
        switch lowered {
        case .join(let left, let right, let node): return rewrite(left, right, node) ?? lowered
        // The columns of the join are a projection now, which the one above it may take in.
        case .project(let input, let columns) where lowered != plan: return PhysicalBuilder.project(input, columns)
        default: return lowered
        }
    }

    /// A plan as expressions over a keyed step.
    private struct Traced {
        var base: PhysicalPlan
        var columns: [BoundExpression]

        func plain(_ column: Int) -> Int? { columns.indices.contains(column) ? columns[column].plainColumn : nil }
    }

    private static func trace(_ plan: PhysicalPlan) -> Traced? {
        switch plan {
        case .project(let input, let expressions):
            guard let inner = trace(input) else { return nil }
            return Traced(base: inner.base, columns: expressions.map { $0.replacingColumns { inner.columns[$0] } })
        case .shared(let input, _): return trace(input)
        default:
            guard plan.isKeyed else { return nil }
            return Traced(base: plan, columns: plan.outputTypes.enumerated().map { .column($0, $1) })
        }
    }

    private static func rewrite(_ left: PhysicalPlan, _ right: PhysicalPlan, _ node: JoinNode) -> PhysicalPlan? {
        guard node.kind == .inner, case .window(let leftEnd, _) = node.time, !node.leftRetracts, !node.rightRetracts,
            let rows = trace(left), let best = trace(right), case .aggregate(let input, let aggregate) = best.base,
            aggregate.emit == .onWindowClose, aggregate.allowedLatenessMicroseconds == 0, !aggregate.inputRetracts,
            let source = trace(input), SharedPlans.areSame(rows.base, source.base), let windowEnd = rows.plain(leftEnd)
        else { return nil }

        // The maximum's column in the base, and what each column of the right side is there.
        let callBase = aggregate.keys.count + 2
        var extreme: (column: Int, isMaximum: Bool)?
        var places: [Int?] = []
        for index in best.columns.indices {
            guard let column = best.plain(index) else {
                places.append(nil)
                continue
            }
            if column < aggregate.keys.count {
                places.append(source.plain(aggregate.keys[column]))
            } else if column >= callBase, let found = extremeOf(aggregate.aggregates[column - callBase], source) {
                if let extreme, extreme != found { return nil }
                extreme = found
                places.append(found.column)
            } else {
                places.append(nil)
            }
        }
        guard let extreme else { return nil }
        let wantedKeys = aggregate.keys.map { source.plain($0) }
        func isExtreme(_ column: Int) -> Bool { best.plain(column).map { $0 >= callBase } ?? false }

        // Every key of the maximum is equated with itself, and the maximum compared with its column.
        var equated: Set<Int> = []
        var isCompared = false
        for (index, (leftKey, rightKey)) in zip(node.leftKeys, node.rightKeys).enumerated() {
            guard !node.nullSafeKeys[index], let place = places[rightKey], rows.plain(leftKey) == place else { return nil }
            if isExtreme(rightKey) { isCompared = true } else { equated.insert(place) }
        }
        guard wantedKeys.allSatisfy({ $0.map(equated.contains) ?? false }) else { return nil }
        let width = left.outputTypes.count
        var rest: [BoundExpression] = []
        for conjunct in node.residual?.conjuncts ?? [] {
            if isComparison(conjunct, rows, width, extreme, { isExtreme($0) }) { isCompared = true } else { rest.append(conjunct) }
        }
        guard isCompared else { return nil }

        // The columns of the join over the ranked rows of the base.
        let types = rows.base.outputTypes
        var output = rows.columns
        for (index, type) in right.outputTypes.enumerated() {
            guard let place = places[index], types[place] == type else { return nil }
            output.append(.column(place, type))
        }
        let partition = equated.sorted()
        let tested = ([extreme.column] + partition).map {
            BoundExpression(.isNull(.column($0, types[$0]), negated: true), type: .boolean)
        }
        guard let condition = BoundExpression.conjunction(tested), partition.contains(windowEnd) else { return nil }
        var rank = RankNode(
            function: .rank, partition: partition,
            order: [SortNode.Key(column: extreme.column, isDescending: extreme.isMaximum, nullsFirst: false)], lastRank: 1, emitsRank: false,
            emit: .onWindowClose(windowEnd: windowEnd))
        rank.madeBy = .windowMaximum
        let ranked = PhysicalPlan.project(.rank(.filter(rows.base, condition), rank), output)
        return BoundExpression.conjunction(rest).map { .filter(ranked, $0) } ?? ranked
    }

    private static func extremeOf(_ call: AggregateCall, _ source: Traced) -> (column: Int, isMaximum: Bool)? {
        guard call.function == .max || call.function == .min, call.filter == nil, let argument = call.argument,
            let column = source.plain(argument), call.resultType == source.columns[argument].type
        else { return nil }
        return (column, call.function == .max)
    }

    /// `left.n >= right.max`, `right.max <= left.n`, `left.n = right.max`; for a minimum the other way round.
    private static func isComparison(
        _ expression: BoundExpression, _ rows: Traced, _ width: Int, _ extreme: (column: Int, isMaximum: Bool), _ isExtreme: (Int) -> Bool
    ) -> Bool {
        guard case .call(let function, let operands) = expression.kind, operands.count == 2, let first = operands[0].plainColumn,
            let second = operands[1].plainColumn
        else { return false }
        let isLeftFirst = first < width
        let (row, other) = isLeftFirst ? (first, second) : (second, first)
        guard row < width, other >= width, isExtreme(other - width), rows.plain(row) == extreme.column else { return false }
        switch function {
        case .equal: return true
        case .greaterOrEqual: return isLeftFirst == extreme.isMaximum
        case .lessOrEqual: return isLeftFirst != extreme.isMaximum
        default: return false
        }
    }
}
