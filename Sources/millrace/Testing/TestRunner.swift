// TestRunner: performs the steps of one test on an engine of its own (SimulatedEngine).
//
// The clock begins at midnight of the test's day. It stands still but for `at` and for `given`, which moves it to the latest event time among
// its rows, as if they had come when they happened.
//
// At its end a test must have looked at everything: rows that were written to a stream after the last `expect` of it, and rows of an error
// stream that no `expect` speaks of (late rows, bad rows, failed expressions), make it fail.

import Columns
import Engine
import Platform
import Syntax

/// What a test has found wrong, for people.
struct TestFailure: Error {
    var lines: [String]
}

/// An error in a file that is not the test's own.
struct ErrorInFile: Error {
    var error: any Error
    var path: String
}

final class TestRunner {
    private let file: TestFile
    private let values: [String: String]
    private let isColoured: Bool
    private let simulation: SimulatedEngine
    private let notices: Notices
    private var day = "2026-01-01"
    private var hasEnded = false
    /// By stream, up to where an `expect` has looked.
    private var positions: [String: SimulatedEngine.Positions] = [:]
    private var answer: (schema: Schema, rows: [RowDifference.Found])?

    /// Notices of the engine come from wherever they arise.
    private final class Notices: @unchecked Sendable {
        // Safe to share: every access holds the lock.
        private let lock = Lock()
        private var lines: [String] = []
        func add(_ line: String) { lock.locked { lines.append(line) } }
        var all: [String] { lock.locked { lines } }
    }

    /// Midnight of the first day.
    private static let startMicroseconds: Int64 = 1_767_225_600_000_000

    init(_ file: TestFile, values: [String: String], isColoured: Bool) throws {
        self.file = file
        self.values = values
        self.isColoured = isColoured
        let notices = Notices()
        self.notices = notices
        simulation = try SimulatedEngine(startMicroseconds: TestRunner.startMicroseconds, onNotice: { notices.add($0) })
    }

    /// Throws a TestFailure when an expectation is not met, another error when a step cannot be done.
    func run(_ test: TestCase) throws {
        for step in file.setup + test.steps { try perform(step) }
        if !test.steps.contains(where: { if case .expect = $0.kind { true } else if case .expectNothing = $0.kind { true } else { false } }) {
            throw TestFile.error("this test expects nothing", at: test.line.trimmed.span, in: file.source, hint: "an `expect` says what the queries must give")
        }
        try checkLeft()
    }

    private func perform(_ step: TestStep) throws {
        do {
            switch step.kind {
            case .use(let paths):
                for path in paths.split(separator: ",") { try use(path.filter { !$0.isWhitespace }) }
            case .sql: try execute(step.block)
            case .day(let text): try setDay(text, step)
            case .at(let text): try simulation.advance(toMicroseconds: try time(text, step))
            case .given(let stream): try give(stream, step)
            case .end:
                try simulation.endInputs()
                hasEnded = true
            case .query: try ask(step.block)
            case .expect(let stream, let order): try expect(stream, order, step)
            case .expectNothing(let stream): try expectNothing(stream, step)
            }
        } catch let failure as EngineError {
            throw TestFile.error(failure.description, at: step.span, in: file.source)
        }
    }

    // MARK: Statements

    private func use(_ path: String) throws {
        let folder = file.path.lastIndex(of: "/").map { file.path[...$0] } ?? ""
        let path = path.hasPrefix("/") ? path : folder + path
        do {
            let script = try Script(path: path, values: values)
            for statement in script.statements { try execute(statement, source: script.source) }
        } catch let error as EngineError {
            throw error
        } catch {
            throw ErrorInFile(error: error, path: path)
        }
    }

    /// The lines where they stand in the file, so that errors point there.
    private func padded(_ block: [TestLine]) -> String {
        guard let first = block.first, let last = block.last else { return "" }
        let bytes = Array(file.source.utf8)
        return String(decoding: bytes[..<first.start].map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") } + bytes[first.start..<last.span.end], as: UTF8.self)
    }

    private func statements(_ block: [TestLine]) throws -> (source: String, [ParsedStatement]) {
        let source = padded(block)
        do { return (source, try Parser.parseScript(source)) } catch { throw StatementError(error: error, source: source) }
    }

    private func execute(_ block: [TestLine]) throws {
        let (source, statements) = try statements(block)
        for statement in statements { try execute(statement, source: source) }
    }

    private func execute(_ statement: ParsedStatement, source: String) throws {
        // A SELECT in a script says nothing here.
        if case .query = statement.statement.kind { return }
        if case .rows(let cursor) = try simulation.execute(statement, source: source) { cursor.cancel() }
        _ = simulation.session.takeNotices()
        try simulation.settle()
    }

    private func ask(_ block: [TestLine]) throws {
        let (source, statements) = try statements(block)
        guard statements.count == 1, let statement = statements.first, case .query = statement.statement.kind,
            case .rows(let cursor) = try simulation.execute(statement, source: source), !cursor.isLive
        else { throw TestFile.error("expected one SELECT that ends", at: block[0].span, in: file.source) }
        var rows: [RowDifference.Found] = []
        loop: while true {
            switch try cursor.next(timeoutMilliseconds: 1_000) {
            case .rows(let batch): rows += TestRunner.found([batch])
            case .idle: continue
            case .end: break loop
            }
        }
        answer = (cursor.schema, rows)
    }

    private static func found(_ batches: [RowBatch]) -> [RowDifference.Found] {
        batches.flatMap { batch in (0..<batch.count).map { RowDifference.Found(values: batch.row($0), op: batch.change(at: $0).symbol) } }
    }

    // MARK: Time

    private func setDay(_ text: String, _ step: TestStep) throws {
        do {
            _ = try TextFormat.parse(text, as: .date)
        } catch {
            throw TestFile.error("\"\(text)\" is no day", at: step.span, in: file.source, hint: "a day looks like 2026-01-01")
        }
        day = text
        try simulation.advance(toMicroseconds: try time("00:00:00", step))
    }

    private func time(_ text: String, _ step: TestStep) throws -> Int64 {
        do {
            guard case .integer(let time) = try TextFormat.parse(TestRows.dated(text, day), as: .timestamp(precision: 6)) else { return 0 }
            return time
        } catch {
            throw TestFile.error("\"\(text)\" is no time", at: step.span, in: file.source, hint: "a time looks like 10:00:30 or 2026-01-02T10:00:30")
        }
    }

    // MARK: Rows

    private func give(_ stream: String, _ step: TestStep) throws {
        if hasEnded { throw TestFile.error("no more rows can come behind `end`", at: step.span, in: file.source) }
        guard let relation = simulation.relation(named: stream) else { throw unknown(stream, step) }
        let schema = relation.schema
        var lines: [UInt8] = []
        var latest: Int64?
        if step.block.first?.text.first == "{" {
            // As they are: a line that cannot be decoded goes to the error stream, as it would from a producer.
            lines = Array(step.block.map { $0.text + "\n" }.joined().utf8)
            let decoded = JSONLinesDecoder.decode(lines.withUnsafeBytes { Buffer(copying: $0) }, schema: schema)
            if let column = relation.eventTimeColumn {
                latest = decoded.flatMap { batch in
                    (0..<batch.batch.count).compactMap { row -> Int64? in
                        if case .integer(let time) = batch.batch.columns[column].value(at: row) { time } else { nil }
                    }
                }.max()
            }
        } else {
            let context = TestRows.Context(schema: schema, source: file.source, day: day, isExpected: false, takesOp: relation.readsChangeKinds)
            let rows = try TestRows(step.block, context)
            lines = rows.lines(schema: schema)
            latest = relation.eventTimeColumn.flatMap { rows.latest(column: $0) }
        }
        if let latest { try simulation.advance(toMicroseconds: latest) }
        _ = try simulation.append(lines, to: stream)
        try simulation.settle()
    }

    private func unknown(_ stream: String, _ step: TestStep) -> StatementError {
        TestFile.error(
            "there is no stream \"\(stream)\"", at: step.span, in: file.source,
            hint: NearestName.find(stream, among: simulation.relationNames).map { "did you mean \($0)?" }
                ?? (simulation.relationNames.isEmpty ? "`use` and `sql` define streams" : "there are \(simulation.relationNames.joined(separator: ", "))"))
    }

    // MARK: Expectations

    private func expect(_ stream: String?, _ order: TestStep.Order, _ step: TestStep) throws {
        guard let stream else {
            guard let (schema, rows) = answer else {
                throw TestFile.error("there is no query before this", at: step.span, in: file.source, hint: "`expect NAME` is about a stream")
            }
            answer = nil
            return try compare(rows, schema, step, isOrdered: order == .written, takesOp: false, title: "query")
        }
        guard simulation.relation(named: stream) != nil else { throw unknown(stream, step) }
        let key = stream.lowercased()
        var place = positions[key] ?? []
        var (schema, batches, isChangelog) = try simulation.rows(of: stream, from: &place)
        positions[key] = place
        if isChangelog, order != .changes {
            place = []
            batches = try simulation.rows(of: stream, from: &place).batches
            return try compare(try TestRunner.folded(TestRunner.found(batches), stream), schema, step, isOrdered: order == .written, takesOp: false, title: stream)
        }
        if order == .changes, !isChangelog, !batches.isEmpty {
            throw TestFile.error("\(stream) is no changelog: its rows are never taken back", at: step.span, in: file.source)
        }
        try compare(TestRunner.found(batches), schema, step, isOrdered: order != .any, takesOp: order == .changes, title: stream)
    }

    private func compare(
        _ found: [RowDifference.Found], _ schema: Schema, _ step: TestStep, isOrdered: Bool, takesOp: Bool, title: String
    ) throws {
        let context = TestRows.Context(schema: schema, source: file.source, day: day, isExpected: true, takesOp: takesOp)
        let rows = try TestRows(step.block, context)
        guard let difference = RowDifference(expected: rows, found: found, schema: schema, isOrdered: isOrdered) else { return }
        throw TestFailure(lines: ["\(title), line \(line(of: step)): \(Count.text(rows.rows.count, "row")) expected, \(found.count) found"]
            + difference.text(isColoured: isColoured) + leftErrors())
    }

    /// What is left when every retraction has taken its row away, in the order in which it came.
    private static func folded(_ rows: [RowDifference.Found], _ stream: String) throws -> [RowDifference.Found] {
        var left: [RowDifference.Found?] = []
        var places: [[Value]: [Int]] = [:]
        for row in rows {
            if row.op == ChangeKind.insert.symbol || row.op == ChangeKind.updateAfter.symbol {
                places[row.values, default: []].append(left.count)
                left.append(row)
            } else {
                guard let place = places[row.values]?.popLast() else {
                    throw TestFailure(lines: ["\(stream) takes back a row that is not there: \(row.values)"])
                }
                left[place] = nil
            }
        }
        return left.compactMap { $0 }
    }

    private func expectNothing(_ stream: String, _ step: TestStep) throws {
        // An error stream is made for its first row.
        guard simulation.relation(named: stream) != nil else {
            let isErrors = stream.lowercased().hasSuffix("_errors")
            if isErrors { return }
            throw unknown(stream, step)
        }
        let key = stream.lowercased()
        var place = positions[key] ?? []
        let (schema, batches, isChangelog) = try simulation.rows(of: stream, from: &place)
        positions[key] = place
        let rows = TestRunner.found(batches)
        if !rows.isEmpty { throw unseen(rows, schema, stream, "line \(line(of: step)): nothing expected", isChangelog: isChangelog) }
    }

    private func unseen(_ rows: [RowDifference.Found], _ schema: Schema, _ stream: String, _ what: String, isChangelog: Bool) -> TestFailure {
        var nothing = TestRows.empty(columns: Array(schema.fields.indices))
        nothing.hasOp = isChangelog
        let difference = RowDifference(expected: nothing, found: rows, schema: schema, isOrdered: false)
        return TestFailure(lines: ["\(stream), \(what), \(rows.count) found"] + (difference?.text(isColoured: isColoured) ?? []))
    }

    /// What nobody has looked at.
    private func checkLeft() throws {
        for name in simulation.relationNames {
            let isErrors = name.lowercased().hasSuffix("_errors")
            guard var place = positions[name.lowercased()] ?? (isErrors ? [] : nil) else { continue }
            let (schema, batches, isChangelog) = try simulation.rows(of: name, from: &place)
            let rows = TestRunner.found(batches)
            guard !rows.isEmpty else { continue }
            throw unseen(rows, schema, name, isErrors ? "at the end: no error expected" : "behind the last expect of it", isChangelog: isChangelog)
        }
    }

    /// A failing expectation is often explained by what went wrong before: said along with it.
    private func leftErrors() -> [String] {
        var lines = notices.all.map { "notice: \($0)" }
        for name in simulation.relationNames where name.lowercased().hasSuffix("_errors") {
            var place = positions[name.lowercased()] ?? []
            guard let rows = try? simulation.rows(of: name, from: &place) else { continue }
            for row in TestRunner.found(rows.batches).prefix(3) {
                guard row.values.count > 2, case .string(let kind) = row.values[1], case .string(let reason) = row.values[2] else { continue }
                lines.append("\(name): \(kind): \(reason)")
            }
        }
        return lines
    }

    private func line(of step: TestStep) -> Int { SourceLocation(offset: step.line.start, in: file.source).line }
}

extension TestRows {
    static func empty(columns: [Int]) -> TestRows { TestRows(columns: columns) }

    private init(columns: [Int]) { self.columns = columns }
}
