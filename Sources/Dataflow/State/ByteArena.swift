// ByteArena: the bytes of texts that keyed state holds on to.
//
// Bytes are appended to blocks that never move, so views stay valid until `removeAll` or until the owner compacts: it copies what it
// still needs into a fresh arena. `garbageByteCount` counts what the owner said it no longer needs.

import CMillrace
import Columns
import Glibc

struct ByteArena {
    private var blocks: [Buffer] = []
    private var used = 0
    private(set) var byteCount = 0
    var garbageByteCount = 0

    /// Four large pages, with the padding.
    private static let largeBlockByteCount = 8 << 20 - Buffer.paddingByteCount

    /// True when more than half is garbage, and enough for compacting to be worth it.
    var wantsCompaction: Bool { garbageByteCount > 64 * 1024 && garbageByteCount * 2 > byteCount }

    private final class Held {
        private let blocks: [Buffer]
        init(_ blocks: [Buffer]) { self.blocks = blocks }
    }

    /// Keeps every text that lies here now alive for as long as it lives itself, whatever becomes of the arena. For owners that never use
    /// `replace`: columns may then show the arena's texts without a copy.
    var keeper: Buffer { Buffer(borrowing: EmptyBytes.pointer, byteCount: 0, owner: Held(blocks)) }

    mutating func copy(_ view: StringView) -> StringView {
        let count = view.count
        guard count > 0 else { return .empty }
        if blocks.isEmpty || used + count > blocks[blocks.count - 1].byteCount {
            // Blocks grow with the arena, so that a small table stays small; those of a large one are made of large pages.
            if byteCount < 16 << 20 || count > ByteArena.largeBlockByteCount {
                blocks.append(.forState(max(count, min(max(byteCount, 256), 256 * 1024))))
            } else {
                let block = Buffer.forState(ByteArena.largeBlockByteCount)
                millrace_advise_large(block.base, block.byteCount + Buffer.paddingByteCount)
                blocks.append(block)
            }
            used = 0
        }
        let target = blocks[blocks.count - 1].base + used
        memcpy(target, view.pointer, count)
        used += count
        byteCount += count
        return StringView(UnsafePointer(target.assumingMemoryBound(to: UInt8.self)), count: count)
    }

    /// A copy in the place of an earlier one that is no longer needed, where it fits.
    mutating func replace(_ held: StringView, with view: StringView) -> StringView {
        guard view.count > 0, view.count <= held.count else {
            garbageByteCount += held.count
            return copy(view)
        }
        let target = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(held.pointer))
        memmove(target, view.pointer, view.count)
        garbageByteCount += held.count - view.count
        return StringView(held.pointer, count: view.count)
    }

    mutating func removeAll() {
        blocks.removeAll()
        used = 0
        byteCount = 0
        garbageByteCount = 0
    }
}
