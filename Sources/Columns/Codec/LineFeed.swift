// LineFeed: the input of a decoder: chunks in a row, cut into records that may lie across them.
//
// What a decoder asks: is there a run of whole records in the current chunk (decoded where it lies), or else one record put together
// from the end of one chunk and the beginning of the next (`carry`)? A record that grows past the limit is not kept: only its first
// bytes are, and its length, until it ends.

final class LineFeed {
    private(set) var chunks: [Buffer] = []
    private var firstChunk = 0
    /// Where in the current chunk the next byte is.
    var position = 0
    /// Input bytes before the current chunk.
    private var chunkStart: Int
    /// The beginning of a record whose end has not been seen.
    let carry = ByteBuffer(capacity: 1024)
    /// Where the carried record begins in the input.
    private(set) var carryStart = 0
    /// Bytes of the carried record; more than `carry.count` when the rest is being skipped.
    private(set) var carryByteCount = 0
    private(set) var isFinished = false
    private let limits: DecodingLimits

    init(startByteOffset: Int, limits: DecodingLimits) {
        chunkStart = startByteOffset
        self.limits = limits
    }

    func append(_ chunk: Buffer) {
        guard chunk.byteCount > 0, !isFinished else { return }
        if firstChunk > 16 {
            chunks.removeFirst(firstChunk)
            firstChunk = 0
        }
        chunks.append(chunk)
    }

    func finish() { isFinished = true }

    /// The chunk that `position` is in; nil when all have been used up.
    var current: Buffer? {
        while firstChunk < chunks.count {
            if position < chunks[firstChunk].byteCount { return chunks[firstChunk] }
            chunkStart += chunks[firstChunk].byteCount
            chunks[firstChunk] = .none
            firstChunk += 1
            position = 0
        }
        return nil
    }

    /// Where the next byte is in the input.
    var byteOffset: Int { chunkStart + position }

    /// Whether the carried record (with its line feed) is too long to be kept.
    var isOverlong: Bool { carryByteCount > limits.lineByteCountMax + 1 }

    /// Moves `count` bytes of the current chunk to the carried record.
    func carry(_ count: Int, of chunk: Buffer) {
        if carryByteCount == 0 { carryStart = byteOffset }
        carryByteCount += count
        if isOverlong {
            let kept = min(count, max(0, limits.badRowByteCountMax - carry.count))
            carry.append(UnsafeRawBufferPointer(start: chunk.base + position, count: kept))
            carry.truncate(to: limits.badRowByteCountMax)
        } else {
            carry.append(UnsafeRawBufferPointer(start: chunk.base + position, count: count))
        }
        position += count
    }

    func clearCarry() {
        carry.clear(keepingCapacity: 1 << 20)
        carryByteCount = 0
    }

    /// How much is held.
    var pendingByteCount: Int {
        var total = carryByteCount - position
        for index in firstChunk..<chunks.count { total += chunks[index].byteCount }
        return max(total, 0)
    }
}

/// The bad rows of a batch in the making.
struct BadRowList {
    private(set) var rows: [BadRow] = []
    private var byteCount = 0
    let limits: DecodingLimits

    init(limits: DecodingLimits) { self.limits = limits }

    var isFull: Bool { rows.count >= limits.badRowCountMax || byteCount >= limits.badRowTotalByteCountMax }

    mutating func append(line: TextBytes, reason: String, lineNumber: Int, byteOffset: Int, column: Int?) {
        var line = line
        if line.last == 0x0D { line = TextBytes(rebasing: line.dropLast()) }
        let kept = Array(line.prefix(limits.badRowByteCountMax))
        byteCount += kept.count
        rows.append(BadRow(bytes: kept, reason: reason, lineNumber: lineNumber, byteOffset: byteOffset, column: column))
    }

    mutating func take() -> [BadRow] {
        defer {
            rows = []
            byteCount = 0
        }
        return rows
    }
}
