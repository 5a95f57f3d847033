// StateHeap: memory for what groups hold beyond their row: entries of bags, registers of sketches, texts in bags.
//
// Unlike ByteArena it takes memory back. Requests are rounded up to a class (multiples of 16 bytes up to 256, then powers of two up to
// 64 KiB) and cut from chunks; a block that is released goes to its class's list and is handed out again. Larger ones are allocated by
// themselves. Blocks never move.
//
// Costs: allocate and release O(1); memory at most a quarter above the request for small blocks, twice for large ones.

import Columns
import Glibc

struct StateHeap {
    private var free: [UnsafeMutableRawPointer?] = []
    private var chunks: [Buffer] = []
    private var large: [UnsafeMutableRawPointer: Buffer] = [:]
    private var next: UnsafeMutableRawPointer?
    private var left = 0
    private(set) var byteCount = 0

    private static let smallStep = 16
    private static let smallMax = 256
    private static let classedMax = 64 * 1024
    private static let chunkByteCountMax = 1 << 20
    /// 16 small classes, then 512 ... 65,536.
    private static let classCount = 16 + 8

    /// The class of a request, and how many bytes its blocks have.
    @inline(__always)
    private static func sizeClass(_ byteCount: Int) -> (index: Int, byteCount: Int) {
        if byteCount <= smallMax {
            let index = max((byteCount + smallStep - 1) / smallStep, 1) - 1
            return (index, (index + 1) * smallStep)
        }
        let power = Int.bitWidth - (byteCount - 1).leadingZeroBitCount
        return (16 + power - 9, 1 << power)
    }

    mutating func allocate(_ wanted: Int) -> UnsafeMutableRawPointer {
        guard wanted <= StateHeap.classedMax else {
            let buffer = Buffer.forState(wanted)
            large[buffer.base] = buffer
            byteCount += wanted
            return buffer.base
        }
        let size = StateHeap.sizeClass(wanted)
        if free.isEmpty { free = Array(repeating: nil, count: StateHeap.classCount) }
        if let block = free[size.index] {
            free[size.index] = block.load(as: UnsafeMutableRawPointer?.self)
            return block
        }
        let block: UnsafeMutableRawPointer
        if let next, left >= size.byteCount {
            block = next
        } else {
            // Chunks grow with the heap, so that a small table stays small.
            let chunk = Buffer.forState(max(size.byteCount, min(max(byteCount, 512), StateHeap.chunkByteCountMax)))
            chunks.append(chunk)
            byteCount += chunk.byteCount
            block = chunk.base
            left = chunk.byteCount
        }
        next = block + size.byteCount
        left -= size.byteCount
        return block
    }

    /// Takes back a block that was allocated with this very size.
    mutating func release(_ block: UnsafeMutableRawPointer, _ wanted: Int) {
        guard wanted <= StateHeap.classedMax else {
            if large.removeValue(forKey: block) != nil { byteCount -= wanted }
            return
        }
        let index = StateHeap.sizeClass(wanted).index
        block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
        free[index] = block
    }

    mutating func removeAll() {
        free.removeAll()
        chunks.removeAll()
        large.removeAll()
        next = nil
        left = 0
        byteCount = 0
    }
}
