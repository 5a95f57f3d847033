// RowSelection: the numbers of some rows of a batch, ascending.

import Columns

struct RowSelection: @unchecked Sendable {
    // Safe to share: never written once made.
    let count: Int
    private let buffer: Buffer

    private init(_ buffer: Buffer, count: Int) {
        self.buffer = buffer
        self.count = count
    }

    var rows: UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: UnsafePointer(buffer.base.assumingMemoryBound(to: Int32.self)), count: count)
    }

    /// Rows whose byte is 1 and whose bit, if there are bits, is set. Without branches on the data but for runs of eight rows
    /// without a hit.
    static func `where`(_ bools: UnsafePointer<UInt8>, validity: UnsafePointer<UInt64>?, rows: Int) -> RowSelection {
        let buffer = Buffer(byteCount: (rows + 8) * 4)
        let target = buffer.base.assumingMemoryBound(to: Int32.self)
        let words = UnsafeRawPointer(bools)
        var found = 0
        var row = 0
        while row &+ 8 <= rows {
            var hits = words.loadUnaligned(fromByteOffset: row, as: UInt64.self)
            if hits != 0 {
                if let validity {
                    // Eight bits spread over eight bytes.
                    let bits = (validity[row >> 6] >> UInt64(row & 63)) & 0xFF
                    let spread = ((bits &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201)
                    hits &= ((spread &+ 0x00406070787C7E7F) >> 7) & 0x0101_0101_0101_0101
                }
                for lane in 0..<8 {
                    target[found] = Int32(truncatingIfNeeded: row &+ lane)
                    found &+= Int(truncatingIfNeeded: (hits >> UInt64(lane &* 8)) & 1)
                }
            }
            row &+= 8
        }
        while row < rows {
            target[found] = Int32(truncatingIfNeeded: row)
            let isValid = validity.map { ($0[row >> 6] >> UInt64(row & 63)) & 1 } ?? 1
            found &+= Int(bools[row]) & Int(truncatingIfNeeded: isValid)
            row &+= 1
        }
        return RowSelection(buffer, count: found)
    }

    static func of(_ rows: [Int32]) -> RowSelection {
        let buffer = Buffer(byteCount: (rows.count + 1) * 4)
        rows.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { buffer.base.copyMemory(from: base, byteCount: bytes.count) }
        }
        return RowSelection(buffer, count: rows.count)
    }

    /// Rows for which `isWanted` says so.
    @inline(__always)
    static func rows(_ count: Int, where isWanted: (Int) -> Bool) -> RowSelection {
        let buffer = Buffer(byteCount: (count + 1) * 4)
        let target = buffer.base.assumingMemoryBound(to: Int32.self)
        var found = 0
        for row in 0..<count {
            target[found] = Int32(truncatingIfNeeded: row)
            found &+= isWanted(row) ? 1 : 0
        }
        return RowSelection(buffer, count: found)
    }

    static func all(_ count: Int) -> RowSelection { rows(count) { _ in true } }

    /// The rows that `inner`, a selection among these, stands for.
    func composed(with inner: RowSelection) -> RowSelection {
        let result = Buffer(byteCount: (inner.count + 1) * 4)
        let target = result.base.assumingMemoryBound(to: Int32.self)
        let outer = rows
        for index in 0..<inner.count { target[index] = outer[Int(inner.rows[index])] }
        return RowSelection(result, count: inner.count)
    }

    /// Of these rows those that `isWanted`, asked with the position in this selection, picks.
    @inline(__always)
    func filter(_ isWanted: (Int) -> Bool) -> RowSelection { composed(with: RowSelection.rows(count, where: isWanted)) }
}
