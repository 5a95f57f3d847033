import Columns
import Platform
import XCTest

/// Builder, gather, slice and concatenate against plain arrays of values.
final class ColumnCoreTests: XCTestCase {
    private func values(_ column: Column) -> [Value] { (0..<column.count).map { column.value(at: $0) } }

    private func check(_ column: Column, _ expected: [Value], _ label: String, line: UInt = #line) {
        XCTAssertEqual(column.count, expected.count, label, line: line)
        guard same(values(column), expected) else { return XCTFail("\(label): \(values(column)) is not \(expected)", line: line) }
        XCTAssertEqual(column.nullCount, expected.filter(\.isNull).count, label, line: line)
    }

    func testAgainstArrays() {
        var random = RandomValues(seed: 31)
        for type in RandomValues.flatTypes + RandomValues.nestedTypes {
            for round in 0..<30 {
                let count = random.random.below(round % 3 == 0 ? 300 : 70)
                let nulls = round % 4 != 0
                let expected = (0..<count).map { _ in random.value(type, nulls: nulls) }
                let builder = ColumnBuilder(type, capacity: 1)
                for value in expected { builder.append(value) }
                let column = builder.finish()
                check(column, expected, "\(type.name) built")
                XCTAssertEqual(builder.count, 0)

                let from = random.random.below(count + 1)
                let to = from + random.random.below(count - from + 1)
                let slice = column.slice(from..<to)
                check(slice, Array(expected[from..<to]), "\(type.name) slice \(from)..<\(to)")
                if slice.count > 2 { check(slice.slice(1..<slice.count - 1), Array(expected[from + 1..<to - 1]), "\(type.name) slice of a slice") }

                if count > 0 {
                    let rows = (0..<random.random.below(100)).map { _ in Int32(random.random.below(count)) }
                    check(column.gather(rows), rows.map { expected[Int($0)] }, "\(type.name) gathered")
                    if slice.count > 0 {
                        let picked = (0..<20).map { _ in Int32(random.random.below(slice.count)) }
                        check(slice.gather(picked), picked.map { expected[from + Int($0)] }, "\(type.name) gathered from a slice")
                    }
                }
                let joined = Column.concatenate([slice, column, column.slice(0..<from), slice], type: type)
                check(
                    joined, Array(expected[from..<to]) + expected + Array(expected[0..<from]) + Array(expected[from..<to]),
                    "\(type.name) concatenated")

                let copy = ColumnBuilder(type)
                for row in 0..<slice.count { copy.append(from: slice, row: row) }
                copy.append(contentsOf: column)
                check(copy.finish(), Array(expected[from..<to]) + expected, "\(type.name) copied")

                let value = random.value(type)
                let repeats = random.random.below(150)
                builder.append(value)
                builder.append(repeating: value, count: repeats)
                builder.appendNull()
                check(builder.finish(), [Value](repeating: value, count: repeats + 1) + [.null], "\(type.name) repeated")
            }
        }
    }

    func testBatches() {
        var random = RandomValues(seed: 32)
        let schema = Schema([.init(name: "a", type: .bigint), .init(name: "b", type: .text), .init(name: "c", type: .array(.text))])
        let batch = random.batch(schema, rows: 200)
        let changes = Buffer(byteCount: 200)
        for row in 0..<200 { changes.base.storeBytes(of: UInt8(row % 4), toByteOffset: row, as: UInt8.self) }
        let changelog = RowBatch(count: 200, columns: batch.columns, changes: changes)
        let slice = changelog.slice(67..<150)
        XCTAssertEqual((0..<slice.count).map { slice.change(at: $0).rawValue }, (67..<150).map { UInt8($0 % 4) })
        let picked = slice.gather([3, 0, 3])
        XCTAssertEqual((0..<3).map { picked.change(at: $0).rawValue }, [70, 67, 70].map { UInt8($0 % 4) })
        let joined = RowBatch.concatenate([batch, slice], types: schema.types)
        XCTAssertEqual(joined.count, 283)
        XCTAssertTrue(same(joined.row(250), batch.row(117)))
        XCTAssertEqual(joined.change(at: 10), .insert)
        XCTAssertEqual(joined.change(at: 200).rawValue, UInt8(67 % 4))
    }

    func testBitmapAnd() {
        var random = RandomValues(seed: 33)
        for _ in 0..<50 {
            let rows = random.random.below(200)
            let a = random.batch(Schema([.init(name: "a", type: .bigint), .init(name: "b", type: .bigint)]), rows: rows)
            guard let both = Bitmap.and(a.columns[0].validity, a.columns[1].validity, rows: rows) else { continue }
            let column = Column(type: .bigint, count: rows, values: Buffer.zeroed(byteCount: rows * 8), validity: both)
            for row in 0..<rows { XCTAssertEqual(column.isNull(row), a.columns[0].isNull(row) || a.columns[1].isNull(row)) }
        }
    }
}
