// BenchLatencyCommand: `millrace bench-latency`, which only Benchmarks/bench.py calls: how long it takes from an acknowledged append
// (sync = always) to its result in the output stream, at a steady rate.
//
//   1. A stream, a saved query that filters it into another stream, and a follower of that one: all in this process, so that one
//      clock times everything, but on threads of their own, through the same doors as everybody else.
//   2. Every millisecond one small batch is appended and acknowledged; the time of the acknowledgement is noted under its number.
//   3. The follower notes when it first sees each number. The difference is the latency; a result that is seen before the
//      acknowledgement has returned counts as 0.

import Columns
import Engine
import Glibc
import Platform
import Syntax

struct BenchLatencyCommand {
    static let word = "bench-latency"
    static let specification = CommandSpecification(
        usage: "\(word) --data DIR [--rate ROWS] [--seconds N]",
        summary: "Measures the time from an acknowledged append to its result in the output stream.",
        options: [
            OptionSpecification(name: "--data", valueName: "DIR", summary: "a directory for the measurement alone"),
            OptionSpecification(name: "--rate", valueName: "ROWS", summary: "rows a second (default 50000)"),
            OptionSpecification(name: "--seconds", valueName: "N", summary: "how long (default 10)"),
        ])

    private static let intervalNanoseconds: UInt64 = 1_000_000
    /// The first second warms everything up.
    private static let warmUpBatches = 1_000
    private static let script = """
        CREATE STREAM latency_in (number BIGINT, price BIGINT) WITH (sync = 'always');
        CREATE STREAM latency_out (number BIGINT, price BIGINT) WITH (sync = 'always');
        CREATE QUERY latency AS INSERT INTO latency_out SELECT number, price * 2 FROM latency_in WHERE price >= 0;
        """

    private let directory: String
    private let rowsPerBatch: Int
    private let batchCount: Int

    init(_ arguments: ParsedArguments) throws(UsageError) {
        guard let directory = arguments.value("--data") else { throw UsageError(message: "--data is missing") }
        self.directory = directory
        rowsPerBatch = max(1, (try arguments.count("--rate", upTo: 10_000_000) ?? 50_000) / 1_000)
        batchCount = (try arguments.count("--seconds", upTo: 3_600) ?? 10) * 1_000 + Self.warmUpBatches
    }

    func run() throws -> ExitCode {
        let engine = try Engine(directory: directory, options: EngineSetup.options(owner: "millrace \(Self.word)"))
        let session = engine.makeSession()
        for statement in try Parser.parseScript(Self.script) { _ = try session.execute(statement, source: Self.script) }
        let times = LatencyTimes(batchCount: batchCount)
        let cursor = try engine.tail(stream: "latency_out", from: .trimHorizon, follows: true)
        let follower = JoinableThread { times.follow(cursor) }
        try append(to: engine, times)
        times.waitForAll(timeoutMilliseconds: 5_000)
        cursor.cancel()
        follower?.join()
        try engine.close()
        let sorted = times.latencies(from: Self.warmUpBatches).sorted()
        guard let last = sorted.last else { throw EngineError("no result was seen") }
        func milliseconds(_ share: Double) -> Double {
            Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1e6
        }
        Console.standardOutput.write(
            "p50_ms=\(milliseconds(0.5)) p99_ms=\(milliseconds(0.99)) p999_ms=\(milliseconds(0.999)) max_ms=\(Double(last) / 1e6) batches=\(sorted.count)\n")
        return .success
    }

    private func append(to engine: Engine, _ times: LatencyTimes) throws {
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        for number in 0..<batchCount where !Signals.stopRequested {
            // A late batch is not skipped: the next ones follow at once until the pace is reached again.
            let due = start + UInt64(number) * Self.intervalNanoseconds
            let now = clock.monotonicNanoseconds()
            if now < due { usleep(UInt32((due - now) / 1_000)) }
            let bytes = ByteBuffer()
            for row in 0..<rowsPerBatch { bytes.append("{\"number\":\(number),\"price\":\(row)}\n") }
            let appender = try engine.appender(stream: "latency_in")
            try appender.append(bytes.takeBuffer())
            _ = try appender.finish()
            times.acknowledge(number, at: clock.monotonicNanoseconds())
        }
    }
}

/// When each batch was acknowledged and when its result was first seen.
private final class LatencyTimes: @unchecked Sendable {
    // Safe to share: everything is behind the lock.
    private let lock = Lock()
    private let changed = Condition()
    private var acknowledged: [UInt64]
    private var seen: [UInt64]
    private var seenCount = 0

    init(batchCount: Int) {
        acknowledged = [UInt64](repeating: 0, count: batchCount)
        seen = acknowledged
    }

    func acknowledge(_ number: Int, at nanoseconds: UInt64) { lock.locked { acknowledged[number] = nanoseconds } }

    func follow(_ cursor: Cursor) {
        let clock = SystemClock()
        do {
            while true {
                switch try cursor.next(timeoutMilliseconds: 1_000) {
                case .rows(let batch): note(batch, at: clock.monotonicNanoseconds())
                case .idle: continue
                case .end: return
                }
            }
        } catch {
            Console.report(error)
        }
    }

    private func note(_ batch: RowBatch, at now: UInt64) {
        lock.locked {
            for row in 0..<batch.count {
                let number = Int(batch.columns[0].int64s[row])
                guard seen.indices.contains(number), seen[number] == 0 else { continue }
                seen[number] = now
                seenCount += 1
            }
        }
        changed.broadcast()
    }

    func waitForAll(timeoutMilliseconds: Int) {
        lock.lock()
        defer { lock.unlock() }
        while seenCount < seen.count, changed.wait(lock, milliseconds: timeoutMilliseconds) {}
    }

    func latencies(from first: Int) -> [UInt64] {
        lock.locked {
            (first..<seen.count).compactMap { number in
                guard acknowledged[number] > 0, seen[number] > 0 else { return nil }
                return seen[number] > acknowledged[number] ? seen[number] - acknowledged[number] : 0
            }
        }
    }
}
