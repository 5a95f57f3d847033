// PhysicalBuilder+Join: a join as the node that runs: keys as columns, what of time bounds it, what is left of the condition.
//
// Keys that are expressions become columns below the join, and are dropped above it. Of an as-of join, which version holds depends on
// the key and the time alone; what else the condition says is asked of that version, above the join.

import Columns
import Syntax

extension PhysicalBuilder {
    /// One side of a join: its plan and the columns added to it.
    private struct JoinSide {
        var plan: PhysicalPlan
        let width: Int
        var columns: [BoundExpression]

        init(_ plan: PhysicalPlan) {
            self.plan = plan
            columns = plan.outputTypes.enumerated().map { .column($0, $1) }
            width = columns.count
        }

        mutating func place(_ expression: BoundExpression) -> Int {
            if let column = expression.plainColumn { return column }
            if let index = columns.firstIndex(where: { $0.isSame(as: expression) }) { return index }
            columns.append(expression)
            return columns.count - 1
        }

        var extended: PhysicalPlan { columns.count == width ? plan : PhysicalBuilder.project(plan, columns) }
    }

    mutating func lowerJoin(_ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin) throws(SQLError) -> PhysicalPlan {
        var analysis = JoinAnalysis(left, right, join, mode: mode)
        var sides = (left: JoinSide(try lower(left)), right: JoinSide(try lower(right)))
        if let versionKey = join.versionKey { Self.keepVersionKeys(versionKey, base: sides.left.width, &analysis) }

        var node = JoinNode(
            kind: join.kind, leftKeys: [], rightKeys: [], leftRetracts: left.retracts(mode: mode), rightRetracts: right.retracts(mode: mode),
            leftTTLMicroseconds: mode == .continuous ? join.leftTTLMicroseconds : nil,
            rightTTLMicroseconds: mode == .continuous ? join.rightTTLMicroseconds : nil, isBounded: mode == .bounded)
        node.madeBy = join.madeBy
        for key in analysis.keys {
            node.leftKeys.append(sides.left.place(key.left))
            node.rightKeys.append(sides.right.place(key.right))
        }
        node.nullSafeKeys = analysis.keys.map(\.isNullSafe)
        node.time = time(analysis, join, &sides.left, &sides.right)
        node.rightIsBounded = mode == .bounded || Self.readsFilesOnly(sides.right.plan)
        if node.time == .none {
            note(join, analysis, left, right)
        } else {
            (node.leftTTLMicroseconds, node.rightTTLMicroseconds) = (nil, nil)
        }

        let (leftWidth, rightWidth) = (sides.left.width, sides.right.width)
        let (leftTotal, types) = (sides.left.columns.count, (sides.left.columns + sides.right.columns).map(\.type))
        func above(_ column: Int) -> Int { column < leftWidth ? column : column - leftWidth + leftTotal }
        let residual = BoundExpression.conjunction(analysis.others.map { $0.renumbered(above) })
        if join.version == nil { node.residual = residual }
        let joined = PhysicalPlan.join(sides.left.extended, sides.right.extended, node)
        let visible = node.kind.keepsLeftOnly ? leftWidth : leftWidth + rightWidth
        var columns = (0..<visible).map { BoundExpression.column(above($0), types[above($0)]) }
        guard let residual, join.version != nil else { return Self.project(joined, columns) }
        if node.kind == .inner { return Self.project(.filter(joined, residual), columns) }
        for index in leftWidth..<visible {
            let column = columns[index]
            columns[index] = BoundExpression(
                .caseWhen([BoundBranch(condition: residual, result: column)], otherwise: nil), type: column.type)
        }
        return Self.project(joined, columns)
    }

    /// Equalities of other columns than the version's key say nothing about which version holds.
    private static func keepVersionKeys(_ versionKey: Set<Int>, base: Int, _ analysis: inout JoinAnalysis) {
        var seen: Set<Int> = []
        var kept: [JoinAnalysis.Key] = []
        for key in analysis.keys {
            if let column = key.right.plainColumn, versionKey.contains(column), seen.insert(column).inserted {
                kept.append(key)
                continue
            }
            let operands = [key.left, key.right.renumbered { $0 + base }]
            analysis.others.append(BoundExpression(.call(key.isNullSafe ? .isNotDistinct : .equal, operands), type: .boolean))
        }
        analysis.keys = kept
    }

    private func time(_ analysis: JoinAnalysis, _ join: LogicalJoin, _ left: inout JoinSide, _ right: inout JoinSide) -> JoinTime {
        switch join.version {
        case .eventTime(let leftTime, let rightTime, let isStrict)?:
            return .asOf(leftTime: leftTime, rightTime: rightTime, isStrict: isStrict)
        case .processingTime?: return .lookup
        case nil: break
        }
        switch analysis.time {
        case .none: return .none
        case .interval(let leftTime, let rightTime, let lower, let upper):
            return .interval(leftTime: leftTime, rightTime: rightTime, lowerMicroseconds: lower, upperMicroseconds: upper)
        case .window(let leftEnd, let rightEnd): return .window(leftEnd: left.place(leftEnd), rightEnd: right.place(rightEnd))
        }
    }

    /// Whether the plan's sources end by themselves: what is looked up there is waited for.
    private static func readsFilesOnly(_ plan: PhysicalPlan) -> Bool {
        if case .scan(let node) = plan { return node.relation.connector == "file" }
        return plan.inputs.allSatisfy(readsFilesOnly)
    }

    /// Says what state grows with what.
    private mutating func note(_ join: LogicalJoin, _ analysis: JoinAnalysis, _ left: LogicalPlan, _ right: LogicalPlan) {
        guard mode == .continuous, join.leftTTLMicroseconds == nil || join.rightTTLMicroseconds == nil else { return }
        let names = (left.relationNames + right.relationNames).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        if names.isEmpty { return }
        var notice = "state of the join grows with the rows of \(Self.list(names)): add a window, an interval or SET state_ttl"
        if analysis.oneSidedBound != nil { notice += " (the condition bounds the difference of their times from one side only)" }
        add(notice)
    }

    private static func list(_ names: [String]) -> String {
        guard names.count > 1, let last = names.last else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }
}
