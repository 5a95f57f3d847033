// SwapOutput: rows that a query writes in the epoch in which its definition was exchanged: file `difference` in the query's folder.
//
//     magic   8 bytes  "MRDIFF01"
//     epoch   UInt64
//     batches          a count, and each as StateWriter writes it
//     crc     UInt32   CRC32C of all before
//
// The checkpoint of the swap is that of this epoch. As long as the query may begin from it, the rows are handed to the output at each start, which
// passes over what it has.

import Columns
import Dataflow
import Platform

struct SwapOutput {
    var epoch: UInt64
    var batches: [RowBatch]

    private static let magic: [UInt8] = Array("MRDIFF01".utf8)
    private static func path(_ directory: String) -> String { directory + "/difference" }

    /// Durable with the folder's name, once the folder has been synced.
    func write(to directory: String, _ fileSystem: any FileSystem) throws(FileError) {
        var writer = StateWriter()
        SwapOutput.magic.withUnsafeBytes { writer.write(raw: $0) }
        writer.write(epoch)
        writer.write(count: batches.count)
        for batch in batches { writer.write(batch) }
        writer.write(writer.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        let file = try fileSystem.open(SwapOutput.path(directory), .truncate)
        var failure: FileError?
        writer.bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try file.write(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        try file.synchronize()
        try fileSystem.synchronizeDirectory(directory)
    }

    /// nil when there is none.
    static func read(from directory: String, types: [SQLType], _ fileSystem: any FileSystem) throws -> SwapOutput? {
        let path = path(directory)
        guard fileSystem.exists(path) else { return nil }
        let file = try fileSystem.open(path, .read)
        var bytes = [UInt8](repeating: 0, count: try file.size())
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        guard count == bytes.count, count >= 28, bytes.starts(with: magic),
            bytes.dropLast(4).withUnsafeBytes({ CRC32C.checksum($0) }) == load32(bytes[...], at: count - 4)
        else { throw EngineError("\(path) is damaged") }
        var reader = StateReader(Array(bytes[8..<count - 4]))
        do throws(StateError) {
            var output = SwapOutput(epoch: try reader.read(), batches: [])
            for _ in 0..<(try reader.readCount(bytesEach: 8)) { output.batches.append(try reader.readBatch(types: types)) }
            return output
        } catch {
            throw EngineError("\(path), byte \(8 + error.offset): \(error.message)")
        }
    }

    static func remove(from directory: String, _ fileSystem: any FileSystem) throws(FileError) {
        if fileSystem.exists(path(directory)) { try fileSystem.remove(path(directory)) }
    }
}
