import Columns
import Platform
import XCTest

final class JSONDecoderTests: XCTestCase {
    private let schema = Schema([
        .init(name: "id", type: .bigint), .init(name: "price", type: .decimal(precision: 10, scale: 2)), .init(name: "name", type: .text),
        .init(name: "at", type: .timestamp(precision: 3)), .init(name: "ok", type: .boolean), .init(name: "x", type: .double),
    ])

    private func decode(_ text: String, _ schema: Schema, _ configure: (inout DecodingOptions) -> Void = { _ in }) -> (rows: [[Value]], bad: [BadRow]) {
        decode(buffer(text), schema, configure)
    }

    private func decode(
        _ bytes: Buffer, _ schema: Schema, _ configure: (inout DecodingOptions) -> Void = { _ in }
    ) -> (rows: [[Value]], bad: [BadRow]) {
        var options = DecodingOptions()
        configure(&options)
        let batches = JSONLinesDecoder.decode(bytes, schema: schema, options: options)
        return (batches.flatMap { batch in (0..<batch.batch.count).map { batch.batch.row($0) } }, batches.flatMap(\.badRows))
    }

    private func one(_ text: String, _ type: SQLType) -> Value? {
        let result = decode("{\"v\":" + text + "}", Schema([.init(name: "v", type: type)]))
        return result.rows.first?.first
    }

    private func reason(_ text: String, _ type: SQLType) -> String {
        decode("{\"v\":" + text + "}", Schema([.init(name: "v", type: type)])).bad.first?.reason ?? "none"
    }

    func testRows() {
        let text = """
            {"id":1,"price":12.5,"name":"a","at":"2024-01-02T03:04:05.678","ok":true,"x":1e3}
            { "x" : -0.5 , "ok":false, "unknown":{"deep":[1,{"a":"}"},"\\""]}, "ID":2, "name":"b\\u00e4\\ud83d\\ude00\\n" }

            {"id":3,"id":4,"name":null,"nothing":null}\r
            {}
            """
        let (rows, bad) = decode(text, schema)
        XCTAssertEqual(bad, [])
        XCTAssertEqual(
            rows,
            [
                [.integer(1), .decimal(1250), .string("a"), .integer(1_704_164_645_678_000), .boolean(true), .double(1000)],
                [.integer(2), .null, .string("bä😀\n"), .null, .boolean(false), .double(-0.5)],
                [.integer(4), .null, .null, .null, .null, .null],
                [.null, .null, .null, .null, .null, .null],
            ])
    }

    func testValues() {
        let decimal = SQLType.decimal(precision: 38, scale: 10)
        let cases: [(String, SQLType, Value)] = [
            ("9223372036854775807", .bigint, .integer(.max)), ("-9223372036854775808", .bigint, .integer(.min)), ("0", .bigint, .integer(0)),
            ("-0", .bigint, .integer(0)), ("1.0", .bigint, .integer(1)), ("1e3", .bigint, .integer(1000)), ("\" 42 \"", .bigint, .integer(42)),
            ("12345678", .bigint, .integer(12345678)), ("123456789", .bigint, .integer(123456789)), ("1234567", .bigint, .integer(1234567)),
            ("1234567890123456789", .bigint, .integer(1234567890123456789)),
            ("32767", .smallint, .integer(32767)), ("1.00000000005", decimal, .decimal(10000000001)), ("\"-12.5\"", decimal, .decimal(-125000000000)),
            ("1e-3", decimal, .decimal(10000000)), ("0.1", .double, .double(0.1)), ("\"NaN\"", .double, .double(.nan)), ("1", .real, .double(1)),
            ("12", .text, .string("12")), ("1.50", .text, .string("1.50")), ("true", .text, .string("true")),
            ("{\"a\": [1, 2]}", .text, .string("{\"a\": [1, 2]}")), ("\"\"", .text, .string("")), ("\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"", .text, .string("/\u{8}\u{C}\n\r\t\"\\")),
            ("\"2024-01-02\"", .date, .integer(19724)), ("\"03:04:05\"", .time(precision: 0), .integer(11_045_000_000)),
            ("1704164645678", .timestamp(precision: 3), .integer(1_704_164_645_678_000)), ("-1", .timestampTZ(precision: 0), .integer(-1_000_000)),
            ("\"2024-01-02T03:04:05+01:00\"", .timestampTZ(precision: 3), .integer(1_704_161_045_000_000)),
            ("\"2024-01-02T03:04:05.678\"", .timestamp(precision: 0), .integer(1_704_164_645_000_000)),
            ("\"1970-01-01T00:00:00.001\"", .timestamp(precision: 3), .integer(1000)),
            ("\"1 day\"", .interval, .interval(IntervalValue(microseconds: 86_400_000_000))), ("\"3q0=\"", .bytes, .bytes([0xDE, 0xAD])),
            ("\"\\\\xDEAD\"", .bytes, .bytes([0xDE, 0xAD])), ("\"yes\"", .boolean, .boolean(true)), ("null", .null, .null),
            ("[1,null,3]", .array(.integer), .list([.integer(1), .null, .integer(3)])), ("[]", .array(.integer), .list([])),
            ("[[1],[],null]", .array(.array(.bigint)), .list([.list([.integer(1)]), .list([]), .null])),
            ("{\"b\":\"x\"}", .row([.init(name: "a", type: .bigint), .init(name: "b", type: .text)]), .list([.null, .string("x")])),
            ("[{\"a\":1},{\"a\":2}]", .array(.row([.init(name: "a", type: .bigint)])), .list([.list([.integer(1)]), .list([.integer(2)])])),
        ]
        for (text, type, value) in cases {
            guard let decoded = one(text, type) else { XCTFail("\(text): \(reason(text, type))"); continue }
            XCTAssertTrue(same(decoded, value), "\(text) as \(type.name): \(decoded)")
        }
    }

    func testReasons() {
        let cases: [(String, SQLType, String)] = [
            ("99999999999999999999", .bigint, "column \"v\": number 99999999999999999999 is out of range for BIGINT at byte 6"),
            ("32768", .smallint, "column \"v\": number 32768 is out of range for SMALLINT at byte 6"),
            ("1.5", .bigint, "column \"v\": number 1.5 is no whole number, as BIGINT needs at byte 6"),
            ("01", .bigint, "01 is no JSON number at byte 6"), ("-", .bigint, "expected a value"), ("1.", .double, "1. is no JSON number at byte 6"),
            ("\"abc\"", .bigint, "column \"v\": text \"abc\" is no valid BIGINT at byte 6"),
            ("true", .bigint, "column \"v\": expected BIGINT, found true at byte 6"),
            ("{}", .bigint, "column \"v\": expected BIGINT, found an object at byte 6"),
            ("1", .boolean, "column \"v\": expected BOOLEAN, found number 1 at byte 6"),
            ("12345.678", .decimal(precision: 5, scale: 2), "column \"v\": number 12345.678 is out of range for DECIMAL(5, 2) at byte 6"),
            ("1e400", .double, "column \"v\": number 1e400 is out of range for DOUBLE at byte 6"),
            ("\"abcd\"", .varchar(length: 3), "column \"v\": text \"abcd\" is too long for VARCHAR(3) at byte 6"),
            ("\"2024-02-30T00:00:00\"", .timestamp(precision: 3), "column \"v\": text \"2024-02-30T00:00:00\" is out of range for TIMESTAMP(3) at byte 6"),
            ("\"2024-02-30T00:00:00.000\"", .timestamp(precision: 3), "column \"v\": text \"2024-02-30T00:00:00.000\" is out of range for TIMESTAMP(3) at byte 6"),
            ("tru", .boolean, "expected true, false or null, found tru at byte 6"), ("\"a", .text, "string without an end at byte 6"),
            ("\"\\ud800\"", .text, "half of a surrogate pair in a string at byte 7"), ("\"\\udc00\"", .text, "half of a surrogate pair in a string at byte 7"),
            ("\"\\ud800\\u0041\"", .text, "half of a surrogate pair in a string at byte 7"), ("\"\\x\"", .text, "invalid escape in a string at byte 7"),
            ("\"\\u12g4\"", .text, "invalid escape in a string at byte 7"), ("\"a\tb\"", .text, "control character in a string at byte 8"),
            ("1 2", .bigint, "expected \",\" or \"}\", found number 2 at byte 8"), ("[1,]", .array(.bigint), "column \"v[]\": expected a value, found \"]\" at byte 9"),
            ("[1 2]", .array(.bigint), "expected \",\" or \"]\", found number 2 at byte 9"), ("", .bigint, "column \"v\": expected a value, found \"}\" at byte 6"),
            ("{\"a\":\"x\"}", .row([.init(name: "a", type: .bigint)]), "column \"v.a\": text \"x\" is no valid BIGINT at byte 11"),
            ("1}x", .bigint, "expected the end of the line, found x at byte 8"),
            ("9999999999999999", .timestamp(precision: 3), "column \"v\": number 9999999999999999 is out of range for TIMESTAMP(3) at byte 6"),
        ]
        for (text, type, expected) in cases where text != "-" { XCTAssertEqual(reason(text, type), expected, text) }
        XCTAssertEqual(reason("-", .bigint), "- is no JSON number at byte 6")

        let lines: [(String, String)] = [
            ("[1]", "expected a JSON object, found an array at byte 1"), ("  x", "expected a JSON object, found x at byte 3"),
            ("{\"id\":1", "expected \",\" or \"}\", found the end of the line at byte 8"), ("{\"id\"", "expected \":\" after a key, found the end of the line at byte 6"),
            ("{", "expected a key in double quotes, found the end of the line at byte 2"), ("{id:1}", "expected a key in double quotes, found id at byte 2"),
            ("{\"id\":1,}", "expected a key in double quotes, found \"}\" at byte 9"), ("{\"nothing\":[1,}", "expected a value, found \"}\" at byte 15"),
        ]
        for (text, expected) in lines { XCTAssertEqual(decode(text, schema).bad.map(\.reason), [expected], text) }
    }

    func testBadRowsSayWhere() {
        let text = "{\"id\":1}\n\n{\"id\":\"x\"}\r\n{\"id\":2}\nnonsense\n{\"id\":3}"
        let (rows, bad) = decode(text, schema)
        XCTAssertEqual(rows.map { $0[0] }, [.integer(1), .integer(2), .integer(3)])
        XCTAssertEqual(
            bad,
            [
                BadRow(bytes: Array("{\"id\":\"x\"}".utf8), reason: "column \"id\": text \"x\" is no valid BIGINT at byte 7", lineNumber: 3, byteOffset: 10, column: 7),
                BadRow(bytes: Array("nonsense".utf8), reason: "expected a JSON object, found nonsense at byte 1", lineNumber: 5, byteOffset: 31, column: 1),
            ])
    }

    func testNotNull() {
        let (rows, bad) = decode("{\"id\":1,\"at\":null}\n{\"id\":1}\n{\"id\":1,\"at\":0}", schema) { $0.columnsNotNull = [3] }
        XCTAssertEqual(rows.count, 1)
        XCTAssertEqual(bad.map(\.reason), ["column \"at\": null is not allowed at byte 14", "column \"at\": is missing, and NULL is not allowed"])
        // What the bad rows cleared is set again.
        XCTAssertEqual(rows.first?[0], .integer(1))
        XCTAssertEqual(rows.first?[3], .integer(0))
    }

    func testBadRowsLeaveNothingBehind() {
        let nested = Schema([
            .init(name: "a", type: .array(.text)), .init(name: "r", type: .row([.init(name: "x", type: .bigint), .init(name: "l", type: .array(.bigint))])),
            .init(name: "b", type: .bigint),
        ])
        let text = """
            {"a":["1",null],"r":null,"b":null,"c":}
            {"a":["2"],"r":{"x":1,"l":[1,null]},"b":1}
            {"a":[null,null,3],"r":{"x":null,"l":[null,null]},"b":"no"}
            {"a":["4","5"],"r":{"x":2,"l":[7]},"a":["6"],"b":2,"b":null,"b":3}
            """
        let (rows, bad) = decode(text, nested)
        XCTAssertEqual(bad.count, 2)
        XCTAssertEqual(
            rows,
            [
                [.list([.string("2")]), .list([.integer(1), .list([.integer(1), .null])]), .integer(1)],
                [.list([.string("6")]), .list([.integer(2), .list([.integer(7)])]), .integer(3)],
            ])
    }

    func testDepthLimit() {
        let deep = String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
        XCTAssertEqual(decode("{\"id\":1,\"z\":\(deep)}", schema).rows.count, 1)
        let deeper = String(repeating: "[", count: 100_000)
        XCTAssertEqual(decode("{\"id\":1,\"z\":\(deeper)}", schema).bad.first?.reason, "more than 64 levels of objects and arrays at byte 76")
    }

    func testInvalidUTF8() {
        let bytes = Array("{\"name\":\"a".utf8) + [0xC3] + Array("\"}\n{\"name\":\"ä\"}\n".utf8)
        let (rows, bad) = decode(buffer(bytes), schema)
        XCTAssertEqual(rows.map { $0[2] }, [.string("ä")])
        XCTAssertEqual(bad.map(\.reason), ["invalid UTF-8 at byte 11"])
    }

    func testLongLines() {
        let limits = { (options: inout DecodingOptions) in
            options.limits.lineByteCountMax = 1000
            options.limits.badRowByteCountMax = 100
        }
        let long = "{\"name\":\"" + String(repeating: "x", count: 5000) + "\"}"
        let exact = "{\"name\":\"" + String(repeating: "y", count: 1000 - 11) + "\"}"
        let text = "{\"id\":1}\n\(long)\n\(exact)\n{\"id\":2}\n\(long)"
        for step in [1, 7, 100, 999, 1000, 1001, 5000, 100_000] {
            var options = DecodingOptions()
            limits(&options)
            let decoder = JSONLinesDecoder(schema: schema, options: options)
            let bytes = Array(text.utf8)
            var rows: [[Value]] = []
            var bad: [BadRow] = []
            for start in stride(from: 0, to: bytes.count, by: step) {
                decoder.append(buffer(Array(bytes[start..<min(start + step, bytes.count)])))
                while let batch = decoder.nextBatch() {
                    rows += (0..<batch.batch.count).map { batch.batch.row($0) }
                    bad += batch.badRows
                }
            }
            decoder.finish()
            while let batch = decoder.nextBatch() {
                rows += (0..<batch.batch.count).map { batch.batch.row($0) }
                bad += batch.badRows
            }
            XCTAssertEqual(rows.map { $0[0] }, [.integer(1), .null, .integer(2)], "step \(step)")
            XCTAssertEqual(bad.map(\.reason), ["line is longer than 1000 bytes", "line is longer than 1000 bytes"], "step \(step)")
            XCTAssertEqual(bad.map(\.lineNumber), [2, 5])
            XCTAssertEqual(bad.map(\.byteOffset), [9, 9 + 5012 + 1001 + 9])
            XCTAssertTrue(bad.allSatisfy { $0.bytes == Array(long.utf8.prefix(100)) })
        }
    }

    /// The same rows, bad rows and positions wherever the input is cut.
    func testEverySplit() {
        let text = """
            {"id":1,"price":12.5,"name":"abc","at":"2024-01-02T03:04:05.678","ok":true,"x":1e3}
            {"id":"no"}

            {"name":"ä😀\\u00e4","id":2,"z":[1,{"a":2}]}\r
            oops
            {"id":3}
            {"id":4
            """
        let bytes = Array(text.utf8)
        let whole = run([bytes])
        XCTAssertEqual(whole.rows.count, 3)
        XCTAssertEqual(whole.bad.count, 3)
        for cut in 0...bytes.count {
            let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])]
            for borrowed in [false, true] {
                let result = run(pieces, borrowed: borrowed)
                XCTAssertTrue(result.rows.count == whole.rows.count && zip(result.rows, whole.rows).allSatisfy { same($0, $1) }, "cut at \(cut)")
                XCTAssertEqual(result.bad, whole.bad, "cut at \(cut)")
                XCTAssertEqual(result.offsets, whole.offsets, "cut at \(cut)")
                XCTAssertEqual(result.end, bytes.count)
            }
        }
        let single = run(bytes.map { [$0] })
        XCTAssertEqual(single.bad, whole.bad)
        XCTAssertEqual(single.rows.count, 3)
        for limit in 1...3 {
            let result = run([bytes], rowLimit: limit)
            XCTAssertEqual(result.bad, whole.bad)
            XCTAssertEqual(result.offsets, whole.offsets)
        }
    }

    private func run(
        _ pieces: [[UInt8]], borrowed: Bool = false, rowLimit: Int = 4096
    ) -> (rows: [[Value]], bad: [BadRow], offsets: [Int64], end: Int) {
        var options = DecodingOptions()
        options.batchRowLimit = rowLimit
        options.recordsRowOffsets = true
        let decoder = JSONLinesDecoder(schema: schema, options: options)
        var rows: [[Value]] = []
        var bad: [BadRow] = []
        var offsets: [Int64] = []
        var end = 0
        func drain() {
            while let batch = decoder.nextBatch() {
                rows += (0..<batch.batch.count).map { batch.batch.row($0) }
                bad += batch.badRows
                end = batch.endByteOffset
                for row in 0..<batch.batch.count {
                    offsets.append(batch.rowByteOffsets?.base.load(fromByteOffset: row * 8, as: Int64.self) ?? -1)
                }
            }
        }
        for piece in pieces {
            let owned = buffer(piece)
            decoder.append(borrowed ? Buffer(borrowing: owned.base, byteCount: owned.byteCount, owner: owned) : owned)
            drain()
        }
        decoder.finish()
        drain()
        return (rows, bad, offsets, end)
    }

    func testChangeKinds() {
        let batches = JSONLinesDecoder.decode(
            buffer("{\"id\":1,\"op\":\"+I\"}\n{\"op\":\"-U\",\"id\":2}\n{\"id\":3,\"op\":\"-D\"}\n{\"id\":4}\n{\"id\":5,\"op\":\"?\"}"), schema: schema,
            options: { var options = DecodingOptions(); options.changeKindKey = "op"; return options }())
        XCTAssertEqual(batches.first.map { batch in (0..<batch.batch.count).map { batch.batch.change(at: $0) } }, [.insert, .updateBefore, .delete, .insert])
        XCTAssertEqual(batches.first?.badRows.count, 1)
    }

    /// Many keys, keys in changing order, keys nobody wants, keys longer than a word.
    func testKeys() {
        var random = SeededRandom(seed: 41)
        let names = (0..<60).map { "column" + String(repeating: "_", count: $0 % 23) + String($0) } + ["ä", "a\"b", "tab\t", ""]
        let wide = Schema(names.map { .init(name: $0, type: .bigint) })
        var text = ""
        var expected: [[Value]] = []
        for _ in 0..<300 {
            var row = [Value](repeating: .null, count: names.count)
            var members: [String] = []
            for (index, name) in names.enumerated() where random.below(4) > 0 {
                let value = Int64(random.below(1000))
                row[index] = .integer(value)
                let buffer = ByteBuffer()
                JSONText.append(string: random.below(5) == 0 ? name.uppercased().replacingÄ : name, to: buffer)
                members.append("\(buffer.string)\(random.below(2) == 0 ? " " : ""):\(value)")
            }
            for _ in 0..<random.below(3) { members.append("\"unknown\(random.below(600))\":{\"column0\":[]}") }
            if random.below(2) == 0 { members.shuffle(using: &random) }
            text += "{" + members.joined(separator: random.below(2) == 0 ? "," : " , ") + "}\n"
            expected.append(row)
        }
        let (rows, bad) = decode(text, wide)
        XCTAssertEqual(bad, [])
        XCTAssertEqual(rows, expected)
    }

    /// Whatever the bytes, nothing traps, every line is a row or a bad row, and strict JSON stays strict.
    func testFuzz() {
        var values = RandomValues(seed: 42)
        let nested = Schema(
            (RandomValues.flatTypes + RandomValues.nestedTypes).enumerated().map { .init(name: "c\($0.offset)", type: $0.element) })
        for round in 0..<400 {
            let output = ByteBuffer()
            JSONLinesEncoder(schema: nested).append(values.batch(nested, rows: 5), to: output)
            var bytes = output.array
            for _ in 0..<values.random.below(12) where !bytes.isEmpty {
                let position = values.random.below(bytes.count)
                switch values.random.below(5) {
                case 0: bytes[position] = UInt8(values.random.below(256))
                case 1: bytes.remove(at: position)
                case 2: bytes.insert(Array("{}[]\",:\\\n0-.eunt\u{1}".utf8)[values.random.below(17)], at: position)
                case 3: bytes.removeSubrange(position..<min(position + values.random.below(30), bytes.count))
                default: bytes.insert(contentsOf: bytes[position..<min(position + values.random.below(30), bytes.count)], at: position)
                }
            }
            if round % 4 == 0 { bytes = (0..<values.random.below(200)).map { _ in UInt8(values.random.below(256)) } }
            let (rows, bad) = decode(buffer(bytes), nested)
            let lines = bytes.split(separator: 0x0A).filter { line in line.contains { $0 != 0x20 && $0 != 9 && $0 != 13 } }.count
            XCTAssertEqual(rows.count + bad.count, lines, "round \(round)")
        }
    }

    func testSplitterAndLastNewline() {
        let bytes = Array("a\nbb\nccc\ndddd".utf8)
        bytes.withUnsafeBytes { raw in
            XCTAssertEqual(LineSplitter.lastNewline(in: raw), 8)
            XCTAssertEqual(LineSplitter.split(raw, pieces: 2), [0..<9, 9..<13])
            for pieces in 1...20 {
                let ranges = LineSplitter.split(raw, pieces: pieces)
                XCTAssertEqual(ranges.first?.lowerBound, 0)
                XCTAssertEqual(ranges.last?.upperBound, 13)
                for (a, b) in zip(ranges, ranges.dropFirst()) {
                    XCTAssertEqual(a.upperBound, b.lowerBound)
                    XCTAssertEqual(raw[a.upperBound - 1], 0x0A)
                }
            }
        }
    }

    func testByteOrderMark() {
        XCTAssertEqual(decode("\u{FEFF}{\"id\":1}", schema).rows.count, 1)
    }
}

extension String {
    /// Only ASCII letters match whatever their case.
    fileprivate var replacingÄ: String { self == "Ä" ? "ä" : self }
}
