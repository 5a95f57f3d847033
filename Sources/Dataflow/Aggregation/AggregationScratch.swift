// AggregationScratch: the vectors that assigning slots and feeding accumulators need, kept from one batch to the next. One task uses one.

import Columns
import Platform

final class AggregationScratch: @unchecked Sendable {
    // Safe to share: handed from task to task, never used by two at a time.
    private var capacity = 0
    private var slotBuffer = Buffer(byteCount: 0)
    private var hashBuffer = Buffer(byteCount: 0)
    private var packedBuffer = Buffer(byteCount: 0)
    private var signBuffer = Buffer(byteCount: 0)
    private var bitBuffer = Buffer(byteCount: 0)
    private var pointerBuffer = Buffer(byteCount: 0)
    /// Selections of the batch at hand, see `FedRows`.
    var selections: [FedRows] = []
    private var selectionBuffers: [Buffer] = []
    private(set) var selectionsUsed = 0

    /// Room for `count` rows in every vector; `packedWidth` bytes each for packed keys.
    func reserve(_ count: Int, packedWidth: Int = 0) {
        if count > capacity {
            capacity = max(count, 64)
            slotBuffer = Buffer(byteCount: capacity * 4)
            hashBuffer = Buffer(byteCount: capacity * 8)
            signBuffer = Buffer(byteCount: capacity * 8)
            bitBuffer = Buffer(byteCount: capacity * 8)
            pointerBuffer = Buffer(byteCount: capacity * 8)
            selectionBuffers.removeAll()
        }
        if packedBuffer.byteCount < count * packedWidth { packedBuffer = Buffer(byteCount: capacity * packedWidth) }
    }

    var slots: UnsafeMutablePointer<UInt32> { slotBuffer.base.assumingMemoryBound(to: UInt32.self) }
    var hashes: UnsafeMutablePointer<UInt64> { hashBuffer.base.assumingMemoryBound(to: UInt64.self) }
    var packed: UnsafeMutableRawPointer { packedBuffer.base }
    var signs: UnsafeMutablePointer<Int64> { signBuffer.base.assumingMemoryBound(to: Int64.self) }
    var bits: UnsafeMutablePointer<UInt64> { bitBuffer.base.assumingMemoryBound(to: UInt64.self) }
    var pointers: UnsafeMutablePointer<UnsafeRawPointer> { pointerBuffer.base.assumingMemoryBound(to: UnsafeRawPointer.self) }

    func beginSelections() {
        selections.removeAll(keepingCapacity: true)
        selectionsUsed = 0
    }

    /// Memory for one more selection of up to `capacity` rows: row numbers, slots, signs.
    func selectionMemory() -> (rows: UnsafeMutablePointer<Int32>, slots: UnsafeMutablePointer<UInt32>, signs: UnsafeMutablePointer<Int64>) {
        if selectionsUsed == selectionBuffers.count { selectionBuffers.append(Buffer(byteCount: capacity * 16)) }
        let base = selectionBuffers[selectionsUsed].base
        selectionsUsed += 1
        return (
            (base + capacity * 8).assumingMemoryBound(to: Int32.self), (base + capacity * 12).assumingMemoryBound(to: UInt32.self),
            base.assumingMemoryBound(to: Int64.self)
        )
    }
}

/// The rows that reach an accumulator: their numbers (nil: 0..<count), and for each its slot and, where rows are retracted, its sign.
struct FedRows {
    /// What it stands for: a filter column or -1, and an argument column whose NULLs are left out or -1.
    var filter = -1
    var argument = -1
    /// Another such column.
    var second = -1
    var count: Int
    var rows: UnsafePointer<Int32>?
    var slots: UnsafePointer<UInt32>
    var signs: UnsafePointer<Int64>?
}

extension AggregationScratch {
    /// What a context holds while no task uses it; empty, and never written.
    static let none = AggregationScratch()
}

/// Scratch memory for as many tasks as run at once.
final class ScratchPool: @unchecked Sendable {
    // Safe to share: the list is touched under the lock only.
    private let lock = Lock()
    private var spare: [AggregationScratch] = []

    func take() -> AggregationScratch { lock.locked { spare.popLast() } ?? AggregationScratch() }
    func giveBack(_ scratch: AggregationScratch) { lock.locked { spare.append(scratch) } }
}
