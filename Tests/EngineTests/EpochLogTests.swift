// The epoch log: what is written is read back; what is torn or damaged is found, at every byte.

import Platform
import XCTest

@testable import Engine

final class EpochLogTests: XCTestCase {
    private func record(_ epoch: UInt64) -> EpochRecord {
        EpochRecord(
            epoch: epoch, clockMicroseconds: Int64(epoch) * 1_000,
            scans: [
                [
                    .init(from: Int64(epoch) * 10, to: Int64(epoch) * 10 + 10, isCaughtUp: true, hasEnded: false),
                    .init(from: -1, to: .max, isCaughtUp: false, hasEnded: true),
                ], [],
            ])
    }

    func testEpochsAreReadBackAcrossFiles() throws {
        let files = SimulatedFileSystem(seed: 1)
        try files.createDirectory("/q")
        let log = EpochLog(directory: "/q", fileSystem: files)
        for epoch in 1...5 { try log.append(record(UInt64(epoch))) }
        try log.rotate(nextEpoch: 6)
        try log.remove(through: 0)
        for epoch in 6...8 { try log.append(record(UInt64(epoch))) }
        try log.synchronize()
        let read = EpochLog(directory: "/q", fileSystem: files)
        XCTAssertEqual(try read.recover(), (1...8).map { record(UInt64($0)) })
        // Appending goes on where reading ended, and old files go when two checkpoints are past them.
        try read.append(record(9))
        try read.rotate(nextEpoch: 10)
        try read.remove(through: 5)
        XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover(after: 5), (6...9).map { record(UInt64($0)) })
        XCTAssertThrowsError(try EpochLog(directory: "/q", fileSystem: files).recover(after: 4))
    }

    /// A log of four epochs in one file; with `synced`, each was durable before the next was written.
    private func fourEpochs(_ files: SimulatedFileSystem, synced: Bool) throws -> (path: String, bytes: [UInt8], ends: [Int]) {
        try files.createDirectory("/q")
        let log = EpochLog(directory: "/q", fileSystem: files)
        let path = "/q/epochs-\(zeroPadded(1)).log"
        var ends: [Int] = []
        for epoch in 1...4 {
            if epoch == 1 { ends.append(EpochLog.headerByteCount) }
            try log.append(record(UInt64(epoch)))
            if synced { try log.synchronize() }
            ends.append(try XCTUnwrap(files.contents(path)).count)
        }
        return (path, try XCTUnwrap(files.contents(path)), ends)
    }

    func testATornLogGivesItsWholeRecordsAtEveryCut() throws {
        let (path, bytes, ends) = try fourEpochs(SimulatedFileSystem(seed: 2), synced: false)
        for cut in 0...bytes.count {
            let files = SimulatedFileSystem(seed: 3)
            _ = try fourEpochs(files, synced: false)
            files.corrupt(path) { $0.removeLast($0.count - cut) }
            let log = EpochLog(directory: "/q", fileSystem: files)
            let whole = max(ends.filter { $0 <= cut }.count - 1, 0)
            XCTAssertEqual(try log.recover(), (1...4).map { record(UInt64($0)) }.prefix(whole).map { $0 }, "cut at \(cut)")
            // It goes on behind what is whole.
            try log.append(record(UInt64(whole + 1)))
            XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover().count, whole + 1, "cut at \(cut)")
        }
    }

    /// What recovery cut off comes back behind what was written since: the sync of the cut failed, and the power went later.
    func testRecordsOfAnOlderLifeAreNotTakenForTheNextOnes() throws {
        let files = SimulatedFileSystem(seed: 4)
        let (path, _, ends) = try fourEpochs(files, synced: false)
        files.corrupt(path) { bytes in for index in ends[0]..<ends[1] { bytes[index] = 0 } }
        let old = try XCTUnwrap(files.contents(path))
        let log = EpochLog(directory: "/q", fileSystem: files)
        XCTAssertEqual(try log.recover(), [])
        let anew = (1...2).map { EpochRecord(epoch: $0, clockMicroseconds: 7, scans: record($0).scans) }
        for record in anew { try log.append(record) }
        try log.synchronize()
        files.corrupt(path) { $0 += old[ends[2]...] }
        XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover(visible: 2), anew)
        XCTAssertEqual(files.contents(path)?.count, ends[2])
    }

    func testDamageBeforeWhatWasSyncedIsNotTakenForATornEnd() throws {
        let (path, bytes, ends) = try fourEpochs(SimulatedFileSystem(seed: 2), synced: true)
        for index in bytes.indices {
            let files = SimulatedFileSystem(seed: 3)
            _ = try fourEpochs(files, synced: true)
            files.corrupt(path) { $0[index] ^= 0x10 }
            let before = files.contents(path)
            // Without a witness the last record may be torn; with its output visible it cannot be.
            let log = EpochLog(directory: "/q", fileSystem: files)
            XCTAssertThrowsError(try log.recover(visible: 4), "flip at \(index)") {
                XCTAssertTrue("\($0)".contains(path) || "\($0)".contains("version"), "\($0)")
            }
            XCTAssertEqual(files.contents(path), before, "flip at \(index)")
            if index < ends[3] {
                XCTAssertThrowsError(try EpochLog(directory: "/q", fileSystem: files).recover(), "flip at \(index)")
                XCTAssertFalse(try EpochLog.verify(directory: "/q", fileSystem: files).isEmpty, "flip at \(index)")
            } else {
                XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover().count, 3, "flip at \(index)")
            }
            // What a checkpoint has made unnecessary is not missed.
            XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover(after: 4, visible: 4), [])
        }
    }

    func testAnUnknownVersionOfTheEpochLogIsRefused() throws {
        let files = SimulatedFileSystem(seed: 2)
        let (path, _, _) = try fourEpochs(files, synced: true)
        files.corrupt(path) { bytes in
            bytes[8] = UInt8(EpochLog.version) + 1
            let sum = bytes[..<12].withUnsafeBytes { CRC32C.checksum($0) }
            withUnsafeBytes(of: sum.littleEndian) { bytes.replaceSubrange(12..<16, with: $0) }
        }
        XCTAssertThrowsError(try EpochLog(directory: "/q", fileSystem: files).recover()) {
            XCTAssertTrue("\($0)".contains("version \(EpochLog.version + 1)") && "\($0)".contains(path), "\($0)")
        }
    }

    func testAFailedSyncIsFollowedByNoSuccess() throws {
        for seed in 0..<20 as Range<UInt64> {
            let files = SimulatedFileSystem(seed: seed)
            try files.createDirectory("/q")
            try files.synchronizeDirectory("/")
            let log = EpochLog(directory: "/q", fileSystem: files)
            try log.append(record(1))
            try log.synchronize()
            try log.append(record(2))
            files.failOperation(files.operationCount)
            XCTAssertThrowsError(try log.synchronize())
            XCTAssertThrowsError(try log.synchronize())
            XCTAssertThrowsError(try log.append(record(3)))
            // Whoever reads it anew has what it reads on the disk.
            let found = try EpochLog(directory: "/q", fileSystem: files).recover()
            files.crash()
            XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover(), found, "seed \(seed)")
            XCTAssertTrue((1...2).contains(found.count))
        }
    }
}
