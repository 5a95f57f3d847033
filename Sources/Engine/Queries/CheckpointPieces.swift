// CheckpointPieces: the pieces of one checkpoint, read and checked.
//
// State files are mapped; every piece's CRC32C is compared before anything is made of it. Operators then read from the maps.

import Columns
import Dataflow
import Platform

final class CheckpointPieces: @unchecked Sendable {
    // Safe to share: files are mapped before pieces are checked by several threads, each in its own place.
    private let manifest: CheckpointManifest
    private let store: CheckpointStore
    private var files: [UInt64: MappedBytes] = [:]

    init(_ manifest: CheckpointManifest, _ store: CheckpointStore) {
        self.manifest = manifest
        self.store = store
    }

    /// Of the state files.
    var byteCounts: [UInt64: Int] { files.mapValues { $0.bytes.count } }

    /// All pieces; throws for the first that is not what was written.
    func read(pool: WorkerPool) throws(CheckpointDamage) -> StateTree<Buffer> {
        for file in manifest.files.sorted() { files[file] = try store.mapState(file) }
        var extents: [Extent] = []
        manifest.tree.forEach { extents.append($0) }
        if let damage = firstDamage(extents, pool: pool) { throw damage }
        let pieces = manifest.pieces.withUnsafeBytes { Buffer(copying: $0) }
        return manifest.tree.map { extent in
            let (base, owner): (UnsafeRawPointer, AnyObject) =
                if let file = files[extent.file], let base = file.bytes.baseAddress { (base, file) } else { (UnsafeRawPointer(pieces.base), pieces) }
            return Buffer(borrowing: base + extent.offset, byteCount: extent.byteCount, owner: owner)
        }
    }

    private func firstDamage(_ extents: [Extent], pool: WorkerPool) -> CheckpointDamage? {
        let chunk = 64
        let chunkCount = (extents.count + chunk - 1) / chunk
        let results = DamageSlots(chunkCount)
        pool.run(count: chunkCount) { number in
            for extent in extents[number * chunk..<min((number + 1) * chunk, extents.count)] {
                guard let damage = self.damage(extent) else { continue }
                results.set(number, damage)
                return
            }
        }
        return results.first
    }

    private func damage(_ extent: Extent) -> CheckpointDamage? {
        do throws(CheckpointDamage) {
            try check(extent)
            return nil
        } catch { return error }
    }

    private func check(_ extent: Extent) throws(CheckpointDamage) {
        if let file = files[extent.file] {
            _ = try CheckpointPieces.check(extent, file, store.path(CheckpointStore.stateName(extent.file)))
            return
        }
        let path = store.path(CheckpointStore.manifestName(manifest.checkpoint.epoch))
        let pieces = manifest.pieces
        guard extent.file == Extent.manifest, extent.offset <= pieces.count, extent.byteCount <= pieces.count - extent.offset,
            pieces.withUnsafeBytes({ CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[extent.offset..<extent.offset + extent.byteCount])) })
                == extent.crc
        else { throw CheckpointDamage(path: path, offset: extent.offset, reason: "the checksum of a piece does not fit it") }
    }

    /// The bytes of a piece in a state file.
    static func check(_ extent: Extent, _ file: MappedBytes, _ path: String) throws(CheckpointDamage) -> UnsafeRawBufferPointer {
        guard extent.offset <= file.bytes.count, extent.byteCount <= file.bytes.count - extent.offset else {
            throw CheckpointDamage(
                path: path, offset: file.bytes.count,
                reason: "the file ends before a piece of \(extent.byteCount) bytes at \(extent.offset) does")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[extent.offset..<extent.offset + extent.byteCount])
        do throws(FileError) { try file.bringIn(bytes) } catch {
            throw CheckpointDamage(path: path, offset: extent.offset, reason: error.reason)
        }
        guard CRC32C.checksum(bytes) == extent.crc else {
            throw CheckpointDamage(path: path, offset: extent.offset, reason: "the checksum of a piece of \(extent.byteCount) bytes does not fit it")
        }
        return bytes
    }

    /// Every fault, for people.
    func allDamage() -> [CheckpointDamage] {
        var found: [CheckpointDamage] = []
        var missing: Set<UInt64> = []
        for file in manifest.files.sorted() {
            do throws(CheckpointDamage) { files[file] = try store.mapState(file) } catch {
                found.append(error)
                missing.insert(file)
            }
        }
        manifest.tree.forEach { extent in
            if !missing.contains(extent.file), let damage = damage(extent) { found.append(damage) }
        }
        return found
    }
}

/// What was found by each of several threads.
private final class DamageSlots: @unchecked Sendable {
    // Safe to share: the lock guards the slots.
    private let lock = Lock()
    private var slots: [CheckpointDamage?]

    init(_ count: Int) { slots = Array(repeating: nil, count: count) }

    func set(_ slot: Int, _ damage: CheckpointDamage) { lock.locked { slots[slot] = damage } }
    var first: CheckpointDamage? { lock.locked { slots.lazy.compactMap { $0 }.first } }
}
