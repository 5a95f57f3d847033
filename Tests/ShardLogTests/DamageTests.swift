// Damage at the end of what was on the disk, rows given up, copies, versions, failing and full disks.

import Columns
import Glibc
import Platform
import XCTest

@testable import ShardLog

final class DamageTests: XCTestCase {
    /// A stream of four appends of three rows each, closed.
    private func closed(_ change: (inout StreamDescription) -> Void = { _ in }) throws -> (disk: SimulatedFileSystem, path: String, frame: Int) {
        let bench = Bench()
        let (directory, stream) = try bench.make(numberSchema, change)
        for append in 0..<4 { try stream.append(numberBatch(append * 3..<append * 3 + 3), arrivalMicroseconds: Int64(append)) }
        try directory.close()
        let disk = bench.system.copy(seed: 1)
        let path = try XCTUnwrap(bench.segmentPaths.first)
        return (disk, path, (try XCTUnwrap(disk.contents(path)).count - 64) / 4)
    }

    func testACutEndOfWhatWasClosedIsDamageAndNoTornWrite() throws {
        let (disk, path, frame) = try closed()
        let size = try XCTUnwrap(disk.contents(path)).count
        for length in 0..<size {
            let system = disk.copy(seed: 1)
            system.corrupt(path) { $0.removeLast(size - length) }
            let bench = Bench(system: system)
            let verified = try LogVerifier.verify("/data", system)
            XCTAssertFalse(verified.faults.isEmpty, "\(length)")
            let directory = try bench.open()
            let stream = try XCTUnwrap(directory.stream(named: "s"))
            let shard = stream.shards[0]
            XCTAssertEqual(directory.recovery.truncations.map(\.description), [], "\(length)")
            XCTAssertEqual(shard.endSequence, 12, "\(length): numbers would be given again")
            let whole = UInt64(max(length - 64, 0) / frame * 3)
            XCTAssertEqual(stream.damage.filter { !$0.sequences.isEmpty }.map(\.sequences), [whole..<12], "\(length)")
            XCTAssertEqual(ids((0..<whole).compactMap { next in (try? stream.reader(shard: 0).read(from: next, rowLimit: 1, columns: [0, 1])).flatMap { $0 }.map { rows($0.batch)[0] } }), Array(0..<Int(whole)))
            for row in whole..<12 {
                XCTAssertThrowsError(try stream.reader(shard: 0).read(from: row, rowLimit: 1, columns: [0])) {
                    guard case LogError.damaged(let damage) = $0 else { return XCTFail("\($0)") }
                    XCTAssertTrue(damage.sequences.contains(row), "\(length)")
                }
            }
            // The shard takes rows behind the damage.
            XCTAssertEqual(try stream.append(numberBatch(50..<51), arrivalMicroseconds: 9).parts[0].sequences, 12..<13)
            XCTAssertEqual(ids(try readAll(shard, from: 12, columns: [0])), [50])
        }
    }

    func testRowsGivenUpAreReadOver() throws {
        let (disk, path, frame) = try closed()
        disk.corrupt(path) { $0[64 + frame + 300] ^= 1 }
        let bench = Bench(system: disk)
        do {
            let stream = try XCTUnwrap(bench.open().stream(named: "s"))
            let shard = stream.shards[0]
            XCTAssertThrowsError(try readAll(stream))
            XCTAssertThrowsError(try shard.giveUp(3..<13, nowMicroseconds: 0)) { XCTAssertTrue("\($0)".contains("no row 12"), "\($0)") }
            XCTAssertThrowsError(try shard.giveUp(3..<3, nowMicroseconds: 0))
            try shard.giveUp(3..<6, nowMicroseconds: 0)
            XCTAssertEqual(try stream.verify(), [])
        }
        for round in 0..<2 {
            let again = Bench(system: disk.copy(seed: UInt64(round)))
            let directory = try again.open(readOnly: round == 1)
            let stream = try XCTUnwrap(directory.stream(named: "s"))
            XCTAssertEqual(directory.recovery.damage, [])
            XCTAssertEqual(stream.statistics[0].givenUpRowCount, 3)
            var next: UInt64 = 0
            var found: [Int] = []
            while let part = try stream.reader(shard: 0).read(from: next, rowLimit: 2, columns: [0]) {
                XCTAssertTrue(part.firstSequence >= next)
                found += ids(rows(part.batch))
                next = part.nextSequence
            }
            XCTAssertEqual(found, [0, 1, 2, 6, 7, 8, 9, 10, 11])
            XCTAssertNil(try stream.reader(shard: 0).read(from: 3, to: 6, rowLimit: 10, columns: [0]))
            XCTAssertEqual(stream.shards[0].readable(from: 4), 6)
            XCTAssertEqual(stream.shards[0].interruption(after: 1, limit: 12), 3)
            XCTAssertEqual(try LogVerifier.verify("/data", again.system).faults, [])
        }
        // Damaged itself, the list gives nothing up: the damage is met again.
        let list = try XCTUnwrap(disk.allPaths.first { $0.hasSuffix("/given-up") })
        for position in 0..<(try XCTUnwrap(disk.contents(list)).count) {
            let copy = disk.copy(seed: 3)
            copy.corrupt(list) { $0[position] ^= 4 }
            let stream = try XCTUnwrap(Bench(system: copy).open().stream(named: "s"))
            XCTAssertThrowsError(try readAll(stream), "\(position)")
            XCTAssertFalse(stream.damage.isEmpty)
        }
    }

    func testAShardThatCannotTellItsEndIsToldIt() throws {
        // Never closed, so no witness; then the file of the last segment is lost.
        let bench = Bench()
        let (_, stream) = try bench.make { $0.segmentByteCount = 600 }
        for append in 0..<4 { try stream.append(numberBatch(append * 3..<append * 3 + 3), arrivalMicroseconds: 0) }
        let disk = bench.system.copy(seed: 1)
        let last = try XCTUnwrap(bench.segmentPaths.last)
        disk.corrupt(last) { $0 = [] }
        let again = Bench(system: disk)
        let directory = try again.open()
        let shard = try XCTUnwrap(directory.stream(named: "s")).shards[0]
        let end = shard.endSequence
        XCTAssertLessThan(end, 12)
        XCTAssertTrue(shard.isFenced)
        for _ in 0..<100 { _ = try shard.maintain(nowMicroseconds: 0) }
        XCTAssertTrue(shard.isFenced, "damage is not lifted by waiting")
        try shard.giveUp(end..<12, nowMicroseconds: 0)
        XCTAssertFalse(shard.isFenced)
        let revived = try XCTUnwrap(directory.stream(named: "s"))
        XCTAssertEqual(try revived.append(numberBatch(60..<61), arrivalMicroseconds: 0).parts[0].sequences, 12..<13)
        let reopened = try XCTUnwrap(Bench(system: disk.copy(seed: 2)).open().stream(named: "s"))
        XCTAssertEqual(reopened.shards[0].endSequence, 13)
        XCTAssertEqual(reopened.damage.filter { !$0.sequences.isEmpty }, [])
        XCTAssertEqual(ids(try readAll(reopened.shards[0], from: 12, columns: [0])), [60])
    }

    func testAnotherVersionOfAnyFileIsRefusedAndNothingIsTouched() throws {
        let (disk, path, _) = try closed()
        func raise(_ path: String, _ change: (inout [UInt8]) -> Void) throws {
            let system = disk.copy(seed: 1)
            system.corrupt(path, change)
            if path.hasSuffix(".meta") { system.corrupt(path + ".copy", change) }
            let before = system.allPaths.map { system.contents($0) }
            for readOnly in [true, false] {
                XCTAssertThrowsError(try Bench(system: system).open(readOnly: readOnly), path) {
                    guard case LogError.version(let file, "2", _) = $0 else { return XCTFail("\(path): \($0)") }
                    XCTAssertEqual(file, path)
                }
            }
            XCTAssertEqual(system.allPaths.map { system.contents($0) }, before, path)
            XCTAssertThrowsError(try LogVerifier.verify("/data", system))
        }
        func sum(_ bytes: [UInt8], _ range: Range<Int>, seed: UInt32 = 0) -> UInt32 {
            bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[range]), seed: seed) }
        }
        func put(_ value: UInt32, _ bytes: inout [UInt8], _ offset: Int) {
            for byte in 0..<4 { bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)) }
        }
        try raise(path) { bytes in
            bytes[12] = 2
            put(sum(bytes, 12..<64, seed: sum(bytes, 0..<8)), &bytes, 8)
        }
        let meta = try XCTUnwrap(disk.allPaths.first { $0.hasSuffix("stream.meta") })
        try raise(meta) { $0[8] = 2 }
        // A version that only the description has and not its copy is a flipped bit.
        let system = disk.copy(seed: 1)
        system.corrupt(meta) { $0[8] = 2 }
        let directory = try Bench(system: system).open()
        XCTAssertEqual(directory.recovery.damage.count, 1)
        XCTAssertEqual(ids(try readAll(XCTUnwrap(directory.stream(named: "s")))[0]), Array(0..<12))
        // Frames: found when the stream is opened.
        let frames = disk.copy(seed: 1)
        frames.corrupt(path) { bytes in
            bytes[64 + 12] = 2
            RecoveryTests.mendChecksums(&bytes, at: 64)
        }
        XCTAssertThrowsError(try Bench(system: frames).open()) {
            guard case LogError.version = $0 else { return XCTFail("\($0)") }
        }
    }

    func testFencedShardsComeBackByThemselves() throws {
        for seed in 0..<10 as Range<UInt64> {
            let bench = Bench(seed: seed)
            let (_, stream) = try bench.make()
            try stream.append(numberBatch(0..<3), arrivalMicroseconds: 0)
            bench.system.failOperation(bench.system.operationCount + Int(seed % 2))
            XCTAssertThrowsError(try stream.append(numberBatch(3..<6), arrivalMicroseconds: 0))
            XCTAssertTrue(stream.shards[0].isFenced)
            for _ in 0..<5 { _ = try stream.maintain(nowMicroseconds: 0) }
            XCTAssertFalse(stream.shards[0].isFenced)
            try stream.append(numberBatch(6..<9), arrivalMicroseconds: 0)
            XCTAssertEqual(ids(try readAll(stream)[0]), [0, 1, 2, 6, 7, 8])
        }
    }

    func testARollThatFailsHalfwayIsFinished() throws {
        for operation in 0..<9 {
            let bench = Bench(seed: UInt64(operation))
            let (_, stream) = try bench.make()
            try stream.append(numberBatch(0..<3), arrivalMicroseconds: 0)
            bench.system.failOperation(bench.system.operationCount + operation, code: EMFILE)
            do { try stream.shards[0].rollNow(nowMicroseconds: 0) } catch { XCTAssertTrue(error.isShortage, "\(error)") }
            bench.system.forgetFailures()
            for _ in 0..<5 { _ = try stream.maintain(nowMicroseconds: 0) }
            for append in 1..<4 { try stream.append(numberBatch(append * 3..<append * 3 + 3), arrivalMicroseconds: 0) }
            XCTAssertEqual(ids(try readAll(stream)[0]), Array(0..<12), "operation \(operation)")
            bench.system.crash()
            let directory = try bench.open()
            XCTAssertEqual(directory.recovery.damage, [], "operation \(operation)")
            XCTAssertEqual(ids(try readAll(XCTUnwrap(directory.stream(named: "s")))[0]), Array(0..<12), "operation \(operation)")
        }
    }

    func testAnAppendWaitsForRoom() throws {
        let system = SimulatedFileSystem(seed: 1)
        let directory = try LogDirectory("/data", system, SystemClock(), owner: "test", syncThreadCount: 1, shortageWaitMilliseconds: 20_000)
        var description = StreamDescription(name: "s", schema: numberSchema, shardCount: 2)
        description.partitionColumns = [0]
        let stream = try directory.create(description)
        try stream.append(numberBatch(0..<10), arrivalMicroseconds: 0)
        system.setCapacity(byteCount: 0)
        let thread = try XCTUnwrap(
            JoinableThread {
                usleep(300_000)
                system.setCapacity(byteCount: .max)
            })
        let result = try stream.append(numberBatch(10..<200), arrivalMicroseconds: 0)
        thread.join()
        XCTAssertEqual(result.rowCount, 190)
        XCTAssertEqual(try readAll(stream).map(ids).joined().sorted(), Array(0..<200))
        // A stream may say that it does not wait.
        description.name = "u"
        description.properties[StreamDescription.shortageWaitProperty] = "0"
        let hasty = try directory.create(description)
        system.setCapacity(byteCount: 0)
        XCTAssertThrowsError(try hasty.append(numberBatch(0..<200), arrivalMicroseconds: 0)) { XCTAssertTrue(($0 as? LogError)?.isShortage == true) }
        XCTAssertEqual(try readAll(stream).map(ids).joined().count, 200, "reading goes on")
        system.setCapacity(byteCount: .max)
        try hasty.reopen(nowMicroseconds: 0)
        try hasty.append(numberBatch(0..<200), arrivalMicroseconds: 0)
        XCTAssertEqual(try readAll(hasty).map(ids).joined().sorted(), Array(0..<200))
    }
}
