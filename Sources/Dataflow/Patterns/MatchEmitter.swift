// MatchEmitter: rows of the result. The operands of the measures are gathered row by row, the measures evaluated for whole batches.

import Columns
import Planning

final class MatchEmitter {
    private let plan: MatchPlan
    private let batchRows: Int
    private let passed: [ColumnBuilder]
    private let operands: [ColumnBuilder]
    private let states: WordBuffer
    /// Where each aggregate's state begins.
    private let stateStarts: [Int]
    private var count = 0
    /// Rows of the batch at hand that are in no match: their measures are NULL.
    private var unmatched: [Int] = []
    /// Rows of the batch whose aggregate has no value.
    private var failed: Set<Int> = []
    private var context = TaskContext()
    private var output: [RowBatch] = []
    /// The rows at hand, for failures to show: position `sourceFirst` of the key lies at `sourceRow`.
    var source: RowBatch?
    var sourceFirst: Int64 = 0
    var sourceRow = 0

    init(_ plan: MatchPlan, batchRows: Int) {
        self.plan = plan
        self.batchRows = max(batchRows, 1)
        passed = plan.passed.map { ColumnBuilder(plan.stored[$0].type, capacity: 64) }
        operands = plan.node.measureOperands.map { ColumnBuilder($0.type, capacity: 64) }
        var words = 0
        var starts: [Int] = []
        for operand in plan.measureOperands {
            starts.append(words)
            if case .aggregate(let aggregate, _) = operand { words += aggregate.wordCount }
        }
        stateStarts = starts
        states = WordBuffer(capacity: max(words, 1))
    }

    func begin(_ context: TaskContext) { self.context = context }

    /// What was given out since `begin`.
    func end(into batches: inout [RowBatch]) {
        flush()
        batches += output
        output.removeAll()
        context = TaskContext()
        source = nil
    }

    func fail(_ message: String, _ expression: String, _ position: Int64) {
        context.fail(message, expression: expression, row: inputRow(position), types: plan.node.inputTypes)
    }

    /// NULLs when the row is kept only in parts.
    private func inputRow(_ position: Int64) -> [Value] {
        let offset = position - sourceFirst
        guard let source, offset >= 0, Int(offset) + sourceRow < source.count else { return plan.node.inputTypes.map { _ in .null } }
        return source.row(sourceRow + Int(offset))
    }

    // MARK: Rows

    func emit(_ group: MatchGroup, _ runs: [MatchRun], number: Int64, _ cells: MatchCells) {
        if plan.isOneRow {
            feedAll(runs, cells)
            append(group.start, current: group.end, group, runs, number, cells)
            return
        }
        if runs.isEmpty {
            resetStates()
            if plan.showsEmpty { append(group.start, current: group.end, group, runs, number, cells) }
            return
        }
        let hasFinal = plan.measureOperands.contains { if case .aggregate(_, true) = $0 { true } else { false } }
        resetStates()
        if hasFinal { feedAll(runs, cells, onlyFinal: true) }
        for run in runs {
            for position in run.first...run.last {
                feed(run.variable, position, cells, final: false)
                if !run.isExcluded { append(position, current: position, group, runs, number, cells) }
            }
        }
    }

    func emitUnmatched(_ position: Int64, _ cells: MatchCells) {
        unmatched.append(count)
        for (builder, column) in zip(passed, plan.passed) { cells.append(column, position, to: builder) }
        for builder in operands { builder.appendNull() }
        advance()
    }

    private func advance() {
        count += 1
        if count >= batchRows { flush() }
    }

    private func append(
        _ position: Int64, current: Int64, _ group: MatchGroup, _ runs: [MatchRun], _ number: Int64, _ cells: MatchCells
    ) {
        for (builder, column) in zip(passed, plan.passed) { cells.append(column, position, to: builder) }
        for (index, operand) in plan.measureOperands.enumerated() {
            let builder = operands[index]
            switch operand {
            case .matchNumber: builder.append(int64: number)
            case .value(let column, let row):
                if let found = find(row, current, runs) {
                    cells.append(column, found + Int64(row.physicalOffset), to: builder)
                } else {
                    builder.appendNull()
                }
            case .classifier(let row):
                if let found = find(row, current, runs), let run = runs.last(where: { $0.first <= found }) {
                    builder.append(string: plan.node.variables[run.variable])
                } else {
                    builder.appendNull()
                }
            case .aggregate(let aggregate, _):
                var failure: String?
                aggregate.append(states.base + stateStarts[index], cells, to: builder, failure: &failure)
                if let failure {
                    fail(failure, aggregate.text, group.start)
                    failed.insert(count)
                }
            }
        }
        advance()
    }

    /// The position that a navigation leads to, before its physical offset.
    private func find(_ row: MatchRow, _ current: Int64, _ runs: [MatchRun]) -> Int64? {
        var left = Int64(row.logicalOffset)
        let limit = row.isFinal ? Int64.max : current
        func rows(_ run: MatchRun) -> Int64 {
            guard row.variables.isEmpty || row.variables.contains(run.variable) else { return 0 }
            return min(run.last, limit) - run.first + 1
        }
        if row.anchor == .first {
            for run in runs where run.first <= limit {
                let count = rows(run)
                if left < count { return run.first + left }
                left -= count
            }
        } else {
            for run in runs.reversed() where run.first <= limit {
                let count = rows(run)
                if left < count { return min(run.last, limit) - left }
                left -= count
            }
        }
        return nil
    }

    // MARK: Aggregates

    private func resetStates() {
        for (index, operand) in plan.measureOperands.enumerated() {
            if case .aggregate(let aggregate, _) = operand { aggregate.reset(states.base + stateStarts[index]) }
        }
    }

    private func feedAll(_ runs: [MatchRun], _ cells: MatchCells, onlyFinal: Bool = false) {
        if !onlyFinal { resetStates() }
        let wanted = plan.measureOperands.contains { operand in
            if case .aggregate(_, let isFinal) = operand { isFinal || !onlyFinal } else { false }
        }
        guard wanted else { return }
        for run in runs {
            for position in run.first...run.last {
                feed(run.variable, position, cells, final: true)
                if !onlyFinal { feed(run.variable, position, cells, final: false) }
            }
        }
    }

    private func feed(_ variable: Int, _ position: Int64, _ cells: MatchCells, final: Bool) {
        for (index, operand) in plan.measureOperands.enumerated() {
            guard case .aggregate(let aggregate, let isFinal) = operand, isFinal == final, aggregate.isMember[variable] else { continue }
            aggregate.add(states.base + stateStarts[index], cells, position)
        }
    }

    // MARK: Batches

    private func flush() {
        guard count > 0 else { return }
        let input = RowBatch(count: count, columns: operands.map { $0.finish() })
        let evaluation = EvaluationContext(clockMicroseconds: context.clockMicroseconds)
        var columns = passed.map { $0.finish() }
        var measured = plan.measures.map { $0.evaluate(input, evaluation) }
        if !unmatched.isEmpty { measured = measured.map { Self.nulling($0, unmatched) } }
        columns += measured
        var batch = RowBatch(count: count, columns: columns)
        let silent = Set(unmatched)
        for failure in evaluation.takeFailures() where !silent.contains(failure.row) {
            if failed.insert(failure.row).inserted {
                context.fail(failure.message, expression: failure.expression, row: input.row(failure.row), types: plan.node.measureOperands.map(\.type))
            }
        }
        if !failed.isEmpty {
            let kept = (0..<count).filter { !failed.contains($0) }.map { Int32(truncatingIfNeeded: $0) }
            batch = batch.gather(kept)
        }
        if batch.count > 0 { output.append(batch) }
        count = 0
        unmatched.removeAll(keepingCapacity: true)
        failed.removeAll(keepingCapacity: true)
    }

    private static func nulling(_ column: Column, _ rows: [Int]) -> Column {
        let builder = ColumnBuilder(column.type, capacity: column.count)
        var next = 0
        for row in 0..<column.count {
            if next < rows.count && rows[next] == row {
                builder.appendNull()
                next += 1
            } else {
                builder.append(from: column, row: row)
            }
        }
        return builder.finish()
    }
}
