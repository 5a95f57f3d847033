// SimulatedStream: what a producer knows of one input stream: which rows it was told are safe, which it tried, and what a reader has been shown.

import Columns
import OracleSupport
import Platform

/// A row as it stands in a stream.
struct Entry: Hashable, CustomStringConvertible {
    var change: ChangeKind
    var row: Row

    var description: String { "\(change.symbol) \(row)" }
}

final class SimulatedStream {
    enum Kind { case plain, changelog, timed, late }

    let name: String
    let kind: Kind
    /// Besides id, k, v and s (and ts): columns of random types.
    let columns: [(name: String, type: SQLType)]
    let shardCount: Int
    let sync: String
    var ordinals: [String: Int] = [:]

    var acknowledged: [Entry: Int] = [:]
    var attempted: [Entry: Int] = [:]
    /// The live rows of a changelog; nil when a failed append has left that open until the stream is read again.
    var live: [Row]? = []
    private var nextID: Int64 = 0

    /// Rows with this id and above only move the watermark on.
    static let flushID: Int64 = 1_000_000
    /// So many, each with a key of its own, that no shard goes without.
    static let flushCount = 160
    private static let extraTypes: [SQLType] = [
        .boolean, .double, .decimal(precision: 12, scale: 2), .text, .bytes, .integer, .smallint, .date, .timestamp(precision: 6),
    ]

    init(_ name: String, _ kind: Kind, _ random: inout SeededRandom) {
        self.name = name
        self.kind = kind
        var columns: [(name: String, type: SQLType)] = [("id", .bigint), ("k", .bigint), ("v", .bigint), ("s", .text)]
        if kind == .timed || kind == .late { columns.append(("ts", .timestamp(precision: 3))) }
        for index in 0..<random.below(4) { columns.append(("x\(index)", Self.extraTypes[random.below(Self.extraTypes.count)])) }
        for index in columns.indices.reversed() { columns.swapAt(index, random.below(index + 1)) }
        self.columns = columns
        for (index, column) in columns.enumerated() { ordinals[column.name] = index }
        // What is late depends on the order of arrival alone only when there is one shard.
        shardCount = kind == .late ? 1 : 1 + random.below(3)
        sync = ["always", "always", "always", "interval", "none"][random.below(5)]
    }

    var definition: String {
        var parts = columns.map { "\($0.name) \($0.type.name)" }
        if ordinals["ts"] != nil { parts.append("WATERMARK FOR ts AS ts - INTERVAL '2' SECOND") }
        let options = ["sync = '\(sync)'"] + (kind == .changelog ? ["changelog = 'op'"] : [])
        return "CREATE STREAM \(name) (\(parts.joined(separator: ", "))) PARTITION BY \(kind == .changelog ? "id" : "k") SHARDS \(shardCount)"
            + " WITH (\(options.joined(separator: ", ")))"
    }

    func integer(_ row: Row, _ column: String) -> Int64? {
        guard let ordinal = ordinals[column], ordinal < row.count, case .integer(let number) = row[ordinal] else { return nil }
        return number
    }

    // MARK: Rows

    /// Rows that have not been tried before. `time` is how far event time has come over all streams, in milliseconds.
    func entries(_ count: Int, time: inout Int64, _ random: inout SeededRandom) -> [Entry] {
        switch kind {
        case .plain: return (0..<count).map { _ in Entry(change: .insert, row: row(id: takeID(), time: 0, &random)) }
        case .timed, .late:
            return (0..<count).map { _ in
                time += Int64(random.below(900))
                let disorder = kind == .late && random.below(2) == 0 ? 20_000 : 2_000
                return Entry(change: .insert, row: row(id: takeID(), time: max(0, time - Int64(random.below(disorder))) * 1_000, &random))
            }
        case .changelog: return changes(count, &random)
        }
    }

    private func changes(_ count: Int, _ random: inout SeededRandom) -> [Entry] {
        guard var rows = live else { return [] }
        var entries: [Entry] = []
        for _ in 0..<count {
            switch random.below(4) {
            case 0 where !rows.isEmpty: entries.append(Entry(change: .delete, row: rows.remove(at: random.below(rows.count))))
            case 1 where !rows.isEmpty:
                let place = random.below(rows.count)
                let new = row(id: integer(rows[place], "id") ?? 0, time: 0, &random)
                entries.append(Entry(change: .updateBefore, row: rows[place]))
                entries.append(Entry(change: .updateAfter, row: new))
                rows[place] = new
            default:
                let new = row(id: takeID(), time: 0, &random)
                rows.append(new)
                entries.append(Entry(change: .insert, row: new))
            }
        }
        live = rows
        return entries
    }

    /// Rows that move event time to `microseconds` in every shard.
    func flush(microseconds: Int64, _ random: inout SeededRandom) -> [Entry] {
        (0..<Self.flushCount).map { index in
            var row = self.row(id: Self.flushID + Int64(index), time: microseconds, &random)
            if let place = ordinals["k"] { row[place] = .integer(1_000 + Int64(index)) }
            return Entry(change: .insert, row: row)
        }
    }

    private func takeID() -> Int64 {
        defer { nextID += 1 }
        return nextID
    }

    private func row(id: Int64, time: Int64, _ random: inout SeededRandom) -> Row {
        columns.map { column in
            switch column.name {
            case "id": return .integer(id)
            case "ts": return .integer(time)
            case "k": return random.below(8) == 0 ? .null : .integer(Int64(random.below(5)))
            case "v": return random.below(8) == 0 ? .null : .integer(Int64(random.below(10) - 3))
            case "s": return random.below(8) == 0 ? .null : .string(["", "a", "b", "ab", "a text longer than twelve bytes"][random.below(5)])
            default: return random.below(5) == 0 ? .null : Self.value(column.type, &random)
            }
        }
    }

    private static func value(_ type: SQLType, _ random: inout SeededRandom) -> Value {
        switch type {
        case .boolean: return .boolean(random.below(2) == 0)
        case .double: return .double(Double(random.below(1_000)) / 8 - 20)
        case .decimal: return .decimal(Int128(random.below(100_000)) - 500)
        case .varchar: return .string(String(repeating: "xyz", count: random.below(9)))
        case .bytes: return .bytes((0..<random.below(20)).map { UInt8(truncatingIfNeeded: $0 * 37) })
        case .timestamp: return .integer(Int64(random.below(1 << 50)))
        default: return .integer(Int64(random.below(30_000)))
        }
    }
}

extension RowBatch {
    /// A batch of rows with their change kinds.
    static func make(_ entries: [Entry], types: [SQLType]) -> RowBatch {
        let plain = RowBatch.make(entries.map(\.row), types: types)
        guard entries.contains(where: { $0.change != .insert }) else { return plain }
        let changes = Buffer(byteCount: entries.count)
        for (index, entry) in entries.enumerated() { changes.base.storeBytes(of: entry.change.rawValue, toByteOffset: index, as: UInt8.self) }
        return RowBatch(count: plain.count, columns: plain.columns, changes: changes)
    }
}
