// The power goes at every sync of the reference workload, and again while the engine recovers from that: nothing acknowledged is lost and nothing is
// there twice, on disks that write 512 bytes or 4 KiB whole.
//
// MILLRACE_SYNC_BOUNDARIES=all cuts the recovery at every one of its operations; by default at two of them.

import Platform
import XCTest

@testable import Engine

final class SyncBoundaryTests: XCTestCase {
    /// Runs the workload until the power goes; returns what it had acknowledged by then.
    private func runUntilCut(_ files: SimulatedFileSystem, _ clock: ManualClock) -> ReferenceWorkload {
        var workload = ReferenceWorkload(seed: 9)
        do {
            let life = try ReferenceLife(files, clock)
            for number in 0..<ReferenceWorkload.stepCount { try workload.step(number, life, clock) }
            try life.engine.close()
        } catch {
            XCTAssertTrue(files.isPoweredOff, "\(error)")
        }
        return workload
    }

    private func recoverAndCheck(_ files: SimulatedFileSystem, _ workload: ReferenceWorkload, _ clock: ManualClock, _ label: String) throws {
        var workload = workload
        let life = try ReferenceLife(files, clock)
        XCTAssertEqual(life.engine.log.recovery.damage, [], label)
        XCTAssertTrue(life.engine.log.recovery.failures.isEmpty, label)
        try workload.finish(life, clock)
        try workload.check(life, label)
        for (name, isThere) in workload.definitions where isThere { XCTAssertTrue(name == "x" || life.engine.object(named: name) != nil, "\(label): \(name)") }
    }

    func testThePowerGoesAtEverySync() throws {
        let isLong = ProcessInfo.processInfo.environment["MILLRACE_SYNC_BOUNDARIES"] == "all"
        var cuts = 0
        for sectorByteCount in [512, 4_096] {
            let dry = SimulatedFileSystem(seed: 3, sectorByteCount: sectorByteCount)
            _ = runUntilCut(dry, ManualClock(startingAtMicroseconds: 1_000_000))
            let syncs = dry.syncOperations
            XCTAssertGreaterThan(syncs.count, 60)
            for (index, sync) in syncs.enumerated() {
                // In the middle of the sync, and right behind it.
                for cut in [sync, sync + 1] {
                    let label = "sectors of \(sectorByteCount), cut at \(cut)"
                    let clock = ManualClock(startingAtMicroseconds: 1_000_000)
                    let files = SimulatedFileSystem(seed: UInt64(cut), sectorByteCount: sectorByteCount)
                    files.cutPower(atOperation: cut)
                    let workload = runUntilCut(files, clock)
                    files.crash()
                    cuts += 1
                    // How many operations recovery takes.
                    let probe = files.copy(seed: 5)
                    var operations = 0
                    do {
                        let start = probe.operationCount
                        let life = try ReferenceLife(probe, clock)
                        try life.define()
                        try life.recoverAll()
                        operations = probe.operationCount - start
                    }
                    let again = isLong ? Array(0..<operations) : [index * 7 % max(operations, 1), (index * 13 + 5) % max(operations, 1)]
                    for second in again {
                        let copy = files.copy(seed: UInt64(second))
                        copy.cutPower(atOperation: copy.operationCount + second)
                        do {
                            let life = try ReferenceLife(copy, clock)
                            try life.define()
                            try life.recoverAll()
                        } catch {
                            XCTAssertTrue(copy.isPoweredOff, "\(label), then \(second): \(error)")
                        }
                        copy.crash()
                        cuts += 1
                        try recoverAndCheck(copy, workload, clock, "\(label), then \(second)")
                    }
                    try recoverAndCheck(files, workload, clock, label)
                }
            }
        }
        print("sync boundaries: \(cuts) power cuts")
    }
}
