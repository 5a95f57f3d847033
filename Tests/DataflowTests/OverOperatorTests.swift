// Window functions against a naive evaluator that looks at every row of every frame.

import Columns
import Planning
import Platform
import XCTest

import Dataflow

enum OverOracle {
    /// Rows of the frame of row `index`, as a range; the definition of the standard, word for word.
    static func frame(_ frame: OverFrame, _ rows: [[Value]], _ index: Int, _ order: [SortNode.Key]) -> Range<Int> {
        func isPeer(_ a: Int, _ b: Int) -> Bool { RankOracle.compare(rows[a], rows[b], order) == 0 }
        func group(_ row: Int) -> Int { (0..<row).filter { !isPeer($0, $0 + 1) }.count }
        func number(_ row: Int) -> Int64? { if case .integer(let value) = rows[row][order[0].column] { value } else { nil } }
        func isIn(_ row: Int, _ bound: OverFrame.Bound, isStart: Bool) -> Bool {
            switch bound {
            case .unboundedPreceding, .unboundedFollowing: return true
            case .currentRow:
                if frame.unit == .rows { return isStart ? row >= index : row <= index }
                return isStart ? row >= index || isPeer(row, index) : row <= index || isPeer(row, index)
            case .preceding(let n), .following(let n):
                var isPreceding = false
                if case .preceding = bound { isPreceding = true }
                let signed = isPreceding ? -Int(n) : Int(n)
                switch frame.unit {
                case .rows: return isStart ? row >= index + signed : row <= index + signed
                case .groups: return isStart ? group(row) >= group(index) + signed : group(row) <= group(index) + signed
                case .range:
                    guard let own = number(index) else { return isStart ? row >= index || isPeer(row, index) : row <= index || isPeer(row, index) }
                    guard let other = number(row) else {
                        // NULLs stand outside of every distance.
                        return isStart ? row > index : row < index
                    }
                    let limit = order[0].isDescending ? own - Int64(signed) : own + Int64(signed)
                    return isStart == order[0].isDescending ? other <= limit : other >= limit
                }
            }
        }
        let inside = rows.indices.filter { isIn($0, frame.start, isStart: true) && isIn($0, frame.end, isStart: false) }
        guard let first = inside.first, let last = inside.last else { return 0..<0 }
        return first..<last + 1
    }

    static func evaluate(_ node: OverNode, _ rows: [[Value]]) -> [[Value]] {
        var result: [[Value]] = []
        for sorted in RankOracle.partitions(rows, by: node.partition, order: node.order) {
            for index in sorted.indices { result.append(sorted[index] + node.calls.map { value($0, sorted, index, node.order) }) }
        }
        return result
    }

    private static func value(_ call: OverCall, _ rows: [[Value]], _ index: Int, _ order: [SortNode.Key]) -> Value {
        func isPeer(_ a: Int, _ b: Int) -> Bool { RankOracle.compare(rows[a], rows[b], order) == 0 }
        let firstPeer = rows.indices.first { isPeer($0, index) } ?? index
        let lastPeer = rows.indices.last { isPeer($0, index) } ?? index
        func argument(_ row: Int) -> Value { rows[row][call.arguments[0]] }
        switch call.function {
        case .rowNumber: return .integer(Int64(index + 1))
        case .rank: return .integer(Int64(firstPeer + 1))
        case .denseRank: return .integer(Int64((0..<firstPeer).filter { !isPeer($0, $0 + 1) }.count + 1))
        case .percentRank: return .double(rows.count > 1 ? Double(firstPeer) / Double(rows.count - 1) : 0)
        case .cumeDist: return .double(Double(lastPeer + 1) / Double(rows.count))
        case .ntile:
            var bucket = 0
            var left = 0
            for row in 0...index {
                if left == 0 {
                    bucket += 1
                    left = rows.count / call.offset + (bucket <= rows.count % call.offset ? 1 : 0)
                    if left == 0 { left = 1 }
                }
                left -= 1
                _ = row
            }
            return .integer(Int64(bucket))
        case .lag, .lead:
            var row = index
            var steps = call.offset
            while steps > 0 {
                row += call.function == .lag ? -1 : 1
                guard rows.indices.contains(row) else { return call.arguments.count > 1 ? rows[index][call.arguments[1]] : .null }
                if !(call.ignoresNulls && argument(row).isNull) { steps -= 1 }
            }
            return argument(row)
        case .firstValue, .lastValue, .nthValue:
            let frame = frame(call.frame, rows, index, order).filter { !(call.ignoresNulls && argument($0).isNull) }
            switch call.function {
            case .firstValue: return frame.first.map(argument) ?? .null
            case .lastValue: return frame.last.map(argument) ?? .null
            default: return frame.count >= call.offset ? argument(frame[call.offset - 1]) : .null
            }
        case .aggregate(let function):
            let frame = frame(call.frame, rows, index, order).filter { call.filter == nil || rows[$0][call.filter ?? 0] == .boolean(true) }
            if function == .countRows { return .integer(Int64(frame.count)) }
            let values = frame.map(argument).filter { !$0.isNull }
            let numbers = values.compactMap { value -> Int64? in if case .integer(let number) = value { number } else { nil } }
            let doubles = values.compactMap { value -> Double? in if case .double(let number) = value { number } else { nil } }
            switch function {
            case .count: return .integer(Int64(values.count))
            case .sum: return numbers.isEmpty ? .null : .integer(numbers.reduce(0, +))
            case .min, .max:
                let key = SortNode.Key(column: 0, isDescending: function == .max, nullsFirst: false)
                return values.min { RankOracle.compare($0, $1, key) < 0 } ?? .null
            case .stddevSamp:
                guard doubles.count > 1 else { return .null }
                let mean = doubles.reduce(0, +) / Double(doubles.count)
                return .double((doubles.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(doubles.count - 1)).squareRoot())
            default:
                XCTFail("no oracle for \(function)")
                return .null
            }
        case .model:
            XCTFail("see OverModelTests")
            return .null
        }
    }
}

final class OverOperatorTests: XCTestCase {
    /// key, number, text, boolean, double, time, id
    static let types: [SQLType] = [.bigint, .bigint, .text, .boolean, .double, .timestamp(precision: 3), .bigint]

    static func rows(_ random: inout SeededRandom, count: Int, keys: Int, disorder: Int = 0) -> [InputRow] {
        (0..<count).map { id in
            func maybe(_ value: Value) -> Value { random.below(5) == 0 ? .null : value }
            let time = max(0, id / 2 + random.below(disorder + 1) - disorder / 2)
            return InputRow(values: [
                maybe(.integer(Int64(random.below(keys)))), maybe(.integer(Int64(random.below(20)))),
                maybe(.string(["x", "yy", "a longer text than eight", "z"][random.below(4)])), maybe(.boolean(random.below(2) == 0)),
                maybe(.double(Double(random.below(50)) / 4)), .integer(Int64(time) * second), .integer(Int64(id)),
            ])
        }
    }

    static func bound(_ random: inout SeededRandom, _ unit: OverFrame.Unit, isStart: Bool, isTime: Bool, isBounded: Bool) -> OverFrame.Bound {
        let distance = Int64(random.below(6)) * (unit == .range && isTime ? second : 1)
        switch random.below(4) {
        case 0: return isStart ? .unboundedPreceding : isBounded ? .currentRow : .unboundedFollowing
        case 1: return .currentRow
        case 2: return .preceding(distance)
        default: return isStart && isBounded ? .preceding(distance) : .following(distance)
        }
    }

    static func frame(_ random: inout SeededRandom, hasOneKey: Bool, isTime: Bool, isBounded: Bool) -> OverFrame {
        func place(_ bound: OverFrame.Bound) -> Int {
            switch bound {
            case .unboundedPreceding: 0
            case .preceding: 1
            case .currentRow: 2
            case .following: 3
            case .unboundedFollowing: 4
            }
        }
        while true {
            let unit: OverFrame.Unit = [.rows, .range, .groups][random.below(3)]
            let frame = OverFrame(
                unit: unit, start: bound(&random, unit, isStart: true, isTime: isTime, isBounded: isBounded),
                end: bound(&random, unit, isStart: false, isTime: isTime, isBounded: isBounded))
            if place(frame.start) > place(frame.end) || place(frame.start) == 4 || place(frame.end) == 0 { continue }
            if unit == .range && !hasOneKey && (place(frame.start) % 2 == 1 || place(frame.end) % 2 == 1) { continue }
            return frame
        }
    }

    static func calls(_ random: inout SeededRandom, hasOneKey: Bool, isTime: Bool, inTime: Bool) -> [OverCall] {
        (0..<1 + random.below(4)).map { _ in
            let frame = frame(&random, hasOneKey: hasOneKey, isTime: isTime, isBounded: inTime)
            let rows = OverFrame(unit: .rows, start: .unboundedPreceding, end: .currentRow)
            let all = OverFrame(unit: .rows, start: .unboundedPreceding, end: .unboundedFollowing)
            let ignores = random.below(2) == 0
            let offset = random.below(4)
            let filter = random.below(3) == 0 ? 3 : nil
            func aggregate(_ function: AggregateFunction, _ argument: Int?, _ type: SQLType) -> OverCall {
                OverCall(
                    function: .aggregate(function), arguments: argument.map { [$0] } ?? [], filter: filter, frame: frame, resultType: type,
                    text: function.rawValue)
            }
            switch random.below(inTime ? 13 : 17) {
            case 0: return OverCall(function: .rowNumber, arguments: [], frame: rows, resultType: .bigint, text: "row_number")
            case 1: return OverCall(function: .rank, arguments: [], frame: rows, resultType: .bigint, text: "rank")
            case 2: return OverCall(function: .denseRank, arguments: [], frame: rows, resultType: .bigint, text: "dense_rank")
            case 3:
                return OverCall(
                    function: .lag, arguments: offset % 2 == 0 ? [2] : [2, 2], ignoresNulls: ignores, frame: rows, offset: offset,
                    resultType: .text, text: "lag")
            case 4:
                return OverCall(
                    function: .lead, arguments: [1, 6], ignoresNulls: ignores && !inTime, frame: rows, offset: offset, resultType: .bigint,
                    text: "lead")
            case 5:
                return OverCall(function: .firstValue, arguments: [2], ignoresNulls: ignores, frame: frame, resultType: .text, text: "first")
            case 6:
                return OverCall(function: .lastValue, arguments: [1], ignoresNulls: ignores, frame: frame, resultType: .bigint, text: "last")
            case 7:
                return OverCall(
                    function: .nthValue, arguments: [1], ignoresNulls: ignores, frame: frame, offset: offset + 1, resultType: .bigint,
                    text: "nth")
            case 8: return aggregate(.countRows, nil, .bigint)
            case 9: return aggregate(.sum, 1, .bigint)
            case 10: return aggregate(.min, 2, .text)
            case 11: return aggregate(.max, 1, .bigint)
            case 12: return aggregate(.stddevSamp, 4, .double)
            case 13: return OverCall(function: .percentRank, arguments: [], frame: all, resultType: .double, text: "percent_rank")
            case 14: return OverCall(function: .cumeDist, arguments: [], frame: all, resultType: .double, text: "cume_dist")
            case 15: return OverCall(function: .ntile, arguments: [], frame: all, offset: offset + 1, resultType: .integer, text: "ntile")
            default: return aggregate(.count, 2, .bigint)
            }
        }
    }

    private func order(_ random: inout SeededRandom) -> [SortNode.Key] {
        switch random.below(4) {
        case 0: return [SortNode.Key(column: 1, isDescending: random.below(2) == 0, nullsFirst: random.below(2) == 0)]
        case 1: return [SortNode.Key(column: 5, isDescending: random.below(2) == 0, nullsFirst: false)]
        default: return RankOperatorTests.randomOrder(&random).filter { $0.column != 3 }
        }
    }

    func testAtTheEnd() throws {
        for seed in 0..<150 {
            var random = SeededRandom(seed: UInt64(seed))
            let rows = Self.rows(&random, count: 20 + random.below(80), keys: [1, 3, 20][random.below(3)])
            let order = order(&random)
            let hasOneKey = order.count == 1 && (order[0].column == 1 || order[0].column == 5)
            let node = OverNode(
                partition: [[], [0], [0, 2]][random.below(3)], order: order,
                calls: Self.calls(&random, hasOneKey: hasOneKey, isTime: order.first?.column == 5, inTime: false), mode: .atEnd)
            let wanted = Harness.fold(OverOracle.evaluate(node, rows.map(\.values)))
            try Harness.check(.over(Harness.scan(Self.types), node), rows, types: Self.types, expecting: wanted, "seed \(seed) \(node)")
        }
    }

    func testInEventTime() throws {
        for seed in 0..<200 {
            var random = SeededRandom(seed: UInt64(seed) + 500)
            let rows = Self.rows(&random, count: 20 + random.below(120), keys: [1, 3, 20][random.below(3)], disorder: 6)
            var order = [SortNode.Key(column: 5, isDescending: false, nullsFirst: false)]
            if random.below(3) == 0 { order.append(SortNode.Key(column: 1, isDescending: true, nullsFirst: true)) }
            let node = OverNode(
                partition: [[], [0], [0, 2]][random.below(3)], order: order,
                calls: Self.calls(&random, hasOneKey: order.count == 1, isTime: true, inTime: true), mode: .eventTime(column: 5))
            let wanted = Harness.fold(OverOracle.evaluate(node, rows.map(\.values)))
            let plan = PhysicalPlan.over(Harness.watermarked(Self.types, time: 5, delay: 8 * second), node)
            try Harness.check(plan, rows, types: Self.types, expecting: wanted, late: 0, "seed \(seed) \(node)")
            let result = try Harness.run(plan, rows, types: Self.types, RunConfiguration(rowsPerEpoch: 3))
            XCTAssertTrue(result.rows.allSatisfy { $0.0 == .insert }, "append-only")
        }
    }

    /// What a frame does not reach goes: state does not grow with the input.
    func testStateIsBoundedByTheFrame() throws {
        let frames = [
            OverFrame(unit: .rows, start: .preceding(4), end: .currentRow), OverFrame(unit: .range, start: .preceding(5 * second), end: .currentRow),
            OverFrame(unit: .rows, start: .unboundedPreceding, end: .currentRow),
        ]
        for frame in frames {
            let node = OverNode(
                partition: [0], order: [SortNode.Key(column: 5, isDescending: false, nullsFirst: false)],
                calls: [OverCall(function: .aggregate(.sum), arguments: [1], frame: frame, resultType: .bigint, text: "sum")],
                mode: .eventTime(column: 5))
            var random = SeededRandom(seed: 3)
            let rows = Self.rows(&random, count: 4_000, keys: 3, disorder: 4)
            let graph = try DataflowGraph(
                plan: .over(Harness.watermarked(Self.types, time: 5, delay: 5 * second), node), settings: DataflowSettings())
            let pool = try XCTUnwrap(Harness.pools[1])
            var most = 0
            for start in stride(from: 0, to: rows.count, by: 50) {
                let morsels = Harness.makeMorsels(Array(rows[start..<start + 50]), 0, Self.types, RunConfiguration())
                let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
                _ = try graph.run(
                    EpochInput(epoch: UInt64(start), clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
                most = max(most, graph.status.operators.last?.groups ?? 0)
            }
            XCTAssertLessThan(most, 150, "rows held with \(frame)")
            XCTAssertGreaterThan(most, 0)
        }
    }

    /// Keys that come and go: of one that is heard of no more nothing stays once time has passed what its rows are reached by.
    func testKeysThatAreGoneAreForgotten() throws {
        let frame = OverFrame(unit: .range, start: .preceding(2 * second), end: .currentRow)
        let node = OverNode(
            partition: [0], order: [SortNode.Key(column: 5, isDescending: false, nullsFirst: false)],
            calls: [OverCall(function: .aggregate(.sum), arguments: [1], frame: frame, resultType: .bigint, text: "sum")],
            mode: .eventTime(column: 5))
        var random = SeededRandom(seed: 4)
        // 20 rows a second, each key for about three seconds.
        var rows = Self.rows(&random, count: 20_000, keys: 3, disorder: 0)
        for index in rows.indices {
            rows[index].values[0] = .integer(Int64(index / 20 + random.below(3)))
            rows[index].values[5] = .integer(Int64(index) * (second / 20))
        }
        let graph = try DataflowGraph(
            plan: .over(Harness.watermarked(Self.types, time: 5, delay: second), node), settings: DataflowSettings())
        let pool = try XCTUnwrap(Harness.pools[1])
        var bytes: [Int] = []
        var groups: [Int] = []
        for start in stride(from: 0, to: rows.count, by: 100) {
            let morsels = Harness.makeMorsels(Array(rows[start..<start + 100]), 0, Self.types, RunConfiguration())
            let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
            _ = try graph.run(
                EpochInput(epoch: UInt64(start), clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
            bytes.append(graph.status.stateBytes)
            groups.append(graph.status.operators.last?.groups ?? 0)
        }
        // In the second half 500 keys more have come and gone.
        XCTAssertLessThan(groups.suffix(100).max() ?? 0, 2 * (groups.prefix(100).suffix(50).max() ?? 0) + 10)
        XCTAssertLessThan(groups.max() ?? 0, 4_000)
        XCTAssertLessThan(bytes.suffix(100).max() ?? 0, (bytes.prefix(100).max() ?? 0) * 5 / 4)
    }

    func testChanges() throws {
        for seed in 0..<120 {
            var random = SeededRandom(seed: UInt64(seed) + 900)
            var rows = Self.rows(&random, count: 15 + random.below(60), keys: [1, 3, 10][random.below(3)])
            let retracts = seed % 3 > 0
            if retracts {
                var all: [InputRow] = []
                var alive: [[Value]] = []
                for row in rows {
                    all.append(row)
                    alive.append(row.values)
                    if random.below(3) == 0 {
                        all.append(InputRow(values: alive.remove(at: random.below(alive.count)), change: .delete))
                    }
                }
                rows = all
            }
            let order = order(&random)
            let hasOneKey = order.count == 1 && (order[0].column == 1 || order[0].column == 5)
            let node = OverNode(
                partition: [[], [0]][random.below(2)], order: order,
                calls: Self.calls(&random, hasOneKey: hasOneKey, isTime: order.first?.column == 5, inTime: false), mode: .changes,
                inputRetracts: retracts)
            let wanted = Harness.fold(OverOracle.evaluate(node, RankOracle.remaining(rows)))
            try Harness.check(.over(Harness.scan(Self.types), node), rows, types: Self.types, expecting: wanted, "seed \(seed) \(node)")
        }
    }

    func testDamagedSnapshots() throws {
        var random = SeededRandom(seed: 11)
        let rows = Self.rows(&random, count: 60, keys: 4, disorder: 4)
        let order = [SortNode.Key(column: 5, isDescending: false, nullsFirst: false)]
        let frame = OverFrame(unit: .rows, start: .unboundedPreceding, end: .following(2))
        let calls = [
            OverCall(function: .aggregate(.min), arguments: [2], frame: frame, resultType: .text, text: "min"),
            OverCall(function: .lag, arguments: [2], ignoresNulls: true, frame: frame, resultType: .text, text: "lag"),
        ]
        for mode in [OverMode.eventTime(column: 5), .changes, .atEnd] {
            let plan = PhysicalPlan.over(
                Harness.watermarked(Self.types, time: 5, delay: 5 * second), OverNode(partition: [0, 2], order: order, calls: calls, mode: mode))
            let pool = try XCTUnwrap(Harness.pools[1])
            let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
            let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
            let morsels = Harness.makeMorsels(rows, 0, Self.types, RunConfiguration())
            _ = try graph.run(EpochInput(epoch: 0, clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
            var writer = StateWriter()
            graph.snapshot(into: &writer)
            for _ in 0..<300 {
                var bytes = writer.bytes
                if random.below(2) == 0 {
                    bytes.removeLast(1 + random.below(bytes.count - 1))
                } else {
                    for _ in 0..<1 + random.below(4) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.below(256)) }
                }
                let damaged = try DataflowGraph(plan: plan, settings: DataflowSettings())
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
}
