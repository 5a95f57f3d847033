// What works on several bytes or rows at once, against loops over one: letters counted and converted, parts of texts, rows picked in runs. Lengths
// lie around the sizes of the blocks.

import Columns
import Planning
import XCTest

@testable import Dataflow

final class WordAtATimeExpressionTests: XCTestCase {
    private static let lengths = Array(0...40) + [63, 64, 65, 255, 256, 257, 4079, 4080, 4081, 4096, 9000]

    /// Texts of few letters, some beyond ASCII, some NULL.
    private func texts(_ alphabet: [String], _ random: inout TestRandom) -> [Value] {
        WordAtATimeExpressionTests.lengths.flatMap { length -> [Value] in
            (0..<4).map { kind in
                if kind == 3 && length % 3 == 0 { return .null }
                return .string((0..<length).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined())
            }
        }
    }

    private func check(_ sql: String, _ values: [Value], _ expected: (String) -> Value) throws {
        let batch = RowBatch.make(values.map { [$0] }, types: [.text])
        let context = EvaluationContext(clockMicroseconds: 0)
        let bound = try TestBinder(names: ["s"], types: [.text]).bind(sql)
        let result = try CompiledExpression.compile(bound).evaluate(batch, context)
        XCTAssertTrue(context.takeFailures().isEmpty)
        for (row, value) in values.enumerated() {
            guard case .string(let text) = value else {
                XCTAssertEqual(result.value(at: row), .null)
                continue
            }
            XCTAssertEqual(result.value(at: row), expected(text), "\(sql) of \(text.count) characters: \(text.prefix(60))")
        }
    }

    func testLettersCounted() throws {
        var random = TestRandom(31)
        for (alphabet, needles) in [(["a", "b", "c"], ["c", "ab", "aa", "x"]), (["a", "é", "日"], ["é", "a", "日a", "éé"])] {
            let values = texts(alphabet, &random)
            for needle in needles {
                try check("char_length(s) - char_length(replace(s, '\(needle)', ''))", values) { text in
                    let parts = text.components(separatedBy: needle)
                    return .integer(Int64((parts.count - 1) * needle.unicodeScalars.count))
                }
            }
            // What looks like it and is something else.
            try check("char_length(s) - char_length(replace(s, '', ''))", values) { _ in .integer(0) }
            try check("char_length(s) - char_length(replace(upper(s), 'A', ''))", values) { text in
                .integer(Int64(text.unicodeScalars.filter { $0 == "a" }.count))
            }
            try check("char_length(s) - char_length(replace(s, 'a', 'b'))", values) { _ in .integer(0) }
        }
    }

    func testCaseConverted() throws {
        var random = TestRandom(32)
        let ascii = (0..<128).map { String(Unicode.Scalar(UInt8($0))) }.filter { $0 != "\0" }
        for alphabet in [ascii, ["A", "z", "É", "ß", "@", "[", "`", "{"]] {
            let values = texts(alphabet, &random)
            try check("lower(s)", values) { .string($0.unicodeScalars.map { $0.properties.lowercaseMapping }.joined()) }
            try check("upper(s)", values) { .string($0.unicodeScalars.map { $0.properties.uppercaseMapping }.joined()) }
        }
    }

    func testParts() throws {
        var random = TestRandom(33)
        for alphabet in [["a", "b", "/"], ["a", "日", "é", "x", "y", "z", "/"]] {
            let values = texts(alphabet, &random)
            for index in [0, 1, 2, 5, 17, 300] {
                let part = { (text: String) -> String? in
                    let parts = text.components(separatedBy: "/")
                    return index < parts.count ? parts[index] : nil
                }
                try check("split_index(s, '/', \(index))", values) { text in text.isEmpty ? .null : part(text).map { .string($0) } ?? .null }
                try check("split_part(s, '/', \(index + 1))", values) { text in .string(part(text) ?? "") }
            }
        }
    }

    /// An AND and an OR whose costly condition stands first give what one row at a time gives.
    func testConditionsInAnyOrder() throws {
        var random = TestRandom(34)
        let values = texts(["a", "b", "&x=", "1"], &random).filter { !$0.isNull }
        let first = { (text: String) in text.range(of: "&x=1") != nil }
        let second = { (text: String) in text.lowercased().hasPrefix("a") }
        let pattern = "regexp_extract(s, '(&|^)x=(1)', 2) IS NOT NULL"
        try check("\(pattern) OR lower(s) >= 'a' AND lower(s) < 'b'", values) { text in
            .boolean(first(text) || text.hasPrefix("x=1") || second(text))
        }
        try check("\(pattern) AND lower(s) >= 'a' AND lower(s) < 'b'", values) { text in .boolean(first(text) && second(text)) }
    }

    func testRowsPicked() {
        var random = TestRandom(35)
        let types: [SQLType] = [.bigint, .text, .boolean, .decimal(precision: 20, scale: 2)]
        let rows = (0..<5000).map { row -> [Value] in
            let isNull = row % 1000 < 300 && row % 7 == 0
            return isNull ? [.null, .null, .null, .null] : [.integer(Int64(row)), .string("text \(row)"), .boolean(row % 3 == 0), .decimal(Int128(row))]
        }
        let batch = RowBatch.make(rows, types: types)
        func check(_ numbers: [Int32]) {
            let picked: RowBatch = numbers.withUnsafeBufferPointer { batch.picked($0) }
            XCTAssertEqual(picked.count, numbers.count)
            for (index, number) in numbers.enumerated() where picked.row(index) != rows[Int(number)] {
                return XCTFail("row \(number) at \(index) of \(numbers.count)")
            }
        }
        check([])
        check(Array(0..<5000))
        check(Array(64..<128))
        check((0..<5000).filter { $0 % 50 >= 4 }.map { Int32($0) })
        check((0..<5000).reversed().map { Int32($0) })
        for length in [1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200] {
            var numbers: [Int32] = []
            while numbers.count < 3000 {
                let start = Int32.random(in: 0..<4000, using: &random)
                numbers += (0..<Int32(Int.random(in: 1...length * 2, using: &random))).map { start + $0 }
                // Numbers that look like a run by their ends, and are none.
                if length == 9 { numbers += [start, start + 3, start + 2, start + 1, start + 5, start + 4, start + 7, start + 6, start + 8] }
            }
            check(numbers)
        }
    }
}
