// AlertPartition: the keys of one partition of an alert stage.
//
// With an event time, rows wait until the watermark has passed them, are put in order of time (of arrival where times are equal), and are evaluated one by
// one, timers in between: what comes out does not depend on how rows were cut into epochs. Without one, rows are evaluated as they come, at the epoch's
// clock, and timers follow it. Silence is measured by the epoch's clock, and only when everything that there is has been read: a backlog is no silence.
//
//   keys        a slot each; one is there while a rule has something to remember of it
//   pending     rows before their time, with the encoded key behind their columns
//   timers      FOR and KEEP FIRING; silence: ON NO DATA. Entries may be out of date, and are then put back or dropped
//   forgetting  when instances were resolved, in order: after a day an instance that has not changed is forgotten. Its numbers are not given again:
//               `highest` is the greatest forgotten one, and new instances count on from there

import Columns
import Glibc
import Planning

final class AlertPartition {
    /// How long an instance that is inactive again is remembered, so that its transitions are numbered without a gap.
    static let rememberedMicroseconds: Int64 = 86_400_000_000

    private struct Pending {
        var batch: RowBatch
        var least: Int64
        var greatest: Int64
    }

    private let plan: AlertPlan
    private let name: String
    private let batchTypes: [SQLType]
    private var keyColumn: Int { plan.inputTypes.count }
    fileprivate var keys: [AlertKey] = []
    private let marks = RowMarks()
    private var index: [UInt64: Int32] = [:]
    private var free: [Int32] = []
    private var pending: [Pending] = []
    /// Everything up to and at this time has been evaluated.
    private var processed = Int64.min
    private var highest: Int64 = 0
    private var timers = TimeHeap<AlertTimer>()
    private var silence = TimeHeap<AlertTimer>()
    private var forgetting: [(clock: Int64, slot: Int32, rule: Int32)] = []
    private var forgotten = 0
    /// Slots with `currentRow`, and slots with `isRemoved`.
    private var touched: [Int32] = []
    private var removed: [Int32] = []
    private var rows: AlertRows
    private var bits: [UInt64]

    init(_ plan: AlertPlan, name: String) {
        self.plan = plan
        self.name = name
        batchTypes = plan.inputTypes + [.bytes]
        rows = AlertRows(plan)
        bits = [UInt64](repeating: 0, count: plan.conditions.wordCount)
    }

    // MARK: Input

    /// Columns of the input, then the encoded key.
    func ingest(_ whole: RowBatch, _ context: TaskContext) {
        var batch = whole
        if let timeColumn = plan.node.timeColumn {
            let times = batch.columns[timeColumn]
            var least = Int64.max
            var greatest = Int64.min
            var kept: [Int32] = []
            for row in 0..<batch.count {
                let time = times.int64s[row]
                if time <= processed {
                    // Only rows of an operator below that says less of time than it knows.
                    context.late(name, eventTime: time, watermark: processed, row: Array(batch.row(row).prefix(keyColumn)), types: plan.inputTypes)
                    continue
                }
                kept.append(Int32(truncatingIfNeeded: row))
                least = min(least, time)
                greatest = max(greatest, time)
            }
            if kept.count < batch.count { batch = batch.gather(kept) }
            guard batch.count > 0 else { return }
            pending.append(Pending(batch: RowBatch(count: batch.count, columns: batch.columns), least: least, greatest: greatest))
        } else if batch.count > 0 {
            pending.append(Pending(batch: batch, least: .min, greatest: .min))
        }
        if plan.hasNoData { hear(batch, context.clockMicroseconds) }
    }

    private func hear(_ batch: RowBatch, _ clock: Int64) {
        let views = batch.columns[keyColumn].strings
        for row in 0..<batch.count where batch.change(at: row).isAddition {
            guard let slot = find(views[row]) else { continue }
            keys[slot].heardMicroseconds = clock
            marks.mark(slot)
        }
    }

    // MARK: Time

    /// Up to where every evaluation is known once the epoch's rows are there.
    private func limit(_ epoch: StageEpoch) -> Int64 {
        if plan.node.timeColumn == nil { return epoch.clockMicroseconds }
        if epoch.hasEnded || epoch.watermark == .max { return .max }
        if epoch.watermark == .min { return .min }
        return plan.node.isTimeInclusive ? epoch.watermark : epoch.watermark - 1
    }

    /// The time of what is not an evaluation: as far as the clock of the records has come.
    private func present(_ epoch: StageEpoch) -> Int64 {
        plan.node.timeColumn == nil || processed == .min || processed == .max ? epoch.clockMicroseconds : processed
    }

    func isDue(_ epoch: StageEpoch) -> Bool {
        let limit = limit(epoch)
        if let first = timers.first, first <= limit { return true }
        if epoch.isCaughtUp, let first = silence.first, first <= epoch.clockMicroseconds { return true }
        if !plan.retiring.isEmpty, holdsRetired { return true }
        return pending.contains { $0.least <= limit }
    }

    private var holdsRetired: Bool {
        keys.contains { key in key.states.contains { plan.node.rules[$0.rule].retirement != nil } }
    }

    /// By the epoch's clock.
    var nextDeadline: Int64? {
        var deadline = silence.first
        if plan.node.timeColumn == nil, let first = timers.first { deadline = min(deadline ?? .max, first) }
        if plan.node.rules.contains(where: { $0.retirement != nil }), holdsRetired { deadline = 0 }
        return deadline
    }

    // MARK: Running

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let limit = limit(epoch)
        let due = takeDue(limit)
        if !due.isEmpty { evaluate(RowBatch.concatenate(due, types: batchTypes), epoch) }
        fireTimers(to: limit, nil, epoch)
        processed = max(processed, limit)
        if epoch.isCaughtUp { endSilence(epoch) }
        if !plan.retiring.isEmpty { retire(epoch) }
        forget(epoch.clockMicroseconds)
        rows.finish(into: &output)
    }

    /// The rows whose time has come, in order of arrival.
    private func takeDue(_ limit: Int64) -> [RowBatch] {
        guard let timeColumn = plan.node.timeColumn else {
            defer { pending.removeAll() }
            return pending.map(\.batch)
        }
        var due: [RowBatch] = []
        var left: [Pending] = []
        for item in pending {
            if item.least > limit {
                left.append(item)
            } else if item.greatest <= limit {
                due.append(item.batch)
            } else {
                let times = item.batch.columns[timeColumn].int64s
                var (early, late): ([Int32], [Int32]) = ([], [])
                var least = Int64.max
                for row in 0..<item.batch.count {
                    if times[row] <= limit {
                        early.append(Int32(truncatingIfNeeded: row))
                    } else {
                        late.append(Int32(truncatingIfNeeded: row))
                        least = min(least, times[row])
                    }
                }
                due.append(item.batch.gather(early))
                left.append(Pending(batch: item.batch.gather(late), least: least, greatest: item.greatest))
            }
        }
        pending = left
        return due
    }

    private func evaluate(_ batch: RowBatch, _ epoch: StageEpoch) {
        let clock = epoch.clockMicroseconds
        withExtendedLifetime(batch) {
            let columns = batch.columns
            let views = columns[keyColumn].strings
            let times = plan.node.timeColumn.map { columns[$0].int64s }
            for row in order(batch) {
                let time = times.map { $0[row] } ?? clock
                if let first = timers.first, first < time { fireTimers(to: time - 1, batch, epoch) }
                if plan.node.inputRetracts, !batch.change(at: row).isAddition {
                    if let slot = find(views[row]), !keys[slot].isRemoved {
                        keys[slot].isRemoved = true
                        removed.append(Int32(truncatingIfNeeded: slot))
                    }
                    continue
                }
                evaluate(batch, columns, row: row, views[row], time, clock)
            }
            for number in removed { remove(Int(number), batch, clock) }
            removed.removeAll()
            for slot in touched { leave(Int(slot), batch) }
            touched.removeAll()
        }
    }

    /// The rows in order of time; rows of one time as they came.
    private func order(_ batch: RowBatch) -> [Int] {
        guard let timeColumn = plan.node.timeColumn else { return Array(0..<batch.count) }
        let times = batch.columns[timeColumn].int64s
        var isSorted = true
        for row in 1..<max(batch.count, 1) where times[row] < times[row - 1] {
            isSorted = false
            break
        }
        if isSorted { return Array(0..<batch.count) }
        return (0..<batch.count).sorted { (times[$0], $0) < (times[$1], $1) }
    }

    @inline(__always)
    private func evaluate(_ batch: RowBatch, _ columns: [Column], row: Int, _ view: StringView, _ time: Int64, _ clock: Int64) {
        let words = plan.conditions.wordCount
        var any: UInt64 = 0
        bits.withUnsafeMutableBufferPointer { bits in
            guard let base = bits.baseAddress else { return }
            plan.conditions.evaluate(columns, row: row, into: base)
            for word in 0..<words {
                base[word] &= plan.activeBits[word]
                any |= base[word]
            }
        }
        let found = find(view)
        if found == nil, any == 0, plan.tracking.isEmpty { return }
        let slot = found ?? make(view, batch, row, clock)
        if keys[slot].currentRow < 0 { touched.append(Int32(truncatingIfNeeded: slot)) }
        keys[slot].currentRow = Int32(truncatingIfNeeded: row)
        keys[slot].isRemoved = false
        marks.mark(slot)
        for index in keys[slot].states.indices {
            let rule = keys[slot].states[index].rule
            let mask: UInt64 = 1 << UInt64(rule & 63)
            let isTrue = bits[rule >> 6] & mask != 0
            bits[rule >> 6] &= ~mask
            guard plan.isActive[rule] else { continue }
            step(slot, index, rule, isTrue, columns, row, time, clock, batch)
        }
        if any == 0 && plan.tracking.isEmpty { return }
        var isNew = false
        for rule in plan.tracking where plan.isActive[rule] && !keys[slot].states.contains(where: { $0.rule == rule }) {
            // What is not true is remembered all the same: its silence counts.
            if bits[rule >> 6] & (1 << UInt64(rule & 63)) == 0 {
                keys[slot].states.append(AlertKey.State(rule: rule, instance: begun()))
                isNew = true
            }
        }
        for word in 0..<words {
            var left = bits[word]
            while left != 0 {
                let rule = word << 6 + left.trailingZeroBitCount
                left &= left - 1
                keys[slot].states.append(AlertKey.State(rule: rule, instance: begun()))
                step(slot, keys[slot].states.count - 1, rule, true, columns, row, time, clock, batch)
                isNew = true
            }
        }
        if isNew { keys[slot].states.sort { $0.rule < $1.rule } }
        if plan.hasNoData { scheduleSilence(slot) }
    }

    private func begun() -> AlertInstance {
        var instance = AlertInstance()
        instance.number = highest
        return instance
    }

    @inline(__always)
    private func step(
        _ slot: Int, _ index: Int, _ rule: Int, _ isTrue: Bool, _ columns: [Column], _ row: Int, _ time: Int64, _ clock: Int64, _ batch: RowBatch
    ) {
        var isResolved = false
        if let resolve = plan.node.rules[rule].resolve { isResolved = AlertConditions.isTrue(resolve, columns, row: row) }
        change(slot, index, clock, batch) { machine, instance, emit in
            machine.evaluate(&instance, at: time, isTrue: isTrue, isResolved: isResolved, emit)
        }
    }

    /// Lets the machine change one instance, and gives what comes of it.
    @inline(__always)
    private func change(
        _ slot: Int, _ index: Int, _ clock: Int64, _ batch: RowBatch?,
        _ body: (AlertMachine, inout AlertInstance, (AlertTransition) -> Void) -> Void
    ) {
        let rule = keys[slot].states[index].rule
        let machine = plan.machines[rule]
        var instance = keys[slot].states[index].instance
        body(machine, &instance) { transition in
            keys[slot].states[index].instance.number += 1
            keys[slot].states[index].instance.changedMicroseconds = clock
            let key = keys[slot]
            let row = key.currentRow >= 0 ? batch.map { rows.text(of: $0, row: Int(key.currentRow)) } ?? key.row : key.row
            rows.append(transition, of: key, row: row, rule: rule, number: key.states[index].instance.number, clockMicroseconds: clock)
        }
        instance.number = keys[slot].states[index].instance.number
        instance.changedMicroseconds = keys[slot].states[index].instance.changedMicroseconds
        let wasOpen = keys[slot].states[index].instance.phase != .inactive
        keys[slot].states[index].instance = instance
        if wasOpen, instance.phase == .inactive { forgetting.append((clock, Int32(truncatingIfNeeded: slot), Int32(truncatingIfNeeded: rule))) }
        if let time = machine.nextTimer(instance), time < keys[slot].states[index].scheduled {
            keys[slot].states[index].scheduled = time
            timers.push(time, AlertTimer(slot: slot, rule: rule))
        }
    }

    /// The key's row was taken back in this epoch, and nothing took its place.
    private func remove(_ slot: Int, _ batch: RowBatch, _ clock: Int64) {
        guard keys[slot].isLive, keys[slot].isRemoved else { return }
        keys[slot].isRemoved = false
        marks.mark(slot)
        for index in keys[slot].states.indices where plan.isActive[keys[slot].states[index].rule] {
            change(slot, index, clock, batch) { machine, instance, emit in machine.remove(&instance, at: clock, emit) }
        }
        dropBlank(slot)
    }

    /// The batch goes: what must be known of its last row of the key is kept.
    private func leave(_ slot: Int, _ batch: RowBatch) {
        guard keys[slot].isLive, keys[slot].currentRow >= 0 else { return }
        let row = Int(keys[slot].currentRow)
        keys[slot].currentRow = -1
        dropBlank(slot)
        guard keys[slot].isLive else { return }
        marks.mark(slot)
        let matters = keys[slot].states.contains { $0.instance.phase != .inactive || plan.tracking.contains($0.rule) }
        if matters { keys[slot].row = rows.text(of: batch, row: row) }
    }

    // MARK: Timers

    /// Everything that time alone changes up to and at `limit`, in order of time; at one time in the order of keys' hashes and of rules.
    private func fireTimers(to limit: Int64, _ batch: RowBatch?, _ epoch: StageEpoch) {
        var due: [AlertTimer] = []
        while let time = timers.first, time <= limit {
            due.removeAll(keepingCapacity: true)
            while timers.first == time, let entry = timers.pop() { due.append(entry) }
            if due.count > 1 { due.sort { (keys[Int($0.slot)].hash, $0.rule) < (keys[Int($1.slot)].hash, $1.rule) } }
            for entry in due {
                let slot = Int(entry.slot)
                guard keys[slot].isLive, let index = keys[slot].states.firstIndex(where: { $0.rule == Int(entry.rule) }),
                    keys[slot].states[index].scheduled == time
                else { continue }
                keys[slot].states[index].scheduled = .max
                guard plan.isActive[Int(entry.rule)] else { continue }
                marks.mark(slot)
                // An entry that is out of date is put back under its time.
                change(slot, index, epoch.clockMicroseconds, batch) { machine, instance, emit in
                    if let next = machine.nextTimer(instance), next <= time { machine.advance(&instance, to: time, emit) }
                }
            }
        }
    }

    private func scheduleSilence(_ slot: Int) {
        guard let deadline = silenceDeadline(slot), deadline < keys[slot].silenceScheduled else { return }
        keys[slot].silenceScheduled = deadline
        silence.push(deadline, AlertTimer(slot: slot, rule: 0))
    }

    private func silenceDeadline(_ slot: Int) -> Int64? {
        var deadline: Int64?
        for state in keys[slot].states {
            if let time = silenceDeadline(state, heard: keys[slot].heardMicroseconds) { deadline = min(deadline ?? .max, time) }
        }
        return deadline
    }

    private func silenceDeadline(_ state: AlertKey.State, heard: Int64) -> Int64? {
        let timing = plan.node.rules[state.rule].timing
        guard plan.isActive[state.rule], let interval = timing.noDataMicroseconds, !state.instance.isSilent else { return nil }
        switch timing.noData {
        case .keep: return nil
        case .resolve where state.instance.phase == .inactive: return nil
        case .resolve, .fire: break
        }
        let (time, overflow) = heard.addingReportingOverflow(interval)
        return overflow ? nil : time
    }

    private func endSilence(_ epoch: StageEpoch) {
        let clock = epoch.clockMicroseconds
        var due: [Int] = []
        while let time = silence.first, time <= clock, let entry = silence.pop() {
            let slot = Int(entry.slot)
            guard keys[slot].isLive, keys[slot].silenceScheduled == time else { continue }
            keys[slot].silenceScheduled = .max
            due.append(slot)
        }
        if due.count > 1 { due.sort { keys[$0].hash < keys[$1].hash } }
        let present = present(epoch)
        for slot in due {
            for index in keys[slot].states.indices {
                guard let deadline = silenceDeadline(keys[slot].states[index], heard: keys[slot].heardMicroseconds), deadline <= clock else { continue }
                marks.mark(slot)
                change(slot, index, clock, nil) { machine, instance, emit in machine.noData(&instance, at: present, emit) }
            }
            scheduleSilence(slot)
        }
    }

    // MARK: The end of rules and of instances

    private func retire(_ epoch: StageEpoch) {
        let retiring = Set(plan.retiring)
        let present = present(epoch)
        let slots = keys.indices.filter { slot in keys[slot].states.contains { retiring.contains($0.rule) } }.sorted { keys[$0].hash < keys[$1].hash }
        for slot in slots {
            marks.mark(slot)
            for index in keys[slot].states.indices where retiring.contains(keys[slot].states[index].rule) {
                guard let reason = plan.node.rules[keys[slot].states[index].rule].retirement else { continue }
                change(slot, index, epoch.clockMicroseconds, nil) { machine, instance, emit in machine.retire(&instance, at: present, reason, emit) }
                highest = max(highest, keys[slot].states[index].instance.number)
            }
            keys[slot].states.removeAll { retiring.contains($0.rule) }
            dropBlank(slot)
        }
    }

    /// Instances of which there is nothing to say and that have said nothing go at once.
    private func dropBlank(_ slot: Int) {
        keys[slot].states.removeAll { state in
            state.instance.isBlank && state.instance.changedMicroseconds == .min && !plan.tracking.contains(state.rule)
        }
        if keys[slot].states.isEmpty { release(slot) }
    }

    private func forget(_ clock: Int64) {
        let (border, overflow) = clock.subtractingReportingOverflow(Self.rememberedMicroseconds)
        if overflow { return }
        while forgotten < forgetting.count, forgetting[forgotten].clock <= border {
            let (changed, slotNumber, ruleNumber) = forgetting[forgotten]
            forgotten += 1
            let slot = Int(slotNumber)
            guard keys[slot].isLive, let index = keys[slot].states.firstIndex(where: { $0.rule == Int(ruleNumber) }) else { continue }
            let instance = keys[slot].states[index].instance
            guard instance.changedMicroseconds == changed, instance.phase == .inactive, !plan.tracking.contains(Int(ruleNumber)) else { continue }
            if !instance.isBlank {
                forgetting.append((clock, slotNumber, ruleNumber))
                keys[slot].states[index].instance.changedMicroseconds = clock
                marks.mark(slot)
                continue
            }
            highest = max(highest, instance.number)
            keys[slot].states.remove(at: index)
            marks.mark(slot)
            if keys[slot].states.isEmpty { release(slot) }
        }
        if forgotten > 1_024, forgotten * 2 > forgetting.count {
            forgetting.removeFirst(forgotten)
            forgotten = 0
        }
    }

    // MARK: Keys

    @inline(__always)
    private func find(_ view: StringView) -> Int? {
        let hash = AlertKey.hash(UnsafeRawBufferPointer(view.bytes))
        guard var slot = index[hash] else { return nil }
        while slot >= 0 {
            if isSame(keys[Int(slot)].bytes, view) { return Int(slot) }
            slot = keys[Int(slot)].next
        }
        return nil
    }

    private func isSame(_ bytes: [UInt8], _ view: StringView) -> Bool {
        guard bytes.count == view.count else { return false }
        return bytes.isEmpty || bytes.withUnsafeBytes { memcmp($0.baseAddress ?? UnsafeRawPointer(view.pointer), view.pointer, view.count) == 0 }
    }

    private func make(_ view: StringView, _ batch: RowBatch, _ row: Int, _ clock: Int64) -> Int {
        var key = AlertKey()
        key.bytes = Array(view.bytes)
        key.hash = AlertKey.hash(UnsafeRawBufferPointer(view.bytes))
        key.texts = rows.keyTexts(of: batch, row: row)
        key.heardMicroseconds = clock
        key.isLive = true
        key.next = index[key.hash] ?? -1
        let slot: Int
        if let reused = free.popLast() {
            slot = Int(reused)
            keys[slot] = key
        } else {
            slot = keys.count
            keys.append(key)
        }
        index[key.hash] = Int32(truncatingIfNeeded: slot)
        marks.mark(slot)
        return slot
    }

    private func release(_ slot: Int) {
        guard keys[slot].isLive else { return }
        let hash = keys[slot].hash
        let next = keys[slot].next
        if index[hash] == Int32(truncatingIfNeeded: slot) {
            index[hash] = next >= 0 ? next : nil
        } else {
            var place = index[hash] ?? -1
            while place >= 0 {
                if keys[Int(place)].next == Int32(truncatingIfNeeded: slot) {
                    keys[Int(place)].next = next
                    break
                }
                place = keys[Int(place)].next
            }
        }
        keys[slot] = AlertKey()
        free.append(Int32(truncatingIfNeeded: slot))
        marks.mark(slot)
    }

    // MARK: Facts and state

    var keyCount: Int { keys.count - free.count + pending.reduce(0) { $0 + $1.batch.count } }

    var byteCount: Int {
        let width = batchTypes.reduce(0) { $0 + $1.layout.stride }
        return keys.reduce(pending.reduce(0) { $0 + $1.batch.count } * width) { total, key in
            total + 200 + key.bytes.count + key.states.count * 80 + key.row.json.utf8.count * 2
        }
    }

    func write(to writer: inout StateWriter) {
        writer.write(processed)
        writer.write(highest)
        writer.write(Keys(owner: self), marks)
        // Each column by itself, under its tag: a plan with other rules finds those that it knows.
        let waiting = RowBatch.concatenate(pending.map(\.batch), types: batchTypes)
        let count = pending.isEmpty ? 0 : waiting.count
        writer.write(count: count)
        guard count > 0 else { return }
        writer.write(count: batchTypes.count)
        for (column, tag) in zip(waiting.columns, plan.node.tags + ["key"]) {
            writer.write(tag)
            var inner = StateWriter()
            inner.write(RowBatch(count: count, columns: [column]))
            inner.bytes.withUnsafeBytes { writer.write(bytes: $0) }
        }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        processed = try reader.read()
        highest = try reader.read()
        guard highest >= 0, highest < .max / 2 else { throw reader.failure("a transition with an impossible number") }
        try reader.read(Keys(owner: self), marks)
        let count = try reader.readCount(bytesEach: 1)
        pending = []
        if count > 0 { try readPending(count, &reader) }
        try reindex(&reader)
    }

    private func readPending(_ count: Int, _ reader: inout StateReader) throws(StateError) {
        let tags = plan.node.tags + ["key"]
        var columns: [Column?] = tags.map { _ in nil }
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let tag = try reader.readString()
            let bytes = try reader.readBytes()
            guard let place = tags.firstIndex(of: tag) else { continue }
            var inner = StateReader(bytes)
            let batch = try inner.readBatch(types: [batchTypes[place]])
            guard batch.count == count else { throw reader.failure("columns of waiting rows differ in length") }
            columns[place] = batch.columns[0]
        }
        // A condition of a rule that was not there when the row came is not true of it. Everything else must be there.
        var whole: [Column] = []
        for (place, column) in columns.enumerated() {
            let isNeeded = place < plan.node.names.count || place == keyColumn || place == plan.node.timeColumn
            if column == nil && isNeeded { throw reader.failure("waiting rows lack a column") }
            whole.append(column ?? Column.constant(.null, type: batchTypes[place], count: count))
        }
        guard let timeColumn = plan.node.timeColumn else { throw reader.failure("rows wait although nothing is to be waited for") }
        var (least, greatest) = (Int64.max, Int64.min)
        for row in 0..<count {
            least = min(least, whole[timeColumn].int64s[row])
            greatest = max(greatest, whole[timeColumn].int64s[row])
        }
        pending = [Pending(batch: RowBatch(count: count, columns: whole), least: least, greatest: greatest)]
    }

    /// What follows from the keys: where they are, and when to look at them.
    private func reindex(_ reader: inout StateReader) throws(StateError) {
        index = [:]
        free = []
        timers = TimeHeap()
        silence = TimeHeap()
        forgetting = []
        forgotten = 0
        for slot in keys.indices.reversed() {
            guard keys[slot].isLive else {
                free.append(Int32(truncatingIfNeeded: slot))
                continue
            }
            var other = index[keys[slot].hash] ?? -1
            keys[slot].next = other
            while other >= 0 {
                if keys[Int(other)].bytes == keys[slot].bytes { throw reader.failure("a key stands twice among the alert's") }
                other = keys[Int(other)].next
            }
            index[keys[slot].hash] = Int32(truncatingIfNeeded: slot)
            for place in keys[slot].states.indices {
                let state = keys[slot].states[place]
                if let time = plan.machines[state.rule].nextTimer(state.instance) {
                    keys[slot].states[place].scheduled = time
                    timers.push(time, AlertTimer(slot: slot, rule: state.rule))
                }
                if state.instance.phase == .inactive, state.instance.changedMicroseconds != .min {
                    forgetting.append((state.instance.changedMicroseconds, Int32(truncatingIfNeeded: slot), Int32(truncatingIfNeeded: state.rule)))
                }
            }
            if plan.hasNoData { scheduleSilence(slot) }
        }
        forgetting.sort { $0.clock < $1.clock }
    }

    private struct Keys: NumberedRows {
        let owner: AlertPartition

        var rowCount: Int { owner.keys.count }
        var rowByteCountMin: Int { 1 }
        func make(rows count: Int) { owner.keys = Array(repeating: AlertKey(), count: count) }
        func write(row: Int, to writer: inout StateWriter) { owner.keys[row].write(to: &writer, rules: owner.plan.node.rules) }
        func read(row: Int, from reader: inout StateReader) throws(StateError) {
            owner.keys[row] = try AlertKey.read(from: &reader, places: owner.plan.places, highest: &owner.highest)
        }
    }
}
