// The two sinks that keep nothing: `blackhole` counts rows, `print` shows them.

import Columns
import Planning

/// Takes rows and forgets them: for measuring, and for queries that matter only for their side streams.
package final class BlackholeSink: RowSink {
    package private(set) var rowCount: Int64 = 0

    package init() {}

    package func position() throws(ConnectorError) -> Int64 { rowCount }
    package func restore(to position: Int64) throws(ConnectorError) { rowCount = position }
    package func write(_ batch: RowBatch) throws(ConnectorError) { rowCount &+= Int64(batch.count) }
    package func flush(durable: Bool) throws(ConnectorError) {}
    package func close() throws(ConnectorError) {}
}

/// Shows rows as JSON lines on standard output, each after `prefix> ` when there is a prefix and after its change kind when rows
/// can change: `orders> -U {"id":1}`. What was shown cannot be taken back: after a crash rows since the last checkpoint are shown again.
package final class PrintSink: RowSink {
    private let encoder: JSONLinesEncoder
    private let prefix: String
    private let isChangelog: Bool
    private let standardOutput: @Sendable ([UInt8]) -> Void
    private let buffer = ByteBuffer()
    private var shownRowCount: Int64 = 0

    package static let optionNames = ["prefix", "print-identifier"]
    private static let bufferedByteCountMax = 64 * 1024

    package init(
        _ relation: RelationDefinition, isChangelog: Bool, standardOutput: @escaping @Sendable ([UInt8]) -> Void
    ) {
        encoder = JSONLinesEncoder(schema: relation.physicalSchema)
        prefix = ConnectorOptions(relation).text("prefix", "print-identifier").map { $0 + "> " } ?? ""
        self.isChangelog = isChangelog
        self.standardOutput = standardOutput
    }

    package func position() throws(ConnectorError) -> Int64 { shownRowCount }
    package func restore(to position: Int64) throws(ConnectorError) { shownRowCount = position }

    package func write(_ batch: RowBatch) throws(ConnectorError) {
        for row in 0..<batch.count {
            if !prefix.isEmpty { buffer.append(prefix) }
            if isChangelog {
                buffer.append(batch.change(at: row).symbol)
                buffer.append(UInt8(ascii: " "))
            }
            encoder.append(batch, rows: row..<row + 1, to: buffer)
            if buffer.count >= PrintSink.bufferedByteCountMax { show() }
        }
        shownRowCount &+= Int64(batch.count)
    }

    package func flush(durable: Bool) throws(ConnectorError) { show() }
    package func close() throws(ConnectorError) { show() }

    private func show() {
        guard !buffer.isEmpty else { return }
        standardOutput(buffer.array)
        buffer.clear()
    }
}
