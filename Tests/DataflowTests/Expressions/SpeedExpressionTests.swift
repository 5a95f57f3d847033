// How fast the kernels that matter are. Printed, and only asked for with MILLRACE_BENCH=1: a figure on a busy machine proves nothing.

import Columns
import Glibc
import Planning
import XCTest

@testable import Dataflow

final class SpeedExpressionTests: XCTestCase {
    private func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private func measure(_ name: String, _ rows: Int, _ body: () -> Void) {
        var best = UInt64.max
        for _ in 0..<7 {
            let start = nanoseconds()
            for _ in 0..<50 { body() }
            best = min(best, nanoseconds() - start)
        }
        let each = Double(best) / Double(50 * rows)
        print("\(name): \((each * 1000).rounded() / 1000) ns/row, \((1000 / each).rounded()) M rows/s")
    }

    func testSpeed() throws {
        guard getenv("MILLRACE_BENCH") != nil else { return }
        var random = TestRandom(1)
        let count = 4096
        let types: [SQLType] = [.bigint, .bigint, .text, .timestamp(precision: 3), .double, .integer]
        let rows: [[Value]] = (0..<count).map { index in
            let channel = index % 3 == 0 ? "&channel_id=\(random.next() % 100_000)" : ""
            return [
                .integer(Int64(random.next() % 100_000)), .integer(Int64(random.next() % 10_000_000)),
                .string("https://www.nexmark.com/abc/\(random.next() % 1000)/item.htm?query=1" + channel),
                .integer(1_795_256_430_000_000 + Int64(index) * 1000), .double(Double(index)), .integer(Int64(index)),
            ]
        }
        let batch = RowBatch.make(rows, types: types)
        let binder = TestBinder(names: ["auction", "price", "url", "ts", "d", "i"], types: types)
        let filter = try RowFilter.compile(binder.bind("auction % 123 = 0"))
        measure("filter auction % 123 = 0 (6 columns gathered)", count) { _ = filter.filter(batch, clockMicroseconds: 0) }
        for sql in [
            "auction % 123 = 0", "auction % 123", "auction + price", "auction * price", "price > 5000", "price > auction", "0.908 * price", "d * 2e0 + 1e0", "i + i", "HOUR(ts)",
            "date_format(ts, 'yyyy-MM-dd')", "date_format(ts, 'HH:mm')", "split_index(url, '/', 3)", "REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2)", "regexp_like(url, 'item.*query=[0-9]')", "lower(url)", "url LIKE '%channel%'",
            "char_length(url) - char_length(replace(url, 'c', ''))", "price > 5000 AND auction < 50000",
            "CASE WHEN HOUR(ts) >= 8 AND HOUR(ts) <= 18 THEN 'dayTime' WHEN HOUR(ts) <= 6 OR HOUR(ts) >= 20 THEN 'nightTime' ELSE 'otherTime' END",
            "CAST(price AS VARCHAR)", "price < 10000 AND 1000000 / price > 7", "price IN (1, 2, 3, 4, 5)",
        ] {
            let compiled = try CompiledExpression.compile(binder.bind(sql))
            measure(sql, count) { _ = compiled.evaluate(batch, EvaluationContext(clockMicroseconds: 0)) }
        }
    }
}
