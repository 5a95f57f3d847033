// PairScratch: the vectors that joining a batch needs, kept from one batch to the next.

import Columns

struct PairScratch {
    private var capacity = 0
    private var buffer = Buffer(byteCount: 0)
    private let pairBuffer = Buffer(byteCount: JoinPlan.pairsMax * 8)
    private var packedBuffer = Buffer(byteCount: 0)

    /// Room for a batch of `count` rows.
    mutating func reserve(_ count: Int) {
        guard count > capacity else { return }
        capacity = (max(count, 64) + 63) & ~63
        buffer = Buffer(byteCount: capacity * 17)
    }

    mutating func reservePacked(_ byteCount: Int) -> UnsafeMutableRawPointer {
        if packedBuffer.byteCount < byteCount { packedBuffer = Buffer(byteCount: byteCount) }
        return packedBuffer.base
    }

    /// The slot of each row's key.
    var slots: UnsafeMutablePointer<UInt32> { buffer.base.assumingMemoryBound(to: UInt32.self) }
    /// Where each row lies in state.
    var references: UnsafeMutablePointer<UInt32> { (buffer.base + capacity * 4).assumingMemoryBound(to: UInt32.self) }
    /// The first row of the other side's chain.
    var heads: UnsafeMutablePointer<UInt32> { (buffer.base + capacity * 8).assumingMemoryBound(to: UInt32.self) }
    /// Row numbers.
    var selection: UnsafeMutablePointer<Int32> { (buffer.base + capacity * 12).assumingMemoryBound(to: Int32.self) }
    /// 1: added, -1: taken back, 0: passed over.
    var signs: UnsafeMutablePointer<Int8> { (buffer.base + capacity * 16).assumingMemoryBound(to: Int8.self) }

    /// Pairs of a row of the batch and a row of the other side's state.
    var pairRows: UnsafeMutablePointer<Int32> { pairBuffer.base.assumingMemoryBound(to: Int32.self) }
    var pairReferences: UnsafeMutablePointer<UInt32> { (pairBuffer.base + JoinPlan.pairsMax * 4).assumingMemoryBound(to: UInt32.self) }
}
