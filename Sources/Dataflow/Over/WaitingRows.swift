// WaitingRows: rows of a window function that have come and whose turn has not: sorted by the time at which they are due, ties by arrival.

import Columns
import Planning

struct WaitingRow {
    /// When it is due: its time, its window's end, or 0 for the end of the input.
    var time: Int64
    /// Of its partition.
    var slot: UInt32
    var row: UnsafeMutableRawPointer
}

struct WaitingRows {
    private var all: [WaitingRow] = []
    /// What lies before has gone.
    private var head = 0

    var isEmpty: Bool { head == all.count }
    var count: Int { all.count - head }
    var byteCount: Int { count * MemoryLayout<WaitingRow>.stride }
    var rows: ArraySlice<WaitingRow> { all[head...] }
    /// The place behind the last one, for `order`.
    var end: Int { all.count }

    mutating func append(_ row: WaitingRow) { all.append(row) }

    /// Puts rows that were added from place `first` on in their order: they usually come nearly sorted, so only the overlap is.
    mutating func order(from first: Int) {
        var isSorted = true
        var index = max(first, head + 1)
        while index < all.count, isSorted {
            isSorted = all[index - 1].time <= all[index].time
            index += 1
        }
        if isSorted { return }
        var least = all[first].time
        for index in first..<all.count { least = min(least, all[index].time) }
        var low = head
        var high = first
        while low < high {
            let middle = (low + high) / 2
            if all[middle].time <= least { low = middle + 1 } else { high = middle }
        }
        let overlap = all[low...].enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
        for (index, entry) in overlap.enumerated() { all[low + index] = entry.element }
    }

    /// Whether time alone lets a row go.
    func isDue(_ epoch: StageEpoch, _ mode: OverMode) -> Bool {
        guard head < all.count else { return false }
        switch mode {
        case .eventTime: return all[head].time < epoch.watermark
        case .onWindowClose: return all[head].time <= epoch.watermark
        case .atEnd, .changes: return false
        }
    }

    /// The rows whose turn has come: all of them at the end of the input.
    func due(_ epoch: StageEpoch, _ mode: OverMode) -> ArraySlice<WaitingRow> {
        if epoch.hasEnded { return all[head...] }
        var end = head
        switch mode {
        case .eventTime: while end < all.count, all[end].time < epoch.watermark { end += 1 }
        case .onWindowClose: while end < all.count, all[end].time <= epoch.watermark { end += 1 }
        case .atEnd, .changes: break
        }
        return all[head..<end]
    }

    mutating func removeFirst(_ count: Int) {
        head += count
        if head == all.count || head > 4_096 && head * 2 > all.count {
            all.removeFirst(head)
            head = 0
        }
    }

    /// Partitions have got other numbers.
    mutating func renumber(_ map: [UInt32]) {
        for index in head..<all.count { all[index].slot = map[Int(all[index].slot)] }
    }

    // MARK: State

    func write(to writer: inout StateWriter, _ store: RowStore) {
        writer.write(count: count)
        for entry in rows {
            writer.write(entry.time)
            writer.write(entry.slot)
            store.write(entry.row, to: &writer)
        }
    }

    mutating func read(from reader: inout StateReader, _ store: RowStore, _ layout: RankLayout, slots: Int) throws(StateError) {
        let count = try reader.readCount(bytesEach: 12 + layout.rowWidth / 2)
        for _ in 0..<count {
            let time: Int64 = try reader.read()
            let slot: UInt32 = try reader.read()
            guard Int(slot) < slots else { throw reader.failure("a row of no partition") }
            append(WaitingRow(time: time, slot: slot, row: try store.read(from: &reader)))
        }
    }
}
