// LogDirectory: the streams below a data directory.
//
//   DIR/format                        "millrace 1": what this program may touch at all
//   DIR/lock                          held by the process that writes; its text says who
//   DIR/streams/<id>/stream.meta      the description; written last when a stream is created, so a folder without one is an unfinished creation
//   DIR/streams/<id>/dropped          written first when a stream is dropped; what is left of the folder goes at the next opening
//   DIR/streams/<id>/shard-<n>/seg-<first sequence>.log
//
// A process that only looks (`isReadOnly`) takes no lock and changes nothing; `refresh` shows it what the writer has done since.

import Columns
import Platform

/// What opening found and did: for the operator's eyes.
package struct RecoveryReport: Sendable {
    package var truncations: [LogTruncation] = []
    package var damage: [LogDamage] = []
    /// Streams that cannot be opened, and why; the others are there.
    package var failures: [(path: String, reason: String)] = []

    package init() {}
}

package final class LogDirectory: @unchecked Sendable {
    // Safe to share: mutable state is under the lock.
    package let path: String
    package let isReadOnly: Bool
    /// Told of every append to any stream.
    package let signal: LogSignal
    private let system: any FileSystem
    private let clock: any Clock
    private let pool: WorkerPool?
    private let directoryLock: (any DirectoryLock)?
    private let lock = Lock()
    private var open: [UInt64: LogStream] = [:]
    private var nextID: UInt64 = 1
    private var found = RecoveryReport()

    package static let formatLine = "millrace 1"

    /// Opens a data directory, making it when it is not there. `syncThreadCount` threads sync the shards of one append side by side; 1 keeps
    /// everything on the caller's thread (simulation).
    package init(
        _ path: String, _ system: any FileSystem, _ clock: any Clock, isReadOnly: Bool = false, owner: String? = nil,
        signal: LogSignal = LogSignal(), syncThreadCount: Int = 4
    ) throws(LogError) {
        self.path = path
        self.system = system
        self.clock = clock
        self.signal = signal
        self.isReadOnly = isReadOnly
        // These threads wait for the disk: they never spin.
        pool = isReadOnly || syncThreadCount <= 1 ? nil : WorkerPool(workerCount: syncThreadCount, spinMicroseconds: 0)
        if isReadOnly {
            directoryLock = nil
            guard system.exists(path + "/format") else { throw .format(path: path, reason: "not a data directory of millrace") }
            try LogDirectory.checkFormat(path, system)
        } else {
            try onDisk { () throws(FileError) in try system.createDirectory(path) }
            // A directory of another version is refused before anything in it is touched.
            if system.exists(path + "/format") { try LogDirectory.checkFormat(path, system) }
            let name = owner ?? ProcessIdentity.description(nowMicroseconds: clock.nowMicroseconds())
            do throws(FileError) {
                directoryLock = try system.lockDirectory(path, owner: name)
            } catch {
                if error.reason.hasPrefix("held by") { throw .held(path: path, owner: error.reason) }
                throw .file(error)
            }
            try LogDirectory.makeFormat(path, system)
        }
        try openAll()
    }

    // MARK: Streams

    /// All streams, by name.
    package var streams: [LogStream] { lock.locked { open.values.sorted { $0.name < $1.name } } }
    package func stream(named name: String) -> LogStream? { lock.locked { open.values.first { $0.name == name } } }
    package func stream(id: UInt64) -> LogStream? { lock.locked { open[id] } }
    package var recovery: RecoveryReport { lock.locked { found } }

    /// Makes a stream; it is there for good when this returns.
    package func create(_ description: StreamDescription) throws(LogError) -> LogStream {
        guard !isReadOnly else { throw .readOnly(path: path) }
        var description = description
        if let fault = description.fault { throw .mismatch(stream: description.name, reason: fault) }
        let now = clock.nowMicroseconds()
        try lock.locked { () throws(LogError) in
            if open.values.contains(where: { $0.name == description.name }) { throw .streamExists(description.name) }
            if description.id == 0 { description.id = nextID }
            if open[description.id] != nil { throw .streamExists("with id \(description.id)") }
            nextID = max(nextID, description.id + 1)
        }
        description.createdMicroseconds = now
        let folder = folder(of: description.id)
        let stream: LogStream
        do throws(LogError) {
            // What a failed creation left.
            try onDisk { () throws(FileError) in if system.exists(folder) { try system.removeTree(folder) } }
            try onDisk { () throws(FileError) in try system.createDirectory(folder) }
            for shard in description.shards { try Shard.create(settings(description, shard), system, nowMicroseconds: now) }
            try onDisk { () throws(FileError) in
                try system.synchronizeDirectory(folder)
                try system.synchronizeDirectory(path + "/streams")
            }
            try writeDescription(description)
            stream = try openStream(description)
        } catch {
            // Best effort; a folder without a description is removed at the next opening anyway.
            do { try system.removeTree(folder) } catch {}
            throw error
        }
        lock.locked { open[description.id] = stream }
        return stream
    }

    /// Removes a stream and its rows. Batches that were read from it stay valid.
    package func drop(_ stream: LogStream) throws(LogError) {
        guard !isReadOnly else { throw .readOnly(path: path) }
        let known = lock.locked { open.removeValue(forKey: stream.description.id) }
        guard known != nil else { throw .unknownStream(stream.name) }
        let folder = folder(of: stream.description.id)
        do throws(LogError) {
            try onDisk { () throws(FileError) in
                let marker = try system.open(folder + "/dropped", .truncate)
                try marker.synchronize()
                try system.synchronizeDirectory(folder)
            }
        } catch {
            lock.locked { open[stream.description.id] = stream }
            throw error
        }
        do { try stream.close() } catch {}
        try onDisk { () throws(FileError) in
            try system.removeTree(folder)
            try system.synchronizeDirectory(path + "/streams")
        }
    }

    /// Replaces what can change about a stream: name, retention, sync, properties. The old object takes no more rows; go on with the
    /// one that is returned.
    package func update(_ description: StreamDescription) throws(LogError) -> LogStream {
        guard !isReadOnly else { throw .readOnly(path: path) }
        guard let old = stream(id: description.id) else { throw .unknownStream(description.name) }
        guard old.schema == description.schema, old.description.shards == description.shards else {
            throw .mismatch(stream: old.name, reason: "columns and shards cannot be changed")
        }
        if let fault = description.fault { throw .mismatch(stream: description.name, reason: fault) }
        try old.close()
        try writeDescription(description)
        let stream = try openStream(description)
        lock.locked { open[description.id] = stream }
        return stream
    }

    /// Care for all streams; see LogStream.maintain.
    @discardableResult
    package func maintain() throws(LogError) -> MaintenanceResult {
        var result = MaintenanceResult()
        var failure: LogError?
        for stream in streams {
            do throws(LogError) { result.add(try stream.maintain(nowMicroseconds: clock.nowMicroseconds())) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return result
    }

    /// A read-only directory: sees new streams, new rows, and that streams are gone. Returns whether there are new rows.
    @discardableResult
    package func refresh() throws(LogError) -> Bool {
        guard isReadOnly else { return false }
        let ids = try streamIDs()
        lock.locked { for id in open.keys where !ids.contains(id) { open[id] = nil } }
        var hasNew = false
        for id in ids {
            if let stream = stream(id: id) {
                if try stream.refresh() { hasNew = true }
            } else if system.exists(folder(of: id) + "/stream.meta"), !system.exists(folder(of: id) + "/dropped") {
                let stream = try openStream(try readDescription(id))
                lock.locked { open[id] = stream }
                hasNew = true
            }
        }
        return hasNew
    }

    /// Syncs everything and takes no more appends.
    package func close() throws(LogError) {
        var failure: LogError?
        for stream in streams {
            do throws(LogError) { try stream.close() } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    // MARK: Inside

    private static func checkFormat(_ path: String, _ system: any FileSystem) throws(LogError) {
        let file = path + "/format"
        let bytes = try onDisk { () throws(FileError) in try readAll(file, system, byteCountMax: 4_096) }
        let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        guard line == formatLine else {
            throw .format(path: file, reason: "the data directory has the format '\(line.prefix(64))', this program knows '\(formatLine)'")
        }
    }

    private static func makeFormat(_ path: String, _ system: any FileSystem) throws(LogError) {
        try onDisk { () throws(FileError) in
            try system.createDirectory(path + "/streams")
            if !system.exists(path + "/format") { try replace(path + "/format", with: Array((formatLine + "\n").utf8), in: path, system) }
            try system.synchronizeDirectory(path)
            // The directory itself may be new; its parent may belong to somebody else, which is no reason to fail.
            if let parent = PathText.parent(of: path) { do { try system.synchronizeDirectory(parent) } catch {} }
        }
    }

    private static func readAll(_ path: String, _ system: any FileSystem, byteCountMax: Int) throws(FileError) -> [UInt8] {
        let file = try system.open(path, .read)
        let size = min(try file.size(), byteCountMax)
        var bytes = [UInt8](repeating: 0, count: size)
        var failure: FileError?
        let count = bytes.withUnsafeMutableBytes { target -> Int in
            do throws(FileError) { return try file.read(into: target, at: 0) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return Array(bytes.prefix(count))
    }

    /// Replaces a small file as a whole, durably.
    private static func replace(_ path: String, with bytes: [UInt8], in folder: String, _ system: any FileSystem) throws(FileError) {
        let draft = try system.open(path + ".tmp", .truncate)
        let buffer = bytes.withUnsafeBytes { Buffer(copying: $0) }
        try draft.write(UnsafeRawBufferPointer(start: buffer.base, count: bytes.count), at: 0)
        try draft.synchronize()
        try system.rename(path + ".tmp", to: path)
        try system.synchronizeDirectory(folder)
    }

    package func folder(of id: UInt64) -> String {
        let digits = String(id)
        return path + "/streams/" + String(repeating: "0", count: max(8 - digits.count, 0)) + digits
    }

    private func streamIDs() throws(LogError) -> [UInt64] {
        try onDisk { () throws(FileError) in try system.list(path + "/streams") }.compactMap { UInt64($0) }
    }

    private func settings(_ description: StreamDescription, _ shard: ShardDescription) -> ShardSettings {
        let digits = String(shard.index)
        return ShardSettings(
            stream: description.name, index: shard.index,
            directory: folder(of: description.id) + "/shard-" + String(repeating: "0", count: max(4 - digits.count, 0)) + digits,
            shape: description.shape(ofShard: shard.index), sync: description.sync, segmentByteCount: description.segmentByteCount,
            retentionMicroseconds: description.retentionMicroseconds,
            retentionByteCount: description.retentionByteCount.map { $0 / max(description.shards.count, 1) })
    }

    private func writeDescription(_ description: StreamDescription) throws(LogError) {
        let folder = folder(of: description.id)
        try onDisk { () throws(FileError) in
            try LogDirectory.replace(folder + "/stream.meta", with: description.encoded(), in: folder, system)
        }
    }

    private func readDescription(_ id: UInt64) throws(LogError) -> StreamDescription {
        let file = folder(of: id) + "/stream.meta"
        let bytes = try onDisk { () throws(FileError) in try LogDirectory.readAll(file, system, byteCountMax: 32 << 20) }
        let description = try StreamDescription.decode(bytes, path: file)
        guard description.id == id else { throw .format(path: file, reason: "the description of another stream") }
        return description
    }

    private func openStream(_ description: StreamDescription) throws(LogError) -> LogStream {
        var shards: [Shard] = []
        var truncations: [LogTruncation] = []
        for shard in description.shards {
            shards.append(
                try Shard.open(
                    settings(description, shard), system, signal, isReadOnly: isReadOnly, nowMicroseconds: clock.nowMicroseconds(),
                    truncations: &truncations))
        }
        lock.locked {
            found.truncations += truncations
            found.damage += shards.flatMap(\.damage)
        }
        return LogStream(description, shards, pool: pool, directoryLock: directoryLock)
    }

    /// Opens every stream. One that cannot be opened is reported and does not keep the others from opening.
    private func openAll() throws(LogError) {
        for id in try streamIDs() {
            nextID = max(nextID, id + 1)
            let folder = folder(of: id)
            if system.exists(folder + "/dropped") {
                if !isReadOnly { try onDisk { () throws(FileError) in try system.removeTree(folder) } }
                continue
            }
            do throws(LogError) {
                if !system.exists(folder + "/stream.meta") {
                    if isReadOnly { continue }
                    guard try isUnfinished(folder) else { throw .format(path: folder, reason: "the description of a stream with rows is missing") }
                    try onDisk { () throws(FileError) in try system.removeTree(folder) }
                    continue
                }
                open[id] = try openStream(try readDescription(id))
            } catch {
                found.failures.append((folder, "\(error)"))
            }
        }
    }

    /// Whether no file below a stream's folder holds more than the header of an empty segment.
    private func isUnfinished(_ folder: String) throws(LogError) -> Bool {
        try onDisk { () throws(FileError) -> Bool in
            for shard in try system.list(folder) where shard.hasPrefix("shard-") {
                for name in try system.list(folder + "/" + shard) where name.hasSuffix(".log") {
                    if try system.open(folder + "/" + shard + "/" + name, .read).size() > SegmentHeader.fixedByteCount { return false }
                }
            }
            return true
        }
    }
}
