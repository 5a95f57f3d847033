// PartitionedFileSink: rows in a folder for each value of the PARTITION BY columns: `path/dt=2026-11-20/hm=23%3A43/part-0.csv`, as Hive, Flink and
// DuckDB write and read them. The partition's columns stand in the folder's name and not in the file.
//
// What a checkpoint must remember is the length of every file. The manifest beside the partitions holds it: lines of `length TAB folder`, only
// ever appended to. A folder is entered with length 0 before its file is made, and with its length at every checkpoint at which that
// has grown; so a length of the manifest itself (the sink's position) says how long each file was then, and every file that was made
// since is named behind it. Recovery cuts the files back to that, removes those that were not there, and cuts the manifest.
//
// Files are opened for as long as a write takes, so that their number is not bounded by what the system lets a process hold open.

import Columns
import Planning
import Platform

package final class PartitionedFileSink: RowSink {
    package let notice: String?
    private let format: FileFormat
    private let fileSystem: any FileSystem
    private let root: String
    private let keyNames: [String]
    private let keyColumns: [Int]
    private let valueColumns: [Int]
    private let json: JSONLinesEncoder
    private let csv: CSVEncoder
    private let manifest: any File
    private var manifestByteCount: Int
    private var partitions: [Partition] = []
    /// Where a folder's partition stands.
    private var positions: [String: Int] = [:]
    private let key = ByteBuffer()
    private var isClosed = false

    private struct Partition {
        let folder: String
        let buffer = ByteBuffer()
        /// Where the file ends, and the buffer's first byte goes.
        var writtenByteCount: Int
        /// What the manifest says.
        var recordedByteCount: Int
        var isDurable = true
    }

    static let partitionCountMax = 100_000
    static let manifestName = "_manifest"
    private static let bufferedByteCountMax = 1 << 20

    /// `appendsToExisting`: go on with the partitions that the manifest names; otherwise those are removed.
    package init(
        _ relation: RelationDefinition, fileSystem: any FileSystem, isChangelog: Bool, appendsToExisting: Bool
    ) throws(ConnectorError) {
        format = try FileFormat(relation)
        self.fileSystem = fileSystem
        var root = format.path
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        self.root = root
        let physical = relation.physicalColumns
        let keys = relation.partitionBy.compactMap { column in physical.firstIndex(of: column) }
        keyColumns = keys
        keyNames = keys.map { relation.columns[physical[$0]].name }
        valueColumns = physical.indices.filter { !keys.contains($0) }
        guard !valueColumns.isEmpty else {
            throw ConnectorError("\(relation.name): every column is in PARTITION BY, which leaves none for the files")
        }
        let fields = relation.physicalSchema.fields
        let schema = Schema(valueColumns.map { fields[$0] })
        json = JSONLinesEncoder(schema: schema, writesChangeKind: isChangelog, isDebezium: format.isDebezium)
        csv = CSVEncoder(schema: schema, delimiter: format.delimiter, nullText: format.nullText, writesChangeKind: isChangelog)
        do throws(FileError) {
            try fileSystem.createDirectory(root)
            manifest = try fileSystem.open("\(root)/\(PartitionedFileSink.manifestName)", .readWrite)
            manifestByteCount = try manifest.size()
        } catch { throw ConnectorError("\(relation.name): \(error)", cause: error) }
        let known = try PartitionedFileSink.lengths(in: PartitionedFileSink.read(manifest, count: manifestByteCount), format)
        if appendsToExisting {
            notice = nil
            for (folder, byteCount) in known { enter(folder, byteCount: byteCount) }
        } else {
            notice = known.isEmpty ? nil : "replacing the \(known.count) partitions of \(root)"
            for (folder, _) in known { try removeFile(of: folder) }
            try failing { () throws(FileError) in try manifest.truncate(to: 0) }
            manifestByteCount = 0
        }
    }

    // MARK: RowSink

    package func position() throws(ConnectorError) -> Int64 {
        var lines = ""
        for index in partitions.indices {
            try writeOut(index)
            guard partitions[index].recordedByteCount != partitions[index].writtenByteCount else { continue }
            partitions[index].recordedByteCount = partitions[index].writtenByteCount
            lines += "\(partitions[index].writtenByteCount)\t\(partitions[index].folder)\n"
        }
        try appendToManifest(lines)
        return Int64(manifestByteCount)
    }

    package func restore(to position: Int64) throws(ConnectorError) {
        guard position >= 0, position <= Int64(manifestByteCount) else {
            throw ConnectorError("\(root)/\(PartitionedFileSink.manifestName) is shorter than at the last checkpoint: it was changed by another program")
        }
        let bytes = try PartitionedFileSink.read(manifest, count: manifestByteCount)
        let all = try PartitionedFileSink.lengths(in: bytes, format)
        let kept = try PartitionedFileSink.lengths(in: Array(bytes.prefix(Int(position))), format)
        let lengths = Dictionary(kept, uniquingKeysWith: { _, last in last })
        partitions = []
        positions = [:]
        for (folder, _) in all {
            guard let byteCount = lengths[folder], byteCount > 0 else {
                try removeFile(of: folder)
                continue
            }
            try failing { () throws(FileError) in
                let file = try fileSystem.open(path(of: folder), .readWrite)
                let size = try file.size()
                guard size >= byteCount else {
                    throw FileError(
                        operation: "go on with", path: path(of: folder), code: 0,
                        reason: "it has \(size) bytes, fewer than the \(byteCount) that were there at the last checkpoint")
                }
                try file.truncate(to: byteCount)
            }
        }
        for (folder, byteCount) in kept { enter(folder, byteCount: byteCount) }
        try failing { () throws(FileError) in try manifest.truncate(to: Int(position)) }
        manifestByteCount = Int(position)
    }

    package func write(_ batch: RowBatch) throws(ConnectorError) {
        guard !isClosed else { throw ConnectorError("\(root) is closed") }
        var rows: [Int: [Int32]] = [:]
        var order: [Int] = []
        var last: (key: [UInt8], index: Int)?
        for row in 0..<batch.count {
            key.clear()
            for (name, column) in zip(keyNames, keyColumns) { appendKey(name, batch.columns[column], row) }
            var index: Int
            if let last, last.key.elementsEqual(key.text) {
                index = last.index
            } else {
                index = try partition(of: key.string)
                last = (key.array, index)
            }
            if rows[index] == nil { order.append(index) }
            rows[index, default: []].append(Int32(truncatingIfNeeded: row))
        }
        for index in order {
            let part = batch.gather(rows[index] ?? [])
            let values = part.replacing(columns: valueColumns.map { part.columns[$0] })
            switch format.encoding {
            case .json: json.append(values, to: partitions[index].buffer)
            case .csv: csv.append(values, to: partitions[index].buffer)
            }
            if partitions[index].buffer.count >= PartitionedFileSink.bufferedByteCountMax { try writeOut(index) }
        }
    }

    package func flush(durable: Bool) throws(ConnectorError) {
        guard !isClosed else { return }
        for index in partitions.indices {
            try writeOut(index)
            guard durable, !partitions[index].isDurable else { continue }
            let path = path(of: partitions[index].folder)
            try failing { () throws(FileError) in
                try fileSystem.open(path, .readWrite).synchronize()
                var folder = PartitionedFileSink.parent(of: path)
                while folder.count > root.count {
                    try fileSystem.synchronizeDirectory(folder)
                    folder = PartitionedFileSink.parent(of: folder)
                }
            }
            partitions[index].isDurable = true
        }
        guard durable else { return }
        try failing { () throws(FileError) in
            try manifest.synchronize()
            try fileSystem.synchronizeDirectory(root)
        }
    }

    package func close() throws(ConnectorError) {
        try flush(durable: false)
        isClosed = true
    }

    // MARK: Partitions

    private func appendKey(_ name: String, _ column: Column, _ row: Int) {
        if !key.isEmpty { key.append(UInt8(ascii: "/")) }
        var text = Array(name.utf8) + [UInt8(ascii: "=")]
        let value = ByteBuffer()
        if column.isNull(row) {
            text += Array("__DEFAULT_PARTITION__".utf8)
        } else {
            TextFormat.append(column, row: row, to: value)
        }
        for byte in text { key.append(byte) }
        for byte in value.bytes { PartitionedFileSink.appendEscaped(byte, to: key) }
    }

    /// What a path or a reader of it could take for something else, as % and two digits.
    private static func appendEscaped(_ byte: UInt8, to key: ByteBuffer) {
        let isPlain = byte > 0x20 && byte < 0x7F && !Array("\"#%'*/:=?\\{[]^".utf8).contains(byte)
        guard !isPlain else { return key.append(byte) }
        let digits = Array("0123456789ABCDEF".utf8)
        key.append(UInt8(ascii: "%"))
        key.append(digits[Int(byte >> 4)])
        key.append(digits[Int(byte & 15)])
    }

    private func partition(of folder: String) throws(ConnectorError) -> Int {
        if let index = positions[folder] { return index }
        guard partitions.count < PartitionedFileSink.partitionCountMax else {
            throw ConnectorError("\(root) would have more than \(PartitionedFileSink.partitionCountMax) partitions")
        }
        try appendToManifest("0\t\(folder)\n")
        try failing { () throws(FileError) in
            try fileSystem.createDirectory(PartitionedFileSink.parent(of: path(of: folder)))
            _ = try fileSystem.open(path(of: folder), .truncate)
        }
        enter(folder, byteCount: 0)
        return positions[folder] ?? 0
    }

    private func enter(_ folder: String, byteCount: Int) {
        positions[folder] = partitions.count
        partitions.append(Partition(folder: folder, writtenByteCount: byteCount, recordedByteCount: byteCount))
    }

    private func writeOut(_ index: Int) throws(ConnectorError) {
        let buffer = partitions[index].buffer
        guard !buffer.isEmpty else { return }
        if format.encoding == .csv, format.hasHeader, partitions[index].writtenByteCount == 0 {
            let header = ByteBuffer()
            csv.appendHeader(to: header)
            header.append(buffer.bytes)
            try write(header, to: index)
        } else {
            try write(buffer, to: index)
        }
        buffer.clear(keepingCapacity: 1 << 12)
    }

    private func write(_ buffer: ByteBuffer, to index: Int) throws(ConnectorError) {
        let path = path(of: partitions[index].folder)
        let offset = partitions[index].writtenByteCount
        try failing { () throws(FileError) in try fileSystem.open(path, .readWrite).write(buffer.bytes, at: offset) }
        partitions[index].writtenByteCount += buffer.count
        partitions[index].isDurable = false
    }

    private func path(of folder: String) -> String { "\(root)/\(folder)/part-0.\(format.encoding == .csv ? "csv" : "json")" }

    private func removeFile(of folder: String) throws(ConnectorError) {
        guard fileSystem.exists(path(of: folder)) else { return }
        try failing { () throws(FileError) in try fileSystem.remove(path(of: folder)) }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    // MARK: The manifest

    private func appendToManifest(_ lines: String) throws(ConnectorError) {
        guard !lines.isEmpty else { return }
        let bytes = Array(lines.utf8)
        let offset = manifestByteCount
        try failing { () throws(FileError) in
            var failure: FileError?
            bytes.withUnsafeBytes { part in
                do throws(FileError) { try manifest.write(part, at: offset) } catch { failure = error }
            }
            if let failure { throw failure }
        }
        manifestByteCount += bytes.count
    }

    private static func read(_ file: any File, count: Int) throws(ConnectorError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var failure: FileError?
        let got = bytes.withUnsafeMutableBytes { buffer -> Int in
            do throws(FileError) { return try file.read(into: buffer, at: 0) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw ConnectorError("\(failure)") }
        return Array(bytes.prefix(got))
    }

    /// The folders in the order in which they were first entered, each with its last length. A last line that nothing ends was being written
    /// when the power went, and counts as not there.
    private static func lengths(in bytes: [UInt8], _ format: FileFormat) throws(ConnectorError) -> [(String, Int)] {
        var lengths: [(String, Int)] = []
        var places: [String: Int] = [:]
        guard let end = bytes.lastIndex(of: 10) else { return [] }
        for line in bytes[..<end].split(separator: 10) {
            let parts = line.split(separator: 9, maxSplits: 1)
            let folder = parts.count == 2 ? String(decoding: parts[1], as: UTF8.self) : ""
            guard parts.count == 2, let byteCount = Int(String(decoding: parts[0], as: UTF8.self)), byteCount >= 0,
                !folder.hasPrefix("/"), !folder.split(separator: "/").contains("..")
            else { throw ConnectorError("\(format.path): the \(manifestName) beside the partitions is damaged; move the folder away") }
            if let place = places[folder] {
                lengths[place].1 = byteCount
            } else {
                places[folder] = lengths.count
                lengths.append((folder, byteCount))
            }
        }
        return lengths
    }

    private func failing<Result>(_ body: () throws(FileError) -> Result) throws(ConnectorError) -> Result {
        do throws(FileError) { return try body() } catch { throw ConnectorError("\(error)", cause: error) }
    }
}
