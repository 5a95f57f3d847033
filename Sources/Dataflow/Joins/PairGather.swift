// PairGather: columns from pairs of a row of the batch at hand and a row of the other side's state.

import Columns

enum PairGather {
    /// Left columns, then right ones, as if each pair were a row; change kinds are those of the batch.
    static func gather(
        _ count: Int, _ port: Int, _ batch: RowBatch, _ other: JoinRows, _ rows: UnsafePointer<Int32>, _ references: UnsafePointer<UInt32>
    ) -> RowBatch {
        let own = batch.picked(UnsafeBufferPointer(start: rows, count: count))
        let theirs = other.columns(references, count: count)
        return own.replacing(columns: port == 0 ? own.columns + theirs : theirs + own.columns)
    }

    /// Keeps the pairs for which the residual is true, in order, and says how many they are. Those on which it fails are reported.
    static func filter(
        _ residual: CompiledExpression, _ plan: JoinPlan, _ count: Int, _ port: Int, _ batch: RowBatch, _ other: JoinRows,
        _ rows: UnsafeMutablePointer<Int32>, _ references: UnsafeMutablePointer<UInt32>, _ context: TaskContext
    ) -> Int {
        let picked = UnsafeBufferPointer(start: UnsafePointer(rows), count: count)
        let uses = plan.residualUses[port]
        let own = batch.columns.indices.map { uses[$0] ? batch.columns[$0].picked(picked) : batch.columns[$0].slice(0..<0) }
        let theirs = other.columns(references, count: count, wanted: plan.residualUses[1 - port])
        let pairs = RowBatch(count: count, columns: port == 0 ? own + theirs : theirs + own)
        let evaluation = EvaluationContext(clockMicroseconds: context.clockMicroseconds)
        let verdict = residual.evaluate(pairs, evaluation)
        let failures = evaluation.takeFailures()
        var selection = RowSelection.where(verdict.bools, validity: verdict.validity, rows: count)
        withExtendedLifetime(verdict) {}
        if !failures.isEmpty {
            for failure in failures {
                let whole = gather(1, port, batch, other, rows + failure.row, references + failure.row)
                context.fail(failure.message, expression: failure.expression, row: whole.row(0), types: plan.sides[0].types + plan.sides[1].types)
            }
            let failed = Set(failures.map(\.row))
            let before = selection.rows
            selection = selection.filter { !failed.contains(Int(before[$0])) }
        }
        let kept = selection.rows
        if kept.count == count { return count }
        for index in 0..<kept.count {
            rows[index] = rows[Int(kept[index])]
            references[index] = references[Int(kept[index])]
        }
        withExtendedLifetime(selection) {}
        return kept.count
    }

    /// Rows of one side by themselves, in batches.
    static func emit(
        _ references: [UInt32], _ port: Int, _ kind: ChangeKind, _ plan: JoinPlan, _ rows: JoinRows, _ output: inout [RowBatch]
    ) {
        var start = 0
        while start < references.count {
            let end = min(start + JoinPlan.pairsMax, references.count)
            let count = end - start
            var changes: Buffer?
            if kind != .insert {
                let kinds = Buffer(byteCount: count)
                for row in 0..<count { kinds.base.storeBytes(of: kind.rawValue, toByteOffset: row, as: UInt8.self) }
                changes = kinds
            }
            let columns = plan.padded(rows.columns(references, start..<end), port: port, count: count)
            output.append(RowBatch(count: count, columns: columns, changes: changes))
            start = end
        }
    }
}
