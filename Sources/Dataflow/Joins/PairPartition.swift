// PairPartition: a join that keeps rows of both sides (no time limit, or an interval).
//
// A batch of one side:
// 1. Its keys get slots; additions enter the side's state, retractions find their row there and take it out. What was not there (its TTL
//    had ended) is passed over.
// 2. Each row meets the chain of the other side: pairs, in batches; the residual and the interval pick among them.
// 3. Pairs count as partners of the rows whose side cares for that (outer, semi, anti).
// 4. Pairs come out with the change kind of the row that made them.
//
// A row without partner (outer) is given at the end of the epoch, so that nothing flickers within one, and taken back before its first
// pair comes out. Where rows without partner are final (interval, window, bounded input) they come when they leave the state,
// once. Semi and anti rows come and go at the end of the epoch.

import CMillrace
import Columns
import Planning

final class PairPartition: JoinPartition {
    private let plan: JoinPlan
    private var table: KeyTable
    private let sides: [JoinSide]
    private var scratch = PairScratch()
    /// By side: rows that may have to be given or taken back at the end of the epoch.
    private var candidates: [[UInt32]] = [[], []]
    /// Rows of the other side that were given without partner and now have one.
    private var toTakeBack: [UInt32] = []
    private var takenOutSinceCheck = 0
    private var isDone = false
    private(set) var ignoredRetractionCount = 0

    init(_ plan: JoinPlan) {
        self.plan = plan
        table = plan.keys.makeTable()
        sides = plan.sides.map { JoinSide($0) }
    }

    private func counts(_ port: Int) -> Bool { plan.isOuter[port] || (plan.keepsLeftOnly && port == 0) }

    // MARK: A batch

    func begin(_ epoch: StageEpoch) {
        for port in 0...1 {
            guard let ttl = plan.ttl[port] else { continue }
            let limit = WindowGrid.add(WindowGrid.subtract(epoch.clockMicroseconds, ttl), 1)
            for (stamp, references) in sides[port].expiry.take(below: limit) {
                for reference in references where sides[port].carries(reference, stamp) { takeOut(reference, port) }
            }
            sides[port].release()
        }
    }

    private func takeOut(_ reference: UInt32, _ port: Int) {
        sides[port].takeOut(reference, in: table)
        takenOutSinceCheck += 1
    }

    func process(_ port: Int, _ incoming: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let own = sides[port]
        plan.keys.assign(own.layout.keys.map { incoming.columns[$0] }, count: incoming.count, in: table, context.scratch)
        scratch.reserve(incoming.count * 2)
        scratch.slots.update(from: context.scratch.slots, count: incoming.count)
        var batch = incoming
        if own.layout.isUnique && plan.retracts[port] {
            batch = settleUnique(port, incoming)
        } else if incoming.changes != nil {
            settleChanges(port, incoming)
        } else {
            scratch.signs.update(repeating: 1, count: batch.count)
            own.add(
                batch.columns, selection: nil, count: batch.count, slots: scratch.slots, in: table, references: scratch.references)
        }
        guard batch.count > 0 else { return }
        if own.layout.isStamped { stamp(port, batch, context) }
        if batch.changes != nil && counts(port) { takeBackOwn(port, batch, &output) }
        if sides[1 - port].rows.liveCount > 0 { pair(port, batch, context, &output) }
        if counts(port) { noteAdded(port, batch.count) }
        own.release()
    }

    /// Each addition enters the state; each retraction takes its row out.
    private func settleChanges(_ port: Int, _ batch: RowBatch) {
        let own = sides[port]
        let n = batch.count
        let selection = scratch.selection
        let signs = scratch.signs
        var added = 0
        for row in 0..<n where batch.change(at: row).isAddition {
            selection[added] = Int32(truncatingIfNeeded: row)
            added += 1
        }
        // Heads are not needed before pairs are made.
        let fresh = scratch.heads
        own.add(batch.columns, selection: selection, count: added, slots: scratch.slots, in: table, references: fresh)
        for row in 0..<n { signs[row] = 0 }
        for index in 0..<added {
            signs[Int(selection[index])] = 1
            scratch.references[Int(selection[index])] = fresh[index]
        }
        guard added < n else { return }
        guard own.layout.isIndexed else {
            ignoredRetractionCount += n - added
            return
        }
        var taken = 0
        for row in 0..<n where signs[row] == 0 {
            selection[taken] = Int32(truncatingIfNeeded: row)
            taken += 1
        }
        let rows = UnsafeBufferPointer(start: UnsafePointer(selection), count: taken)
        let columns = batch.columns.map { $0.picked(rows) }
        let width = own.layout.packed.width
        let packed = scratch.reservePacked(taken * width)
        let encoded = own.layout.packed.pack(columns, count: taken, into: packed, normalised: false)
        for index in 0..<taken {
            let row = Int(selection[index])
            let reference = own.find(packed + index * width, slot: scratch.slots[row], in: table)
            guard reference != 0 else {
                ignoredRetractionCount += 1
                continue
            }
            signs[row] = -1
            scratch.references[row] = reference
            takeOut(reference, port)
        }
        withExtendedLifetime((columns, encoded)) {}
    }

    /// At most one row for each key: what the batch does to a key is settled first. Gives the rows taken back, as they were, then those
    /// added.
    private func settleUnique(_ port: Int, _ batch: RowBatch) -> RowBatch {
        let own = sides[port]
        let n = batch.count
        let width = own.layout.packed.width
        let packed = scratch.reservePacked(n * width)
        let encoded = own.layout.packed.pack(batch.columns, count: n, into: packed, normalised: false)
        defer { withExtendedLifetime((batch, encoded)) {} }
        let strings = own.layout.packed.stringOffsets
        // For each key the row that holds in the end, or -1 when there is none.
        var final: [UInt32: Int] = [:]
        var order: [UInt32] = []
        for row in 0..<n {
            let slot = scratch.slots[row]
            let known = final[slot]
            if batch.change(at: row).isAddition {
                if known == nil { order.append(slot) }
                final[slot] = row
                continue
            }
            let isHeld: Bool
            if let known {
                isHeld = known >= 0 && PackedLayout.equal(packed + known * width, packed + row * width, width: width, stringOffsets: strings)
            } else {
                isHeld = own.find(packed + row * width, slot: slot, in: table) != 0
            }
            guard isHeld else {
                ignoredRetractionCount += 1
                continue
            }
            if known == nil { order.append(slot) }
            final[slot] = -1
        }
        var gone: [UInt32] = []
        var goneSlots: [UInt32] = []
        var goneKinds: [UInt8] = []
        var addedRows: [Int32] = []
        var addedKinds: [UInt8] = []
        for slot in order {
            guard let row = final[slot] else { continue }
            let old = own.head(slot, in: table)
            if old != 0 {
                if row >= 0 && own.isEqual(old, packed + row * width) { continue }
                gone.append(old)
                goneSlots.append(slot)
                goneKinds.append((row >= 0 ? ChangeKind.updateBefore : .delete).rawValue)
            }
            guard row >= 0 else { continue }
            addedRows.append(Int32(truncatingIfNeeded: row))
            addedKinds.append(old != 0 ? ChangeKind.updateAfter.rawValue : batch.change(at: row).rawValue)
        }
        withExtendedLifetime(batch) {}
        let added = addedRows.isEmpty ? batch.slice(0..<0) : addedRows.withUnsafeBufferPointer { batch.picked($0) }
        var parts: [RowBatch] = []
        if !gone.isEmpty { parts.append(RowBatch(count: gone.count, columns: own.rows.columns(gone, 0..<gone.count))) }
        if added.count > 0 { parts.append(RowBatch(count: added.count, columns: added.columns)) }
        guard !parts.isEmpty else { return batch.slice(0..<0) }
        let slots = goneSlots + addedRows.map { scratch.slots[Int($0)] }
        let signs = gone.map { _ in Int8(-1) } + addedRows.map { _ in Int8(1) }
        for index in slots.indices {
            scratch.slots[index] = slots[index]
            scratch.signs[index] = signs[index]
        }
        for (index, reference) in gone.enumerated() {
            scratch.references[index] = reference
            takeOut(reference, port)
        }
        own.add(
            added.columns, selection: nil, count: added.count, slots: scratch.slots + gone.count, in: table,
            references: scratch.references + gone.count)
        let kinds = goneKinds + addedKinds
        let all = RowBatch.concatenate(parts, types: own.layout.types)
        guard kinds.contains(where: { $0 != 0 }) else { return all }
        return RowBatch(count: all.count, columns: all.columns, changes: kinds.withUnsafeBytes { Buffer(copying: $0) })
    }

    private func stamp(_ port: Int, _ batch: RowBatch, _ context: TaskContext) {
        let own = sides[port]
        if let interval = plan.interval {
            let times = batch.columns[interval.timeColumns[port]].int64s
            for row in 0..<batch.count where scratch.signs[row] > 0 { own.stamp(scratch.references[row], interval.bucket(times[row])) }
        } else {
            for row in 0..<batch.count where scratch.signs[row] > 0 { own.stamp(scratch.references[row], context.clockMicroseconds) }
        }
    }

    /// Rows of this batch that are taken back and had been given by themselves.
    private func takeBackOwn(_ port: Int, _ batch: RowBatch, _ output: inout [RowBatch]) {
        var rows: [Int32] = []
        for row in 0..<batch.count where scratch.signs[row] < 0 {
            if sides[port].rows.matches(scratch.references[row]) & JoinRows.emittedBit != 0 { rows.append(Int32(truncatingIfNeeded: row)) }
        }
        guard !rows.isEmpty else { return }
        let taken = rows.withUnsafeBufferPointer { batch.picked($0) }
        output.append(taken.replacing(columns: plan.padded(taken.columns, port: port, count: taken.count)))
    }

    private func noteAdded(_ port: Int, _ count: Int) {
        let rows = sides[port].rows
        let wantsPartner = plan.node.kind == .semi
        guard wantsPartner || !plan.isFinal else { return }
        for row in 0..<count where scratch.signs[row] > 0 {
            let reference = scratch.references[row]
            if (rows.matches(reference) & JoinRows.matchesMask != 0) == wantsPartner { candidates[port].append(reference) }
        }
    }

    // MARK: Pairs

    private func pair(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let other = sides[1 - port]
        let n = batch.count
        let heads = scratch.heads
        let slots = scratch.slots
        let signs = scratch.signs
        let base = other.rows.base
        let stride = other.layout.stride
        do {
            let keys = table.rows + other.layout.headOffset
            let keyStride = table.rowStride
            for row in 0..<n { heads[row] = (keys + Int(slots[row]) &* keyStride).load(as: UInt32.self) }
            if other.rows.liveCount * stride > 256 * 1024 {
                for row in 0..<n { millrace_prefetch(base + max(Int(heads[row]) &- 1, 0) &* stride) }
            }
        }
        let pairRows = scratch.pairRows
        let pairReferences = scratch.pairReferences
        let limit = JoinPlan.pairsMax
        var count = 0
        let firstOnly = plan.existsOnly && port == 0 && plan.residual == nil
        if let interval = plan.interval {
            let times = batch.columns[interval.timeColumns[port]].int64s
            let timeOffset = other.layout.header + other.layout.packed.offsets[interval.timeColumns[1 - port]]
            for row in 0..<n where signs[row] != 0 {
                let low = WindowGrid.add(times[row], interval.low[port])
                let high = WindowGrid.add(times[row], interval.high[port])
                var reference = heads[row]
                while reference != 0 {
                    let place = base + (Int(reference) &- 1) &* stride
                    let time = place.loadUnaligned(fromByteOffset: timeOffset, as: Int64.self)
                    if time >= low && time <= high {
                        pairRows[count] = Int32(truncatingIfNeeded: row)
                        pairReferences[count] = reference
                        count += 1
                        if count == limit {
                            flush(count, port, batch, context, &output)
                            count = 0
                        }
                        if firstOnly { break }
                    }
                    reference = place.load(as: UInt32.self)
                }
            }
        } else {
            for row in 0..<n where signs[row] != 0 {
                var reference = heads[row]
                while reference != 0 {
                    pairRows[count] = Int32(truncatingIfNeeded: row)
                    pairReferences[count] = reference
                    count += 1
                    if count == limit {
                        flush(count, port, batch, context, &output)
                        count = 0
                    }
                    if firstOnly { break }
                    reference = (base + (Int(reference) &- 1) &* stride).load(as: UInt32.self)
                }
            }
        }
        if count > 0 { flush(count, port, batch, context, &output) }
        withExtendedLifetime(batch) {}
    }

    /// What becomes of up to `JoinPlan.pairsMax` pairs.
    private func flush(_ found: Int, _ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let other = sides[1 - port]
        let count =
            plan.residual.map { PairGather.filter($0, plan, found, port, batch, other.rows, scratch.pairRows, scratch.pairReferences, context) }
            ?? found
        guard count > 0 else { return }
        if counts(port) { countOwn(port, count) }
        if counts(1 - port) { countOther(1 - port, count) }
        guard !plan.keepsLeftOnly else { return }
        if !toTakeBack.isEmpty {
            emit(toTakeBack, 1 - port, .delete, &output)
            toTakeBack.removeAll(keepingCapacity: true)
        }
        output.append(PairGather.gather(count, port, batch, other.rows, scratch.pairRows, scratch.pairReferences))
    }

    private func countOwn(_ port: Int, _ count: Int) {
        let rows = sides[port].rows
        for index in 0..<count {
            let row = Int(scratch.pairRows[index])
            guard scratch.signs[row] > 0 else { continue }
            let matches = rows.matches(scratch.references[row])
            if matches & JoinRows.matchesMask < JoinRows.matchesMask - 1 { rows.setMatches(scratch.references[row], matches + 1) }
        }
    }

    private func countOther(_ port: Int, _ count: Int) {
        let rows = sides[port].rows
        for index in 0..<count {
            let reference = scratch.pairReferences[index]
            var matches = rows.matches(reference)
            let partners = matches & JoinRows.matchesMask
            if scratch.signs[Int(scratch.pairRows[index])] > 0 {
                if partners == 0 {
                    if plan.keepsLeftOnly {
                        candidates[port].append(reference)
                    } else if matches & JoinRows.emittedBit != 0 {
                        toTakeBack.append(reference)
                        matches &= JoinRows.matchesMask
                    }
                }
                if partners < JoinRows.matchesMask - 1 { matches += 1 }
            } else if partners > 0 {
                matches -= 1
                if partners == 1 { candidates[port].append(reference) }
            }
            rows.setMatches(reference, matches)
        }
    }

    // MARK: Rows by themselves

    func processUnmatchable(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        output.append(batch.replacing(columns: plan.padded(batch.columns, port: port, count: batch.count)))
    }

    private func emit(_ references: [UInt32], _ port: Int, _ kind: ChangeKind, _ output: inout [RowBatch]) {
        PairGather.emit(references, port, kind, plan, sides[port].rows, &output)
    }

    /// Whether a row with these matches comes out by itself.
    private func isWanted(_ matches: UInt32) -> Bool { (matches & JoinRows.matchesMask != 0) == (plan.node.kind == .semi) }

    /// Gives and takes back what the epoch changed.
    private func settleCandidates(_ output: inout [RowBatch]) {
        for port in 0...1 where !candidates[port].isEmpty {
            let rows = sides[port].rows
            // A final row that is wanted may be given at once only if it stays wanted.
            let mayGive = !plan.isFinal || (plan.node.kind == .semi && !plan.node.rightRetracts)
            var given: [UInt32] = []
            var taken: [UInt32] = []
            for reference in candidates[port] where rows.isLive(reference) {
                let matches = rows.matches(reference)
                let isOut = matches & JoinRows.emittedBit != 0
                if isWanted(matches) && !isOut && mayGive {
                    given.append(reference)
                    rows.setMatches(reference, matches | JoinRows.emittedBit)
                } else if !isWanted(matches) && isOut {
                    taken.append(reference)
                    rows.setMatches(reference, matches & JoinRows.matchesMask)
                }
            }
            candidates[port].removeAll(keepingCapacity: true)
            emit(taken, port, .delete, &output)
            emit(given, port, .insert, &output)
            if plan.dropsEmitted && port == 0 {
                for reference in given { takeOut(reference, port) }
                sides[port].release()
            }
        }
    }

    // MARK: The end of an epoch

    func isDue(_ epoch: StageEpoch) -> Bool {
        if plan.interval != nil {
            return (0...1).contains { port in expiryLimit(port, epoch).map { (sides[port].expiry.first ?? .max) < $0 } ?? false }
        }
        if (0...1).contains(where: { port in
            plan.ttl[port].map { (sides[port].expiry.first ?? .max) <= WindowGrid.subtract(epoch.clockMicroseconds, $0) } ?? false
        }) { return true }
        return plan.isFinal && epoch.hasEnded && !isDone
    }

    private func expiryLimit(_ port: Int, _ epoch: StageEpoch) -> Int64? {
        guard epoch.ports.count == 2 else { return nil }
        return plan.interval?.expired(port: port, partnerWatermark: epoch.ports[1 - port].watermark)
    }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        settleCandidates(&output)
        if plan.interval != nil {
            for port in 0...1 { expire(port, epoch, &output) }
        } else if plan.isFinal && epoch.hasEnded && !isDone {
            close(&output)
        }
        for side in sides { side.rows.compactTexts() }
        compactKeys()
    }

    private func expire(_ port: Int, _ epoch: StageEpoch, _ output: inout [RowBatch]) {
        guard let limit = expiryLimit(port, epoch) else { return }
        let side = sides[port]
        var last: [UInt32] = []
        for (stamp, references) in side.expiry.take(below: limit) {
            for reference in references where side.carries(reference, stamp) {
                let matches = side.rows.matches(reference)
                if counts(port) && isWanted(matches) && matches & JoinRows.emittedBit == 0 { last.append(reference) }
                takeOut(reference, port)
            }
        }
        emit(last, port, .insert, &output)
        side.release()
    }

    /// No more input: gives what was held back and forgets everything.
    func close(_ output: inout [RowBatch]) {
        isDone = true
        for port in 0...1 where counts(port) {
            let rows = sides[port].rows
            let last = sides[port].liveRows { isWanted(rows.matches($0)) && rows.matches($0) & JoinRows.emittedBit == 0 }
            emit(last, port, .insert, &output)
        }
        for side in sides { side.removeAll() }
        table = plan.keys.makeTable()
    }

    /// Drops keys without rows when they are most of the table.
    private func compactKeys() {
        guard takenOutSinceCheck > 1024 + table.count / 2 else { return }
        takenOutSinceCheck = 0
        func isUsed(_ slot: Int) -> Bool {
            let slot = UInt32(truncatingIfNeeded: slot)
            return sides[0].head(slot, in: table) != 0 || sides[1].head(slot, in: table) != 0
        }
        var live = 0
        for slot in 0..<table.count where isUsed(slot) { live += 1 }
        guard live * 2 < table.count else { return }
        table = table.compacted(plan.keys, isUsed)
        for side in sides { side.follow(table) }
    }

    // MARK: Facts and state

    var rowCount: Int { sides[0].rows.liveCount + sides[1].rows.liveCount }
    var stateByteCount: Int { table.byteCount + sides[0].byteCount + sides[1].byteCount }

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(count: takenOutSinceCheck)
        writer.write(count: ignoredRetractionCount)
        table.write(to: &writer, strings: plan.keys.keyStrings)
        for side in sides { side.write(to: &writer) }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        takenOutSinceCheck = try reader.readCount(bytesEach: 0)
        ignoredRetractionCount = try reader.readCount(bytesEach: 0)
        table = plan.keys.makeTable()
        try table.read(from: &reader, strings: plan.keys.keyStrings)
        guard table.reindex() else { throw reader.failure("a key twice") }
        for side in sides { try side.read(from: &reader, table) }
    }
}
