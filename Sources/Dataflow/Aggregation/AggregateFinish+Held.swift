// AggregateFinish+Held: results of aggregates that hold values: from bags, extreme rows and registers.

import Columns
import Glibc
import Planning

extension GroupLayout {
    func finishHeld(_ call: Call, _ rows: UnsafePointer<UnsafeRawPointer>, _ n: Int, _ failures: inout [FinishFailure]) -> Column {
        let builder = ColumnBuilder(call.resultType, capacity: n)
        func state(_ row: Int) -> UnsafeMutableRawPointer { UnsafeMutableRawPointer(mutating: rows[row] + call.main) }
        let type = call.argumentType
        switch call.form {
        case .sums: break
        case .registers: for row in 0..<n { builder.append(int64: HyperLogLog(state(row)).estimate) }
        case .words where call.function == .percentileCont:
            for row in 0..<n { GroupLayout.appendInterpolated(call, Bag<Int64>(state(row)), to: builder) }
        case .words where call.function == .bitAnd || call.function == .bitOr:
            for row in 0..<n { GroupLayout.appendBits(call, Bag<Int64>(state(row)), to: builder) }
        case .words:
            for row in 0..<n {
                GroupLayout.append(call, Bag<Int64>(state(row)), to: builder) { word, builder in
                    switch type.layout {
                    case .bool: builder.append(bool: word != 0)
                    case .double: builder.append(double: DoubleOrder.value(word))
                    default: builder.append(int64: word)
                    }
                }
            }
        case .buckets:
            for row in 0..<n {
                GroupLayout.append(call, Bag<Int64>(state(row)), to: builder) { $1.append(double: LogLinear.value($0)) }
            }
        case .wides: for row in 0..<n { GroupLayout.append(call, Bag<Int128>(state(row)), to: builder) { $1.append(int128: $0) } }
        case .texts: for row in 0..<n { GroupLayout.append(call, Bag<StringView>(state(row)), to: builder) { $1.append(bytes: $0.bytes) } }
        case .encoded:
            for row in 0..<n {
                GroupLayout.append(call, Bag<StringView>(state(row)), to: builder) { view, builder in
                    var place = 0
                    OrderedEncoding.append(type, view.bytes, &place, to: builder)
                }
            }
        case .extremeRow:
            for row in 0..<n {
                guard state(row).load(as: UInt64.self) != 0 else {
                    builder.appendNull()
                    continue
                }
                let bytes = state(row).loadUnaligned(fromByteOffset: 8, as: StringView.self).bytes
                var place = 0
                for order in call.order { OrderedEncoding.skip(order.type, bytes, &place, isDescending: order.isDescending) }
                OrderedEncoding.skip(.bigint, bytes, &place, isDescending: false)
                OrderedEncoding.append(type, bytes, &place, to: builder)
            }
        case .rows(let arrival):
            for row in 0..<n {
                let held = GroupLayout.heldRows(call, Bag<StringView>(state(row)), arrival)
                if !GroupLayout.append(call, held, to: builder) {
                    failures.append(FinishFailure(row: row, text: call.text, message: "the result is too long"))
                }
            }
        }
        return builder.finish()
    }

    // MARK: Bags of single values

    /// The count of an entry as the aggregate sees it.
    @inline(__always)
    private static func weight(_ count: Int64, _ call: Call) -> Int64 { call.isDistinct ? min(max(count, 0), 1) : max(count, 0) }

    private static func append<Key: BagKey>(
        _ call: Call, _ bag: Bag<Key>, to builder: ColumnBuilder, _ append: (Key, ColumnBuilder) -> Void
    ) {
        func appendOptional(_ key: Key?) { if let key { append(key, builder) } else { builder.appendNull() } }
        switch call.function {
        case .min: appendOptional(bag.first)
        case .max: appendOptional(bag.last)
        case .mode:
            var best: (key: Key, count: Int64)?
            bag.forEach { key, count in
                let weight = weight(count, call)
                if weight > (best?.count ?? 0) { best = (key, weight) }
                return true
            }
            appendOptional(best?.key)
        case .percentileDisc, .approxPercentile:
            let total = total(call, bag)
            guard total > 0 else { return builder.appendNull() }
            let wanted = (fraction(call) * Double(total)).rounded(.up)
            let place = min(max(Int64(min(wanted, 9e18)), 1), total) - 1
            appendOptional(value(call, bag, rank: isDescending(call) ? total - 1 - place : place))
        case .histogram, .approxTopK:
            var entries: [(key: Key, count: Int64)] = []
            bag.forEach { key, count in
                let weight = weight(count, call)
                if weight > 0 { entries.append((key, weight)) }
                return true
            }
            if call.function == .approxTopK {
                // Equal counts in the order of the values.
                let order = entries.indices.sorted { (-entries[$0].count, $0) < (-entries[$1].count, $1) }
                var most = 10
                if case .integer(let wanted)? = call.parameters.first { most = Int(clamping: wanted) }
                entries = order.prefix(most).map { entries[$0] }
            }
            guard !entries.isEmpty, let elements = builder.listElements, elements.fields.count == 2 else { return builder.appendNull() }
            for entry in entries {
                append(entry.key, elements.fields[0])
                elements.fields[1].append(int64: entry.count)
                elements.appendStructure()
            }
            builder.appendList(elementCount: entries.count)
        case .approxCountDistinct:
            var count: Int64 = 0
            bag.forEach { _, held in
                count += held > 0 ? 1 : 0
                return true
            }
            builder.append(int64: count)
        default: builder.appendNull()
        }
    }

    private static func fraction(_ call: Call) -> Double {
        if case .double(let fraction)? = call.parameters.first { fraction } else { 0.5 }
    }

    private static func isDescending(_ call: Call) -> Bool { call.parameters.count > 1 && call.parameters[1] == .boolean(true) }

    private static func total<Key: BagKey>(_ call: Call, _ bag: Bag<Key>) -> Int64 {
        guard call.isDistinct else { return bag.total }
        var total: Int64 = 0
        bag.forEach { _, count in
            total += count > 0 ? 1 : 0
            return true
        }
        return total
    }

    private static func value<Key: BagKey>(_ call: Call, _ bag: Bag<Key>, rank: Int64) -> Key? {
        guard call.isDistinct else { return bag.value(rank: rank) }
        var left = rank
        var found: Key?
        bag.forEach { key, count in
            left -= count > 0 ? 1 : 0
            if left < 0 { found = key }
            return left >= 0
        }
        return found
    }

    /// Between the two values around the place, as PostgreSQL does.
    private static func appendInterpolated(_ call: Call, _ bag: Bag<Int64>, to builder: ColumnBuilder) {
        let total = total(call, bag)
        guard total > 0 else { return builder.appendNull() }
        let fraction = isDescending(call) ? 1 - fraction(call) : fraction(call)
        let place = fraction * Double(total - 1)
        let below = min(max(Int64(place.rounded(.down)), 0), total - 1)
        let above = min(max(Int64(place.rounded(.up)), 0), total - 1)
        guard let low = value(call, bag, rank: below), let high = below == above ? low : value(call, bag, rank: above) else {
            return builder.appendNull()
        }
        let start = DoubleOrder.value(low)
        let end = DoubleOrder.value(high)
        builder.append(double: start == end ? start : start + (place - place.rounded(.down)) * (end - start))
    }

    private static func appendBits(_ call: Call, _ bag: Bag<Int64>, to builder: ColumnBuilder) {
        var bits: Int64?
        bag.forEach { word, count in
            if count > 0 { bits = bits.map { call.function == .bitAnd ? $0 & word : $0 | word } ?? word }
            return true
        }
        if let bits { builder.append(int64: bits) } else { builder.appendNull() }
    }

    // MARK: Bags of rows

    /// A row of a bag: its order is what stands before the value and, behind that, the arrival number.
    private struct HeldRow {
        var bytes: UnsafeBufferPointer<UInt8>
        var orderEnd: Int
        var valueStart: Int
        var arrivalStart: Int
        var count: Int64

        static func isBefore(_ a: HeldRow, _ b: HeldRow) -> Bool {
            let order = compare(a.bytes[0..<a.orderEnd], b.bytes[0..<b.orderEnd])
            return order != 0 ? order < 0 : compare(a.bytes[a.arrivalStart...], b.bytes[b.arrivalStart...]) < 0
        }

        private static func compare(_ a: Slice<UnsafeBufferPointer<UInt8>>, _ b: Slice<UnsafeBufferPointer<UInt8>>) -> Int32 {
            let left = UnsafeBufferPointer(rebasing: a)
            let right = UnsafeBufferPointer(rebasing: b)
            guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else { return Int32(left.count - right.count) }
            let order = memcmp(leftBase, rightBase, min(left.count, right.count))
            return order != 0 ? order : Int32(left.count - right.count)
        }
    }

    /// The rows in the aggregate's order.
    private static func heldRows(_ call: Call, _ bag: Bag<StringView>, _ arrival: Call.ArrivalPlace) -> [HeldRow] {
        var held: [HeldRow] = []
        held.reserveCapacity(bag.entryCount)
        bag.forEach { view, count in
            guard count > 0 else { return true }
            let bytes = view.bytes
            var place = 0
            for order in call.order { OrderedEncoding.skip(order.type, bytes, &place, isDescending: order.isDescending) }
            let orderEnd = place
            var arrivalStart = place
            if arrival == .beforeValue { OrderedEncoding.skip(.bigint, bytes, &place, isDescending: false) }
            let valueStart = place
            if arrival == .behindValue { arrivalStart = max(bytes.count - 9, place) }
            held.append(HeldRow(bytes: bytes, orderEnd: orderEnd, valueStart: valueStart, arrivalStart: arrivalStart, count: call.isDistinct ? 1 : count))
            return true
        }
        guard arrival == .behindValue else { return held }
        if call.function.isCollecting {
            held.sort(by: HeldRow.isBefore)
            return held
        }
        let chosen = call.function == .lastValue ? held.max(by: HeldRow.isBefore) : held.min(by: HeldRow.isBefore)
        return chosen.map { [$0] } ?? []
    }

    /// The largest array, and the longest text, that an aggregate makes.
    private static let elementsMax: Int64 = 1 << 24
    private static let textByteCountMax = 1 << 28

    /// False when the result is too large; it is then NULL.
    private static func append(_ call: Call, _ held: [HeldRow], to builder: ColumnBuilder) -> Bool {
        guard let first = held.first else {
            builder.appendNull()
            return true
        }
        func append(_ row: HeldRow, to target: ColumnBuilder) {
            var place = row.valueStart
            OrderedEncoding.append(call.argumentType, row.bytes, &place, to: target)
        }
        // Counts of a damaged snapshot may be anything.
        guard held.reduce(0, { $0 &+ min($1.count, Int64(UInt32.max)) }) <= elementsMax else {
            builder.appendNull()
            return false
        }
        switch call.function {
        case .arrayAgg:
            guard let elements = builder.listElements else { break }
            var count = 0
            for row in held {
                for _ in 0..<row.count { append(row, to: elements) }
                count += Int(row.count)
            }
            builder.appendList(elementCount: count)
        case .stringAgg:
            let values = ColumnBuilder(call.argumentType, capacity: held.count)
            for row in held { append(row, to: values) }
            let texts = values.finish()
            var separator: [UInt8] = []
            if case .string(let text)? = call.parameters.first { separator = Array(text.utf8) }
            var total = 0
            for (index, row) in held.enumerated() {
                let (product, isTooMuch) = (texts.strings[index].count + separator.count).multipliedReportingOverflow(by: Int(row.count))
                total = isTooMuch ? .max : total.addingReportingOverflow(product).overflow ? .max : total + product
            }
            guard total <= textByteCountMax else {
                builder.appendNull()
                return false
            }
            var joined: [UInt8] = []
            joined.reserveCapacity(total)
            for (index, row) in held.enumerated() {
                for repeated in 0..<row.count {
                    if index > 0 || repeated > 0 { joined += separator }
                    joined += texts.strings[index].bytes
                }
            }
            joined.withUnsafeBufferPointer { builder.append(bytes: $0) }
            withExtendedLifetime(texts) {}
        default: append(first, to: builder)
        }
        return true
    }
}
