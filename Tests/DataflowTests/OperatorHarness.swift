// OperatorHarness: drives a graph over rows from memory in many configurations, and naive row-at-a-time oracles for what must come out.

import Columns
import Planning
import Platform
import XCTest

import Dataflow

/// One input row: what it does, in which shard it arrives.
struct InputRow {
    var values: [Value]
    var change = ChangeKind.insert
    var shard = 0
}

struct RunConfiguration: CustomStringConvertible {
    var batchRows = 1000
    var rowsPerEpoch = 1000
    var morselRows = 1 << 20
    var workers = 1
    var restarts = false
    var estimate: Int?
    /// 0 lets the smallest epoch go to the pool.
    var inlineRowsMax = 0

    var description: String {
        "batch \(batchRows), epoch \(rowsPerEpoch), morsel \(morselRows), workers \(workers), restarts \(restarts), estimate \(estimate ?? -1)"
    }

    static let all: [RunConfiguration] = [
        RunConfiguration(rowsPerEpoch: 1 << 20),
        RunConfiguration(batchRows: 1, rowsPerEpoch: 37),
        RunConfiguration(batchRows: 3, rowsPerEpoch: 100, morselRows: 10, workers: 3),
        RunConfiguration(rowsPerEpoch: 250, morselRows: 60, workers: 3, restarts: true, estimate: 100_000),
        RunConfiguration(rowsPerEpoch: 1, restarts: true),
        RunConfiguration(batchRows: 64, rowsPerEpoch: 1 << 20, morselRows: 128, workers: 3, estimate: 100_000),
    ]
}

struct RunResult {
    /// The folded output.
    var folded: [[Value]: Int] = [:]
    /// Output rows in order with their kinds.
    var rows: [(ChangeKind, [Value])] = []
    var late = 0
    var failures: [FailedRow] = []
    var batches = 0
    var watermarks: [Int64] = []
    var snapshots: [[UInt8]] = []
    var isFinished = false
}

let second: Int64 = 1_000_000

enum Harness {
    static let pools = [1: WorkerPool(workerCount: 1), 3: WorkerPool(workerCount: 3)]

    static func relation(_ types: [SQLType], name: String = "t") -> RelationDefinition {
        RelationDefinition(name: name, columns: types.enumerated().map { ColumnDefinition(name: "c\($0.offset)", type: $0.element) })
    }

    static func scan(_ types: [SQLType], name: String = "t") -> PhysicalPlan {
        .scan(ScanNode(relation: relation(types, name: name), columns: Array(types.indices)))
    }

    static func watermarked(_ types: [SQLType], time: Int, delay: Int64) -> PhysicalPlan {
        .watermark(
            scan(types), WatermarkNode(timeColumn: time, expression: .column(time, types[time]), delayMicroseconds: delay))
    }

    /// Cuts the rows of each shard into epochs and morsels and runs them all; the last epoch ends the input.
    static func run(
        _ plan: PhysicalPlan, _ rows: [InputRow], types: [SQLType], shardCount: Int = 1, _ configuration: RunConfiguration = RunConfiguration(),
        idle: [Int64?] = [], keepsSnapshots: Bool = false
    ) throws -> RunResult {
        let settings = DataflowSettings(
            partitionCount: 4, batchRows: configuration.batchRows, idleTimeoutMicroseconds: idle, inlineRowsMax: configuration.inlineRowsMax)
        var graph = try DataflowGraph(plan: plan, settings: settings)
        let pool = pools[configuration.workers] ?? WorkerPool(workerCount: configuration.workers)
        var result = RunResult()
        var chain = StateChain()
        var start = 0
        var epoch: UInt64 = 0
        repeat {
            let end = min(start + configuration.rowsPerEpoch, rows.count)
            let part = Array(rows[start..<end])
            let isLast = end == rows.count
            var morsels: [Morsel] = []
            var progress: [ShardProgress] = []
            for shard in 0..<shardCount {
                let mine = part.filter { $0.shard == shard }
                morsels += makeMorsels(mine, shard, types, configuration)
                progress.append(ShardProgress(hasRows: !mine.isEmpty, isCaughtUp: isLast, hasEnded: isLast))
            }
            let input = EpochInput(
                epoch: epoch, clockMicroseconds: Int64(epoch) * second,
                scans: graph.scans.map { _ in ScanInput(morsels: morsels, shards: progress) })
            let output = try graph.run(input, pool: pool)
            add(output, to: &result)
            start = end
            epoch += 1
            if keepsSnapshots {
                var writer = StateWriter()
                graph.snapshot(into: &writer)
                result.snapshots.append(writer.bytes)
            }
            if configuration.restarts {
                try chain.step(&graph, epoch: Int(epoch), pool: pool, make: { try DataflowGraph(plan: plan, settings: settings) }, "")
            }
        } while start < rows.count
        result.isFinished = graph.isFinished
        return result
    }

    static func makeMorsels(_ rows: [InputRow], _ shard: Int, _ types: [SQLType], _ configuration: RunConfiguration) -> [Morsel] {
        var morsels: [Morsel] = []
        var start = 0
        while start < rows.count {
            let part = Array(rows[start..<min(start + configuration.morselRows, rows.count)])
            start += part.count
            let batch = makeBatch(part, types)
            let step = max(configuration.batchRows * 2, 2)
            morsels.append(
                Morsel(shard: shard, rowCountEstimate: configuration.estimate ?? part.count) { push in
                    var from = 0
                    while from < batch.count {
                        let to = min(from + step, batch.count)
                        try push(batch.slice(from..<to))
                        try push(batch.slice(to..<to))
                        from = to
                    }
                })
        }
        return morsels
    }

    static func makeBatch(_ rows: [InputRow], _ types: [SQLType]) -> RowBatch {
        let plain = RowBatch.make(rows.map(\.values), types: types)
        guard rows.contains(where: { $0.change != .insert }) else { return plain }
        let changes = Buffer(byteCount: rows.count)
        for (index, row) in rows.enumerated() { changes.base.storeBytes(of: row.change.rawValue, toByteOffset: index, as: UInt8.self) }
        return RowBatch(count: plain.count, columns: plain.columns, changes: changes)
    }

    static func add(_ output: EpochOutput, to result: inout RunResult) {
        for batch in output.batches {
            result.batches += 1
            for row in 0..<batch.count {
                let values = batch.row(row).map(canonical)
                let kind = batch.change(at: row)
                result.rows.append((kind, values))
                result.folded[values, default: 0] += kind.isAddition ? 1 : -1
                if result.folded[values] == 0 { result.folded[values] = nil }
                if !kind.isAddition && (result.folded[values] ?? 0) < 0 { XCTFail("a retraction of a row that was not emitted: \(values)") }
            }
        }
        result.late += output.lateRowCount
        result.failures += output.failures
        result.watermarks.append(output.watermark)
    }

    /// Doubles to ten significant digits, so that the last ones may differ. Cut not at a half but elsewhere: fractions of small numbers,
    /// as tests use them, do not fall there.
    static func canonical(_ value: Value) -> Value {
        guard case .double(let number) = value, number.isFinite, number != 0 else {
            if case .double(let number) = value, number == 0 { return .double(0) }
            return value
        }
        let digits = 10 - Int(log10(abs(number)).rounded(.up))
        let scale = pow(10, Double(digits))
        return .double((number * scale + 0.3819).rounded(.down) / scale)
    }

    static func fold(_ rows: [[Value]]) -> [[Value]: Int] {
        var folded: [[Value]: Int] = [:]
        for row in rows { folded[row.map(canonical), default: 0] += 1 }
        return folded
    }

    static func difference(_ got: [[Value]: Int], _ wanted: [[Value]: Int]) -> String {
        var lines: [String] = []
        for (row, count) in wanted where got[row] != count { lines.append("wanted \(count) × \(row), got \(got[row] ?? 0)") }
        for (row, count) in got where wanted[row] == nil { lines.append("not wanted \(count) × \(row)") }
        return lines.sorted().prefix(6).joined(separator: "\n")
    }

    static func check(
        _ plan: PhysicalPlan, _ rows: [InputRow], types: [SQLType], shardCount: Int = 1, expecting wanted: [[Value]: Int], late: Int? = nil,
        configurations: [RunConfiguration] = RunConfiguration.all, _ label: String = "", file: StaticString = #filePath, line: UInt = #line
    ) throws {
        for configuration in configurations {
            let result = try run(plan, rows, types: types, shardCount: shardCount, configuration)
            if result.folded != wanted {
                XCTFail("\(label) \(configuration)\n\(difference(result.folded, wanted))", file: file, line: line)
                return
            }
            if let late { XCTAssertEqual(result.late, late, "late rows, \(label) \(configuration)", file: file, line: line) }
        }
    }
}

/// Aggregates by the book, over the rows of one group.
enum Oracle {
    static func aggregate(_ call: AggregateCall, _ rows: [InputRow], types: [SQLType]) -> Value {
        var kept = rows
        if let filter = call.filter { kept = kept.filter { $0.values[filter] == .boolean(true) } }
        guard let argument = call.argument, call.function != .countRows else { return .integer(signedCount(kept)) }
        if let value = HeldOracle.aggregate(call, kept, types: types) { return value }
        var values: [(Value, Int)] = kept.compactMap { row in
            row.values[argument].isNull ? nil : (row.values[argument], row.change.isAddition ? 1 : -1)
        }
        if call.isDistinct {
            var counts: [Value: Int] = [:]
            var order: [Value] = []
            for (value, sign) in values {
                let value = normal(value)
                if counts[value] == nil { order.append(value) }
                counts[value, default: 0] += sign
            }
            values = order.filter { (counts[$0] ?? 0) > 0 }.map { ($0, 1) }
        }
        let count = values.reduce(0) { $0 + $1.1 }
        let type = types[argument]
        switch call.function {
        case .countRows, .count: return .integer(Int64(count))
        case .sum:
            guard count > 0 else { return .null }
            switch type.layout {
            case .double: return .double(values.reduce(0) { $0 + number($1.0) * Double($1.1) })
            case .int128: return .decimal(values.reduce(0) { $0 + exact($1.0) * Int128($1.1) })
            default: return .integer(Int64(values.reduce(Int128(0)) { $0 + exact($1.0) * Int128($1.1) }))
            }
        case .avg:
            guard count > 0 else { return .null }
            if type.layout == .double { return .double(values.reduce(0) { $0 + number($1.0) * Double($1.1) } / Double(count)) }
            var scale = 0
            if case .decimal(_, let digits) = type { scale = digits }
            var shift: Int128 = 1
            for _ in 0..<max(6 - scale, 0) { shift *= 10 }
            let sum = values.reduce(Int128(0)) { $0 + exact($1.0) * Int128($1.1) } * shift
            let magnitude = sum < 0 ? -sum : sum
            let rounded = (magnitude * 2 + Int128(count)) / (Int128(count) * 2)
            return .decimal(sum < 0 ? -rounded : rounded)
        case .min: return values.map(\.0).min(by: less) ?? .null
        case .max: return values.map(\.0).max(by: less) ?? .null
        case .firstValue: return values.first?.0 ?? .null
        case .lastValue: return values.last?.0 ?? .null
        case .boolAnd, .boolOr:
            let trues = values.reduce(0) { $0 + ($1.0 == .boolean(true) ? $1.1 : 0) }
            return count == 0 ? .null : .boolean(call.function == .boolAnd ? trues == count : trues > 0)
        case .varSamp, .varPop, .stddevSamp, .stddevPop:
            let isSample = call.function == .varSamp || call.function == .stddevSamp
            guard count >= (isSample ? 2 : 1) else { return .null }
            let mean = values.reduce(0) { $0 + number($1.0) * Double($1.1) } / Double(count)
            let squares = values.reduce(0) { $0 + (number($1.0) - mean) * (number($1.0) - mean) * Double($1.1) }
            let variance = squares / Double(isSample ? count - 1 : count)
            return .double(call.function == .stddevSamp || call.function == .stddevPop ? variance.squareRoot() : variance)
        default: return .null
        }
    }

    static func signedCount(_ rows: [InputRow]) -> Int64 { rows.reduce(0) { $0 + ($1.change.isAddition ? 1 : -1) } }

    static func normal(_ value: Value) -> Value {
        guard case .double(let number) = value else { return value }
        return .double(number == 0 ? 0 : number)
    }

    static func number(_ value: Value) -> Double { if case .double(let number) = value { number } else { 0 } }

    static func exact(_ value: Value) -> Int128 {
        switch value {
        case .integer(let number): Int128(number)
        case .decimal(let number): number
        default: 0
        }
    }

    static func less(_ a: Value, _ b: Value) -> Bool {
        switch (a, b) {
        case (.double(let x), .double(let y)): return x < y
        case (.string(let x), .string(let y)): return Array(x.utf8).lexicographicallyPrecedes(Array(y.utf8))
        case (.boolean(let x), .boolean(let y)): return !x && y
        default: return exact(a) < exact(b)
        }
    }

    /// Which rows each (key, window) holds; how many are late. One shard: the watermark before a row is the largest time before it
    /// minus the delay.
    static func windows(_ rows: [InputRow], node: AggregateNode, delay: Int64) -> (groups: [[Value]: [InputRow]], late: Int) {
        var groups: [[Value]: [InputRow]] = [:]
        var late = 0
        var watermark: Int64?
        guard let window = node.window else { return ([:], 0) }
        for row in rows {
            guard case .integer(let time) = row.values[window.timeColumn] else { continue }
            let all = naiveWindows(window.shape, time)
            let open = all.filter { end in watermark.map { end.1 + node.allowedLatenessMicroseconds > $0 } ?? true }
            if open.isEmpty && !all.isEmpty { late += 1 }
            for (start, end) in open {
                groups[node.keys.map { normal(row.values[$0]) } + [.integer(start), .integer(end)], default: []].append(row)
            }
            watermark = max(watermark ?? .min, time - delay)
        }
        return (groups, late)
    }

    static func naiveWindows(_ shape: WindowShape, _ time: Int64) -> [(Int64, Int64)] {
        func floor(_ unit: Int64, _ offset: Int64) -> Int64 {
            let shifted = time - offset
            let quotient = shifted >= 0 ? shifted / unit : -((-shifted + unit - 1) / unit)
            return quotient * unit + offset
        }
        switch shape {
        case .tumble(let size, let offset): return [(floor(size, offset), floor(size, offset) + size)]
        case .hop(let size, let slide, let offset):
            var result: [(Int64, Int64)] = []
            var start = floor(slide, offset)
            while start + size > time {
                result.append((start, start + size))
                start -= slide
            }
            return result
        case .cumulate(let size, let step, let offset):
            let start = floor(size, offset)
            return stride(from: start + step, through: start + size, by: Int64.Stride(step)).filter { $0 > time }.map { (start, $0) }
        case .session: return []
        }
    }

    /// Sessions by the book; see SessionPartition for the rules.
    static func sessions(_ rows: [InputRow], node: AggregateNode, gap: Int64, delay: Int64) -> (groups: [[Value]: [InputRow]], late: Int) {
        struct Session {
            var first: Int64
            var last: Int64
            var rows: [(Int, InputRow)]
        }
        var open: [[Value]: [Session]] = [:]
        var late = 0
        var watermark: Int64?
        guard let window = node.window else { return ([:], 0) }
        for (index, row) in rows.enumerated() {
            guard case .integer(let time) = row.values[window.timeColumn] else { continue }
            let key = node.keys.map { normal(row.values[$0]) }
            var merged = Session(first: time, last: time, rows: [(index, row)])
            var kept: [Session] = []
            var joined = false
            for session in open[key] ?? [] {
                let isOpen = watermark.map { session.last + gap + node.allowedLatenessMicroseconds > $0 } ?? true
                if isOpen && time <= session.last + gap && time >= session.first - gap {
                    merged.first = min(merged.first, session.first)
                    merged.last = max(merged.last, session.last)
                    merged.rows += session.rows
                    joined = true
                } else {
                    kept.append(session)
                }
            }
            if !joined, let watermark, time + gap + node.allowedLatenessMicroseconds <= watermark {
                late += 1
            } else {
                open[key] = kept + [merged]
            }
            watermark = max(watermark ?? .min, time - delay)
        }
        var groups: [[Value]: [InputRow]] = [:]
        for (key, sessions) in open {
            for session in sessions {
                let rows = session.rows.sorted { $0.0 < $1.0 }.map(\.1)
                groups[key + [.integer(session.first), .integer(session.last + gap)], default: []] += rows
            }
        }
        return (groups, late)
    }

    static func results(_ groups: [[Value]: [InputRow]], _ node: AggregateNode, types: [SQLType]) -> [[Value]: Int] {
        Harness.fold(groups.map { key, rows in key + node.aggregates.map { aggregate($0, rows, types: types) } })
    }
}
