// PartitionRouter: the shard of each row of a batch.
//
// MD5 costs about 100 ns and keys repeat, so the shard of a key is remembered in a direct-mapped cache: one of numbers, one of
// texts of up to 24 bytes. A cache entry holds the whole key, so a hit is exact and the cache never changes an answer. With one shard nothing
// is computed. Used by one thread at a time.

import Columns
import Glibc
import Platform

package final class PartitionRouter {
    private let ranges: [HashKeyRange]
    private let numberKeys: UnsafeMutablePointer<Int64>
    private let numberShards: UnsafeMutablePointer<Int32>
    private let textSlots: UnsafeMutablePointer<TextSlot>
    private var text: [UInt8] = []

    private static let numberSlotCount = 16_384
    private static let textSlotCount = 4_096
    static let cachedTextByteCountMax = 24

    private struct TextSlot {
        var shard: Int32 = -1
        var length: UInt32 = 0
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
    }

    package init(ranges: [HashKeyRange]) {
        self.ranges = ranges
        numberKeys = .allocate(capacity: PartitionRouter.numberSlotCount)
        numberKeys.initialize(repeating: 0, count: PartitionRouter.numberSlotCount)
        numberShards = .allocate(capacity: PartitionRouter.numberSlotCount)
        numberShards.initialize(repeating: -1, count: PartitionRouter.numberSlotCount)
        textSlots = .allocate(capacity: PartitionRouter.textSlotCount)
        textSlots.initialize(repeating: TextSlot(), count: PartitionRouter.textSlotCount)
    }

    deinit {
        numberKeys.deallocate()
        numberShards.deallocate()
        textSlots.deallocate()
    }

    /// The shard of each row, by the columns that make its key.
    package func shardIndices(for batch: RowBatch, partitionColumns: [Int]) -> [Int32] {
        guard ranges.count > 1 else { return [Int32](repeating: 0, count: batch.count) }
        return [Int32](unsafeUninitializedCapacity: batch.count) { target, count in
            count = batch.count
            if partitionColumns.count == 1 {
                let column = batch.columns[partitionColumns[0]]
                switch column.layout {
                case .int64: return route(numbers: column, into: target)
                case .string: return route(texts: column, into: target)
                default: break
                }
            }
            for row in 0..<batch.count {
                text.removeAll(keepingCapacity: true)
                for (position, index) in partitionColumns.enumerated() {
                    if position > 0 { text.append(PartitionKey.separator) }
                    PartitionKey.append(batch.columns[index], row, to: &text)
                }
                target[row] = text.withUnsafeBytes { shard(ofText: $0) }
            }
        }
    }

    private func route(numbers column: Column, into target: UnsafeMutableBufferPointer<Int32>) {
        let values = column.int64s
        let keys = numberKeys
        let shards = numberShards
        let mask = UInt64(PartitionRouter.numberSlotCount - 1)
        let nullShard = column.mayHaveNulls ? shard(ofText: UnsafeRawBufferPointer(start: nil, count: 0)) : 0
        for row in 0..<column.count {
            if column.isNull(row) {
                target[row] = nullShard
                continue
            }
            let value = values[row]
            let slot = Int(truncatingIfNeeded: (UInt64(bitPattern: value) &* 0x9E37_79B9_7F4A_7C15) >> 40 & mask)
            if keys[slot] == value && shards[slot] >= 0 {
                target[row] = shards[slot]
                continue
            }
            let found = PartitionKey.withDecimal(of: value) { shard(hashing: $0) }
            keys[slot] = value
            shards[slot] = found
            target[row] = found
        }
    }

    private func route(texts column: Column, into target: UnsafeMutableBufferPointer<Int32>) {
        let views = column.strings
        for row in 0..<column.count {
            let isNull = column.isNull(row)
            target[row] = shard(ofText: isNull ? UnsafeRawBufferPointer(start: nil, count: 0) : UnsafeRawBufferPointer(views[row].bytes))
        }
    }

    private func shard(ofText bytes: UnsafeRawBufferPointer) -> Int32 {
        guard bytes.count <= PartitionRouter.cachedTextByteCountMax else { return shard(hashing: bytes) }
        let words = PartitionRouter.words(of: bytes)
        let hash = Hash64.combine(Hash64.hash(words.0 ^ UInt64(bytes.count), seed: words.1), words.2)
        let slot = Int(truncatingIfNeeded: hash & UInt64(PartitionRouter.textSlotCount - 1))
        let known = textSlots[slot]
        if known.shard >= 0 && known.length == UInt32(bytes.count) && known.words == words { return known.shard }
        let found = shard(hashing: bytes)
        textSlots[slot] = TextSlot(shard: found, length: UInt32(bytes.count), words: words)
        return found
    }

    /// Up to 24 bytes as three numbers, zeros behind; reads nothing outside the text.
    @inline(__always)
    private static func words(of bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64, UInt64) {
        let count = bytes.count
        guard let base = bytes.baseAddress, count > 0 else { return (0, 0, 0) }
        /// The bytes from `offset` on, at most eight, when the text has at least eight.
        @inline(__always) func word(_ offset: Int) -> UInt64 {
            if count >= offset + 8 { return base.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
            if count <= offset { return 0 }
            return base.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self) >> UInt64((offset + 8 - count) * 8)
        }
        if count >= 8 { return (word(0), word(8), word(16)) }
        var first: UInt64 = 0
        for index in 0..<count { first |= UInt64(base.load(fromByteOffset: index, as: UInt8.self)) << UInt64(index * 8) }
        return (first, 0, 0)
    }

    private func shard(hashing bytes: UnsafeRawBufferPointer) -> Int32 {
        Int32(truncatingIfNeeded: HashKeyRange.index(of: MD5.hash(bytes), in: ranges))
    }
}
