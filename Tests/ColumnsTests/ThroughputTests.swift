import Columns
import Glibc
import Platform
import XCTest

/// Figures, not assertions: `MILLRACE_MEASURE=1 swift test -c release --filter ThroughputTests`.
final class ThroughputTests: XCTestCase {
    private static let schema = Schema([
        .init(name: "auction", type: .bigint), .init(name: "bidder", type: .bigint), .init(name: "price", type: .bigint),
        .init(name: "channel", type: .text), .init(name: "url", type: .text), .init(name: "dateTime", type: .timestamp(precision: 3)),
        .init(name: "extra", type: .text),
    ])

    private func bids(_ count: Int) -> Buffer {
        var random = SeededRandom(seed: 7)
        let output = ByteBuffer(capacity: count * 210)
        for index in 0..<count {
            output.append("{\"auction\":\(1000 + random.below(1000)),\"bidder\":\(1000 + random.below(2000)),\"price\":\(random.below(1 << random.below(24)))")
            output.append(",\"channel\":\"channel-\(random.below(9999))\",\"url\":\"https://www.nexmark.com/kcf/oim/jfpz/item.htm?query=1&channel_id=\(random.below(9_999_999))\"")
            output.append(",\"dateTime\":\"")
            TimestampText.append(1_795_304_611_681_000 + Int64(index) * 100, precision: 3, isInstant: false, to: output)
            output.append("\",\"extra\":\"")
            for _ in 0..<(20 + random.below(20)) { output.append(UInt8(65 + random.below(26))) }
            output.append("\"}\n")
        }
        return output.takeBuffer()
    }

    /// Processor time of this thread: others' work on the machine does not count.
    private func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private func best(_ name: String, rows: Int, byteCount: Int, _ body: () -> Int) {
        var best = Double.infinity
        for _ in 0..<7 {
            let start = seconds()
            XCTAssertEqual(body(), rows, name)
            best = min(best, seconds() - start)
        }
        let line = "\(name): \(Int(best / Double(rows) * 1e9)) ns/row, \(Double(Int(Double(rows) / best / 1e4)) / 100) M rows/s, \(Int(Double(byteCount) / best / 1e6)) MB/s\n"
        _ = line.withCString { write(2, $0, strlen($0)) }
    }

    func testMeasure() throws {
        guard getenv("MILLRACE_MEASURE") != nil else { throw XCTSkip("set MILLRACE_MEASURE to measure") }
        let rows = 300_000
        let lines = bids(rows)
        func inChunks(_ source: Buffer, _ append: (Buffer) -> Void, _ drain: () -> Int) -> Int {
            var count = 0
            for start in stride(from: 0, to: source.byteCount, by: 1 << 20) {
                append(Buffer(borrowing: source.base + start, byteCount: min(1 << 20, source.byteCount - start), owner: source))
                count += drain()
            }
            return count
        }
        func json(_ schema: Schema) -> Int {
            let decoder = JSONLinesDecoder(schema: schema)
            func drain() -> Int {
                var count = 0
                while let batch = decoder.nextBatch() { count += batch.batch.count }
                return count
            }
            let count = inChunks(lines, { decoder.append($0) }, drain)
            decoder.finish()
            return count + drain()
        }
        best("JSON decode, 7 columns", rows: rows, byteCount: lines.byteCount) { json(Self.schema) }
        best("JSON decode, 3 columns", rows: rows, byteCount: lines.byteCount) { json(Schema([Self.schema[0], Self.schema[2], Self.schema[5]])) }
        let batches = JSONLinesDecoder.decode(lines, schema: Self.schema)
        let output = ByteBuffer(capacity: 1 << 20)
        best("JSON encode", rows: rows, byteCount: lines.byteCount) {
            let encoder = JSONLinesEncoder(schema: Self.schema)
            return batches.reduce(0) { count, batch in
                output.clear()
                encoder.append(batch.batch, to: output)
                return count + batch.batch.count
            }
        }
        output.clear()
        let encoder = CSVEncoder(schema: Self.schema)
        encoder.appendHeader(to: output)
        for batch in batches { encoder.append(batch.batch, to: output) }
        let csv = output.takeBuffer()
        best("CSV decode", rows: rows, byteCount: csv.byteCount) {
            CSVDecoder.decode(csv, schema: Self.schema).reduce(0) { $0 + $1.batch.count }
        }
        best("CSV encode", rows: rows, byteCount: csv.byteCount) {
            batches.reduce(0) { count, batch in
                output.clear()
                encoder.append(batch.batch, to: output)
                return count + batch.batch.count
            }
        }
    }
}
