// NexmarkGenerator: columns of persons, auctions and bids, each a pure function of (seed, event number).
//
// Rows of one kind are counted: row r of a shard lies in the shard's group r / width, where width is how many events of the kind a
// group has; group l of shard s of S is group l * S + s of all. Within a group everything that depends on "the newest auction" or "the newest person" is the
// same for all bids, so the loops run over groups, with an inner loop over the group's rows that knows only constants.
//
// Ids that an event refers to (published rules):
// - a bid's auction: half of the time the hot one (the first of the hundred the newest auction is in), else uniformly one of the last
//   hundred or of ten that are still to come;
// - a bid's bidder: three times in four the hot one (the second person of the newest hundred), else one of the last thousand persons or
//   of ten still to come;
// - an auction's seller: three times in four the hot one (the first person of the newest hundred), else as a bidder.

import Columns
import Platform

/// A column of the generator: a field of one kind of event, or of the union of all.
package enum NexmarkField: String, Sendable, CaseIterable {
    case auction, bidder, price, channel, url, dateTime, extra
    case id, itemName, description, initialBid, reserve, expires, seller, category
    case name, emailAddress, creditCard, city, state
    case eventType = "event_type"
    case person, bid

    package static func fields(of kind: NexmarkKind) -> [NexmarkField] {
        switch kind {
        case .person: [.id, .name, .emailAddress, .creditCard, .city, .state, .dateTime, .extra]
        case .auction: [.id, .itemName, .description, .initialBid, .reserve, .dateTime, .expires, .seller, .category, .extra]
        case .bid: [.auction, .bidder, .price, .channel, .url, .dateTime, .extra]
        case .all: [.eventType, .person, .auction, .bid, .dateTime]
        }
    }

    package static func type(of field: NexmarkField, in kind: NexmarkKind) -> SQLType {
        switch field {
        case .id, .bidder, .price, .initialBid, .reserve, .seller, .category: .bigint
        case .auction where kind == .bid: .bigint
        case .dateTime, .expires: .timestamp(precision: 3)
        case .eventType: .integer
        case .person: .row(schema(of: .person).fields)
        case .auction: .row(schema(of: .auction).fields)
        case .bid: .row(schema(of: .bid).fields)
        default: .text
        }
    }

    package static func schema(of kind: NexmarkKind) -> Schema {
        Schema(fields(of: kind).map { SQLType.Field(name: $0.rawValue, type: type(of: $0, in: kind)) })
    }
}

package final class NexmarkGenerator: @unchecked Sendable {
    // Safe to share: everything is immutable but `madeChannels`, which is used under the lock.
    package let configuration: NexmarkConfiguration
    private let shardCount: Int64
    private let draws: NexmarkDraws
    private let prices = NexmarkPrices()
    private let letters = NexmarkLetters()
    private let lock = Lock()
    private var madeChannels: NexmarkChannels?

    package init(_ configuration: NexmarkConfiguration, shardCount: Int = 1) {
        self.configuration = configuration
        self.shardCount = Int64(max(shardCount, 1))
        draws = NexmarkDraws(seed: configuration.seed)
    }

    /// Made when the first range asks for a channel: most queries do not.
    private var channels: NexmarkChannels {
        lock.locked {
            if let madeChannels { return madeChannels }
            let made = NexmarkChannels(draws: draws)
            madeChannels = made
            return made
        }
    }

    /// Rows `rows` (counted within the kind and the shard) of the fields, each of the type beside it.
    package func columns(
        _ fields: [(field: NexmarkField, type: SQLType)], kind: NexmarkKind, shard: Int, rows: Range<Int64>
    ) -> [Column] {
        let span = Span(self, kind: kind, shard: shard, rows: rows)
        var texts: [NexmarkField: Column] = [:]
        if kind == .person || kind == .auction {
            let wanted = fields.filter { $0.type.layout == .string }
            if !wanted.isEmpty {
                texts = kind == .person ? personTexts(wanted, span) : auctionTexts(wanted, span)
            }
        }
        return fields.map { field, type in texts[field] ?? column(field, type: type, span: span) }
    }

    // MARK: Rows of a kind

    /// A run of rows of one kind in one shard.
    fileprivate struct Span {
        let kind: NexmarkKind
        let shard: Int64
        let shardCount: Int64
        let rows: Range<Int64>
        let width: Int64
        let firstOffset: Int64
        let groupSize: Int64

        init(_ generator: NexmarkGenerator, kind: NexmarkKind, shard: Int, rows: Range<Int64>) {
            let offsets = generator.configuration.offsets(of: kind)
            self.kind = kind
            self.shard = Int64(shard)
            shardCount = generator.shardCount
            self.rows = offsets.isEmpty ? rows.lowerBound..<rows.lowerBound : rows
            width = max(Int64(offsets.count), 1)
            firstOffset = offsets.lowerBound
            groupSize = generator.configuration.groupSize
        }

        var count: Int { Int(truncatingIfNeeded: rows.upperBound &- rows.lowerBound) }

        /// Calls `body` for each group with its number, the number of its first event here, its first row here (from 0), and the count.
        @inline(__always)
        func forEachGroup(_ body: (_ group: Int64, _ event: Int64, _ row: Int, _ count: Int) -> Void) {
            var ordinal = rows.lowerBound
            var row = 0
            while ordinal < rows.upperBound {
                let (local, inside) = ordinal.quotientAndRemainder(dividingBy: width)
                let count = min(width &- inside, rows.upperBound &- ordinal)
                let group = local &* shardCount &+ shard
                body(group, group &* groupSize &+ firstOffset &+ inside, row, Int(truncatingIfNeeded: count))
                ordinal &+= count
                row &+= Int(truncatingIfNeeded: count)
            }
        }
    }

    @inline(__always)
    private func int64Column(_ type: SQLType, _ span: Span, _ fill: (UnsafeMutablePointer<Int64>) -> Void) -> Column {
        let values = Buffer(byteCount: span.count * 8)
        fill(values.base.assumingMemoryBound(to: Int64.self))
        return Column(type: type, count: span.count, values: values)
    }

    private func column(_ field: NexmarkField, type: SQLType, span: Span) -> Column {
        switch (field, span.kind) {
        case (.dateTime, _): return times(type, span)
        case (.id, _): return ids(type, span)
        case (.auction, .bid): return bidAuctions(type, span)
        case (.bidder, _): return persons(type, span, hotRatio: configuration.hotBidderRatio, hotIndex: 1, .bidBidder)
        case (.price, _): return bidPrices(type, span)
        case (.channel, _): return bidChannels(type, span, urls: false)
        case (.url, _): return bidChannels(type, span, urls: true)
        case (.extra, .bid): return bidExtras(type, span)
        case (.initialBid, _), (.reserve, _): return auctionPrices(type, span, isReserve: field == .reserve)
        case (.expires, _): return auctionExpiries(type, span)
        case (.seller, _): return persons(type, span, hotRatio: configuration.hotSellerRatio, hotIndex: 0, .auctionSeller)
        case (.category, _): return auctionCategories(type, span)
        case (.eventType, _): return eventTypes(type, span)
        case (.person, _): return structure(.person, type, span)
        case (.auction, _): return structure(.auction, type, span)
        case (.bid, _): return structure(.bid, type, span)
        default: return Column.constant(.null, type: type, count: span.count)
        }
    }

    // MARK: Of every kind

    private func times(_ type: SQLType, _ span: Span) -> Column {
        let rate = configuration.eventsPerSecond
        let (step, stepRemainder) = Int64(1_000_000).quotientAndRemainder(dividingBy: rate)
        let base = configuration.baseMicroseconds
        return int64Column(type, span) { values in
            span.forEachGroup { _, event, row, count in
                var (elapsed, remainder) = configuration.elapsed(event)
                for index in row..<row &+ count {
                    values[index] = base &+ Int64(truncatingIfNeeded: UInt64(truncatingIfNeeded: elapsed) / 1_000) &* 1_000
                    elapsed &+= step
                    remainder &+= stepRemainder
                    if remainder >= rate {
                        remainder &-= rate
                        elapsed &+= 1
                    }
                }
            }
            NexmarkGenerator.cut(values, span.count, to: type)
        }
    }

    /// Cuts times to fewer than three fractional digits when the column has fewer.
    private static func cut(_ values: UnsafeMutablePointer<Int64>, _ count: Int, to type: SQLType) {
        let unit: Int64
        switch type {
        case .timestamp(precision: 0), .timestampTZ(precision: 0): unit = 1_000_000
        case .timestamp(precision: 1), .timestampTZ(precision: 1): unit = 100_000
        case .timestamp(precision: 2), .timestampTZ(precision: 2): unit = 10_000
        default: return
        }
        for index in 0..<count {
            let remainder = values[index] % unit
            values[index] &-= remainder < 0 ? remainder &+ unit : remainder
        }
    }

    private func ids(_ type: SQLType, _ span: Span) -> Column {
        let first = span.kind == .person ? NexmarkConfiguration.firstPersonID : NexmarkConfiguration.firstAuctionID
        return int64Column(type, span) { values in
            span.forEachGroup { group, event, row, count in
                let id = first &+ group &* span.width &+ (event &- group &* span.groupSize &- span.firstOffset)
                for index in 0..<count { values[row &+ index] = id &+ Int64(truncatingIfNeeded: index) }
            }
        }
    }

    /// Bidders and sellers. All persons of the group come before them.
    private func persons(
        _ type: SQLType, _ span: Span, hotRatio: Int64, hotIndex: Int64, _ purpose: NexmarkDraws.Purpose
    ) -> Column {
        let perGroup = configuration.personProportion
        return int64Column(type, span) { values in
            span.forEachGroup { group, event, row, count in
                let total = (group &+ 1) &* perGroup
                let active = min(total, NexmarkConfiguration.activePersonsMax)
                let hot = NexmarkConfiguration.firstPersonID &+ (total &- 1) / NexmarkConfiguration.hotSpacing &* NexmarkConfiguration.hotSpacing
                    &+ hotIndex
                let oldest = NexmarkConfiguration.firstPersonID &+ total &- active
                let choices = active &+ NexmarkConfiguration.idLead
                for index in 0..<count {
                    let draw = draws.draw(event &+ Int64(truncatingIfNeeded: index), purpose)
                    let cold = oldest &+ NexmarkDraws.low(draw, below: choices)
                    values[row &+ index] = NexmarkDraws.high(draw, below: hotRatio) > 0 ? hot : cold
                }
            }
        }
    }

    // MARK: Bids

    private func bidAuctions(_ type: SQLType, _ span: Span) -> Column {
        let perGroup = configuration.auctionProportion
        let hotRatio = configuration.hotAuctionRatio
        let draws = draws
        return int64Column(type, span) { values in
            span.forEachGroup { group, event, row, count in
                let newest = (group &+ 1) &* perGroup &- 1
                let oldest = max(newest &- NexmarkConfiguration.auctionsInFlight, 0)
                let hot = NexmarkConfiguration.firstAuctionID &+ newest / NexmarkConfiguration.hotSpacing &* NexmarkConfiguration.hotSpacing
                let choices = newest &- oldest &+ 1 &+ NexmarkConfiguration.idLead
                let first = NexmarkConfiguration.firstAuctionID &+ oldest
                for index in 0..<count {
                    let draw = draws.draw(event &+ Int64(truncatingIfNeeded: index), .bidAuction)
                    let cold = first &+ NexmarkDraws.low(draw, below: choices)
                    values[row &+ index] = NexmarkDraws.high(draw, below: hotRatio) > 0 ? hot : cold
                }
            }
        }
    }

    private func bidPrices(_ type: SQLType, _ span: Span) -> Column {
        let table = prices.pointer
        let draws = draws
        return int64Column(type, span) { values in
            span.forEachGroup { _, event, row, count in
                for index in 0..<count {
                    let draw = draws.draw(event &+ Int64(truncatingIfNeeded: index), .bidPrice)
                    values[row &+ index] = NexmarkPrices.price(draw, table)
                }
            }
        }
    }

    private func bidChannels(_ type: SQLType, _ span: Span, urls: Bool) -> Column {
        let channels = channels
        let source = urls ? channels.urls : channels.names
        let views = Buffer(byteCount: span.count * 16)
        let target = views.base.assumingMemoryBound(to: StringView.self)
        span.forEachGroup { _, event, row, count in
            for index in 0..<count {
                target[row &+ index] = source[NexmarkChannels.pick(draws.draw(event &+ Int64(truncatingIfNeeded: index), .bidChannel))]
            }
        }
        return Column(type: type, count: span.count, values: views, heap: [channels.bytes])
    }

    /// A bid has four numbers and a channel before its extra, counted as 32 bytes.
    private func bidExtras(_ type: SQLType, _ span: Span) -> Column {
        let average = configuration.averageBidByteCount
        let lengthMax = NexmarkLetters.extraLength(present: 32, average: average, draw: .max)
        let views = Buffer(byteCount: span.count * 16)
        let heap = Buffer(byteCount: span.count * lengthMax + NexmarkLetters.extraOverrun)
        let target = views.base.assumingMemoryBound(to: StringView.self)
        let pairs = letters.pairTable
        var at = heap.base
        span.forEachGroup { _, event, row, count in
            for index in 0..<count {
                let number = event &+ Int64(truncatingIfNeeded: index)
                let length = NexmarkLetters.extraLength(present: 32, average: average, draw: draws.draw(number, .bidExtraLength))
                var random = SeededRandom(seed: draws.draw(number, .bidExtra))
                NexmarkLetters.writeExtra(at, count: length, random: &random, pairs: pairs)
                // The prefix of a view is read from the first four bytes, which a shorter extra does not all own: the initialiser knows.
                target[row &+ index] = StringView(UnsafePointer(at.assumingMemoryBound(to: UInt8.self)), count: length)
                at += length
            }
        }
        return Column(type: type, count: span.count, values: views, heap: [heap])
    }

    // MARK: Auctions

    private func auctionPrices(_ type: SQLType, _ span: Span, isReserve: Bool) -> Column {
        let table = prices.pointer
        return int64Column(type, span) { values in
            span.forEachGroup { _, event, row, count in
                for index in 0..<count {
                    let number = event &+ Int64(truncatingIfNeeded: index)
                    var price = NexmarkPrices.price(draws.draw(number, .auctionInitialBid), table)
                    if isReserve { price &+= NexmarkPrices.price(draws.draw(number, .auctionReserve), table) }
                    values[row &+ index] = price
                }
            }
        }
    }

    /// Up to twice as long as it takes for as many auctions to open as are in flight.
    private func auctionExpiries(_ type: SQLType, _ span: Span) -> Column {
        let ahead = NexmarkConfiguration.auctionsInFlight * configuration.groupSize / max(configuration.auctionProportion, 1)
        return int64Column(type, span) { values in
            span.forEachGroup { _, event, row, count in
                for index in 0..<count {
                    let number = event &+ Int64(truncatingIfNeeded: index)
                    let opened = configuration.eventTime(number)
                    let horizonMilliseconds = (configuration.eventTime(number &+ ahead) &- opened) / 1_000
                    // Longer than 2^31 ms only at less than an event a minute; the draw has 32 bits.
                    let choices = min(max(horizonMilliseconds &* 2, 1), Int64(Int32.max))
                    values[row &+ index] = opened &+ 1_000 &+ NexmarkDraws.high(draws.draw(number, .auctionExpires), below: choices) &* 1_000
                }
            }
            NexmarkGenerator.cut(values, span.count, to: type)
        }
    }

    private func auctionCategories(_ type: SQLType, _ span: Span) -> Column {
        int64Column(type, span) { values in
            span.forEachGroup { _, event, row, count in
                for index in 0..<count {
                    let draw = draws.draw(event &+ Int64(truncatingIfNeeded: index), .auctionCategory)
                    values[row &+ index] = NexmarkConfiguration.firstCategory &+ NexmarkDraws.high(draw, below: NexmarkConfiguration.categoryCount)
                }
            }
        }
    }

    /// The texts of an auction are made together, because the length of its extra follows from the others'.
    private func auctionTexts(_ wanted: [(field: NexmarkField, type: SQLType)], _ span: Span) -> [NexmarkField: Column] {
        texts(wanted, span, .auctionText, order: [.itemName, .description, .extra], scratchByteCount: 128) { scratch, random in
            var lengths = TextLengths()
            lengths.append(NexmarkLetters.writeWord(scratch, lengthMax: 20, random: &random))
            lengths.append(NexmarkLetters.writeWord(scratch + lengths.total, lengthMax: 100, random: &random))
            lengths.fixedByteCount = 8 * 6
            return lengths
        }
    }

    // MARK: Persons

    private static let firstNames = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"]
    private static let lastNames = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"]
    private static let cities = [
        "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne",
    ]
    private static let states = ["AZ", "CA", "ID", "OR", "WA", "WY"]

    private func personTexts(_ wanted: [(field: NexmarkField, type: SQLType)], _ span: Span) -> [NexmarkField: Column] {
        let order: [NexmarkField] = [.name, .emailAddress, .creditCard, .city, .state, .extra]
        return texts(wanted, span, .personText, order: order, scratchByteCount: 128) { scratch, random in
            var lengths = TextLengths()
            func put(_ text: String, at offset: Int) -> Int {
                var count = 0
                for byte in text.utf8 {
                    scratch[offset + count] = byte
                    count += 1
                }
                return count
            }
            func pick(_ names: [String]) -> String { names[random.below(names.count)] }
            var count = put(pick(NexmarkGenerator.firstNames), at: 0)
            count += put(" ", at: count)
            count += put(pick(NexmarkGenerator.lastNames), at: count)
            lengths.append(count)
            count = NexmarkLetters.writeWord(scratch + lengths.total, lengthMax: 7, random: &random)
            count += put("@", at: lengths.total + count)
            count += NexmarkLetters.writeWord(scratch + lengths.total + count, lengthMax: 5, random: &random)
            count += put(".com", at: lengths.total + count)
            lengths.append(count)
            for part in 0..<4 {
                var number = random.below(10_000)
                for digit in 0..<4 {
                    scratch[lengths.total + part * 5 + 3 - digit] = 48 + UInt8(truncatingIfNeeded: number % 10)
                    number /= 10
                }
                if part < 3 { scratch[lengths.total + part * 5 + 4] = UInt8(ascii: " ") }
            }
            lengths.append(19)
            lengths.append(put(pick(NexmarkGenerator.cities), at: lengths.total))
            lengths.append(put(pick(NexmarkGenerator.states), at: lengths.total))
            lengths.fixedByteCount = 8
            return lengths
        }
    }

    /// Where the texts of one row, written one behind the other, end.
    private struct TextLengths {
        var ends: (Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0)
        var count = 0
        var total = 0
        /// What the row's other fields count for.
        var fixedByteCount: Int64 = 0

        mutating func append(_ length: Int) {
            total += length
            switch count {
            case 0: ends.0 = total
            case 1: ends.1 = total
            case 2: ends.2 = total
            case 3: ends.3 = total
            default: ends.4 = total
            }
            count += 1
        }

        func range(_ index: Int) -> Range<Int> {
            switch index {
            case 0: 0..<ends.0
            case 1: ends.0..<ends.1
            case 2: ends.1..<ends.2
            case 3: ends.2..<ends.3
            default: ends.3..<ends.4
            }
        }
    }

    /// Makes the texts of rows in a scratch space and copies those that are wanted. The last of `order` is `extra`.
    private func texts(
        _ wanted: [(field: NexmarkField, type: SQLType)], _ span: Span, _ purpose: NexmarkDraws.Purpose, order: [NexmarkField],
        scratchByteCount: Int, _ make: (UnsafeMutablePointer<UInt8>, inout SeededRandom) -> TextLengths
    ) -> [NexmarkField: Column] {
        let average = span.kind == .person ? configuration.averagePersonByteCount : configuration.averageAuctionByteCount
        let extraMax = NexmarkLetters.extraLength(present: 0, average: average, draw: .max) + NexmarkLetters.extraOverrun
        let scratchBuffer = Buffer(byteCount: scratchByteCount + extraMax)
        let scratch = scratchBuffer.base.assumingMemoryBound(to: UInt8.self)
        let pairs = letters.pairTable
        let targets = wanted.map { item in
            (slot: order.firstIndex(of: item.field) ?? 0, builder: ColumnBuilder(item.type, capacity: span.count))
        }
        let wantsExtra = targets.contains { $0.slot == order.count - 1 }
        span.forEachGroup { _, event, _, count in
            for index in 0..<count {
                var random = SeededRandom(seed: draws.draw(event &+ Int64(truncatingIfNeeded: index), purpose))
                let lengths = make(scratch, &random)
                var extraLength = 0
                if wantsExtra {
                    let present = lengths.fixedByteCount + Int64(lengths.total)
                    extraLength = NexmarkLetters.extraLength(present: present, average: average, draw: random.next())
                    NexmarkLetters.writeExtra(scratch + lengths.total, count: extraLength, random: &random, pairs: pairs)
                }
                for target in targets {
                    let range = target.slot == order.count - 1
                        ? lengths.total..<lengths.total + extraLength : lengths.range(target.slot)
                    target.builder.append(bytes: UnsafeBufferPointer(start: scratch + range.lowerBound, count: range.count))
                }
            }
        }
        var columns: [NexmarkField: Column] = [:]
        for (item, target) in zip(wanted, targets) { columns[item.field] = target.builder.finish() }
        return columns
    }

    // MARK: All kinds in one stream

    private func eventTypes(_ type: SQLType, _ span: Span) -> Column {
        let auctions = configuration.offsets(of: .auction)
        return int64Column(type, span) { values in
            span.forEachGroup { group, event, row, count in
                let offset = event &- group &* span.groupSize
                for index in 0..<count {
                    let here = offset &+ Int64(truncatingIfNeeded: index)
                    values[row &+ index] = here < auctions.lowerBound ? 0 : here < auctions.upperBound ? 1 : 2
                }
            }
        }
    }

    /// A ROW column: the rows of `kind` are made densely and spread to their places; the others are NULL, in the structure and in
    /// each of its fields.
    private func structure(_ kind: NexmarkKind, _ type: SQLType, _ span: Span) -> Column {
        guard case .row(let fields) = type else { return Column.constant(.null, type: type, count: span.count) }
        let offsets = configuration.offsets(of: kind)
        let first = configuration.rowCount(of: kind, before: span.rows.lowerBound)
        let last = configuration.rowCount(of: kind, before: span.rows.upperBound)
        guard first < last else { return Column.constant(.null, type: type, count: span.count) }
        let known = NexmarkField.fields(of: kind)
        let wanted = fields.map { field in
            (field: known.first { $0.rawValue.lowercased() == field.name.lowercased() } ?? .eventType, type: field.type)
        }
        let dense = columns(wanted, kind: kind, shard: Int(span.shard), rows: first..<last)
        let bits = Buffer.zeroed(byteCount: Bitmap.wordCount(span.count) * 8)
        let words = bits.base.assumingMemoryBound(to: UInt64.self)
        var places: [Int32] = []
        places.reserveCapacity(span.count)
        var next: Int32 = 0
        for row in 0..<span.count {
            let offset = (span.rows.lowerBound &+ Int64(row)) % span.groupSize
            if offsets.contains(offset) {
                words[row >> 6] |= 1 << UInt64(row & 63)
                places.append(next)
                next += 1
            } else {
                places.append(0)
            }
        }
        let validity = UnsafePointer(words)
        let children = dense.map { column in
            let spread = column.gather(places)
            return Column(type: spread.type, count: span.count, values: spread.values, validity: validity, owners: spread.owners + [bits])
        }
        return Column(
            type: type, count: span.count, values: UnsafeRawPointer(EmptyBytes.pointer), validity: validity, children: children, owners: [bits])
    }
}
