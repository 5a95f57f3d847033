// Checkpoints of a running query: written beside it, tried again when they could not be written, found by `checkpoint verify`.

import Columns
import Dataflow
import Platform
import XCTest

@testable import Engine

final class CheckpointRunnerTests: XCTestCase {
    private static let sql = "SELECT k, count(*), sum(v), max(v) FROM t GROUP BY k"

    private final class Notices: @unchecked Sendable {
        // Safe to share: the lock guards the list.
        private let lock = Lock()
        private var list: [String] = []
        func add(_ notice: String) { lock.locked { list.append(notice) } }
        var all: [String] { lock.locked { list } }
    }

    private func settings(_ notices: Notices = Notices(), beside: Bool, interval: Int64 = 0) -> RunnerSettings {
        var settings = RunnerSettings()
        settings.epochRowsMax = 1_000
        settings.morselRows = 300
        settings.checkpointIntervalMicroseconds = interval
        settings.writesBeside = beside
        settings.onNotice = { notices.add($0) }
        return settings
    }

    private func expected(_ source: KeySource) throws -> [[Value]: Int] {
        let output = FoldingOutput(folds: true)
        let runner = try source.runner(
            Self.sql, directory: nil, files: SimulatedFileSystem(seed: 0), pool: WorkerPool(workerCount: 1), output: output, settings(beside: false))
        _ = try runner.recover()
        while case .progressed = try runner.step(nowMicroseconds: 1) {}
        return output.folded
    }

    func testRestartsWhileCheckpointsAreWrittenBeside() throws {
        let directory = NSTemporaryDirectory() + "millrace-checkpoints-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var random = SeededRandom(seed: 11)
        let source = KeySource(limit: 60_000) { position in (position &* 7_919) % 3_000 }
        let output = FoldingOutput(folds: true)
        let pool = WorkerPool(workerCount: 2)
        var steps = 0
        var published = 0
        var isDone = false
        while !isDone {
            let runner = try source.runner(
                Self.sql, directory: directory, files: PosixFileSystem(), pool: pool, output: output, settings(beside: true))
            XCTAssertEqual(try runner.recover(), [])
            for _ in 0..<1 + random.below(12) {
                guard case .progressed = try runner.step(nowMicroseconds: Int64(steps)) else {
                    isDone = true
                    break
                }
                steps += 1
            }
            if random.below(2) == 0 { try runner.close() }
            // Otherwise it is let go while a checkpoint may be on its way: that one is waited for.
            published += runner.checkpointFigures.count
            XCTAssertEqual(runner.checkpointFigures.failureCount, 0)
        }
        XCTAssertGreaterThan(published, 2)
        XCTAssertEqual(output.folded, try expected(source))
    }

    func testACheckpointThatCannotBeWrittenIsTriedAgain() throws {
        for beside in [false, true] {
            let files = RefusingFileSystem(SimulatedFileSystem(seed: 3))
            let notices = Notices()
            let source = KeySource(limit: 20_000) { position in (position &* 7_919) % 5_000 }
            let output = FoldingOutput(folds: true)
            let pool = WorkerPool(workerCount: 1)
            func make() throws -> QueryRunner {
                try source.runner(Self.sql, directory: "/q", files: files, pool: pool, output: output, settings(notices, beside: beside, interval: 1))
            }
            var runner = try make()
            _ = try runner.recover()
            for step in 0..<6 { _ = try runner.step(nowMicroseconds: Int64(step)) }
            try runner.checkpoint()
            let before = runner.checkpointEpoch
            files.refused = "/state-"
            for step in 6..<12 {
                _ = try runner.step(nowMicroseconds: Int64(step))
                if beside { usleep(20_000) }
            }
            XCTAssertGreaterThan(runner.checkpointFigures.failureCount, 1)
            XCTAssertEqual(runner.checkpointEpoch, before)
            XCTAssertTrue(notices.all.contains { $0.contains("tried again") }, "\(notices.all)")
            XCTAssertThrowsError(try runner.checkpoint())
            // The query went on; what it knows is not lost, whether the disk has room again or not.
            let reached = runner.epoch
            files.refused = nil
            if beside {
                for step in 12..<16 {
                    _ = try runner.step(nowMicroseconds: Int64(step))
                    usleep(20_000)
                }
                try runner.checkpoint()
                XCTAssertEqual(runner.checkpointEpoch, runner.epoch)
                XCTAssertGreaterThan(runner.checkpointEpoch, reached)
            }
            runner = try make()
            XCTAssertEqual(try runner.recover(), [])
            for step in 20..<80 { _ = try runner.step(nowMicroseconds: Int64(step)) }
            try runner.checkpoint()
            XCTAssertEqual(output.folded, try expected(source))
        }
    }

    func testAFullDiskGetsBackWhatACheckpointTook() throws {
        let files = SimulatedFileSystem(seed: 5)
        let source = KeySource(limit: 60_000) { position in position }
        let runner = try source.runner(
            Self.sql, directory: "/q", files: files, pool: WorkerPool(workerCount: 1), output: FoldingOutput(folds: false), settings(beside: false))
        _ = try runner.recover()
        for step in 0..<10 { _ = try runner.step(nowMicroseconds: Int64(step)) }
        // Room for the epoch log, and for a part of a checkpoint.
        files.setCapacity(byteCount: files.allPaths.reduce(40_000) { $0 + (files.contents($1)?.count ?? 0) })
        for step in 10..<40 { _ = try runner.step(nowMicroseconds: Int64(step)) }
        XCTAssertGreaterThan(runner.checkpointFigures.failureCount, 10)
        XCTAssertEqual(files.allPaths.filter { $0.hasSuffix(".new") || $0.contains("state-\(zeroPadded(runner.epoch))") }, [])
        files.setCapacity(byteCount: .max)
        try runner.checkpoint()
        XCTAssertEqual(runner.checkpointEpoch, runner.epoch)
    }

    func testVerifyNamesWhatIsDamagedAndChangesNothing() throws {
        let files = SimulatedFileSystem(seed: 4)
        let source = KeySource(limit: 30_000) { position in (position &* 7_919) % 8_000 }
        let runner = try source.runner(
            Self.sql, directory: "/data/queries/7", files: files, pool: WorkerPool(workerCount: 1), output: FoldingOutput(folds: false),
            settings(beside: false))
        _ = try runner.recover()
        while case .progressed = try runner.step(nowMicroseconds: Int64(runner.epoch)) {}
        let clean = try CheckpointInspection.verify("/data", fileSystem: files)
        XCTAssertEqual(clean.faults, [])
        XCTAssertTrue(clean.summary.hasPrefix("2 checkpoints of 1 queries"), clean.summary)
        let paths = files.allPaths.filter { $0.contains("/state-") || $0.contains("/checkpoint-") }
        XCTAssertGreaterThan(paths.count, 3)
        for path in paths {
            let before = files.allPaths.map { files.contents($0) }
            files.corrupt(path) { $0[$0.count / 2] ^= 4 }
            let report = try CheckpointInspection.verify("/data", fileSystem: files)
            // What lies in the middle of an old state file may not be needed any more.
            if path.contains("/checkpoint-") { XCTAssertEqual(report.faults.count, 1, path) }
            for fault in report.faults { XCTAssertTrue(fault.hasPrefix(path + ", byte "), fault) }
            files.corrupt(path) { $0[$0.count / 2] ^= 4 }
            XCTAssertEqual(files.allPaths.map { files.contents($0) }, before)
        }
    }
}

/// Opens no file for writing whose path contains a text.
private final class RefusingFileSystem: FileSystem, @unchecked Sendable {
    // Safe to share: the lock guards the text; the rest is the other one's.
    private let inner: SimulatedFileSystem
    private let lock = Lock()
    private var text: String?

    init(_ inner: SimulatedFileSystem) { self.inner = inner }

    var refused: String? {
        get { lock.locked { text } }
        set { lock.locked { text = newValue } }
    }

    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        if mode != .read, let refused, path.contains(refused) { throw FileError(operation: "open", path: path, code: 28, reason: "No space left on device") }
        return try inner.open(path, mode)
    }

    func exists(_ path: String) -> Bool { inner.exists(path) }
    func createDirectory(_ path: String) throws(FileError) { try inner.createDirectory(path) }
    func list(_ path: String) throws(FileError) -> [String] { try inner.list(path) }
    func rename(_ from: String, to: String) throws(FileError) { try inner.rename(from, to: to) }
    func remove(_ path: String) throws(FileError) { try inner.remove(path) }
    func removeTree(_ path: String) throws(FileError) { try inner.removeTree(path) }
    func synchronizeDirectory(_ path: String) throws(FileError) { try inner.synchronizeDirectory(path) }
    func lockDirectory(_ path: String, owner: String) throws(FileError) -> any DirectoryLock { try inner.lockDirectory(path, owner: owner) }
    func freeByteCount(at path: String) throws(FileError) -> Int { try inner.freeByteCount(at: path) }
}
