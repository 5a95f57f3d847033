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
    let plan: JoinPlan
    var table: KeyTable
    let sides: [JoinSide]
    var scratch = PairScratch()
    /// By side: rows that may have to be given or taken back at the end of the epoch.
    var candidates: [[UInt32]] = [[], []]
    /// Rows of the other side that were given without partner and now have one.
    private var toTakeBack: [UInt32] = []
    private var takenOutSinceCheck = 0
    private var isDone = false
    /// Retractions of rows that were not there.
    var ignoredRetractionCount = 0
    /// Keys whose right rows were counted in this epoch, and whether there were any before (see PairPartition+Keys).
    var countedSlots: [UInt32] = []
    var countedBefore: [UInt32: Bool] = [:]
    /// Of all partitions: see PairPartition+Keys.
    var rightTotals = RightTotals()
    /// Left rows of a lookup join that wait for the right side to end.
    var waiting: [RowBatch] = []
    var rightIsComplete = false

    init(_ plan: JoinPlan) {
        self.plan = plan
        table = plan.keys.makeTable()
        sides = plan.sides.map { JoinSide($0) }
    }

    func counts(_ port: Int) -> Bool { plan.isOuter[port] || (plan.keepsLeftOnly && port == 0) }

    // MARK: A batch

    func begin(_ epoch: StageEpoch) {
        rightIsComplete = !plan.node.rightIsBounded || (epoch.ports.count == 2 && epoch.ports[1].hasEnded)
        for port in 0...1 {
            guard let ttl = plan.ttl[port] else { continue }
            let limit = WindowGrid.add(WindowGrid.subtract(epoch.clockMicroseconds, ttl), 1)
            for (stamp, references) in sides[port].expiry.take(below: limit) {
                for reference in references where sides[port].carries(reference, stamp) { takeOut(reference, port) }
            }
            sides[port].release()
        }
    }

    func takeOut(_ reference: UInt32, _ port: Int) {
        sides[port].takeOut(reference, in: table)
        takenOutSinceCheck += 1
    }

    func process(_ port: Int, _ incoming: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        if plan.isLookup && port == 0 {
            waiting.append(incoming.replacing(columns: incoming.columns.map { $0.withoutEmptyBitmap }))
            if rightIsComplete { lookUpWaiting(context, &output) }
            return
        }
        let own = sides[port]
        plan.keys.assign(own.layout.keys.map { incoming.columns[$0] }, count: incoming.count, in: table, context.scratch)
        if plan.countsKeys && port == 1 { return countKeys(incoming, context.scratch.slots) }
        scratch.reserve(incoming.count * 2)
        scratch.slots.update(from: context.scratch.slots, count: incoming.count)
        var batch = incoming
        if own.layout.isUnique && plan.retracts[port] {
            batch = settleUnique(port, incoming, clockMicroseconds: context.clockMicroseconds)
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
        if batch.changes != nil && !plan.node.emitsUpdateBefore && !counts(0) && !counts(1) { passOverOldRows(batch) }
        if sides[1 - port].rows.liveCount > 0 && !plan.isLookup { pair(port, batch, context, &output) }
        if counts(port) { noteAdded(port, batch.count) }
        own.release()
    }

    private func stamp(_ port: Int, _ batch: RowBatch, _ context: TaskContext) {
        let own = sides[port]
        let signs = scratch.signs
        let references = scratch.references
        if let interval = plan.interval {
            let times = batch.columns[interval.timeColumns[port]].int64s
            for row in 0..<batch.count where signs[row] > 0 {
                own.stamp(references[row], interval.bucket(times[row]))
                own.noteTime(times[row])
            }
            withExtendedLifetime(batch) {}
        } else {
            for row in 0..<batch.count where signs[row] > 0 { own.stamp(references[row], context.clockMicroseconds) }
        }
    }

    /// Old rows of updates have left the state, and nobody above asks what they were joined with.
    private func passOverOldRows(_ batch: RowBatch) {
        for row in 0..<batch.count where batch.change(at: row) == .updateBefore { scratch.signs[row] = 0 }
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
        let signs = scratch.signs
        let references = scratch.references
        if plan.countsKeys {
            for row in 0..<count where signs[row] > 0 { candidates[port].append(references[row]) }
            return
        }
        for row in 0..<count where signs[row] > 0 {
            let reference = references[row]
            if (rows.matches(reference) & JoinRows.matchesMask != 0) == wantsPartner { candidates[port].append(reference) }
        }
    }

    // MARK: Pairs

    func pair(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
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
            let timeOffset = other.layout.valueOffset(interval.timeColumns[1 - port])
            let disorder = other.layout.isStamped ? other.disorderMicroseconds : .max
            for row in 0..<n where signs[row] != 0 {
                let low = WindowGrid.add(times[row], interval.low[port])
                let high = WindowGrid.add(times[row], interval.high[port])
                let end = WindowGrid.subtract(low, disorder)
                var reference = heads[row]
                while reference != 0 {
                    let place = base + (Int(reference) &- 1) &* stride
                    let time = place.loadUnaligned(fromByteOffset: timeOffset, as: Int64.self)
                    if time < end { break }
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
        if plan.isLookup { markFound(count) } else if counts(port) { countOwn(port, count) }
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
        let pairRows = scratch.pairRows
        let signs = scratch.signs
        let references = scratch.references
        for index in 0..<count {
            let row = Int(pairRows[index])
            guard signs[row] > 0 else { continue }
            let matches = rows.matches(references[row])
            if matches & JoinRows.matchesMask < JoinRows.matchesMask - 1 { rows.setMatches(references[row], matches + 1) }
        }
    }

    private func countOther(_ port: Int, _ count: Int) {
        let rows = sides[port].rows
        let pairRows = scratch.pairRows
        let pairReferences = scratch.pairReferences
        let signs = scratch.signs
        for index in 0..<count {
            let reference = pairReferences[index]
            var matches = rows.matches(reference)
            let partners = matches & JoinRows.matchesMask
            if signs[Int(pairRows[index])] > 0 {
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

    /// Whether a row comes out by itself.
    private func isWanted(_ reference: UInt32, _ port: Int) -> Bool {
        if plan.countsKeys { return isKeyWanted(reference) }
        return (sides[port].rows.matches(reference) & JoinRows.matchesMask != 0) == (plan.node.kind == .semi)
    }

    /// Gives and takes back what the epoch changed.
    func settleCandidates(_ output: inout [RowBatch]) {
        if plan.countsKeys { noteCountedKeys() }
        for port in 0...1 where !candidates[port].isEmpty {
            let rows = sides[port].rows
            // A final row that is wanted may be given at once only if it stays wanted.
            let mayGive = !plan.isFinal || (plan.node.kind == .semi && !plan.node.rightRetracts)
            var given: [UInt32] = []
            var taken: [UInt32] = []
            for reference in candidates[port] where rows.isLive(reference) {
                let matches = rows.matches(reference)
                let isOut = matches & JoinRows.emittedBit != 0
                let isWanted = isWanted(reference, port)
                if isWanted && !isOut && mayGive {
                    given.append(reference)
                    rows.setMatches(reference, matches | JoinRows.emittedBit)
                } else if !isWanted && isOut {
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
        if plan.isLookup { return !waiting.isEmpty && epoch.ports.count == 2 && epoch.ports[1].hasEnded }
        return plan.isFinal && epoch.hasEnded && !isDone
    }

    private func expiryLimit(_ port: Int, _ epoch: StageEpoch) -> Int64? {
        guard epoch.ports.count == 2 else { return nil }
        guard let interval = plan.interval else { return nil }
        let limit = interval.expired(port: port, partnerWatermark: epoch.ports[1 - port].watermark)
        return plan.retracts[port] ? min(limit, interval.settled(ownWatermark: epoch.ports[port].watermark)) : limit
    }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        if plan.isLookup {
            if rightIsComplete { lookUpWaiting(context, &output) }
            if epoch.hasEnded { close(&output) }
        }
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
                if counts(port) && matches & JoinRows.emittedBit == 0 && isWanted(reference, port) { last.append(reference) }
                takeOut(reference, port)
            }
        }
        emit(last, port, .insert, &output)
        side.release()
    }

    /// No more input: gives what was held back and forgets everything.
    func close(_ output: inout [RowBatch]) {
        isDone = true
        for port in 0...1 where counts(port) && plan.isFinal {
            let rows = sides[port].rows
            let last = sides[port].liveRows { rows.matches($0) & JoinRows.emittedBit == 0 && isWanted($0, port) }
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
            // Where keys count right rows the count is in place of their head.
            return sides[0].head(slot, in: table) != 0 || sides[1].head(slot, in: table) != 0
        }
        var live = 0
        for slot in 0..<table.count where isUsed(slot) { live += 1 }
        guard live * 2 < table.count else { return }
        table = table.compacted(plan.keys, isUsed)
        sides[0].follow(table)
        if !plan.countsKeys { sides[1].follow(table) }
    }

    // MARK: Facts and state

    var rowCount: Int { sides[0].rows.liveCount + sides[1].rows.liveCount + waiting.reduce(0) { $0 + $1.count } }
    var stateByteCount: Int { table.byteCount + sides[0].byteCount + sides[1].byteCount }

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(count: takenOutSinceCheck)
        writer.write(count: ignoredRetractionCount)
        table.write(to: &writer, strings: plan.keys.keyStrings)
        sides[0].write(to: &writer)
        if !plan.countsKeys { sides[1].write(to: &writer) }
        writer.write(count: waiting.count)
        for batch in waiting { writer.write(batch) }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        takenOutSinceCheck = try reader.readCount(bytesEach: 0)
        ignoredRetractionCount = try reader.readCount(bytesEach: 0)
        table = plan.keys.makeTable()
        try table.read(from: &reader, strings: plan.keys.keyStrings)
        guard table.reindex() else { throw reader.failure("a key twice") }
        try sides[0].read(from: &reader, table)
        if !plan.countsKeys { try sides[1].read(from: &reader, table) }
        if let interval = plan.interval, !plan.countsKeys {
            for port in 0...1 { sides[port].noteTimes(table, offset: sides[port].layout.valueOffset(interval.timeColumns[port])) }
        }
        for _ in 0..<(try reader.readCount(bytesEach: 8)) { waiting.append(try reader.readBatch(types: plan.sides[0].types)) }
    }
}
