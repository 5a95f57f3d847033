// Accumulator+Held: the kinds that hold values or registers in the table's heap: feeding, merging, releasing, snapshots.

import Columns
import Glibc

extension Accumulator {
    // MARK: Feeding

    func updateBag(_ states: StateVector, _ rows: FedRows, _ column: Column, _ heap: inout StateHeap) {
        switch kind {
        case .bagWord:
            switch column.layout {
            case .double:
                let values = column.doubles
                states.eachSigned(rows) { state, row, sign in
                    Bag<Int64>(state).add(DoubleOrder.ordered(values[row] == 0 ? 0 : values[row]), sign, &heap)
                }
            case .bool:
                let values = column.bools
                states.eachSigned(rows) { state, row, sign in Bag<Int64>(state).add(Int64(values[row]), sign, &heap) }
            case .int64:
                let values = column.int64s
                states.eachSigned(rows) { state, row, sign in Bag<Int64>(state).add(values[row], sign, &heap) }
            default: break
            }
        case .bagWide:
            let values = column.values
            states.eachSigned(rows) { state, row, sign in
                Bag<Int128>(state).add(values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self), sign, &heap)
            }
        case .bagArrival:
            let values = column.strings
            states.eachSigned(rows) { state, row, sign in Accumulator.addArriving(values[row], sign, Bag<StringView>(state), &heap) }
        case .bagFrequent:
            let values = column.strings
            states.eachSigned(rows) { state, row, sign in
                let bag = Bag<StringView>(state)
                bag.add(values[row], sign, &heap)
                if bag.entryCount > Accumulator.frequentEntriesMax { Accumulator.forgetRare(bag, &heap) }
            }
        default:
            let values = column.strings
            states.eachSigned(rows) { state, row, sign in Bag<StringView>(state).add(values[row], sign, &heap) }
        }
    }

    /// What precedes the arrival number.
    private static let arrivalByteCount = 9

    /// A row that goes takes the earliest of its equals with it. One that was never there leaves a debt, with arrival number 0, which the
    /// next such row settles.
    private static func addArriving(_ value: StringView, _ sign: Int64, _ bag: Bag<StringView>, _ heap: inout StateHeap) {
        let prefix = StringView(value.pointer, count: max(value.count - arrivalByteCount, 0))
        if let held = bag.entry(from: prefix), held.key.count == value.count, memcmp(held.key.pointer, prefix.pointer, prefix.count) == 0,
            sign < 0 ? held.count > 0 : held.count < 0
        {
            return bag.add(held.key, sign < 0 ? -1 : 1, &heap)
        }
        guard sign < 0 else { return bag.add(value, 1, &heap) }
        // The smallest arrival number there is: before all others.
        withUnsafeTemporaryAllocation(byteCount: max(value.count, 1), alignment: 1) { memory in
            guard let base = memory.baseAddress else { return }
            memcpy(base, value.pointer, value.count)
            memset(base + prefix.count, 0, value.count - prefix.count)
            bag.add(StringView(UnsafePointer(base.assumingMemoryBound(to: UInt8.self)), count: value.count), -1, &heap)
        }
    }

    /// Takes the median count from every entry; see `frequentEntriesMax`.
    private static func forgetRare(_ bag: Bag<StringView>, _ heap: inout StateHeap) {
        var counts: [Int64] = []
        counts.reserveCapacity(bag.entryCount)
        bag.forEach { _, count in
            counts.append(count)
            return true
        }
        counts.sort()
        let median = counts[counts.count / 2]
        let kept = Buffer(byteCount: Bag<StringView>.stateByteCount)
        memset(kept.base, 0, kept.byteCount)
        let smaller = Bag<StringView>(kept.base)
        bag.forEach { key, count in
            if count > median { smaller.add(key, count - median, &heap) }
            return true
        }
        bag.removeAll(&heap)
        memcpy(bag.state, kept.base, kept.byteCount)
    }

    func updateRegisters(_ states: StateVector, _ rows: FedRows, _ column: Column, _ heap: inout StateHeap) {
        switch column.layout {
        case .bool:
            let values = column.bools
            states.each(rows) { state, row in HyperLogLog(state).add(hash: UInt64(values[row]), &heap) }
        case .int64:
            let values = column.int64s
            states.each(rows) { state, row in HyperLogLog(state).add(hash: UInt64(bitPattern: values[row]), &heap) }
        case .double:
            let values = column.doubles
            states.each(rows) { state, row in HyperLogLog(state).add(hash: DoubleOrder.normalised(values[row]), &heap) }
        case .int128:
            let values = column.values
            states.each(rows) { state, row in HyperLogLog(state).add(hash: KeyHash.words(values + row &* 16, byteCount: 16), &heap) }
        case .string:
            let values = column.strings
            states.each(rows) { state, row in HyperLogLog(state).add(hash: KeyHash.bytes(values[row]), &heap) }
        case .list, .structure: break
        }
    }

    // MARK: Merging

    func mergeHeld(_ source: UnsafeRawPointer, into state: UnsafeMutableRawPointer, subtracting: Bool, _ heap: inout StateHeap) {
        let source = UnsafeMutableRawPointer(mutating: source)
        switch kind {
        case .bagWord: Bag<Int64>(state).merge(Bag<Int64>(source), subtracting: subtracting, &heap)
        case .bagWide: Bag<Int128>(state).merge(Bag<Int128>(source), subtracting: subtracting, &heap)
        case .bagText, .bagArrival: Bag<StringView>(state).merge(Bag<StringView>(source), subtracting: subtracting, &heap)
        case .bagFrequent:
            let bag = Bag<StringView>(state)
            bag.merge(Bag<StringView>(source), subtracting: false, &heap)
            if bag.entryCount > Accumulator.frequentEntriesMax { Accumulator.forgetRare(bag, &heap) }
        case .registers: HyperLogLog(state).merge(HyperLogLog(source), &heap)
        default: break
        }
    }

    // MARK: Memory and snapshots

    /// Gives back what the state holds; it is then the initial one.
    func release(_ state: UnsafeMutableRawPointer, _ heap: inout StateHeap) {
        switch kind {
        case .bagWord: Bag<Int64>(state).removeAll(&heap)
        case .bagWide: Bag<Int128>(state).removeAll(&heap)
        case .bagText, .bagArrival, .bagFrequent: Bag<StringView>(state).removeAll(&heap)
        case .registers: HyperLogLog(state).release(&heap)
        default: break
        }
    }

    /// Takes addresses out of a copy of a row.
    func writeState(_ state: UnsafeMutableRawPointer, into copy: UnsafeMutableRawPointer) {
        switch kind {
        case .bagWord: Bag<Int64>(state).writeState(copy, holdsKeys: true)
        case .bagWide: Bag<Int128>(state).writeState(copy, holdsKeys: true)
        case .bagText, .bagArrival, .bagFrequent: Bag<StringView>(state).writeState(copy, holdsKeys: false)
        case .registers: memset(copy, 0, HyperLogLog.stateByteCount)
        default: break
        }
    }

    func writeEntries(_ state: UnsafeMutableRawPointer, to writer: inout StateWriter) {
        switch kind {
        case .bagWord: Bag<Int64>(state).writeEntries(to: &writer, holdsKeys: true) { $1.write($0) }
        case .bagWide: Bag<Int128>(state).writeEntries(to: &writer, holdsKeys: true) { $1.write($0) }
        case .bagText, .bagArrival, .bagFrequent:
            Bag<StringView>(state).writeEntries(to: &writer, holdsKeys: false) { $1.write(bytes: UnsafeRawBufferPointer($0.bytes)) }
        case .registers: HyperLogLog(state).writeEntries(to: &writer)
        default: break
        }
    }

    /// After the row has been read.
    func readEntries(_ state: UnsafeMutableRawPointer, from reader: inout StateReader, _ heap: inout StateHeap) throws(StateError) {
        switch kind {
        case .bagWord:
            try Bag<Int64>(state).readEntries(from: &reader, &heap, holdsKeys: true) { (reader) throws(StateError) in try reader.read() }
        case .bagWide:
            try Bag<Int128>(state).readEntries(from: &reader, &heap, holdsKeys: true) { (reader) throws(StateError) in try reader.read() }
        case .bagText, .bagArrival, .bagFrequent:
            let bag = Bag<StringView>(state)
            memset(state, 0, Bag<StringView>.stateByteCount)
            for _ in 0..<(try reader.readCount(bytesEach: 16)) {
                let bytes = try reader.readBytes()
                let count: Int64 = try reader.read()
                bytes.withUnsafeBufferPointer { bytes in
                    bag.add(bytes.baseAddress.map { StringView($0, count: bytes.count) } ?? .empty, count, &heap)
                }
            }
        case .registers: try HyperLogLog(state).readEntries(from: &reader, &heap)
        default: break
        }
    }
}
