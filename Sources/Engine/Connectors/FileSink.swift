// FileSink: rows as JSON lines or CSV at the end of a file.
//
// Rows are encoded into a buffer that is written out when it is large and at every `flush`, always at the offset that the file is known to have. So a
// write that failed halfway (a full disk) leaves the buffer as it was, and the next attempt writes over what is there. A checkpoint remembers that
// offset; recovery cuts the file back to it.

import Columns
import Planning
import Platform

package final class FileSink: RowSink {
    package let notice: String?
    private let format: FileFormat
    private let fileSystem: any FileSystem
    private let file: any File
    private let json: JSONLinesEncoder
    private let csv: CSVEncoder
    private let buffer = ByteBuffer()
    /// Where the file ends, and the buffer's first byte goes.
    private var writtenByteCount: Int
    private var isNameDurable = false
    private var isClosed = false

    private static let bufferedByteCountMax = 1 << 20

    /// `appendsToExisting`: keep what is there (going on after a restart, or a second query of the same run).
    package init(
        _ relation: RelationDefinition, fileSystem: any FileSystem, isChangelog: Bool, appendsToExisting: Bool
    ) throws(ConnectorError) {
        format = try FileFormat(relation)
        self.fileSystem = fileSystem
        let schema = relation.physicalSchema
        json = JSONLinesEncoder(schema: schema, writesChangeKind: isChangelog, isDebezium: format.isDebezium)
        csv = CSVEncoder(schema: schema, delimiter: format.delimiter, nullText: format.nullText, writesChangeKind: isChangelog)
        do throws(FileError) {
            let existed = fileSystem.exists(format.path)
            if appendsToExisting {
                file = try fileSystem.open(format.path, .readWrite)
                writtenByteCount = try file.size()
                notice = nil
            } else {
                let oldByteCount = existed ? try fileSystem.open(format.path, .read).size() : 0
                file = try fileSystem.open(format.path, .truncate)
                writtenByteCount = 0
                notice = existed && oldByteCount > 0 ? "replacing the existing file \(format.path) (\(oldByteCount) bytes)" : nil
            }
        } catch { throw ConnectorError("\(relation.name): \(error)", cause: error) }
    }

    package func position() throws(ConnectorError) -> Int64 {
        try writeOut()
        return Int64(writtenByteCount)
    }

    package func restore(to position: Int64) throws(ConnectorError) {
        buffer.clear()
        let byteCount = try failing { () throws(FileError) in try file.size() }
        guard position >= 0, position <= Int64(byteCount) else {
            throw ConnectorError(
                "\(format.path) has \(byteCount) bytes, fewer than the \(position) that were there at the last checkpoint: it was changed by another program")
        }
        try failing { () throws(FileError) in try file.truncate(to: Int(position)) }
        writtenByteCount = Int(position)
    }

    package func write(_ batch: RowBatch) throws(ConnectorError) {
        guard !isClosed else { throw ConnectorError("\(format.path) is closed") }
        addHeaderIfAtStart()
        switch format.encoding {
        case .json: json.append(batch, to: buffer)
        case .csv: csv.append(batch, to: buffer)
        }
        if buffer.count >= FileSink.bufferedByteCountMax { try writeOut() }
    }

    package func flush(durable: Bool) throws(ConnectorError) {
        guard !isClosed else { return }
        addHeaderIfAtStart()
        try writeOut()
        guard durable else { return }
        try failing { () throws(FileError) in try file.synchronize() }
        if !isNameDurable {
            let folder = FileSink.folder(of: format.path)
            try failing { () throws(FileError) in try fileSystem.synchronizeDirectory(folder) }
            isNameDurable = true
        }
    }

    package func close() throws(ConnectorError) {
        try flush(durable: false)
        isClosed = true
    }

    // MARK: Inside

    private func addHeaderIfAtStart() {
        guard format.encoding == .csv, format.hasHeader, writtenByteCount == 0, buffer.isEmpty else { return }
        csv.appendHeader(to: buffer)
    }

    private func writeOut() throws(ConnectorError) {
        guard !buffer.isEmpty else { return }
        try failing { () throws(FileError) in try file.write(buffer.bytes, at: writtenByteCount) }
        writtenByteCount += buffer.count
        buffer.clear()
    }

    private func failing<Result>(_ body: () throws(FileError) -> Result) throws(ConnectorError) -> Result {
        do throws(FileError) { return try body() } catch { throw ConnectorError("\(error)", cause: error) }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
