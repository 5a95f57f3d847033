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
        let thread = Thread {
            do throws(SQLError) {
                for parsed in try Parser.parseScript(source) {
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
        XCTAssertNil(code(nested(40)))
        XCTAssertEqual(code(nested(70)), SQLError.programLimitExceeded)
    }

    func testDeepExpressions() {
        XCTAssertNil(code("SELECT " + String(repeating: "upper(", count: 180) + "channel" + String(repeating: ")", count: 180) + " FROM bid"))
        XCTAssertNil(code("SELECT price" + String(repeating: " + price", count: 180) + " AS x FROM bid GROUP BY x"))
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
