// Backup: a copy of a data directory, taken while its engine runs; and the way back.
//
// `take` opens every file in the order of BackupPlan and notes its length then; only after that it copies, which may take long. An open file
// keeps its content when the engine replaces or removes it meanwhile. A list of files that changes while it is gone through is gone through again.
// Each file of the backup is synced; the manifest comes last. `restore` checks every file against the manifest before it writes `format`, without
// which no directory is opened: a restoration that was cut off, or that met a damaged file, leaves nothing that could be taken for a data directory.
//
// Costs: no pause for the engine; reading and writing of all that the directory retains. A file descriptor for each file, all at once.

import Planning
import Platform

package enum Backup {
    private static let chunkByteCount = 1 << 20
    private static let triesMax = 16

    /// A file as it was when it was opened.
    private struct Source {
        /// Below the data directory.
        var path: String
        var file: any File
        var byteCount: Int
    }

    /// Copies a data directory, which another process may be writing, into `target`, which must not be there or be empty.
    package static func take(
        of directory: String, to target: String, clock: any Clock, fileSystem: any FileSystem
    ) throws -> BackupManifest {
        try requireEmpty(target, fileSystem)
        var sources: [Source]?
        for _ in 0..<triesMax where sources == nil { sources = try collect(directory, clock, fileSystem) }
        guard let sources else { throw EngineError("cannot back up \(directory): its definitions or checkpoints change too fast") }
        var manifest = BackupManifest(takenMicroseconds: clock.nowMicroseconds())
        var folders: Set<String> = []
        try fileSystem.createDirectory(target)
        for source in sources {
            manifest.entries.append(try copy(source, to: target, fileSystem, &folders))
        }
        try finish(target, folders, fileSystem)
        try write(manifest.encoded(), to: target + "/" + BackupManifest.fileName, fileSystem)
        try fileSystem.synchronizeDirectory(target)
        return manifest
    }

    /// Makes `directory`, which must not be there or be empty, what the backup holds.
    package static func restore(_ backup: String, to directory: String, fileSystem: any FileSystem) throws -> BackupManifest {
        let path = backup + "/" + BackupManifest.fileName
        guard fileSystem.exists(path) else { throw EngineError("\(backup) is no backup, or one that was not finished: it has no \(BackupManifest.fileName)") }
        let manifest = try BackupManifest.decode(try readAll(path, fileSystem), path: path)
        try requireEmpty(directory, fileSystem)
        try fileSystem.createDirectory(directory)
        var folders: Set<String> = []
        // `format` is what makes it a data directory: it comes last.
        let ordered = manifest.entries.filter { $0.path != "format" } + manifest.entries.filter { $0.path == "format" }
        for entry in ordered {
            if entry.path == "format" { try finish(directory, folders, fileSystem) }
            let file = try fileSystem.open(backup + "/" + entry.path, .read)
            let size = try file.size()
            guard size == entry.byteCount else {
                throw EngineError("the backup is damaged: \(file.path) has \(size) bytes, not \(entry.byteCount)")
            }
            let copied = try copy(Source(path: entry.path, file: file, byteCount: size), to: directory, fileSystem, &folders)
            guard copied.checksum == entry.checksum else {
                throw EngineError("the backup is damaged: the checksum of \(file.path) is \(copied.checksum), not \(entry.checksum)")
            }
        }
        try finish(directory, folders, fileSystem)
        return manifest
    }

    /// Opens every file at its moment. nil when the directory changed in a way that the files opened do not go together.
    private static func collect(_ directory: String, _ clock: any Clock, _ fileSystem: any FileSystem) throws -> [Source]? {
        var options = EngineOptions()
        options.isReadOnly = true
        options.startsQueries = false
        options.isSingleThreaded = true
        options.onNotice = { _ in }
        // Whatever is made from now on is not in this catalog, and so not in the backup.
        let catalog = fileSystem.exists(directory + "/catalog") ? try open(["catalog"], in: directory, fileSystem) : []
        let engine = try Engine(directory: directory, options: options, clock: clock, fileSystem: fileSystem)
        // It only looks: nothing is written when it closes, so nothing can be lost.
        defer { do { try engine.close() } catch {} }
        if let catalog = catalog.first {
            guard try contents(catalog.file) == readAll(directory + "/catalog", fileSystem) else { return nil }
        }
        let plan = try BackupPlan(engine)
        var sources = try open(["format"], in: directory, fileSystem) + catalog
        var newest: [UInt64: UInt64] = [:]
        for (query, folder) in plan.queries.sorted(by: { $0.key < $1.key }) {
            let found = try openAll(of: "queries/\(folder)", in: directory, fileSystem) { !$0.hasPrefix("epochs-") && !$0.hasSuffix(".new") }
            newest[query] = found.compactMap { CheckpointStore.epoch(PathText.name(of: $0.path), after: "checkpoint-") }.max()
            sources += found
        }
        for step in plan.steps {
            switch step {
            case .epochLog(let query):
                let found = try openAll(of: "queries/\(plan.queries[query] ?? "")", in: directory, fileSystem) { $0.hasPrefix("epochs-") }
                // The log must go on where the checkpoint ends.
                let first = found.map { EpochLog.firstEpoch(of: PathText.name(of: $0.path)) }.min()
                if let first, first > (newest[query] ?? 0) &+ 1 { return nil }
                sources += found
            case .stream(let id):
                let folder = "streams/" + PathText.name(of: engine.log.folder(of: id))
                // The description first: shards that a split makes after it are not in it.
                sources += try open([folder + "/stream.meta"], in: directory, fileSystem)
                for shard in try fileSystem.list(directory + "/" + folder) where shard.hasPrefix("shard-") {
                    sources += try openAll(of: folder + "/" + shard, in: directory, fileSystem) {
                        // The witness of what is durable is of the directory as it goes on, not of this moment.
                        !$0.hasSuffix(".tmp") && $0 != "end"
                    }
                }
            }
        }
        return sources
    }

    // MARK: Files

    private static func requireEmpty(_ path: String, _ fileSystem: any FileSystem) throws {
        guard fileSystem.exists(path) else { return }
        guard try fileSystem.list(path).isEmpty else { throw EngineError("\(path) is not empty") }
    }

    private static func open(_ names: [String], in directory: String, _ fileSystem: any FileSystem) throws(FileError) -> [Source] {
        var sources: [Source] = []
        for name in names {
            let file = try fileSystem.open(directory + "/" + name, .read)
            sources.append(Source(path: name, file: file, byteCount: try file.size()))
        }
        return sources
    }

    /// All wanted files of a folder, as they are together: when one has gone meanwhile, the list is made again.
    private static func openAll(
        of folder: String, in directory: String, _ fileSystem: any FileSystem, where isWanted: (String) -> Bool
    ) throws -> [Source] {
        guard fileSystem.exists(directory + "/" + folder) else { return [] }
        var tries = 0
        while true {
            let names = try fileSystem.list(directory + "/" + folder).filter(isWanted)
            do throws(FileError) {
                let found = try open(names.map { folder + "/" + $0 }, in: directory, fileSystem)
                // Files that came while others were opened may hold what those have lost.
                if try fileSystem.list(directory + "/" + folder).filter(isWanted) == names { return found }
                tries += 1
                guard tries < triesMax else { throw FileError(operation: "list", path: folder, code: 0, reason: "it changes too fast") }
            } catch {
                tries += 1
                // 2 is ENOENT: the file went between listing and opening.
                guard error.code == 2, tries < triesMax else { throw error }
            }
        }
    }

    /// Also makes the folders that the file needs, and adds them to `folders`.
    private static func copy(
        _ source: Source, to directory: String, _ fileSystem: any FileSystem, _ folders: inout Set<String>
    ) throws(FileError) -> BackupManifest.Entry {
        let path = directory + "/" + source.path
        var parent = PathText.parent(of: path)
        var missing: [String] = []
        while let folder = parent, folder.utf8.count > directory.utf8.count, folders.insert(folder).inserted {
            missing.append(folder)
            parent = PathText.parent(of: folder)
        }
        if let deepest = missing.first { try fileSystem.createDirectory(deepest) }
        let copy = try fileSystem.open(path, .truncate)
        var chunk = [UInt8](repeating: 0, count: min(chunkByteCount, max(source.byteCount, 1)))
        var offset = 0
        var checksum: UInt32 = 0
        while offset < source.byteCount {
            var failure: FileError?
            let count = chunk.withUnsafeMutableBytes { buffer -> Int in
                let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, source.byteCount - offset)])
                do throws(FileError) {
                    let count = try source.file.read(into: wanted, at: offset)
                    let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(wanted)[..<count])
                    checksum = CRC32C.checksum(bytes, seed: checksum)
                    if count > 0 { try copy.write(bytes, at: offset) }
                    return count
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            // Cut back meanwhile: only bytes that nobody has been told of are ever cut.
            if count == 0 { break }
            offset += count
        }
        try copy.synchronize()
        return BackupManifest.Entry(path: source.path, byteCount: offset, checksum: checksum)
    }

    /// The names of all files and folders made, durable.
    private static func finish(_ directory: String, _ folders: Set<String>, _ fileSystem: any FileSystem) throws(FileError) {
        for folder in folders.sorted() { try fileSystem.synchronizeDirectory(folder) }
        try fileSystem.synchronizeDirectory(directory)
        // The parent may belong to somebody else.
        if let parent = PathText.parent(of: directory) { do { try fileSystem.synchronizeDirectory(parent) } catch {} }
    }

    private static func write(_ bytes: [UInt8], to path: String, _ fileSystem: any FileSystem) throws(FileError) {
        let file = try fileSystem.open(path, .truncate)
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try file.write(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        try file.synchronize()
    }

    private static func readAll(_ path: String, _ fileSystem: any FileSystem) throws -> [UInt8] { try contents(try fileSystem.open(path, .read)) }

    private static func contents(_ file: any File) throws -> [UInt8] {
        let size = try file.size()
        guard size <= 1 << 30 else { throw EngineError("\(file.path) is too long for what it should be") }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return Array(bytes.prefix(count))
    }
}
