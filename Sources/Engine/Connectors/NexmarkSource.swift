// NexmarkSource: the generator as a replayable source.
//
// A position is a count of events of all kinds in the shard, so a stream of bids alone still counts persons and auctions. Groups of events go
// to the shards in turn: group l of shard s of S is group l * S + s of all. The union of the shards is the same for any S.
//
// With `rate`, the shard can be read up to (events at `resume`) + rate * (wall-clock time since then); nothing else depends on the wall clock.

import Columns
import Planning
import Platform

package final class NexmarkSource: ReplayableSource, @unchecked Sendable {
    // Safe to share: everything is immutable but `anchors`, which is used under the lock.
    package let kind: NexmarkKind
    package let generator: NexmarkGenerator
    package let shardCount: Int
    private let fields: [(field: NexmarkField, type: SQLType)]
    /// Events a second of wall-clock time, all shards together; nil for as fast as they are read.
    private let eventsPerSecondMax: Int64?
    private let lock = Lock()
    /// Where each shard stood at which time.
    private var anchors: [(position: Int64, microseconds: Int64)]

    package static let shardCountMax: Int64 = 1_024

    package init(_ relation: RelationDefinition, clock: any Clock) throws(ConnectorError) {
        let options = ConnectorOptions(relation)
        let now = clock.nowMicroseconds()
        generator = NexmarkGenerator(
            try NexmarkSource.configuration(options, nowMicroseconds: now), shardCount: try NexmarkSource.shardCount(relation, options))
        shardCount = try NexmarkSource.shardCount(relation, options)
        kind = try NexmarkSource.kind(relation, options)
        fields = try NexmarkSource.match(relation, kind)
        if let rate = try options.integer("rate", in: 0...1_000_000_000) {
            eventsPerSecondMax = rate == 0 ? nil : rate
        } else {
            // The suite's own way to ask for the pace of its event time.
            eventsPerSecondMax = try options.boolean("max-emit-speed") == false ? generator.configuration.eventsPerSecond : nil
        }
        anchors = Array(repeating: (0, now), count: shardCount)
    }

    // MARK: Options

    package static let optionNames = [
        "events.per.second", "first-event.rate", "next-event.rate", "events.num", "seed", "base-time", "rate", "max-emit-speed", "event", "shards",
        "person.proportion", "auction.proportion", "bid.proportion", "bid.hot-ratio.auctions", "bid.hot-ratio.bidders",
        "auction.hot-ratio.sellers", "person.avg-size", "auction.avg-size", "bid.avg-size",
    ]

    private static func shardCount(_ relation: RelationDefinition, _ options: ConnectorOptions) throws(ConnectorError) -> Int {
        if let count = try options.integer("shards", in: 1...shardCountMax) { return Int(count) }
        return min(max(relation.shardCount, 1), Int(shardCountMax))
    }

    private static func configuration(
        _ options: ConnectorOptions, nowMicroseconds: Int64
    ) throws(ConnectorError) -> NexmarkConfiguration {
        var configuration = NexmarkConfiguration()
        let rates: ClosedRange<Int64> = 1...1_000_000_000
        if let rate = try options.integer("first-event.rate", "events.per.second", "next-event.rate", in: rates) {
            configuration.eventsPerSecond = rate
        } else if let rate = try options.integer("rate", in: 0...1_000_000_000), rate > 0 {
            configuration.eventsPerSecond = rate
        }
        if let count = try options.integer("events.num", in: 0...NexmarkConfiguration.eventCountMax), count > 0 {
            configuration.eventCount = count
        }
        if let seed = try options.integer("seed", in: .min ... .max) { configuration.seed = UInt64(bitPattern: seed) }
        if options.values["base-time"]?.lowercased() == "now" {
            configuration.baseMicroseconds = nowMicroseconds / 1_000 * 1_000
        } else if let base = try options.timestamp("base-time") {
            configuration.baseMicroseconds = base - ((base % 1_000) + 1_000) % 1_000
        }
        let shares: ClosedRange<Int64> = 1...10_000
        configuration.personProportion = try options.integer("person.proportion", in: shares) ?? 1
        configuration.auctionProportion = try options.integer("auction.proportion", in: shares) ?? 3
        configuration.bidProportion = try options.integer("bid.proportion", in: 0...10_000) ?? 46
        configuration.hotAuctionRatio = try options.integer("bid.hot-ratio.auctions", in: shares) ?? 2
        configuration.hotBidderRatio = try options.integer("bid.hot-ratio.bidders", in: shares) ?? 4
        configuration.hotSellerRatio = try options.integer("auction.hot-ratio.sellers", in: shares) ?? 4
        let sizes: ClosedRange<Int64> = 0...65_536
        configuration.averagePersonByteCount = try options.integer("person.avg-size", in: sizes) ?? 200
        configuration.averageAuctionByteCount = try options.integer("auction.avg-size", in: sizes) ?? 500
        configuration.averageBidByteCount = try options.integer("bid.avg-size", in: sizes) ?? 100
        return configuration
    }

    /// The kind that is asked for, or the one whose fields all columns are.
    private static func kind(_ relation: RelationDefinition, _ options: ConnectorOptions) throws(ConnectorError) -> NexmarkKind {
        let words = NexmarkKind.allCases.map(\.rawValue)
        if let word = try options.word("event", among: words), let kind = NexmarkKind(rawValue: word) { return kind }
        let names = relation.physicalSchema.fields.map { $0.name.lowercased() }
        for kind in [NexmarkKind.all, .bid, .auction, .person] {
            let known = NexmarkField.fields(of: kind).map { $0.rawValue.lowercased() }
            if names.allSatisfy({ known.contains($0) }) { return kind }
        }
        return .all
    }

    /// The field behind each physical column, by name.
    private static func match(
        _ relation: RelationDefinition, _ kind: NexmarkKind
    ) throws(ConnectorError) -> [(field: NexmarkField, type: SQLType)] {
        var matched: [(field: NexmarkField, type: SQLType)] = []
        for column in relation.physicalSchema.fields {
            let field = try field(column, kind, path: column.name, relation)
            if case .row(let children) = column.type {
                let inner = NexmarkKind(rawValue: field.rawValue) ?? .all
                for child in children { _ = try self.field(child, inner, path: "\(column.name).\(child.name)", relation) }
            }
            matched.append((field, column.type))
        }
        return matched
    }

    private static func field(
        _ column: SQLType.Field, _ kind: NexmarkKind, path: String, _ relation: RelationDefinition
    ) throws(ConnectorError) -> NexmarkField {
        let known = NexmarkField.fields(of: kind)
        guard let field = known.first(where: { $0.rawValue.lowercased() == column.name.lowercased() }) else {
            let names = known.map(\.rawValue)
            throw ConnectorError(
                "\(relation.name) (connector 'nexmark'): column '\(path)' is not a field of event '\(kind.rawValue)'"
                    + Nearest.suggestion(for: column.name, among: names) + "; the fields are " + names.joined(separator: ", "))
        }
        let type = NexmarkField.type(of: field, in: kind)
        guard suits(column.type, type, field) else {
            throw ConnectorError(
                "\(relation.name) (connector 'nexmark'): column '\(path)' is declared \(column.type.name), but the field is \(type.name)")
        }
        return field
    }

    private static func suits(_ declared: SQLType, _ actual: SQLType, _ field: NexmarkField) -> Bool {
        switch (declared, actual) {
        case (.bigint, .bigint), (.bigint, .integer), (.integer, .integer), (.row, .row): true
        // Values below 2 * 10^8.
        case (.integer, .bigint): [.price, .initialBid, .reserve, .category].contains(field)
        case (.timestamp, .timestamp), (.timestampTZ, .timestamp): true
        case (.varchar(nil), .varchar): true
        default: false
        }
    }

    // MARK: Positions

    package func start(shard: Int) -> Int64 { 0 }

    package func resume(shard: Int, at position: Int64, nowMicroseconds: Int64) {
        lock.locked { if anchors.indices.contains(shard) { anchors[shard] = (position, nowMicroseconds) } }
    }

    package func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 {
        let last = lastPosition(shard)
        guard let rate = eventsPerSecondMax else { return last }
        let anchor = lock.locked { anchors.indices.contains(shard) ? anchors[shard] : (position: 0, microseconds: nowMicroseconds) }
        // By whole milliseconds: a query that looks again and again would otherwise find a few events each time and run an epoch for them.
        let elapsed = max(nowMicroseconds &- anchor.microseconds, 0) / 1_000 * 1_000
        let events = Int128(elapsed) * Int128(rate) / 1_000_000 / Int128(shardCount)
        return min(anchor.position &+ Int64(clamping: events), last)
    }

    package func end(shard: Int) throws(ConnectorError) -> Int64? {
        generator.configuration.eventCount == nil ? nil : lastPosition(shard)
    }

    /// How many of the first N events are in the shard.
    private func lastPosition(_ shard: Int) -> Int64 {
        let total = min(generator.configuration.eventCount ?? .max, NexmarkConfiguration.eventCountMax)
        let size = generator.configuration.groupSize
        let (groups, rest) = total.quotientAndRemainder(dividingBy: size)
        let (rounds, extra) = groups.quotientAndRemainder(dividingBy: Int64(shardCount))
        let whole = rounds + (Int64(shard) < extra ? 1 : 0)
        return whole * size + (Int64(shard) == extra ? rest : 0)
    }

    package func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        guard from < limit else { return limit }
        let share = max(Int64(generator.configuration.offsets(of: kind).count), 1)
        let wanted = Int128(max(rows, 1)) * Int128(generator.configuration.groupSize)
        let events = (wanted + Int128(share) - 1) / Int128(share)
        return Int64(clamping: min(Int128(from) + events, Int128(limit)))
    }

    package func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        guard shard >= 0 && shard < shardCount, from >= 0, to <= lastPosition(shard) else {
            throw ConnectorError("nexmark: there are no events \(from) to \(to) in shard \(shard)")
        }
        guard columns.allSatisfy(fields.indices.contains) else { throw ConnectorError("nexmark: there is no such column") }
        return try read(shard: shard, from: from, to: to, wanted: columns.map { fields[$0] }, batchRows: batchRows)
    }

    /// Only the wanted fields of events are made: their texts are most of the work.
    package func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        guard paths.allSatisfy({ fields.indices.contains($0.column) && $0.type(in: fields.map(\.type)) != nil }) else {
            throw ConnectorError("nexmark: there is no such column")
        }
        guard shard >= 0 && shard < shardCount, from >= 0, to <= lastPosition(shard) else {
            throw ConnectorError("nexmark: there are no events \(from) to \(to) in shard \(shard)")
        }
        let (columns, places) = ColumnPath.wholeColumns(of: paths)
        var wanted = columns.map { fields[$0] }
        var narrowed = paths
        for (place, column) in columns.enumerated() {
            let inside = paths.filter { $0.column == column }
            // Events are rows of plain fields: one level below the column.
            guard case .row(let all) = wanted[place].type, inside.allSatisfy({ $0.fields.count == 1 }) else { continue }
            let kept = Set(inside.map { $0.fields[0] }).sorted()
            wanted[place].type = .row(kept.map { all[$0] })
            for index in narrowed.indices where paths[index].column == column {
                narrowed[index].fields = [kept.firstIndex(of: paths[index].fields[0]) ?? 0]
            }
        }
        var chunk = try read(shard: shard, from: from, to: to, wanted: wanted, batchRows: batchRows)
        chunk.batches = chunk.batches.map { $0.following(narrowed, places: places) }
        return chunk
    }

    private func read(shard: Int, from: Int64, to: Int64, wanted: [(field: NexmarkField, type: SQLType)], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        var chunk = SourceChunk(next: max(from, to))
        var row = generator.configuration.rowCount(of: kind, before: from)
        let last = generator.configuration.rowCount(of: kind, before: max(from, to))
        let step = Int64(min(max(batchRows, 1), 1 << 20))
        while row < last {
            let end = min(row + step, last)
            let made = generator.columns(wanted, kind: kind, shard: shard, rows: row..<end)
            chunk.batches.append(RowBatch(count: Int(end - row), columns: made))
            row = end
        }
        return chunk
    }
}
