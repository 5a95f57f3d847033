// What the tests of the log share: random schemas and batches from a seed, a stream on a simulated disk, and reading everything back.

import Columns
import Platform
import ShardLog
import XCTest

extension SeededRandom {
    mutating func type(nested: Bool = true) -> SQLType {
        switch below(nested ? 18 : 14) {
        case 0: .boolean
        case 1: .smallint
        case 2: .integer
        case 3: .bigint
        case 4: .real
        case 5: .double
        case 6: .decimal(precision: 38, scale: 4)
        case 7, 8, 9: .text
        case 10: .bytes
        case 11: .date
        case 12: .timestamp(precision: 6)
        case 13: .interval
        case 16: .json
        case 17: .map(.text, type(nested: below(4) == 0))
        case 14: .array(type(nested: below(4) == 0))
        default: .row((0..<below(3) + 1).map { SQLType.Field(name: "f\($0)", type: type(nested: below(4) == 0)) })
        }
    }

    mutating func value(_ type: SQLType, nullable: Bool) -> Value {
        if nullable && below(4) == 0 { return .null }
        switch type.layout {
        case .bool: return .boolean(below(2) == 0)
        case .int64: return .integer(Int64(below(2_000)) - 1_000)
        case .double: return .double(Double(below(1_000)) / 8)
        case .int128:
            if type == .interval { return .interval(IntervalValue(months: Int64(below(20)), microseconds: Int64(below(1_000_000)) - 500_000)) }
            return .decimal((Int128(next() >> 2) << 50) * (below(2) == 0 ? 1 : -1))
        case .string:
            let text = String((0..<below(below(20) == 0 ? 300 : 20)).map { _ in Character(Unicode.Scalar(UInt8(97 + below(26)))) })
            return type == .bytes ? .bytes(Array(text.utf8)) : .string(text)
        case .list:
            guard let element = type.element else { return .null }
            return .list((0..<below(4)).map { _ in value(element, nullable: nullable) })
        case .structure:
            guard case .row(let fields) = type else { return .null }
            return .list(fields.map { value($0.type, nullable: nullable) })
        }
    }

    mutating func batch(_ types: [SQLType], rowCount: Int, changes: Bool = false) -> RowBatch {
        let nullable = types.map { _ in below(2) == 0 }
        let rows = (0..<rowCount).map { _ in zip(types, nullable).map { value($0, nullable: $1) } }
        let batch = RowBatch.make(rows, types: types)
        guard changes else { return batch }
        let kinds = Buffer(byteCount: rowCount)
        for row in 0..<rowCount { kinds.base.storeBytes(of: UInt8(below(4)), toByteOffset: row, as: UInt8.self) }
        return RowBatch(count: rowCount, columns: batch.columns, changes: kinds)
    }
}

/// A row and what it does, comparable.
struct Row: Hashable, CustomStringConvertible {
    let values: [Value]
    let kind: ChangeKind
    var description: String { "\(kind.symbol) \(values)" }
}

func rows(_ batch: RowBatch) -> [Row] { (0..<batch.count).map { Row(values: batch.row($0), kind: batch.change(at: $0)) } }

/// All rows of a shard from a position on, read in batches of `rowLimit`.
func readAll(_ shard: Shard, from start: UInt64? = nil, rowLimit: Int = 1_000, columns: [Int]) throws -> [Row] {
    let reader = ShardReader(shard)
    var next = start ?? shard.oldestSequence
    var all: [Row] = []
    while let part = try reader.read(from: next, rowLimit: rowLimit, columns: columns) {
        XCTAssertEqual(part.firstSequence, next)
        XCTAssertTrue(part.batch.count > 0 && part.batch.count <= rowLimit)
        all += rows(part.batch)
        next = part.nextSequence
    }
    return all
}

func readAll(_ stream: LogStream, rowLimit: Int = 1_000) throws -> [[Row]] {
    try stream.shards.map { try readAll($0, rowLimit: rowLimit, columns: Array(stream.schema.fields.indices)) }
}

let numberSchema = Schema([SQLType.Field(name: "id", type: .bigint), SQLType.Field(name: "name", type: .text)])

func numberBatch(_ range: Range<Int>) -> RowBatch {
    RowBatch.make(range.map { [.integer(Int64($0)), .string("row \($0)")] }, types: numberSchema.types)
}

func ids(_ rows: [Row]) -> [Int] {
    rows.map { if case .integer(let id) = $0.values[0] { Int(id) } else { -1 } }
}

/// Opens (or makes) the stream "s" in /data of a simulated disk.
struct Bench {
    let system: SimulatedFileSystem
    let clock = ManualClock(startingAtMicroseconds: 0)

    init(seed: UInt64 = 1) { system = SimulatedFileSystem(seed: seed) }
    init(system: SimulatedFileSystem) { self.system = system }

    func open(readOnly: Bool = false) throws -> LogDirectory {
        try LogDirectory("/data", system, clock, isReadOnly: readOnly, owner: "test", syncThreadCount: 1)
    }

    func make(_ schema: Schema = numberSchema, shards: Int = 1, _ change: (inout StreamDescription) -> Void = { _ in }) throws -> (LogDirectory, LogStream) {
        let directory = try open()
        var description = StreamDescription(name: "s", schema: schema, shardCount: shards)
        change(&description)
        return (directory, try directory.create(description))
    }

    var segmentPaths: [String] { system.allPaths.filter { $0.hasSuffix(".log") } }
}
