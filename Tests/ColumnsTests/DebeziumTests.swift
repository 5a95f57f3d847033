// Debezium's change events into rows with change kinds, and back.

import Columns
import Platform
import XCTest

final class DebeziumTests: XCTestCase {
    private let schema = Schema([.init(name: "id", type: .bigint), .init(name: "tags", type: .array(.text)), .init(name: "op", type: .text)])

    private func decode(_ text: String, cutAt: Int? = nil, limit: Int = 4_096, _ configure: (inout DecodingOptions) -> Void = { _ in })
        -> (rows: [String], bad: [String], offsets: [Int])
    {
        var options = DecodingOptions()
        options.isDebezium = true
        options.batchRowLimit = limit
        options.recordsRowOffsets = true
        configure(&options)
        let decoder = JSONLinesDecoder(schema: schema, options: options)
        let bytes = Array(text.utf8)
        var rows: [String] = []
        var bad: [String] = []
        var offsets: [Int] = []
        func take() {
            while let decoded = decoder.nextBatch() {
                let encoded = ByteBuffer()
                JSONLinesEncoder(schema: schema).append(decoded.batch, to: encoded)
                for (row, line) in String(decoding: encoded.bytes, as: UTF8.self).split(separator: "\n").enumerated() {
                    rows.append("\(decoded.batch.change(at: row).symbol) \(line)")
                    offsets.append(Int(decoded.rowByteOffsets?.base.load(fromByteOffset: row * 8, as: Int64.self) ?? -1))
                }
                bad += decoded.badRows.map(\.reason)
                XCTAssertLessThanOrEqual(decoded.batch.count, max(limit, 2))
            }
        }
        let cut = cutAt ?? bytes.count
        bytes[..<cut].withUnsafeBytes { decoder.append(copying: $0) }
        take()
        bytes[cut...].withUnsafeBytes { decoder.append(copying: $0) }
        decoder.finish()
        take()
        return (rows, bad, offsets)
    }

    private let events = """
        {"before":null,"after":{"id":1,"tags":["a","b"],"op":"x"},"op":"c","ts_ms":5}
        {"schema":{"fields":[]},"payload":{"op":"r","before":null,"after":{"id":2},"source":{"op":"no"}}}
        {"op":"u","after":{"id":1,"tags":["c"]},"before":{"id":1,"tags":["a","b"]}}
        null
        {"schema":null,"payload":null}
        {"payload":{"before":{"id":2},"after":null,"op":"d"}}

        """
    private let expected = [
        "+I {\"id\":1,\"tags\":[\"a\",\"b\"],\"op\":\"x\"}", "+I {\"id\":2,\"tags\":null,\"op\":null}",
        "-U {\"id\":1,\"tags\":[\"a\",\"b\"],\"op\":null}", "+U {\"id\":1,\"tags\":[\"c\"],\"op\":null}",
        "-D {\"id\":2,\"tags\":null,\"op\":null}",
    ]

    func testEventsWithAndWithoutPayload() {
        for limit in [1, 2, 3, 4_096] {
            let result = decode(events, limit: limit)
            XCTAssertEqual(result.rows, expected, "limit \(limit)")
            XCTAssertEqual(result.bad, [])
            let starts = events.split(separator: "\n", omittingEmptySubsequences: false).reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.utf8.count + 1) }
            XCTAssertEqual(result.offsets, [starts[0], starts[1], starts[2], starts[2], starts[5]])
        }
    }

    func testCutAnywhere() {
        for cut in 0...events.utf8.count {
            XCTAssertEqual(decode(events, cutAt: cut).rows, expected, "cut at \(cut)")
        }
    }

    func testBadEvents() {
        let good = "{\"before\":null,\"after\":{\"id\":9},\"op\":\"c\"}"
        func reason(_ line: String, _ configure: (inout DecodingOptions) -> Void = { _ in }) -> String {
            let result = decode(good + "\n" + line + "\n" + good + "\n", configure)
            XCTAssertEqual(result.rows.count, 2, line)
            XCTAssertEqual(result.bad.count, 1, line)
            return result.bad.first ?? ""
        }
        XCTAssertEqual(reason("{\"id\":1}"), "a change event needs an \"op\"")
        XCTAssertEqual(reason("{}"), "a change event needs an \"op\"")
        XCTAssertEqual(reason("{\"after\":{\"id\":1}}"), "a change event needs an \"op\"")
        XCTAssertEqual(reason("{\"after\":{\"id\":1},\"op\":\"t\"}"), "the \"op\" of a change event is none of \"c\", \"r\", \"u\" and \"d\"")
        XCTAssertEqual(reason("{\"after\":{\"id\":1},\"op\":\"\"}"), "the \"op\" of a change event is none of \"c\", \"r\", \"u\" and \"d\"")
        XCTAssertEqual(reason("{\"op\":\"c\"}"), "the row \"after\" the change is missing")
        XCTAssertEqual(reason("{\"before\":{\"id\":1},\"op\":\"u\"}"), "the row \"after\" the change is missing")
        XCTAssertTrue(reason("{\"after\":{\"id\":1},\"op\":\"u\"}").hasPrefix("the row \"before\" the change is missing (the database must log whole rows"))
        XCTAssertTrue(reason("{\"after\":{\"id\":1},\"op\":\"d\"}").hasPrefix("the row \"before\" the change is missing"))
        XCTAssertEqual(
            reason("{\"after\":{\"id\":\"x\"},\"op\":\"c\"}"), "column \"after.id\": text \"x\" is no valid BIGINT at byte 16")
        XCTAssertEqual(
            reason("{\"after\":{\"tags\":[]},\"op\":\"c\"}") { $0.columnsNotNull = [0] },
            "column \"after.id\": is missing, and NULL is not allowed")
        XCTAssertEqual(reason("[1]"), "expected a JSON object, found an array at byte 1")
        XCTAssertEqual(reason("nulls"), "expected a JSON object, found nulls at byte 1")
    }

    func testUpsertNeedsNoRowBefore() {
        let text = """
            {"before":null,"after":{"id":1},"op":"u"}
            {"before":{"id":1},"op":"d"}
            {"before":{"tags":[]},"op":"d"}

            """
        let result = decode(text) {
            $0.isUpsert = true
            $0.columnsNotNull = [0]
            $0.columnsOfKey = [0]
        }
        XCTAssertEqual(result.rows, ["+U {\"id\":1,\"tags\":null,\"op\":null}", "-D {\"id\":1,\"tags\":null,\"op\":null}"])
        XCTAssertEqual(result.bad, ["column \"before.id\": is missing, and NULL is not allowed"])
    }

    func testDamagedEventsNeverTrap() {
        var random: UInt64 = 88
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % bound
        }
        let bytes = Array(events.utf8)
        for _ in 0..<3_000 {
            var damaged = bytes
            for _ in 0...next(4) { damaged[next(damaged.count)] = UInt8(truncatingIfNeeded: next(256)) }
            if next(3) == 0 { damaged.removeSubrange(next(damaged.count)...) }
            let result = decode(String(decoding: damaged, as: UTF8.self), cutAt: nil, limit: 1 + next(5))
            XCTAssertLessThan(result.rows.count, 20)
        }
    }

    func testEventsWrittenAreReadAgain() {
        var options = DecodingOptions()
        options.changeKindKey = "kind"
        let lines = "{\"id\":1,\"tags\":[\"a\"]}\n{\"id\":1,\"tags\":[\"a\"],\"kind\":\"-U\"}\n{\"id\":2,\"kind\":\"+U\"}\n{\"id\":2,\"kind\":\"-D\"}\n"
        let batches = JSONLinesDecoder.decode(Array(lines.utf8).withUnsafeBytes { Buffer(copying: $0) }, schema: schema, options: options)
        let written = ByteBuffer()
        for batch in batches { JSONLinesEncoder(schema: schema, isDebezium: true).append(batch.batch, to: written) }
        let text = String(decoding: written.bytes, as: UTF8.self)
        XCTAssertEqual(
            text.split(separator: "\n").first, "{\"before\":null,\"after\":{\"id\":1,\"tags\":[\"a\"],\"op\":null},\"op\":\"c\"}")
        XCTAssertEqual(
            decode(text).rows,
            [
                "+I {\"id\":1,\"tags\":[\"a\"],\"op\":null}", "-D {\"id\":1,\"tags\":[\"a\"],\"op\":null}", "+I {\"id\":2,\"tags\":null,\"op\":null}",
                "-D {\"id\":2,\"tags\":null,\"op\":null}",
            ])
    }

    func testLettersOfAnUpsertStream() {
        func decode(_ text: String, isUpsert: Bool) -> (kinds: [String], bad: [String]) {
            var options = DecodingOptions()
            options.changeKindKey = "kind"
            options.isUpsert = isUpsert
            options.columnsNotNull = [0, 1]
            options.columnsOfKey = [0]
            let batches = JSONLinesDecoder.decode(Array(text.utf8).withUnsafeBytes { Buffer(copying: $0) }, schema: schema, options: options)
            return (
                batches.flatMap { batch in (0..<batch.batch.count).map { batch.batch.change(at: $0).symbol } }, batches.flatMap { $0.badRows.map(\.reason) }
            )
        }
        let text = "{\"id\":1,\"tags\":[],\"kind\":\"U\"}\n{\"id\":1,\"kind\":\"D\"}\n{\"kind\":\"D\"}\n{\"id\":1}\n{\"kind\":\"d\",\"id\":1,\"tags\":null}\n"
        XCTAssertEqual(decode(text, isUpsert: true).kinds, ["+U", "-D", "-D"])
        XCTAssertEqual(
            decode(text, isUpsert: true).bad,
            ["column \"id\": is missing, and NULL is not allowed", "column \"tags\": is missing, and NULL is not allowed"])
        XCTAssertEqual(decode(text, isUpsert: false).kinds, [])
        XCTAssertEqual(decode(text, isUpsert: false).bad.count, 5)
    }
}
