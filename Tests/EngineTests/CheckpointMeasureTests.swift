// What checkpoints cost, with MILLRACE_MEASURE=1: size, time, restart and first result at 1 M and 10 M keys; throughput with a checkpoint every
// second against none. On the real disk, in MILLRACE_MEASURE_DIR or the temporary folder. MILLRACE_MEASURE_KEYS=1000000 takes one size only.

import Columns
import Dataflow
import Platform
import XCTest

@testable import Engine

final class CheckpointMeasureTests: XCTestCase {
    private static let queries = [
        ("count, sum, max by BIGINT", "SELECT k, count(*), sum(v), max(v) FROM t GROUP BY k"),
        ("by VARCHAR", "SELECT kk, count(*), sum(v) FROM (SELECT 'key number ' || CAST(k AS VARCHAR) AS kk, v FROM t) GROUP BY kk"),
        ("last row of each key", "SELECT k, v FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM t) WHERE n = 1"),
        ("join", "SELECT a.k, a.v, b.v FROM t AS a JOIN t AS b ON a.k = b.k AND a.v > b.v + 1000000000000"),
    ]

    private let clock = SystemClock()
    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = clock.monotonicNanoseconds()
        try body()
        return Double(clock.monotonicNanoseconds() &- start) / 1e9
    }

    /// User and system time of the process: what others do on the machine does not count.
    private func processorSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private func settings(intervalSeconds: Double?) -> RunnerSettings {
        var settings = RunnerSettings()
        settings.writesBeside = true
        settings.checkpointIntervalMicroseconds = intervalSeconds.map { Int64($0 * 1e6) } ?? .max / 4
        settings.nanoseconds = { [clock] in clock.monotonicNanoseconds() }
        settings.onNotice = { print("notice:", $0) }
        return settings
    }

    func testCheckpointsAndRestarts() throws {
        let environment = ProcessInfo.processInfo.environment
        try XCTSkipUnless(environment["MILLRACE_MEASURE"] == "1")
        let root = (environment["MILLRACE_MEASURE_DIR"] ?? NSTemporaryDirectory()) + "/millrace-measure-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        ProcessMemory.keepFreed()
        let pool = WorkerPool(workerCount: 2)
        for keys in environment["MILLRACE_MEASURE_KEYS"].flatMap({ Int64($0) }).map({ [$0] }) ?? [1_000_000, 10_000_000] {
            for (name, sql) in Self.queries {
                let directory = root + "/\(keys)-\(name.count)"
                let source = KeySource(limit: keys) { position in position < keys ? position : (UInt64(bitPattern: position) &* 0x9E37_79B9_7F4A_7C15).int64 % keys }
                func make() throws -> QueryRunner {
                    try source.runner(
                        sql, directory: directory, files: PosixFileSystem(), pool: pool, output: FoldingOutput(folds: false), settings(intervalSeconds: nil))
                }
                var runner = try make()
                _ = try runner.recover()
                while case .progressed = try runner.step(nowMicroseconds: clock.nowMicroseconds()) {}
                let first = try seconds { try runner.checkpoint() }
                let whole = runner.checkpointFigures
                // A hundredth of the keys.
                source.limit += keys / 100
                while case .progressed = try runner.step(nowMicroseconds: clock.nowMicroseconds()) {}
                let second = try seconds { try runner.checkpoint() }
                let part = runner.checkpointFigures
                try runner.close()
                runner = try make()
                let restart = try seconds { _ = try runner.recover() }
                source.limit += 1_000
                let result = try seconds { _ = try runner.step(nowMicroseconds: clock.nowMicroseconds()) }
                print(
                    "\(keys) keys, \(name): first \(whole.byteCount >> 20) MiB in \(Self.text(first)) s (stands still \(whole.captureMicroseconds / 1_000) ms);",
                    "1 % changed: \(part.byteCount >> 10) KiB in \(Self.text(second)) s (\(part.captureMicroseconds / 1_000) ms);",
                    "restart \(Self.text(restart)) s, first result after \(Self.text(result)) s more")
                try runner.close()
                try FileManager.default.removeItem(atPath: directory)
            }
        }
    }

    func testThroughputWithACheckpointEverySecond() throws {
        let environment = ProcessInfo.processInfo.environment
        try XCTSkipUnless(environment["MILLRACE_MEASURE"] == "1")
        let root = (environment["MILLRACE_MEASURE_DIR"] ?? NSTemporaryDirectory()) + "/millrace-measure-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        ProcessMemory.keepFreed()
        let pool = WorkerPool(workerCount: 2)
        let keys = environment["MILLRACE_MEASURE_KEYS"].flatMap { Int64($0) } ?? 1_000_000
        for (name, sql) in Self.queries.dropLast() {
            var rates: [[Double]] = [[], [], []]
            var processor: [[Double]] = [[], [], []]
            var figures = CheckpointFigures()
            for round in 0..<9 {
                let way = round % 3
                let directory = root + "/\(way)"
                let source = KeySource(limit: 30_000_000) { position in (UInt64(bitPattern: position) &* 0x9E37_79B9_7F4A_7C15).int64 % keys }
                let runner = try source.runner(
                    sql, directory: way == 0 ? nil : directory, files: PosixFileSystem(), pool: pool, output: FoldingOutput(folds: false),
                    settings(intervalSeconds: way == 2 ? 1 : nil))
                _ = try runner.recover()
                let before = processorSeconds()
                let elapsed = try seconds {
                    while case .progressed = try runner.step(nowMicroseconds: clock.nowMicroseconds()) {}
                }
                processor[way].append(Double(source.limit) / (processorSeconds() - before) * Double(pool.workerCount) / 1e6)
                rates[way].append(Double(source.limit) / elapsed / 1e6)
                if way == 2 { figures = runner.checkpointFigures }
                try runner.close()
                try? FileManager.default.removeItem(atPath: directory)
            }
            let best = rates.map { $0.max() ?? 0 }
            let byProcessor = processor.map { $0.max() ?? 0 }
            print(
                "\(keys) keys, \(name): M rows/s without journal \(Self.text(best[0])), with \(Self.text(best[1])), and a checkpoint every second",
                "\(Self.text(best[2])) (\(Self.text((best[2] / best[1] - 1) * 100)) %; by processor time \(Self.text((byProcessor[2] / byProcessor[1] - 1) * 100)) %);",
                "\(figures.count) checkpoints, \((figures.byteCountTotal / max(figures.count, 1)) >> 20) MiB and",
                "\(figures.captureMicrosecondsTotal / Int64(max(figures.count, 1)) / 1_000) ms standing still each, written in",
                "\(figures.writeMicrosecondsTotal / Int64(max(figures.count, 1)) / 1_000) ms")
        }
    }

    private static func text(_ value: Double) -> String { String(format: "%.2f", value) }
}

extension UInt64 {
    fileprivate var int64: Int64 { Int64(truncatingIfNeeded: self >> 1) }
}
