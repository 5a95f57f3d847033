// RankOutput: rows of a ranking on their way out, with what they do and their rank. Rows are held by address until `flush`.
//
// Texts are shown where they lie, in the table's arena and in the epoch's input, unless few rows would keep a large input alive.

import Columns
import Planning

struct RankOutput {
    let layout: RankLayout
    let emitsRank: Bool
    let emitsUpdateBefore: Bool
    let batchRows: Int
    /// Keeps the epoch's input alive, and how many of its rows this part of the state took in.
    private let epoch: Buffer
    private let inputRows: Int
    private var rows: [UnsafeRawPointer] = []
    private var ranks: [Int64] = []
    private var kinds: [UInt8] = []
    private var isPlain = true

    init(_ layout: RankLayout, _ node: RankNode, batchRows: Int, epoch: Buffer, inputRows: Int) {
        self.epoch = epoch
        self.inputRows = inputRows
        self.layout = layout
        emitsRank = node.emitsRank
        emitsUpdateBefore = node.emitsUpdateBefore
        self.batchRows = max(batchRows, 1)
    }

    @inline(__always)
    mutating func add(_ row: UnsafeRawPointer, rank: Int, _ kind: ChangeKind) {
        if kind == .updateBefore && !emitsUpdateBefore { return }
        rows.append(row)
        kinds.append(kind.rawValue)
        if emitsRank { ranks.append(Int64(rank)) }
        if kind != .insert { isPlain = false }
    }

    var count: Int { rows.count }

    private static let sharedRowsMin = 2_048

    /// `arena` keeps the texts of the table's rows alive.
    mutating func flush(into output: inout [RowBatch], arena: Buffer) {
        var start = 0
        let isShared = rows.count >= RankOutput.sharedRowsMin || rows.count * 4 >= inputRows
        let owners = [arena, epoch]
        while start < rows.count {
            let n = min(batchRows, rows.count - start)
            var columns: [Column] = rows.withUnsafeBufferPointer { pointers in
                guard let base = pointers.baseAddress else { return [] }
                return isShared ? layout.columns(base + start, count: n, sharing: owners) : layout.columns(base + start, count: n)
            }
            if emitsRank {
                columns.append(
                    ranks[start..<start + n].withUnsafeBytes { Column(type: .bigint, count: n, values: Buffer(copying: $0)) })
            }
            let changes = isPlain ? nil : kinds[start..<start + n].withUnsafeBytes { Buffer(copying: $0) }
            output.append(RowBatch(count: n, columns: columns, changes: changes))
            start += n
        }
        rows.removeAll(keepingCapacity: true)
        ranks.removeAll(keepingCapacity: true)
        kinds.removeAll(keepingCapacity: true)
        isPlain = true
    }
}

/// The kept rows of one partition's keys, as one window or for ever.
protocol RankTable: AnyObject {
    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext)
    /// The end of an epoch: gives what changed when `emits`, keeps what has to be kept.
    func endEpoch(emits: Bool, clockMicroseconds: Int64, _ output: inout RankOutput, _ batches: inout [RowBatch])
    /// Every row that is within the ranks, by key in order of arrival.
    func emitAll(_ output: inout RankOutput, _ batches: inout [RowBatch])
    func removeAll()
    var groupCount: Int { get }
    var byteCount: Int { get }
    func write(to writer: inout StateWriter)
    func read(from reader: inout StateReader) throws(StateError)
}
