// Signatures of plans: the same for the same work however it is written, another one for every difference that state depends on.

import Columns
import Planning
import Syntax
import XCTest

final class SignatureTests: XCTestCase {
    private func signature(_ sql: String) throws -> String {
        try Planner.plan(try Parser.parseQuery(sql), mode: .continuous, catalog: TestCatalog.standard, options: PlannerOptions()).query.plan.signature
    }

    func testWhatIsWrittenOtherwiseIsTheSame() throws {
        let plain = try signature("SELECT STREAM auction, count(*) AS n FROM bid WHERE price > 100 GROUP BY auction")
        XCTAssertEqual(plain, try signature("SELECT STREAM auction,\n  COUNT(*)   AS n /* how many */ FROM bid\nWHERE price > 100\nGROUP BY auction"))
        XCTAssertEqual(plain, try signature("SELECT STREAM b.auction, count(*) AS n FROM bid AS b WHERE b.price > 100 GROUP BY b.auction"))
    }

    /// In each list no two have the same, also where EXPLAIN shows no difference.
    func testEveryDifferenceShows() throws {
        let pattern = { (define: String, measure: String) in
            """
            SELECT STREAM * FROM bid MATCH_RECOGNIZE (PARTITION BY auction ORDER BY dateTime MEASURES \(measure) AS m PATTERN (A B+) WITHIN INTERVAL '5' SECOND \
            DEFINE B AS \(define))
            """
        }
        let families: [[String]] = [
            [
                pattern("B.price > A.price", "A.price"), pattern("B.price >= A.price", "A.price"), pattern("B.price > A.price + 1", "A.price"),
                pattern("B.price > A.price", "LAST(B.price)"), pattern("B.price > PREV(B.price)", "A.price"),
            ],
            ["','", "';'"].flatMap { separator in
                ["price", "price DESC", "bidder"].map { "SELECT STREAM auction, string_agg(channel, \(separator) ORDER BY \($0)) FROM bid GROUP BY auction" }
            },
            ["sum(price)", "sum(price) FILTER (WHERE price > 1)", "sum(price) FILTER (WHERE price > 2)", "sum(DISTINCT price)", "sum(price + 1)", "sum(CAST(price AS DECIMAL(30, 0)))"].map {
                "SELECT STREAM auction, \($0) FROM bid GROUP BY auction"
            },
            ["auction, bidder", "auction, channel", "ROLLUP (auction, bidder)", "CUBE (auction, bidder)", "GROUPING SETS ((auction), (bidder))"].map {
                "SELECT STREAM count(*) FROM bid GROUP BY \($0)"
            },
            ["<= 2", "<= 3", "BETWEEN 2 AND 3"].flatMap { ranks in
                ["price", "price DESC", "price + 1", "bidder"].map {
                    "SELECT STREAM auction, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY \($0)) AS r FROM bid) WHERE r \(ranks)"
                }
            },
            ["price", "auction", "price, points => 20", "price, points => 21"].flatMap { arguments in
                ["dateTime", "dateTime, price"].map { "SELECT STREAM zscore(\(arguments)) OVER (PARTITION BY auction ORDER BY \($0)) FROM bid" }
            },
            ["a.price < b.price", "a.price <= b.price", "a.price < b.price + 1", "a.channel = b.channel"].flatMap { condition in
                ["JOIN", "LEFT JOIN"].map { "SELECT STREAM a.price, b.price FROM bid a \($0) bid b ON a.auction = b.auction AND \(condition)" }
            },
            ["10", "11"].flatMap { size in
                ["1", "2"].map {
                    "SELECT STREAM count(*) FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '\($0)' SECOND, INTERVAL '\(size)' SECOND)) GROUP BY window_start, window_end"
                }
            },
        ]
        for family in families {
            var seen: [String: String] = [:]
            for sql in family {
                let found = try signature(sql)
                XCTAssertEqual(found, try signature(sql), "the same twice: \(sql)")
                XCTAssertNil(seen[found], "the same signature as \(seen[found] ?? ""): \(sql)")
                seen[found] = sql
            }
        }
    }
}
