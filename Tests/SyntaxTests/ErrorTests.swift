// Every wrong statement of `ErrorCorpus` has exactly the message, place and hint written there.
//
// After a change that is meant to change messages: `MILLRACE_UPDATE_GOLDEN=1 swift test --filter ErrorTests` rewrites the corpus;
// read the difference before committing it.

import Foundation
import Syntax
import XCTest

final class ErrorTests: XCTestCase {
    private struct Entry {
        var source: String
        var rendered: String
    }

    private static let entrySeparator = "\n========\n"
    private static let partSeparator = "\n--------\n"

    private func entries() -> [Entry] {
        errorCorpus.components(separatedBy: Self.entrySeparator).map { text in
            let parts = text.components(separatedBy: Self.partSeparator)
            return Entry(source: parts[0], rendered: parts.count > 1 ? parts[1] : "")
        }
    }

    func testEveryMessageIsAsWritten() throws {
        let update = ProcessInfo.processInfo.environment["MILLRACE_UPDATE_GOLDEN"] != nil
        var updated: [String] = []
        let entries = entries()
        XCTAssertGreaterThanOrEqual(entries.count, 60)
        for entry in entries {
            var rendered = "no error"
            do throws(SQLError) {
                _ = try Parser.parseScript(entry.source)
                XCTFail("this parses: \(entry.source)")
            } catch {
                rendered = render(error, source: entry.source, name: nil)
            }
            updated.append(entry.source + Self.partSeparator + rendered)
            if !update { XCTAssertEqual(rendered, entry.rendered, entry.source) }
        }
        if update {
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("ErrorCorpus.swift")
            let text = "// ErrorCorpus: wrong statements and what is said about them. Rewritten by ErrorTests when asked; see there.\n\n"
                + "let errorCorpus = #\"\"\"\n" + updated.joined(separator: Self.entrySeparator) + "\n\"\"\"#\n"
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
    }

    func testAPlaceBehindTheFirstLine() {
        let error = SQLError("bad", at: SourceSpan(start: 9, end: 12))
        XCTAssertEqual(
            render(error, source: "select 1\n\tfoo", name: "a.sql"),
            "error: bad\n --> a.sql, line 2, column 1\n  |\n2 |     foo\n  | ^^^^^^")
    }

    func testWideTextAndTabs() {
        // Two ideographs take four cells; the tab behind column 14 goes to column 16.
        let source = "select '日本',\tfoo bar"
        let start = source.utf8.count - 3
        XCTAssertEqual(
            render(SQLError("bad", at: SourceSpan(start: start, end: start + 3)), source: source, name: nil),
            """
            error: bad
             --> line 1, column 18
              |
            1 | select '日本',  foo bar
              |                     ^^^
            """)
    }

    func testALongLineIsCutAroundTheCaret() {
        let source = String(repeating: "a, ", count: 200) + "@" + String(repeating: " b", count: 200)
        let text = render(SQLError("bad", at: SourceSpan(start: 600, end: 601)), source: source, name: nil)
        let lines = text.split(separator: "\n")
        XCTAssertLessThan(lines[3].count, 120)
        let caret = lines[4].distance(from: lines[4].startIndex, to: lines[4].firstIndex(of: "^") ?? lines[4].startIndex)
        XCTAssertEqual(Array(lines[3])[caret], "@")
    }

    func testSpansThatAreNotInTheTextDoNoHarm() {
        for span in [SourceSpan(start: -5, end: 3), SourceSpan(start: 50, end: 80), SourceSpan(start: 3, end: 1), .none] {
            XCTAssertFalse(render(SQLError("bad", at: span), source: "abé\r\n", name: nil).isEmpty)
            XCTAssertFalse(render(SQLError("bad", at: span), source: "", name: nil).isEmpty)
        }
    }

    func testLocations() {
        let source = "a\nbé日x\r\n\nz"
        XCTAssertEqual(SourceLocation(offset: 0, in: source), SourceLocation(line: 1, column: 1))
        XCTAssertEqual(SourceLocation(offset: 3, in: source), SourceLocation(line: 2, column: 2))
        XCTAssertEqual(SourceLocation(offset: 8, in: source), SourceLocation(line: 2, column: 4))
        XCTAssertEqual(SourceLocation(offset: 12, in: source), SourceLocation(line: 4, column: 1))
        XCTAssertEqual(SourceLocation(offset: 99, in: source), SourceLocation(line: 4, column: 2))
    }

    func testNearestNames() {
        XCTAssertEqual(NearestName.find("prise", among: ["bidder", "price"]), "price")
        XCTAssertEqual(NearestName.find("FORM", among: ["FROM", "FOR"]), "FROM")
        XCTAssertEqual(NearestName.find("dateTmie", among: ["dateTime"]), "dateTime")
        XCTAssertNil(NearestName.find("x", among: ["y"]))
        XCTAssertNil(NearestName.find("price", among: ["price"]))
        XCTAssertNil(NearestName.find("auction", among: ["bidder", ""]))
        XCTAssertNil(NearestName.find("", among: ["a"]))
    }
}
