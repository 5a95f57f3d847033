// ModelStates: what the models of a window function have learnt, one block of bytes for each key, at addresses that do not change.
//
//   block of a key = [state of the first call][state of the second call]..[zeros to a whole number of chunks]
//
// A point changes little of a state of some KiB, so a checkpoint takes chunks of a state and not states (see NumberedRows: a chunk is a row).
// Which chunks have changed is found out when a capture is taken: the states that points have gone to since the last one are noted, and their
// chunks hashed and compared with what they hashed to then. So a point pays nothing, and a capture some hundred ns for each key that had one.
// A chunk that changes to one with the same 64-bit hash would be missed: a chance of 2^-64 for each.

import Anomaly
import CMillrace
import Columns
import Glibc
import Platform

final class ModelStates: @unchecked Sendable {
    // Safe to share: one task at a time works on a partition's states.
    private let models: [AnomalyModel]
    /// Where the state of each model begins in a block.
    let offsets: [Int]
    private let byteCountEach: Int
    private let chunkByteCount: Int
    private let chunksEach: Int

    private var slabs: [UnsafeMutableRawPointer] = []
    private var slabByteCount = 0
    private var slabRows = 0
    private var used = 0
    /// By slot.
    private var blocks: [UnsafeMutableRawPointer] = []
    /// A bit for each slot: points have gone to it since the last capture.
    private var touched: [UInt64] = []
    /// By chunk, of the first slots: what it was when it was last captured, or read.
    private var hashes: [UInt64] = []
    private let marks = RowMarks()

    private static let slabByteCountMax = 4 << 20
    private static let wantedChunkByteCount = 256

    init(_ models: [AnomalyModel]) {
        self.models = models
        var offsets: [Int] = []
        var end = 0
        for model in models {
            offsets.append(end)
            end += model.stateByteCount
        }
        self.offsets = offsets
        end = max(end, 16)
        chunkByteCount = end <= 2 * ModelStates.wantedChunkByteCount ? end : ModelStates.wantedChunkByteCount
        chunksEach = (end + chunkByteCount - 1) / chunkByteCount
        byteCountEach = chunksEach * chunkByteCount
    }

    deinit { for slab in slabs { StateMemory.shared.free(slab) } }

    var count: Int { blocks.count }
    var byteCount: Int { slabByteCount + blocks.count * 8 + hashes.count * 8 }

    // MARK: States

    /// The block of a key; whoever changes it has called `touch`.
    @inline(__always)
    func block(_ slot: Int) -> UnsafeMutableRawPointer { blocks[slot] }

    @inline(__always)
    func touch(_ slot: Int) { touched[slot >> 6] |= 1 << UInt64(slot & 63) }

    /// Brings the beginning of a block into the cache: what states keep their counters and indices in.
    @inline(__always)
    func prefetch(_ slot: Int) {
        let block = blocks[slot]
        var offset = 0
        let end = min(byteCountEach, 512)
        while offset < end {
            millrace_prefetch(block + offset)
            offset &+= 64
        }
    }

    /// The state of a new key, behind all others.
    func append() {
        let block = place()
        begin(block)
        blocks.append(block)
        if touched.count * 64 < blocks.count { touched.append(0) }
    }

    /// A block that is nobody's: for partitions that are there all at once.
    func makeLoose() -> UnsafeMutableRawPointer {
        let block = place()
        begin(block)
        return block
    }

    func begin(_ block: UnsafeMutableRawPointer) {
        memset(block, 0, byteCountEach)
        for (index, model) in models.enumerated() { model.start(block + offsets[index]) }
    }

    private func place() -> UnsafeMutableRawPointer {
        if used == slabRows {
            // Slabs grow with the store, so that a small one stays small.
            slabRows = min(max(slabRows * 2, 1), max(ModelStates.slabByteCountMax / byteCountEach, 1))
            let size = slabRows * byteCountEach
            let slab = StateMemory.shared.allocate(size)
            if let slab, size > 2 << 20 { millrace_advise_large(slab, size) }
            slabs.append(slab ?? Buffer(byteCount: .max).base)
            slabByteCount += size
            used = 0
        }
        used += 1
        return slabs[slabs.count - 1] + (used - 1) * byteCountEach
    }

    /// A copy with the states of these slots only, in this order.
    func keeping(_ slots: [Int]) -> ModelStates {
        let made = ModelStates(models)
        for slot in slots {
            made.append()
            memcpy(made.blocks[made.count - 1], blocks[slot], byteCountEach)
        }
        return made
    }

    // MARK: Checkpoints

    /// Marks the chunks that are not what they were.
    private func noteChanges() {
        let known = hashes.count / chunksEach
        for word in touched.indices where touched[word] != 0 {
            var left = touched[word]
            touched[word] = 0
            while left != 0 {
                let slot = word << 6 + left.trailingZeroBitCount
                left &= left - 1
                if slot >= known { continue }
                for chunk in 0..<chunksEach {
                    let hash = hashOfChunk(slot, chunk)
                    let number = slot * chunksEach + chunk
                    if hashes[number] == hash { continue }
                    hashes[number] = hash
                    marks.mark(number)
                }
            }
        }
        hashes.reserveCapacity(count * chunksEach)
        for slot in known..<max(count, known) {
            for chunk in 0..<chunksEach { hashes.append(hashOfChunk(slot, chunk)) }
        }
    }

    private func hashOfChunk(_ slot: Int, _ chunk: Int) -> UInt64 {
        Hash64.hash(base: UnsafeRawPointer(blocks[slot] + chunk * chunkByteCount), count: chunkByteCount, seed: 0)
    }

    func write(to writer: inout StateWriter) {
        if writer.capture != nil { noteChanges() }
        writer.write(Chunks(owner: self), marks)
    }

    /// Into empty states; there must be `count` of them.
    func read(from reader: inout StateReader, count: Int) throws(StateError) {
        try reader.read(Chunks(owner: self), marks)
        guard self.count == count, unread == 0 else { throw reader.failure("states that do not go with the keys") }
        for slot in 0..<count {
            for (index, model) in models.enumerated() where !model.isSound(UnsafeRawPointer(blocks[slot] + offsets[index])) {
                throw reader.failure("bytes that no state of a model can be")
            }
        }
        noteChanges()
    }

    /// Chunks that a damaged count left over.
    private var unread = 0

    private struct Chunks: NumberedRows {
        let owner: ModelStates

        var rowCount: Int { owner.count * owner.chunksEach }
        var rowByteCountMin: Int { owner.chunkByteCount }
        var isMeasured: Bool { true }
        func byteCount(row: Int) -> Int { owner.chunkByteCount }

        private func address(_ row: Int) -> UnsafeMutableRawPointer {
            owner.blocks[row / owner.chunksEach] + row % owner.chunksEach * owner.chunkByteCount
        }

        func store(row: Int, at target: UnsafeMutableRawPointer) { memcpy(target, address(row), owner.chunkByteCount) }

        func write(row: Int, to writer: inout StateWriter) {
            writer.write(raw: UnsafeRawBufferPointer(start: address(row), count: owner.chunkByteCount))
        }

        func make(rows count: Int) {
            for _ in 0..<count / owner.chunksEach { owner.append() }
            owner.unread = count % owner.chunksEach
        }

        func read(row: Int, from reader: inout StateReader) throws(StateError) {
            guard row / owner.chunksEach < owner.count else { throw reader.failure("a piece of no state") }
            try reader.read(into: UnsafeMutableRawBufferPointer(start: address(row), count: owner.chunkByteCount))
        }
    }
}
