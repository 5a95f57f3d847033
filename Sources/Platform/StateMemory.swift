// StateMemory: where keyed state lies: in memory up to a budget, beyond it in a file that is mapped.
//
// Tables, arenas and row stores ask here for their large blocks. While all of them together are within the budget a block is ordinary memory. A block
// that would go beyond it is a region of a file in the data directory, mapped read-write: the kernel keeps what is in use of it in its page cache, writes
// the rest out and reads it again when it is touched, so operators need not know. The file has no name: it goes with the process, however that
// ends; what it held comes back from the last checkpoint and the epoch log.
//
// - Room on the disk is taken when a region is made, so that a full disk shows there and not at a store. Then the block is ordinary memory after all, and
//   `refusedByteCount` says how much.
// - `trim` lets pages of regions go when the process holds much more than the budget; they stay in the page cache until the kernel wants the room.
// - A page that cannot be read back ends the process (SIGBUS): the state is lost, the checkpoint is not.
//
// One for the process: blocks are made deep inside operators, which know of no engine. Nothing in a result depends on where a block lies.

import CMillrace
import Glibc

package final class StateMemory: @unchecked Sendable {
    // Safe to share: everything that changes is behind the lock.
    package static let shared = StateMemory()

    /// Smaller blocks are always ordinary memory: they are not counted either.
    package static let largeByteCountMin = 128 * 1024
    private static let pageByteCount = 4096
    /// Past the end of a block, which code that loads whole words may read.
    private static let paddingByteCount = 64
    /// The process may hold so much beside its state before pages are let go.
    private static let slackByteCount = 64 << 20

    private struct Region {
        var offset: Int
        var byteCount: Int
    }

    private let lock = Lock()
    private var budget = Int.max
    private var descriptor: Int32 = -1
    private var regions: [UInt: Region] = [:]
    private var fileEnd = 0
    private var held = 0
    private var spilled = 0
    private var refused = 0
    /// The last region that `trim` let go.
    private var trimmed: UInt = 0

    package struct Figures: Hashable, Sendable {
        /// Large blocks in memory, and in the file.
        package var heldByteCount: Int
        package var spilledByteCount: Int
        /// Beyond the budget, and in memory all the same, because the file could not take it.
        package var refusedByteCount: Int
    }

    package var figures: Figures { lock.locked { Figures(heldByteCount: held, spilledByteCount: spilled, refusedByteCount: refused) } }

    /// At most so many bytes of large blocks in memory; the rest in a file in `directory`, which must exist. nil: no limit.
    package func limit(to byteCount: Int?, directory: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        budget = byteCount ?? .max
        guard byteCount != nil, descriptor < 0 else { return }
        let path = directory + "/spill"
        let opened = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard opened >= 0 || errno == EEXIST else { throw .current("open", path) }
        // Left by a process that was killed between making it and taking its name away.
        descriptor = opened >= 0 ? opened : Glibc.open(path, O_RDWR | O_TRUNC | O_CLOEXEC)
        guard descriptor >= 0 else { throw .current("open", path) }
        unlink(path)
    }

    // MARK: Blocks

    /// A block, aligned to 64 bytes, to 2 MiB when it is large and in memory; its content is undefined.
    package func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        guard byteCount >= StateMemory.largeByteCountMin else { return StateMemory.ordinary(byteCount) }
        lock.lock()
        defer { lock.unlock() }
        if held + byteCount > budget {
            if let region = makeRegion(byteCount) { return region }
            refused += byteCount
        }
        let block = StateMemory.ordinary(byteCount)
        if let block { held += millrace_usable_size(block) }
        return block
    }

    package func free(_ block: UnsafeMutableRawPointer) {
        // Regions begin where pages do.
        if UInt(bitPattern: block) % UInt(StateMemory.pageByteCount) == 0, lock.locked({ removeRegion(block) }) { return }
        let byteCount = millrace_usable_size(block)
        if byteCount >= StateMemory.largeByteCountMin { lock.locked { held -= byteCount } }
        Glibc.free(block)
    }

    /// The block with another size, perhaps elsewhere, with what it held up to the smaller of the two.
    package func resize(_ block: UnsafeMutableRawPointer?, from old: Int, to new: Int) -> UnsafeMutableRawPointer? {
        guard let block else { return allocate(new) }
        lock.lock()
        let isRegion = regions[UInt(bitPattern: block)] != nil
        let usable = isRegion ? 0 : millrace_usable_size(block)
        let counted = usable >= StateMemory.largeByteCountMin ? usable : 0
        if !isRegion, new < StateMemory.largeByteCountMin || held - counted + new <= budget {
            defer { lock.unlock() }
            guard let larger = realloc(block, max(new, 64)) else { return nil }
            let size = millrace_usable_size(larger)
            held += (size >= StateMemory.largeByteCountMin ? size : 0) - counted
            return larger
        }
        lock.unlock()
        guard let other = allocate(new) else { return nil }
        memcpy(other, block, min(old, new))
        free(block)
        return other
    }

    private static func ordinary(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        var memory: UnsafeMutableRawPointer?
        return posix_memalign(&memory, byteCount >= 4 << 20 ? 2 << 20 : 64, max(byteCount, 64)) == 0 ? memory : nil
    }

    private func makeRegion(_ wanted: Int) -> UnsafeMutableRawPointer? {
        let page = StateMemory.pageByteCount
        let byteCount = (wanted + StateMemory.paddingByteCount + page - 1) / page * page
        guard descriptor >= 0, posix_fallocate(descriptor, fileEnd, byteCount) == 0 else { return nil }
        guard let block = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, fileEnd), block != MAP_FAILED else {
            punch(Region(offset: fileEnd, byteCount: byteCount))
            return nil
        }
        regions[UInt(bitPattern: block)] = Region(offset: fileEnd, byteCount: byteCount)
        fileEnd += byteCount
        spilled += byteCount
        return block
    }

    private func removeRegion(_ block: UnsafeMutableRawPointer) -> Bool {
        guard let region = regions.removeValue(forKey: UInt(bitPattern: block)) else { return false }
        munmap(block, region.byteCount)
        spilled -= region.byteCount
        // The room of the last region is taken again; that of others is given back to the disk.
        if region.offset + region.byteCount == fileEnd { fileEnd = region.offset }
        punch(region)
        return true
    }

    private func punch(_ region: Region) {
        _ = millrace_punch_hole(descriptor, Int64(region.offset), Int64(region.byteCount))
    }

    // MARK: Trimming

    /// Lets pages of regions go, those first that were let go longest ago, when the process holds more than the budget and some slack. From
    /// time to time.
    package func trim() {
        guard lock.locked({ spilled > 0 }), let resident = StateMemory.residentByteCount() else { return }
        lock.locked {
            var excess = resident - StateMemory.slackByteCount - budget
            guard excess > 0 else { return }
            let addresses = regions.keys.sorted()
            let start = addresses.firstIndex { $0 > trimmed } ?? 0
            for address in addresses[start...] + addresses[..<start] where excess > 0 {
                guard let region = regions[address], let block = UnsafeMutableRawPointer(bitPattern: address) else { continue }
                madvise(block, region.byteCount, MADV_DONTNEED)
                trimmed = address
                excess -= region.byteCount
            }
        }
    }

    /// Of the whole process.
    private static func residentByteCount() -> Int? {
        let file = Glibc.open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? Int(words[1]).map { $0 * pageByteCount } : nil
    }
}
