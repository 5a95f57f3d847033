// SessionPartition: the open sessions of the keys of one partition.
//
//   keys      GroupTable of the keys; `heads[key]` is the slot of the key's newest session or -1
//   sessions  GroupTable without an index; a row is [key slot][first time][last time][next session of the key][accumulators...]
//   timers    min-heap of (time, session): one entry per session, put back when the session turns out to last longer
//
// A row joins the open session that it is at most a gap away from, in either direction; when it is so near to two, they become one (the
// states are merged). Then a session is open for a row while its end (last + gap, plus allowed lateness) is after the watermark that
// held when the row arrived; a row that joins none and whose own session would have ended is late. So what a session holds depends on
// rows and watermarks only, not on epochs.
//
// Costs: a row O(1) for keys with one open session; closing O(log n) per session that closes and not a look at any other. Closed sessions
// leave dead slots; both tables are rebuilt when those are the most.

import Columns
import Glibc
import Planning

final class SessionPartition {
    static let keyByteCount = 32
    private static let firstOffset = 8
    private static let lastOffset = 16
    private static let nextOffset = 24

    private let gap: Int64
    private let latenessMicroseconds: Int64
    private let emitsChanges: Bool
    private let keepsEmitted: Bool
    private let timeType: SQLType
    private let layout: GroupLayout
    private let keyLayout: GroupLayout
    private let inputTypes: [SQLType]
    private let name: String
    private let emitter: GroupEmitter
    private let batchRows: Int

    private var keys: GroupTable
    private var sessions: GroupTable
    private var heads: [Int32] = []
    private var timers = TimeHeap<UInt32>()
    private(set) var sessionCount = 0

    init(
        _ node: AggregateNode, gap: Int64, timeType: SQLType, layout: GroupLayout, keyLayout: GroupLayout, inputTypes: [SQLType],
        name: String, batchRows: Int
    ) {
        self.gap = gap
        latenessMicroseconds = max(node.allowedLatenessMicroseconds, 0)
        emitsChanges = node.emit == .changes
        keepsEmitted = layout.controlOffset >= 0
        self.timeType = timeType
        self.layout = layout
        self.keyLayout = keyLayout
        self.inputTypes = inputTypes
        self.name = name
        self.batchRows = max(batchRows, 1)
        emitter = GroupEmitter(
            layout: layout, windowType: nil, batchRows: batchRows, emitsUpdateBefore: node.emitsUpdateBefore)
        keys = GroupTable(keyLayout)
        sessions = GroupTable(layout)
    }

    private func field(_ session: Int, _ offset: Int) -> Int64 { sessions.table.row(session).load(fromByteOffset: offset, as: Int64.self) }

    private func set(_ session: Int, _ offset: Int, _ value: Int64) {
        guard field(session, offset) != value else { return }
        sessions.table.marks.mark(session)
        sessions.table.row(session).storeBytes(of: value, toByteOffset: offset, as: Int64.self)
    }

    private func isLive(_ session: Int) -> Bool { field(session, 0) >= 0 }
    private func end(_ session: Int) -> Int64 { WindowGrid.add(field(session, SessionPartition.lastOffset), gap) }

    // MARK: Input

    func ingest(_ batch: RowBatch, _ context: TaskContext) {
        let n = batch.count
        let timeIndex = layout.compactTypes.count
        let times = batch.columns[timeIndex].int64s
        let watermarks = batch.watermarks?.int64s
        let scratch = context.scratch
        keys.assign(batch, scratch)
        while heads.count < keys.count { heads.append(-1) }
        // Sessions by row; the scratch vector of slots is used again below, so keys move out of it.
        let keySlots = Buffer(byteCount: n * 4)
        memcpy(keySlots.base, scratch.slots, n * 4)
        let keyOf = keySlots.base.assumingMemoryBound(to: UInt32.self)
        let sessionSlots = Buffer(byteCount: n * 4)
        let sessionOf = sessionSlots.base.assumingMemoryBound(to: UInt32.self)
        var late: [Int32] = []
        var fedTo = 0
        func feed(to end: Int) {
            guard end > fedTo else { return }
            // Late rows are taken out; the rest is fed in one go.
            scratch.reserve(n)
            if late.isEmpty {
                memcpy(scratch.slots, sessionOf, n * 4)
                sessions.feed(batch, scratch, from: fedTo, to: end)
            } else {
                var kept: [Int32] = []
                var next = 0
                for row in fedTo..<end {
                    if next < late.count && Int(late[next]) == row { next += 1 } else { kept.append(Int32(row)) }
                }
                let part = batch.gather(kept)
                for (index, row) in kept.enumerated() { scratch.slots[index] = sessionOf[Int(row)] }
                sessions.feed(part, scratch, from: 0, to: kept.count)
                late.removeAll()
            }
            fedTo = end
        }
        for row in 0..<n {
            let time = times[row]
            let watermark = watermarks?[row] ?? .min
            let key = Int(keyOf[row])
            var target = -1
            var session = Int(heads[key])
            while session >= 0 {
                let next = Int(field(session, SessionPartition.nextOffset))
                let first = field(session, SessionPartition.firstOffset)
                let last = field(session, SessionPartition.lastOffset)
                let isNear = time <= WindowGrid.add(last, gap) && time >= WindowGrid.subtract(first, gap)
                if isNear && (watermark == .min || WindowGrid.add(WindowGrid.add(last, gap), latenessMicroseconds) > watermark) {
                    if target < 0 {
                        target = session
                        if time > last { set(session, SessionPartition.lastOffset, time) }
                        if time < first { set(session, SessionPartition.firstOffset, time) }
                    } else {
                        // The older one stays, so that output keeps to the order of arrival.
                        feed(to: row)
                        merge(target, into: session, scratch)
                        target = session
                    }
                }
                session = next
            }
            if target < 0 {
                let ownEnd = WindowGrid.add(WindowGrid.add(time, gap), latenessMicroseconds)
                if watermark != .min && ownEnd <= watermark {
                    context.late(name, eventTime: time, watermark: watermark, row: Array(batch.row(row).suffix(inputTypes.count)), types: inputTypes)
                    late.append(Int32(row))
                    continue
                }
                target = open(key, time)
            }
            sessionOf[row] = UInt32(target)
        }
        feed(to: n)
    }

    private func open(_ key: Int, _ time: Int64) -> Int {
        let session = sessions.table.append()
        set(session, 0, Int64(key))
        set(session, SessionPartition.firstOffset, time)
        set(session, SessionPartition.lastOffset, time)
        set(session, SessionPartition.nextOffset, Int64(heads[key]))
        heads[key] = Int32(truncatingIfNeeded: session)
        sessionCount += 1
        timers.push(WindowGrid.add(time, gap), UInt32(session))
        return session
    }

    private func merge(_ source: Int, into target: Int, _ scratch: AggregationScratch) {
        sessions.mergeSlot(source, into: target, scratch)
        set(target, SessionPartition.firstOffset, min(field(source, SessionPartition.firstOffset), field(target, SessionPartition.firstOffset)))
        set(target, SessionPartition.lastOffset, max(field(source, SessionPartition.lastOffset), field(target, SessionPartition.lastOffset)))
        if keepsEmitted { sessions.touch(source) }
        if keepsEmitted { sessions.touch(target) }
        remove(source)
    }

    /// Takes a session out of its key's list. Its slot stays, dead, and remembers its key as -(key + 1).
    private func remove(_ session: Int) {
        let key = Int(field(session, 0))
        let next = field(session, SessionPartition.nextOffset)
        if Int(heads[key]) == session {
            heads[key] = Int32(truncatingIfNeeded: next)
        } else {
            var before = Int(heads[key])
            while before >= 0 && Int(field(before, SessionPartition.nextOffset)) != session { before = Int(field(before, SessionPartition.nextOffset)) }
            if before >= 0 { set(before, SessionPartition.nextOffset, next) }
        }
        set(session, 0, -Int64(key) - 1)
        sessionCount -= 1
    }

    // MARK: Output

    func isDue(_ epoch: StageEpoch) -> Bool { timers.first.map { $0 <= epoch.watermark } ?? false }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        var ended: [(end: Int64, session: UInt32)] = []
        var dropped: [UInt32] = []
        while let time = timers.first, time <= epoch.watermark, let session = timers.pop() {
            guard isLive(Int(session)) else { continue }
            let end = end(Int(session))
            if end > time && end > epoch.watermark {
                timers.push(end, session)
                continue
            }
            ended.append((end, session))
            let dropTime = WindowGrid.add(end, latenessMicroseconds)
            if dropTime <= epoch.watermark { dropped.append(session) } else { timers.push(dropTime, session) }
        }
        ended.sort { ($0.end, $0.session) < ($1.end, $1.session) }
        if keepsEmitted {
            var slots = sessions.touched.filter { slot in
                emitsChanges || sessions.control(Int(slot)) & GroupLayout.emitted != 0
            }
            let known = Set(slots)
            slots += ended.map(\.session).filter { !known.contains($0) }
            emitter.emitChanges(
                sessions, slots: slots, leading: keyColumns,
                results: { windowColumns($0, count: $1) + layout.finish($0, count: $1, failures: &$2) }, isLive: isLive, context,
                into: &output)
            sessions.forgetTouched()
        } else {
            emit(ended.map(\.session), context, &output)
        }
        for session in dropped { remove(Int(session)) }
        let dead = sessions.count - sessionCount
        if (dead > 64 && dead * 2 > sessions.count) || sessions.wantsCompaction { compact() }
    }

    private func keyColumns(_ rows: UnsafePointer<UnsafeRawPointer>, _ n: Int) -> [Column] {
        let keyRows = (0..<n).map { index -> UnsafeRawPointer in
            let key = rows[index].load(as: Int64.self)
            return UnsafeRawPointer(keys.table.row(Int(key >= 0 ? key : -(key + 1))))
        }
        return keyRows.withUnsafeBufferPointer { pointers in
            pointers.baseAddress.map { keys.keyColumns($0, count: n) } ?? []
        }
    }

    private func windowColumns(_ rows: UnsafePointer<UnsafeRawPointer>, count n: Int) -> [Column] {
        let starts = Buffer(byteCount: n * 8)
        let ends = Buffer(byteCount: n * 8)
        for index in 0..<n {
            starts.base.storeBytes(of: rows[index].load(fromByteOffset: SessionPartition.firstOffset, as: Int64.self), toByteOffset: index * 8, as: Int64.self)
            ends.base.storeBytes(
                of: WindowGrid.add(rows[index].load(fromByteOffset: SessionPartition.lastOffset, as: Int64.self), gap), toByteOffset: index * 8,
                as: Int64.self)
        }
        return [Column(type: timeType, count: n, values: starts), Column(type: timeType, count: n, values: ends)]
    }

    private func emit(_ slots: [UInt32], _ context: TaskContext, _ output: inout [RowBatch]) {
        var start = 0
        while start < slots.count {
            let part = slots[start..<min(start + batchRows, slots.count)]
            let rows = part.map { UnsafeRawPointer(sessions.table.row(Int($0))) }
            rows.withUnsafeBufferPointer { pointers in
                guard let base = pointers.baseAddress else { return }
                var failures: [FinishFailure] = []
                let leading = keyColumns(base, rows.count) + windowColumns(base, count: rows.count)
                let results = layout.finish(base, count: rows.count, failures: &failures)
                for failure in failures {
                    context.fail(
                        failure.message, expression: failure.text, row: leading.map { $0.value(at: failure.row) },
                        types: leading.map(\.type))
                }
                output.append(RowBatch(count: rows.count, columns: leading + results))
            }
            start += part.count
        }
    }

    /// Both tables without what has gone, in the same order.
    private func compact() {
        var keyMap: [Int32] = []
        let oldHeads = heads
        keys = keys.compacted(slotMap: &keyMap) { oldHeads[$0] >= 0 }
        var sessionMap: [Int32] = []
        let old = sessions
        sessions = old.compacted(slotMap: &sessionMap) { old.table.row($0).load(as: Int64.self) >= 0 }
        for session in 0..<sessions.count { set(session, 0, Int64(keyMap[Int(field(session, 0))])) }
        relink()
    }

    /// Lists of sessions and timers from the sessions themselves.
    private func relink() {
        heads = [Int32](repeating: -1, count: keys.count)
        timers = TimeHeap()
        sessionCount = 0
        for session in 0..<sessions.count where isLive(session) {
            let key = Int(field(session, 0))
            set(session, SessionPartition.nextOffset, Int64(heads[key]))
            heads[key] = Int32(truncatingIfNeeded: session)
            timers.push(end(session), UInt32(session))
            sessionCount += 1
        }
    }

    // MARK: State

    var stateByteCount: Int { keys.byteCount + sessions.byteCount + timers.byteCount }

    func write(to writer: inout StateWriter) {
        keys.write(to: &writer)
        sessions.write(to: &writer)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        keys = GroupTable(keyLayout)
        sessions = GroupTable(layout)
        try keys.read(from: &reader)
        try sessions.read(from: &reader)
        for session in 0..<sessions.count {
            let key = field(session, 0)
            guard key < Int64(keys.count), key >= -Int64(keys.count) else { throw reader.failure("a session of a key that does not exist") }
        }
        relink()
    }
}
