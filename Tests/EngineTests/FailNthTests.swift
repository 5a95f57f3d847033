// Every call on the disk fails once: no trap, no false acknowledgement, and everything goes on afterwards, in the same life and in the next.
//
// MILLRACE_FAIL_NTH=all fails every operation with every code; by default the codes take turns.

import Glibc
import Platform
import XCTest

@testable import Engine

final class FailNthTests: XCTestCase {
    private static let codes = [EIO, ENOSPC, EMFILE]

    private func run(_ files: SimulatedFileSystem, _ label: String) throws -> (failures: Int, refusedOpening: Bool) {
        let clock = ManualClock(startingAtMicroseconds: 1_000_000)
        var workload = ReferenceWorkload(seed: 4)
        var failures = 0
        var refusedOpening = false
        var opened: ReferenceLife?
        do { opened = try ReferenceLife(files, clock) } catch {
            XCTAssertNotNil(FileError.behind(error), "\(label): \(error) has no cause")
            refusedOpening = true
            opened = try ReferenceLife(files, clock)
        }
        let life = try XCTUnwrap(opened)
        for number in 0..<ReferenceWorkload.stepCount {
            do { try workload.step(number, life, clock) } catch {
                failures += 1
                let text = "\(error)"
                XCTAssertFalse(text.isEmpty, label)
                // What failed is asked for again once: a stream that is missing, a statement, a query that begins from its journal.
                try life.maintain(rounds: 12)
                if number == 0 || !workload.isAppend(number) { try workload.step(number, life, clock) }
            }
        }
        try life.maintain(rounds: 12)
        do { try workload.finish(life, clock) } catch {
            failures += 1
            try life.maintain(rounds: 12)
            try workload.finish(life, clock)
        }
        try workload.check(life, label)
        workload.checkCatalog(life, label)
        // The next life finds the same; a power cut in between, because nobody closed anything.
        files.crash()
        let next = try ReferenceLife(files, clock)
        try next.recoverAll()
        try workload.finish(next, clock)
        try workload.check(next, label + ", next life")
        workload.checkCatalog(next, label + ", next life")
        XCTAssertEqual(try next.stream("t").verify(), [], label)
        XCTAssertEqual(try next.stream("out").verify(), [], label)
        return (failures, refusedOpening)
    }

    func testEveryCallFailsOnce() throws {
        let dry = SimulatedFileSystem(seed: 1)
        _ = try run(dry, "no failure")
        let count = dry.operationCount
        XCTAssertGreaterThan(count, 200)
        let isLong = ProcessInfo.processInfo.environment["MILLRACE_FAIL_NTH"] == "all"
        var seen = 0
        var refused = 0
        for number in 0..<count {
            for (index, code) in FailNthTests.codes.enumerated() where isLong || number % FailNthTests.codes.count == index {
                let files = SimulatedFileSystem(seed: UInt64(number))
                files.failOperation(number, code: code)
                let label = "operation \(number), \(FileError.text(of: code))"
                do {
                    let result = try run(files, label)
                    seen += result.failures
                    if result.refusedOpening { refused += 1 }
                } catch {
                    XCTFail("\(label): \(error)")
                }
            }
        }
        XCTAssertGreaterThan(seen, count / 8, "hardly any failure was seen by anybody")
        print("fail the nth: \(count) operations, \(seen) failures seen by the workload, \(refused) refused openings")
    }
}

extension FailNthTests {
    /// What a process that was killed leaves is opened, and each call of that fails once.
    func testEveryCallOfRecoveryFailsOnce() throws {
        let clock = ManualClock(startingAtMicroseconds: 1_000_000)
        let disk = SimulatedFileSystem(seed: 6)
        var workload = ReferenceWorkload(seed: 6)
        do {
            let life = try ReferenceLife(disk, clock)
            for number in 0..<19 { try workload.step(number, life, clock) }
        }
        var refused = 0
        var failed = 0
        var number = 0
        while true {
            let files = disk.copy(seed: UInt64(number))
            let code = [EIO, ENOSPC, EMFILE][number % 3]
            files.failOperation(files.operationCount + number, code: code)
            let label = "recovery, operation \(number), \(FileError.text(of: code))"
            var workload = workload
            var life: ReferenceLife?
            do {
                let opened = try ReferenceLife(files, clock)
                life = opened
                do { try opened.recoverAll() } catch {
                    failed += 1
                    XCTAssertTrue(FileError.behind(error) != nil || "\(error)".contains("cannot be opened"), "\(label): \(error) has no cause")
                }
            } catch {
                XCTAssertNotNil(FileError.behind(error), "\(label): \(error) has no cause")
                refused += 1
            }
            let isOver = files.operationCount <= number
            files.forgetFailures()
            // A stream that could not be opened because of one failure needs another opening.
            if let opened = life, !opened.engine.log.recovery.failures.isEmpty {
                refused += 1
                life = nil
            }
            let next = try life ?? ReferenceLife(files, clock)
            try next.maintain(rounds: 12)
            try workload.finish(next, clock)
            try workload.check(next, label)
            workload.checkCatalog(next, label)
            if isOver { break }
            number += 1
        }
        XCTAssertGreaterThan(number, 40)
        print("fail the nth of recovery: \(number) operations, \(refused) openings refused, \(failed) queries to begin again")
    }
}

extension ReferenceWorkload {
    func isAppend(_ number: Int) -> Bool { number % 2 == 1 && ![5, 11, 15].contains(number) }
}
