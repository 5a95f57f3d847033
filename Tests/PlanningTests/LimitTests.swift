// Limits: statements made to be too deep, too wide or too large end in an error, in reasonable time and on a small stack.

import Columns
import Foundation
import Planning
import Syntax
import XCTest

final class LimitTests: XCTestCase {
    /// The error's code, nil when the statement has a plan. On a thread with a stack of 1 MiB.
    private func code(_ source: String) -> String? {
        final class Box: @unchecked Sendable { var code: String? }
        let box = Box()
        let done = DispatchSemaphore(value: 0)
        let statements: [ParsedStatement]
        do { statements = try Parser.parseScript(source) } catch { return error.code }
        let thread = Thread {
            do throws(SQLError) {
                for parsed in statements {
                    _ = try Planner.explain(parsed.statement, kind: nil, catalog: TestCatalog.standard, options: PlannerOptions())
                }
            } catch { box.code = error.code }
            done.signal()
        }
        thread.stackSize = 1 << 20
        thread.start()
        done.wait()
        return box.code
    }

    func testNestedQueries() {
        func nested(_ depth: Int) -> String {
            String(repeating: "SELECT * FROM (", count: depth) + "SELECT price FROM bid WHERE price > 1"
                + String(repeating: ") AS t WHERE price > 2", count: depth)
        }
        XCTAssertNil(code(nested(ParserLimits.nestingLevelsMax / 8)))
        XCTAssertEqual(code(nested(ParserLimits.nestingLevelsMax)), SQLError.programLimitExceeded)
    }

    func testViewsOverViews() throws {
        var catalog = TestCatalog.standard
        for index in 0..<100 {
            let source = "SELECT * FROM \(index == 0 ? "bid" : "v\(index - 1)") WHERE price > \(index)"
            catalog.add(ViewDefinition(name: "v\(index)", columns: [], query: try Parser.parseQuery(source)))
        }
        XCTAssertNoThrow(try Planner.plan(Parser.parseQuery("SELECT * FROM v50"), catalog: catalog, options: PlannerOptions()))
        XCTAssertThrowsError(try Planner.plan(Parser.parseQuery("SELECT * FROM v99"), catalog: catalog, options: PlannerOptions())) {
            XCTAssertEqual(($0 as? SQLError)?.code, SQLError.programLimitExceeded)
        }
    }

    func testDeepExpressions() {
        let depth = ParserLimits.nestingLevelsMax - 10
        XCTAssertNil(code("SELECT " + String(repeating: "upper(", count: depth / 4) + "channel" + String(repeating: ")", count: depth / 4) + " FROM bid"))
        XCTAssertNil(code("SELECT " + String(repeating: "CASE WHEN TRUE THEN ", count: depth / 8) + "1" + String(repeating: " END", count: depth / 8)))
        XCTAssertNil(code("SELECT price" + String(repeating: " + price", count: depth) + " AS x FROM bid GROUP BY x"))
        XCTAssertNil(code("SELECT price FROM bid WHERE " + Array(repeating: "price <> 1", count: 20_000).joined(separator: " AND ")))
    }

    func testDoublingQueriesStop() {
        var source = "WITH q0 AS (SELECT price FROM bid)"
        for index in 1...40 { source += ", q\(index) AS (SELECT * FROM q\(index - 1) UNION ALL SELECT * FROM q\(index - 1))" }
        XCTAssertEqual(code(source + " SELECT * FROM q40"), SQLError.programLimitExceeded)
    }

    func testWideStatements() {
        let wide = (0..<1700).map { "price + \($0)" }.joined(separator: ", ")
        XCTAssertEqual(code("SELECT \(wide) FROM bid"), "54011")
        let sums = (0..<1700).map { "sum(price + \($0))" }.joined(separator: ", ")
        XCTAssertEqual(code("SELECT greatest(\(sums)) FROM bid"), "54011")
        XCTAssertNil(code("SELECT \((0..<1600).map { "sum(price + \($0))" }.joined(separator: ", ")) FROM bid"))
        XCTAssertNil(code("SELECT price FROM bid WHERE price IN (\((0..<90_000).map(String.init).joined(separator: ", ")))"))
        XCTAssertNil(code("INSERT INTO sink VALUES " + (0..<20_000).map { "(\($0), 1.5, 'x')" }.joined(separator: ", ")))
    }
}
