// The generator: a pure function of seed and event number, in the published proportions, and close to the official sample.

import Columns
import Engine
import Glibc
import Planning
import Platform
import XCTest

final class NexmarkConnectorTests: XCTestCase {
    private func relation(_ kind: NexmarkKind, columns: [String]? = nil, options: [String: String] = [:]) -> RelationDefinition {
        let schema = NexmarkField.schema(of: kind)
        let wanted = columns ?? schema.fields.map(\.name)
        var options = options
        options["event"] = kind.rawValue
        return RelationDefinition(
            name: "r", columns: wanted.compactMap { name in
                schema.fields.first { $0.name == name }.map { ColumnDefinition(name: $0.name, type: $0.type) }
            }, options: options, connector: "nexmark")
    }

    private func source(_ kind: NexmarkKind, columns: [String]? = nil, options: [String: String] = [:]) throws -> NexmarkSource {
        try NexmarkSource(relation(kind, columns: columns, options: options), clock: ManualClock())
    }

    private func rows(_ source: NexmarkSource, _ range: Range<Int64>, columns: [Int]? = nil, batchRows: Int = 4_096, shard: Int = 0) throws -> [[Value]] {
        let chunk = try source.read(
            shard: shard, from: range.lowerBound, to: range.upperBound, columns: columns ?? Array(0..<fieldCount(source)),
            batchRows: batchRows)
        XCTAssertEqual(chunk.next, range.upperBound)
        XCTAssertTrue(chunk.rejected.isEmpty)
        XCTAssertTrue(chunk.batches.allSatisfy { $0.count > 0 && $0.count <= batchRows })
        return chunk.batches.flatMap { batch in (0..<batch.count).map { batch.row($0) } }
    }

    private func fieldCount(_ source: NexmarkSource) -> Int { NexmarkField.fields(of: source.kind).count }

    /// Fields by path, made alone, are the fields of whole events.
    func testPathsAreFieldsOfWholeEvents() throws {
        let source = try source(.all, options: ["seed": "7"])
        let whole = try source.read(shard: 0, from: 0, to: 500, columns: [0, 1, 2, 3], batchRows: 64).batches
        for paths in [
            [ColumnPath(3, fields: [2]), ColumnPath(0)], [ColumnPath(3, fields: [6]), ColumnPath(1, fields: [1]), ColumnPath(3, fields: [0]), ColumnPath(2, fields: [9])],
            [ColumnPath(3), ColumnPath(3, fields: [1])],
        ] {
            let read = try source.read(shard: 0, from: 0, to: 500, paths: paths, batchRows: 64).batches
            XCTAssertEqual(read.map(\.count), whole.map(\.count))
            for (batch, all) in zip(read, whole) {
                for (index, path) in paths.enumerated() {
                    let expected = all.columns[path.column].field(at: path.fields)
                    for row in 0..<batch.count { XCTAssertEqual(batch.columns[index].value(at: row), expected.value(at: row), "\(path)") }
                }
            }
        }
        XCTAssertThrowsError(try source.read(shard: 0, from: 0, to: 1, paths: [ColumnPath(3, fields: [99])], batchRows: 1))
    }

    // MARK: Purity

    func testTheSameRowsWhateverTheRangesAndBatches() throws {
        for kind in NexmarkKind.allCases {
            let source = try source(kind, options: ["seed": "7"])
            let whole = try rows(source, 0..<1_234)
            XCTAssertEqual(Int64(whole.count), source.generator.configuration.rowCount(of: kind, before: 1_234))
            for step: Int64 in [1, 3, 49, 50, 333] {
                var pieces: [[Value]] = []
                var from: Int64 = 0
                while from < 1_234 {
                    let to = min(from + step, 1_234)
                    pieces += try rows(source, from..<to, batchRows: 7)
                    from = to
                }
                XCTAssertEqual(pieces, whole, "\(kind) in steps of \(step)")
            }
            let again = try self.source(kind, options: ["seed": "7"])
            XCTAssertEqual(try rows(again, 0..<1_234, batchRows: 100), whole)
            let other = try self.source(kind, options: ["seed": "8"])
            XCTAssertNotEqual(try rows(other, 0..<1_234), whole)
        }
    }

    func testAProjectionChangesNoOtherColumn() throws {
        for kind in NexmarkKind.allCases {
            let source = try source(kind)
            let whole = try rows(source, 500..<1_100)
            for column in 0..<fieldCount(source) {
                let alone = try rows(source, 500..<1_100, columns: [column])
                XCTAssertEqual(alone.map { $0[0] }, whole.map { $0[column] }, "\(kind) column \(column)")
            }
        }
    }

    func testShardsShareOutTheSameEvents() throws {
        let one = try source(.bid, options: ["events.num": "1234"])
        XCTAssertEqual(try one.end(shard: 0), 1_234)
        var all = Set<[Value]>()
        var count = 0
        let three = try source(.bid, options: ["events.num": "1234", "shards": "3"])
        XCTAssertEqual(three.shardCount, 3)
        for shard in 0..<3 {
            let end = try XCTUnwrap(try three.end(shard: shard))
            let part = try rows(three, 0..<end, shard: shard)
            count += part.count
            all.formUnion(part)
            let times = part.map { $0[5].integerValue }
            XCTAssertEqual(times, times.sorted())
        }
        let whole = try rows(one, 0..<1_234)
        XCTAssertEqual(count, whole.count)
        XCTAssertEqual(all, Set(whole))
    }

    func testTheUnionHoldsTheRowsOfEachKind() throws {
        let all = try rows(try source(.all), 100..<400)
        XCTAssertEqual(all.count, 300)
        for (kind, type, column) in [(NexmarkKind.person, Int64(0), 1), (.auction, 1, 2), (.bid, 2, 3)] {
            let alone = try rows(try source(kind), 100..<400)
            let inside = all.filter { $0[0] == .integer(type) }
            XCTAssertEqual(inside.map { $0[column] }, alone.map { .list($0) })
            for row in all where row[0] != .integer(type) { XCTAssertEqual(row[column], .null) }
            let timeIndex = try XCTUnwrap(NexmarkField.fields(of: kind).firstIndex(of: .dateTime))
            XCTAssertEqual(inside.map { $0[4] }, alone.map { $0[timeIndex] })
        }
    }

    // MARK: Positions

    func testBoundariesAndRate() throws {
        let source = try source(.bid, options: ["rate": "1000", "shards": "2"])
        XCTAssertNil(try source.end(shard: 0))
        XCTAssertEqual(try source.available(shard: 0, nowMicroseconds: 0), 0)
        XCTAssertEqual(try source.available(shard: 0, nowMicroseconds: 2_000_000), 1_000)
        source.resume(shard: 1, at: 5_000, nowMicroseconds: 1_000_000)
        XCTAssertEqual(try source.available(shard: 1, nowMicroseconds: 500_000), 5_000)
        XCTAssertEqual(try source.available(shard: 1, nowMicroseconds: 2_000_000), 5_500)
        let end = try source.boundary(shard: 0, from: 10, limit: 1_000, rows: 46)
        XCTAssertEqual(end, 60)
        XCTAssertEqual(try source.boundary(shard: 0, from: 10, limit: 20, rows: 46), 20)
        XCTAssertEqual(try source.boundary(shard: 0, from: 10, limit: .max, rows: .max), .max)
        let unlimited = try self.source(.bid)
        XCTAssertEqual(try unlimited.available(shard: 0, nowMicroseconds: 0), NexmarkConfiguration.eventCountMax)
        // The far end of the positions can be read too.
        let last = NexmarkConfiguration.eventCountMax
        XCTAssertEqual(try rows(unlimited, last - 50..<last).count, 46)
    }

    func testEventTimes() throws {
        let source = try source(.bid, columns: nil, options: ["first-event.rate": "500", "base-time": "2026-11-20T23:43:31.567"])
        let times = try rows(source, 0..<52, columns: [5]).map { $0[0].integerValue }
        let base = try XCTUnwrap(ConnectorOptions.parseTimestamp("2026-11-20T23:43:31.567Z"))
        XCTAssertEqual(times.first, base + 4 * 2_000)
        XCTAssertEqual(times.last, base + 49 * 2_000)
        // A rate that divides no second evenly: exact at every event, however far.
        let odd = try self.source(.all, options: ["first-event.rate": "7", "base-time": "1970-01-01"])
        for start: Int64 in [0, 1_000, 9_000_000_000_000 - 20] {
            let found = try rows(odd, start..<start + 40, columns: [4]).map { $0[0].integerValue }
            let expected = (start..<start + 40).map { Int64(Int128($0) * 1_000_000 / 7) / 1_000 * 1_000 }
            XCTAssertEqual(found, expected)
        }
    }

    // MARK: Shape

    func testIdsRiseAndReferencesAreNear() throws {
        let persons = try rows(try source(.person), 0..<10_000)
        XCTAssertEqual(persons.map { $0[0] }, (1_000..<1_200).map { .integer($0) })
        let auctions = try rows(try source(.auction), 0..<10_000)
        XCTAssertEqual(auctions.map { $0[0] }, (1_000..<1_600).map { .integer($0) })
        for row in auctions {
            XCTAssertTrue((1_000..<1_210).contains(row[7].integerValue))
            XCTAssertTrue((10...14).contains(row[8].integerValue))
            XCTAssertGreaterThanOrEqual(row[4].integerValue, row[3].integerValue + 100)
            XCTAssertGreaterThan(row[6].integerValue, row[5].integerValue)
        }
        for row in try rows(try source(.bid), 0..<10_000) {
            XCTAssertTrue((1_000..<1_611).contains(row[0].integerValue))
            XCTAssertTrue((1_000..<1_210).contains(row[1].integerValue))
            XCTAssertTrue((100...100_000_000).contains(row[2].integerValue))
        }
    }

    /// Against the 50,000 events of the official generator, at its rate.
    func testStatisticsAreThoseOfTheOfficialSample() throws {
        guard let lines = officialSample() else { throw XCTSkip("no ../shared/nexmark/events.jsonl.gz beside the repository") }
        var official: [String: [Double]] = [:]
        func note(_ name: String, _ value: Double) { official[name, default: []].append(value) }
        func number(_ line: String, _ key: String) -> Double? {
            guard let at = line.range(after: "\"\(key)\":") else { return nil }
            return Double(line[at...].prefix { $0.isNumber })
        }
        func length(_ line: String, _ key: String) -> Double? {
            guard let at = line.range(after: "\"\(key)\":\"") else { return nil }
            var count = 0.0
            var escaped = false
            for byte in line[at...].utf8 {
                if !escaped && byte == UInt8(ascii: "\"") { break }
                if !escaped && byte == UInt8(ascii: "\\") { escaped = true } else { escaped = false; count += 1 }
            }
            return count
        }
        for line in lines {
            switch number(line, "event_type") {
            case 0:
                for key in ["emailAddress", "name", "city", "extra"] { note("person.\(key)", length(line, key) ?? 0) }
            case 1:
                for key in ["itemName", "description", "extra"] { note("auction.\(key)", length(line, key) ?? 0) }
                note("auction.initialBid", log10(max(number(line, "initialBid") ?? 1, 1)))
                note("auction.reserve", log10(max(number(line, "reserve") ?? 1, 1)))
            default:
                for key in ["channel", "url", "extra"] { note("bid.\(key)", length(line, key) ?? 0) }
                note("bid.price", log10(max(number(line, "price") ?? 1, 1)))
                note("bid.isHotAuction", (number(line, "bid\":{\"auction") ?? 1).truncatingRemainder(dividingBy: 100) == 0 ? 1 : 0)
                note("bid.isHotBidder", (number(line, "bidder") ?? 0).truncatingRemainder(dividingBy: 100) == 1 ? 1 : 0)
            }
        }
        var ours: [String: [Double]] = [:]
        for kind in [NexmarkKind.person, .auction, .bid] {
            let source = try source(kind, options: ["first-event.rate": "500", "seed": "42"])
            for row in try rows(source, 0..<50_000) {
                for (field, value) in zip(NexmarkField.fields(of: kind), row) {
                    let name = "\(kind.rawValue).\(field.rawValue)"
                    if case .string(let text) = value { ours[name, default: []].append(Double(text.utf8.count)) }
                    if case .integer(let number) = value { ours[name, default: []].append(log10(Double(max(number, 1)))) }
                }
                if kind == .bid {
                    ours["bid.isHotAuction", default: []].append(row[0].integerValue % 100 == 0 ? 1 : 0)
                    ours["bid.isHotBidder", default: []].append(row[1].integerValue % 100 == 1 ? 1 : 0)
                }
            }
        }
        XCTAssertEqual(official["bid.price"]?.count, 46_000)
        for (name, expected) in official {
            let found = try XCTUnwrap(ours[name], name)
            XCTAssertEqual(found.count, expected.count, name)
            // Means within five standard errors, spreads within a tenth.
            let error = 5 * spread(expected) * (2 / Double(expected.count)).squareRoot()
            XCTAssertEqual(mean(found), mean(expected), accuracy: max(error, 0.01), "mean of \(name)")
            XCTAssertEqual(spread(found), spread(expected), accuracy: spread(expected) * 0.1 + 0.01, "spread of \(name)")
        }
        let horizon = try rows(try source(.auction, options: ["first-event.rate": "500"]), 0..<50_000).map { $0[6].integerValue - $0[5].integerValue }
        XCTAssertEqual(Double(horizon.max() ?? 0), 6_664_000, accuracy: 20_000)
        XCTAssertEqual(mean(horizon.map(Double.init)), 3_332_000, accuracy: 200_000)
    }

    func testChannelsAndUrls() throws {
        let source = try source(.bid)
        var urls: [String: String] = [:]
        var withID = 0
        for row in try rows(source, 0..<50_000, columns: [3, 4]) {
            guard case .string(let channel) = row[0], case .string(let url) = row[1] else { return XCTFail("no text") }
            XCTAssertEqual(urls.updateValue(url, forKey: channel) ?? url, url)
            XCTAssertTrue(url.hasPrefix("https://www.nexmark.com/"))
            let hasID = url.contains("/item.htm?query=1&channel_id=")
            if hasID { withID += 1 } else { XCTAssertTrue(url.hasSuffix("/item.htm?query=1")) }
            if hasID && channel == "channel-9710" { XCTAssertTrue(url.hasSuffix("=2007236608")) }
        }
        XCTAssertEqual(Double(withID) / 46_000, 0.45, accuracy: 0.02)
        XCTAssertEqual(urls.count, 9_000, accuracy: 150)
    }

    // MARK: Errors

    func testErrorsNameWhatIsWrong() throws {
        func failure(_ kind: NexmarkKind = .bid, columns: [ColumnDefinition]? = nil, options: [String: String]) -> String {
            var relation = relation(kind, options: options)
            if let columns { relation.columns = columns }
            do {
                try Connectors.validate(relation)
                return "none"
            } catch { return "\(error)" }
        }
        XCTAssertTrue(failure(options: ["sed": "1"]).contains("did you mean 'seed'?"), failure(options: ["sed": "1"]))
        XCTAssertTrue(failure(options: ["seed": "x"]).contains("whole number"))
        XCTAssertTrue(failure(options: ["events.num": "99999999999999999999"]).contains("whole number"))
        XCTAssertTrue(failure(options: ["first-event.rate": "5", "next-event.rate": "6"]).contains("differ"))
        XCTAssertTrue(failure(options: ["base-time": "tomorrow"]).contains("timestamp"))
        XCTAssertTrue(failure(columns: [ColumnDefinition(name: "prise", type: .bigint)], options: [:]).contains("did you mean 'price'?"))
        XCTAssertTrue(failure(columns: [ColumnDefinition(name: "price", type: .text)], options: [:]).contains("BIGINT"))
        XCTAssertEqual(failure(options: ["seed": "-1", "event": "BID"]), "none")
    }

    // MARK: Speed

    func testSpeed() throws {
        guard getenv("MILLRACE_BENCH") != nil else { throw XCTSkip("MILLRACE_BENCH is not set") }
        for (name, kind, columns) in [
            ("auction, price, dateTime", NexmarkKind.bid, [0, 2, 5]), ("all of a bid", .bid, Array(0..<7)), ("all of an auction", .auction, Array(0..<10)),
            ("all of a person", .person, Array(0..<8)), ("the union", .all, Array(0..<5)), ("bid.extra", .bid, [6]), ("bid.price", .bid, [2]),
            ("bid.auction", .bid, [0]), ("bid.dateTime", .bid, [5]), ("bid.url", .bid, [4]),
        ] {
            let source = try source(kind)
            var best = 0.0
            for round in 0..<5 {
                let clock = SystemClock()
                let start = clock.monotonicNanoseconds()
                var count = 0
                for part in 0..<50 {
                    let from = Int64(round * 50 + part) * 100_000
                    let chunk = try source.read(shard: 0, from: from, to: from + 100_000, columns: columns, batchRows: 4_096)
                    count += chunk.batches.reduce(0) { $0 + $1.count }
                }
                let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
                best = max(best, Double(count) / seconds)
            }
            print("nexmark, \(name): \((best / 1e5).rounded() / 10) M rows/s")
        }
    }

    // MARK: Helpers

    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }

    private func spread(_ values: [Double]) -> Double {
        let middle = mean(values)
        return (values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / Double(max(values.count, 1))).squareRoot()
    }

    private func officialSample() -> [String]? {
        let repository = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let path = "/\(repository)/../shared/nexmark/events.jsonl.gz"
        guard access(path, R_OK) == 0, let pipe = popen("zcat '\(path)'", "r") else { return nil }
        defer { _ = pclose(pipe) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&piece, 1, piece.count, pipe)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return bytes.isEmpty ? nil : bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension Value {
    fileprivate var integerValue: Int64 { if case .integer(let value) = self { value } else { .min } }
}

extension String {
    fileprivate func range(after text: String) -> String.Index? {
        var start = utf8.startIndex
        let wanted = Array(text.utf8)
        while start < utf8.endIndex {
            if utf8[start...].starts(with: wanted) { return utf8.index(start, offsetBy: wanted.count) }
            start = utf8.index(after: start)
        }
        return nil
    }
}

private func XCTAssertEqual(_ a: Int, _ b: Int, accuracy: Int, file: StaticString = #filePath, line: UInt = #line) {
    XCTAssertTrue(abs(a - b) <= accuracy, "\(a) is not within \(accuracy) of \(b)", file: file, line: line)
}
