// Checkpoint: what a query knows at the end of an epoch, and the file that says where it all lies.
//
// The manifest `checkpoint-<epoch, 20 digits>`:
//
//     magic     8 bytes   "MRCHKPT2"
//     length    UInt64    bytes of body and small pieces
//     body                positions and counters; names of the state files; the tree of the state's pieces, each with file, offset, length, CRC32C
//     pieces              those that lie here and not in a state file
//     crc       UInt32    CRC32C of all before
//
// While the whole state is small its pieces lie in the manifest: one file, one sync. Once it has outgrown that they lie in files
// `state-<epoch>`, each with the pieces that one checkpoint added (see CheckpointStore).

import Dataflow
import Platform

/// What a query knows at the end of an epoch, apart from the operators' state.
package struct Checkpoint: Hashable, Sendable {
    package var epoch: UInt64
    package var clockMicroseconds: Int64
    /// By scan, then by shard: the next position to read.
    package var positions: [[Int64]]
    /// By scan, then by shard: the end of the input had been reported.
    package var ended: [[Bool]]
    /// Where the output stood (a file's length); 0 for streams of the log, whose frames carry the epoch.
    package var sinkPosition: Int64
    package var rowsIn: Int64
    package var rowsOut: Int64
    package var lateRows: Int64
    package var failedRows: Int64
    package var rejectedRows: Int64
    package var expiredRows: Int64

    fileprivate func write(to writer: inout StateWriter) {
        writer.write(epoch)
        for value in [clockMicroseconds, sinkPosition, rowsIn, rowsOut, lateRows, failedRows, rejectedRows, expiredRows] { writer.write(value) }
        writer.write(count: positions.count)
        for (shards, ended) in zip(positions, ended) {
            writer.write(count: shards.count)
            for (position, hasEnded) in zip(shards, ended) {
                writer.write(position)
                writer.write(hasEnded)
            }
        }
    }

    fileprivate static func read(from reader: inout StateReader) throws(StateError) -> Checkpoint {
        var checkpoint = Checkpoint(
            epoch: try reader.read(), clockMicroseconds: try reader.read(), positions: [], ended: [], sinkPosition: try reader.read(),
            rowsIn: try reader.read(), rowsOut: try reader.read(), lateRows: try reader.read(), failedRows: try reader.read(),
            rejectedRows: try reader.read(), expiredRows: try reader.read())
        for _ in 0..<(try reader.readCount(bytesEach: 8)) {
            var shards: [Int64] = []
            var flags: [Bool] = []
            for _ in 0..<(try reader.readCount(bytesEach: 9)) {
                shards.append(try reader.read())
                flags.append(try reader.readBool())
            }
            checkpoint.positions.append(shards)
            checkpoint.ended.append(flags)
        }
        return checkpoint
    }
}

/// Where a piece of the state lies.
package struct Extent: Hashable, Sendable {
    /// The epoch of the state file; `Extent.manifest` when it lies behind the manifest's body.
    package var file: UInt64
    package var offset: Int
    package var byteCount: Int
    package var crc: UInt32

    package static let manifest: UInt64 = 0
}

package struct CheckpointManifest: Sendable {
    package var checkpoint: Checkpoint
    package var tree: StateTree<Extent>
    /// What extents in the manifest refer to.
    package var pieces: [UInt8]

    package static let magic: [UInt8] = Array("MRCHKPT2".utf8)
    private static let anyMagic: [UInt8] = Array("MRCHKPT".utf8)
    /// Before the body.
    package static let headByteCount = 16

    package init(checkpoint: Checkpoint, tree: StateTree<Extent>, pieces: [UInt8]) {
        self.checkpoint = checkpoint
        self.tree = tree
        self.pieces = pieces
    }

    /// The state files that pieces lie in.
    package var files: Set<UInt64> {
        var files: Set<UInt64> = []
        tree.forEach { if $0.file != Extent.manifest { files.insert($0.file) } }
        return files
    }

    // MARK: Bytes

    package func encoded() -> [UInt8] {
        var writer = StateWriter()
        writer.write(raw: CheckpointManifest.magic)
        writer.write(UInt64(0))
        checkpoint.write(to: &writer)
        // Files are named once; extents by their place in this list.
        let names = files.sorted()
        let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0 + 1) })
        writer.write(count: names.count)
        for name in names { writer.write(name) }
        func write(_ extent: Extent) {
            writer.write(UInt32(truncatingIfNeeded: places[extent.file] ?? 0))
            writer.write(UInt64(truncatingIfNeeded: extent.offset))
            writer.write(UInt32(truncatingIfNeeded: extent.byteCount))
            writer.write(extent.crc)
        }
        writer.write(count: tree.stages.count)
        for stage in [tree.graph] + tree.stages {
            writer.write(stage.name)
            writer.write(stage.signature)
            writer.write(count: stage.parts.count)
            for part in stage.parts {
                write(part.main)
                writer.write(count: part.collections.count)
                for collection in part.collections {
                    writer.write(collection.id)
                    writer.write(count: collection.rowCount)
                    writer.write(count: collection.blocks.count)
                    for block in collection.blocks {
                        writer.write(UInt32(truncatingIfNeeded: block.count))
                        for piece in block { write(piece) }
                    }
                }
            }
        }
        writer.write(count: pieces.count)
        writer.write(raw: pieces)
        var bytes = writer.bytes
        let length = UInt64(bytes.count - CheckpointManifest.headByteCount)
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: length.littleEndian, toByteOffset: 8, as: UInt64.self) }
        let crc = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        withUnsafeBytes(of: crc.littleEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Why bytes are no manifest.
    package struct Fault: Error, Hashable, Sendable {
        package var offset: Int
        package var message: String
        /// It is whole, but of another version of the program.
        package var isForeign = false
    }

    package static func decode(_ bytes: [UInt8]) throws(Fault) -> CheckpointManifest {
        guard bytes.count >= 8, bytes.starts(with: anyMagic) else { throw Fault(offset: 0, message: "no checkpoint") }
        guard bytes.count >= headByteCount + 4 else { throw Fault(offset: bytes.count, message: "ends too early") }
        let length = load64(bytes[...], at: 8)
        guard length == Int64(bytes.count - headByteCount - 4) else {
            throw Fault(offset: 8, message: "says that it has \(length) bytes, and has \(bytes.count - headByteCount - 4)")
        }
        let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<(bytes.count - 4)])) }
        guard crc == load32(bytes[...], at: bytes.count - 4) else { throw Fault(offset: 0, message: "the checksum does not fit the content") }
        // Length and checksum keep their places in every version: another version is told from a damaged byte.
        guard bytes.starts(with: magic) else {
            throw Fault(
                offset: 7,
                message: "it has format version \(String(decoding: bytes[7...7], as: UTF8.self)), and this version of Millrace reads version 2 only",
                isForeign: true)
        }
        var reader = StateReader(Array(bytes[headByteCount..<bytes.count - 4]))
        do throws(StateError) {
            return try read(from: &reader)
        } catch {
            throw Fault(offset: headByteCount + error.offset, message: error.message)
        }
    }

    private static func read(from reader: inout StateReader) throws(StateError) -> CheckpointManifest {
        let checkpoint = try Checkpoint.read(from: &reader)
        var names: [UInt64] = [Extent.manifest]
        for _ in 0..<(try reader.readCount(bytesEach: 8)) {
            let name: UInt64 = try reader.read()
            guard name > (names.last ?? 0) else { throw reader.failure("state files out of order") }
            names.append(name)
        }
        func readExtent(_ reader: inout StateReader) throws(StateError) -> Extent {
            let place = Int(try reader.read(UInt32.self))
            let offset: UInt64 = try reader.read()
            let byteCount = Int(try reader.read(UInt32.self))
            guard place < names.count, offset <= UInt64(Int.max / 2) else { throw reader.failure("a piece that is nowhere") }
            return Extent(file: names[place], offset: Int(offset), byteCount: byteCount, crc: try reader.read())
        }
        func readStage(_ reader: inout StateReader) throws(StateError) -> StateTree<Extent>.Stage {
            var stage = StateTree<Extent>.Stage(name: try reader.readString(), signature: try reader.readString(), parts: [])
            for _ in 0..<(try reader.readCount(bytesEach: 28)) {
                var part = StateTree<Extent>.Part(main: try readExtent(&reader), collections: [])
                for _ in 0..<(try reader.readCount(bytesEach: 24)) {
                    let id: UInt64 = try reader.read()
                    let rowCount = try reader.readCount(bytesEach: 0)
                    var blocks: [[Extent]] = []
                    for _ in 0..<(try reader.readCount(bytesEach: 24)) {
                        let count = Int(try reader.read(UInt32.self))
                        guard count > 0, count <= reader.remaining / 20 else { throw reader.failure("a block without pieces") }
                        var pieces: [Extent] = []
                        pieces.reserveCapacity(count)
                        for _ in 0..<count { pieces.append(try readExtent(&reader)) }
                        blocks.append(pieces)
                    }
                    part.collections.append(.init(id: id, rowCount: rowCount, blocks: blocks))
                }
                stage.parts.append(part)
            }
            return stage
        }
        let stageCount = try reader.readCount(bytesEach: 24)
        let graph = try readStage(&reader)
        var stages: [StateTree<Extent>.Stage] = []
        for _ in 0..<stageCount { stages.append(try readStage(&reader)) }
        let pieces = try reader.readBytes()
        guard reader.remaining == 0 else { throw reader.failure("\(reader.remaining) bytes too many") }
        return CheckpointManifest(checkpoint: checkpoint, tree: StateTree(graph: graph, stages: stages), pieces: pieces)
    }
}

extension StateWriter {
    fileprivate mutating func write(raw bytes: [UInt8]) { bytes.withUnsafeBytes { write(raw: $0) } }
}
