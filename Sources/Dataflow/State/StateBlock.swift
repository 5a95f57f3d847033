// StateBlock: memory of keyed state as a Buffer: large blocks come from StateMemory, which may put them into a file.

import Columns
import Platform

extension Buffer {
    /// Fresh memory that keyed state will hold on to, its content undefined.
    static func forState(_ byteCount: Int) -> Buffer {
        guard byteCount >= StateMemory.largeByteCountMin,
            let block = StateMemory.shared.allocate(byteCount + Buffer.paddingByteCount)
        else { return Buffer(byteCount: byteCount) }
        return Buffer(borrowing: block, byteCount: byteCount, owner: StateBlock(block))
    }
}

private final class StateBlock: @unchecked Sendable {
    // Safe to share: only frees.
    private let block: UnsafeMutableRawPointer
    init(_ block: UnsafeMutableRawPointer) { self.block = block }
    deinit { StateMemory.shared.free(block) }
}
