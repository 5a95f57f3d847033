import Columns
import Planning
import Platform
import XCTest

import Dataflow

final class JoinOperatorTests: XCTestCase {
    private static let seeds = 1_500

    // MARK: Input

    private struct Generator {
        var random: SeededRandom
        var time: Int64 = 0
        var live: [[Value]] = []
        var keyCount: Int
        var nullOneIn: Int
        var jitter: Int64
        var stepMax: Int

        mutating func row() -> [Value] {
            time += Int64(random.below(stepMax)) * 100_000
            func null(_ random: inout SeededRandom, _ oneIn: Int) -> Bool { oneIn > 0 && random.below(oneIn) == 0 }
            let words = ["", "a", "bb", "a longer text that does not fit", "ü", "zzzz"]
            return [
                null(&random, nullOneIn) ? .null : .integer(Int64(random.below(keyCount))),
                null(&random, nullOneIn) ? .null : .string(words[random.below(min(keyCount, words.count))]),
                null(&random, 9) ? .null : .integer(Int64(random.below(6))),
                .integer(time - Int64(random.below(Int(jitter) + 1))),
                null(&random, 5) ? .null : .string(words[random.below(words.count)]),
            ]
        }

        mutating func epoch(_ count: Int, retracts: Bool) -> [InputRow] {
            var rows: [InputRow] = []
            while rows.count < count {
                guard retracts, !live.isEmpty, random.below(3) == 0 else {
                    let values = row()
                    live.append(values)
                    rows.append(InputRow(values: values))
                    // The same row again, now and then.
                    if random.below(6) == 0 {
                        live.append(values)
                        rows.append(InputRow(values: values))
                    }
                    continue
                }
                let gone = live.remove(at: random.below(live.count))
                if random.below(2) == 0 {
                    rows.append(InputRow(values: gone, change: .delete))
                } else {
                    rows.append(InputRow(values: gone, change: .updateBefore))
                    var new = gone
                    new[2] = .integer(Int64(random.below(6)))
                    live.append(new)
                    rows.append(InputRow(values: new, change: .updateAfter))
                }
            }
            return rows
        }

        /// One row for each key; old rows of updates may be left out, and once in a while one comes after the new row.
        mutating func epochByKey(_ count: Int) -> [InputRow] {
            var rows: [InputRow] = []
            while rows.count < count {
                let values = row()
                guard !values[0].isNull else { continue }
                guard let index = live.firstIndex(where: { $0[0] == values[0] }) else {
                    live.append(values)
                    rows.append(InputRow(values: values))
                    continue
                }
                let old = live[index]
                switch random.below(4) {
                case 0:
                    live.remove(at: index)
                    rows.append(InputRow(values: old, change: .delete))
                case 1:
                    live[index] = values
                    rows.append(InputRow(values: values, change: .updateAfter))
                case 2:
                    live[index] = values
                    rows.append(InputRow(values: values, change: .updateAfter))
                    if values != old { rows.append(InputRow(values: old, change: .updateBefore)) }
                default:
                    live[index] = values
                    rows.append(InputRow(values: old, change: .updateBefore))
                    rows.append(InputRow(values: values, change: .updateAfter))
                }
            }
            return rows
        }
    }

    private func makeCase(_ seed: UInt64, kinds: [JoinOperator], _ shape: (inout SeededRandom, inout JoinNode) -> Void) -> JoinCase {
        var random = SeededRandom(seed: seed)
        let keySets: [[Int]] = [[0], [0], [1], [0, 1], []]
        let keys = keySets[random.below(keySets.count)]
        var node = JoinNode(kind: kinds[random.below(kinds.count)], leftKeys: keys, rightKeys: keys)
        node.nullSafeKeys = keys.map { _ in random.below(4) == 0 }
        if random.below(2) == 0 { node.residual = JoinCase.residual() }
        node.leftRetracts = random.below(2) == 0
        node.rightRetracts = random.below(2) == 0
        shape(&random, &node)
        let epochs = 1 + random.below(6)
        var item = JoinCase(node: node, rightEnds: random.below(epochs + 2), seed: seed)
        item.batchRows = [1, 3, 1_000][random.below(3)]
        item.workers = [1, 3][random.below(2)]
        item.restarts = random.below(2) == 0
        // What is taken back may be old; then nothing may be forgotten before the end.
        item.delay = node.leftRetracts || node.rightRetracts ? 10_000 * second : 2 * second
        let keyCount = [1, 3, 12][random.below(3)]
        func generator(_ random: inout SeededRandom) -> Generator {
            Generator(
                random: SeededRandom(seed: random.next()), keyCount: keyCount, nullOneIn: [0, 6][random.below(2)],
                jitter: [0, 2 * second][random.below(2)], stepMax: 1 + random.below(12))
        }
        var left = generator(&random)
        var right = generator(&random)
        for epoch in 0..<epochs {
            let counts = [random.below(14), random.below(14)]
            item.left.append(node.leftIsUnique ? left.epochByKey(counts[0]) : left.epoch(counts[0], retracts: node.leftRetracts))
            let isOver = epoch > item.rightEnds
            item.right.append(
                isOver ? [] : (node.rightIsUnique ? right.epochByKey(counts[1]) : right.epoch(counts[1], retracts: node.rightRetracts)))
        }
        return item
    }

    private func check(_ item: JoinCase, atEveryEpoch: Bool, _ wanted: (Int) -> [[Value]: Int]) throws {
        var isBroken = false
        var seen = 0
        let result = try JoinRunner.run(item) { epoch, result in
            if item.isTimed && epoch > 0 {
                // Time attributes hold: nothing comes from behind the watermark that was given out.
                let watermark = result.watermarks[epoch - 1]
                for (_, row) in result.rows[seen...] {
                    for time in row.count > 5 && !item.hasVersions ? [row[3], row[8]] : [row[3]] {
                        if case .integer(let time) = time, time < watermark { XCTFail("\(time) behind \(watermark), \(item)") }
                    }
                }
            }
            seen = result.rows.count
            guard !isBroken, atEveryEpoch || epoch == item.left.count - 1 else { return }
            let expected = wanted(epoch)
            if result.folded != expected {
                isBroken = true
                XCTFail("after epoch \(epoch), \(item)\n\(Harness.difference(result.folded, expected))")
            }
        }
        XCTAssertEqual(result.late, 0, "\(item)")
        XCTAssertEqual(result.failures, [], "\(item)")
        if !atEveryEpoch && !item.node.leftRetracts && !item.node.rightRetracts {
            XCTAssertFalse(result.rows.contains { $0.0 != .insert }, "a final join took something back, \(item)")
        }
    }

    // MARK: Without time

    func testRegular() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.inner, .left, .right, .full, .semi, .anti]) { _, _ in }
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: true) { naive.join(NaiveJoin.live(item.left[...$0]), NaiveJoin.live(item.right[...$0])) }
        }
    }

    func testByUniqueKey() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.inner, .left, .right, .full, .semi, .anti]) { random, node in
                node.leftKeys = [0]
                node.rightKeys = [0]
                node.nullSafeKeys = [false]
                node.rightIsUnique = true
                node.rightRetracts = true
                node.leftIsUnique = random.below(3) == 0
                if node.leftIsUnique { node.leftRetracts = true }
            }
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: true) { epoch in
                let left = item.node.leftIsUnique
                    ? NaiveJoin.liveByKey(item.left[...epoch], key: 0) : NaiveJoin.live(item.left[...epoch])
                return naive.join(left, NaiveJoin.liveByKey(item.right[...epoch], key: 0))
            }
        }
    }

    func testBounded() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.inner, .left, .right, .full, .semi, .anti]) { random, node in
                node.isBounded = true
                if random.below(3) > 0 {
                    node.leftRetracts = false
                    node.rightRetracts = false
                }
            }
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: false) { naive.join(NaiveJoin.live(item.left[...$0]), NaiveJoin.live(item.right[...$0])) }
        }
    }

    // MARK: With time

    func testInterval() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.inner, .left, .right, .full, .semi, .anti]) { random, node in
                let lower = Int64(random.below(40)) * 100_000 - 2 * second
                node.time = .interval(
                    leftTime: 3, rightTime: 3, lowerMicroseconds: lower, upperMicroseconds: lower + Int64(random.below(30)) * 100_000)
            }
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: false) { naive.join(NaiveJoin.live(item.left[...$0]), NaiveJoin.live(item.right[...$0])) }
        }
    }

    func testIntervalForgets() throws {
        let types = JoinCase.types
        let node = JoinNode(
            kind: .left, leftKeys: [0], rightKeys: [0],
            time: .interval(leftTime: 3, rightTime: 3, lowerMicroseconds: -second, upperMicroseconds: second))
        let item = JoinCase(node: node, delay: second, rightEnds: 1 << 30, seed: 0)
        let graph = try DataflowGraph(plan: item.plan, settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 1)
        var rowsOut = 0
        for epoch in 0..<200 {
            let rows = (0..<100).map { number -> InputRow in
                let sequence = epoch * 100 + number
                return InputRow(values: [.integer(Int64(sequence)), .null, .integer(1), .integer(Int64(sequence) * 10_000), .string("text \(sequence)")])
            }
            let output = try graph.run(
                EpochInput(
                    epoch: UInt64(epoch), clockMicroseconds: 0,
                    scans: (0..<2).map { port in
                        ScanInput(
                            morsels: Harness.makeMorsels(port == 0 ? rows : rows.filter { $0.values[0] == .integer(Int64(epoch * 100)) }, 0, types, RunConfiguration()),
                            shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: epoch == 199)])
                    }), pool: pool)
            for batch in output.batches {
                rowsOut += batch.count
            }
            XCTAssertLessThan(graph.status.operators[0].groups, 1_000)
            XCTAssertLessThan(graph.status.stateBytes, 1 << 20)
        }
        XCTAssertEqual(rowsOut, 20_000)
        XCTAssertEqual(graph.status.operators[0].groups, 0)
    }

    func testWindow() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.inner, .left, .right, .full, .semi, .anti]) { random, node in
                let keys = [[3], [0, 3], [1, 3]][random.below(3)]
                node.leftKeys = keys
                node.rightKeys = keys
                node.nullSafeKeys = keys.map { _ in random.below(4) == 0 }
                node.time = .window(leftEnd: 3, rightEnd: 3)
            }.withWindows()
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: false) { naive.join(NaiveJoin.live(item.left[...$0]), NaiveJoin.live(item.right[...$0])) }
        }
    }

    func testAsOf() throws {
        for seed in 0..<Self.seeds {
            var isStrict = false
            let item = makeCase(UInt64(seed), kinds: [.inner, .left]) { random, node in
                isStrict = random.below(2) == 0
                node.time = .asOf(leftTime: 3, rightTime: 3, isStrict: isStrict)
                node.residual = nil
                node.leftRetracts = false
            }.withVersions()
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: false) {
                naive.asOf(NaiveJoin.live(item.left[...$0]), item.right[...$0].flatMap { $0 }, isStrict: isStrict)
            }
        }
    }

    func testLookup() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.inner, .left]) { random, node in
                node.time = .lookup
                node.leftRetracts = false
                node.rightIsBounded = random.below(2) == 0
                node.rightIsUnique = random.below(3) == 0
                if node.rightIsUnique {
                    node.leftKeys = [0]
                    node.rightKeys = [0]
                    node.nullSafeKeys = [false]
                    node.rightRetracts = true
                }
            }
            let naive = NaiveJoin(node: item.node)
            func right(_ epoch: Int) -> [[Value]] {
                item.node.rightIsUnique ? NaiveJoin.liveByKey(item.right[...epoch], key: 0) : NaiveJoin.live(item.right[...epoch])
            }
            // While the right side is waited for only left rows with a NULL key come out.
            try check(item, atEveryEpoch: !item.node.rightIsBounded) { last in
                let ends = min(item.rightEnds, item.left.count - 1)
                var wanted: [[Value]: Int] = [:]
                for epoch in 0...last {
                    let seen = item.node.rightIsBounded ? max(ends, epoch) : epoch
                    guard !item.node.rightIsBounded || last >= ends else { continue }
                    for (row, count) in naive.join(item.left[epoch].map(\.values), right(seen)) { wanted[row, default: 0] += count }
                }
                return wanted
            }
        }
    }

    func testNotIn() throws {
        for seed in 0..<Self.seeds {
            let item = makeCase(UInt64(seed), kinds: [.antiNullAware]) { random, node in
                let key = random.below(2)
                node.leftKeys = [key]
                node.rightKeys = [key]
                node.nullSafeKeys = [false]
                node.residual = nil
                node.isBounded = random.below(5) == 0
            }
            let naive = NaiveJoin(node: item.node)
            try check(item, atEveryEpoch: !item.node.isBounded) {
                naive.join(NaiveJoin.live(item.left[...$0]), NaiveJoin.live(item.right[...$0]))
            }
        }
    }

    func testNestedColumns() throws {
        let types: [SQLType] = [.bigint, .array(.text), .row([SQLType.Field(name: "a", type: .bigint), SQLType.Field(name: "b", type: .text)])]
        var random = SeededRandom(seed: 5)
        var live: [[Value]] = []
        var rows: [InputRow] = []
        for _ in 0..<200 {
            if !live.isEmpty && random.below(3) == 0 {
                rows.append(InputRow(values: live.remove(at: random.below(live.count)), change: .delete))
                continue
            }
            let list: Value = random.below(4) == 0 ? .null : .list((0..<random.below(3)).map { _ in random.below(3) == 0 ? .null : .string("t\(random.below(3))") })
            let fields: Value = .list([.integer(Int64(random.below(3))), random.below(3) == 0 ? .null : .string("x")])
            live.append([.integer(Int64(random.below(8))), list, fields])
            rows.append(InputRow(values: live[live.count - 1]))
        }
        var wanted: [[Value]] = []
        for left in live { for right in live where left[0] == right[0] { wanted.append(left + right) } }
        let node = JoinNode(kind: .full, leftKeys: [0], rightKeys: [0], leftRetracts: true, rightRetracts: true)
        try Harness.check(
            .join(Harness.scan(types, name: "l"), Harness.scan(types, name: "r"), node), rows, types: types, expecting: Harness.fold(wanted))
    }

    func testReplicate() throws {
        var random = SeededRandom(seed: 3)
        let types: [SQLType] = [.bigint, .text]
        let rows = (0..<300).map { _ in
            InputRow(
                values: [random.below(5) == 0 ? .null : .integer(Int64(random.below(6)) - 1), .string("t\(random.below(4))")],
                change: random.below(3) == 0 ? .updateAfter : .insert)
        }
        var wanted: [[Value]: Int] = [:]
        for row in rows { if case .integer(let count) = row.values[0], count > 0 { wanted[row.values, default: 0] += Int(count) } }
        try Harness.check(.replicate(Harness.scan(types), column: 0), rows, types: types, expecting: wanted)
    }

    // MARK: State

    func testLongChainIsTakenBackInTime() throws {
        let rows = (0..<60_000).map { InputRow(values: [.integer(1), .null, .integer(Int64($0 % 20_000)), .integer(0), .null]) }
        let back = rows.map { InputRow(values: $0.values, change: .delete) }
        var item = JoinCase(node: JoinNode(kind: .inner, leftKeys: [0], rightKeys: [0], leftRetracts: true), rightEnds: 0, seed: 0)
        item.left = [rows, back]
        item.right = [[], [rows[7]]]
        // The processor's time, which others on the machine do not lengthen.
        let start = clock()
        let result = try JoinRunner.run(item) { _, _ in }
        XCTAssertEqual(result.folded, [:])
        // A search through the chain for each would take 1.8 thousand million steps.
        XCTAssertLessThan(Double(clock() - start) / 1e6, 4)
    }

    func testTTLForgetsSilently() throws {
        var node = JoinNode(kind: .left, leftKeys: [0], rightKeys: [0], rightTTLMicroseconds: 2 * second)
        node.rightRetracts = true
        func row(_ key: Int64, _ value: Int64, _ change: ChangeKind = .insert) -> InputRow {
            InputRow(values: [.integer(key), .null, .integer(value), .integer(0), .null], change: change)
        }
        var item = JoinCase(node: node, rightEnds: 1 << 30, seed: 0)
        item.left = [[], [row(1, 10)], [], [row(1, 11)], []]
        // The right row is there in epochs 0 and 1 (second 0 and 1) and gone in 2; taking it back then is nothing.
        item.right = [[row(1, 20)], [], [], [], [row(1, 20, .delete)]]
        for restarts in [false, true] {
            item.restarts = restarts
            let result = try JoinRunner.run(item) { _, _ in }
            XCTAssertEqual(
                result.folded,
                [row(1, 10).values + row(1, 20).values: 1, row(1, 11).values + [Value](repeating: .null, count: 5): 1])
        }
    }

    func testDamagedSnapshots() throws {
        var random = SeededRandom(seed: 7)
        for seed in 0..<40 {
            let item = makeCase(UInt64(seed), kinds: [.inner, .full, .semi]) { _, _ in }
            let graph = try DataflowGraph(plan: item.plan, settings: DataflowSettings(partitionCount: 3))
            let scans = [item.left, item.right].map { epochs in
                ScanInput(
                    morsels: Harness.makeMorsels(epochs.flatMap { $0 }, 0, JoinCase.types, RunConfiguration()),
                    shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: false)])
            }
            let pool = WorkerPool(workerCount: 1)
            _ = try graph.run(EpochInput(epoch: 0, clockMicroseconds: 0, scans: scans), pool: pool)
            var writer = StateWriter()
            graph.snapshot(into: &writer)
            for _ in 0..<200 {
                var bytes = writer.bytes
                for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
                if random.below(4) == 0 { bytes.removeLast(random.below(bytes.count)) }
                let other = try DataflowGraph(plan: item.plan, settings: DataflowSettings(partitionCount: 3))
                var reader = StateReader(bytes)
                do { try other.restore(from: &reader) } catch { continue }
                _ = try other.run(EpochInput(epoch: 1, clockMicroseconds: 0, scans: scans), pool: pool)
            }
        }
    }
}
