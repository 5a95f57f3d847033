import Columns
import Glibc
import Platform
import ShardLog
import XCTest

final class RecoveryTests: XCTestCase {
    /// A stream of a few small appends on a simulated disk, closed or left as a process that was killed leaves it.
    private func small(_ appends: Int = 4, closes: Bool = true, _ change: (inout StreamDescription) -> Void = { _ in }) throws -> SimulatedFileSystem {
        let bench = Bench()
        let (directory, stream) = try bench.make(numberSchema, change)
        for append in 0..<appends { try stream.append(numberBatch(append * 3..<append * 3 + 3), producer: 7, epoch: UInt64(append + 1), arrivalMicroseconds: Int64(append)) }
        if closes { try directory.close() }
        return bench.system.copy(seed: 1)
    }

    func testTornTailAtEveryByte() throws {
        let disk = try small(closes: false)
        let path = try XCTUnwrap(Bench(system: disk).segmentPaths.first)
        let size = try XCTUnwrap(disk.contents(path)).count
        // Frames: every append is one, all of the same length.
        let frame = (size - 64) / 4
        for length in 64...size {
            let system = disk.copy(seed: UInt64(length))
            system.corrupt(path) { $0.removeLast(size - length) }
            let bench = Bench(system: system)
            let directory = try bench.open()
            let stream = try XCTUnwrap(directory.stream(named: "s"))
            let whole = (length - 64) / frame
            XCTAssertEqual(ids(try readAll(stream)[0]), Array(0..<whole * 3), "\(length)")
            XCTAssertEqual(directory.recovery.truncations.map(\.offset), (length - 64) % frame == 0 ? [] : [64 + whole * frame])
            XCTAssertEqual(stream.shards[0].lastEpoch(of: 7), whole == 0 ? nil : UInt64(whole))
            // It goes on where it was cut.
            try stream.append(numberBatch(whole * 3..<whole * 3 + 2), arrivalMicroseconds: 9)
            XCTAssertEqual(ids(try readAll(stream)[0]), Array(0..<whole * 3 + 2))
        }
    }

    func testEveryFlippedBitIsFoundOrHarmless() throws {
        // Two closed segments and an active one.
        let disk = try small(6) { $0.segmentByteCount = 600 }
        let paths = Bench(system: disk).segmentPaths
        XCTAssertGreaterThan(paths.count, 2)
        let wanted = Array(0..<18)
        for path in disk.allPaths where !path.hasSuffix("/lock") {
            let size = try XCTUnwrap(disk.contents(path)).count
            for position in 0..<size where !path.hasSuffix("/end") || position % 4_096 < 64 {
                let system = disk.copy(seed: 1)
                system.corrupt(path) { $0[position] ^= 1 << UInt8(position % 8) }
                let bench = Bench(system: system)
                let directory: LogDirectory
                do { directory = try bench.open() } catch { continue }
                guard let stream = directory.stream(named: "s") else {
                    XCTAssertFalse(directory.recovery.failures.isEmpty, "\(path) \(position)")
                    continue
                }
                var served: [Int] = []
                var errors = 0
                let reader = stream.reader(shard: 0)
                var next: UInt64 = 0
                while next < 18 {
                    do {
                        guard let part = try reader.read(from: next, rowLimit: 1, columns: [0, 1]) else { break }
                        let row = rows(part.batch)[0]
                        XCTAssertEqual(row.values, [.integer(Int64(next)), .string("row \(next)")], "\(path) \(position)")
                        served.append(Int(next))
                    } catch {
                        guard case LogError.damaged(let damage) = error else { return XCTFail("\(error)") }
                        XCTAssertTrue(damage.sequences.contains(next) && damage.file == path, "\(damage)")
                        errors += 1
                    }
                    next += 1
                }
                if served != wanted {
                    XCTAssertTrue(errors > 0 || !directory.recovery.truncations.isEmpty, "\(path) \(position)")
                    // At most the rows of one frame, or those behind a tail that is cut.
                    XCTAssertTrue(wanted.count - served.count <= 3 || !directory.recovery.truncations.isEmpty, "\(path) \(position) \(served)")
                    // Nothing that was numbered is numbered again, but at a cut tail.
                    XCTAssertTrue(stream.shards[0].endSequence >= 18 || !directory.recovery.truncations.isEmpty)
                } else if errors == 0, !["/end", "/clock"].contains(where: { path.hasSuffix($0) }) {
                    // What only helps may be damaged without a word.
                    let found = try stream.verify()
                    XCTAssertFalse(
                        found.isEmpty && directory.recovery.truncations.isEmpty && directory.recovery.damage.isEmpty, "\(path) \(position) went unnoticed")
                }
                if !stream.shards[0].isFenced {
                    let before = stream.shards[0].endSequence
                    try stream.append(numberBatch(100..<101), arrivalMicroseconds: 9)
                    XCTAssertEqual(try readAll(stream.shards[0], from: before, columns: [0]).map(\.values), [[.integer(100)]])
                }
            }
        }
    }

    func testDamageInTheMiddleOfTheActiveSegmentIsNotCutOff() throws {
        let disk = try small(5)
        let path = try XCTUnwrap(Bench(system: disk).segmentPaths.first)
        let frame = (try XCTUnwrap(disk.contents(path)).count - 64) / 5
        disk.corrupt(path) { $0[64 + frame + 300] ^= 0x10 }
        var bench = Bench(system: disk)
        for round in 0..<2 {
            let directory = try bench.open()
            let stream = try XCTUnwrap(directory.stream(named: "s"))
            XCTAssertEqual(directory.recovery.truncations, [])
            // The second time the segment is closed, and its columns are checked when they are read.
            XCTAssertEqual(try stream.verify().map(\.sequences), [3..<6], "round \(round)")
            XCTAssertEqual(try stream.verify().map(\.offset), [64 + frame])
            if round == 0 { XCTAssertEqual(directory.recovery.damage.map(\.sequences), [3..<6]) }
            XCTAssertEqual(ids(try readAll(stream.shards[0], from: 6, columns: [0])), Array(6..<15) + (round == 0 ? [] : [50]))
            let reader = stream.reader(shard: 0)
            XCTAssertEqual(try reader.read(from: 0, rowLimit: 100, columns: [0])?.batch.count, 3)
            XCTAssertThrowsError(try reader.read(from: 3, rowLimit: 100, columns: [0])) {
                XCTAssertTrue("\($0)".contains(path) && "\($0)".contains("rows 3...5"), "\($0)")
            }
            if round == 0 {
                let result = try stream.append(numberBatch(50..<51), arrivalMicroseconds: 1)
                XCTAssertEqual(result.parts[0].sequences, 15..<16)
                try directory.close()
                bench = Bench(system: disk.copy(seed: 2))
            }
        }
    }

    func testLostSegmentsAreDamage() throws {
        let disk = try small(6) { $0.segmentByteCount = 600 }
        let paths = Bench(system: disk).segmentPaths
        try disk.remove(paths[1])
        let bench = Bench(system: disk.copy(seed: 1))
        let stream = try XCTUnwrap(bench.open().stream(named: "s"))
        let hole = try XCTUnwrap(stream.damage.first)
        XCTAssertThrowsError(try readAll(stream.shards[0], from: hole.sequences.lowerBound, columns: [0]))
        XCTAssertEqual(ids(try readAll(stream.shards[0], from: hole.sequences.upperBound, columns: [0])), Array(Int(hole.sequences.upperBound)..<18))
        for path in bench.segmentPaths { try bench.system.remove(path) }
        // The witness says where the rows ended: no number is given twice.
        let known = try XCTUnwrap(Bench(system: bench.system.copy(seed: 1)).open().stream(named: "s"))
        XCTAssertEqual(known.damage.map(\.sequences), [0..<18])
        XCTAssertEqual(try known.append(numberBatch(0..<1), arrivalMicroseconds: 0).parts[0].sequences, 18..<19)
        for path in bench.system.allPaths where path.hasSuffix("/end") { try bench.system.remove(path) }
        let empty = try XCTUnwrap(Bench(system: bench.system.copy(seed: 1)).open().stream(named: "s"))
        XCTAssertThrowsError(try empty.append(numberBatch(0..<1), arrivalMicroseconds: 0))
        XCTAssertThrowsError(try empty.reopen(nowMicroseconds: 0))
        XCTAssertFalse(empty.damage.isEmpty)
    }

    /// A fixed piece of work; returns the rows that were acknowledged, by shard.
    private func work(_ bench: Bench, _ acknowledged: inout [[Int]], _ sync: SyncPolicy) throws {
        let (_, stream) = try bench.make(shards: 2) {
            $0.partitionColumns = [0]
            $0.segmentByteCount = 4_000
            $0.sync = sync
        }
        for epoch in 0..<14 {
            let batch = numberBatch(epoch * 10..<epoch * 10 + 10)
            let result = try stream.append(batch, producer: 3, epoch: UInt64(epoch + 1), arrivalMicroseconds: Int64(epoch))
            XCTAssertEqual(result.rowCount, 10)
            acknowledged.append(Array(epoch * 10..<epoch * 10 + 10))
            if epoch % 5 == 4 { while try stream.maintain(nowMicroseconds: Int64(epoch) * 1_000_000).hasMore {} }
        }
    }

    func testPowerCutAtEveryOperation() throws {
        let dry = Bench()
        var ignored: [[Int]] = []
        try work(dry, &ignored, .always)
        let operationCount = dry.system.operationCount
        XCTAssertGreaterThan(operationCount, 60)
        for cut in 0..<operationCount {
            for seed in 0..<3 as Range<UInt64> {
                let bench = Bench(seed: seed &* 1_000 &+ UInt64(cut))
                bench.system.cutPower(atOperation: cut)
                var acknowledged: [[Int]] = []
                XCTAssertThrowsError(try work(bench, &acknowledged, .always))
                bench.system.crash()
                try checkAfterCrash(bench, acknowledged, "cut \(cut) seed \(seed)")
            }
        }
    }

    private func checkAfterCrash(_ bench: Bench, _ acknowledged: [[Int]], _ label: String) throws {
        // The recovery itself is cut off once, too.
        let start = bench.system.operationCount
        bench.system.cutPower(atOperation: start + acknowledged.count % 7 + 2)
        _ = try? bench.open()
        bench.system.crash()
        let directory = try bench.open()
        XCTAssertTrue(directory.recovery.failures.isEmpty, "\(label) \(directory.recovery.failures)")
        guard let stream = directory.stream(named: "s") else { return XCTAssertTrue(acknowledged.isEmpty, label) }
        XCTAssertEqual(directory.recovery.damage, [], label)
        let found = try readAll(stream).map(ids)
        let all = found.joined().sorted()
        XCTAssertEqual(Set(all).count, all.count, label)
        for append in acknowledged { XCTAssertTrue(Set(append).isSubset(of: all), "\(label): lost of \(append)") }
        // At most the append in flight is there besides, in each shard as a whole or not at all; a repetition completes it.
        let epoch = acknowledged.count
        XCTAssertTrue(all.allSatisfy { $0 < (epoch + 1) * 10 }, label)
        try stream.append(numberBatch(epoch * 10..<epoch * 10 + 10), producer: 3, epoch: UInt64(epoch + 1), arrivalMicroseconds: 99)
        XCTAssertEqual(try readAll(stream).map(ids).joined().sorted(), Array(0..<(epoch + 1) * 10), label)
        for shard in try readAll(stream).map(ids) { XCTAssertEqual(shard, shard.sorted(), label) }
        XCTAssertEqual(try stream.verify(), [], label)
    }

    func testEveryOperationFailsOnce() throws {
        let dry = Bench()
        var ignored: [[Int]] = []
        try work(dry, &ignored, .always)
        for number in 0..<dry.system.operationCount {
            for (code, sync) in [(EIO, SyncPolicy.always), (ENOSPC, .always), (EIO, .interval(milliseconds: 10)), (EIO, .none)] {
                let bench = Bench(seed: UInt64(number))
                bench.system.failOperation(number, code: code)
                var acknowledged: [[Int]] = []
                do { try work(bench, &acknowledged, sync) } catch {
                    XCTAssertTrue(error is LogError, "\(error)")
                }
                bench.system.forgetFailures()
                let label = "operation \(number) code \(code) \(sync)"
                let directory = try bench.open()
                guard let stream = directory.stream(named: "s") else {
                    XCTAssertTrue(acknowledged.isEmpty, label)
                    continue
                }
                if sync == .always { XCTAssertEqual(directory.recovery.damage, [], label) }
                let all = try readAll(stream).map(ids).joined().sorted()
                if sync == .always { for append in acknowledged { XCTAssertTrue(Set(append).isSubset(of: all), "\(label): lost of \(append)") } }
                XCTAssertEqual(Set(all).count, all.count, label)
            }
        }
    }

    func testFailingSyncFencesUntilReopened() throws {
        for sync in [SyncPolicy.always, .interval(milliseconds: 1)] {
            for seed in 0..<20 as Range<UInt64> {
                let bench = Bench(seed: seed)
                let (_, stream) = try bench.make { $0.sync = sync }
                try stream.append(numberBatch(0..<3), arrivalMicroseconds: 0)
                // The next operations are a write and a sync.
                bench.system.failOperation(bench.system.operationCount + 1)
                if sync == .always {
                    XCTAssertThrowsError(try stream.append(numberBatch(3..<6), arrivalMicroseconds: 0)) { XCTAssertTrue($0 is LogError) }
                } else {
                    try stream.append(numberBatch(3..<6), arrivalMicroseconds: 0)
                    XCTAssertThrowsError(try stream.maintain(nowMicroseconds: 10_000_000))
                }
                XCTAssertThrowsError(try stream.append(numberBatch(6..<9), arrivalMicroseconds: 0)) {
                    guard case LogError.fenced = $0 else { return XCTFail("\($0)") }
                }
                let visible = sync == .always ? [0, 1, 2] : Array(0..<6)
                XCTAssertEqual(ids(try readAll(stream)[0]), visible)
                // Still refused while the disk refuses.
                bench.system.failOperation(bench.system.operationCount + 1)
                XCTAssertThrowsError(try stream.reopen(nowMicroseconds: 0))
                XCTAssertTrue(stream.shards[0].isFenced)
                try stream.reopen(nowMicroseconds: 0)
                XCTAssertEqual(ids(try readAll(stream)[0]), visible)
                try stream.append(numberBatch(20..<22), arrivalMicroseconds: 0)
                try stream.synchronize()
                bench.system.crash()
                let again = try XCTUnwrap(bench.open().stream(named: "s"))
                XCTAssertEqual(ids(try readAll(again)[0]), visible + [20, 21], "seed \(seed)")
            }
        }
    }

    func testAnAppendOfSeveralFramesIsThereAsAWholeOrNotAtAll() throws {
        var whole = 0
        for seed in 0..<40 as Range<UInt64> {
            let bench = Bench(seed: seed)
            let (_, stream) = try bench.make()
            try stream.append(numberBatch(0..<1), producer: 1, epoch: 1, arrivalMicroseconds: 0)
            // One of the two writes, or the sync behind them.
            bench.system.cutPower(atOperation: bench.system.operationCount + Int(seed % 3))
            XCTAssertThrowsError(try stream.append([numberBatch(1..<70_001)], producer: 1, epoch: 2, arrivalMicroseconds: 0))
            bench.system.crash()
            let shard = try XCTUnwrap(bench.open().stream(named: "s")).shards[0]
            XCTAssertTrue(shard.endSequence == 1 || shard.endSequence == 70_001, "\(shard.endSequence)")
            XCTAssertEqual(shard.lastEpoch(of: 1), shard.endSequence == 1 ? 1 : 2)
            if shard.endSequence > 1 { whole += 1 }
        }
        XCTAssertTrue((1..<40).contains(whole), "\(whole)")
    }

    func testFullDisk() throws {
        let bench = Bench()
        let (_, stream) = try bench.make()
        try stream.append(numberBatch(0..<3), arrivalMicroseconds: 0)
        bench.system.setCapacity(byteCount: 3_000)
        XCTAssertThrowsError(try stream.append(numberBatch(0..<1_000), arrivalMicroseconds: 0)) {
            guard case LogError.file(let error) = $0 else { return XCTFail("\($0)") }
            XCTAssertTrue(error.isOutOfSpace)
        }
        XCTAssertEqual(ids(try readAll(stream)[0]), [0, 1, 2])
        bench.system.setCapacity(byteCount: .max)
        try stream.reopen(nowMicroseconds: 0)
        try stream.append(numberBatch(3..<1_000), arrivalMicroseconds: 0)
        XCTAssertEqual(ids(try readAll(stream)[0]), Array(0..<1_000))
    }

    /// Files made by somebody who knows the checksums: nothing may trap or read outside.
    func testHostileFramesNeverTrap() throws {
        // Once in the segment that is checked at opening, once in a closed one, whose columns are checked when they are read.
        try attack(segmentByteCount: 1 << 20)
        try attack(segmentByteCount: 100)
    }

    private func attack(segmentByteCount: Int) throws {
        let bench = Bench()
        let types: [SQLType] = [.bigint, .text, .boolean, .array(.text), .row([SQLType.Field(name: "x", type: .integer)])]
        var random = SeededRandom(seed: 11)
        let schema = Schema(types.enumerated().map { SQLType.Field(name: "c\($0)", type: $1) })
        let (directory, stream) = try bench.make(schema) { $0.segmentByteCount = segmentByteCount }
        try stream.append(random.batch(types, rowCount: 40, changes: true), arrivalMicroseconds: 0)
        try stream.append(random.batch(types, rowCount: 40), arrivalMicroseconds: 0)
        try directory.close()
        let path = try XCTUnwrap(bench.segmentPaths.first)
        let disk = bench.system.copy(seed: 0)
        for _ in 0..<5_000 {
            let system = disk.copy(seed: 0)
            system.corrupt(path) { bytes in
                for _ in 0..<random.below(3) + 1 {
                    // Mostly in the header and the directory, with numbers that hurt.
                    let position = random.below(3) == 0 ? 64 + random.below(bytes.count - 72) : 64 + random.below(60) * 8
                    let value: UInt64 = [0, 1, .max, 1 << 63, UInt64(random.below(70_000)), random.next(), 1 << 32, UInt64(Int.max)][random.below(8)]
                    let width = random.below(2) == 0 ? 4 : 8
                    for byte in 0..<width { bytes[position + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
                }
                RecoveryTests.mendChecksums(&bytes, at: 64)
            }
            let copy = Bench(system: system)
            guard let opened = try? copy.open(), let stream = opened.stream(named: "s") else { continue }
            for columns in [[0], [1], [2], [3], [4], [0, 1, 2, 3, 4]] {
                for next in [0, 10, 39, 40, 41] as [UInt64] {
                    do {
                        if let part = try stream.reader(shard: 0).read(from: next, rowLimit: 50, columns: columns) { _ = rows(part.batch) }
                    } catch {}
                }
            }
        }
    }

    /// Makes all checksums of the frame at a place right again, as far as its lengths make sense.
    static func mendChecksums(_ bytes: inout [UInt8], at start: Int) {
        func load<Word: FixedWidthInteger>(_ offset: Int, _: Word.Type) -> Word {
            bytes.withUnsafeBytes { $0.count - offset >= MemoryLayout<Word>.size ? $0.loadUnaligned(fromByteOffset: offset, as: Word.self) : 0 }
        }
        func store(_ value: UInt32, _ offset: Int) {
            guard bytes.count - offset >= 4 else { return }
            for byte in 0..<4 { bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)) }
        }
        func crc(_ offset: UInt64, _ count: UInt64) -> UInt32? {
            let limit = UInt64(bytes.count - start)
            guard offset <= limit, count <= limit - offset else { return nil }
            return bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[start + Int(offset)..<start + Int(offset + count)])) }
        }
        let headerLength = Int(load(start + 24, UInt32.self))
        for chunk in 0..<min(Int(load(start + 28, UInt32.self)), 64) {
            let entry = start + 128 + chunk * 48
            if let sum = crc(load(entry + 8, UInt64.self), load(entry + 16, UInt64.self)) { store(sum, entry + 4) }
        }
        let changes = load(start + 120, UInt64.self)
        if changes != 0, let sum = crc(changes, (UInt64(load(start + 40, UInt32.self)) + 63) & ~63) { store(sum, start + 116) }
        guard headerLength >= 128, start + headerLength <= bytes.count else { return }
        let sum = bytes.withUnsafeBytes { all in
            CRC32C.checksum(
                UnsafeRawBufferPointer(rebasing: all[start + 12..<start + headerLength]),
                seed: CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[start..<start + 8])))
        }
        store(sum, start + 8)
    }
}
