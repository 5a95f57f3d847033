// ColumnGather: rows of a column by number, without a builder: one allocation per buffer, and the bitmap a word at a time. What filters do
// to every column of every batch. Rows that follow each other are copied at once (`RowRuns`).

import Columns

extension Column {
    /// `runs` are those of the same rows.
    func picked(_ rows: UnsafeBufferPointer<Int32>, runs: RowRuns? = nil) -> Column {
        let count = rows.count
        guard let index = rows.baseAddress, count > 0, layout != .list else { return gather(rows) }
        let target = Buffer(byteCount: count * layout.stride)
        if let runs, layout != .structure {
            runs.copy(values, to: target.base, stride: layout.stride)
        } else {
            copy(index, count, into: target)
        }
        return Column(
            type: type, count: count, values: target, validity: bits(index, count, runs), heap: layout == .string ? owners : [],
            children: layout == .structure ? children.map { $0.picked(rows, runs: runs) } : [])
    }

    private func copy(_ index: UnsafePointer<Int32>, _ count: Int, into target: Buffer) {
        switch layout {
        case .bool: Column.copy(bools, target, index, count)
        case .int64, .double: Column.copy(int64s, target, index, count)
        case .int128, .string: Column.copy(int128s, target, index, count)
        case .list, .structure: break
        }
    }

    /// The NULL bits of the rows; nil when none is NULL.
    private func bits(_ index: UnsafePointer<Int32>, _ count: Int, _ runs: RowRuns?) -> Buffer? {
        guard let validity else { return nil }
        if let runs, runs.areSet(in: validity) { return nil }
        let buffer = Buffer(byteCount: Bitmap.wordCount(count) * 8)
        let words = buffer.base.assumingMemoryBound(to: UInt64.self)
        var row = 0
        var all: UInt64 = .max
        while row < count {
            let lanes = min(64, count &- row)
            var word: UInt64 = 0
            for lane in 0..<lanes {
                let source = Int(index[row &+ lane])
                word |= ((validity[source >> 6] >> UInt64(source & 63)) & 1) << UInt64(lane)
            }
            words[row >> 6] = word
            all &= lanes == 64 ? word : word | ~Bitmap.lowMask(lanes)
            row &+= 64
        }
        return all == .max ? nil : buffer
    }

    @inline(__always)
    private static func copy<T>(_ source: UnsafePointer<T>, _ target: Buffer, _ index: UnsafePointer<Int32>, _ count: Int) {
        let out = target.base.assumingMemoryBound(to: T.self)
        for row in 0..<count { out[row] = source[Int(index[row])] }
    }
}

extension RowBatch {
    func picked(_ selection: RowSelection) -> RowBatch { withExtendedLifetime(selection) { picked(selection.rows) } }

    /// The same as `gather`, faster.
    func picked(_ rows: UnsafeBufferPointer<Int32>) -> RowBatch {
        var kinds: Buffer?
        if let changes {
            let buffer = Buffer(byteCount: rows.count)
            let out = buffer.base.assumingMemoryBound(to: UInt8.self)
            let source = changes.base.assumingMemoryBound(to: UInt8.self)
            for index in 0..<rows.count { out[index] = source[Int(rows[index])] }
            kinds = buffer
        }
        let runs = RowRuns(rows)
        return RowBatch(
            count: rows.count, columns: columns.map { $0.picked(rows, runs: runs) }, changes: kinds,
            watermarks: watermarks?.picked(rows, runs: runs))
    }
}
