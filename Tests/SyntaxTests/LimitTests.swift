// Nothing that can be written makes the parser trap, overflow its stack or take more than linear time.

import Foundation
import Syntax
import XCTest

final class LimitTests: XCTestCase {
    /// Runs on a thread with a stack of 512 KiB, the smallest that anything here is run on.
    private func onSmallStack(_ body: @escaping @Sendable () -> Void) {
        let done = expectation(description: "done")
        let thread = Thread {
            body()
            done.fulfill()
        }
        #if DEBUG
        // Without optimisation frames are several times as large; what is promised is promised for a release build.
        thread.stackSize = 8 * 1024 * 1024
        #else
        thread.stackSize = 512 * 1024
        #endif
        thread.start()
        wait(for: [done], timeout: 120)
    }

    private static func error(_ source: String) -> SQLError? {
        do throws(SQLError) {
            let statement = try Parser.parseStatement(source)
            // What parses must also be safe to walk, on the same stack.
            _ = Printer.print(statement)
            _ = statement.strippingSpans() == statement
            return nil
        } catch {
            return error
        }
    }

    /// Every way to nest: `open` n times, a middle, `close` n times.
    private static let nestings: [(name: String, prefix: String, open: String, middle: String, close: String, suffix: String)] = [
        ("parentheses", "SELECT ", "(", "1", ")", ""),
        ("a pattern", "SELECT 1 FROM t MATCH_RECOGNIZE (PATTERN (", "(", "a", ")", ") DEFINE a AS TRUE)"),
        ("repetitions in a pattern", "SELECT 1 FROM t MATCH_RECOGNIZE (PATTERN (", "(", "a", ")+", ") DEFINE a AS TRUE)"),
        ("permutations", "SELECT 1 FROM t MATCH_RECOGNIZE (PATTERN (", "PERMUTE(", "a", ", b)", ") DEFINE a AS TRUE)"),
        ("parentheses and operators", "SELECT ", "(1 + ", "1", ")", ""),
        ("NOT", "SELECT ", "NOT ", "a", "", ""),
        ("minus", "SELECT ", "- ", "a", "", ""),
        ("calls", "SELECT ", "f(", "1", ")", ""),
        ("special calls", "SELECT ", "trim(both from ", "1", ")", ""),
        ("CASE", "SELECT ", "CASE WHEN ", "1", " THEN 1 END", ""),
        ("CASE at its end", "SELECT ", "CASE WHEN a THEN b ELSE ", "1", " END", ""),
        ("CAST", "SELECT ", "CAST(", "1", " AS INT)", ""),
        ("EXTRACT", "SELECT ", "EXTRACT(HOUR FROM ", "1", ")", ""),
        ("IN", "SELECT ", "a IN (", "1", ")", ""),
        ("BETWEEN", "SELECT ", "a BETWEEN (", "1", ") AND 1", ""),
        ("ARRAY", "SELECT ARRAY", "[", "1", "]", ""),
        ("ROW", "SELECT ", "ROW(", "1", ")", ""),
        ("scalar queries", "SELECT ", "(SELECT ", "1", ")", ""),
        ("EXISTS", "SELECT ", "EXISTS (SELECT ", "1", ")", ""),
        ("IN queries", "SELECT ", "a IN (SELECT ", "1", ")", ""),
        ("subqueries in FROM", "", "SELECT * FROM (", "SELECT 1", ") AS t", ""),
        ("queries in parentheses", "", "(", "SELECT 1", ")", ""),
        ("WITH", "", "WITH a AS (", "SELECT 1", ") SELECT 1", ""),
        ("joins in parentheses", "SELECT * FROM ", "(a JOIN ", "b", " ON TRUE)", ""),
        ("LATERAL", "SELECT * FROM ", "LATERAL ", "b", "", ""),
        ("set operations on the right", "", "SELECT 1 UNION (", "SELECT 1", ")", ""),
        ("types", "SELECT CAST(a AS ", "ARRAY<", "INT", ">", ")"),
        ("row types", "CREATE STREAM a (b ", "ROW<c ", "INT", ">", ")"),
        ("row types in parentheses", "CREATE STREAM a (b ", "ROW(c ", "INT", ")", ")"),
        ("window specifications", "SELECT ", "f() OVER (ORDER BY ", "1", ")", ""),
        ("FILTER", "SELECT ", "f() FILTER (WHERE ", "1", ")", ""),
        ("table functions", "SELECT * FROM ", "TABLE(f((SELECT * FROM ", "b", ")))", ""),
        ("indexes", "SELECT ", "a[", "1", "]", ""),
        ("EXPLAIN", "", "EXPLAIN ", "SELECT 1", "", ""),
    ]

    /// Every way to make a chain.
    private static let chains: [(name: String, prefix: String, link: String, suffix: String)] = [
        ("additions", "SELECT 1", " + 1", ""),
        ("concatenations", "SELECT a", " || b", ""),
        ("casts", "SELECT a", "::int", ""),
        ("indexes", "SELECT a", "[1]", ""),
        ("fields", "SELECT (a)", ".b", ""),
        ("IS tests", "SELECT a", " IS NULL", ""),
        ("time zones", "SELECT a", " AT TIME ZONE b", ""),
        ("joins", "SELECT * FROM a", " CROSS JOIN a", ""),
        ("unions", "SELECT 1", " UNION ALL SELECT 1", ""),
        ("array types", "SELECT a::int", "[]", ""),
    ]

    func testNestingIsLimitedAndSafe() {
        onSmallStack {
            for nesting in Self.nestings {
                func source(_ count: Int) -> String {
                    nesting.prefix + String(repeating: nesting.open, count: count) + nesting.middle
                        + String(repeating: nesting.close, count: count) + nesting.suffix
                }
                XCTAssertNil(Self.error(source(20)), nesting.name)
                // The deepest that is accepted is the hardest on the stack.
                for count in stride(from: 25, through: 205, by: 5) {
                    if let error = Self.error(source(count)) {
                        XCTAssertEqual(error.code, SQLError.programLimitExceeded, "\(nesting.name) \(error.message)")
                    }
                }
                XCTAssertEqual(Self.error(source(10_000))?.code, SQLError.programLimitExceeded, nesting.name)
                // And without the end.
                let open = nesting.prefix + String(repeating: nesting.open, count: 10_000)
                XCTAssertEqual(Self.error(open)?.code, SQLError.programLimitExceeded, nesting.name)
            }
        }
    }

    func testChainsAreLimitedAndSafe() {
        onSmallStack {
            for chain in Self.chains {
                func source(_ count: Int) -> String { chain.prefix + String(repeating: chain.link, count: count) + chain.suffix }
                XCTAssertNil(Self.error(source(150)), chain.name)
                for count in stride(from: 160, through: 210, by: 5) { _ = Self.error(source(count)) }
                XCTAssertEqual(Self.error(source(10_000))?.code, SQLError.programLimitExceeded, chain.name)
            }
            // Chains within chains do not add up to more than the limit.
            var source = "1"
            for _ in 0..<100 { source = "(\(source)" + String(repeating: " + 1", count: 100) + ")" }
            XCTAssertEqual(Self.error("SELECT " + source)?.code, SQLError.programLimitExceeded)
        }
    }

    func testLogicalChainsAreShallow() throws {
        for word in ["AND", "OR"] {
            let source = "SELECT 1 WHERE a = 0" + (1..<10_000).map { " \(word) a = \($0)" }.joined()
            XCTAssertNil(Self.error(source))
        }
        // However it is parenthesised, a chain is one tree.
        let plain = try Parser.parseExpression("a OR b OR c OR d").strippingSpans()
        XCTAssertEqual(try Parser.parseExpression("a OR (b OR (c OR d))").strippingSpans(), plain)
        XCTAssertEqual(try Parser.parseExpression("((a OR b) OR c) OR d").strippingSpans(), plain)
    }

    func testLongLists() {
        let items = (0..<100_000).map { String($0) }.joined(separator: ",")
        XCTAssertNil(Self.error("SELECT * FROM bid WHERE a IN (\(items))"))
        XCTAssertEqual(Self.error("SELECT * FROM bid WHERE a IN (\(items), 1)")?.code, SQLError.programLimitExceeded)
        let columns = (0..<5_000).map { "c\($0) INT" }.joined(separator: ", ")
        XCTAssertNil(Self.error("CREATE STREAM a (\(columns))"))
    }

    func testLongStatementsAndNames() {
        let long = "SELECT '" + String(repeating: "x", count: ParserLimits.statementBytesMax) + "'"
        XCTAssertEqual(Self.error(long)?.code, SQLError.programLimitExceeded)
        XCTAssertNil(Self.error("SELECT " + String(repeating: "x", count: 255)))
        XCTAssertEqual(Self.error("SELECT " + String(repeating: "x", count: 256))?.code, SQLError.programLimitExceeded)
        XCTAssertEqual(Self.error("SELECT \"" + String(repeating: "x", count: 256) + "\"")?.code, SQLError.programLimitExceeded)
        XCTAssertNil(Self.error("SELECT " + String(repeating: "9", count: 100_000)))
    }

    func testALongScriptOfShortStatements() throws {
        let script = String(repeating: "SELECT 1 FROM bid;\n", count: 100_000)
        XCTAssertEqual(try Parser.parseScript(script).count, 100_000)
    }
}
