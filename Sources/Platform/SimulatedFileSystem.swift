// SimulatedFileSystem: a disk in memory that forgets, tears and fails as told, from a seed.
//
// What is modelled, and what a power cut (`crash`) does to it:
// 1. A file has a durable content and the changes written since its last sync. A crash keeps any subset of those changes, and of a
//    kept write any subset of its sectors (of 512 bytes, or as `sectorByteCount` says). Bytes never written read as zero.
// 2. A name (a file created, renamed or removed, a folder made) is durable after `synchronizeDirectory` of its folder. A crash keeps
//    of each folder's later changes a prefix, as a journalling file system does. A rename is there or not, never half.
// 3. A failed sync loses the changes it should have made durable, although they may stay readable until the crash; a later sync
//    does not bring them back (as Linux behaves).
// 4. Every call on the disk counts as one operation. `failOperation` makes the n-th fail once; `cutPower` lets the n-th take
//    effect in part, after which everything fails until `crash()`.
// 5. Files opened before a crash are dead afterwards. Maps are copies of what was there when they were made.
// 6. `killProcess` is a crash of the program alone: nothing that was written is lost.
// 7. A disk may lie: `misdirectWrite` puts a write where it does not belong, `corrupt` changes a file behind everyone's back. It may be slow:
//    `onEachOperation` may move the clock. It may be full: `setCapacity`.

import Glibc

package final class SimulatedFileSystem: FileSystem, @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let lock = Lock()
    private var random: SeededRandom
    private var names: [String: Node] = [:]
    private var folders: Set<String> = ["/"]
    private var durableNames: [String: Node] = [:]
    private var durableFolders: Set<String> = ["/"]
    private var pendingNames: [(folder: String, change: NameChange)] = []
    private var locks: [String: String] = [:]
    private var generation = 0
    private var operations = 0
    private var syncs: [Int] = []
    private var failures: [Int: Int32] = [:]
    private var powerCutAt: Int?
    private var isOff = false
    private var capacity = Int.max
    private var trace: UInt64 = 0
    private var refusals = 0
    private var misdirectedAt: Int?
    private var misdirected: String?
    private var delay: (@Sendable () -> Void)?
    private let sectorByteCount: Int

    private final class Node {
        var content: [UInt8] = []
        var durable: [UInt8] = []
        var pending: [Change] = []
    }

    private enum Change {
        case write(offset: Int, bytes: [UInt8])
        case truncate(Int)
    }

    private enum NameChange {
        case link(String, Node)
        case unlink(String)
        case rename(String, String, Node)
        case makeFolder(String)
        case removeFolder(String)
    }

    /// `sectorByteCount`: what the disk writes whole or not at all; 512 or 4,096 on real ones.
    package init(seed: UInt64 = 0, sectorByteCount: Int = 512) {
        random = SeededRandom(seed: seed)
        self.sectorByteCount = max(sectorByteCount, 1)
    }

    // MARK: What a test decides and asks

    /// Operations so far.
    package var operationCount: Int { lock.locked { operations } }
    /// The numbers of the operations that were syncs, of files and folders.
    package var syncOperations: [Int] { lock.locked { syncs } }
    /// A hash of all operations so far: equal for equal runs.
    package var traceHash: UInt64 { lock.locked { trace } }

    /// How many operations were made to fail, for whatever reason other than lost power.
    package var refusalCount: Int { lock.locked { refusals } }

    /// Called within every operation: a slow disk moves the clock.
    package func onEachOperation(_ action: (@Sendable () -> Void)?) { lock.locked { delay = action } }

    /// The first write from this operation on goes to another place of the disk, and says that all is well.
    package func misdirectWrite(fromOperation number: Int?) { lock.locked { misdirectedAt = number } }

    /// Whether a misdirected write still waits to happen.
    package var isMisdirecting: Bool { lock.locked { misdirectedAt != nil } }

    /// The file whose write went elsewhere, as long as nothing has been written to it since: nothing in the file itself tells of that.
    package var fileWithMisdirectedEnd: String? { lock.locked { misdirected } }

    /// The process dies and the machine goes on: what was written stays readable, unsynced or not, and all locks are free.
    package func killProcess() {
        lock.locked {
            locks = [:]
            generation += 1
            failures = [:]
            powerCutAt = nil
        }
    }

    /// The operation with this number (the first is 0) fails once.
    package func failOperation(_ number: Int, code: Int32 = EIO) { lock.locked { failures[number] = code } }

    /// Failures that have not come yet will not come.
    package func forgetFailures() { lock.locked { failures = [:] } }

    /// The power goes in the middle of the operation with this number.
    package func cutPower(atOperation number: Int?) { lock.locked { powerCutAt = number } }

    package var isPoweredOff: Bool { lock.locked { isOff } }

    /// Bytes that all files together may hold; writes beyond fail with ENOSPC.
    package func setCapacity(byteCount: Int) { lock.locked { capacity = byteCount } }

    /// The power goes and comes back: unsynced work is lost, kept or torn at random, and all locks are free.
    package func crash() {
        lock.locked {
            for (folder, changes) in Dictionary(grouping: pendingNames, by: \.folder).sorted(by: { $0.key < $1.key }) {
                _ = folder
                for entry in changes.prefix(random.below(changes.count + 1)) { makeDurable(entry.change) }
            }
            pendingNames = []
            // What lies below a folder that did not survive is gone with it.
            folders = durableFolders.filter { durableFolderReachable($0) }
            durableFolders = folders
            names = durableNames.filter { folders.contains(PathText.parent(of: $0.key) ?? "/") }
            durableNames = names
            for (_, node) in names.sorted(by: { $0.key < $1.key }) {
                keepSome(node)
                node.content = node.durable
                node.pending = []
            }
            locks = [:]
            generation += 1
            failures = [:]
            powerCutAt = nil
            isOff = false
        }
    }

    /// Bytes of all files together.
    package var totalByteCount: Int { lock.locked { usedByteCount } }

    /// The files there are, and their bytes as a reader would see them now.
    package func contents(_ path: String) -> [UInt8]? { lock.locked { names[normal(path)]?.content } }
    package var allPaths: [String] { lock.locked { names.keys.sorted() } }

    /// Changes a file behind everyone's back: rot on the disk.
    package func corrupt(_ path: String, _ change: (inout [UInt8]) -> Void) {
        lock.locked {
            guard let node = names[normal(path)] else { return }
            change(&node.content)
            node.durable = node.content
            node.pending = []
        }
    }

    /// A disk with the same durable and visible content, everything synced.
    package func copy(seed: UInt64) -> SimulatedFileSystem {
        let other = SimulatedFileSystem(seed: seed, sectorByteCount: sectorByteCount)
        lock.locked {
            other.folders = folders
            other.durableFolders = folders
            for (path, node) in names {
                let twin = Node()
                twin.content = node.content
                twin.durable = node.content
                other.names[path] = twin
                other.durableNames[path] = twin
            }
        }
        return other
    }

    // MARK: FileSystem

    package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        try lock.locked { () throws(FileError) -> any File in
            let path = normal(path)
            try operate("open", path)
            if let node = names[path] {
                if mode == .truncate {
                    node.content = []
                    node.pending.append(.truncate(0))
                }
                return SimulatedFile(self, node, path, generation)
            }
            guard !folders.contains(path) else { throw FileError(operation: "open", path: path, code: EISDIR) }
            guard mode != .read, let parent = PathText.parent(of: path), folders.contains(parent) else {
                throw FileError(operation: "open", path: path, code: ENOENT)
            }
            let node = Node()
            names[path] = node
            pendingNames.append((parent, .link(path, node)))
            return SimulatedFile(self, node, path, generation)
        }
    }

    package func exists(_ path: String) -> Bool { lock.locked { names[normal(path)] != nil || folders.contains(normal(path)) } }

    package func createDirectory(_ path: String) throws(FileError) {
        try lock.locked { () throws(FileError) in
            let path = normal(path)
            try operate("create folder", path)
            var missing: [String] = []
            var current = path
            while !folders.contains(current) {
                guard names[current] == nil else { throw FileError(operation: "create folder", path: path, code: ENOTDIR) }
                missing.append(current)
                guard let parent = PathText.parent(of: current) else { break }
                current = parent
            }
            for folder in missing.reversed() {
                folders.insert(folder)
                pendingNames.append((PathText.parent(of: folder) ?? "/", .makeFolder(folder)))
            }
        }
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        try lock.locked { () throws(FileError) -> [String] in
            let path = normal(path)
            try operate("list", path)
            guard folders.contains(path) else { throw FileError(operation: "list", path: path, code: ENOENT) }
            let below = Array(names.keys) + Array(folders)
            return below.filter { $0 != path && PathText.parent(of: $0) == path }
                .map { String($0.dropFirst(path == "/" ? 1 : path.count + 1)) }
                .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
    }

    package func rename(_ from: String, to: String) throws(FileError) {
        try lock.locked { () throws(FileError) in
            let from = normal(from)
            let to = normal(to)
            guard let node = names[from], let parent = PathText.parent(of: to), folders.contains(parent) else {
                try operate("rename", from)
                throw FileError(operation: "rename", path: from, code: ENOENT)
            }
            try operate("rename", from, partly: { self.pendingNames.append((parent, .rename(from, to, node))) })
            names[from] = nil
            names[to] = node
            pendingNames.append((parent, .rename(from, to, node)))
        }
    }

    package func remove(_ path: String) throws(FileError) {
        try lock.locked { () throws(FileError) in
            let path = normal(path)
            let parent = PathText.parent(of: path) ?? "/"
            guard names[path] != nil else {
                try operate("remove", path)
                throw FileError(operation: "remove", path: path, code: ENOENT)
            }
            try operate("remove", path, partly: { self.pendingNames.append((parent, .unlink(path))) })
            names[path] = nil
            pendingNames.append((parent, .unlink(path)))
        }
    }

    package func removeTree(_ path: String) throws(FileError) {
        try lock.locked { () throws(FileError) in
            let path = normal(path)
            try operate("remove", path)
            for name in names.keys.sorted() where name == path || name.hasPrefix(path + "/") {
                names[name] = nil
                pendingNames.append((PathText.parent(of: name) ?? "/", .unlink(name)))
            }
            for folder in folders.sorted(by: >) where folder == path || folder.hasPrefix(path + "/") {
                folders.remove(folder)
                pendingNames.append((PathText.parent(of: folder) ?? "/", .removeFolder(folder)))
            }
        }
    }

    package func synchronizeDirectory(_ path: String) throws(FileError) {
        try lock.locked { () throws(FileError) in
            let path = normal(path)
            try operate("sync", path)
            guard folders.contains(path) else { throw FileError(operation: "sync", path: path, code: ENOENT) }
            for entry in pendingNames where entry.folder == path { makeDurable(entry.change) }
            pendingNames.removeAll { $0.folder == path }
        }
    }

    package func lockDirectory(_ path: String, owner: String) throws(FileError) -> any DirectoryLock {
        try lock.locked { () throws(FileError) -> any DirectoryLock in
            let path = normal(path)
            try operate("lock", path)
            if let holder = locks[path] {
                throw FileError(operation: "lock", path: path, code: EWOULDBLOCK, reason: "held by \(holder)")
            }
            locks[path] = "pid 1, \(owner)"
            return SimulatedLock(self, path, generation)
        }
    }

    package func freeByteCount(at path: String) throws(FileError) -> Int {
        lock.locked { capacity == .max ? 1 << 50 : max(capacity - usedByteCount, 0) }
    }

    // MARK: Inside (all with the lock held)

    private var usedByteCount: Int { names.values.reduce(0) { $0 + $1.content.count } }

    private func normal(_ path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }
        return "/" + parts.joined(separator: "/")
    }

    /// Counts an operation and throws when it is to fail. `partly` is what a power cut in its middle may still do.
    private func operate(_ operation: String, _ path: String, partly: (() -> Void)? = nil) throws(FileError) {
        guard !isOff else { throw FileError(operation: operation, path: path, code: EIO, reason: "the power is off") }
        let number = operations
        operations += 1
        if operation == "sync" { syncs.append(number) }
        for byte in operation.utf8 { trace = (trace ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for byte in path.utf8 { trace = (trace ^ UInt64(byte)) &* 0x100_0000_01B3 }
        delay?()
        if powerCutAt == number {
            partly?()
            isOff = true
            throw FileError(operation: operation, path: path, code: EIO, reason: "the power went")
        }
        if let code = failures.removeValue(forKey: number) {
            refusals += 1
            throw FileError(operation: operation, path: path, code: code)
        }
    }

    private func mix(_ word: UInt64) { trace = (trace ^ word) &* 0x100_0000_01B3 }

    /// Puts the bytes of a misdirected write where they do not belong. Returns whether it was one.
    private func misdirect(_ bytes: [UInt8], from path: String) -> Bool {
        if misdirected == path { misdirected = nil }
        guard let from = misdirectedAt, operations > from else { return false }
        let targets = names.filter { $0.value.content.count > 0 }.sorted { $0.key < $1.key }
        guard !targets.isEmpty else { return false }
        misdirectedAt = nil
        misdirected = path
        let node = targets[random.below(targets.count)].value
        let sectors = (node.content.count + 511) / 512
        let offset = random.below(sectors) * 512
        let count = min(bytes.count, node.content.count - offset)
        let change = Change.write(offset: offset, bytes: Array(bytes.prefix(count)))
        SimulatedFileSystem.apply(change, to: &node.content)
        node.pending.append(change)
        return true
    }

    private func makeDurable(_ change: NameChange) {
        switch change {
        case .link(let path, let node): durableNames[path] = node
        case .unlink(let path): durableNames[path] = nil
        case .rename(let from, let to, let node):
            if durableNames[from] === node { durableNames[from] = nil }
            durableNames[to] = node
        case .makeFolder(let path): durableFolders.insert(path)
        case .removeFolder(let path): durableFolders.remove(path)
        }
    }

    private func durableFolderReachable(_ path: String) -> Bool {
        var current = path
        while current != "/" {
            guard durableFolders.contains(current) else { return false }
            current = PathText.parent(of: current) ?? "/"
        }
        return true
    }

    /// Makes a random part of a file's unsynced changes durable.
    private func keepSome(_ node: Node) {
        for change in node.pending {
            switch (change, random.below(3)) {
            case (_, 0): continue
            case (.write(let offset, let bytes), 1):
                var position = 0
                while position < bytes.count {
                    // Sectors begin at multiples of their size in the file.
                    let end = min(position + sectorByteCount - (offset + position) % sectorByteCount, bytes.count)
                    if random.below(2) == 0 {
                        SimulatedFileSystem.apply(.write(offset: offset + position, bytes: Array(bytes[position..<end])), to: &node.durable)
                    }
                    position = end
                }
            default: SimulatedFileSystem.apply(change, to: &node.durable)
            }
        }
    }

    private static func apply(_ change: Change, to content: inout [UInt8]) {
        switch change {
        case .truncate(let byteCount):
            if byteCount < content.count {
                content.removeLast(content.count - byteCount)
            } else {
                content.append(contentsOf: repeatElement(0, count: byteCount - content.count))
            }
        case .write(let offset, let bytes):
            let end = offset + bytes.count
            if content.count < end { content.append(contentsOf: repeatElement(0, count: end - content.count)) }
            content.replaceSubrange(offset..<end, with: bytes)
        }
    }

    private final class SimulatedLock: DirectoryLock, @unchecked Sendable {
        // Safe to share: what changes is a flag.
        private let system: SimulatedFileSystem
        private let path: String
        private let generation: Int
        private let isReleased = Flag()

        init(_ system: SimulatedFileSystem, _ path: String, _ generation: Int) {
            self.system = system
            self.path = path
            self.generation = generation
        }

        func release() {
            if isReleased.exchange() { return }
            system.lock.locked { if system.generation == generation { system.locks[path] = nil } }
        }

        deinit { release() }
    }

    private final class SimulatedFile: File, @unchecked Sendable {
        // Safe to share: the node is touched under the file system's lock only.
        let path: String
        private let system: SimulatedFileSystem
        private let node: Node
        private let generation: Int

        init(_ system: SimulatedFileSystem, _ node: Node, _ path: String, _ generation: Int) {
            self.system = system
            self.node = node
            self.path = path
            self.generation = generation
        }

        private func operate(_ operation: String, partly: (() -> Void)? = nil) throws(FileError) {
            guard system.generation == generation else {
                throw FileError(operation: operation, path: path, code: EBADF, reason: "opened before the crash")
            }
            try system.operate(operation, path, partly: partly)
        }

        func size() throws(FileError) -> Int {
            try system.lock.locked { () throws(FileError) -> Int in
                guard system.generation == generation && !system.isOff else { throw FileError(operation: "stat", path: path, code: EIO) }
                return node.content.count
            }
        }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
            try system.lock.locked { () throws(FileError) -> Int in
                try operate("read")
                let count = max(min(buffer.count, node.content.count - offset), 0)
                if count > 0 { node.content.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count])) } }
                return count
            }
        }

        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
            try system.lock.locked { () throws(FileError) in
                let copy = Array(bytes)
                system.mix(UInt64(truncatingIfNeeded: offset) ^ UInt64(CRC32C.checksum(bytes)) << 32)
                func put(_ count: Int) {
                    let change = Change.write(offset: offset, bytes: Array(copy.prefix(count)))
                    SimulatedFileSystem.apply(change, to: &node.content)
                    node.pending.append(change)
                }
                do throws(FileError) {
                    try operate("write", partly: { put(self.system.random.below(copy.count + 1)) })
                } catch {
                    // A failed write may have written some of it.
                    if !system.isOff && system.generation == generation { put(system.random.below(copy.count + 1)) }
                    throw error
                }
                if system.misdirect(copy, from: path) { return }
                let room = system.capacity == .max ? Int.max : system.capacity - system.usedByteCount
                let growth = max(offset + copy.count - node.content.count, 0)
                guard growth <= room else {
                    put(max(copy.count - (growth - max(room, 0)), 0))
                    system.refusals += 1
                    throw FileError(operation: "write", path: path, code: ENOSPC)
                }
                put(copy.count)
            }
        }

        func synchronize() throws(FileError) {
            try system.lock.locked { () throws(FileError) in
                do throws(FileError) {
                    try operate("sync", partly: { self.system.keepSome(self.node) })
                } catch {
                    if !system.isOff && system.generation == generation {
                        // The changes are no longer waiting, so no later sync brings them to the disk.
                        node.pending = []
                        if system.random.below(2) == 0 { node.content = node.durable }
                    }
                    throw error
                }
                for change in node.pending { SimulatedFileSystem.apply(change, to: &node.durable) }
                node.pending = []
            }
        }

        func truncate(to byteCount: Int) throws(FileError) {
            try system.lock.locked { () throws(FileError) in
                try operate("truncate")
                SimulatedFileSystem.apply(.truncate(byteCount), to: &node.content)
                node.pending.append(.truncate(byteCount))
            }
        }

        func map(byteCount: Int) throws(FileError) -> MappedBytes {
            try system.lock.locked { () throws(FileError) -> MappedBytes in
                try operate("map")
                guard byteCount <= node.content.count else { throw FileError(operation: "map", path: path, code: EINVAL) }
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
                node.content.withUnsafeBytes { memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[0..<byteCount])) }
                return MappedBytes(UnsafeRawBufferPointer(rebasing: memory[0..<byteCount])) { $0.deallocate() }
            }
        }
    }
}
