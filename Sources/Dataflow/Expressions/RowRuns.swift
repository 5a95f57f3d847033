// RowRuns: row numbers as runs of neighbours. A filter that lets most rows pass leaves long runs, which are copied whole.

import Columns
import Glibc

struct RowRuns {
    private let buffer: Buffer
    let count: Int

    /// Runs shorter than this on average are not worth it.
    private static let lengthMin = 8

    private var pairs: UnsafeMutablePointer<Int32> { buffer.base.assumingMemoryBound(to: Int32.self) }

    /// nil when the runs are short.
    init?(_ rows: UnsafeBufferPointer<Int32>) {
        let total = rows.count
        guard total >= RowRuns.lengthMin * 4, let numbers = rows.baseAddress else { return nil }
        let most = total / RowRuns.lengthMin
        buffer = Buffer(byteCount: (most + 1) * 8)
        let pairs = buffer.base.assumingMemoryBound(to: Int32.self)
        var found = 0
        var first = 0
        var row = 1
        while row <= total {
            // Eight neighbours at once, where they are.
            while row &+ 8 <= total, numbers[row &+ 7] &- numbers[row &- 1] == 8, RowRuns.ascends(numbers + row) { row &+= 8 }
            if row == total || numbers[row] != numbers[row &- 1] &+ 1 {
                if found == most { return nil }
                pairs[found &* 2] = numbers[first]
                pairs[found &* 2 &+ 1] = Int32(truncatingIfNeeded: row &- first)
                found &+= 1
                first = row
            }
            row &+= 1
        }
        count = found
    }

    /// Whether eight numbers, the last seven above the first, follow each other: picked rows need not be in order.
    @inline(__always)
    private static func ascends(_ numbers: UnsafePointer<Int32>) -> Bool {
        let start = UnsafeRawPointer(numbers).loadUnaligned(as: SIMD8<Int32>.self)
        return start &- SIMD8(0, 1, 2, 3, 4, 5, 6, 7) == SIMD8(repeating: numbers[0])
    }

    @inline(__always)
    func each(_ body: (_ start: Int, _ length: Int) -> Void) {
        let pairs = pairs
        for run in 0..<count { body(Int(pairs[run &* 2]), Int(pairs[run &* 2 &+ 1])) }
        withExtendedLifetime(buffer) {}
    }

    /// Values of `stride` bytes.
    func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, stride: Int) {
        var next = target
        each { start, length in
            memcpy(next, source + start &* stride, length &* stride)
            next += length &* stride
        }
    }

    /// Whether all bits of the rows are set.
    func areSet(in bits: UnsafePointer<UInt64>) -> Bool {
        var missing: UInt64 = 0
        each { start, length in
            var row = start
            let end = start &+ length
            while row < end {
                let lane = row & 63
                let lanes = min(64 &- lane, end &- row)
                let mask = lanes == 64 ? UInt64.max : Bitmap.lowMask(lanes) << UInt64(lane)
                missing |= ~bits[row >> 6] & mask
                row &+= lanes
            }
        }
        return missing == 0
    }
}
