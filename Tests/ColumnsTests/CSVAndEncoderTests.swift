import Columns
import Platform
import XCTest

final class CSVAndEncoderTests: XCTestCase {
    private let schema = Schema([.init(name: "id", type: .bigint), .init(name: "name", type: .text), .init(name: "at", type: .timestamp(precision: 3))])

    private func decode(
        _ text: String, _ schema: Schema, format: CSVFormat = CSVFormat(), _ configure: (inout DecodingOptions) -> Void = { _ in }
    ) -> (rows: [[Value]], bad: [BadRow]) {
        var options = DecodingOptions()
        configure(&options)
        let batches = CSVDecoder.decode(buffer(text), schema: schema, format: format, options: options)
        return (batches.flatMap { batch in (0..<batch.batch.count).map { batch.batch.row($0) } }, batches.flatMap(\.badRows))
    }

    func testCSV() {
        let text = "NAME,other,id\r\n\"a \"\"quoted\"\", one\",x,1\r\n\"two\nlines\",,2\n,\"\",3\n\"\",y,4\n\nplain \"quotes\",z,5"
        let (rows, bad) = decode(text, schema)
        XCTAssertEqual(bad, [])
        XCTAssertEqual(
            rows,
            [
                [.integer(1), .string("a \"quoted\", one"), .null], [.integer(2), .string("two\nlines"), .null], [.integer(3), .null, .null],
                [.integer(4), .string(""), .null], [.integer(5), .string("plain \"quotes\""), .null],
            ])
    }

    func testBadRecords() {
        var format = CSVFormat()
        format.hasHeader = false
        let text = "1,a,2024-01-01\nx,b,\n2,b\n3,\"c\"d,\n4,\"e\ne\",2024-01-01,extra\n,,\n5,f,2024-99-01\n6,\"open,\n7,g,\n"
        let (rows, bad) = decode(text, schema, format: format) { $0.columnsNotNull = [0] }
        XCTAssertEqual(rows.map { $0[0] }, [.integer(1)])
        XCTAssertEqual(
            bad.map { "\($0.lineNumber): \($0.reason)" },
            [
                "2: column \"id\": text \"x\" is no valid BIGINT at byte 1", "3: expected 3 fields, found 2",
                "4: column \"name\": text after a closing quote at byte 3", "5: expected 3 fields, found 4",
                "7: column \"id\": NULL is not allowed at byte 1", "8: column \"at\": text \"2024-99-01\" is out of range for TIMESTAMP(3) at byte 5",
                "9: quoted field without an end",
            ])
    }

    func testFormats() {
        var format = CSVFormat()
        format.delimiter = 0x7C
        format.nullText = "\\N"
        XCTAssertEqual(
            decode("id|name\n1|\n2|\\N\n3|\"\\N\"\n", Schema([schema[0], schema[1]]), format: format).rows,
            [[.integer(1), .string("")], [.integer(2), .null], [.integer(3), .string("\\N")]])
    }

    func testEverySplit() {
        let text = "id,name\r\n1,\"a\"\"b\"\n2,\"line\nline\"\r\nx,bad\n3,\"c\"x\n\n4,ä\n5,open\n6,\"never"
        let bytes = Array(text.utf8)
        func run(_ pieces: [[UInt8]], limit: Int = 16 << 20) -> ([[Value]], [BadRow], [Int]) {
            var options = DecodingOptions()
            options.limits.lineByteCountMax = limit
            options.recordsRowOffsets = true
            let decoder = CSVDecoder(schema: schema, options: options)
            var rows: [[Value]] = [], bad: [BadRow] = [], offsets: [Int] = []
            func drain() {
                while let batch = decoder.nextBatch() {
                    rows += (0..<batch.batch.count).map { batch.batch.row($0) }
                    bad += batch.badRows
                    for row in 0..<batch.batch.count { offsets.append(Int(batch.rowByteOffsets?.base.load(fromByteOffset: row * 8, as: Int64.self) ?? -1)) }
                }
            }
            for piece in pieces {
                decoder.append(buffer(piece))
                drain()
            }
            decoder.finish()
            drain()
            return (rows, bad, offsets)
        }
        for limit in [16 << 20, 10, 12] {
            let whole = run([bytes], limit: limit)
            if limit > 100 {
                XCTAssertEqual(whole.0.map { $0[0] }, [.integer(1), .integer(2), .integer(4), .integer(5)])
                XCTAssertEqual(whole.1.map(\.lineNumber), [5, 6, 10])
            }
            for cut in 0...bytes.count {
                let result = run([Array(bytes[..<cut]), Array(bytes[cut...])], limit: limit)
                XCTAssertEqual(result.0, whole.0, "cut at \(cut), limit \(limit)")
                XCTAssertEqual(result.1, whole.1, "cut at \(cut), limit \(limit)")
                XCTAssertEqual(result.2, whole.2, "cut at \(cut), limit \(limit)")
            }
            let single = run(bytes.map { [$0] }, limit: limit)
            XCTAssertEqual(single.0, whole.0)
            XCTAssertEqual(single.1, whole.1)
        }
    }

    /// Every type through JSON and through CSV and back.
    func testRoundTrips() {
        var values = RandomValues(seed: 51)
        let flat = Schema((RandomValues.flatTypes + RandomValues.nestedTypes).enumerated().map { .init(name: "c\($0.offset)", type: $0.element) })
        let all = flat
        for round in 0..<40 {
            let batch = values.batch(all, rows: 1 + round * 3)
            let output = ByteBuffer()
            JSONLinesEncoder(schema: all).append(batch, to: output)
            let decoded = JSONLinesDecoder.decode(output.takeBuffer(), schema: all)
            XCTAssertEqual(decoded.flatMap(\.badRows), [])
            let rows = decoded.flatMap { batch in (0..<batch.batch.count).map { batch.batch.row($0) } }
            XCTAssertEqual(rows.count, batch.count)
            for (index, row) in rows.enumerated() where !same(row, batch.row(index)) {
                for column in row.indices where !same(row[column], batch.row(index)[column]) {
                    XCTFail("\(all[column].type.name): \(batch.row(index)[column]) became \(row[column])")
                }
            }
            let plain = values.batch(flat, rows: 1 + round * 3)
            output.clear()
            let encoder = CSVEncoder(schema: flat)
            encoder.appendHeader(to: output)
            encoder.append(plain, to: output)
            let read = CSVDecoder.decode(output.takeBuffer(), schema: flat)
            XCTAssertEqual(read.flatMap(\.badRows), [])
            let readRows = read.flatMap { batch in (0..<batch.batch.count).map { batch.batch.row($0) } }
            XCTAssertEqual(readRows.count, plain.count)
            for (index, row) in readRows.enumerated() {
                for column in row.indices where !same(row[column], plain.row(index)[column]) {
                    XCTFail("\(flat[column].type.name): \(plain.row(index)[column]) became \(row[column])")
                }
            }
        }
    }

    func testJSONForms() {
        let types: [SQLType] = [.text, .decimal(precision: 20, scale: 3), .timestamp(precision: 3), .timestampTZ(precision: 0), .double, .interval, .bytes, .array(.text)]
        let schema = Schema(types.enumerated().map { .init(name: ["s", "d", "t", "z", "x", "i", "b", "a"][$0.offset], type: $0.element) })
        let batch = RowBatch.make(
            [[.string("a\"\u{1}\né"), .decimal(12345), .integer(0), .integer(0), .double(.nan), .interval(IntervalValue(months: 1)), .bytes([1, 2]), .list([.null, .string("x")])]],
            types: types)
        let output = ByteBuffer()
        let changes = Buffer(byteCount: 1)
        changes.base.storeBytes(of: ChangeKind.updateBefore.rawValue, as: UInt8.self)
        let changelog = RowBatch(count: 1, columns: batch.columns, changes: changes)
        JSONLinesEncoder(schema: schema, writesChangeKind: true).append(changelog, to: output)
        XCTAssertEqual(
            output.string,
            #"{"s":"a\"\u0001\né","d":12.345,"t":"1970-01-01T00:00:00.000","z":"1970-01-01T00:00:00Z","x":"NaN","i":"1 mon","b":"AQI=","a":[null,"x"],"op":"-U"}"# + "\n")
        output.clear()
        JSONLinesEncoder(schema: schema).appendArrays(batch, to: output)
        XCTAssertTrue(output.string.hasPrefix(#"["a\"\u0001\né",12.345,"#))
        output.clear()
        CSVEncoder(schema: schema, writesChangeKind: true).append(changelog, to: output)
        XCTAssertTrue(output.string.hasSuffix(#""[null,""x""]",-U"# + "\n"), output.string)
    }

    func testTable() {
        let schema = Schema([.init(name: "id", type: .bigint), .init(name: "name", type: .text), .init(name: "price", type: .decimal(precision: 10, scale: 2))])
        let batch = RowBatch.make(
            [[.integer(1), .string("漢字"), .decimal(1250)], [.integer(1000), .null, .null], [.null, .string("a\nb"), .decimal(-5)]], types: schema.types)
        let output = ByteBuffer()
        TableFormatter(schema: schema).append([batch], to: output)
        XCTAssertEqual(
            output.string,
            "  id  | name | price \n------+------+-------\n    1 | 漢字 | 12.50\n 1000 |      |      \n      | a\\nb | -0.05\n(3 rows)\n")
    }

    func testFuzz() {
        var random = SeededRandom(seed: 52)
        let alphabet = Array("abc,\"\"\n\r\n1234-:T|\u{FF}".utf8)
        for _ in 0..<3000 {
            let bytes = (0..<random.below(120)).map { _ in alphabet[random.below(alphabet.count)] }
            var options = DecodingOptions()
            options.limits.lineByteCountMax = random.below(2) == 0 ? 20 : 1 << 20
            let whole = CSVDecoder.decode(buffer(bytes), schema: schema, options: options)
            let decoder = CSVDecoder(schema: schema, options: options)
            let cut = random.below(bytes.count + 1)
            var rows = 0
            var bad: [BadRow] = []
            for piece in [Array(bytes[..<cut]), Array(bytes[cut...])] {
                decoder.append(buffer(piece))
                while let batch = decoder.nextBatch() {
                    rows += batch.batch.count
                    bad += batch.badRows
                }
            }
            decoder.finish()
            while let batch = decoder.nextBatch() {
                rows += batch.batch.count
                bad += batch.badRows
            }
            XCTAssertEqual(bad, whole.flatMap(\.badRows))
            XCTAssertEqual(rows, whole.reduce(0) { $0 + $1.batch.count })
        }
    }
}
