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
        XCTAssertEqual(try EpochLog(directory: "/q", fileSystem: files).recover(), (6...9).map { record(UInt64($0)) })
    }

    func testATornLogGivesItsWholeRecordsAtEveryCut() throws {
        var bytes: [UInt8] = []
        var ends: [Int] = [0]
        let files = SimulatedFileSystem(seed: 2)
        try files.createDirectory("/q")
        let log = EpochLog(directory: "/q", fileSystem: files)
        let file = try files.open("/q/epochs-\(zeroPadded(1)).log", .readWrite)
        for epoch in 1...4 {
            try log.append(record(UInt64(epoch)))
            ends.append(try file.size())
        }
        bytes = [UInt8](repeating: 0, count: try file.size())
        _ = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        for cut in 0...bytes.count {
            var records: [EpochRecord] = []
            let good = EpochLog.parse(bytes[..<cut], into: &records)
            let whole = ends.filter { $0 <= cut }.count - 1
            XCTAssertEqual(records.count, whole, "cut at \(cut)")
            XCTAssertEqual(good, ends[whole], "cut at \(cut)")
        }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x10
            var records: [EpochRecord] = []
            _ = EpochLog.parse(damaged[...], into: &records)
            XCTAssertEqual(records, (1...4).map { record(UInt64($0)) }.prefix(records.count).map { $0 }, "flip at \(index)")
            XCTAssertLessThan(records.count, 4, "flip at \(index)")
        }
    }
}
