// AggregateFeeder: what a task does with rows on their way to an aggregation.
//
// 1. Rows without an event time fail; rows whose windows have all closed are late (see `TimeSplitter`).
// 2. The rest is cut into runs of one slice each.
// 3. When the plan says so (`isTwoPhase`) a large task aggregates locally, one table per slice; when that does not reduce (more than `distinctShareMax` of the rows are groups
//    of their own), it goes on by handing rows out to partitions by the hash of their key. A small task does so from the start, and so does
//    one for an aggregate that must see its rows in order.
//
// What a partition makes of the feeders, in task order, is the same whichever way they took, but for the order of rounding errors.

import Columns

/// Rows or partial groups of one slice, for one partition.
enum SliceInput {
    case table(GroupTable, chosen: [UInt32]?)
    case rows(RowBatch)
}

/// A row that some of its windows have closed on: it counts only in those that end (allowed lateness included) after `watermark`.
struct DeferredRow {
    var watermark: Int64
    var sliceStart: Int64
    var batch: RowBatch
}

final class AggregateFeeder: Feeder {
    /// Per partition, in order.
    private(set) var inputs: [[(sliceStart: Int64, input: SliceInput)]]
    private(set) var deferred: [[DeferredRow]]

    private let stage: AggregateStage
    private let layout: GroupLayout
    private let partitionCount: Int
    private var arrival: Int64
    private var isAggregating: Bool
    private var tables: [(sliceStart: Int64, table: GroupTable)] = []
    private var rowsAggregated = 0
    private(set) var rowCount = 0

    static let rowsAggregatedMin = 1_024
    private static let rowsBeforeJudging = 8_192
    private static let distinctShareMax = 0.6

    init(_ stage: AggregateStage, task: Int, rowEstimate: Int) {
        self.stage = stage
        layout = stage.layout
        partitionCount = stage.partitionCount
        inputs = Array(repeating: [], count: stage.partitionCount)
        deferred = stage.grid == nil ? [] : Array(repeating: [], count: stage.partitionCount)
        arrival = stage.arrivalBase &+ Int64(task) << 24 &+ 1
        isAggregating = stage.node.isTwoPhase && rowEstimate >= AggregateFeeder.rowsAggregatedMin && !stage.layout.isOrderSensitive
    }

    func push(_ batch: RowBatch, _ context: TaskContext) {
        guard batch.count > 0 else { return }
        rowCount += batch.count
        var arrivals: Column?
        if layout.needsArrival {
            let numbers = Buffer(byteCount: batch.count * 8)
            let values = numbers.base.assumingMemoryBound(to: Int64.self)
            for row in 0..<batch.count { values[row] = arrival &+ Int64(row) }
            arrival &+= Int64(batch.count)
            arrivals = Column(type: .bigint, count: batch.count, values: numbers)
        }
        let compact = layout.compact(batch, arrival: arrivals)
        guard let splitter = stage.splitter, let timeColumn = stage.timeColumn else { return add(0, compact, context) }
        splitter.split(batch, time: batch.columns[timeColumn], context) { part in
            switch part {
            case .whole(let sliceStart): add(sliceStart, compact, context)
            case .range(let sliceStart, let rows): add(sliceStart, compact.slice(rows), context)
            case .rows(let sliceStart, let rows): add(sliceStart, compact.gather(rows), context)
            case .deferred(let sliceStart, let row, let watermark):
                let one = compact.slice(row..<row + 1)
                GroupTable.hashKeys(one, layout: layout, context.scratch)
                let partition = KeyHash.partition(context.scratch.hashes[0], of: partitionCount)
                deferred[partition].append(DeferredRow(watermark: watermark, sliceStart: sliceStart, batch: one))
            }
        }
    }

    private func add(_ sliceStart: Int64, _ batch: RowBatch, _ context: TaskContext) {
        guard isAggregating else { return handOut(sliceStart, batch, context) }
        let table: GroupTable
        if let last = tables.last, last.sliceStart == sliceStart {
            table = last.table
        } else if let known = tables.first(where: { $0.sliceStart == sliceStart }) {
            table = known.table
        } else {
            table = stage.takeTable()
            tables.append((sliceStart, table))
        }
        table.update(batch, context.scratch)
        rowsAggregated += batch.count
        if rowsAggregated >= AggregateFeeder.rowsBeforeJudging && !layout.keyTypes.isEmpty {
            let groups = tables.reduce(0) { $0 + $1.table.count }
            if Double(groups) > AggregateFeeder.distinctShareMax * Double(rowsAggregated) { stopAggregating() }
        }
    }

    /// Hands the local tables out; what comes after goes row by row.
    private func stopAggregating() {
        isAggregating = false
        for (sliceStart, table) in tables {
            guard partitionCount > 1 && !layout.keyTypes.isEmpty else {
                inputs[0].append((sliceStart, .table(table, chosen: nil)))
                continue
            }
            var chosen = [[UInt32]](repeating: [], count: partitionCount)
            for slot in 0..<table.count {
                chosen[KeyHash.partition(table.hash(ofSlot: slot), of: partitionCount)].append(UInt32(slot))
            }
            for partition in 0..<partitionCount where !chosen[partition].isEmpty {
                inputs[partition].append((sliceStart, .table(table, chosen: chosen[partition])))
            }
        }
    }

    private func handOut(_ sliceStart: Int64, _ batch: RowBatch, _ context: TaskContext) {
        guard partitionCount > 1 && !layout.keyTypes.isEmpty else {
            inputs[0].append((sliceStart, .rows(batch)))
            return
        }
        GroupTable.hashKeys(batch, layout: layout, context.scratch)
        Exchange.split(batch, hashes: context.scratch.hashes, partitionCount: partitionCount) { partition, rows in
            inputs[partition].append((sliceStart, .rows(rows)))
        }
    }

    func finish(_ context: TaskContext) {
        if isAggregating { stopAggregating() }
    }

    /// Gives the local tables back for the next epoch.
    func recycle() {
        for (_, table) in tables { stage.giveBack(table) }
        tables.removeAll()
        inputs.removeAll()
    }
}

/// Hands rows out to partitions by hash.
enum Exchange {
    static func split(_ batch: RowBatch, hashes: UnsafePointer<UInt64>, partitionCount: Int, _ body: (Int, RowBatch) -> Void) {
        let n = batch.count
        let first = KeyHash.partition(hashes[0], of: partitionCount)
        if n == 1 { return body(first, batch) }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: n * 2 + partitionCount + 1) { memory in
            guard let base = memory.baseAddress else { return }
            // Counting sort by partition: which, then where each begins, then the rows in order.
            let which = base
            let order = base + n
            let starts = base + 2 * n
            for partition in 0...partitionCount { starts[partition] = 0 }
            for row in 0..<n {
                let partition = KeyHash.partition(hashes[row], of: partitionCount)
                which[row] = Int32(truncatingIfNeeded: partition)
                starts[partition + 1] += 1
            }
            for partition in 0..<partitionCount { starts[partition + 1] += starts[partition] }
            for row in 0..<n {
                let place = starts[Int(which[row])]
                order[Int(place)] = Int32(truncatingIfNeeded: row)
                starts[Int(which[row])] = place &+ 1
            }
            var start = 0
            for partition in 0..<partitionCount {
                let end = Int(starts[partition])
                if end - start == n {
                    body(partition, batch)
                } else if end > start {
                    body(partition, batch.picked(UnsafeBufferPointer(start: order + start, count: end - start)))
                }
                start = end
            }
        }
    }
}
