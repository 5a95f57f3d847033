// A small data directory, damaged in every way that one fault can: every byte flipped, every length cut, blocks zeroed and swapped. Each time the
// damage is found, or harmless; nothing wrong is ever served.
//
// "Found": opening, a read, the query's recovery or a notice says so. "Harmless": all reads, the catalog, and what the query goes on to give are as
// before. What is served beside a fault that was found must be right too: each row is compared by its number.
//
// MILLRACE_CORRUPTION=all takes every byte and every length; by default every eleventh or so, from a place that depends on the file.

import Columns
import Platform
import ShardLog
import XCTest

@testable import Engine

final class CorruptionTests: XCTestCase {
    private enum Outcome: String, CaseIterable { case refused, found, healed, harmless, wrong }

    /// What a healthy directory gives.
    private struct Truth {
        var disk: SimulatedFileSystem
        var rows: [String: [[UInt64: [Int64]]]] = [:]
        var definitions: [String] = []
        /// The output after the query has gone on to the end.
        var output: [[Int64]] = []
        var isClosed = true
    }

    private func makeTruth(closes: Bool) throws -> Truth {
        let files = SimulatedFileSystem(seed: 8)
        let clock = ManualClock(startingAtMicroseconds: 1_000_000)
        var workload = ReferenceWorkload(seed: 8)
        do {
            let life = try ReferenceLife(files, clock)
            for number in 0..<ReferenceWorkload.stepCount { try workload.step(number, life, clock) }
            if closes { try life.engine.close() }
        }
        var truth = Truth(disk: files.copy(seed: 1))
        truth.isClosed = closes
        let look = truth.disk.copy(seed: 2)
        let life = try ReferenceLife(look, clock)
        for name in ["t", "out"] { truth.rows[name] = try life.rows(of: name) }
        truth.definitions = life.engine.catalogObjects().map(\.sql)
        truth.output = try goOn(life)
        XCTAssertGreaterThan(truth.output.count, 10)
        return truth
    }

    /// Lets the query run to the end of time and gives all its output.
    private func goOn(_ life: ReferenceLife) throws -> [[Int64]] {
        let clock = ManualClock(startingAtMicroseconds: 90_000_000)
        try life.append((0..<32).map { [Int64($0), 0, 500_000_000] }, clock: clock)
        try life.withQueries { while case .progressed = try $0.step(nowMicroseconds: clock.nowMicroseconds()) {} }
        // What the file holds belongs to what was given: three columns instead of four.
        return try (life.rows(of: "out").flatMap(\.values) + life.exported()).sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func judge(_ disk: SimulatedFileSystem, _ truth: Truth, _ label: String) -> Outcome {
        let life: ReferenceLife
        do { life = try ReferenceLife(disk, ManualClock(startingAtMicroseconds: 80_000_000)) } catch { return .refused }
        let recovery = life.engine.log.recovery
        var isNoticed = !recovery.damage.isEmpty || !recovery.failures.isEmpty || !recovery.truncations.isEmpty || !life.notices.lines.isEmpty
        func wrong(_ what: String) -> Outcome {
            XCTFail("\(label): \(what)")
            return .wrong
        }
        if life.engine.catalogObjects().map(\.sql) != truth.definitions { return wrong("the catalog differs") }
        var isWhole = true
        for name in ["t", "out"] {
            guard let wanted = truth.rows[name] else { continue }
            guard let stream = try? life.stream(name) else {
                isNoticed = isNoticed || !recovery.failures.isEmpty
                isWhole = false
                continue
            }
            for (shard, truths) in zip(stream.shards, wanted) {
                for (sequence, row) in truths {
                    do {
                        guard let part = try ShardReader(shard).read(from: sequence, rowLimit: 1, columns: Array(stream.schema.fields.indices)) else {
                            isWhole = false
                            if !isNoticed { return wrong("row \(sequence) of \(name) is missing without a word") }
                            continue
                        }
                        if part.firstSequence != sequence || part.batch.columns.map({ $0.int64s[0] }) != row { return wrong("row \(sequence) of \(name) is another") }
                    } catch {
                        isWhole = false
                        isNoticed = true
                    }
                }
            }
        }
        do {
            let output = try goOn(life)
            isNoticed = isNoticed || !life.notices.lines.isEmpty
            if output != truth.output {
                // Rows that are lost, and were said to be, are missing in the result; they change nothing else when the query had read them before.
                isWhole = false
                if !isNoticed { return wrong("the query gives something else") }
                // Lost rows make results fewer, never others: a query does not go on over a hole that nobody has given up.
                var left: [[Int64]: Int] = [:]
                for row in truth.output { left[row, default: 0] += 1 }
                for row in output { left[row, default: 0] -= 1 }
                if truth.isClosed, left.values.contains(where: { $0 < 0 }) { return wrong("the query gives something wrong") }
            }
        } catch {
            isNoticed = true
            isWhole = false
        }
        if isWhole { return isNoticed ? .healed : .harmless }
        return isNoticed ? .found : wrong("rows are missing without a word")
    }

    private final class Counts {
        var table: [String: [Outcome: Int]] = [:]
        var examples: [String: String] = [:]
        func add(_ kind: String, _ outcome: Outcome) { table[kind, default: [:]][outcome, default: 0] += 1 }
        var text: String {
            table.sorted { $0.key < $1.key }.map { kind, outcomes in
                kind + ": " + Outcome.allCases.compactMap { outcome in outcomes[outcome].map { "\($0) \(outcome.rawValue)" } }.joined(separator: ", ")
            }.joined(separator: "\n")
        }
    }

    private var isLong: Bool { ProcessInfo.processInfo.environment["MILLRACE_CORRUPTION"] == "all" }

    private func kind(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return String(name.prefix { !$0.isNumber }).replacingOccurrences(of: "-", with: "")
    }

    private func files(_ truth: Truth) -> [(path: String, size: Int)] {
        truth.disk.allPaths.filter { $0.hasPrefix("/data/") && !$0.hasSuffix("/lock") }.map { ($0, truth.disk.contents($0)?.count ?? 0) }
    }

    /// Every so many positions of a file; zeros far from anything else are passed over.
    private func positions(_ truth: Truth, _ path: String, _ index: Int, step: Int) -> [Int] {
        let bytes = truth.disk.contents(path) ?? []
        return stride(from: isLong ? 0 : index % step, to: bytes.count, by: isLong ? 1 : step).filter { position in
            bytes[max(0, position - 64)..<min(bytes.count, position + 64)].contains { $0 != 0 }
        }
    }

    func testEveryFlippedByteIsFoundOrHarmless() throws {
        let truth = try makeTruth(closes: true)
        let counts = Counts()
        for (index, (path, _)) in files(truth).enumerated() {
            for position in positions(truth, path, index, step: 11) {
                let disk = truth.disk.copy(seed: 1)
                disk.corrupt(path) { $0[position] ^= 1 << UInt8(position % 8) }
                counts.add(kind(path), judge(disk, truth, "\(path), byte \(position) flipped"))
            }
        }
        print("flipped bytes\n\(counts.text)")
    }

    func testEveryTruncationIsFoundOrHarmless() throws {
        let truth = try makeTruth(closes: true)
        let counts = Counts()
        for (index, (path, size)) in files(truth).enumerated() {
            var lengths = positions(truth, path, index, step: 29)
            // Cuts between frames and records look like nothing at all.
            if !path.hasSuffix("/end") { lengths += stride(from: 0, to: size, by: 64) }
            for length in Set(lengths).sorted() {
                let disk = truth.disk.copy(seed: 1)
                disk.corrupt(path) { $0.removeLast($0.count - length) }
                counts.add(kind(path), judge(disk, truth, "\(path) cut to \(length) of \(size)"))
            }
        }
        print("truncations\n\(counts.text)")
    }

    func testZeroedAndSwappedBlocksAreFoundOrHarmless() throws {
        let truth = try makeTruth(closes: true)
        let counts = Counts()
        for blockByteCount in [512, 4_096] {
            for (path, size) in files(truth) {
                for start in stride(from: 0, to: size, by: blockByteCount) {
                    let end = min(start + blockByteCount, size)
                    let disk = truth.disk.copy(seed: 1)
                    disk.corrupt(path) { for position in start..<end { $0[position] = 0 } }
                    counts.add("zeroed " + kind(path), judge(disk, truth, "\(path), \(start)..<\(end) zeroed"))
                    guard end + blockByteCount <= size else { continue }
                    let swapped = truth.disk.copy(seed: 1)
                    swapped.corrupt(path) { bytes in for position in start..<end { bytes.swapAt(position, position + blockByteCount) } }
                    counts.add("swapped " + kind(path), judge(swapped, truth, "\(path), blocks at \(start) and \(end) swapped"))
                }
            }
            // A write that went to another file of the same kind.
            let segments = files(truth).filter { $0.path.hasSuffix(".log") && $0.path.contains("/seg-") }
            for (from, to) in zip(segments, segments.dropFirst()) {
                let source = truth.disk.contents(from.path) ?? []
                let disk = truth.disk.copy(seed: 1)
                let count = min(blockByteCount, source.count, to.size)
                disk.corrupt(to.path) { $0.replaceSubrange(0..<count, with: source[0..<count]) }
                counts.add("misdirected seg", judge(disk, truth, "the first block of \(from.path) over \(to.path)"))
            }
        }
        print("blocks\n\(counts.text)")
    }

    /// As above for a directory that nobody closed: the end of the last file may be torn, but nothing wrong is served.
    func testAfterACrashToo() throws {
        let truth = try makeTruth(closes: false)
        let counts = Counts()
        for (index, (path, _)) in files(truth).enumerated() {
            for position in positions(truth, path, index, step: 41) {
                let disk = truth.disk.copy(seed: 1)
                disk.corrupt(path) { $0[position] ^= 1 << UInt8(position % 8) }
                counts.add(kind(path), judge(disk, truth, "\(path), byte \(position) flipped"))
            }
        }
        print("flipped bytes after a crash\n\(counts.text)")
    }
}
