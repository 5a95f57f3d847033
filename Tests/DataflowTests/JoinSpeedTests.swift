import Columns
import Glibc
import Planning
import Platform
import XCTest

import Dataflow

/// Figures, not checks: runs only when MILLRACE_OPERATOR_SPEED is set (to the number of rows in millions).
final class JoinSpeedTests: XCTestCase {
    private static let types: [SQLType] = [.bigint, .bigint, .timestamp(precision: 3)]

    private static func batches(_ rows: Int, _ key: (Int) -> Int64) -> [RowBatch] {
        stride(from: 0, to: rows, by: 8_192).map { start in
            let n = min(8_192, rows - start)
            let buffers = types.map { _ in Buffer(byteCount: n * 8) }
            let columns = buffers.map { $0.base.assumingMemoryBound(to: Int64.self) }
            for row in 0..<n {
                columns[0][row] = key(start + row)
                columns[1][row] = Int64(start + row)
                columns[2][row] = Int64(start + row) * 10
            }
            return RowBatch(count: n, columns: zip(types, buffers).map { Column(type: $0, count: n, values: $1) })
        }
    }

    private func measure(_ label: String, _ plan: PhysicalPlan, _ inputs: [[RowBatch]], workers: Int) throws {
        let pool = WorkerPool(workerCount: workers)
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
        let clock = SystemClock()
        let epochs = 16
        var rowsOut = 0
        let start = clock.monotonicNanoseconds()
        for epoch in 0..<epochs {
            let scans = inputs.map { batches in
                let part = Array(batches[(batches.count * epoch / epochs)..<(batches.count * (epoch + 1) / epochs)])
                let morsels = stride(from: 0, to: part.count, by: 8).map { from in
                    let slice = Array(part[from..<min(from + 8, part.count)])
                    return Morsel(shard: 0, rowCountEstimate: slice.reduce(0) { $0 + $1.count }) { push in for batch in slice { try push(batch) } }
                }
                return ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: false)])
            }
            let output = try graph.run(EpochInput(epoch: UInt64(epoch), clockMicroseconds: 0, scans: scans), pool: pool)
            rowsOut += output.batches.reduce(0) { $0 + $1.count }
        }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        let rows = inputs.joined().reduce(0) { $0 + $1.count }
        let status = graph.status.operators[0]
        func round(_ value: Double) -> Double { (value * 10).rounded() / 10 }
        print(
            "\(label), \(workers) worker(s): \(round(Double(rows) / seconds / 1e6)) M rows/s, \(round(seconds * 1e9 / Double(rows))) ns a row, "
                + "\(rowsOut) rows out, \(status.groups) rows kept, \(round(Double(status.stateBytes) / Double(max(status.groups, 1)))) bytes each")
    }

    func testSpeed() throws {
        guard let setting = getenv("MILLRACE_OPERATOR_SPEED") else { return }
        let millions = Int(String(cString: setting)) ?? 10
        func scan(_ name: String) -> PhysicalPlan { Harness.scan(Self.types, name: name) }
        func timed(_ name: String) -> PhysicalPlan {
            .watermark(scan(name), WatermarkNode(timeColumn: 2, expression: .column(2, Self.types[2]), delayMicroseconds: second))
        }
        for keys in [10_000, 1_000_000, 10_000_000] where keys <= millions * 1_000_000 {
            let side = Self.batches(keys) { Int64($0) &* 7_919 }
            let probes = Self.batches(millions * 1_000_000) { Int64(($0 &* 48_271) % keys) &* 7_919 }
            for workers in [1, 2] {
                let node = JoinNode(kind: .inner, leftKeys: [0], rightKeys: [0])
                try measure("inner, one row a key, \(keys) keys", .join(scan("l"), scan("r"), node), [side, side], workers: workers)
                try measure("inner, many rows a key, \(keys) keys", .join(scan("l"), scan("r"), node), [side, probes], workers: workers)
                let left = JoinNode(kind: .left, leftKeys: [0], rightKeys: [0])
                try measure("left, many rows a key, \(keys) keys", .join(scan("l"), scan("r"), left), [side, probes], workers: workers)
                let lookup = JoinNode(kind: .inner, leftKeys: [0], rightKeys: [0], time: .lookup)
                try measure("lookup, \(keys) keys", .join(scan("l"), scan("r"), lookup), [probes, side], workers: workers)
            }
        }
        let events = Self.batches(millions * 1_000_000) { Int64($0 % 1_000) }
        let few = Self.batches(millions * 1_000_000) { Int64(($0 &* 7) % 1_000) }
        let interval = JoinNode(
            kind: .inner, leftKeys: [0], rightKeys: [0],
            time: .interval(leftTime: 2, rightTime: 2, lowerMicroseconds: -10_000, upperMicroseconds: 0))
        try measure("interval", .join(timed("l"), timed("r"), interval), [events, few], workers: 2)
    }
}
