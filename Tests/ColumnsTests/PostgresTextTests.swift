// PostgreSQL's text format of COPY: escapes, NULL, cuts anywhere, and what cannot be read.

import Columns
import Platform
import XCTest

final class PostgresTextTests: XCTestCase {
    private let schema = Schema([.init(name: "a", type: .integer), .init(name: "b", type: .text), .init(name: "c", type: .bytes)])

    private func decode(_ text: String, chunk: Int = .max, names: [String]? = nil, header: Bool = false) -> (rows: [[Value]], bad: [String]) {
        var format = CSVFormat.postgresText
        format.columnNames = names
        format.hasHeader = header
        let decoder = CSVDecoder(schema: schema, format: format)
        var bytes = Array(text.utf8)[...]
        var batches: [DecodedBatch] = []
        while !bytes.isEmpty {
            let piece = Array(bytes.prefix(chunk))
            bytes = bytes.dropFirst(chunk)
            piece.withUnsafeBytes { decoder.append(copying: $0) }
            while let batch = decoder.nextBatch() { batches.append(batch) }
        }
        decoder.finish()
        while let batch = decoder.nextBatch() { batches.append(batch) }
        return (batches.flatMap { batch in (0..<batch.batch.count).map { batch.batch.row($0) } }, batches.flatMap(\.badRows).map(\.reason))
    }

    func testEscapesAndNull() {
        let text = "1\ta\\tb\\nc\\\\d\\x41\\101\\q\t\\\\x00ff\n\\N\t\\N\t\\N\n3\t\t\n4\t\"quoted\"\t\\\\x\r\n\\.\n"
        let wanted: [[Value]] = [
            [.integer(1), .string("a\tb\nc\\dAAq"), .bytes([0, 255])], [.null, .null, .null], [.integer(3), .string(""), .bytes([])],
            [.integer(4), .string("\"quoted\""), .bytes([])],
        ]
        for chunk in [Int.max, 1, 2, 3, 7] {
            let decoded = decode(text, chunk: chunk)
            XCTAssertEqual(decoded.rows, wanted, "chunks of \(chunk)")
            XCTAssertEqual(decoded.bad, [])
        }
    }

    func testAnEscapedDelimiterIsText() {
        XCTAssertEqual(decode("1\tx\\\ty\t\\N\n").rows, [[.integer(1), .string("x\ty"), .null]])
    }

    func testColumnsByNameAndAHeaderThatIsPassedOver() {
        XCTAssertEqual(decode("x\ty\nhello\t5\n", names: ["b", "a"], header: true).rows, [[.integer(5), .string("hello"), .null]])
    }

    func testWhatCannotBeRead() {
        let decoded = decode("x\ta\t\\N\n1\ta\n1\ta\tb\tc\n2\t\\xff\t\\N\n3\tend\\\n\n4\tok\t\\N\n")
        XCTAssertEqual(decoded.rows, [[.integer(4), .string("ok"), .null]])
        XCTAssertEqual(decoded.bad.count, 6, "\(decoded.bad)")
        XCTAssertTrue(decoded.bad[0].contains("no valid INTEGER"), decoded.bad[0])
        XCTAssertTrue(decoded.bad[1].contains("expected 3 fields, found 2"), decoded.bad[1])
        XCTAssertTrue(decoded.bad[3].contains("invalid UTF-8"), decoded.bad[3])
    }

    /// The last record's end is where a reader of whole records finds it.
    func testCutsAgainstWholeRecords() {
        var random = SeededRandom(seed: 9)
        let letters = Array("a,\"\n\nb".utf8)
        for _ in 0..<3_000 {
            let bytes = (0..<random.below(60)).map { _ in letters[random.below(letters.count)] }
            var whole = CSVRecordScanner(delimiter: 0x2C)
            let wanted = bytes.withUnsafeBytes { whole.lastRecordEnd($0) }
            // In two pieces: the end in the second, or else the one in the first.
            let cut = random.below(bytes.count + 1)
            var pieces = CSVRecordScanner(delimiter: 0x2C)
            let first = Array(bytes[..<cut]).withUnsafeBytes { pieces.lastRecordEnd($0) }
            let second = Array(bytes[cut...]).withUnsafeBytes { pieces.lastRecordEnd($0) }
            XCTAssertEqual(second.map { $0 + cut } ?? first, wanted, "\(String(decoding: bytes, as: UTF8.self).debugDescription) cut at \(cut)")
        }
    }
}
