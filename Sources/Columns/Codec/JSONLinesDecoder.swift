// JSONLinesDecoder: JSON lines → row batches.
//
// Chunks of bytes go in by `append`, batches come out by `nextBatch` until it gives nil; `finish` says that no more bytes come, which
// makes a last line without a line feed a line. The rows do not depend on how the input was cut into chunks; the batches may.
//
// 1. Within a chunk, lines up to the last line feed are parsed where they lie (JSONLineParser). A chunk whose end may not be read past
//    (a mapped file) has its last bytes carried instead.
// 2. A line across chunks is put together in a buffer of its own, and its strings are copied.
// 3. A batch's strings are views of the chunk when at least a third of the bytes before were wanted strings, and copies otherwise:
//    a view keeps the whole chunk in memory. The content is the same.
// 4. Change events of Debezium are read as rows of their envelope's schema, and unfolded at the end of a batch (DebeziumEnvelope).
// A line that cannot be decoded becomes a BadRow and nothing else. Used by one thread at a time; several decoders may share one
// Buffer (see LineSplitter).

package final class JSONLinesDecoder {
    package let schema: Schema
    package let options: DecodingOptions

    private let envelope: DebeziumEnvelope?
    private let slots: ColumnSlots
    private let shapes: JSONShapes
    private let parser: UnsafeMutablePointer<JSONLineParser>
    private let feed: LineFeed
    private var badRows: BadRowList
    private var lineCount: Int
    private var rowCount = 0
    private let rowLimit: Int
    private var rowOffsets: Buffer?
    /// Chunks that views of this batch point into.
    private var viewed: [Buffer] = []
    /// Bytes of the batch before, and how many of them were wanted strings: decides between views and copies.
    private var batchByteCount = 0
    private var rowsPerBatchBefore = 0
    private var usesViews = true
    /// The chunk whose whole lines were last looked for, and where they end in it.
    private var measured: Buffer?
    private var measuredByteCount = 0

    package init(schema: Schema, options: DecodingOptions = DecodingOptions()) {
        self.schema = schema
        self.options = options
        if options.isDebezium {
            let envelope = DebeziumEnvelope(isUpsert: options.isUpsert)
            let outer = DebeziumEnvelope.schema(of: schema)
            slots = ColumnSlots(schema: outer, columnsNotNull: [], withChange: false)
            envelope.require(options.columnsNotNull, key: options.columnsOfKey, slots)
            shapes = JSONShapes(schema: outer, slots: slots, changeKindKey: nil)
            self.envelope = envelope
        } else {
            slots = ColumnSlots(
                schema: schema, columnsNotNull: options.columnsNotNull, withChange: options.changeKindKey != nil,
                columnsOfKey: options.isUpsert ? options.columnsOfKey : nil)
            shapes = JSONShapes(schema: schema, slots: slots, changeKindKey: options.changeKindKey)
            envelope = nil
        }
        // A change event can be two rows.
        rowLimit = envelope == nil ? options.batchRowLimit : max(1, options.batchRowLimit / 2)
        parser = .allocate(capacity: 1)
        parser.initialize(to: JSONLineParser(slots: slots, shapes: shapes, depthMax: max(1, min(options.limits.depthMax, 512))))
        feed = LineFeed(startByteOffset: options.startByteOffset, limits: options.limits)
        badRows = BadRowList(limits: options.limits)
        lineCount = options.startLineCount
    }

    deinit {
        parser.deinitialize(count: 1)
        parser.deallocate()
    }

    // MARK: In

    /// More input. The chunk is kept alive while rows point into it, so its bytes must not change any more.
    package func append(_ chunk: Buffer) { feed.append(chunk) }

    /// More input, copied.
    package func append(copying bytes: UnsafeRawBufferPointer) { feed.append(Buffer(copying: bytes)) }

    /// No more input will come: what stands after the last line feed is the last line.
    package func finish() { feed.finish() }

    /// Input bytes that have not been decoded.
    package var pendingByteCount: Int { feed.pendingByteCount }

    /// All rows of a block of whole lines, in batches: for a range of a file.
    package static func decode(_ bytes: Buffer, schema: Schema, options: DecodingOptions = DecodingOptions()) -> [DecodedBatch] {
        let decoder = JSONLinesDecoder(schema: schema, options: options)
        decoder.append(bytes)
        decoder.finish()
        var batches: [DecodedBatch] = []
        while let batch = decoder.nextBatch() { batches.append(batch) }
        return batches
    }

    // MARK: Out

    /// The next rows: as many as the limit allows, or as the input so far holds; nil when it holds no whole line.
    package func nextBatch() -> DecodedBatch? {
        beginBatch()
        let startOffset = feed.byteOffset
        while rowCount < rowLimit && !badRows.isFull {
            guard let chunk = feed.current else {
                decodeLastLine()
                break
            }
            if feed.carryByteCount == 0 && decodeInPlace(chunk) { continue }
            carryLine(chunk)
        }
        batchByteCount = feed.byteOffset - startOffset
        guard rowCount > 0 || !badRows.rows.isEmpty else { return nil }
        return endBatch()
    }

    private func beginBatch() {
        slots.begin(expectedRowCount: min(rowLimit, rowsPerBatchBefore))
        // What the batch before was like; the first one has views.
        if batchByteCount > 0 { usesViews = parser.pointee.stringByteCount >= batchByteCount / 3 }
        parser.pointee.stringByteCount = 0
    }

    private func endBatch() -> DecodedBatch {
        let (columns, changes) = slots.finish(rowCount: rowCount, sharing: viewed)
        let offset = feed.carryByteCount > 0 ? feed.carryStart : feed.byteOffset
        var rows = RowBatch(count: rowCount, columns: columns, changes: changes)
        if let envelope {
            let (unfolded, origins) = envelope.unfold(columns, count: rowCount, types: schema.types)
            rows = unfolded
            rowOffsets = rowOffsets.map { offsets in
                let picked = Buffer(byteCount: origins.count * 8)
                for (index, origin) in origins.enumerated() {
                    let offset = offsets.base.load(fromByteOffset: Int(origin) * 8, as: Int64.self)
                    picked.base.storeBytes(of: offset, toByteOffset: index * 8, as: Int64.self)
                }
                return picked
            }
        }
        let batch = DecodedBatch(
            batch: rows, badRows: badRows.take(), endByteOffset: offset,
            lineCount: lineCount, rowByteOffsets: rowOffsets)
        rowsPerBatchBefore = rowCount
        rowCount = 0
        rowOffsets = nil
        viewed.removeAll(keepingCapacity: true)
        return batch
    }

    // MARK: Lines where they lie

    /// Decodes whole lines of the chunk from the feed's position on; false when there is none that may be parsed in place.
    private func decodeInPlace(_ chunk: Buffer) -> Bool {
        let base = UnsafePointer(chunk.base.assumingMemoryBound(to: UInt8.self))
        let readable = chunk.isPadded ? chunk.byteCount : chunk.byteCount - JSONScan.overreadByteCount
        if measured !== chunk {
            measured = chunk
            measuredByteCount = lastLineEnd(base, from: feed.position, to: readable)
        }
        guard measuredByteCount > feed.position else { return false }
        var p = base + feed.position
        let end = base + measuredByteCount
        parser.pointee.copiesStrings = !usesViews
        if usesViews && viewed.last !== chunk { viewed.append(chunk) }
        let chunkOffset = feed.byteOffset - feed.position
        while p < end && rowCount < rowLimit && !badRows.isFull {
            if rowCount == slots.rowCapacity { growRows() }
            p = decodeLines(p, end, offsetOfBase: chunkOffset, base)
        }
        feed.position = p - base
        return true
    }

    /// Behind the last line feed; 0 when there is none.
    private func lastLineEnd(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = end
        while index > start {
            index &-= 1
            if base[index] == 0x0A { return index &+ 1 }
        }
        return 0
    }

    private func growRows() {
        let capacity = min(max(slots.rowCapacity * 2, 16), max(rowLimit, 1))
        slots.reserve(rows: max(capacity, slots.rowCapacity + 1))
    }

    /// Lines from p on until the end, the limit of rows, the end of the rows' memory, or a bad line (which is noted).
    private func decodeLines(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, offsetOfBase: Int, _ base: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8> {
        let parser = parser
        let root = shapes.root
        let limit = min(slots.rowCapacity, rowLimit)
        let hasElements = slots.elements.count > 0
        let lineByteCountMax = options.limits.lineByteCountMax
        let recordsOffsets = options.recordsRowOffsets
        var row = rowCount
        var lines = lineCount
        defer {
            rowCount = row
            lineCount = lines
        }
        var p = start
        // A byte order mark at the very beginning is no part of the first line.
        if offsetOfBase + (start - base) == 0 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF { p += 3 }
        while p < end && row < limit {
            let lineStart = p
            // Only a block longer than the longest line can hold a longer one.
            if end - p > lineByteCountMax, ByteSearch.first(0x0A, p, lineByteCountMax + 1) == nil {
                let next = lineEnd(p, end)
                _ = parser.pointee.fail(.lineTooLong, lineStart)
                noteBadLine(lineStart, next, offset: offsetOfBase + (lineStart - base), row: row, line: lines + 1)
                lines &+= 1
                return next + 1
            }
            if p.pointee != 0x7B { p = JSONScan.skipSpaces(p) }
            if p.pointee == 0x7B {
                let stamp = parser.pointee.objectSerial &+ 1
                if let behind = parser.pointee.parseObject(p + 1, root, row: row, depth: 1) {
                    p = behind.pointee == 0x0A ? behind : JSONScan.skipSpaces(behind)
                    if p.pointee == 0x0A {
                        if envelope != nil, isBadEvent(row, stamp: stamp, at: lineStart) {
                            // Noted below.
                        } else if JSONScan.isASCII(lineStart, p) || isValidUTF8(lineStart, p) {
                            if hasElements { slots.commitElements() }
                            if recordsOffsets { noteOffset(offsetOfBase + (lineStart - base), row) }
                            row &+= 1
                            lines &+= 1
                            p += 1
                            continue
                        }
                    } else {
                        _ = parser.pointee.fail(.trailing, p)
                    }
                }
            } else if p.pointee == 0x0A {
                lines &+= 1
                p += 1
                continue
            } else if envelope != nil, isTombstone(p) {
                lines &+= 1
                p = lineEnd(p, end) + 1
                continue
            } else {
                _ = parser.pointee.fail(.notAnObject, p)
            }
            let next = lineEnd(lineStart, end)
            noteBadLine(lineStart, next, offset: offsetOfBase + (lineStart - base), row: row, line: lines + 1)
            lines &+= 1
            return next + 1
        }
        return p
    }

    /// The line feed that ends the line of p; there is one before `end`.
    private func lineEnd(_ p: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
        guard let found = ByteSearch.first(0x0A, p, end - p) else { return end - 1 }
        return found.assumingMemoryBound(to: UInt8.self)
    }

    @inline(never)
    private func isValidUTF8(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> Bool {
        guard let invalid = UTF8Text.firstInvalidByte(TextBytes(start: start, count: end - start)) else { return true }
        _ = parser.pointee.fail(.invalidUTF8, start + invalid)
        return false
    }

    /// Whether the envelope in a row lacks something; what, as the parser's fault.
    @inline(never)
    private func isBadEvent(_ row: Int, stamp: UInt64, at line: UnsafePointer<UInt8>) -> Bool {
        let hasPayload = slots.slots[DebeziumEnvelope.payloadPlace].stamp == stamp
        guard let fault = envelope?.fault(slots, row, hasPayload: hasPayload) else { return false }
        _ = parser.pointee.fail(fault, line)
        return true
    }

    /// A line `null`. A line feed follows every line, so nothing is read past its end.
    private func isTombstone(_ p: UnsafePointer<UInt8>) -> Bool {
        guard p[0] == UInt8(ascii: "n"), p[1] == UInt8(ascii: "u"), p[2] == UInt8(ascii: "l"), p[3] == UInt8(ascii: "l") else { return false }
        return JSONScan.skipSpaces(p + 4).pointee == 0x0A
    }

    @inline(never)
    private func noteOffset(_ offset: Int, _ row: Int) {
        if rowOffsets == nil { rowOffsets = Buffer(byteCount: rowLimit * 8) }
        rowOffsets?.base.storeBytes(of: Int64(offset), toByteOffset: row * 8, as: Int64.self)
    }

    @inline(never)
    private func noteBadLine(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, offset: Int, row: Int, line: Int) {
        slots.reset(row: row)
        let text = TextBytes(start: start, count: end - start)
        let fault = parser.pointee.fault
        let reason = fault.reason(line: text, names: slots.names, types: slots.types, limits: options.limits)
        badRows.append(line: text, reason: reason, lineNumber: line, byteOffset: offset, column: fault.column(in: text))
    }

    // MARK: Lines across chunks

    /// Takes the chunk's bytes up to the next line feed, or all of them, and decodes the line if that ends it.
    private func carryLine(_ chunk: Buffer) {
        let left = chunk.byteCount - feed.position
        guard let found = ByteSearch.first(0x0A, chunk.base + feed.position, left) else {
            feed.carry(left, of: chunk)
            return
        }
        feed.carry(found - UnsafeRawPointer(chunk.base + feed.position) + 1, of: chunk)
        decodeCarried(hasLineFeed: true)
    }

    /// What stands after the last line feed, once the input is over.
    private func decodeLastLine() {
        guard feed.isFinished, feed.carryByteCount > 0 else { return }
        decodeCarried(hasLineFeed: false)
    }

    private func decodeCarried(hasLineFeed: Bool) {
        if rowCount == slots.rowCapacity { growRows() }
        let offset = feed.carryStart
        if feed.isOverlong || feed.carryByteCount - (hasLineFeed ? 1 : 0) > options.limits.lineByteCountMax {
            _ = feed.carry.reserve(1)
            if let start = feed.carry.text.baseAddress {
                _ = parser.pointee.fail(.lineTooLong, start)
                let kept = min(feed.carry.count, options.limits.badRowByteCountMax)
                noteBadLine(start, start + kept, offset: offset, row: rowCount, line: lineCount + 1)
            }
            lineCount += 1
            feed.clearCarry()
            return
        }
        if !hasLineFeed { feed.carry.append(0x0A) }
        // The bytes that scans read past the end.
        let count = feed.carry.count
        feed.carry.append(repeating: 0, count: JSONScan.overreadByteCount)
        if let start = feed.carry.text.baseAddress {
            parser.pointee.copiesStrings = true
            _ = decodeLines(start, start + count, offsetOfBase: offset, start)
        }
        feed.clearCarry()
    }
}
