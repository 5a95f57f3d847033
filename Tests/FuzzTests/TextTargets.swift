// JSON lines, CSV, and both as `put` cuts them.

import Columns
import Platform
import Syntax

@testable import Engine

private let wideSchema = Schema([
    .init(name: "id", type: .bigint), .init(name: "small", type: .smallint), .init(name: "flag", type: .boolean), .init(name: "ratio", type: .double),
    .init(name: "price", type: .decimal(precision: 20, scale: 4)), .init(name: "text", type: .text), .init(name: "raw", type: .bytes),
    .init(name: "day", type: .date), .init(name: "ts", type: .timestamp(precision: 3)), .init(name: "at", type: .timestampTZ(precision: 6)),
    .init(name: "list", type: .array(.bigint)), .init(name: "who", type: .row([.init(name: "name", type: .text), .init(name: "age", type: .integer)])),
    .init(name: "tags", type: .map(.text, .text)), .init(name: "any", type: .json),
])

private let goodLines = """
    {"id":1,"small":-5,"flag":true,"ratio":1.5e10,"price":"12.3456","text":"a\\u00e9\\n\\"b\\"","raw":"AQID","day":"2026-01-01","ts":"2026-01-01T00:00:00.123","at":"2026-01-01 00:00:00+02:00","list":[1,2,null],"who":{"name":"x","age":3},"tags":{"a":"b"},"any":{"k":[1,{"z":null}]}}
    {"id":null,"text":"a text longer than twelve bytes","ratio":-0.0,"price":99999999.9999,"unknown":[{}],"list":[],"who":null}
    {"ratio":1e-300,"id":-9223372036854775808,"day":"0001-01-01","tags":{},"any":"text"}

    """

private func count(_ batches: [DecodedBatch]) -> (rows: Int, bad: Int) { (batches.reduce(0) { $0 + $1.batch.count }, batches.reduce(0) { $0 + $1.badRows.count }) }

final class JSONTarget: FuzzTarget {
    let name = "json"
    let runs = 6_000
    let inputs = [Array(goodLines.utf8)]
    let words = [
        "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "\\ud800", "null", "true", "false", "-", "1e999", "0x", "\n", "\u{0}", "\"id\"", "\"who\"", "99999999999999999999", "2026-13-45",
        "\u{FEFF}", "[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":",
    ].map { Array($0.utf8) } + [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]]

    func run(_ bytes: [UInt8]) throws {
        let whole = bytes.withUnsafeBytes { JSONLinesDecoder.decode(Buffer(copying: $0), schema: wideSchema) }
        for decoded in whole where decoded.batch.count > 0 {
            // What was read can be written, and read again as the same.
            let buffer = ByteBuffer()
            JSONLinesEncoder(schema: wideSchema).append(decoded.batch, to: buffer)
            let again = buffer.bytes.withUnsafeBytes { JSONLinesDecoder.decode(Buffer(copying: $0), schema: wideSchema) }
            guard count(again) == (decoded.batch.count, 0) else {
                throw Flaw("\(decoded.batch.count) rows written give \(count(again).rows) and \(count(again).bad) bad ones: \(again.first?.badRows.first?.reason ?? "")")
            }
        }
        // Cut anywhere it gives the same.
        let decoder = JSONLinesDecoder(schema: wideSchema)
        let cut = bytes.count / 3
        bytes.withUnsafeBytes {
            decoder.append(copying: UnsafeRawBufferPointer(rebasing: $0[..<cut]))
            decoder.append(copying: UnsafeRawBufferPointer(rebasing: $0[cut...]))
        }
        decoder.finish()
        var pieces: [DecodedBatch] = []
        while let batch = decoder.nextBatch() { pieces.append(batch) }
        guard count(pieces) == count(whole) else { throw Flaw("cut at \(cut) it has \(count(pieces)) rows, whole \(count(whole))") }
    }
}

final class CSVTarget: FuzzTarget {
    let name = "csv"
    let runs = 6_000
    let words = ["\"", "\"\"", ",", "\n", "\r\n", ";", "\u{0}", "null", "\u{FEFF}", "id", "1e5"].map { Array($0.utf8) } + [[0xFF]]
    let inputs = [
        Array("id,text,price,flag,ts\n1,\"a, \"\"b\"\"\nc\",1.5,true,2026-01-01 00:00:00\n2,,,,\n-3,plain,99.1234,false,2026-01-01T10:11:12.5Z\n".utf8)
    ]

    func run(_ bytes: [UInt8]) throws {
        func decode(cut: Int) -> [DecodedBatch] {
            let decoder = CSVDecoder(schema: wideSchema)
            bytes.withUnsafeBytes {
                decoder.append(copying: UnsafeRawBufferPointer(rebasing: $0[..<cut]))
                decoder.append(copying: UnsafeRawBufferPointer(rebasing: $0[cut...]))
            }
            decoder.finish()
            var batches: [DecodedBatch] = []
            while let batch = decoder.nextBatch() { batches.append(batch) }
            return batches
        }
        let (whole, pieces) = (count(decode(cut: 0)), count(decode(cut: bytes.count / 2)))
        guard whole == pieces else { throw Flaw("cut in two it has \(pieces) rows, whole \(whole)") }
    }
}

/// Bytes handed to an appender in pieces of any size: the rows must be those of the whole.
final class PutTarget: FuzzTarget {
    let name = "put"
    let runs = 150
    let inputs = [Array(String(repeating: goodLines, count: 4).utf8)]
    let words = ["\n", "\n\n", "{}", "\"", "{\"id\":1}\n"].map { Array($0.utf8) }
    private var engine: Engine
    private var served = 0

    init() throws { engine = try Self.makeEngine() }

    /// A disk in memory: begun anew now and then, because it only grows.
    private static func makeEngine() throws -> Engine {
        var options = EngineOptions()
        options.startsQueries = false
        options.workerCount = 1
        let engine = try Engine(directory: "/data", options: options, clock: ManualClock(startingAtMicroseconds: 1), fileSystem: SimulatedFileSystem(seed: 1))
        let sql = "CREATE STREAM s (\(wideSchema.fields.map { "\($0.name) \($0.type.name)" }.joined(separator: ", "))) WITH (sync = 'none')"
        for statement in try Parser.parseScript(sql) { _ = try engine.makeSession().execute(statement, source: sql) }
        return engine
    }

    deinit { try? engine.close() }

    func run(_ bytes: [UInt8]) throws {
        let whole = count(bytes.withUnsafeBytes { JSONLinesDecoder.decode(Buffer(copying: $0), schema: wideSchema) })
        served += 1
        if served % 500 == 0 {
            try engine.close()
            engine = try Self.makeEngine()
        }
        let appender = try engine.appender(stream: "s")
        var random = SeededRandom(seed: UInt64(bytes.count))
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + 1 + random.below(700))
            try bytes[start..<end].withUnsafeBytes { try appender.append(Buffer(copying: $0)) }
            start = end
        }
        let counts = try appender.finish()
        guard counts.rows == whole.rows, counts.rejected == whole.bad else {
            throw Flaw("\(counts.rows) rows and \(counts.rejected) rejected, decoded at once \(whole)")
        }
    }
}
