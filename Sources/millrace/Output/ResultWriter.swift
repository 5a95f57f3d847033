// ResultWriter: the batches of one result, printed as they come.
//
// JSON and CSV go out batch by batch. A table needs the width of its columns: the rows of a bounded result are kept until it ends (or
// until there are too many to keep), those of a live one decide it with their first batch.

import Columns

final class ResultWriter {
    private static let keptRowsMax = 50_000

    private let output: OutputFile
    private let format: ResultFormat
    private let isLive: Bool
    private let jsonEncoder: JSONLinesEncoder
    private let csvEncoder: CSVEncoder
    private let tableFormatter: TableFormatter
    private let expanded: ExpandedRows
    private let markdown: MarkdownTable
    private var liveTable: LiveTable
    /// Whether a bounded table may be handed to a pager.
    var usesPager = false
    private var kept: [RowBatch] = []
    private let buffer = ByteBuffer(capacity: 64 << 10)
    private var hasHeader = false
    private(set) var rowCount = 0

    init(format: ResultFormat, schema: Schema, isChangelog: Bool, isLive: Bool, output: OutputFile) {
        self.format = format
        self.isLive = isLive
        self.output = output
        jsonEncoder = JSONLinesEncoder(schema: schema, writesChangeKind: isChangelog)
        csvEncoder = CSVEncoder(schema: schema, writesChangeKind: isChangelog)
        tableFormatter = TableFormatter(schema: schema, writesChangeKind: isChangelog)
        expanded = ExpandedRows(schema: schema, writesChangeKind: isChangelog)
        markdown = MarkdownTable(schema: schema, writesChangeKind: isChangelog)
        liveTable = LiveTable(schema: schema, writesChangeKind: isChangelog)
    }

    func write(_ batch: RowBatch) throws {
        guard batch.count > 0 else { return }
        let firstRow = rowCount
        rowCount += batch.count
        switch format {
        case .json: jsonEncoder.append(batch, to: buffer)
        case .csv:
            writeHeaderOnce()
            csvEncoder.append(batch, to: buffer)
        case .markdown:
            if !hasHeader { markdown.appendHeader(to: buffer) }
            hasHeader = true
            markdown.append(batch, to: buffer)
        case .expanded: expanded.append(batch, firstRow: firstRow, to: buffer)
        case .table:
            if !isLive, !hasHeader {
                kept.append(batch)
                if rowCount > Self.keptRowsMax { flushKept() }
                return
            }
            hasHeader = true
            liveTable.append(batch, to: buffer)
        }
        emit()
    }

    /// Nothing came for a moment: what is there should be seen. (Everything but a bounded table is out already.)
    func flush() { emit() }

    /// The result is over.
    func finish() {
        switch format {
        case .json: break
        case .csv: writeHeaderOnce()
        case .markdown:
            if !hasHeader { markdown.appendHeader(to: buffer) }
        case .expanded: buffer.append(Self.footer(rowCount))
        case .table:
            if hasHeader {
                buffer.append(Self.footer(rowCount))
            } else if isLive {
                liveTable.appendHeader(to: buffer)
                buffer.append(Self.footer(rowCount))
            } else {
                tableFormatter.append(kept, to: buffer)
                if usesPager, page() { return }
            }
        }
        emit()
    }

    /// True when a pager has shown what is in the buffer.
    private func page() -> Bool {
        let bytes = buffer.bytes
        var lines = 0
        var width = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            lines += 1
            width = max(width, UTF8Text.displayWidth(UnsafeRawBufferPointer(rebasing: line).assumingMemoryBound(to: UInt8.self)))
        }
        guard Pager.isNeeded(lines: lines, width: width), Pager.show(bytes) else { return false }
        buffer.clear()
        return true
    }

    private func flushKept() {
        hasHeader = true
        for batch in kept { liveTable.append(batch, to: buffer) }
        kept = []
        emit()
    }

    private func writeHeaderOnce() {
        guard !hasHeader else { return }
        hasHeader = true
        csvEncoder.appendHeader(to: buffer)
    }

    private func emit() {
        guard !buffer.isEmpty else { return }
        Console.hideProgress()
        output.write(buffer.bytes)
        buffer.clear()
    }

    private static func footer(_ rowCount: Int) -> String { "(\(rowCount) row\(rowCount == 1 ? "" : "s"))\n" }
}
