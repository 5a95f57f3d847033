// RowMarks: which rows of a numbered collection have changed since they were last captured for a checkpoint.
//
// A collection that has never been captured has no number, no bits, and marking costs a test of a pointer: queries without a journal,
// and partial tables, pay nothing. From the first capture on there is a bit for each row that was captured; rows behind those are new and
// need none. An owner that renumbers its rows calls `reset`: the collection is then another one, and is captured as a whole.
//
// A second bit says which rows have changed since the base of their block was written: what a delta that takes the place of all earlier ones holds.
//
// Invariant: a row below `capturedCount` whose bit is not set has the same bytes as in the last capture. Builds with MILLRACE_CHECKS keep a
// hash of every captured row and stop when it does not hold (see `PartCapture`).

import Glibc

final class RowMarks: @unchecked Sendable {
    // Safe to share: belongs to one owner, on which one task at a time works.

    /// Rows are captured in blocks of this many.
    static let blockRows = 8_192

    /// Sizes of what has been captured of a block: its base, and the changes since.
    struct Block {
        var baseBytes = 0
        var deltaBytes = 0
        var deltaCount = 0
    }

    /// The collection's number within its part of the state; 0: never captured.
    private(set) var collection: UInt64 = 0
    private(set) var capturedCount = 0
    private(set) var bits: UnsafeMutablePointer<UInt64>?
    /// Changed since the base of their block.
    private(set) var sinceBase: UnsafeMutablePointer<UInt64>?
    private var wordCount = 0
    var blocks: [Block] = []
    #if MILLRACE_CHECKS
    /// By row, as it was captured.
    var hashes: [UInt64] = []
    #endif

    deinit {
        free(bits)
        free(sinceBase)
    }

    @inline(__always)
    func mark(_ row: Int) {
        guard let bits, row < capturedCount else { return }
        bits[row >> 6] |= 1 << UInt64(row & 63)
    }

    @inline(__always)
    func mark(_ rows: UnsafePointer<UInt32>, count: Int) {
        guard bits != nil else { return }
        markAll(rows, count: count)
    }

    private func markAll(_ rows: UnsafePointer<UInt32>, count: Int) {
        guard let bits else { return }
        let captured = capturedCount
        for index in 0..<count {
            let row = Int(rows[index])
            if row < captured { bits[row >> 6] |= 1 << UInt64(row & 63) }
        }
    }

    /// All rows have got other numbers, or have gone.
    func reset() {
        free(bits)
        free(sinceBase)
        bits = nil
        sinceBase = nil
        wordCount = 0
        collection = 0
        capturedCount = 0
        blocks.removeAll()
        #if MILLRACE_CHECKS
        hashes.removeAll()
        #endif
    }

    /// A new number; everything is still to be captured.
    func begin(_ number: UInt64) {
        reset()
        collection = number
    }

    /// Room for the bits of rows 0..<count; false when there is no memory for them.
    func reserve(_ count: Int) -> Bool {
        let needed = (count + 63) / 64
        guard needed > wordCount || bits == nil else { return true }
        let words = max(needed + needed / 4, 8)
        guard let bits = calloc(words, 8)?.assumingMemoryBound(to: UInt64.self) else { return false }
        guard let sinceBase = calloc(words, 8)?.assumingMemoryBound(to: UInt64.self) else {
            free(bits)
            return false
        }
        if let old = self.bits { memcpy(bits, old, wordCount * 8) }
        if let old = self.sinceBase { memcpy(sinceBase, old, wordCount * 8) }
        free(self.bits)
        free(self.sinceBase)
        self.bits = bits
        self.sinceBase = sinceBase
        wordCount = words
        return true
    }

    /// Rows 0..<count, for which there is room, have been captured, or read back, as they are now.
    func finish(count: Int) {
        capturedCount = count
        bits?.update(repeating: 0, count: wordCount)
    }

    /// The base of this block is being written.
    func forgetSinceBase(_ start: Int, _ end: Int) {
        guard let sinceBase else { return }
        for word in start >> 6..<(end + 63) >> 6 { sinceBase[word] = 0 }
    }

    /// Rows of this block that have changed, or are new, have done so since its base.
    func noteSinceBase(_ start: Int, _ end: Int) {
        guard let bits, let sinceBase else { return }
        for word in start >> 6..<(end + 63) >> 6 { sinceBase[word] |= bits[word] }
        for row in max(start, capturedCount)..<max(end, start, capturedCount) { sinceBase[row >> 6] |= 1 << UInt64(row & 63) }
    }

    func noteSinceBase(_ row: Int) {
        guard let sinceBase, row >> 6 < wordCount else { return }
        sinceBase[row >> 6] |= 1 << UInt64(row & 63)
    }

    func countSinceBase(_ start: Int, _ end: Int) -> Int {
        guard let sinceBase else { return end - start }
        var count = 0
        for word in start >> 6..<(end + 63) >> 6 { count += sinceBase[word].nonzeroBitCount }
        return count
    }

    /// How many rows of `start ..< end` have changed or are new.
    func changedCount(_ start: Int, _ end: Int) -> Int {
        guard let bits else { return end - start }
        let known = min(end, capturedCount)
        var changed = end - max(start, known)
        guard known > start else { return changed }
        // Blocks begin at whole words, and bits behind the last row are never set.
        for word in start >> 6..<(known + 63) >> 6 { changed += bits[word].nonzeroBitCount }
        return changed
    }

    @inline(__always)
    func hasChanged(_ row: Int) -> Bool {
        guard let bits, row < capturedCount else { return true }
        return bits[row >> 6] & (1 << UInt64(row & 63)) != 0
    }
}
