// JoinRows: the rows that one side of a join holds, in one block that grows, with a list of free places.
//
// A row's place never changes, so chains and lists name rows by number. Growing goes through realloc, which moves pages and not
// bytes once the block is large; the half that is not yet used costs no memory. A dead row has `deadMatches` where a live one
// counts its partners, and the next free place where a live one has its chain.

import CMillrace
import Columns
import Glibc
import Platform

final class JoinRows: @unchecked Sendable {
    // Safe to share: one task at a time works on a partition.
    let layout: JoinSideLayout
    private(set) var base: UnsafeMutableRawPointer
    /// Places ever used.
    private(set) var used = 0
    private(set) var liveCount = 0
    private var capacity: Int
    private var freeHead: UInt32 = 0
    private(set) var arena = ByteArena()
    let marks = RowMarks()
    private var pointerBuffer = Buffer(byteCount: 0)
    /// Of the StringViews within a row.
    private let textOffsets: [Int]

    static let deadMatches = UInt32.max
    /// Set in the matches of a row that has been given without partner (outer) or as it is (semi, anti).
    static let emittedBit = UInt32(1) << 31
    static let matchesMask = UInt32(1) << 31 - 1

    /// From so many rows on texts are not copied on their way out.
    private static let shownRowsMin = 512

    init(_ layout: JoinSideLayout) {
        self.layout = layout
        textOffsets = layout.packed.stringOffsets.map { layout.header + $0 }
        capacity = 8
        base = JoinRows.resize(nil, keeping: 0, 8 * layout.stride)
    }

    deinit { StateMemory.shared.free(base) }

    /// With what the first `kept` bytes held.
    private static func resize(_ memory: UnsafeMutableRawPointer?, keeping kept: Int, _ byteCount: Int) -> UnsafeMutableRawPointer {
        guard let larger = StateMemory.shared.resize(memory, from: kept, to: byteCount) else { return Buffer(byteCount: .max).base }
        if byteCount >= 4 << 20 { millrace_advise_large(larger, byteCount) }
        return larger
    }

    var byteCount: Int { used * layout.stride + arena.byteCount }

    @inline(__always)
    func row(_ reference: UInt32) -> UnsafeMutableRawPointer { base + (Int(reference) &- 1) &* layout.stride }

    @inline(__always)
    func next(_ reference: UInt32) -> UInt32 { row(reference).load(as: UInt32.self) }

    @inline(__always)
    func matches(_ reference: UInt32) -> UInt32 { row(reference).load(fromByteOffset: JoinSideLayout.matchesOffset, as: UInt32.self) }

    @inline(__always)
    func mark(_ reference: UInt32) { marks.mark(Int(reference) &- 1) }

    @inline(__always)
    func setMatches(_ reference: UInt32, _ value: UInt32) {
        mark(reference)
        row(reference).storeBytes(of: value, toByteOffset: JoinSideLayout.matchesOffset, as: UInt32.self)
    }

    @inline(__always)
    func isLive(_ reference: UInt32) -> Bool { matches(reference) != JoinRows.deadMatches }

    // MARK: Coming and going

    /// Copies rows of a batch; `references[i]` is where `rows[i]` (row i when nil) went. Headers are zero.
    func add(_ columns: [Column], rows: UnsafePointer<Int32>?, count n: Int, references: UnsafeMutablePointer<UInt32>) {
        guard n > 0 else { return }
        var fresh = 0
        while fresh < n, freeHead != 0 {
            references[fresh] = freeHead
            mark(freeHead)
            freeHead = next(freeHead)
            fresh += 1
        }
        let wanted = used + n - fresh
        if wanted > capacity {
            capacity = max(capacity * 2, wanted)
            base = JoinRows.resize(base, keeping: used * layout.stride, capacity * layout.stride)
        }
        let usedBefore = used - fresh
        for index in fresh..<n { references[index] = UInt32(truncatingIfNeeded: usedBefore &+ index &+ 1) }
        used += n - fresh
        liveCount += n
        // In a local while it is written to: a property would be checked for exclusive access at every text.
        var texts = ByteArena()
        swap(&texts, &arena)
        defer { swap(&texts, &arena) }
        let base = base
        let stride = layout.stride
        let cleared = layout.header + (layout.types.count + 63) / 64 * 8
        for index in 0..<n {
            let row = (base + (Int(references[index]) &- 1) &* stride).assumingMemoryBound(to: UInt64.self)
            for word in 0..<cleared / 8 { row[word] = 0 }
        }
        for (number, column) in columns.enumerated() {
            let cell = base + layout.header + layout.packed.offsets[number] - stride
            @inline(__always) func place(_ index: Int) -> UnsafeMutableRawPointer { cell + Int(references[index]) &* stride }
            @inline(__always) func source(_ index: Int) -> Int { rows.map { Int($0[index]) } ?? index }
            switch column.layout {
            case .int64, .double:
                let values = column.int64s
                if let rows {
                    for index in 0..<n { place(index).storeBytes(of: values[Int(rows[index])], as: Int64.self) }
                } else {
                    for index in 0..<n { place(index).storeBytes(of: values[index], as: Int64.self) }
                }
            case .bool:
                let values = column.bools
                for index in 0..<n { place(index).storeBytes(of: UInt64(values[source(index)]), as: UInt64.self) }
            case .int128:
                let values = column.values
                for index in 0..<n { memcpy(place(index), values + source(index) * 16, 16) }
            case .string:
                let values = column.strings
                for index in 0..<n {
                    let row = source(index)
                    let view = column.isNull(row) ? .empty : texts.copy(values[row])
                    place(index).storeBytes(of: view, as: StringView.self)
                }
            default: break
            }
            guard column.mayHaveNulls else { continue }
            let mask = base + layout.header + number / 64 * 8 - stride
            let bit = UInt64(1) << UInt64(number & 63)
            for index in 0..<n where column.isNull(source(index)) {
                let word = mask + Int(references[index]) &* stride
                word.storeBytes(of: word.loadUnaligned(as: UInt64.self) | bit, as: UInt64.self)
                if column.layout != .string { memset(place(index), 0, column.layout == .int128 ? 16 : 8) }
            }
        }
        withExtendedLifetime(columns) {}
    }

    func free(_ reference: UInt32) {
        let row = row(reference)
        for offset in layout.packed.stringOffsets {
            let cell = row + layout.header + offset
            arena.garbageByteCount += Int(cell.loadUnaligned(as: UInt32.self))
            cell.storeBytes(of: .empty, as: StringView.self)
        }
        row.storeBytes(of: freeHead, as: UInt32.self)
        setMatches(reference, JoinRows.deadMatches)
        freeHead = reference
        liveCount -= 1
    }

    func removeAll() {
        marks.reset()
        arena.removeAll()
        used = 0
        liveCount = 0
        freeHead = 0
        if capacity * layout.stride > 1 << 20 {
            capacity = 8
            base = JoinRows.resize(base, keeping: 0, 8 * layout.stride)
        }
    }

    /// Copies the texts of live rows together when most of the arena is garbage.
    func compactTexts() {
        guard arena.wantsCompaction else { return }
        var fresh = ByteArena()
        for number in 0..<used {
            let reference = UInt32(truncatingIfNeeded: number + 1)
            guard isLive(reference) else { continue }
            for offset in layout.packed.stringOffsets {
                let cell = row(reference) + layout.header + offset
                cell.storeBytes(of: fresh.copy(cell.loadUnaligned(as: StringView.self)), as: StringView.self)
            }
        }
        arena = fresh
    }

    // MARK: Reading

    /// Columns of the rows named, those in `wanted` (all when nil); the others are without rows and must not be read.
    func columns(_ references: UnsafePointer<UInt32>, count n: Int, wanted: [Bool]? = nil) -> [Column] {
        if pointerBuffer.byteCount < n * 8 { pointerBuffer = Buffer(byteCount: max(n, 1024) * 8) }
        let pointers = pointerBuffer.base.assumingMemoryBound(to: UnsafeRawPointer.self)
        for index in 0..<n { pointers[index] = UnsafeRawPointer(row(references[index])) }
        // Texts are shown where they lie, unless a few rows would keep all of them alive.
        let texts = n >= JoinRows.shownRowsMin ? arena.keeper : nil
        return layout.types.indices.map { number in
            guard wanted?[number] ?? true else { return Column(type: layout.types[number], count: 0, values: Buffer(byteCount: 0)) }
            return layout.packed.unpack(number, from: pointers, count: n, base: layout.header, sharing: texts.map { [$0] })
        }
    }

    func columns(_ references: [UInt32], _ range: Range<Int>) -> [Column] {
        references.withUnsafeBufferPointer { all in
            guard let start = all.baseAddress else { return [] }
            return columns(start + range.lowerBound, count: range.count)
        }
    }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(count: liveCount)
        writer.write(freeHead)
        writer.write(Places(rows: self), marks)
    }

    /// Checks what it can on its own; that chains reach each live row once is for the side to see.
    func read(from reader: inout StateReader) throws(StateError) {
        let live = try reader.readCount(bytesEach: 0)
        let free: UInt32 = try reader.read()
        try reader.read(Places(rows: self), marks, most: Int(UInt32.max) - 1)
        var found = 0
        for number in 0..<used where isLive(UInt32(truncatingIfNeeded: number + 1)) { found += 1 }
        liveCount = live
        freeHead = free
        guard found == live else { throw reader.failure("live rows are miscounted") }
        var place = free
        var steps = 0
        while place != 0 {
            guard Int(place) <= used, !isLive(place), steps < used - live else { throw reader.failure("a broken list of free rows") }
            steps += 1
            place = next(place)
        }
        guard steps == used - live else { throw reader.failure("free rows are missing") }
    }

    /// The rows by place; of a dead one the link of the free list only.
    private struct Places: NumberedRows {
        let rows: JoinRows

        var rowCount: Int { rows.used }
        var rowByteCountMin: Int { 8 }

        var isMeasured: Bool { true }

        /// From the start of a row.
        private var strings: [Int] { rows.textOffsets }

        func byteCount(row number: Int) -> Int {
            let reference = UInt32(truncatingIfNeeded: number + 1)
            return rows.isLive(reference) ? RowBytes.byteCount(rows.row(reference), width: rows.layout.stride, strings: strings) : 8
        }

        /// What chains tell may not reach the bytes.
        func store(row number: Int, at target: UnsafeMutableRawPointer) {
            let reference = UInt32(truncatingIfNeeded: number + 1)
            let row = rows.row(reference)
            guard rows.isLive(reference) else {
                memcpy(target, row, 8)
                return
            }
            RowBytes.store(row, width: rows.layout.stride, strings: strings, at: target)
            if rows.layout.isLinked { (target + JoinSideLayout.prevOffset).storeBytes(of: 0, as: UInt64.self) }
        }

        func write(row number: Int, to writer: inout StateWriter) {
            writer.append(byteCount(row: number)) { store(row: number, at: $0) }
        }

        func make(rows count: Int) {
            rows.capacity = max(count, 8)
            rows.base = JoinRows.resize(rows.base, keeping: 0, rows.capacity * rows.layout.stride)
            rows.used = count
        }

        func read(row number: Int, from reader: inout StateReader) throws(StateError) {
            let layout = rows.layout
            let reference = UInt32(truncatingIfNeeded: number + 1)
            let row = rows.row(reference)
            guard let matches = reader.peek(UInt32.self, at: JoinSideLayout.matchesOffset) else { throw reader.failure("ends too early") }
            if matches == JoinRows.deadMatches {
                try reader.read(into: UnsafeMutableRawBufferPointer(start: row, count: 8))
                memset(row + 8, 0, layout.stride - 8)
                for offset in strings { row.storeBytes(of: .empty, toByteOffset: offset, as: StringView.self) }
            } else {
                try RowBytes.read(into: row, width: layout.stride, strings: strings, arena: &rows.arena, from: &reader)
            }
        }
    }
}
