// AsOfPartition: each left row with the version of its key that holds at its time.
//
// - The right rows of a key are its versions, a chain with the newest first. A version holds from its time until the next one's; of
//   two with one time the one that came later counts. A row taken back (-D) is a version that says there is none; the old row of an
//   update (-U) says nothing that the new one does not.
// - A left row waits until the watermark of both inputs has passed its time; then all its versions are there. Left rows come out in
//   order of time, ties in order of arrival.
// - Behind the newest version that holds at the watermark no left row can see any more: those go.

import Columns

final class AsOfPartition: JoinPartition {
    private struct Waiting {
        var time: Int64
        /// In order of arrival.
        var number: Int64
        var reference: UInt32

        func comesBefore(_ other: Waiting) -> Bool { time != other.time ? time < other.time : number < other.number }
    }

    private let plan: JoinPlan
    private let timeColumns: [Int]
    private let isStrict: Bool
    private var table: KeyTable
    private let left: JoinSide
    private let versions: JoinSide
    /// A heap, the earliest first.
    private var heap: [Waiting] = []
    private var arrivals: Int64 = 0
    /// Keys with versions that may go when the watermark moves.
    private var crowded: Set<UInt32> = []
    private var watermark = Int64.min
    private var takenOutSinceCheck = 0
    private var scratch = PairScratch()

    /// In the place of matches: the version says that there is none.
    private static let ended: UInt32 = 1

    init(_ plan: JoinPlan, timeColumns: [Int], isStrict: Bool) {
        self.plan = plan
        self.timeColumns = timeColumns
        self.isStrict = isStrict
        table = plan.keys.makeTable()
        left = JoinSide(plan.sides[0])
        versions = JoinSide(plan.sides[1])
    }

    private func time(_ version: UInt32) -> Int64 {
        let layout = versions.layout
        return versions.rows.row(version).loadUnaligned(fromByteOffset: layout.header + layout.packed.offsets[timeColumns[1]], as: Int64.self)
    }

    func begin(_ epoch: StageEpoch) {}

    func process(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let side = port == 0 ? left : versions
        let n = batch.count
        plan.keys.assign(side.layout.keys.map { batch.columns[$0] }, count: n, in: table, context.scratch)
        scratch.reserve(n)
        let slots = context.scratch.slots
        let references = scratch.references
        if port == 0 {
            side.add(batch.columns, selection: nil, count: n, slots: slots, in: table, references: references)
            let times = batch.columns[timeColumns[0]].int64s
            for row in 0..<n { push(Waiting(time: times[row], number: arrivals &+ Int64(row), reference: references[row])) }
            arrivals &+= Int64(n)
            withExtendedLifetime(batch) {}
            return
        }
        var count = 0
        for row in 0..<n where batch.change(at: row) != .updateBefore {
            scratch.selection[count] = Int32(truncatingIfNeeded: row)
            count += 1
        }
        side.add(batch.columns, selection: scratch.selection, count: count, slots: slots, in: table, references: references)
        // In order of arrival: what lies below a row is in order already.
        for index in 0..<count {
            let row = Int(scratch.selection[index])
            let reference = references[index]
            if !batch.change(at: row).isAddition { versions.rows.setMatches(reference, AsOfPartition.ended) }
            let own = time(reference)
            versions.moveDown(reference, in: table) { time($0) > own }
            noteCrowded(slots[row])
        }
    }

    private func noteCrowded(_ slot: UInt32) {
        let head = versions.head(slot, in: table)
        guard head != 0, versions.rows.next(head) != 0 || versions.rows.matches(head) == AsOfPartition.ended else { return }
        crowded.insert(slot)
    }

    func processUnmatchable(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        output.append(batch.replacing(columns: plan.padded(batch.columns, port: port, count: batch.count)))
    }

    func isDue(_ epoch: StageEpoch) -> Bool { epoch.watermark > watermark && !(heap.isEmpty && crowded.isEmpty) }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        watermark = max(watermark, epoch.watermark)
        var matched: [UInt32] = []
        var partners: [UInt32] = []
        var alone: [UInt32] = []
        func flush() {
            give(matched, partners, &output)
            PairGather.emit(alone, 0, .insert, plan, left.rows, &output)
            for reference in matched + alone { left.takeOut(reference, in: table) }
            takenOutSinceCheck += matched.count + alone.count
            left.release()
            matched.removeAll(keepingCapacity: true)
            partners.removeAll(keepingCapacity: true)
            alone.removeAll(keepingCapacity: true)
        }
        while let first = heap.first, first.time < watermark || watermark == .max {
            pop()
            guard left.rows.isLive(first.reference) else { continue }
            let version = version(at: first.time, of: first.reference)
            if version != 0 {
                matched.append(first.reference)
                partners.append(version)
            } else if plan.isOuter[0] {
                alone.append(first.reference)
            } else {
                left.takeOut(first.reference, in: table)
                takenOutSinceCheck += 1
            }
            if matched.count + alone.count == JoinPlan.pairsMax { flush() }
        }
        flush()
        trim()
        left.rows.compactTexts()
        versions.rows.compactTexts()
        compactKeys()
    }

    private func version(at time: Int64, of reference: UInt32) -> UInt32 {
        let slot = left.rows.row(reference).load(fromByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
        var version = versions.head(slot, in: table)
        while version != 0, !holds(version, at: time) { version = versions.rows.next(version) }
        return version != 0 && versions.rows.matches(version) != AsOfPartition.ended ? version : 0
    }

    private func holds(_ version: UInt32, at time: Int64) -> Bool {
        let start = self.time(version)
        return isStrict ? start < time : start <= time
    }

    private func give(_ matched: [UInt32], _ partners: [UInt32], _ output: inout [RowBatch]) {
        guard !matched.isEmpty else { return }
        let columns = left.rows.columns(matched, 0..<matched.count) + versions.rows.columns(partners, 0..<partners.count)
        output.append(RowBatch(count: matched.count, columns: columns))
    }

    /// Drops the versions behind the one that holds at the watermark, and that one when it says that there is none.
    private func trim() {
        guard watermark > .min, !crowded.isEmpty else { return }
        for slot in crowded.sorted() {
            var version = versions.head(slot, in: table)
            while version != 0, !holds(version, at: watermark) { version = versions.rows.next(version) }
            if version != 0, versions.rows.matches(version) != AsOfPartition.ended { version = versions.rows.next(version) }
            while version != 0 {
                let next = versions.rows.next(version)
                versions.takeOut(version, in: table)
                takenOutSinceCheck += 1
                version = next
            }
            crowded.remove(slot)
            noteCrowded(slot)
        }
        versions.release()
    }

    private func compactKeys() {
        guard takenOutSinceCheck > 1024 + table.count / 2 else { return }
        takenOutSinceCheck = 0
        func isUsed(_ slot: Int) -> Bool {
            let slot = UInt32(truncatingIfNeeded: slot)
            return left.head(slot, in: table) != 0 || versions.head(slot, in: table) != 0
        }
        var live = 0
        for slot in 0..<table.count where isUsed(slot) { live += 1 }
        guard live * 2 < table.count else { return }
        table = table.compacted(plan.keys, isUsed)
        left.follow(table)
        versions.follow(table)
        findCrowded()
    }

    private func findCrowded() {
        crowded.removeAll()
        for slot in 0..<table.count { noteCrowded(UInt32(truncatingIfNeeded: slot)) }
    }

    // MARK: The heap

    private func push(_ item: Waiting) {
        heap.append(item)
        var place = heap.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard item.comesBefore(heap[parent]) else { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = item
    }

    private func pop() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        var place = 0
        while true {
            var child = place * 2 + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count && heap[child + 1].comesBefore(heap[child]) { child += 1 }
            guard heap[child].comesBefore(last) else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = last
    }

    // MARK: Facts and state

    var rowCount: Int { left.rows.liveCount + versions.rows.liveCount }
    var stateByteCount: Int { table.byteCount + left.byteCount + versions.byteCount + heap.count * 24 }

    func write(to writer: inout StateWriter) {
        writer.write(watermark)
        writer.write(arrivals)
        writer.write(count: takenOutSinceCheck)
        table.write(to: &writer, strings: plan.keys.keyStrings)
        left.write(to: &writer)
        versions.write(to: &writer)
        writer.write(count: heap.count)
        for item in heap {
            writer.write(item.time)
            writer.write(item.number)
            writer.write(item.reference)
        }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        watermark = try reader.read()
        arrivals = try reader.read()
        takenOutSinceCheck = try reader.readCount(bytesEach: 0)
        table = plan.keys.makeTable()
        try table.read(from: &reader, strings: plan.keys.keyStrings)
        guard table.reindex() else { throw reader.failure("a key twice") }
        try left.read(from: &reader, table)
        try versions.read(from: &reader, table)
        var seen = [Bool](repeating: false, count: left.rows.used + 1)
        for _ in 0..<(try reader.readCount(bytesEach: 20)) {
            let item = Waiting(time: try reader.read(), number: try reader.read(), reference: try reader.read())
            guard item.reference > 0, Int(item.reference) <= left.rows.used, left.rows.isLive(item.reference), !seen[Int(item.reference)] else {
                throw reader.failure("no such row")
            }
            seen[Int(item.reference)] = true
            heap.append(item)
        }
        findCrowded()
    }
}
