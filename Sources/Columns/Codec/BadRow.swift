// BadRow and DecodedBatch: what decoders give back, and the limits that they keep to.

/// A line or record that could not be decoded, with its bytes and the reason: for a stream's error stream.
package struct BadRow: Sendable, Hashable {
    /// The line without its line end, cut at `DecodingLimits.badRowByteCountMax`.
    package var bytes: [UInt8]
    /// A sentence that names the column and the byte: `column "price": number 99999999999999999999 is out of range for BIGINT at byte 17`.
    package var reason: String
    /// The line's number in the input, from 1.
    package var lineNumber: Int
    /// Where the line begins in the input.
    package var byteOffset: Int
    /// Where in the line the fault is, from 1; nil when it is the line as a whole.
    package var column: Int?

    package init(bytes: [UInt8], reason: String, lineNumber: Int, byteOffset: Int, column: Int? = nil) {
        self.bytes = bytes
        self.reason = reason
        self.lineNumber = lineNumber
        self.byteOffset = byteOffset
        self.column = column
    }
}

package struct DecodingLimits: Sendable, Hashable {
    /// A longer line is one bad row, of which `badRowByteCountMax` bytes are kept.
    package var lineByteCountMax = 16 << 20
    package var badRowByteCountMax = 64 << 10
    /// Objects and arrays inside one another.
    package var depthMax = 64
    /// A batch ends early when it holds so many bad rows, or so many bytes of them.
    package var badRowCountMax = 1024
    package var badRowTotalByteCountMax = 8 << 20

    package init() {}
}

/// Rows in input order, and what could not be decoded among them.
package struct DecodedBatch: Sendable {
    package var batch: RowBatch
    package var badRows: [BadRow]
    /// Input bytes up to the end of the last line that this batch took in (from the start of the input, counting `startByteOffset`).
    package var endByteOffset: Int
    /// Lines up to there.
    package var lineCount: Int
    /// Where each row's line begins in the input, an Int64 a row; only when asked for.
    package var rowByteOffsets: Buffer?
}

/// What all text decoders can be told.
package struct DecodingOptions: Sendable {
    package var limits = DecodingLimits()
    /// A batch has at most so many rows.
    package var batchRowLimit = 4096
    /// Columns in which a NULL (or a missing value) makes a bad row: the event time, NOT NULL columns.
    package var columnsNotNull: Set<Int> = []
    /// Whether `DecodedBatch.rowByteOffsets` is wanted.
    package var recordsRowOffsets = false
    /// A key (or CSV column) of this name holds the row's change kind: `+I -U +U -D`.
    package var changeKindKey: String?
    /// Rows come as Debezium's change events (JSON only); `changeKindKey` means nothing then.
    package var isDebezium = false
    /// A row replaces the one of its key: the kind may be a letter (`D`), an update needs no row before, and a delete only its key.
    package var isUpsert = false
    /// Columns of `columnsNotNull` that a delete of an upsert stream needs all the same.
    package var columnsOfKey: Set<Int> = []
    /// The position of the first byte that will be appended, when it is not the start of the input.
    package var startByteOffset = 0
    /// Lines before it.
    package var startLineCount = 0

    package init() {}
}

/// Cutting a block of lines into pieces that can be decoded side by side.
package enum LineSplitter {
    /// The position of the last line feed; nil when there is none.
    package static func lastNewline(in bytes: UnsafeRawBufferPointer) -> Int? {
        var index = bytes.count
        while index > 0 {
            index -= 1
            if bytes[index] == 0x0A { return index }
        }
        return nil
    }

    /// The position after the first line feed at or after `position`, or the end.
    package static func nextLineStart(in bytes: UnsafeRawBufferPointer, from position: Int) -> Int {
        guard let base = bytes.baseAddress, position < bytes.count else { return bytes.count }
        guard let found = ByteSearch.first(0x0A, base + position, bytes.count - position) else { return bytes.count }
        return found - base + 1
    }

    /// At most `pieces` ranges of about equal size that cover the bytes, each beginning at the start of a line (for JSON lines, and
    /// for CSV without line feeds in quotes).
    package static func split(_ bytes: UnsafeRawBufferPointer, pieces: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        for piece in 1...max(pieces, 1) {
            let target = piece >= pieces ? bytes.count : max(start, bytes.count / max(pieces, 1) * piece)
            let end = target >= bytes.count ? bytes.count : nextLineStart(in: bytes, from: target)
            if end > start { ranges.append(start..<end) }
            start = end
        }
        return ranges
    }
}
