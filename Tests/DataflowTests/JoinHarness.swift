// JoinHarness: random joins over random changelogs, driven epoch by epoch, and a naive join to compare with.

import Columns
import Planning
import Platform
import XCTest

import Dataflow

/// key, second key, value, time, text.
struct JoinCase: CustomStringConvertible {
    var node: JoinNode
    var left: [[InputRow]] = []
    var right: [[InputRow]] = []
    var batchRows = 1_000
    var workers = 1
    var restarts = false
    var delay: Int64 = 0
    /// The epoch after which the right input has ended.
    var rightEnds: Int
    var seed: UInt64

    static let types: [SQLType] = [.bigint, .text, .bigint, .timestamp(precision: 3), .text]

    var description: String {
        "seed \(seed): \(node.kind) \(node.time), keys \(node.leftKeys) null-safe \(node.nullSafeKeys), residual \(node.residual != nil), retracts "
            + "\(node.leftRetracts) \(node.rightRetracts), unique \(node.leftIsUnique) \(node.rightIsUnique), bounded \(node.isBounded), "
            + "batch \(batchRows), workers \(workers), restarts \(restarts), epochs \(left.count)"
    }

    var isTimed: Bool {
        switch node.time {
        case .none, .lookup: false
        default: true
        }
    }

    var plan: PhysicalPlan {
        func input(_ name: String) -> PhysicalPlan {
            guard isTimed else { return Harness.scan(Self.types, name: name) }
            return .watermark(
                Harness.scan(Self.types, name: name),
                WatermarkNode(timeColumn: 3, expression: .column(3, Self.types[3]), delayMicroseconds: delay))
        }
        return .join(input("l"), input("r"), node)
    }

    /// Times become the ends of windows of two seconds; watermarks stay behind them.
    func withWindows() -> JoinCase {
        var item = self
        item.delay += 2 * second
        func end(_ row: InputRow) -> InputRow {
            var row = row
            if case .integer(let time) = row.values[3] {
                let size = 2 * second
                row.values[3] = .integer((time >= 0 ? time / size : (time - size + 1) / size) * size + size)
            }
            return row
        }
        item.left = left.map { $0.map(end) }
        item.right = right.map { $0.map(end) }
        return item
    }

    var hasVersions: Bool { if case .asOf = node.time { true } else { false } }

    /// Changes of the right side carry the time at which they come.
    func withVersions() -> JoinCase {
        var item = self
        item.delay = 2 * second
        var clock = Int64.min
        item.right = right.map { rows in
            rows.map { row in
                var row = row
                guard case .integer(let time) = row.values[3] else { return row }
                clock = max(clock, time)
                if row.change != .insert { row.values[3] = .integer(clock) }
                return row
            }
        }
        return item
    }

    static func residual() -> BoundExpression {
        BoundExpression(.call(.less, [.column(2, .bigint), .column(7, .bigint)]), type: .boolean)
    }
}

enum JoinRunner {
    /// Runs the case; `check` sees the folded output after each epoch.
    static func run(_ item: JoinCase, _ check: (Int, RunResult) -> Void) throws -> RunResult {
        let settings = DataflowSettings(partitionCount: 3, batchRows: item.batchRows, inlineRowsMax: 0)
        var graph = try DataflowGraph(plan: item.plan, settings: settings)
        let pool = Harness.pools[item.workers] ?? WorkerPool(workerCount: item.workers)
        var result = RunResult()
        var chain = StateChain()
        var configuration = RunConfiguration()
        configuration.batchRows = item.batchRows
        for epoch in item.left.indices {
            let isLast = epoch == item.left.count - 1
            let scans = [item.left[epoch], item.right[epoch]].enumerated().map { port, rows in
                ScanInput(
                    morsels: Harness.makeMorsels(rows, 0, JoinCase.types, configuration),
                    shards: [
                        ShardProgress(
                            hasRows: !rows.isEmpty, isCaughtUp: false, hasEnded: isLast || (port == 1 && epoch >= item.rightEnds))
                    ])
            }
            let output = try graph.run(
                EpochInput(epoch: UInt64(epoch), clockMicroseconds: Int64(epoch) * second, scans: scans), pool: pool)
            Harness.add(output, to: &result)
            check(epoch, result)
            guard item.restarts else { continue }
            try chain.step(&graph, epoch: epoch, pool: pool, make: { try DataflowGraph(plan: item.plan, settings: settings) }, "\(item)")
        }
        return result
    }
}

/// Joins by the book.
struct NaiveJoin {
    let node: JoinNode
    let width = JoinCase.types.count

    static func live(_ epochs: ArraySlice<[InputRow]>) -> [[Value]] {
        var rows: [[Value]] = []
        for row in epochs.joined() {
            if row.change.isAddition {
                rows.append(row.values)
            } else if let index = rows.firstIndex(of: row.values) {
                rows.remove(at: index)
            }
        }
        return rows
    }

    /// The rows of a side where an addition replaces the row of its key.
    static func liveByKey(_ epochs: ArraySlice<[InputRow]>, key: Int) -> [[Value]] {
        var rows: [[Value]] = []
        for row in epochs.joined() {
            let index = rows.firstIndex { $0[key] == row.values[key] }
            if row.change.isAddition {
                if let index { rows[index] = row.values } else { rows.append(row.values) }
            } else if let index, rows[index] == row.values {
                rows.remove(at: index)
            }
        }
        return rows
    }

    private func number(_ value: Value) -> Int64? { if case .integer(let number) = value { number } else { nil } }

    func keysMatch(_ left: [Value], _ right: [Value]) -> Bool {
        for (index, (a, b)) in zip(node.leftKeys, node.rightKeys).enumerated() {
            if left[a].isNull || right[b].isNull {
                guard node.nullSafeKeys[index] && left[a].isNull && right[b].isNull else { return false }
            } else if left[a] != right[b] {
                return false
            }
        }
        return true
    }

    func matches(_ left: [Value], _ right: [Value]) -> Bool {
        guard keysMatch(left, right) else { return false }
        if node.residual != nil {
            guard let a = number(left[2]), let b = number(right[2]), a < b else { return false }
        }
        if case .interval(let leftTime, let rightTime, let lower, let upper) = node.time {
            guard let a = number(left[leftTime]), let b = number(right[rightTime]) else { return false }
            return a - b >= lower && a - b <= upper
        }
        return true
    }

    func join(_ left: [[Value]], _ right: [[Value]]) -> [[Value]: Int] {
        let nulls = [Value](repeating: .null, count: width)
        var rows: [[Value]] = []
        var isMatched = [Bool](repeating: false, count: right.count)
        for a in left {
            var partners = 0
            for (index, b) in right.enumerated() where matches(a, b) {
                partners += 1
                isMatched[index] = true
                if !node.kind.keepsLeftOnly { rows.append(a + b) }
            }
            switch node.kind {
            case .semi: if partners > 0 { rows.append(a) }
            case .anti: if partners == 0 { rows.append(a) }
            case .antiNullAware:
                let hasNull = right.contains { $0[node.rightKeys[0]].isNull }
                if right.isEmpty || (!hasNull && !a[node.leftKeys[0]].isNull && partners == 0) { rows.append(a) }
            case .left, .full: if partners == 0 { rows.append(a + nulls) }
            case .inner, .right: break
            }
        }
        if node.kind == .right || node.kind == .full {
            for (index, b) in right.enumerated() where !isMatched[index] { rows.append(nulls + b) }
        }
        return Harness.fold(rows)
    }

    /// Each left row with the version of its key that holds at its time.
    func asOf(_ left: [[Value]], _ versions: [InputRow], isStrict: Bool) -> [[Value]: Int] {
        let nulls = [Value](repeating: .null, count: width)
        var rows: [[Value]] = []
        for a in left {
            guard let time = number(a[3]) else { continue }
            var best: (time: Int64, row: InputRow)?
            for version in versions where version.change != .updateBefore && keysMatch(a, version.values) {
                guard let start = number(version.values[3]), isStrict ? start < time : start <= time else { continue }
                if best.map({ start >= $0.time }) ?? true { best = (start, version) }
            }
            if let best, best.row.change.isAddition {
                rows.append(a + best.row.values)
            } else if node.kind == .left {
                rows.append(a + nulls)
            }
        }
        return Harness.fold(rows)
    }
}
