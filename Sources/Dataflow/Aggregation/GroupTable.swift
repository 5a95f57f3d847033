// GroupTable: groups by key with the states of their aggregates.
//
// Feeding a batch: (1) a slot for every row, (2) rows chosen once per filter and NULL pattern, (3) one loop per accumulator. Partial
// tables of other batches are merged the same way. Groups stay in order of first arrival, which is the order of results.
//
// The single BIGINT key, the commonest, is compared in place; NULL has a slot beside the index. Other keys are packed rows.

import Columns
import Glibc

final class GroupTable: @unchecked Sendable {
    // Safe to share: one task at a time works on a table.
    let layout: GroupLayout
    let table: KeyTable
    private(set) var distincts: [DistinctSet]
    private var nullSlot = -1
    /// The group of a query without keys.
    private var keylessSlot = 0
    /// Groups touched in this epoch, in order; kept only with a changelog.
    private(set) var touched: [UInt32] = []
    /// The epoch's clock, for groups that expire.
    var clockMicroseconds: Int64 = 0
    /// Groups that expired and came again since the table was made.
    private(set) var movedCount = 0

    init(_ layout: GroupLayout) {
        self.layout = layout
        let isIndexed: Bool
        switch layout.keyForm {
        case .none, .manual: isIndexed = false
        default: isIndexed = true
        }
        table = KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: layout.template, isIndexed: isIndexed)
        distincts = GroupTable.makeSets(layout)
    }

    private static func makeSets(_ layout: GroupLayout) -> [DistinctSet] {
        layout.distincts.map { DistinctSet($0, type: layout.compactTypes[$0.argument], counts: layout.retracts) }
    }

    var count: Int { table.count }
    var byteCount: Int { distincts.reduce(table.byteCount) { $0 + $1.table.byteCount } }

    func removeAll() {
        table.removeAll()
        for set in distincts { set.removeAll() }
        nullSlot = -1
        keylessSlot = 0
        movedCount = 0
        touched.removeAll()
    }

    // MARK: Slots

    /// The slot of each row of a compact batch, in `scratch.slots`.
    func assign(_ batch: RowBatch, _ scratch: AggregationScratch) {
        let n = batch.count
        switch layout.keyForm {
        case .none:
            scratch.reserve(n)
            if table.count == 0 { _ = table.append() }
            scratch.slots.update(repeating: UInt32(truncatingIfNeeded: keylessSlot), count: n)
        case .manual: scratch.reserve(n)
        case .int64:
            scratch.reserve(n)
            let keys = batch.columns[0]
            if keys.mayHaveNulls {
                assignWithNulls(keys, scratch)
            } else {
                table.assign(int64s: keys.int64s, count: n, slots: scratch.slots)
            }
        case .packed(let packed):
            scratch.reserve(n, packedWidth: packed.width)
            let encoded = packed.pack(Array(batch.columns[0..<packed.types.count]), count: n, into: scratch.packed, normalised: true)
            packed.hash(scratch.packed, count: n, into: scratch.hashes)
            table.assign(packed: scratch.packed, hashes: scratch.hashes, count: n, slots: scratch.slots)
            withExtendedLifetime(encoded) {}
        }
    }

    private func assignWithNulls(_ keys: Column, _ scratch: AggregationScratch) {
        // Runs between NULLs, so that slots are made in order of arrival.
        var start = 0
        for row in 0...keys.count where row == keys.count || keys.isNull(row) {
            if row > start { table.assign(int64s: keys.int64s + start, count: row - start, slots: scratch.slots + start) }
            if row < keys.count { scratch.slots[row] = UInt32(slotOfNull()) }
            start = row + 1
        }
    }

    private func slotOfNull() -> Int {
        if nullSlot < 0 {
            nullSlot = table.append()
            table.row(nullSlot).storeBytes(of: 0, as: Int64.self)
        }
        return nullSlot
    }

    /// The hash of each row's key, in `scratch.hashes`: the same as that of the group's row, whatever the table.
    static func hashKeys(_ batch: RowBatch, layout: GroupLayout, _ scratch: AggregationScratch) {
        let n = batch.count
        switch layout.keyForm {
        case .none, .manual:
            scratch.reserve(n)
            scratch.hashes.update(repeating: 0, count: n)
        case .int64:
            scratch.reserve(n)
            let keys = batch.columns[0]
            let values = keys.int64s
            let hashes = scratch.hashes
            for row in 0..<n { hashes[row] = KeyHash.int64(values[row]) }
            if keys.mayHaveNulls { for row in 0..<n where keys.isNull(row) { hashes[row] = KeyHash.int64(0) } }
        case .packed(let packed):
            scratch.reserve(n, packedWidth: packed.width)
            let encoded = packed.pack(Array(batch.columns[0..<packed.types.count]), count: n, into: scratch.packed, normalised: true)
            packed.hash(scratch.packed, count: n, into: scratch.hashes)
            withExtendedLifetime(encoded) {}
        }
    }

    func hash(ofSlot slot: Int) -> UInt64 {
        switch layout.keyForm {
        case .none, .manual: 0
        case .int64: KeyHash.int64(table.row(slot).load(as: Int64.self))
        case .packed(let packed): packed.hash(table.row(slot))
        }
    }

    // MARK: Feeding

    /// Feeds a compact batch.
    func update(_ batch: RowBatch, _ scratch: AggregationScratch) {
        guard batch.count > 0 else { return }
        assign(batch, scratch)
        feed(batch, scratch, from: 0, to: batch.count)
    }

    /// Feeds rows `start ..< end` of a compact batch whose slots stand in `scratch.slots`.
    func feed(_ batch: RowBatch, _ scratch: AggregationScratch, from start: Int, to end: Int) {
        guard end > start else { return }
        let n = end - start
        let batch = batch.slice(start..<end)
        let slots = scratch.slots + start
        if layout.controlOffset >= 0 { touch(slots, count: n) }
        table.marks.mark(slots, count: n)
        scratch.beginSelections()
        var all = FedRows(count: n, rows: nil, slots: UnsafePointer(slots), signs: nil)
        if layout.retracts, let changes = batch.changes {
            let kinds = changes.base.assumingMemoryBound(to: UInt8.self)
            let signs = scratch.signs
            for row in 0..<n { signs[row] = 1 - 2 * Int64(kinds[row] & 1) }
            all.signs = UnsafePointer(signs)
        }
        scratch.selections.append(all)
        let arrival = layout.needsArrival ? batch.columns[layout.arrivalColumn].int64s : nil
        for (index, accumulator) in layout.accumulators.enumerated() {
            let filter: Int
            switch accumulator.feed {
            case .all: filter = -1
            case .filter(let column): filter = column
            case .distinct: continue
            }
            let column = accumulator.argument >= 0 ? batch.columns[accumulator.argument] : nil
            let second = accumulator.second >= 0 ? batch.columns[accumulator.second] : nil
            let mayHaveNulls = column?.mayHaveNulls ?? false
            let secondMayHaveNulls = second?.mayHaveNulls ?? false
            if accumulator.kind == .nulls && !mayHaveNulls && !secondMayHaveNulls { continue }
            let skipsNulls = accumulator.kind != .nulls
            let rows = selection(
                batch, filter: filter, argument: skipsNulls && mayHaveNulls ? accumulator.argument : -1,
                second: skipsNulls && secondMayHaveNulls ? accumulator.second : -1, scratch)
            let states = StateVector(base: table.rows + layout.offsets[index], stride: table.rowStride)
            accumulator.update(states, rows, column: column, second: second, arrival: arrival, arena: &table.arena, heap: &table.heap)
        }
        for index in distincts.indices { feedDistinct(index, batch, scratch) }
    }

    /// Notes the groups as touched. Slots of groups that have expired become those of new groups for their keys.
    private func touch(_ slots: UnsafeMutablePointer<UInt32>, count n: Int) {
        if layout.ttlMicroseconds > 0 { return touchAndExpire(slots, count: n) }
        let base = table.rows + layout.controlOffset
        let stride = table.rowStride
        for i in 0..<n {
            let control = base + Int(slots[i]) &* stride
            let word = control.load(as: UInt64.self)
            if word & GroupLayout.touched == 0 {
                control.storeBytes(of: word | GroupLayout.touched, as: UInt64.self)
                touched.append(slots[i])
            }
        }
    }

    private func touchAndExpire(_ slots: UnsafeMutablePointer<UInt32>, count n: Int) {
        let now = (UInt64(clamping: clockMicroseconds) &+ 1) << GroupLayout.clockShift
        for i in 0..<n {
            var slot = Int(slots[i])
            var word = control(slot)
            if word & GroupLayout.moved != 0 {
                slot = Int(word >> GroupLayout.clockShift)
                word = control(slot)
            } else if hasExpired(word) {
                slot = replaceExpired(slot)
                word = 0
            }
            slots[i] = UInt32(truncatingIfNeeded: slot)
            if word & GroupLayout.touched == 0 { touched.append(slots[i]) }
            setControl(slot, word & GroupLayout.emitted | GroupLayout.touched | now)
        }
    }

    /// By its control word, at this epoch's clock.
    private func hasExpired(_ word: UInt64) -> Bool {
        guard layout.ttlMicroseconds > 0, word & (GroupLayout.touched | GroupLayout.moved) == 0 else { return false }
        let last = word >> GroupLayout.clockShift
        return last > 0 && UInt64(clamping: clockMicroseconds) &+ 1 >= last &+ UInt64(layout.ttlMicroseconds)
    }

    /// Whether a slot stands for nothing any more: its group has expired.
    func isExpired(_ slot: Int) -> Bool {
        guard layout.ttlMicroseconds > 0 else { return false }
        let word = control(slot)
        return word & GroupLayout.moved != 0 || hasExpired(word)
    }

    private func replaceExpired(_ slot: Int) -> Int {
        let made = table.replace(slot, hash: hash(ofSlot: slot), isIndexed: slot != nullSlot)
        if slot == nullSlot { nullSlot = made }
        if slot == keylessSlot { keylessSlot = made }
        release(slot)
        table.marks.mark(slot)
        setControl(slot, GroupLayout.moved | UInt64(made) << GroupLayout.clockShift)
        movedCount += 1
        return made
    }

    /// Gives back what a group that has gone holds beyond its row.
    private func release(_ slot: Int) {
        for index in layout.held { layout.accumulators[index].release(table.row(slot) + layout.offsets[index], &table.heap) }
    }

    /// Notes a group as touched without feeding it.
    func touch(_ slot: Int) { withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 1) { memory in
        guard let base = memory.baseAddress else { return }
        base[0] = UInt32(truncatingIfNeeded: slot)
        touch(base, count: 1)
        table.marks.mark(base, count: 1)
    } }

    /// The rows that pass a filter and whose arguments are not NULL; made once per batch.
    private func selection(_ batch: RowBatch, filter: Int, argument: Int, second: Int = -1, _ scratch: AggregationScratch) -> FedRows {
        let all = scratch.selections[0]
        if filter < 0 && argument < 0 && second < 0 { return all }
        for known in scratch.selections where known.filter == filter && known.argument == argument && known.second == second { return known }
        let memory = scratch.selectionMemory()
        // Pointers outside the loop: a column in it would be counted up and down for every row.
        let truths = filter >= 0 ? batch.columns[filter].bools : nil
        let bits = [filter, argument, second].compactMap { $0 >= 0 ? batch.columns[$0].validity : nil }
        let slots = all.slots
        let signs = all.signs
        let (rowTarget, slotTarget, signTarget) = (memory.rows, memory.slots, memory.signs)
        var n = 0
        if let truths, bits.isEmpty, signs == nil {
            for row in 0..<batch.count {
                rowTarget[n] = Int32(truncatingIfNeeded: row)
                slotTarget[n] = slots[row]
                n &+= truths[row] != 0 ? 1 : 0
            }
        } else {
            let first = bits.first
            let others = bits.dropFirst()
            for row in 0..<batch.count {
                var passes = truths.map { $0[row] != 0 } ?? true
                let bit = UInt64(1) << UInt64(row & 63)
                if let first, first[row >> 6] & bit == 0 { passes = false }
                for other in others where other[row >> 6] & bit == 0 { passes = false }
                rowTarget[n] = Int32(truncatingIfNeeded: row)
                slotTarget[n] = slots[row]
                if let signs { signTarget[n] = signs[row] }
                n &+= passes ? 1 : 0
            }
        }
        withExtendedLifetime(batch) {}
        let made = FedRows(
            filter: filter, argument: argument, second: second, count: n, rows: UnsafePointer(memory.rows), slots: UnsafePointer(memory.slots),
            signs: all.signs == nil ? nil : UnsafePointer(memory.signs))
        scratch.selections.append(made)
        return made
    }

    private func feedDistinct(_ index: Int, _ batch: RowBatch, _ scratch: AggregationScratch) {
        let set = distincts[index]
        let argument = set.specification.argument
        let column = batch.columns[argument]
        var rows = selection(batch, filter: -1, argument: column.mayHaveNulls ? argument : -1, scratch)
        let filters = set.specification.filters
        if !filters.contains(nil) { rows = anyFilter(filters, batch, rows, scratch) }
        guard rows.count > 0 else { return }
        scratch.reserve(rows.count, packedWidth: set.table.keyWidth)
        let entryMemory = scratch.selectionMemory()
        let entries = entryMemory.slots
        set.assign(column, rows, packed: scratch.packed, hashes: scratch.hashes, entries: entries)
        func passes(_ filter: Int?, _ row: Int) -> Bool {
            guard let filter else { return true }
            return batch.columns[filter].bools[row] != 0 && !batch.columns[filter].isNull(row)
        }
        if set.counts {
            for (bit, filter) in filters.enumerated() {
                let memory = scratch.selectionMemory()
                var n = 0
                for i in 0..<rows.count {
                    let row = rows.rows.map { Int($0[i]) } ?? i
                    guard passes(filter, row) else { continue }
                    let step = set.count(entries[i], bit: bit, change: rows.signs?[i] ?? 1)
                    guard step != 0 else { continue }
                    memory.rows[n] = Int32(truncatingIfNeeded: row)
                    memory.slots[n] = rows.slots[i]
                    memory.signs[n] = step
                    n += 1
                }
                let fresh = FedRows(
                    count: n, rows: UnsafePointer(memory.rows), slots: UnsafePointer(memory.slots), signs: UnsafePointer(memory.signs))
                feedFresh(index, bit, column, fresh)
            }
            return
        }
        let bits = scratch.bits
        bits.update(repeating: 0, count: rows.count)
        for (bit, filter) in filters.enumerated() {
            let mask = UInt64(1) << UInt64(bit)
            guard let filter else {
                for i in 0..<rows.count { bits[i] |= mask }
                continue
            }
            let truths = batch.columns[filter]
            let values = truths.bools
            if let numbers = rows.rows {
                for i in 0..<rows.count { bits[i] |= UInt64(values[Int(numbers[i])]) << UInt64(bit) }
            } else {
                for i in 0..<rows.count { bits[i] |= UInt64(values[i]) << UInt64(bit) }
            }
            if truths.mayHaveNulls {
                for i in 0..<rows.count where truths.isNull(rows.rows.map { Int($0[i]) } ?? i) { bits[i] &= ~mask }
            }
        }
        set.note(entries, count: rows.count, bits: bits)
        var anyFresh = UInt64(0)
        for i in 0..<rows.count { anyFresh |= bits[i] }
        guard anyFresh != 0 else { return }
        // All fresh rows once, then those of each bit among them: most rows bring nothing new.
        let freshMemory = scratch.selectionMemory()
        var freshCount = 0
        for i in 0..<rows.count {
            freshMemory.rows[freshCount] = Int32(truncatingIfNeeded: i)
            freshCount += bits[i] != 0 ? 1 : 0
        }
        let memory = scratch.selectionMemory()
        for bit in filters.indices where anyFresh & (1 << UInt64(bit)) != 0 {
            var n = 0
            for k in 0..<freshCount {
                let i = Int(freshMemory.rows[k])
                memory.rows[n] = rows.rows.map { $0[i] } ?? Int32(truncatingIfNeeded: i)
                memory.slots[n] = rows.slots[i]
                n += Int(truncatingIfNeeded: (bits[i] >> UInt64(bit)) & 1)
            }
            feedFresh(index, bit, column, FedRows(count: n, rows: UnsafePointer(memory.rows), slots: UnsafePointer(memory.slots), signs: nil))
        }
    }

    /// Rows that pass at least one of the filters.
    private func anyFilter(_ filters: [Int?], _ batch: RowBatch, _ rows: FedRows, _ scratch: AggregationScratch) -> FedRows {
        let memory = scratch.selectionMemory()
        let passes = Buffer.zeroed(byteCount: rows.count)
        let passing = passes.base.assumingMemoryBound(to: UInt8.self)
        let numbers = rows.rows
        for case .some(let filter) in filters {
            let column = batch.columns[filter]
            let truths = column.bools
            if column.mayHaveNulls {
                for i in 0..<rows.count {
                    let row = numbers.map { Int($0[i]) } ?? i
                    if truths[row] != 0 && !column.isNull(row) { passing[i] = 1 }
                }
            } else if let numbers {
                for i in 0..<rows.count { passing[i] |= truths[Int(numbers[i])] }
            } else {
                for i in 0..<rows.count { passing[i] |= truths[i] }
            }
        }
        var n = 0
        for i in 0..<rows.count {
            memory.rows[n] = numbers.map { $0[i] } ?? Int32(truncatingIfNeeded: i)
            memory.slots[n] = rows.slots[i]
            if let signs = rows.signs { memory.signs[n] = signs[i] }
            n &+= passing[i] != 0 ? 1 : 0
        }
        withExtendedLifetime((batch, passes)) {}
        return FedRows(
            count: n, rows: UnsafePointer(memory.rows), slots: UnsafePointer(memory.slots),
            signs: rows.signs == nil ? nil : UnsafePointer(memory.signs))
    }

    private func feedFresh(_ set: Int, _ bit: Int, _ column: Column, _ fresh: FedRows) {
        guard fresh.count > 0 else { return }
        var parts: [Int: Column]?
        for (index, accumulator) in layout.accumulators.enumerated() where accumulator.feed == .distinct(set: set, bit: bit) {
            let states = StateVector(base: table.rows + layout.offsets[index], stride: table.rowStride)
            guard accumulator.second >= 0 else {
                accumulator.update(states, fresh, column: column, arrival: nil, arena: &table.arena, heap: &table.heap)
                continue
            }
            let pair = parts ?? pairColumns(set, column, fresh)
            parts = pair
            guard let value = pair[accumulator.argument], let second = pair[accumulator.second] else { continue }
            let rows = FedRows(count: fresh.count, rows: nil, slots: fresh.slots, signs: fresh.signs)
            accumulator.update(states, rows, column: value, second: second, arrival: nil, arena: &table.arena, heap: &table.heap)
        }
    }

    /// A distinct set of pairs holds them encoded: the values of fresh rows again, by the column they came from.
    private func pairColumns(_ set: Int, _ column: Column, _ fresh: FedRows) -> [Int: Column] {
        let place = layout.distincts[set].argument - (layout.compactTypes.count - layout.derived.count)
        guard layout.derived.indices.contains(place), case .encoded(let fields, _) = layout.derived[place].form else { return [:] }
        let builders = fields.map { ColumnBuilder(layout.compactTypes[$0.column], capacity: fresh.count) }
        for i in 0..<fresh.count {
            let bytes = column.strings[fresh.rows.map { Int($0[i]) } ?? i].bytes
            var position = 0
            for (field, builder) in zip(fields, builders) {
                OrderedEncoding.append(layout.compactTypes[field.column], bytes, &position, to: builder)
            }
        }
        return withExtendedLifetime(column) {
            Dictionary(zip(fields, builders).map { ($0.column, $1.finish()) }, uniquingKeysWith: { first, _ in first })
        }
    }

    // MARK: Merging

    /// Joins the groups of another table of the same layout: all of them, or those in `chosen`. Subtracting takes them away again
    /// (invertible layouts only). Control words and emitted results are not touched.
    func merge(_ other: GroupTable, chosen: [UInt32]? = nil, subtracting: Bool = false, _ scratch: AggregationScratch) {
        let total = chosen?.count ?? other.count
        guard total > 0 else { return }
        table.reserve(total)
        // Destination of each slot of the other table; distinct sets need it as a whole.
        var destination: [Int32] = distincts.isEmpty ? [] : [Int32](repeating: -1, count: other.count)
        var start = 0
        while start < total {
            let n = min(1024, total - start)
            scratch.reserve(n, packedWidth: layout.keyWidth)
            let pointers = scratch.pointers
            if let chosen {
                for i in 0..<n { pointers[i] = UnsafeRawPointer(other.table.row(Int(chosen[start + i]))) }
            } else {
                for i in 0..<n { pointers[i] = UnsafeRawPointer(other.table.row(start + i)) }
            }
            assignRows(pointers, count: n, other, scratch)
            if layout.controlOffset >= 0 { touch(scratch.slots, count: n) }
            table.marks.mark(scratch.slots, count: n)
            for (index, accumulator) in layout.accumulators.enumerated() {
                if case .distinct = accumulator.feed { continue }
                let states = StateVector(base: table.rows + layout.offsets[index], stride: table.rowStride)
                accumulator.merge(
                    pointers, offset: layout.offsets[index], count: n, into: states, slots: scratch.slots, subtracting: subtracting,
                    arena: &table.arena, heap: &table.heap)
            }
            if !destination.isEmpty {
                for i in 0..<n { destination[Int(chosen?[start + i] ?? UInt32(start + i))] = Int32(truncatingIfNeeded: scratch.slots[i]) }
            }
            start += n
        }
        for index in distincts.indices { mergeDistinct(index, other.distincts[index], destination, scratch) }
    }

    private func assignRows(_ pointers: UnsafePointer<UnsafeRawPointer>, count n: Int, _ other: GroupTable, _ scratch: AggregationScratch) {
        switch layout.keyForm {
        case .none, .manual:
            if table.count == 0 { _ = table.append() }
            scratch.slots.update(repeating: UInt32(truncatingIfNeeded: keylessSlot), count: n)
        case .int64:
            let keys = UnsafeMutableRawPointer(scratch.hashes).assumingMemoryBound(to: Int64.self)
            for i in 0..<n { keys[i] = pointers[i].load(as: Int64.self) }
            guard other.nullSlot >= 0 else { return table.assign(int64s: keys, count: n, slots: scratch.slots) }
            let null = UnsafeRawPointer(other.table.row(other.nullSlot))
            var start = 0
            for i in 0...n where i == n || pointers[i] == null {
                if i > start { table.assign(int64s: keys + start, count: i - start, slots: scratch.slots + start) }
                if i < n { scratch.slots[i] = UInt32(slotOfNull()) }
                start = i + 1
            }
        case .packed(let packed):
            for i in 0..<n { memcpy(scratch.packed + i * packed.width, pointers[i], packed.width) }
            packed.hash(scratch.packed, count: n, into: scratch.hashes)
            table.assign(packed: scratch.packed, hashes: scratch.hashes, count: n, slots: scratch.slots)
        }
    }

    private func mergeDistinct(_ index: Int, _ source: DistinctSet, _ destination: [Int32], _ scratch: AggregationScratch) {
        let set = distincts[index]
        let filters = set.specification.filters
        var start = 0
        while start < source.table.count {
            let end = min(start + 1024, source.table.count)
            scratch.reserve(1024, packedWidth: set.table.keyWidth)
            scratch.beginSelections()
            let memory = scratch.selectionMemory()
            let pointers = scratch.pointers
            let numbers = scratch.selectionMemory().rows
            var n = 0
            for entry in start..<end {
                let slot = destination[source.slot(entry)]
                memory.slots[n] = UInt32(bitPattern: slot)
                numbers[n] = Int32(truncatingIfNeeded: entry)
                pointers[n] = UnsafeRawPointer(source.table.row(entry))
                n += slot >= 0 ? 1 : 0
            }
            start = end
            guard n > 0 else { continue }
            let column = PackedLayout.gather(set.type, from: pointers, count: n, offset: source.valueOffset, validity: nil)
            let all = FedRows(count: n, rows: nil, slots: UnsafePointer(memory.slots), signs: nil)
            let entries = scratch.selectionMemory().slots
            set.assign(column, all, packed: scratch.packed, hashes: scratch.hashes, entries: entries)
            let fresh = scratch.selectionMemory()
            if set.counts {
                for bit in filters.indices {
                    var m = 0
                    for i in 0..<n {
                        let step = set.count(entries[i], bit: bit, change: source.held(Int(numbers[i]), bit: bit))
                        fresh.rows[m] = Int32(truncatingIfNeeded: i)
                        fresh.slots[m] = memory.slots[i]
                        fresh.signs[m] = step
                        m += step != 0 ? 1 : 0
                    }
                    feedFresh(
                        index, bit, column,
                        FedRows(count: m, rows: UnsafePointer(fresh.rows), slots: UnsafePointer(fresh.slots), signs: UnsafePointer(fresh.signs)))
                }
            } else {
                let bits = scratch.bits
                for i in 0..<n { bits[i] = source.bits(Int(numbers[i])) }
                set.note(entries, count: n, bits: bits)
                for bit in filters.indices {
                    var m = 0
                    for i in 0..<n {
                        fresh.rows[m] = Int32(truncatingIfNeeded: i)
                        fresh.slots[m] = memory.slots[i]
                        m += Int(truncatingIfNeeded: (bits[i] >> UInt64(bit)) & 1)
                    }
                    feedFresh(index, bit, column, FedRows(count: m, rows: UnsafePointer(fresh.rows), slots: UnsafePointer(fresh.slots), signs: nil))
                }
            }
        }
    }

    /// Joins the state of slot `source` to that of slot `target` of this same table: two sessions become one.
    func mergeSlot(_ source: Int, into target: Int, _ scratch: AggregationScratch) {
        scratch.reserve(1)
        let slots: [UInt32] = [UInt32(target)]
        let pointers: [UnsafeRawPointer] = [UnsafeRawPointer(table.row(source))]
        table.marks.mark(source)
        table.marks.mark(target)
        for (index, accumulator) in layout.accumulators.enumerated() {
            if case .distinct = accumulator.feed { continue }
            let states = StateVector(base: table.rows + layout.offsets[index], stride: table.rowStride)
            accumulator.merge(
                pointers, offset: layout.offsets[index], count: 1, into: states, slots: slots, subtracting: false, arena: &table.arena,
                heap: &table.heap)
        }
        release(source)
        for index in distincts.indices {
            let set = distincts[index]
            var destination = [Int32](repeating: -1, count: table.count)
            destination[source] = Int32(target)
            // A copy of the entries of `source` alone, so that the set is not walked while it grows.
            let moved = DistinctSet(set.specification, type: set.type, counts: set.counts)
            for entry in 0..<set.table.count where set.slot(entry) == source { moved.adopt(set, entry: entry, slot: source) }
            mergeDistinct(index, moved, destination, scratch)
        }
    }

    // MARK: Groups that have gone

    func rowCount(_ slot: Int) -> Int64 { table.row(slot).load(fromByteOffset: layout.rowCountOffset, as: Int64.self) }

    /// Whether the group has rows; always, when rows are not counted.
    func isLive(_ slot: Int) -> Bool { layout.rowCountOffset < 0 || rowCount(slot) != 0 }

    func control(_ slot: Int) -> UInt64 { table.row(slot).load(fromByteOffset: layout.controlOffset, as: UInt64.self) }

    func setControl(_ slot: Int, _ word: UInt64) { table.row(slot).storeBytes(of: word, toByteOffset: layout.controlOffset, as: UInt64.self) }

    /// Whether the table holds much that has gone: it should be rebuilt.
    var wantsCompaction: Bool { table.arena.wantsCompaction || distincts.contains { $0.wantsCompaction } }

    func forgetTouched() {
        for slot in touched { setControl(Int(slot), control(Int(slot)) & ~GroupLayout.touched) }
        touched.removeAll(keepingCapacity: true)
    }

    /// This table without the slots for which `keeps` is false, in the same order; `slotMap` gets each old slot's new one or -1. What groups
    /// hold beyond their rows is handed over, so this table must not be used afterwards.
    func compacted(slotMap: inout [Int32], keeps: (Int) -> Bool) -> GroupTable {
        let made = GroupTable(layout)
        slotMap = [Int32](repeating: -1, count: count)
        made.clockMicroseconds = clockMicroseconds
        let isKept = (0..<count).map(keeps)
        for slot in 0..<count where !isKept[slot] { release(slot) }
        swap(&made.table.heap, &table.heap)
        for slot in 0..<count where isKept[slot] {
            let isNull = slot == nullSlot
            let copy = made.table.adopt(table.row(slot), hash: hash(ofSlot: slot), strings: layout.stringOffsets, indexed: !isNull)
            if isNull { made.nullSlot = copy }
            if slot == keylessSlot { made.keylessSlot = copy }
            slotMap[slot] = Int32(truncatingIfNeeded: copy)
        }
        for index in distincts.indices {
            let set = distincts[index]
            for entry in 0..<set.table.count where set.isLive(entry) {
                let slot = slotMap[set.slot(entry)]
                if slot >= 0 { made.distincts[index].adopt(set, entry: entry, slot: Int(slot)) }
            }
        }
        return made
    }

    // MARK: Results

    /// The key columns of the given rows.
    func keyColumns(_ rows: UnsafePointer<UnsafeRawPointer>, count n: Int) -> [Column] {
        switch layout.keyForm {
        case .none, .manual: return []
        case .int64:
            var validity: Buffer?
            if nullSlot >= 0 {
                let null = UnsafeRawPointer(table.row(nullSlot))
                for i in 0..<n where rows[i] == null {
                    let bitmap = validity ?? Bitmap.allValid(n)
                    validity = bitmap
                    bitmap.base.assumingMemoryBound(to: UInt64.self)[i >> 6] &= ~(1 << UInt64(i & 63))
                }
            }
            return [PackedLayout.gather(layout.keyTypes[0], from: rows, count: n, offset: 0, validity: validity)]
        case .packed(let packed): return packed.types.indices.map { packed.unpack($0, from: rows, count: n, base: 0) }
        }
    }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(Int64(nullSlot))
        writer.write(Int64(keylessSlot))
        writer.write(GroupRows(self), table.marks)
        for set in distincts { set.write(to: &writer) }
    }

    /// Fills this empty table.
    func read(from reader: inout StateReader) throws(StateError) {
        nullSlot = Int(try reader.read(Int64.self))
        keylessSlot = Int(try reader.read(Int64.self))
        try reader.read(GroupRows(self), table.marks)
        guard nullSlot >= -1 && nullSlot < table.count, keylessSlot >= 0 && keylessSlot < max(table.count, 1) else {
            throw reader.failure("a slot that does not exist")
        }
        if layout.ttlMicroseconds > 0 {
            for slot in 0..<count where control(slot) & GroupLayout.moved != 0 {
                guard control(slot) >> GroupLayout.clockShift < UInt64(count) else { throw reader.failure("a slot that does not exist") }
                movedCount += 1
            }
        }
        let hasTTL = layout.ttlMicroseconds > 0
        switch layout.keyForm {
        case .none: guard hasTTL || table.count <= 1 else { throw reader.failure("several groups without a key") }
        case .manual: break
        default:
            let isDistinct = table.reindex { $0 == nullSlot || (hasTTL && control($0) & GroupLayout.moved != 0) }
            guard isDistinct else { throw reader.failure("a group twice") }
        }
        for set in distincts { try set.read(from: &reader, groupCount: table.count) }
    }
}

/// The groups with what they hold beyond their rows.
private struct GroupRows: NumberedRows {
    private let table: KeyTable
    private let strings: [Int]
    private let held: [(accumulator: Accumulator, offset: Int)]

    init(_ groups: GroupTable) {
        table = groups.table
        strings = groups.layout.stringOffsets
        held = groups.layout.held.map { (groups.layout.accumulators[$0], groups.layout.offsets[$0]) }
    }

    var rowCount: Int { table.count }
    var rowByteCountMin: Int { table.rowStride }
    var plain: (base: UnsafeMutableRawPointer, stride: Int)? { strings.isEmpty && held.isEmpty ? (table.rows, table.rowStride) : nil }
    func make(rows count: Int) { table.make(rows: count) }

    var isMeasured: Bool { held.isEmpty }
    func byteCount(row slot: Int) -> Int { RowBytes.byteCount(table.row(slot), width: table.rowStride, strings: strings) }
    func store(row slot: Int, at target: UnsafeMutableRawPointer) {
        RowBytes.store(table.row(slot), width: table.rowStride, strings: strings, at: target)
    }

    func write(row slot: Int, to writer: inout StateWriter) {
        let row = table.row(slot)
        writer.append(byteCount(row: slot)) { copy in
            store(row: slot, at: copy)
            for (accumulator, offset) in held { accumulator.writeState(row + offset, into: copy + offset) }
        }
        for (accumulator, offset) in held { accumulator.writeEntries(row + offset, to: &writer) }
    }

    func read(row slot: Int, from reader: inout StateReader) throws(StateError) {
        try RowBytes.read(into: table.row(slot), width: table.rowStride, strings: strings, arena: &table.arena, from: &reader)
        for (accumulator, offset) in held { try accumulator.readEntries(table.row(slot) + offset, from: &reader, &table.heap) }
    }
}
