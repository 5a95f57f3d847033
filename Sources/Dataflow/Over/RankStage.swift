// RankStage: the first rows of each partition (`RankNode`). State is cut into parts by the hash of the partition key.
//
//   node                                       a part holds
//   one row, input that only inserts           a SingleRankTable
//   everything else                            a ListRankTable
//   emitted when windows close                 one such table for each window that is open
//
// An epoch that changes a partition several times gives one difference.

import Columns
import Planning

final class RankStage: Stage {
    let name: String
    let outputTypes: [SQLType]
    private let node: RankNode
    private let layout: RankLayout
    private let batchRows: Int
    private let partitionCount: Int
    private var parts: [Part]
    private var feeders: [RankFeeder] = []
    private var chunks = RankChunkList([])
    private var closedWatermark = Int64.min
    private var isDone = false

    private final class Part {
        /// By window end, ascending; one at .min when there are no windows.
        var tables: [(end: Int64, table: any RankTable)] = []
        /// What closed tables left, for the next window.
        var spare: [any RankTable] = []
    }

    init(_ node: RankNode, inputTypes: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        guard node.firstRank >= 1, node.lastRank >= node.firstRank else { throw DataflowError("a ranking without a rank") }
        self.name = name
        self.node = node
        layout = try RankLayout(partition: node.partition, order: node.order, inputTypes: inputTypes, purpose: "a row of a ranking")
        outputTypes = inputTypes + (node.emitsRank ? [.bigint] : [])
        batchRows = max(settings.batchRows, 1)
        partitionCount = max(settings.partitionCount, 1)
        parts = (0..<partitionCount).map { _ in Part() }
    }

    private func makeTable() -> any RankTable {
        if node.lastRank == 1 && node.function == .rowNumber && !node.inputRetracts { return SingleRankTable(layout, node) }
        return ListRankTable(layout, node)
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder {
        var due: RankFeeder.Due?
        if case .onWindowClose(let column) = node.emit {
            due = RankFeeder.Due(column: column, isInclusive: true, watermark: closedWatermark, name: name)
        }
        return RankFeeder(layout, partitionCount: partitionCount, due: due)
    }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? RankFeeder }
        chunks = RankChunkList(self.feeders.map(\.chunks))
        return (0..<partitionCount).filter { partition in
            isDue(parts[partition], epoch)
                || self.feeders.contains { $0.chunks.contains { $0.starts[partition + 1] > $0.starts[partition] } }
        }
    }

    private func isDue(_ part: Part, _ epoch: StageEpoch) -> Bool {
        switch node.emit {
        case .changes: node.stateTTLMicroseconds != nil && !part.tables.isEmpty
        case .onWindowClose: part.tables.first.map { $0.end <= epoch.watermark } ?? false
        case .atEnd: epoch.hasEnded && !isDone && !part.tables.isEmpty
        }
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let part = parts[partition]
        var inputRows = 0
        for feeder in feeders { for chunk in feeder.chunks { inputRows += chunk.starts[partition + 1] - chunk.starts[partition] } }
        var rows = RankOutput(layout, node, batchRows: batchRows, epoch: chunks.keeper, inputRows: inputRows)
        for feeder in feeders {
            for chunk in feeder.chunks {
                let range = chunk.starts[partition]..<chunk.starts[partition + 1]
                if range.isEmpty { continue }
                if case .onWindowClose(let column) = node.emit {
                    ingest(chunk, range, by: chunk.batch.columns[column], part, context)
                } else {
                    table(.min, of: part).ingest(chunk, range, context)
                }
            }
        }
        for (_, table) in part.tables {
            table.endEpoch(emits: node.emit == .changes, clockMicroseconds: epoch.clockMicroseconds, &rows, &output)
        }
        switch node.emit {
        case .changes: return
        case .onWindowClose:
            while let first = part.tables.first, first.end <= epoch.watermark {
                first.table.emitAll(&rows, &output)
                first.table.removeAll()
                if part.spare.count < 4 { part.spare.append(first.table) }
                part.tables.removeFirst()
            }
        case .atEnd:
            guard epoch.hasEnded && !isDone else { return }
            for (_, table) in part.tables {
                table.emitAll(&rows, &output)
                table.removeAll()
            }
            part.tables.removeAll()
        }
    }

    /// Rows in runs of one window.
    private func ingest(_ chunk: RankChunk, _ range: Range<Int>, by column: Column, _ part: Part, _ context: TaskContext) {
        let ends = column.int64s
        var start = range.lowerBound
        while start < range.upperBound {
            let end = ends[chunk.number(start)]
            var next = start + 1
            while next < range.upperBound, ends[chunk.number(next)] == end { next += 1 }
            table(end, of: part).ingest(chunk, start..<next, context)
            start = next
        }
    }

    private func table(_ end: Int64, of part: Part) -> any RankTable {
        if let last = part.tables.last, last.end == end { return last.table }
        let place = part.tables.firstIndex { $0.end >= end } ?? part.tables.count
        if place < part.tables.count, part.tables[place].end == end { return part.tables[place].table }
        let table = part.spare.popLast() ?? makeTable()
        part.tables.insert((end, table), at: place)
        return table
    }

    func endEpoch(_ epoch: StageEpoch) {
        for feeder in feeders { feeder.recycle() }
        feeders.removeAll()
        chunks = RankChunkList([])
        closedWatermark = epoch.watermark
        if epoch.hasEnded { isDone = true }
    }

    func outputWatermark(_ epoch: StageEpoch) -> Int64 {
        if node.emit == .atEnd { return epoch.hasEnded ? .max : .min }
        return epoch.watermark
    }

    // MARK: Facts

    var isSatisfied: Bool { false }
    var groupCount: Int { parts.reduce(0) { $1.tables.reduce($0) { $0 + $1.table.groupCount } } }
    var stateByteCount: Int { parts.reduce(0) { $1.tables.reduce($0) { $0 + $1.table.byteCount } } }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(closedWatermark)
        writer.write(isDone)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        closedWatermark = try reader.read()
        isDone = try reader.readBool()
    }

    var partCount: Int { partitionCount }

    func write(part number: Int, to writer: inout StateWriter) {
        let part = parts[number]
        writer.write(count: part.tables.count)
        for (end, table) in part.tables {
            writer.write(end)
            table.write(to: &writer)
        }
    }

    func read(part number: Int, from reader: inout StateReader) throws(StateError) {
        let part = parts[number]
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let end: Int64 = try reader.read()
            guard part.tables.last.map({ $0.end < end }) ?? true else { throw reader.failure("windows out of order") }
            let table = makeTable()
            try table.read(from: &reader)
            part.tables.append((end, table))
        }
    }
}
