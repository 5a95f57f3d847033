// LogClock: a time that nobody sets, for the age of rows.
//
// It begins at the wall clock and goes on with the monotonic one, so a wall clock that jumps does not move it. Within one boot of the machine it also goes
// on from one process to the next: the file `clock` in the data directory says what it read when, by a monotonic clock that counts from the boot. After a
// boot there is only the wall clock to believe, but never less than was reckoned before.
//
// The file: magic (8), CRC32C of the rest (4), version (4), boot (8), monotonic nanoseconds (8), reckoned microseconds (8). Written durably when the
// directory is opened, now and then without a sync, and when it is closed. Any reading of the same boot serves the next process.

import Columns
import Platform

final class LogClock: @unchecked Sendable {
    // Safe to share: what changes is behind the lock.
    private let path: String
    private let system: any FileSystem
    private let clock: any Clock
    private let lock = Lock()
    private var startMicroseconds: Int64
    private let startNanoseconds: UInt64
    private var savedNanoseconds: UInt64

    private static let magic: UInt64 = 0x314B_4C43_4C4C_494D  // "MILLCLK1"
    private static let version: UInt32 = 1
    private static let saveNanoseconds: UInt64 = 60_000_000_000

    init(directory: String, _ system: any FileSystem, _ clock: any Clock) {
        path = directory + "/clock"
        self.system = system
        self.clock = clock
        startNanoseconds = clock.monotonicNanoseconds()
        savedNanoseconds = startNanoseconds
        startMicroseconds = clock.nowMicroseconds()
        guard let saved = LogClock.read(path, system) else { return }
        if saved.boot != 0, saved.boot == clock.bootIdentity, saved.nanoseconds <= startNanoseconds {
            startMicroseconds = saved.microseconds &+ Int64(clamping: (startNanoseconds - saved.nanoseconds) / 1_000)
        } else {
            startMicroseconds = max(startMicroseconds, saved.microseconds)
        }
    }

    func nowMicroseconds() -> Int64 {
        let now = clock.monotonicNanoseconds()
        guard now > startNanoseconds else { return startMicroseconds }
        return startMicroseconds.addingReportingOverflow(Int64(clamping: (now - startNanoseconds) / 1_000)).partialValue
    }

    /// Writes the reading down when the last time is long ago, or `always`. A failure is none.
    func save(always: Bool = false, durably: Bool = false) {
        let now = clock.monotonicNanoseconds()
        let isDue = lock.locked { () -> Bool in
            guard always || now &- savedNanoseconds >= LogClock.saveNanoseconds else { return false }
            savedNanoseconds = now
            return true
        }
        guard isDue else { return }
        var body = ByteWriter()
        body.put(LogClock.version)
        body.put(clock.bootIdentity)
        body.put(now)
        body.put(nowMicroseconds())
        var file = ByteWriter()
        file.put(LogClock.magic)
        file.put(body.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        let bytes = file.bytes + body.bytes
        let buffer = bytes.withUnsafeBytes { Buffer(copying: $0) }
        do throws(FileError) {
            let isNew = !system.exists(path)
            let target = try system.open(path, .readWrite)
            try target.write(UnsafeRawBufferPointer(start: buffer.base, count: bytes.count), at: 0)
            guard durably else { return }
            try target.synchronize()
            if isNew, let folder = PathText.parent(of: path) { try system.synchronizeDirectory(folder) }
        } catch {
            // The next one may succeed, and an older reading is no less true.
        }
    }

    private static func read(_ path: String, _ system: any FileSystem) -> (boot: UInt64, nanoseconds: UInt64, microseconds: Int64)? {
        guard system.exists(path) else { return nil }
        let bytes: [UInt8]
        do throws(FileError) { bytes = try SmallFile.read(path, system, byteCountMax: 4_096) } catch { return nil }
        var reader = ByteReader(bytes)
        guard reader.number(UInt64.self) == magic, let crc = reader.number(UInt32.self), bytes.count == 40,
            bytes.withUnsafeBytes({ CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[12...])) }) == crc,
            reader.number(UInt32.self) == version, let boot = reader.number(UInt64.self), let nanoseconds = reader.number(UInt64.self),
            let microseconds = reader.number(Int64.self)
        else { return nil }
        return (boot, nanoseconds, microseconds)
    }
}
