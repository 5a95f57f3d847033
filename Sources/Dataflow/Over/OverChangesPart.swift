// OverChangesPart: window functions whose results may change with every row: any order, and inputs that take rows back.
//
// All rows of a partition are kept, sorted. A partition that an epoch touches is computed before and after it, and the difference is
// given: rows that came or went, and rows whose results are others now. O(rows of the touched partitions) per epoch.

import Columns
import Glibc
import Planning

final class OverChangesPart: OverPart {
    private let node: OverNode
    private let layout: RankLayout
    private let evaluator: OverEvaluator
    private let results: PackedLayout
    private let batchRows: Int
    private var table: KeyTable
    private let store: RowStore
    private var partitions: [[UnsafeMutableRawPointer]] = []
    /// Partitions touched in this epoch, and their rows before it.
    private var touched: [UInt32] = []
    private var isTouched: [Bool] = []
    private var before: [Int: [UnsafeMutableRawPointer]] = [:]
    private var released: [Int: [UnsafeMutableRawPointer]] = [:]
    private var emptyPartitions = 0

    let heldTime = Int64.max

    init(_ node: OverNode, layout: RankLayout, batchRows: Int) throws(DataflowError) {
        self.node = node
        self.layout = layout
        self.batchRows = max(batchRows, 1)
        evaluator = try OverEvaluator(node, layout: layout, carries: false)
        results = try PackedLayout(node.calls.map(\.resultType), for: "a window function's result in a changelog")
        table = OverChangesPart.makeTable(layout)
        store = RowStore(width: layout.rowWidth, strings: layout.rowStrings)
    }

    private static func makeTable(_ layout: RankLayout) -> KeyTable {
        KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: [], isIndexed: layout.keyWidth > 0)
    }

    var groupCount: Int { store.count }
    var byteCount: Int { table.byteCount + store.byteCount + store.count * 8 }

    // MARK: Input

    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext) {
        chunk.assign(range, in: table, context.scratch)
        while partitions.count < table.count {
            partitions.append([])
            isTouched.append(false)
            emptyPartitions += 1
        }
        for index in 0..<range.count {
            let place = range.lowerBound + index
            let slot = Int(context.scratch.slots[index])
            if !isTouched[slot] {
                isTouched[slot] = true
                touched.append(UInt32(truncatingIfNeeded: slot))
                before[slot] = partitions[slot]
            }
            if chunk.isAddition(place) { insert(chunk.row(place), slot) } else { remove(chunk.row(place), slot, context) }
        }
    }

    /// The first place whose row comes after `row`, or not before it.
    private func place(_ row: UnsafeRawPointer, _ slot: Int, after: Bool) -> Int {
        var low = 0
        var high = partitions[slot].count
        while low < high {
            let middle = (low + high) / 2
            let comparison = layout.order.compare(partitions[slot][middle], row)
            if after ? comparison <= 0 : comparison < 0 { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func insert(_ row: UnsafeRawPointer, _ slot: Int) {
        if partitions[slot].isEmpty { emptyPartitions -= 1 }
        let kept: UnsafeMutableRawPointer
        // A row that went and comes again in one epoch has not changed.
        if let index = released[slot]?.firstIndex(where: { layout.isEqual($0, row) }), let same = released[slot]?.remove(at: index) {
            kept = same
        } else {
            kept = store.keep(row)
        }
        partitions[slot].insert(kept, at: place(row, slot, after: true))
    }

    private func remove(_ row: UnsafeRawPointer, _ slot: Int, _ context: TaskContext) {
        var index = place(row, slot, after: false)
        while index < partitions[slot].count, layout.order.compare(partitions[slot][index], row) == 0 {
            if layout.isEqual(partitions[slot][index], row) {
                released[slot, default: []].append(partitions[slot].remove(at: index))
                if partitions[slot].isEmpty { emptyPartitions += 1 }
                return
            }
            index += 1
        }
        context.fail(
            "a row was taken back that is not there", expression: node.calls.first?.text ?? "OVER", row: layout.values(row),
            types: layout.inputTypes)
    }

    // MARK: Output

    func isDue(_ epoch: StageEpoch) -> Bool { false }

    private static let rowsPerEvaluation = 1 << 15

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        var segments = OverSegments()
        var slots: [Int] = []
        for slot in touched {
            let slot = Int(slot)
            let old = (before[slot] ?? []).map { UnsafeRawPointer($0) }
            let new = partitions[slot].map { UnsafeRawPointer($0) }
            segments.add(old, dueStart: 0, dueEnd: old.count, slot: slot)
            segments.add(new, dueStart: 0, dueEnd: new.count, slot: slot)
            slots.append(slot)
            if segments.rows.count >= OverChangesPart.rowsPerEvaluation { give(&segments, &slots, context, &output) }
        }
        give(&segments, &slots, context, &output)
        for slot in touched {
            isTouched[Int(slot)] = false
            table.marks.mark(Int(slot))
            for row in released[Int(slot)] ?? [] { store.release(row) }
        }
        touched.removeAll(keepingCapacity: true)
        before.removeAll(keepingCapacity: true)
        released.removeAll(keepingCapacity: true)
        store.compactIfNeeded { body in for partition in partitions { for row in partition { body(row) } } }
        if emptyPartitions > 64 && emptyPartitions * 2 > partitions.count && layout.keyWidth > 0 { compact() }
    }

    /// Gives the differences of the partitions in `segments`: two for each, before and after.
    private func give(_ segments: inout OverSegments, _ slots: inout [Int], _ context: TaskContext, _ output: inout [RowBatch]) {
        defer {
            segments.removeAll()
            slots.removeAll(keepingCapacity: true)
        }
        guard !slots.isEmpty, !segments.rows.isEmpty else { return }
        var none: [OverCarry] = []
        let columns = evaluator.evaluate(segments, carry: &none, context)
        let packed = Buffer(byteCount: segments.rows.count * results.width)
        results.pack(columns, count: segments.rows.count, into: packed.base, normalised: false)
        func isSame(_ a: Int, _ b: Int) -> Bool {
            PackedLayout.equal(
                packed.base + a * results.width, packed.base + b * results.width, width: results.width, stringOffsets: results.stringOffsets)
        }
        var rows: [Int32] = []
        var kinds: [UInt8] = []
        func add(_ row: Int, _ kind: ChangeKind) {
            rows.append(Int32(truncatingIfNeeded: row))
            kinds.append(kind.rawValue)
        }
        for index in slots.indices {
            let old = segments.segments[index * 2]
            let new = segments.segments[index * 2 + 1]
            var places: [UnsafeRawPointer: Int] = [:]
            places.reserveCapacity(new.end - new.start)
            for row in new.start..<new.end { places[segments.rows[row]] = row }
            var stays = Set<Int>()
            for row in old.start..<old.end {
                guard let now = places[segments.rows[row]] else {
                    add(row, .delete)
                    continue
                }
                stays.insert(now)
                if isSame(row, now) { continue }
                add(row, .updateBefore)
                add(now, .updateAfter)
            }
            for row in new.start..<new.end where !stays.contains(row) { add(row, .insert) }
        }
        var start = 0
        while start < rows.count {
            let end = min(start + batchRows, rows.count)
            let part = Array(rows[start..<end])
            let pointers = part.map { segments.rows[Int($0)] }
            let leading = pointers.withUnsafeBufferPointer { pointers in
                pointers.baseAddress.map { layout.columns($0, count: part.count) } ?? []
            }
            let isPlain = kinds[start..<end].allSatisfy { $0 == ChangeKind.insert.rawValue }
            output.append(
                RowBatch(
                    count: part.count, columns: leading + columns.map { $0.gather(part) },
                    changes: isPlain ? nil : kinds[start..<end].withUnsafeBytes { Buffer(copying: $0) }))
            start = end
        }
        withExtendedLifetime((packed, columns)) {}
    }

    /// A table without the partitions that have no rows.
    private func compact() {
        let made = OverChangesPart.makeTable(layout)
        var kept: [[UnsafeMutableRawPointer]] = []
        for slot in partitions.indices where !partitions[slot].isEmpty {
            _ = made.adopt(table.row(slot), hash: layout.keyHash(table.row(slot)), strings: layout.keyStrings, indexed: true)
            kept.append(partitions[slot])
        }
        table = made
        partitions = kept
        isTouched = [Bool](repeating: false, count: kept.count)
        emptyPartitions = 0
    }

    // MARK: State

    func write(to writer: inout StateWriter) { writer.write(Rows(owner: self), table.marks) }

    func read(from reader: inout StateReader) throws(StateError) {
        try reader.read(Rows(owner: self), table.marks)
        guard layout.keyWidth > 0 || table.count <= 1 else { throw reader.failure("more than one partition without a key") }
        guard layout.keyWidth == 0 || table.reindex() else { throw reader.failure("a partition twice") }
    }

    /// Partitions with their rows.
    private struct Rows: NumberedRows {
        let owner: OverChangesPart

        var rowCount: Int { owner.partitions.count }
        var rowByteCountMin: Int { 8 }

        func make(rows count: Int) {
            owner.table.make(rows: count)
            memset(owner.table.rows, 0, count * owner.table.rowStride)
            owner.partitions = Array(repeating: [], count: count)
            owner.isTouched = Array(repeating: false, count: count)
        }

        func write(row slot: Int, to writer: inout StateWriter) {
            RankLayout.write(owner.table.row(slot), width: owner.layout.keyWidth, strings: owner.layout.keyStrings, to: &writer)
            writer.write(count: owner.partitions[slot].count)
            for row in owner.partitions[slot] { owner.store.write(row, to: &writer) }
        }

        func read(row slot: Int, from reader: inout StateReader) throws(StateError) {
            let layout = owner.layout
            let table = owner.table
            try RankLayout.read(into: table.row(slot), width: layout.keyWidth, strings: layout.keyStrings, arena: &table.arena, from: &reader)
            let count = try reader.readCount(bytesEach: max(layout.rowWidth / 2, 1))
            var partition: [UnsafeMutableRawPointer] = []
            partition.reserveCapacity(count)
            for _ in 0..<count { partition.append(try owner.store.read(from: &reader)) }
            if partition.isEmpty { owner.emptyPartitions += 1 }
            owner.partitions[slot] = partition
        }
    }
}
