// SortStage: all rows of a bounded input in order, ties by arrival. Rows are kept as they come; with a limit the buffer is sorted and cut
// whenever it holds twice what can be wanted, so memory follows the limit and not the input.
//
// Sorting: the first key becomes a 64-bit word that orders as it does (the whole value of most types, the first bytes of a text), so most
// comparisons are of two words. O(n log n).

import Columns
import Glibc
import Planning

final class SortStage: Stage {
    let name: String
    let outputTypes: [SQLType]
    private let node: SortNode
    private let batchRows: Int
    /// How many rows can be wanted at most.
    private let wanted: Int?
    private var buffered: [RowBatch] = []
    private var rowCount = 0
    private var isDone = false
    private var feeders: [CollectingFeeder] = []

    init(_ node: SortNode, types: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        for key in node.keys where types[key.column].isMap || types[key.column].element?.isMap == true {
            throw DataflowError("ORDER BY of type \(types[key.column].name): maps have no order")
        }
        self.name = name
        self.node = node
        outputTypes = types
        batchRows = max(settings.batchRows, 1)
        let total = node.limit.map { max($0, 0).addingReportingOverflow(max(node.offset, 0)) }
        wanted = total.flatMap { $0.overflow || $0.partialValue > 1 << 24 ? nil : $0.partialValue }
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { CollectingFeeder() }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? CollectingFeeder }
        return self.feeders.contains { !$0.batches.isEmpty } || (epoch.hasEnded && !isDone) ? [0] : []
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        for feeder in feeders {
            for batch in feeder.batches {
                buffered.append(RowBatch(count: batch.count, columns: batch.columns))
                rowCount += batch.count
                if let wanted, rowCount > wanted * 2 + 8_192 { cut(to: wanted) }
            }
        }
        guard epoch.hasEnded && !isDone else { return }
        isDone = true
        let all = RowBatch.concatenate(buffered, types: outputTypes)
        buffered = []
        rowCount = 0
        var order = RowOrder(node.keys, all).sorted()
        let first = min(max(node.offset, 0), order.count)
        let last = node.limit.map { min(order.count - first, max($0, 0)) + first } ?? order.count
        order = Array(order[first..<last])
        var start = 0
        while start < order.count {
            let end = min(start + batchRows, order.count)
            output.append(all.gather(Array(order[start..<end])))
            start = end
        }
    }

    /// Keeps the first `count` rows, still in order of arrival.
    private func cut(to count: Int) {
        let all = RowBatch.concatenate(buffered, types: outputTypes)
        let kept = RowOrder(node.keys, all).sorted().prefix(count).sorted()
        // Rebuilt value by value, so that the buffers of the rows that go are let go.
        let columns = all.columns.map { column -> Column in
            let builder = ColumnBuilder(column.type, capacity: kept.count)
            for row in kept { builder.append(from: column, row: Int(row)) }
            return builder.finish()
        }
        buffered = [RowBatch(count: kept.count, columns: columns)]
        rowCount = kept.count
    }

    func endEpoch(_ epoch: StageEpoch) { feeders.removeAll() }
    func outputWatermark(_ epoch: StageEpoch) -> Int64 { epoch.hasEnded ? .max : .min }
    var isSatisfied: Bool { isDone }
    var groupCount: Int { rowCount }
    var stateByteCount: Int { rowCount * outputTypes.reduce(0) { $0 + $1.layout.stride } }

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(rowCount > 0)
        if rowCount > 0 { writer.write(RowBatch.concatenate(buffered, types: outputTypes)) }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        buffered = try reader.readBool() ? [try reader.readBatch(types: outputTypes)] : []
        rowCount = buffered.reduce(0) { $0 + $1.count }
    }
}

/// The order of a batch's rows by sort keys.
struct RowOrder {
    private let keys: [SortNode.Key]
    private let batch: RowBatch
    /// For keys that are arrays or rows.
    private let nested: [ColumnOrder?]

    init(_ keys: [SortNode.Key], _ batch: RowBatch) {
        self.keys = keys
        self.batch = batch
        nested = keys.map { key in
            let column = batch.columns[key.column]
            return column.type.isNested ? ColumnOrder(column, column) : nil
        }
    }

    func sorted() -> [Int32] {
        guard batch.count > 0 else { return [] }
        guard let first = keys.first else { return (0..<Int32(batch.count)).map { $0 } }
        var rows: [(word: UInt64, row: Int32)] = []
        rows.reserveCapacity(batch.count)
        let column = batch.columns[first.column]
        for row in 0..<batch.count {
            var word: UInt64
            if column.isNull(row) {
                word = first.nullsFirst ? 0 : .max
            } else {
                word = RowOrder.word(column, row)
                if first.isDescending { word = ~word }
            }
            rows.append((word, Int32(row)))
        }
        rows.sort { a, b in
            if a.word != b.word { return a.word < b.word }
            for index in keys.indices {
                let order = compare(index, Int(a.row), Int(b.row))
                if order != 0 { return order < 0 }
            }
            return a.row < b.row
        }
        return rows.map(\.row)
    }

    /// Orders as the value does, as far as it goes; kept off both ends only by ties, which the comparison settles.
    private static func word(_ column: Column, _ row: Int) -> UInt64 {
        switch column.layout {
        case .bool: return UInt64(column.bools[row])
        case .int64: return UInt64(bitPattern: column.int64s[row]) ^ (1 << 63)
        case .double:
            let value = column.doubles[row]
            return UInt64(bitPattern: DoubleOrder.ordered(value == 0 ? 0 : value)) ^ (1 << 63)
        case .int128:
            if column.type == .interval { return 1 << 63 }
            return UInt64(truncatingIfNeeded: column.int128s[row] >> 64) ^ (1 << 63)
        case .string: return UInt64(column.strings[row].prefix.byteSwapped) << 32
        case .list, .structure: return 0
        }
    }

    /// By all keys; negative, zero or positive.
    func compare(_ a: Int, _ b: Int) -> Int {
        for index in keys.indices {
            let order = compare(index, a, b)
            if order != 0 { return order }
        }
        return 0
    }

    private func compare(_ index: Int, _ a: Int, _ b: Int) -> Int {
        let key = keys[index]
        let column = batch.columns[key.column]
        let aNull = column.isNull(a)
        let bNull = column.isNull(b)
        if aNull || bNull {
            if aNull && bNull { return 0 }
            return aNull == key.nullsFirst ? -1 : 1
        }
        var order = 0
        switch column.layout {
        case .bool: order = Int(column.bools[a]) - Int(column.bools[b])
        case .int64: order = column.int64s[a] < column.int64s[b] ? -1 : (column.int64s[a] > column.int64s[b] ? 1 : 0)
        case .double:
            let left = DoubleOrder.ordered(column.doubles[a] == 0 ? 0 : column.doubles[a])
            let right = DoubleOrder.ordered(column.doubles[b] == 0 ? 0 : column.doubles[b])
            order = left < right ? -1 : (left > right ? 1 : 0)
        case .int128:
            let left = column.int128s[a]
            let right = column.int128s[b]
            if column.type == .interval {
                order = IntervalOrder.isBefore(left, right) ? -1 : (IntervalOrder.isBefore(right, left) ? 1 : 0)
            } else {
                order = left < right ? -1 : (left > right ? 1 : 0)
            }
        case .string: order = StringView.compare(column.strings[a], column.strings[b])
        case .list, .structure: order = nested[index]?.compare(a, b) ?? 0
        }
        return key.isDescending ? -order : order
    }
}
