// GroupEmitter: from groups to output rows: keys, window, results.
//
// `emit` gives every group once. `emitChanges` gives what has changed since a group was last given: +I the first time, then -U with exactly
// the values that were given and +U with the new ones, -D when the group has no rows left, and nothing when the values are the same. The -U
// is left out when nobody above needs it.

import Columns
import Glibc

struct GroupEmitter {
    let layout: GroupLayout
    /// The type of window_start and window_end; nil without a window.
    let windowType: SQLType?
    let batchRows: Int
    var emitsUpdateBefore = true

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
                failure.message, expression: failure.text, row: leading.prefix(failureTypes.count).map { $0.value(at: failure.row) }, types: failureTypes)
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

    /// What changed for the given groups; those without rows are not taken back when `givesEmpty`.
    func emitChanges(
        _ table: GroupTable, slots: [UInt32], window: (start: Int64, end: Int64)?, givesEmpty: Bool = false, _ context: TaskContext,
        into output: inout [RowBatch]
    ) {
        emitChanges(
            table, slots: slots, leading: { table.keyColumns($0, count: $1) + windowColumns(window, count: $1) },
            results: { layout.finish($0, count: $1, failures: &$2) }, isLive: { givesEmpty || table.isLive($0) }, context, into: &output)
    }

    /// The same with other columns: `leading` never change for a row of the table, `results` are the ones that are compared and kept.
    func emitChanges(
        _ table: GroupTable, slots: [UInt32], leading: (UnsafePointer<UnsafeRawPointer>, Int) -> [Column],
        results: (UnsafePointer<UnsafeRawPointer>, Int, inout [FinishFailure]) -> [Column], isLive: (Int) -> Bool, _ context: TaskContext,
        into output: inout [RowBatch]
    ) {
        guard let packed = layout.emittedLayout else { return }
        let limit = max(batchRows / 2, 1)
        var start = 0
        while start < slots.count {
            let part = slots[start..<min(start + limit, slots.count)]
            let pointers = part.map { UnsafeRawPointer(table.table.row(Int($0))) }
            var failures: [FinishFailure] = []
            let columns = pointers.withUnsafeBufferPointer { rows in
                rows.baseAddress.map { results($0, part.count, &failures) } ?? []
            }
            let fresh = Buffer(byteCount: part.count * packed.width)
            // The packed texts are views into these columns, and are read until the end of the pass.
            defer { withExtendedLifetime(columns) {} }
            let encoded = packed.pack(columns, count: part.count, into: fresh.base, normalised: false)
            defer { withExtendedLifetime(encoded) {} }
            var changes = PendingChanges()
            for (index, slot) in part.enumerated() {
                let wasEmitted = table.control(Int(slot)) & GroupLayout.emitted != 0
                let old = pointers[index] + layout.emittedOffset
                let new = UnsafeRawPointer(fresh.base + index * packed.width)
                if !isLive(Int(slot)) {
                    guard wasEmitted else { continue }
                    changes.add(pointers[index], old, .delete)
                    table.table.marks.mark(Int(slot))
                    table.setControl(Int(slot), table.control(Int(slot)) & ~GroupLayout.emitted)
                } else if !wasEmitted {
                    changes.add(pointers[index], new, .insert)
                    changes.updated.append((index, Int(slot), changes.kinds.count - 1))
                } else if !PackedLayout.equal(old, new, width: packed.width, stringOffsets: packed.stringOffsets) {
                    if emitsUpdateBefore { changes.add(pointers[index], old, .updateBefore) }
                    changes.add(pointers[index], new, .updateAfter)
                    changes.updated.append((index, Int(slot), changes.kinds.count - 1))
                }
            }
            if let batch = changes.batch(packed, leading: leading) {
                output.append(batch)
                let places = Dictionary(changes.updated.map { ($0.index, $0.place) }, uniquingKeysWith: { first, _ in first })
                let reported = failures.compactMap { failure in
                    places[failure.row].map { FinishFailure(row: $0, text: failure.text, message: failure.message) }
                }
                if !reported.isEmpty { report(reported, batch.columns, context) }
            }
            // Only now may the old values be written over.
            for (index, slot, _) in changes.updated {
                let place = table.table.row(slot) + layout.emittedOffset
                table.table.marks.mark(slot)
                for offset in packed.stringOffsets {
                    table.table.arena.garbageByteCount += place.loadUnaligned(fromByteOffset: offset, as: StringView.self).count
                }
                table.table.keep(fresh.base + index * packed.width, width: packed.width, strings: packed.stringOffsets, at: place)
                table.setControl(slot, table.control(slot) | GroupLayout.emitted)
            }
            // The fresh rows have pointed into these until here.
            withExtendedLifetime(columns) {}
            start += part.count
        }
    }
}

/// Rows of a changelog on their way out: for each the group's row and the packed result.
private struct PendingChanges {
    var rows: [UnsafeRawPointer] = []
    var values: [UnsafeRawPointer] = []
    var kinds: [UInt8] = []
    /// Groups whose emitted result is to be replaced: number among the fresh ones, slot, and the row that shows it.
    var updated: [(index: Int, slot: Int, place: Int)] = []

    mutating func add(_ row: UnsafeRawPointer, _ value: UnsafeRawPointer, _ kind: ChangeKind) {
        rows.append(row)
        values.append(value)
        kinds.append(kind.rawValue)
    }

    func batch(_ packed: PackedLayout, leading: (UnsafePointer<UnsafeRawPointer>, Int) -> [Column]) -> RowBatch? {
        let count = rows.count
        return rows.withUnsafeBufferPointer { rows in
            values.withUnsafeBufferPointer { values in
                guard count > 0, let rowBase = rows.baseAddress, let valueBase = values.baseAddress else { return nil }
                let columns = leading(rowBase, count) + packed.types.indices.map { packed.unpack($0, from: valueBase, count: count, base: 0) }
                let isPlain = kinds.allSatisfy { $0 == ChangeKind.insert.rawValue }
                return RowBatch(count: count, columns: columns, changes: isPlain ? nil : kinds.withUnsafeBytes { Buffer(copying: $0) })
            }
        }
    }
}
