// LogDirectory: the streams below a data directory.
//
//   DIR/format                        "millrace 1": what this program may touch at all
//   DIR/lock                          held by the process that writes; its text says who
//   DIR/clock                         the reckoned time (LogClock)
//   DIR/streams/<id>/stream.meta      the description; written last when a stream is created, so a folder without one is an unfinished creation
//   DIR/streams/<id>/stream.meta.copy the same again: taken when the description is damaged
//   DIR/streams/<id>/dropped          written first when a stream is dropped; what is left of the folder goes at the next opening
//   DIR/streams/<id>/shard-<n>/seg-<first sequence>.log, end (ShardEnd), given-up (GivenUpRows)
//
// Each of these files carries a version. One that this program does not know keeps the whole directory from opening, before anything in it is
// changed; damage keeps at most its own stream from opening.
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
    private let reckoned: LogClock
    private let shortageWaitMilliseconds: Int
    private let endsWaiting = Flag()
    private let lock = Lock()
    private var open: [UInt64: LogStream] = [:]
    private var nextID: UInt64 = 1
    private var found = RecoveryReport()

    package static let formatLine = "millrace 1"

    /// Opens a data directory, making it when it is not there. `syncThreadCount` threads sync the shards of one append side by side; 1 keeps
    /// everything on the caller's thread (simulation). An append that the disk has no room for is tried again for `shortageWaitMilliseconds`, unless
    /// its stream says otherwise.
    package init(
        _ path: String, _ system: any FileSystem, _ clock: any Clock, isReadOnly: Bool = false, owner: String? = nil,
        signal: LogSignal = LogSignal(), syncThreadCount: Int = 4, shortageWaitMilliseconds: Int = 0
    ) throws(LogError) {
        self.path = path
        self.shortageWaitMilliseconds = shortageWaitMilliseconds
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
            try LogDirectory.checkVersions(path, system)
            reckoned = LogClock(directory: path, system, clock)
        } else {
            try onDisk { () throws(FileError) in try system.createDirectory(path) }
            // A directory of another version is refused before anything in it is touched.
            if system.exists(path + "/format") {
                try LogDirectory.checkFormat(path, system)
                try LogDirectory.checkVersions(path, system)
            } else if system.exists(path + "/streams"), try !LogDirectory.streamIDs(path, system).isEmpty {
                throw .format(path: path + "/format", reason: "the file is missing from a data directory with streams; it says '\(LogDirectory.formatLine)'")
            }
            reckoned = LogClock(directory: path, system, clock)
            let name = owner ?? ProcessIdentity.description(nowMicroseconds: clock.nowMicroseconds())
            do throws(FileError) {
                directoryLock = try system.lockDirectory(path, owner: name)
            } catch {
                if error.reason.hasPrefix("held by") { throw .held(path: path, owner: error.reason) }
                throw .file(error)
            }
            try LogDirectory.makeFormat(path, system)
            reckoned.save(always: true, durably: true)
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
        let folder = LogDirectory.folder(of: description.id, in: path)
        let stream: LogStream
        do throws(LogError) {
            // What a failed creation left.
            try onDisk { () throws(FileError) in if system.exists(folder) { try system.removeTree(folder) } }
            try onDisk { () throws(FileError) in try system.createDirectory(folder) }
            for shard in description.shards { try Shard.create(LogDirectory.settings(description, shard, in: path), system, nowMicroseconds: now) }
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

    /// Removes a stream and its rows. Batches that were read from it stay valid. When the files cannot be removed the stream is gone from this object
    /// all the same, and the error tells that they are still there: the next opening finds them, or what has not been removed of them.
    package func drop(_ stream: LogStream) throws(LogError) {
        guard !isReadOnly else { throw .readOnly(path: path) }
        let known = lock.locked { open.removeValue(forKey: stream.description.id) }
        guard known != nil else { throw .unknownStream(stream.name) }
        let folder = LogDirectory.folder(of: stream.description.id, in: path)
        do { try stream.close() } catch {}
        try onDisk { () throws(FileError) in
            let marker = try system.open(folder + "/dropped", .truncate)
            try marker.synchronize()
            try system.synchronizeDirectory(folder)
        }
        try onDisk { () throws(FileError) in
            try system.removeTree(folder)
            try system.synchronizeDirectory(path + "/streams")
        }
    }

    /// Removes the files of a stream that could not be opened.
    package func discard(id: UInt64) throws(LogError) {
        guard !isReadOnly else { throw .readOnly(path: path) }
        guard stream(id: id) == nil else { throw .streamExists("with id \(id)") }
        let folder = LogDirectory.folder(of: id, in: path)
        guard system.exists(folder) else { return }
        try onDisk { () throws(FileError) in
            let marker = try system.open(folder + "/dropped", .truncate)
            try marker.synchronize()
            try system.synchronizeDirectory(folder)
            try system.removeTree(folder)
            try system.synchronizeDirectory(path + "/streams")
        }
        lock.locked { found.failures.removeAll { $0.path == folder } }
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
        // A failure up to here changes nothing that counts.
        try writeDescription(description)
        try old.close()
        let stream = try openStream(description)
        lock.locked { open[description.id] = stream }
        return stream
    }

    /// Splits a shard of a stream or merges two, while rows come and are read. Returns the new shards. Appends wait meanwhile: for the making of the
    /// folders and of the description, a few syncs. When it fails the stream goes on as it was.
    package func change(_ stream: LogStream, _ change: ShardChange) throws(LogError) -> [Int] {
        guard !isReadOnly else { throw .readOnly(path: path) }
        guard self.stream(id: stream.description.id) === stream else { throw .unknownStream(stream.name) }
        var made: [Int] = []
        try stream.changeLayout { before throws(LogError) -> (StreamDescription, [Shard]) in
            let (description, closed, added) = try before.description.applying(change)
            for index in closed {
                if let fault = before.shards[index].fault { throw fault }
                // What children of it hold must not be durable before what it holds.
                try before.shards[index].synchronize()
            }
            let now = clock.nowMicroseconds()
            var shards = before.shards
            for index in added {
                let settings = LogDirectory.settings(description, description.shards[index], in: path)
                // What a change that failed has left.
                try onDisk { () throws(FileError) in if system.exists(settings.directory) { try system.removeTree(settings.directory) } }
                try Shard.create(settings, system, nowMicroseconds: now)
            }
            try onDisk { () throws(FileError) in try system.synchronizeDirectory(folder(of: description.id)) }
            for index in added { shards.append(try openShard(description, index)) }
            try writeDescription(description)
            for index in closed { shards[index].seal() }
            made = added
            return (description, shards)
        }
        signal.notify()
        return made
    }

    /// A read-only stream: sees that the writing process has split or merged shards. Returns whether it has.
    private func follow(_ stream: LogStream) throws(LogError) -> Bool {
        let known = stream.description
        // Cheaper than the description, and there before it says so.
        let next = ShardDescription(index: known.shards.count, range: HashKeyRange(first: 0, last: .max))
        guard system.exists(LogDirectory.settings(known, next, in: path).directory),
            let found = try LogDirectory.readDescription(known.id, in: path, system).description, found.shards.count > known.shards.count
        else { return false }
        try stream.changeLayout { before throws(LogError) -> (StreamDescription, [Shard]) in
            var shards = before.shards
            for index in shards.count..<found.shards.count { shards.append(try openShard(found, index)) }
            for index in found.shards.indices where found.shards[index].isClosed { shards[index].seal() }
            return (found, shards)
        }
        return true
    }

    /// Care for all streams; see LogStream.maintain.
    @discardableResult
    package func maintain() throws(LogError) -> MaintenanceResult {
        var result = MaintenanceResult()
        var failure: LogError?
        for stream in streams {
            do throws(LogError) {
                result.add(try stream.maintain(nowMicroseconds: clock.nowMicroseconds(), reckonedMicroseconds: reckoned.nowMicroseconds()))
            } catch { failure = failure ?? error }
        }
        if !isReadOnly { reckoned.save() }
        if let failure { throw failure }
        return result
    }

    /// A read-only directory: sees new streams, new rows, and that streams are gone. Returns whether there are new rows.
    @discardableResult
    package func refresh() throws(LogError) -> Bool {
        guard isReadOnly else { return false }
        let ids = try LogDirectory.streamIDs(path, system)
        lock.locked { for id in open.keys where !ids.contains(id) { open[id] = nil } }
        var hasNew = false
        for id in ids {
            if let stream = stream(id: id) {
                if try follow(stream) { hasNew = true }
                if try stream.refresh() { hasNew = true }
            } else if case let folder = LogDirectory.folder(of: id, in: path), system.exists(folder + "/stream.meta"),
                !system.exists(folder + "/dropped"), let description = try LogDirectory.readDescription(id, in: path, system).description {
                let stream = try openStream(description)
                lock.locked { open[id] = stream }
                hasNew = true
            }
        }
        return hasNew
    }

    /// Appends that wait for room on a full disk fail now, and later ones at once: somebody wants to close.
    package func stopWaiting() { endsWaiting.set() }

    /// Syncs everything and takes no more appends.
    package func close() throws(LogError) {
        var failure: LogError?
        for stream in streams {
            do throws(LogError) { try stream.close() } catch { failure = failure ?? error }
        }
        if !isReadOnly { reckoned.save(always: true) }
        // Whoever still holds a stream can write nothing any more.
        directoryLock?.release()
        if let failure { throw failure }
    }

    // MARK: Inside

    static func checkFormat(_ path: String, _ system: any FileSystem) throws(LogError) {
        let file = path + "/format"
        let bytes = try onDisk { () throws(FileError) in try SmallFile.read(file, system, byteCountMax: 4_096) }
        let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        guard line == formatLine else {
            throw .format(path: file, reason: "the data directory has the format '\(line.prefix(64))', this program knows '\(formatLine)'")
        }
    }

    /// Looks into every description and segment header for a version that is not known, before anything is changed. What is damaged or cannot be read
    /// is not looked at here.
    private static func checkVersions(_ path: String, _ system: any FileSystem) throws(LogError) {
        guard system.exists(path + "/streams") else { return }
        for id in try streamIDs(path, system) {
            let folder = folder(of: id, in: path)
            let meta = folder + "/stream.meta"
            if system.exists(meta), let head = try head(meta, system), let found = StreamDescription.unknownVersion(head),
                try isUnknown(meta + ".copy", system) {
                throw .version(path: meta, found: "\(found)", known: "version \(StreamDescription.version)")
            }
            let shards: [String]
            do throws(FileError) { shards = try system.list(folder) } catch { continue }
            for shard in shards where shard.hasPrefix("shard-") {
                let names: [String]
                do throws(FileError) { names = try system.list(folder + "/" + shard) } catch { continue }
                for name in names where SegmentHeader.firstSequence(ofFile: name) != nil {
                    let file = folder + "/" + shard + "/" + name
                    if let head = try head(file, system), let found = SegmentHeader.unknownVersion(head) {
                        throw .version(path: file, found: "\(found)", known: "version \(SegmentHeader.version)")
                    }
                }
            }
        }
    }

    /// Whether a copy of a description says nothing else: a version that only one of the two has is damage.
    private static func isUnknown(_ copy: String, _ system: any FileSystem) throws(LogError) -> Bool {
        guard system.exists(copy), let head = try head(copy, system) else { return true }
        return StreamDescription.unknownVersion(head) != nil
    }

    private static func head(_ file: String, _ system: any FileSystem) throws(LogError) -> [UInt8]? {
        do throws(FileError) { return try SmallFile.read(file, system, byteCountMax: 65_536) } catch {
            if error.isShortage { throw .file(error) }
            return nil
        }
    }

    private static func makeFormat(_ path: String, _ system: any FileSystem) throws(LogError) {
        try onDisk { () throws(FileError) in
            try system.createDirectory(path + "/streams")
            if !system.exists(path + "/format") { try SmallFile.replace(path + "/format", with: Array((formatLine + "\n").utf8), in: path, system) }
            try system.synchronizeDirectory(path)
            // The directory itself may be new; its parent may belong to somebody else, which is no reason to fail.
            if let parent = PathText.parent(of: path) { do { try system.synchronizeDirectory(parent) } catch {} }
        }
    }

    package func folder(of id: UInt64) -> String { LogDirectory.folder(of: id, in: path) }

    static func folder(of id: UInt64, in path: String) -> String {
        let digits = String(id)
        return path + "/streams/" + String(repeating: "0", count: max(8 - digits.count, 0)) + digits
    }

    static func streamIDs(_ path: String, _ system: any FileSystem) throws(LogError) -> [UInt64] {
        try onDisk { () throws(FileError) in try system.list(path + "/streams") }.compactMap { UInt64($0) }
    }

    static func settings(_ description: StreamDescription, _ shard: ShardDescription, in path: String) -> ShardSettings {
        let digits = String(shard.index)
        return ShardSettings(
            stream: description.name, index: shard.index,
            directory: folder(of: description.id, in: path) + "/shard-" + String(repeating: "0", count: max(4 - digits.count, 0)) + digits,
            shape: description.shape(ofShard: shard.index), sync: description.sync, segmentByteCount: description.segmentByteCount,
            retentionMicroseconds: description.retentionMicroseconds,
            retentionByteCount: description.retentionByteCount.map { $0 / max(description.shards.count { !$0.isClosed }, 1) })
    }

    private func writeDescription(_ description: StreamDescription) throws(LogError) {
        let folder = LogDirectory.folder(of: description.id, in: path)
        let bytes = description.encoded()
        try onDisk { () throws(FileError) in
            // The copy first: while the two differ, the one that counts is the one that was acknowledged. Its name lasts with the other's.
            try SmallFile.put(folder + "/stream.meta.copy", bytes, system)
            try SmallFile.replace(folder + "/stream.meta", with: bytes, in: folder, system)
        }
    }

    /// A stream's description, from its file or, when that is damaged, from the copy; and what is wrong with either. Nil when both are.
    static func readDescription(
        _ id: UInt64, in path: String, _ system: any FileSystem
    ) throws(LogError) -> (description: StreamDescription?, faults: [(file: String, reason: String)]) {
        let folder = folder(of: id, in: path)
        var faults: [(file: String, reason: String)] = []
        var found: StreamDescription?
        var unknownVersion: LogError?
        for file in [folder + "/stream.meta", folder + "/stream.meta.copy"] {
            guard system.exists(file) else {
                if file.hasSuffix(".meta") { faults.append((file, "the description of the stream is missing")) }
                continue
            }
            do throws(LogError) {
                let bytes = try onDisk { () throws(FileError) in try SmallFile.read(file, system, byteCountMax: 32 << 20) }
                let description = try StreamDescription.decode(bytes, path: file)
                guard description.id == id else { throw .format(path: file, reason: "the description of another stream") }
                found = found ?? description
            } catch {
                switch error {
                case .format(_, let reason): faults.append((file, reason))
                case .file(let cause) where !cause.isShortage: faults.append((file, "\(error)"))
                case .version(_, let version, _):
                    unknownVersion = unknownVersion ?? error
                    faults.append((file, "the description of the stream has the unknown version \(version)"))
                default: throw error
                }
            }
        }
        if found == nil, let unknownVersion { throw unknownVersion }
        return (found, faults)
    }

    private func openStream(_ description: StreamDescription) throws(LogError) -> LogStream {
        var shards: [Shard] = []
        for index in description.shards.indices { shards.append(try openShard(description, index)) }
        let wait = description.properties[StreamDescription.shortageWaitProperty].flatMap { Int($0) } ?? shortageWaitMilliseconds
        return LogStream(
            description, shards, pool: pool, directoryLock: directoryLock, clock: clock, shortageWaitMilliseconds: max(wait, 0),
            endsWaiting: endsWaiting)
    }

    private func openShard(_ description: StreamDescription, _ index: Int) throws(LogError) -> Shard {
        var truncations: [LogTruncation] = []
        let shard = try Shard.open(
            LogDirectory.settings(description, description.shards[index], in: path), system, signal, isReadOnly: isReadOnly,
            nowMicroseconds: clock.nowMicroseconds(), truncations: &truncations)
        if description.shards[index].isClosed { shard.seal() }
        lock.locked {
            found.truncations += truncations
            found.damage += shard.damage
        }
        return shard
    }

    /// Opens every stream. One that cannot be opened is reported and does not keep the others from opening.
    private func openAll() throws(LogError) {
        for id in try LogDirectory.streamIDs(path, system) where id < .max {
            nextID = max(nextID, id + 1)
            let folder = LogDirectory.folder(of: id, in: path)
            if system.exists(folder + "/dropped") {
                if !isReadOnly { try onDisk { () throws(FileError) in try system.removeTree(folder) } }
                continue
            }
            do throws(LogError) {
                if !system.exists(folder + "/stream.meta"), try isUnfinished(folder) {
                    if !isReadOnly { try onDisk { () throws(FileError) in try system.removeTree(folder) } }
                    continue
                }
                let (description, faults) = try LogDirectory.readDescription(id, in: path, system)
                for (file, reason) in faults {
                    let more = description == nil ? "" : "; its copy is used"
                    found.damage.append(LogDamage(file: file, offset: 0, byteCount: 0, sequences: 0..<0, reason: reason + more))
                }
                guard let description else { throw .format(path: folder, reason: faults.first?.reason ?? "the stream has no description") }
                open[id] = try openStream(description)
                if !isReadOnly, !faults.isEmpty { mend(description) }
            } catch {
                // An unknown version, and what has run out and may come back, are no fault of the stream: nothing is opened rather than a part.
                if error.isUnknownVersion || error.isShortage { throw error }
                found.failures.append((folder, "\(error)"))
            }
        }
    }

    /// Puts a whole description in the place of a damaged one. When that fails it is tried again at the next opening.
    private func mend(_ description: StreamDescription) {
        do throws(LogError) { try writeDescription(description) } catch {}
    }

    /// Whether no file below a stream's folder holds more than the header of an empty segment.
    private func isUnfinished(_ folder: String) throws(LogError) -> Bool {
        try onDisk { () throws(FileError) -> Bool in
            for shard in try system.list(folder) where shard.hasPrefix("shard-") {
                for name in try system.list(folder + "/" + shard) where name.hasSuffix(".log") {
                    // An unfinished creation has one segment, of no rows.
                    if SegmentHeader.firstSequence(ofFile: name) != 0 { return false }
                    if try system.open(folder + "/" + shard + "/" + name, .read).size() > SegmentHeader.fixedByteCount { return false }
                }
            }
            return true
        }
    }
}
