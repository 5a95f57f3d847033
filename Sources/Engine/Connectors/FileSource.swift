// FileSource: a file of JSON lines or CSV as a replayable source of one shard, whose positions are byte offsets.
//
// Row ends:
// - JSON: a line feed always ends a row (it cannot stand inside a JSON string), so a boundary is found by looking for the next line feed from
//   anywhere.
// - CSV: a line feed inside quotes belongs to the field, so boundaries are found by `CSVRowScanner` from the start of a row on.
//
// How far the file can be read: a bounded file up to its size when it was opened, with a last line that nothing ends; a followed one up to the last line
// feed that is there, since a line without an end may still be growing. (A followed CSV file must not have line feeds in quotes across two
// writes: what is there up to a line feed is taken to be whole rows.)
//
// Memory: a range is read a piece at a time into a decoder, which gives up on a line longer than its limit and skips to the
// line's end. So neither a huge file nor a huge line is ever held.

import Columns
import Planning
import Platform

package final class FileSource: ReplayableSource, @unchecked Sendable {
    // Safe to share: everything is immutable but `rowByteCountEstimate` and `followedEnd`, which are used under the lock.
    package let shardCount = 1
    private let relationName: String
    private let format: FileFormat
    private let file: any File
    private let schema: Schema
    /// The event time and NOT NULL columns: physical ordinals.
    private let columnsNotNull: Set<Int>
    private let decoding: DecodingOptions
    /// Names in the first line of a CSV file.
    private let header: [String]?
    private let firstRowOffset: Int64
    private let sizeAtOpen: Int64
    private let lock = Lock()
    /// Bytes a row, learned from boundaries found.
    private var rowByteCountEstimate: Int64 = 200
    /// The last row end that is known in a file that is followed.
    private var followedEnd: Int64

    static let pieceByteCount = 1 << 20

    package init(_ relation: RelationDefinition, fileSystem: any FileSystem) throws(ConnectorError) {
        format = try FileFormat(relation)
        relationName = relation.name
        schema = relation.physicalSchema
        let physical = relation.physicalColumns
        columnsNotNull = Set(physical.indices.filter {
            relation.columns[physical[$0]].isNotNull || relation.watermark?.column == physical[$0]
        })
        var decoding = DecodingOptions()
        decoding.readChanges(of: relation)
        self.decoding = decoding
        do throws(FileError) {
            file = try fileSystem.open(format.path, .read)
            sizeAtOpen = Int64(try file.size())
        } catch { throw ConnectorError("\(relation.name): \(error)") }
        let start = try FileSource.read(file, at: 0, count: Int(min(sizeAtOpen, 64 * 1024)))
        if start.count >= 2 && start[0] == 0x1F && start[1] == 0x8B {
            throw ConnectorError("\(relation.name): \(format.path) is compressed (gzip); unpack it first (gunzip)")
        }
        let markByteCount = start.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        if format.encoding == .csv && format.hasHeader {
            let parsed = try FileSource.parseHeader(start, from: markByteCount, format, relation)
            header = parsed.names
            firstRowOffset = parsed.end
        } else {
            header = nil
            firstRowOffset = Int64(markByteCount)
        }
        followedEnd = firstRowOffset
    }

    // MARK: Positions

    package func start(shard: Int) -> Int64 { firstRowOffset }

    package func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 {
        guard format.follows else { return max(sizeAtOpen, firstRowOffset) }
        let size = Int64(try failing { () throws(FileError) in try file.size() })
        let known = lock.locked { followedEnd }
        if size < known {
            throw ConnectorError("\(format.path) has become shorter (\(size) bytes; \(known) have been read): a file that is followed may only grow")
        }
        // Backward from the end, a piece at a time, to the last line feed.
        var end = size
        while end > known {
            let begin = max(end - Int64(FileSource.pieceByteCount), known)
            let piece = try FileSource.read(file, at: Int(begin), count: Int(end - begin))
            if let index = piece.lastIndex(of: 10) {
                let found = begin + Int64(index) + 1
                return lock.locked {
                    followedEnd = max(followedEnd, found)
                    return followedEnd
                }
            }
            end = begin
        }
        return known
    }

    package func end(shard: Int) throws(ConnectorError) -> Int64? { format.follows ? nil : max(sizeAtOpen, firstRowOffset) }

    package func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        guard from < limit else { return limit }
        let wanted = max(rows, 1)
        let estimate = lock.locked { rowByteCountEstimate }
        let distance = Int64(clamping: Int128(wanted) * Int128(estimate))
        let target = from + min(max(distance, 1), limit - from)
        if target >= limit { return limit }
        let end: Int64
        switch format.encoding {
        case .json: end = try nextLineStart(from: target - 1, limit: limit)
        case .csv: end = try nextCSVRowStart(from: from, target: target, limit: limit)
        }
        return end
    }

    /// The position after the first line feed at or after `from`, or the limit.
    private func nextLineStart(from: Int64, limit: Int64) throws(ConnectorError) -> Int64 {
        var at = from
        var pieceByteCount = 4 * 1024
        while at < limit {
            let piece = try FileSource.read(file, at: Int(at), count: Int(min(Int64(pieceByteCount), limit - at)))
            if let index = piece.firstIndex(of: 10) { return at + Int64(index) + 1 }
            guard !piece.isEmpty else { throw shorter(at) }
            at += Int64(piece.count)
            pieceByteCount = FileSource.pieceByteCount
        }
        return limit
    }

    /// The first row end at or after `target`, scanning from `from`, where a row begins.
    private func nextCSVRowStart(from: Int64, target: Int64, limit: Int64) throws(ConnectorError) -> Int64 {
        var scanner = CSVRowScanner(delimiter: format.delimiter)
        var at = from
        while at < limit {
            let piece = try FileSource.read(file, at: Int(at), count: Int(min(Int64(FileSource.pieceByteCount), limit - at)))
            guard !piece.isEmpty else { throw shorter(at) }
            if let index = scanner.rowEnd(in: piece, notBefore: Int(clamping: target - at)) { return at + Int64(index) }
            at += Int64(piece.count)
        }
        return limit
    }

    private func shorter(_ at: Int64) -> ConnectorError {
        ConnectorError("\(format.path) ends at byte \(at), before its size when it was opened: it was changed by another program")
    }

    // MARK: Rows

    package func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        guard columns.allSatisfy({ $0 >= 0 && $0 < schema.count }) else { throw ConnectorError("\(relationName): there is no such column") }
        var chunk = SourceChunk(next: max(from, to))
        guard from < to else { return chunk }
        let decoder = makeDecoder(from: from, batchRows: batchRows)
        var at = from
        var rowCount: Int64 = 0
        while at < to {
            let wanted = Int(min(Int64(FileSource.pieceByteCount), to - at))
            let piece = Buffer(byteCount: wanted)
            let count = try failing { () throws(FileError) in
                try file.read(into: UnsafeMutableRawBufferPointer(start: piece.base, count: wanted), at: Int(at))
            }
            guard count == wanted else { throw shorter(at + Int64(count)) }
            at += Int64(count)
            decoder.append(piece)
            if at >= to { decoder.finish() }
            while let decoded = decoder.nextBatch() {
                rowCount += Int64(decoded.batch.count + decoded.badRows.count)
                if decoded.batch.count > 0 {
                    chunk.batches.append(decoded.batch.replacing(columns: columns.map { decoded.batch.columns[$0] }))
                }
                for bad in decoded.badRows {
                    chunk.rejected.append(
                        RejectedRow(bytes: bad.bytes, reason: bad.reason, origin: "\(format.path) (offset \(bad.byteOffset))"))
                }
            }
        }
        if rowCount > 0 {
            let found = (to - from) / rowCount
            lock.locked { rowByteCountEstimate = min(max(found, 1), 1 << 20) }
        }
        return chunk
    }

    /// All columns are decoded, whichever are wanted: whether a row is a bad one must not depend on who reads it.
    private func makeDecoder(from: Int64, batchRows: Int) -> TextRowDecoder {
        var options = decoding
        options.batchRowLimit = min(max(batchRows, 1), 1 << 20)
        options.columnsNotNull = columnsNotNull
        options.startByteOffset = Int(from)
        options.limits.badRowByteCountMax = RejectedRow.bytesMax
        switch format.encoding {
        case .json: return .json(JSONLinesDecoder(schema: schema, options: options))
        case .csv:
            var csv = CSVFormat()
            csv.delimiter = format.delimiter
            csv.hasHeader = false
            csv.nullText = format.nullText
            let decoder = CSVDecoder(schema: schema, format: csv, options: options)
            if let header { decoder.setHeader(header) }
            return .csv(decoder)
        }
    }

    // MARK: Header

    /// The names in a CSV file's first line, and where the next one begins. Every column must be among them: one that is misspelt would
    /// otherwise be NULL in every row.
    private static func parseHeader(
        _ bytes: [UInt8], from start: Int, _ format: FileFormat, _ relation: RelationDefinition
    ) throws(ConnectorError) -> (names: [String], end: Int64) {
        let columns = relation.physicalSchema.fields.map(\.name)
        let rest = Array(bytes[min(start, bytes.count)...])
        var scanner = CSVRowScanner(delimiter: format.delimiter)
        let found = scanner.rowEnd(in: rest, notBefore: 1)
        if found == nil && format.follows {
            throw ConnectorError("\(relation.name): \(format.path) has no whole header line yet (a file without a header needs header = 'false')")
        }
        guard !rest.isEmpty else { return (columns, Int64(bytes.count)) }
        if found == nil && bytes.count >= 64 * 1024 {
            throw ConnectorError("\(relation.name): the first line of \(format.path) is longer than 64 KiB: it is no CSV header")
        }
        let end = found ?? rest.count
        let names = CSVRowScanner.fields(rest[..<end], delimiter: format.delimiter)
        for column in columns where !names.contains(where: { $0.lowercased() == column.lowercased() }) {
            throw ConnectorError(
                "\(relation.name): column '\(column)' is not in the header of \(format.path)" + Nearest.suggestion(for: column, among: names)
                    + "; the header has " + names.prefix(50).joined(separator: ", ") + " (a file without a header needs header = 'false')")
        }
        return (names, Int64(start + end))
    }

    // MARK: Inside

    private func failing<Result>(_ body: () throws(FileError) -> Result) throws(ConnectorError) -> Result {
        do throws(FileError) { return try body() } catch { throw ConnectorError("\(relationName): \(error)") }
    }

    /// Fewer bytes than asked for only at the end of the file.
    private static func read(_ file: any File, at offset: Int, count: Int) throws(ConnectorError) -> [UInt8] {
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(count, 0)) { buffer, used in
            do throws(FileError) {
                used = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<max(count, 0)]), at: offset)
            } catch { failure = error }
        }
        if let failure { throw ConnectorError("\(failure)") }
        return bytes
    }
}

/// The two decoders under one face.
private enum TextRowDecoder {
    case json(JSONLinesDecoder)
    case csv(CSVDecoder)

    func append(_ piece: Buffer) {
        switch self {
        case .json(let decoder): decoder.append(piece)
        case .csv(let decoder): decoder.append(piece)
        }
    }

    func finish() {
        switch self {
        case .json(let decoder): decoder.finish()
        case .csv(let decoder): decoder.finish()
        }
    }

    func nextBatch() -> DecodedBatch? {
        switch self {
        case .json(let decoder): decoder.nextBatch()
        case .csv(let decoder): decoder.nextBatch()
        }
    }
}

/// Finds row ends of CSV by the rules of RFC 4180: a quote means something only at the start of a field and within a quoted one. A row
/// that is longer than the decoder takes ends at the next line feed, whatever the quotes say: the decoder's rule, so that ranges and
/// rows agree.
struct CSVRowScanner {
    private enum State { case fieldStart, plain, quoted, quoteInQuoted, skipping }

    private let delimiter: UInt8
    private let rowByteCountMax: Int
    private var state = State.fieldStart
    /// Bytes of the row so far.
    private var rowByteCount = 0

    init(delimiter: UInt8, rowByteCountMax: Int = DecodingLimits().lineByteCountMax) {
        self.delimiter = delimiter
        self.rowByteCountMax = rowByteCountMax
    }

    /// The index after the first row end that is at or after `notBefore`; the state is kept when there is none in the piece.
    mutating func rowEnd(in piece: [UInt8], notBefore: Int) -> Int? {
        piece.withUnsafeBufferPointer { bytes in
            var state = state
            var rowStart = -rowByteCount
            for index in 0..<bytes.count {
                let byte = bytes[index]
                if index &- rowStart > rowByteCountMax { state = .skipping }
                switch state {
                case .quoted:
                    if byte == 0x22 { state = .quoteInQuoted }
                    continue
                case .quoteInQuoted where byte == 0x22, .fieldStart where byte == 0x22:
                    state = .quoted
                    continue
                default: break
                }
                if byte == 10 {
                    state = .fieldStart
                    rowStart = index + 1
                    if index + 1 >= notBefore {
                        self.state = state
                        rowByteCount = 0
                        return index + 1
                    }
                } else if state != .skipping {
                    state = byte == delimiter ? .fieldStart : .plain
                }
            }
            self.state = state
            rowByteCount = bytes.count - rowStart
            return nil
        }
    }

    /// The fields of one row as text, quotes taken off.
    static func fields(_ row: ArraySlice<UInt8>, delimiter: UInt8) -> [String] {
        var fields: [[UInt8]] = [[]]
        var isQuoted = false
        var isAtStart = true
        var wasQuote = false
        for byte in row {
            if isQuoted {
                if wasQuote {
                    wasQuote = false
                    if byte == 0x22 {
                        fields[fields.count - 1].append(byte)
                        continue
                    }
                    isQuoted = false
                } else {
                    if byte == 0x22 { wasQuote = true } else { fields[fields.count - 1].append(byte) }
                    continue
                }
            }
            if byte == 0x22 && isAtStart {
                isQuoted = true
                isAtStart = false
            } else if byte == delimiter {
                fields.append([])
                isAtStart = true
            } else if byte != 10 && byte != 13 {
                fields[fields.count - 1].append(byte)
                isAtStart = false
            }
        }
        return fields.map { String(decoding: $0, as: UTF8.self) }
    }
}
