// Fields read from the log by path are the fields of whole columns, whatever the frames look like, and nothing else is needed for them.

import Columns
import Platform
import ShardLog
import XCTest

final class ColumnPathTests: XCTestCase {
    /// All paths through rows of a type.
    private func paths(_ type: SQLType) -> [[Int]] {
        guard case .row(let fields) = type else { return [[]] }
        return [[]] + fields.indices.flatMap { index in paths(fields[index].type).map { [index] + $0 } }
    }

    func testPathsAreFieldsOfWholeColumns() throws {
        for seed in 0..<40 as Range<UInt64> {
            var random = SeededRandom(seed: 900 + seed)
            let types: [SQLType] = (0..<random.below(3) + 1).map { _ in
                .row((0..<random.below(4) + 1).map { SQLType.Field(name: "f\($0)", type: random.type()) })
            }
            let schema = Schema(types.enumerated().map { SQLType.Field(name: "c\($0)", type: $1) })
            let bench = Bench(seed: seed)
            let (_, stream) = try bench.make(schema, shards: 1) { $0.segmentByteCount = random.below(2) == 0 ? 20_000 : 1 << 20 }
            for append in 0..<random.below(12) + 1 {
                let batch = random.batch(types, rowCount: random.below(4) == 0 ? 300 : 7)
                _ = try stream.append([batch], routing: .automatic(rotation: 0), arrivalMicroseconds: Int64(append))
            }
            for _ in 0..<2 {
                let reader = ShardReader(stream.shards[0])
                for column in types.indices {
                    for path in paths(types[column]) {
                        var next = stream.shards[0].oldestSequence
                        while let part = try reader.read(from: next, rowLimit: 100, paths: [ColumnPath(column, fields: path)]) {
                            let whole = try XCTUnwrap(try reader.read(from: next, to: part.nextSequence, rowLimit: 100, columns: [column]))
                            XCTAssertEqual(whole.batch.count, part.batch.count)
                            let expected = whole.batch.columns[0].field(at: path)
                            for row in 0..<part.batch.count {
                                var value = whole.batch.columns[0].value(at: row)
                                for index in path { if case .list(let fields) = value { value = fields[index] } else { value = .null } }
                                XCTAssertEqual(part.batch.columns[0].value(at: row), value, "seed \(seed), path \(path)")
                                // A field of a NULL structure is NULL itself.
                                XCTAssertEqual(expected.value(at: row), value)
                            }
                            next = part.nextSequence
                        }
                    }
                }
                XCTAssertThrowsError(try reader.read(from: stream.shards[0].oldestSequence, rowLimit: 1, paths: [ColumnPath(0, fields: [99])]))
                while try stream.maintain(nowMicroseconds: 100).hasMore {}
            }
        }
    }
}
