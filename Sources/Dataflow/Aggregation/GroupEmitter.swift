// GroupEmitter: from groups to output rows: keys, window, results.
//
// `emit` gives every group once. `emitChanges` gives what has changed since a group was last given: +I the first time, then -U with exactly
// the values that were given and +U with the new ones, -D when the group has no rows left, and nothing when the values are the same.

import Columns
import Glibc

struct GroupEmitter {
    let layout: GroupLayout
    /// The type of window_start and window_end; nil without a window.
    let windowType: SQLType?
    let batchRows: Int

    private var failureTypes: [SQLType] { layout.keyTypes + (windowType.map { [$0, $0] } ?? []) }

    private func windowColumns(_ window: (start: Int64, end: Int64)?, count n: Int) -> [Column] {
        guard let windowType, let window else { return [] }
        return [window.start, window.end].map { value in
            let buffer = Buffer(byteCount: n * 8)
            buffer.base.assumingMemoryBound(to: Int64.self).initialize(repeating: value, count: n)
            return Column(type: windowType, count: n, values: buffer)
        }
    }

    private func report(_ failures: [FinishFailure], _ leading: [Column], _ context: TaskContext) {
        for failure in failures {
            context.fail(
                failure.message, expression: failure.text, row: leading.map { $0.value(at: failure.row) }, types: failureTypes)
        }
    }

    /// All live groups, in slot order; those without rows too when `emitsEmpty`.
    func emit(
        _ table: GroupTable, window: (start: Int64, end: Int64)?, emitsEmpty: Bool = false, _ context: TaskContext,
        into output: inout [RowBatch]
    ) {
        let limit = max(batchRows, 1)
        context.scratch.reserve(min(limit, table.count))
        let pointers = context.scratch.pointers
        var slot = 0
        while slot < table.count {
            var n = 0
            while slot < table.count && n < limit {
                pointers[n] = UnsafeRawPointer(table.table.row(slot))
                n += emitsEmpty || table.isLive(slot) ? 1 : 0
                slot += 1
            }
            guard n > 0 else { continue }
            let leading = table.keyColumns(pointers, count: n) + windowColumns(window, count: n)
            var failures: [FinishFailure] = []
            let results = layout.finish(pointers, count: n, failures: &failures)
            report(failures, leading, context)
            output.append(RowBatch(count: n, columns: leading + results))
        }
    }

    /// What changed for the given groups; returns how many groups went.
    @discardableResult
    func emitChanges(
        _ table: GroupTable, slots: [UInt32], window: (start: Int64, end: Int64)?, _ context: TaskContext, into output: inout [RowBatch]
    ) -> Int {
        guard let results = layout.emittedLayout else { return 0 }
        let limit = max(batchRows / 2, 1)
        var deleted = 0
        var start = 0
        while start < slots.count {
            let n = min(limit, slots.count - start)
            deleted += emitChanges(table, slots[start..<start + n], results, window, context, &output)
            start += n
        }
        return deleted
    }

    private func emitChanges(
        _ table: GroupTable, _ slots: ArraySlice<UInt32>, _ results: PackedLayout, _ window: (start: Int64, end: Int64)?,
        _ context: TaskContext, _ output: inout [RowBatch]
    ) -> Int {
        let n = slots.count
        let pointers = slots.map { UnsafeRawPointer(table.table.row(Int($0))) }
        var failures: [FinishFailure] = []
        let columns = pointers.withUnsafeBufferPointer { rows in
            rows.baseAddress.map { layout.finish($0, count: n, failures: &failures) } ?? []
        }
        let width = results.width
        let fresh = Buffer(byteCount: n * width)
        results.pack(columns, count: n, into: fresh.base, normalised: false)
        var keys: [UnsafeRawPointer] = []
        var values: [UnsafeRawPointer] = []
        var kinds: [UInt8] = []
        var updated: [Int] = []
        var origin: [Int: Int] = [:]
        var deleted = 0
        func add(_ index: Int, _ value: UnsafeRawPointer, _ kind: ChangeKind) {
            keys.append(pointers[index])
            values.append(value)
            kinds.append(kind.rawValue)
        }
        for (index, slot) in slots.enumerated() {
            let wasEmitted = table.control(Int(slot)) & GroupLayout.emitted != 0
            let old = pointers[index] + layout.emittedOffset
            let new = UnsafeRawPointer(fresh.base + index * width)
            guard table.isLive(Int(slot)) else {
                guard wasEmitted else { continue }
                add(index, old, .delete)
                deleted += 1
                table.setControl(Int(slot), table.control(Int(slot)) & ~GroupLayout.emitted)
                continue
            }
            if !wasEmitted {
                add(index, new, .insert)
            } else if PackedLayout.equal(old, new, width: width, stringOffsets: results.stringOffsets) {
                continue
            } else {
                add(index, old, .updateBefore)
                add(index, new, .updateAfter)
            }
            origin[index] = keys.count - 1
            updated.append(index)
        }
        let count = keys.count
        guard count > 0 else { return deleted }
        let batch = keys.withUnsafeBufferPointer { keys in
            values.withUnsafeBufferPointer { values -> RowBatch? in
                guard let keyRows = keys.baseAddress, let valueRows = values.baseAddress else { return nil }
                let leading = table.keyColumns(keyRows, count: count) + windowColumns(window, count: count)
                let failed = failures.compactMap { failure in
                    origin[failure.row].map { FinishFailure(row: $0, text: failure.text, message: failure.message) }
                }
                report(failed, leading, context)
                let aggregates = results.types.indices.map { results.unpack($0, from: valueRows, count: count, base: 0) }
                var changes: Buffer?
                if kinds.contains(where: { $0 != ChangeKind.insert.rawValue }) {
                    changes = kinds.withUnsafeBytes { Buffer(copying: $0) }
                }
                return RowBatch(count: count, columns: leading + aggregates, changes: changes)
            }
        }
        if let batch { output.append(batch) }
        // Only now may the old values be written over.
        let slotList = Array(slots)
        for index in updated {
            let slot = Int(slotList[index])
            let place = table.table.row(slot) + layout.emittedOffset
            for offset in results.stringOffsets {
                table.table.arena.garbageByteCount += place.loadUnaligned(fromByteOffset: offset, as: StringView.self).count
            }
            table.table.keep(fresh.base + index * width, width: width, strings: results.stringOffsets, at: place)
            table.setControl(slot, table.control(slot) | GroupLayout.emitted)
        }
        return deleted
    }
}
