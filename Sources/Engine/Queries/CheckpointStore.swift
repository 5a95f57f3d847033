// CheckpointStore: a query's checkpoints on disk.
//
//     checkpoint-<epoch>   the manifest: positions, counters, and where each piece of the state lies (see Checkpoint)
//     state-<epoch>        pieces that the checkpoint of this epoch added: 16 bytes of magic and epoch, then the pieces
//
// Publishing (one at a time, on any thread):
// 1. What the capture brings is laid out behind one another in a new state file. Files of which less than half is needed any more have their
//    live pieces copied there too, as do the smallest when there are too many files; so the disk holds about three times the state at most,
//    and a checkpoint costs what changed.
// 2. The state file is written and synced, and the folder, so that the manifest never names what is not there.
// 3. The manifest is written under another name, synced, renamed, and the folder synced: it is there whole or not at all.
// 4. Manifests but this one and the last good one before it are removed, then the state files that neither of the two names.
//
// Opening takes the newest manifest that is whole, and all of whose pieces are: each is read and its CRC32C compared. One that is damaged is
// passed over with a notice that names file and offset, and is removed when the next checkpoint has been published.

import Columns
import Dataflow
import Platform

package final class CheckpointStore: @unchecked Sendable {
    // Safe to share: whoever publishes has it alone until that has ended (see CheckpointPublisher).
    private let fileSystem: any FileSystem
    private let directory: String
    /// The pieces of the last checkpoint; nil before the first.
    private var last: CheckpointManifest?
    /// The good manifests that are kept, older first, at most two, with the state files that they name.
    private var kept: [(epoch: UInt64, files: Set<UInt64>)] = []
    /// Of the state files.
    private var byteCounts: [UInt64: Int] = [:]

    /// As long as the whole state is smaller than this it lies in the manifest.
    private static let manifestPiecesMax = 64 * 1024
    private static let filesMax = 24
    /// So much is copied from old files in one checkpoint, beside what changed.
    private static let copiedByteCountMin = 16 << 20
    static let stateMagic: [UInt8] = Array("MRSTATE2".utf8)
    static let stateHeadByteCount = 16

    package init(directory: String, fileSystem: any FileSystem) {
        self.directory = directory
        self.fileSystem = fileSystem
    }

    static func manifestName(_ epoch: UInt64) -> String { "checkpoint-\(zeroPadded(epoch))" }
    static func stateName(_ epoch: UInt64) -> String { "state-\(zeroPadded(epoch))" }
    static func epoch(_ name: String, after prefix: String) -> UInt64? { name.hasPrefix(prefix) ? UInt64(name.dropFirst(prefix.count)) : nil }

    func path(_ name: String) -> String { directory + "/" + name }

    // MARK: Opening

    package struct Loaded: Sendable {
        package var checkpoint: Checkpoint
        package var state: StateTree<Buffer>
    }

    /// The newest checkpoint that is whole, with its state, and a notice for each newer one that is not.
    package func load(pool: WorkerPool) throws -> (loaded: Loaded?, notices: [String]) {
        var notices: [String] = []
        var found: Loaded?
        last = nil
        kept = []
        byteCounts = [:]
        for epoch in try epochs().reversed() {
            do throws(CheckpointDamage) {
                let manifest = try manifest(epoch)
                if found != nil {
                    kept.insert((epoch, manifest.files), at: 0)
                    break
                }
                let pieces = CheckpointPieces(manifest, self)
                let state = try pieces.read(pool: pool)
                found = Loaded(checkpoint: manifest.checkpoint, state: state)
                byteCounts = pieces.byteCounts
                last = manifest
                kept = [(epoch, manifest.files)]
            } catch {
                if error.isForeign {
                    throw EngineError(
                        "\(error.path): \(error.reason); run the query with the version that wrote it, or drop it and create it again")
                }
                // Of the one that is kept in reserve nothing is said: it is not needed.
                if found == nil { notices.append("checkpoint \(path(CheckpointStore.manifestName(epoch))) is damaged (\(error)); the one before it is used") }
            }
        }
        return (found, notices)
    }

    /// What the newest readable manifest says, without looking at the state.
    package func newest() throws(FileError) -> Checkpoint? {
        for epoch in try epochs().reversed() {
            do throws(CheckpointDamage) { return try manifest(epoch).checkpoint } catch { continue }
        }
        return nil
    }

    func fileNames() throws(FileError) -> [String] { try fileSystem.list(directory) }

    func epochs() throws(FileError) -> [UInt64] {
        try fileNames().compactMap { CheckpointStore.epoch($0, after: "checkpoint-") }.sorted()
    }

    func manifest(_ epoch: UInt64) throws(CheckpointDamage) -> CheckpointManifest {
        let path = path(CheckpointStore.manifestName(epoch))
        let bytes: [UInt8]
        do throws(FileError) { bytes = try read(path) } catch { throw CheckpointDamage(path: path, offset: 0, reason: error.reason) }
        do throws(CheckpointManifest.Fault) {
            let manifest = try CheckpointManifest.decode(bytes)
            guard manifest.checkpoint.epoch == epoch else {
                throw CheckpointManifest.Fault(offset: CheckpointManifest.headByteCount, message: "it is that of epoch \(manifest.checkpoint.epoch)")
            }
            return manifest
        } catch {
            throw CheckpointDamage(path: path, offset: error.offset, reason: error.message, isForeign: error.isForeign)
        }
    }

    private func read(_ path: String) throws(FileError) -> [UInt8] {
        let file = try fileSystem.open(path, .read)
        var bytes = [UInt8](repeating: 0, count: try file.size())
        var failure: FileError?
        var count = 0
        bytes.withUnsafeMutableBytes { buffer in
            do throws(FileError) { count = try file.read(into: buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// A state file mapped, its head checked.
    func mapState(_ epoch: UInt64) throws(CheckpointDamage) -> MappedBytes {
        let path = path(CheckpointStore.stateName(epoch))
        let mapped: MappedBytes
        do throws(FileError) {
            let file = try fileSystem.open(path, .read)
            mapped = try file.map(byteCount: try file.size())
            try mapped.bringIn(UnsafeRawBufferPointer(rebasing: mapped.bytes.prefix(CheckpointStore.stateHeadByteCount)))
        } catch {
            throw CheckpointDamage(path: path, offset: 0, reason: error.reason)
        }
        guard mapped.bytes.count >= CheckpointStore.stateHeadByteCount,
            mapped.bytes.prefix(CheckpointStore.stateHeadByteCount).elementsEqual(CheckpointStore.stateHead(epoch))
        else { throw CheckpointDamage(path: path, offset: 0, reason: "not the state file of epoch \(epoch)") }
        return mapped
    }

    private static func stateHead(_ epoch: UInt64) -> [UInt8] { stateMagic + withUnsafeBytes(of: epoch.littleEndian) { Array($0) } }

    // MARK: Publishing

    package struct Published: Sendable {
        /// The good checkpoint before this one; 0 when there is none.
        package var previousEpoch: UInt64
        /// Bytes written: of the state, and of the manifest.
        package var byteCount: Int
        /// Of the state's live pieces.
        package var stateByteCount: Int
        /// Files that could not be removed; tried again next time.
        package var notice: String?
    }

    /// Forgets what is on disk: the next capture brings everything.
    package func forgetPieces() { last = nil }

    package var knowsPieces: Bool { last != nil }

    /// Publishes a checkpoint and removes all but it and the good one before. Throws a FileError, or a CheckpointDamage when a piece that was to
    /// be copied is not what it was.
    package func publish(_ checkpoint: Checkpoint, _ capture: StateCapture) throws -> Published {
        if let last, last.checkpoint.epoch == checkpoint.epoch {
            // Its state file may be in use.
            throw EngineError("the checkpoint of epoch \(checkpoint.epoch) has been published already")
        }
        var isNamed = false
        defer { if !isNamed { giveBackRoom(checkpoint.epoch) } }
        // 1. Where everything is to lie.
        var fresh: [[UInt8]] = []
        let tree = StateTree<Extent>.applying(capture, to: last?.tree) { bytes in
            fresh.append(bytes)
            let crc = bytes.withUnsafeBytes { CRC32C.checksum($0) }
            return Extent(file: .max, offset: fresh.count - 1, byteCount: bytes.count, crc: crc)
        }
        var total = 0
        var live: [UInt64: Int] = [:]
        tree.forEach { extent in
            total += extent.byteCount
            if extent.file != .max && extent.file != Extent.manifest { live[extent.file, default: 0] += extent.byteCount }
        }
        let oldPieces = last?.pieces ?? []
        var placed: StateTree<Extent>
        var pieces: [UInt8] = []
        var written = 0
        if live.isEmpty && total <= CheckpointStore.manifestPiecesMax {
            placed = tree.map { extent in
                var moved = extent
                moved.file = Extent.manifest
                moved.offset = pieces.count
                pieces += extent.file == .max ? fresh[extent.offset] : Array(oldPieces[extent.offset..<extent.offset + extent.byteCount])
                return moved
            }
        } else {
            let copied = filesToCopy(live, freshByteCount: fresh.reduce(0) { $0 + $1.count })
            let file = StateFileWriter(try fileSystem.open(path(CheckpointStore.stateName(checkpoint.epoch)), .truncate))
            try file.append(CheckpointStore.stateHead(checkpoint.epoch))
            var sources: [UInt64: MappedBytes] = [:]
            var left = copied.budget
            placed = try tree.map { extent in
                var moved = extent
                if extent.file == .max {
                    moved.offset = file.byteCount
                    try file.append(fresh[extent.offset])
                } else if extent.file == Extent.manifest {
                    moved.offset = file.byteCount
                    try file.append(Array(oldPieces[extent.offset..<extent.offset + extent.byteCount]))
                } else if copied.files.contains(extent.file), extent.byteCount <= left {
                    let source: MappedBytes
                    if let known = sources[extent.file] { source = known } else { source = try mapState(extent.file) }
                    sources[extent.file] = source
                    let bytes = try CheckpointPieces.check(extent, source, path(CheckpointStore.stateName(extent.file)))
                    moved.offset = file.byteCount
                    try file.append(bytes)
                    left -= extent.byteCount
                } else {
                    return extent
                }
                moved.file = checkpoint.epoch
                return moved
            }
            withExtendedLifetime(sources) {}
            // 2.
            try file.finish()
            written += file.byteCount
            byteCounts[checkpoint.epoch] = file.byteCount
            try fileSystem.synchronizeDirectory(directory)
        }
        // 3.
        let manifest = CheckpointManifest(checkpoint: checkpoint, tree: placed, pieces: pieces)
        let bytes = manifest.encoded()
        let target = path(CheckpointStore.manifestName(checkpoint.epoch))
        let file = StateFileWriter(try fileSystem.open(target + ".new", .truncate))
        try file.append(bytes)
        try file.finish()
        try fileSystem.rename(target + ".new", to: target)
        isNamed = true
        try fileSystem.synchronizeDirectory(directory)
        written += bytes.count
        // 4.
        last = manifest
        kept.removeAll { $0.epoch >= checkpoint.epoch }
        kept = kept.suffix(1) + [(checkpoint.epoch, manifest.files)]
        var notice: String?
        do throws(FileError) { try removeOld() } catch { notice = "\(error)" }
        return Published(
            previousEpoch: kept.count > 1 ? kept[0].epoch : 0, byteCount: written, stateByteCount: total, notice: notice)
    }

    /// What was written of a checkpoint that did not come about takes no room until it is tried again.
    private func giveBackRoom(_ epoch: UInt64) {
        for name in [CheckpointStore.stateName(epoch), CheckpointStore.manifestName(epoch) + ".new"] where fileSystem.exists(path(name)) {
            do throws(FileError) { try fileSystem.remove(path(name)) } catch { /* The next attempt writes over it. */ }
        }
    }

    /// The files whose live pieces are to be copied, and how many bytes at most.
    private func filesToCopy(_ live: [UInt64: Int], freshByteCount: Int) -> (files: Set<UInt64>, budget: Int) {
        let order = live.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        let surplus = live.count - CheckpointStore.filesMax
        var files: Set<UInt64> = []
        for (index, (file, byteCount)) in order.enumerated() where index < surplus || byteCount * 2 < byteCounts[file] ?? .max {
            files.insert(file)
        }
        return (files, max(CheckpointStore.copiedByteCountMin, freshByteCount * 2))
    }

    private func removeOld() throws(FileError) {
        let manifests = Set(kept.map(\.epoch))
        let states = kept.reduce(into: Set<UInt64>()) { $0.formUnion($1.files) }
        let names = try fileSystem.list(directory)
        for name in names where name.hasPrefix("checkpoint-") {
            if let epoch = CheckpointStore.epoch(name, after: "checkpoint-"), manifests.contains(epoch) { continue }
            try fileSystem.remove(path(name))
        }
        for name in names where name.hasPrefix("state-") {
            if let epoch = CheckpointStore.epoch(name, after: "state-"), states.contains(epoch) { continue }
            try fileSystem.remove(path(name))
        }
        byteCounts = byteCounts.filter { states.contains($0.key) }
    }
}

/// A checkpoint's file that is not what was written.
package struct CheckpointDamage: Error, Hashable, CustomStringConvertible, Sendable {
    package var path: String
    package var offset: Int
    package var reason: String
    package var isForeign = false
    package var description: String { "\(path), byte \(offset): \(reason)" }
}

/// Appends pieces to a file, a megabyte at a time.
private final class StateFileWriter {
    private let file: any File
    private var buffer: [UInt8] = []
    private var written = 0

    private static let bufferByteCount = 1 << 20

    init(_ file: any File) {
        self.file = file
        buffer.reserveCapacity(StateFileWriter.bufferByteCount)
    }

    var byteCount: Int { written + buffer.count }

    func append(_ bytes: [UInt8]) throws(FileError) {
        var failure: FileError?
        bytes.withUnsafeBytes { raw in
            do throws(FileError) { try append(raw) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        if bytes.count >= StateFileWriter.bufferByteCount / 4 {
            try flush()
            try file.write(bytes, at: written)
            written += bytes.count
            return
        }
        buffer.append(contentsOf: bytes)
        if buffer.count >= StateFileWriter.bufferByteCount { try flush() }
    }

    private func flush() throws(FileError) {
        guard !buffer.isEmpty else { return }
        var failure: FileError?
        buffer.withUnsafeBytes { raw in
            do throws(FileError) { try file.write(raw, at: written) } catch { failure = error }
        }
        if let failure { throw failure }
        written += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    func finish() throws(FileError) {
        try flush()
        if !PlantedBug.isOn(.checkpointWithoutSync) { try file.synchronize() }
    }
}
