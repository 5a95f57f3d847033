// Anomaly models as window functions against feeding each key's rows, in order, to a model by hand.

import Anomaly
import Columns
import Planning
import Platform
import XCTest

@testable import Dataflow

/// Each key's rows, sorted, given one by one to a fresh model.
enum ModelOracle {
    static func number(_ value: Value) -> Double {
        switch value {
        case .double(let number): number
        case .integer(let number): Double(number)
        default: .nan
        }
    }

    private static func value(_ number: Double, _ kind: ModelOutput.Kind) -> Value {
        if number.isNaN { return .null }
        switch kind {
        case .double, .doublePerColumn: return .double(number)
        case .bigint: return .integer(Int64(number))
        case .boolean: return .boolean(number == 1)
        }
    }

    static func evaluate(_ node: OverNode, _ rows: [[Value]], isTime: Bool) throws -> [[Value]] {
        var result: [[Value]] = []
        for sorted in RankOracle.partitions(rows, by: node.partition, order: node.order) {
            var results = sorted
            for call in node.calls {
                guard case .model(let settings) = call.function else { continue }
                let function = try XCTUnwrap(ModelFunction.named(settings.function))
                let model = try function.make(settings.valueCount, settings.parameters)
                let state = UnsafeMutableRawPointer.allocate(byteCount: model.stateByteCount, alignment: 64)
                defer { state.deallocate() }
                model.start(state)
                var outputs = [Double](repeating: 0, count: model.outputCount)
                for (index, row) in sorted.enumerated() {
                    var time = Int64(index)
                    if isTime, case .integer(let own) = row[node.order[0].column] { time = own }
                    model.step(state, timeMicroseconds: time, values: call.arguments.map { number(row[$0]) }, outputs: &outputs)
                    var next = 0
                    let fields = function.outputs.map { output -> Value in
                        if output.kind == .doublePerColumn {
                            defer { next += settings.valueCount }
                            let elements = outputs[next..<next + settings.valueCount].map { value($0, .double) }
                            return elements.allSatisfy(\.isNull) ? .null : .list(elements)
                        }
                        defer { next += 1 }
                        return value(outputs[next], output.kind)
                    }
                    results[index].append(function.outputs.count == 1 ? fields[0] : .list(fields))
                }
            }
            result += results
        }
        return result
    }
}

final class OverModelTests: XCTestCase {
    /// key, text, value, value, time, id
    static let types: [SQLType] = [.bigint, .text, .double, .double, .timestamp(precision: 3), .bigint]
    static let byTime = [SortNode.Key(column: 4, isDescending: false, nullsFirst: false)]

    static func rows(_ random: inout SeededRandom, count: Int, keys: Int, disorder: Int) -> [InputRow] {
        (0..<count).map { id in
            func maybe(_ value: Value) -> Value { random.below(6) == 0 ? .null : value }
            let time = max(0, id / 2 + random.below(disorder + 1) - disorder / 2)
            return InputRow(values: [
                maybe(.integer(Int64(random.below(keys)))), maybe(.string(["x", "a longer text than eight"][random.below(2)])),
                maybe(.double(Double(random.below(50)) / 4)), maybe(.double(Double(random.below(1_000)))), .integer(Int64(time) * second),
                .integer(Int64(id)),
            ])
        }
    }

    /// Settings that make a model learn fast and small, where a function has them.
    private static let small: [String: Double] = ["points": 5, "trees": 4, "sample_size": 16, "shingle": 2]

    static func call(_ function: ModelFunction, _ arguments: [Int], _ parameters: [String: Double] = small) throws -> OverCall {
        let values = function.parameters.map { parameters[$0.name] ?? $0.standard }
        let model = try function.make(arguments.count, values)
        return OverCall(
            function: .model(
                ModelCall(function: function.name, valueCount: arguments.count, parameters: values, stateByteCount: model.stateByteCount)),
            arguments: arguments, frame: OverFrame(unit: .rows, start: .unboundedPreceding, end: .currentRow), resultType: function.resultType,
            text: function.name)
    }

    private func zscore(_ points: Double = 5, _ column: Int = 2) throws -> OverCall {
        try Self.call(XCTUnwrap(ModelFunction.named("zscore")), [column], ["points": points])
    }

    /// Every function there is, with one column and with as many as it takes (two here).
    private func calls(_ random: inout SeededRandom) throws -> [OverCall] {
        try (0..<1 + random.below(2)).map { _ in
            let function = ModelFunction.all[random.below(ModelFunction.all.count)]
            let count = function.valueCount.contains(2) && random.below(2) == 0 ? 2 : max(function.valueCount.lowerBound, 1)
            let columns = count == 1 ? [2 + random.below(2)] : Array(2..<2 + count)
            return try Self.call(function, columns)
        }
    }

    func testInEventTime() throws {
        for seed in 0..<24 {
            var random = SeededRandom(seed: UInt64(seed))
            let rows = Self.rows(&random, count: 20 + random.below(200), keys: [1, 3, 20][random.below(3)], disorder: 6)
            var order = Self.byTime
            if random.below(2) == 0 { order.append(SortNode.Key(column: 3, isDescending: true, nullsFirst: true)) }
            let node = OverNode(partition: [[], [0], [0, 1]][random.below(3)], order: order, calls: try calls(&random), mode: .eventTime(column: 4))
            let wanted = Harness.fold(try ModelOracle.evaluate(node, rows.map(\.values), isTime: true))
            let plan = PhysicalPlan.over(Harness.watermarked(Self.types, time: 4, delay: 8 * second), node)
            try Harness.check(plan, rows, types: Self.types, expecting: wanted, late: 0, "seed \(seed) \(node.calls.map(\.text))")
            let result = try Harness.run(plan, rows, types: Self.types, RunConfiguration(rowsPerEpoch: 3))
            XCTAssertTrue(result.rows.allSatisfy { $0.0 == .insert }, "append-only")
        }
    }

    func testAtTheEnd() throws {
        for seed in 0..<20 {
            var random = SeededRandom(seed: UInt64(seed) + 100)
            let rows = Self.rows(&random, count: 20 + random.below(80), keys: [1, 3, 20][random.below(3)], disorder: 30)
            let isTime = random.below(2) == 0
            let order = isTime ? Self.byTime : [SortNode.Key(column: 5, isDescending: random.below(2) == 0, nullsFirst: false)]
            let node = OverNode(partition: [[], [0], [0, 1]][random.below(3)], order: order, calls: try calls(&random), mode: .atEnd)
            let wanted = Harness.fold(try ModelOracle.evaluate(node, rows.map(\.values), isTime: isTime))
            try Harness.check(.over(Harness.scan(Self.types), node), rows, types: Self.types, expecting: wanted, "seed \(seed) \(node.calls.map(\.text))")
        }
    }

    /// A row behind the watermark is reported and does not reach the model.
    func testLateRows() throws {
        let node = OverNode(partition: [0], order: Self.byTime, calls: [try zscore()], mode: .eventTime(column: 4))
        let plan = PhysicalPlan.over(Harness.watermarked(Self.types, time: 4, delay: 0), node)
        func row(_ value: Double, _ seconds: Int64) -> InputRow {
            InputRow(values: [.integer(1), .null, .double(value), .null, .integer(seconds * second), .integer(0)])
        }
        let good = (0..<30).map { row(Double($0 % 7), Int64($0)) }
        let straight = try Harness.run(plan, good, types: Self.types, RunConfiguration(rowsPerEpoch: 1))
        let late = try Harness.run(plan, good[..<20] + [row(1_000, 3)] + good[20...], types: Self.types, RunConfiguration(rowsPerEpoch: 1))
        XCTAssertEqual(late.late, 1)
        XCTAssertEqual(late.folded, straight.folded)
    }

    /// Keys that rest go, and begin anew; the others stay.
    func testTimeToLive() throws {
        var node = OverNode(partition: [0], order: Self.byTime, calls: [try zscore()], mode: .eventTime(column: 4))
        node.stateTTLMicroseconds = 10 * second
        let plan = PhysicalPlan.over(Harness.watermarked(Self.types, time: 4, delay: 0), node)
        // An epoch is a second. Key 1 has a row in each, key 2 in some at the beginning and at the end.
        var rows: [InputRow] = []
        for epoch in 0..<60 {
            func add(_ key: Int64, _ value: Int) {
                rows.append(
                    InputRow(values: [.integer(key), .null, .double(Double(value)), .null, .integer(Int64(epoch) * second), .integer(Int64(epoch))]))
            }
            add(1, epoch % 5)
            add(epoch < 10 || epoch >= 50 ? 2 : 1, epoch % 7)
        }
        let result = try Harness.run(plan, rows, types: Self.types, RunConfiguration(rowsPerEpoch: 2))
        func scores(_ key: Int64, _ epoch: Int64) -> [Value] {
            result.rows.filter { $0.1[0] == .integer(key) && $0.1[5] == .integer(epoch) }.map { $0.1[6] }
        }
        XCTAssertEqual(result.rows.count, rows.count)
        XCTAssertEqual(scores(2, 0), [.null])
        XCTAssertFalse(scores(2, 9)[0].isNull)
        XCTAssertEqual(scores(2, 50), [.null], "forgotten")
        XCTAssertFalse(scores(2, 59)[0].isNull)
        XCTAssertTrue(scores(1, 50).allSatisfy { !$0.isNull })
        // The same with restarts at any place.
        let restarted = try Harness.run(plan, rows, types: Self.types, RunConfiguration(rowsPerEpoch: 2, restarts: true))
        XCTAssertEqual(restarted.folded, result.folded)
    }

    /// A checkpoint holds what has changed: of the keys that had a point, the pieces of their states that are others now.
    func testCheckpointsFollowWhatChanged() throws {
        let call = try zscore(2_000)
        let node = OverNode(partition: [0], order: Self.byTime, calls: [call], mode: .eventTime(column: 4))
        let graph = try DataflowGraph(plan: .over(Harness.watermarked(Self.types, time: 4, delay: 0), node), settings: DataflowSettings())
        let pool = try XCTUnwrap(Harness.pools[1])
        let keys = 2_000
        var chain = StateChain()
        var epoch: UInt64 = 0
        func run(_ touched: Range<Int>) throws {
            let rows = touched.map { key in
                InputRow(values: [
                    .integer(Int64(key)), .null, .double(Double(key % 17) + Double(epoch)), .null, .integer(Int64(epoch) * second), .integer(0),
                ])
            }
            let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
            _ = try graph.run(
                EpochInput(
                    epoch: epoch, clockMicroseconds: Int64(epoch) * second,
                    scans: [ScanInput(morsels: Harness.makeMorsels(rows, 0, Self.types, RunConfiguration()), shards: [progress])]), pool: pool)
            epoch += 1
        }
        try run(0..<keys)
        // The rows of the last epoch wait for the watermark.
        try run(0..<1)
        try run(0..<1)
        chain.capture(graph, pool: pool)
        XCTAssertGreaterThan(chain.capturedByteCount, keys * 16_000, "the first holds all")
        try run(0..<10)
        try run(0..<10)
        chain.capture(graph, pool: pool)
        // Ten keys, a header and a value each, and the rows that wait.
        XCTAssertLessThan(chain.capturedByteCount, 40_000)
        XCTAssertGreaterThan(chain.capturedByteCount, 10 * 256)
        try run(0..<keys)
        try run(0..<1)
        chain.capture(graph, pool: pool)
        XCTAssertGreaterThan(chain.capturedByteCount, keys * 256)
        XCTAssertLessThan(chain.capturedByteCount, keys * 1_000, "of 16,016 bytes each")
        // And it is the state.
        var straight = StateWriter()
        graph.snapshot(into: &straight)
        let restored = try DataflowGraph(plan: .over(Harness.watermarked(Self.types, time: 4, delay: 0), node), settings: DataflowSettings())
        try chain.restore(restored, pool: pool)
        var again = StateWriter()
        restored.snapshot(into: &again)
        XCTAssertEqual(again.bytes, straight.bytes)
    }

    func testDamagedSnapshots() throws {
        var random = SeededRandom(seed: 11)
        let rows = Self.rows(&random, count: 80, keys: 4, disorder: 4)
        for function in ModelFunction.all {
            let columns = Array(2..<2 + max(function.valueCount.lowerBound, 1))
            let node = OverNode(partition: [0, 1], order: Self.byTime, calls: [try Self.call(function, columns)], mode: .eventTime(column: 4))
            let plan = PhysicalPlan.over(Harness.watermarked(Self.types, time: 4, delay: 5 * second), node)
            let pool = try XCTUnwrap(Harness.pools[1])
            let graph = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
            let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
            let morsels = Harness.makeMorsels(rows, 0, Self.types, RunConfiguration())
            _ = try graph.run(EpochInput(epoch: 0, clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
            var writer = StateWriter()
            graph.snapshot(into: &writer)
            let trials = writer.bytes.count > 200_000 ? 30 : 150
            for _ in 0..<trials {
                var bytes = writer.bytes
                if random.below(3) == 0 {
                    bytes.removeLast(1 + random.below(bytes.count - 1))
                } else {
                    for _ in 0..<1 + random.below(4) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.below(256)) }
                }
                let damaged = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
                var reader = StateReader(bytes)
                do {
                    try damaged.restore(from: &reader)
                    let ended = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: true)
                    _ = try damaged.run(
                        EpochInput(epoch: 1, clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [ended])]), pool: pool)
                } catch is StateError { continue }
            }
        }
    }

    /// Nanoseconds a row with many keys: MILLRACE_MEASURE=1, optimised.
    func testSpeed() throws {
        guard ProcessInfo.processInfo.environment["MILLRACE_MEASURE"] != nil else { throw XCTSkip("MILLRACE_MEASURE=1 measures") }
        let keys = 100_000
        let types: [SQLType] = [.bigint, .double, .timestamp(precision: 3)]
        let order = [SortNode.Key(column: 2, isDescending: false, nullsFirst: false)]
        for function in ModelFunction.all where function.valueCount.contains(1) {
            let call = try Self.call(function, [1], [:])
            guard case .model(let settings) = call.function, settings.stateByteCount * keys < 2 << 30 else { continue }
            let node = OverNode(partition: [0], order: order, calls: [call], mode: .eventTime(column: 2))
            let graph = try DataflowGraph(plan: .over(Harness.watermarked(types, time: 2, delay: 0), node), settings: DataflowSettings())
            let pool = try XCTUnwrap(Harness.pools[1])
            var random = SeededRandom(seed: 1)
            var nanoseconds = 0
            var count = 0
            for epoch in 0..<8 {
                let rows = (0..<200_000).map { index in
                    InputRow(values: [
                        .integer(Int64(random.below(keys))), .double(Double(random.below(1_000))), .integer(Int64(epoch) * second + Int64(index)),
                    ])
                }
                let morsels = Harness.makeMorsels(rows, 0, types, RunConfiguration(batchRows: 8_192))
                let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
                let start = DispatchTime.now().uptimeNanoseconds
                _ = try graph.run(
                    EpochInput(epoch: UInt64(epoch), clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
                if epoch > 1 {
                    nanoseconds += Int(DispatchTime.now().uptimeNanoseconds - start)
                    count += rows.count
                }
            }
            print("\(function.name): \(nanoseconds / count) ns a row, \(keys) keys of \(settings.stateByteCount) bytes")
        }
    }
}
