// CSVDecoder: CSV (RFC 4180), and PostgreSQL's text format of COPY → row batches, with the interface of JSONLinesDecoder.
//
// Fields belong to columns by position, or by the names in a header line (a header's unknown columns are ignored, columns it lacks are
// NULL). An unquoted field equal to `nullText` is NULL. Texts are read as CAST reads them (TextFormat). A record that cannot be decoded
// becomes a BadRow; a quoted field that never ends becomes one when the record passes the length limit or the input ends.

package struct CSVFormat: Sendable, Hashable {
    package var delimiter: UInt8 = 0x2C
    /// Whether the first record names the columns.
    package var hasHeader = true
    /// What an unquoted field says for NULL.
    package var nullText = ""
    /// PostgreSQL's text format: a backslash escapes, quotes mean nothing, no line is empty by accident, and `\.` ends.
    package var isText = false
    /// The columns of the fields, in order; a header is passed over then. nil: as the header says, or all by position.
    package var columnNames: [String]?

    package init() {}

    /// As COPY has it when nothing is said: tabs and `\N`.
    package static var postgresText: CSVFormat {
        var format = CSVFormat()
        format.delimiter = 0x09
        format.hasHeader = false
        format.nullText = "\\N"
        format.isText = true
        return format
    }
}

package final class CSVDecoder {
    package let schema: Schema
    package let options: DecodingOptions
    package let format: CSVFormat

    private let slots: ColumnSlots
    /// For columns of arrays, maps and rows; nil when there are none.
    private var nested: NestedFieldParser?
    private let feed: LineFeed
    private var scanner: CSVRecordScanner
    /// The carried record is too long: it ends at the next line feed, whatever the quotes say.
    private var isSkipping = false
    private var badRows: BadRowList
    private var lineCount: Int
    private var rowCount = 0
    private var rowOffsets: Buffer?
    private let nullText: [UInt8]
    /// The slot of each field; nil for fields that nobody wants.
    private var targets: UnsafeMutableBufferPointer<UnsafeMutablePointer<ColumnSlot>?>
    /// Whether the header, if there is one, has been read.
    private var knowsTargets = false
    /// Slots that no field belongs to.
    private var absent: [UnsafeMutablePointer<ColumnSlot>] = []
    private var rowsPerBatchBefore = 0

    package init(schema: Schema, format: CSVFormat = CSVFormat(), options: DecodingOptions = DecodingOptions()) {
        self.schema = schema
        self.options = options
        self.format = format
        slots = ColumnSlots(
            schema: schema, columnsNotNull: options.columnsNotNull, withChange: options.changeKindKey != nil,
            columnsOfKey: options.isUpsert ? options.columnsOfKey : nil)
        if schema.types.contains(where: \.isNested) {
            nested = NestedFieldParser(schema: schema, slots: slots, changeKindKey: options.changeKindKey)
        }
        feed = LineFeed(startByteOffset: options.startByteOffset, limits: options.limits)
        scanner = CSVRecordScanner(delimiter: format.delimiter, isText: format.isText)
        badRows = BadRowList(limits: options.limits)
        lineCount = options.startLineCount
        nullText = Array(format.nullText.utf8)
        targets = .allocate(capacity: 0)
        if !format.hasHeader || options.startByteOffset > 0 { mapWithoutHeader() }
    }

    deinit { targets.deallocate() }

    // MARK: In

    package func append(_ chunk: Buffer) { feed.append(chunk) }
    package func append(copying bytes: UnsafeRawBufferPointer) { feed.append(Buffer(copying: bytes)) }
    package func finish() { feed.finish() }
    package var pendingByteCount: Int { feed.pendingByteCount }

    /// Says which column each field belongs to, as a header line would: for a range of a file that does not begin with it.
    package func setHeader(_ names: [String]) { mapByName(names.map { Array($0.utf8) }) }

    /// All rows of a block of whole records.
    package static func decode(
        _ bytes: Buffer, schema: Schema, format: CSVFormat = CSVFormat(), options: DecodingOptions = DecodingOptions()
    ) -> [DecodedBatch] {
        let decoder = CSVDecoder(schema: schema, format: format, options: options)
        decoder.append(bytes)
        decoder.finish()
        var batches: [DecodedBatch] = []
        while let batch = decoder.nextBatch() { batches.append(batch) }
        return batches
    }

    // MARK: Header

    private var fieldSlotCount: Int { schema.count + (slots.changeSlot == nil ? 0 : 1) }

    private func mapWithoutHeader() {
        if let names = format.columnNames { mapByName(names.map { Array($0.utf8) }) } else { mapByPosition() }
    }

    private func mapByPosition() {
        setTargets((0..<fieldSlotCount).map { slots.slots + $0 })
        absent = []
    }

    private func setTargets(_ slots: [UnsafeMutablePointer<ColumnSlot>?]) {
        targets.deallocate()
        targets = .allocate(capacity: slots.count)
        for (index, slot) in slots.enumerated() { targets.initializeElement(at: index, to: slot) }
        knowsTargets = true
    }

    private func mapByName(_ names: [[UInt8]]) {
        let columns = schema.fields.map { Array($0.name.utf8) } + (options.changeKindKey.map { [Array($0.utf8)] } ?? [])
        var isTaken = columns.map { _ in false }
        var found: [UnsafeMutablePointer<ColumnSlot>?] = names.map { _ in nil }
        func assign(_ matches: ([UInt8], [UInt8]) -> Bool) {
            for (field, name) in names.enumerated() where found[field] == nil {
                for (column, columnName) in columns.enumerated() where !isTaken[column] && matches(columnName, name) {
                    found[field] = slots.slots + column
                    isTaken[column] = true
                    break
                }
            }
        }
        assign { $0 == $1 }
        assign { $0.map(ASCII.lower) == $1.map(ASCII.lower) }
        setTargets(found)
        absent = columns.indices.filter { !isTaken[$0] }.map { slots.slots + $0 }
    }

    // MARK: Out

    /// The next rows; nil when the input so far holds no whole record.
    package func nextBatch() -> DecodedBatch? {
        slots.begin(expectedRowCount: min(options.batchRowLimit, rowsPerBatchBefore))
        while rowCount < options.batchRowLimit && !badRows.isFull {
            guard let chunk = feed.current else {
                if feed.isFinished && feed.carryByteCount > 0 { decodeCarried(endsWithLineFeed: false) }
                break
            }
            if feed.carryByteCount == 0 && decodeInPlace(chunk) { continue }
            carryRecord(chunk)
        }
        guard rowCount > 0 || !badRows.rows.isEmpty else { return nil }
        let (columns, changes) = slots.finish(rowCount: rowCount, sharing: [])
        let batch = DecodedBatch(
            batch: RowBatch(count: rowCount, columns: columns, changes: changes), badRows: badRows.take(),
            endByteOffset: feed.carryByteCount > 0 ? feed.carryStart : feed.byteOffset, lineCount: lineCount, rowByteOffsets: rowOffsets)
        rowsPerBatchBefore = rowCount
        rowCount = 0
        rowOffsets = nil
        return batch
    }

    /// Decodes the records that end within the chunk; false when there is none.
    private func decodeInPlace(_ chunk: Buffer) -> Bool {
        let base = UnsafePointer(chunk.base.assumingMemoryBound(to: UInt8.self))
        let end = base + chunk.byteCount
        let chunkOffset = feed.byteOffset - feed.position
        var p = base + feed.position
        let start = p
        while p < end && rowCount < options.batchRowLimit && !badRows.isFull {
            // A record that does not end here is carried; so is one past the limit, which the carrying deals with.
            guard let next = decodeRecord(p, min(end, p + options.limits.lineByteCountMax + 1), offset: chunkOffset + (p - base)) else { break }
            p = next
        }
        feed.position = p - base
        return p > start
    }

    private func carryRecord(_ chunk: Buffer) {
        if feed.carryByteCount == 0 {
            scanner = CSVRecordScanner(delimiter: format.delimiter, isText: format.isText)
            isSkipping = false
        }
        let bytes = UnsafeRawBufferPointer(start: chunk.base + feed.position, count: chunk.byteCount - feed.position)
        if !isSkipping {
            let room = options.limits.lineByteCountMax + 1 - feed.carryByteCount
            let looked = UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, room)])
            if let end = scanner.recordEnd(looked) {
                feed.carry(end, of: chunk)
                decodeCarried(endsWithLineFeed: true)
            } else {
                feed.carry(looked.count, of: chunk)
                isSkipping = feed.carryByteCount > options.limits.lineByteCountMax
            }
            return
        }
        guard let start = bytes.baseAddress, let found = ByteSearch.first(0x0A, start, bytes.count) else {
            feed.carry(bytes.count, of: chunk)
            return
        }
        feed.carry(found - start + 1, of: chunk)
        decodeCarried(endsWithLineFeed: true)
    }

    private func decodeCarried(endsWithLineFeed: Bool) {
        let offset = feed.carryStart
        defer { feed.clearCarry() }
        if isSkipping || feed.carryByteCount - (endsWithLineFeed ? 1 : 0) > options.limits.lineByteCountMax {
            noteBad(feed.carry.text, "record is longer than \(options.limits.lineByteCountMax) bytes", offset, nil)
            // Its line feeds were not all seen; it counts as one line.
            lineCount += 1
            isSkipping = false
            return
        }
        if !endsWithLineFeed { feed.carry.append(0x0A) }
        guard let start = feed.carry.text.baseAddress else { return }
        let end = start + feed.carry.count
        if decodeRecord(start, end, offset: offset) == nil {
            let text = TextBytes(start: start, count: feed.carry.count - 1)
            noteBad(text, "quoted field without an end", offset, nil)
            lineCount += lineFeeds(feed.carry.text)
        }
    }

    // MARK: Records

    /// Decodes the record at `start`; the position behind its line feed, or nil when that is not before `end`.
    private func decodeRecord(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, offset: Int) -> UnsafePointer<UInt8>? {
        var p = start
        if offset == 0 && end - p >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF { p += 3 }
        guard knowsTargets else { return decodeHeader(start, p, end) }
        if format.isText {
            if let next = textEndMark(p, end) { return next }
        } else if p < end && (p.pointee == 0x0A || (p.pointee == 0x0D && p + 1 < end && p[1] == 0x0A)) {
            lineCount += 1
            return p + (p.pointee == 0x0A ? 1 : 2)
        }
        if rowCount == slots.rowCapacity { growRows() }
        let targets = targets
        let fieldCount = targets.count
        let row = rowCount
        let (delimiter, isText) = (format.delimiter, format.isText)
        var index = 0
        var fault: (reason: String, column: Int)?
        var isMultiline = false
        while true {
            let (field, stop, isOpen) =
                isText ? CSVScan.textField(p, end, delimiter: delimiter) : CSVScan.field(p, end, delimiter: delimiter)
            if isOpen || stop == end { return giveUp() }
            let isLast = stop.pointee == 0x0A
            isMultiline = isMultiline || field.isQuoted
            if fault == nil, index < fieldCount, let slot = targets[index], let reason = store(field, isLast, slot, row) {
                fault = (reason + " at byte \(p - start + 1)", p - start + 1)
            }
            index += 1
            p = stop + 1
            if isLast { break }
        }
        let line = TextBytes(start: start, count: p - start - 1)
        if fault == nil { fault = recordFault(line, index, fieldCount) }
        if let fault {
            slots.reset(row: rowCount)
            noteBad(line, fault.reason, offset, fault.column > 0 ? fault.column : nil)
        } else {
            if nested != nil { slots.commitElements() }
            if options.recordsRowOffsets { noteOffset(offset) }
            rowCount += 1
        }
        lineCount += isMultiline ? lineFeeds(TextBytes(start: start, count: p - start)) : 1
        return p
    }

    /// The position behind a line `\.`, which ends the data of a file and is no record.
    private func textEndMark(_ p: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> UnsafePointer<UInt8>? {
        guard end - p >= 3, p[0] == 0x5C, p[1] == 0x2E else { return nil }
        let isWindows = p[2] == 0x0D && end - p >= 4
        guard p[isWindows ? 3 : 2] == 0x0A else { return nil }
        lineCount += 1
        return p + (isWindows ? 4 : 3)
    }

    /// The record's end is not here: what was stored of it is taken back.
    private func giveUp() -> UnsafePointer<UInt8>? {
        slots.reset(row: rowCount)
        return nil
    }

    /// What is wrong with the record as a whole, and NULLs for the columns it lacks.
    private func recordFault(_ line: TextBytes, _ index: Int, _ fieldCount: Int) -> (reason: String, column: Int)? {
        if index != fieldCount { return ("expected \(fieldCount) fields, found \(index)", 0) }
        if let invalid = UTF8Text.firstInvalidByte(line) { return ("invalid UTF-8 at byte \(invalid + 1)", invalid + 1) }
        for slot in absent {
            if slot.pointee.isRequired { return ("column \"\(slots.names[slot.pointee.index])\": is missing, and NULL is not allowed", 0) }
            ColumnSlots.setNull(slot, rowCount)
        }
        return nil
    }

    private func decodeHeader(
        _ start: UnsafePointer<UInt8>, _ first: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var names: [[UInt8]] = []
        var p = first
        while true {
            let (field, stop, isOpen) = CSVScan.field(p, end, delimiter: format.delimiter)
            if isOpen || stop == end { return nil }
            let isLast = stop.pointee == 0x0A
            names.append(Array(text(field, isLast)))
            p = stop + 1
            if isLast { break }
        }
        lineCount += lineFeeds(TextBytes(start: start, count: p - start))
        if format.columnNames != nil {
            mapWithoutHeader()
        } else if names.count > 1 || names.first?.isEmpty == false {
            mapByName(names)
        }
        return p
    }

    /// The field's text; the last one's without the carriage return of the line's end.
    @inline(__always)
    private func text(_ field: CSVField, _ isLast: Bool) -> TextBytes {
        if field.hasDoubledQuotes {
            let target = slots.heap.pointee.reserve(field.count)
            var written = 0
            var index = 0
            while index < field.count {
                let byte = field.start[index]
                target[written] = byte
                written &+= 1
                index &+= byte == 0x22 && index &+ 1 < field.count && field.start[index &+ 1] == 0x22 ? 2 : 1
            }
            return TextBytes(start: target, count: written)
        }
        var count = field.count
        if isLast && !field.isQuoted && count > 0 && field.start[count - 1] == 0x0D { count -= 1 }
        return TextBytes(start: field.start, count: count)
    }

    /// Stores a field; a reason when it cannot be.
    @inline(__always)
    private func store(_ field: CSVField, _ isLast: Bool, _ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) -> String? {
        if field.isMalformed { return columnName(slot) + "text after a closing quote" }
        if field.hasEscapes { return storeEscaped(field, isLast, slot, row) }
        let text = text(field, isLast)
        if !field.isQuoted && text.count == nullText.count && (text.count == 0 || text.elementsEqual(nullText)) {
            return storeNull(slot, row)
        }
        return store(text, isInHeap: field.hasDoubledQuotes, slot, row)
    }

    @inline(__always)
    private func storeNull(_ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) -> String? {
        if slot.pointee.isRequired { return columnName(slot) + "NULL is not allowed" }
        ColumnSlots.setNull(slot, row)
        return nil
    }

    /// A field's value. `isInHeap`: it lies where the heap has reserved room, and a text is taken from there.
    @inline(__always)
    private func store(_ text: TextBytes, isInHeap: Bool, _ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) -> String? {
        if isInHeap && slot.pointee.kind == .varchar && !UTF8Text.exceeds(text, characters: slot.pointee.lengthMax), let start = text.baseAddress {
            slots.heap.pointee.commit(text.count)
            slot.pointee.values.storeBytes(of: StringView(start, count: text.count), toByteOffset: row &* 16, as: StringView.self)
            return nil
        }
        do throws(TextError) {
            switch slot.pointee.kind {
            case .list, .map, .structure: try nested?.store(text, slot, row)
            default: try slots.store(text: text, slot, row)
            }
            return nil
        } catch { return reason(error, text, slot) }
    }

    /// The same for a field of the text format that has escapes: NULL is written with one.
    @inline(never)
    private func storeEscaped(_ field: CSVField, _ isLast: Bool, _ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) -> String? {
        var field = field
        if isLast, field.count > 0, field.start[field.count - 1] == 0x0D { field.count -= 1 }
        if field.count == nullText.count, TextBytes(start: field.start, count: field.count).elementsEqual(nullText) {
            return storeNull(slot, row)
        }
        let target = slots.heap.pointee.reserve(field.count)
        guard let count = CSVScan.unescape(field, target) else { return columnName(slot) + "a backslash at the end" }
        let text = TextBytes(start: target, count: count)
        // An escape can make bytes that are no text.
        if slot.pointee.kind == .varchar || slot.pointee.kind == .json, !UTF8Text.isValid(text) { return columnName(slot) + "invalid UTF-8" }
        return store(text, isInHeap: true, slot, row)
    }

    private func columnName(_ slot: UnsafeMutablePointer<ColumnSlot>) -> String { "column \"\(slots.names[slot.pointee.index])\": " }

    private func reason(_ error: TextError, _ text: TextBytes, _ slot: UnsafeMutablePointer<ColumnSlot>) -> String {
        let shown = "\"\(TextError.excerpt(text))\""
        let type = slot.pointee.kind == .change ? "change kind" : slots.types[slot.pointee.index].name
        return switch error {
        case .invalid: columnName(slot) + "text \(shown) is no valid \(type)"
        case .outOfRange: columnName(slot) + "text \(shown) is out of range for \(type)"
        case .tooLong: columnName(slot) + "text \(shown) is too long for \(type)"
        }
    }

    private func lineFeeds(_ text: TextBytes) -> Int {
        var count = 0
        for byte in text where byte == 0x0A { count &+= 1 }
        return count
    }

    private func growRows() {
        let capacity = min(max(slots.rowCapacity * 2, 16), max(options.batchRowLimit, 1))
        slots.reserve(rows: max(capacity, slots.rowCapacity + 1))
    }

    private func noteOffset(_ offset: Int) {
        if rowOffsets == nil { rowOffsets = Buffer(byteCount: options.batchRowLimit * 8) }
        rowOffsets?.base.storeBytes(of: Int64(offset), toByteOffset: rowCount * 8, as: Int64.self)
    }

    private func noteBad(_ line: TextBytes, _ reason: String, _ offset: Int, _ column: Int?) {
        badRows.append(line: line, reason: reason, lineNumber: lineCount + 1, byteOffset: offset, column: column)
    }
}
