// TestFile: tests of queries, as they are written. A file is read line by line; a line that begins without a space is a step, the indented
// lines below it belong to it.
//
//     -- A line that begins with two dashes is a comment.
//     use shop.sql                     statements to execute first; the path is relative to this file
//     sql                              the same, written here
//         CREATE STREAM ...;
//     day 2026-01-01                   what day a time of day in a timestamp column is on (this one, when nothing is said)
//
//     test two sales are one row       what follows, up to the next `test`, is a test; what stands before the first one is done for each
//     at 10:00:00                      moves the clock
//     given sales                      rows that arrive, in this order
//         shop  | amount | ts
//         north | 9.99   | 10:00:01
//     end                              no more rows come: every window closes
//     expect takings                   the rows written to it since the last `expect` of it, in any order
//         window_start | shop  | total
//         10:00:00     | north | 9.99
//     expect takings in order          the same, in the order in which they were written
//     expect ranking changes           every row of a changelog with its `op`, in order; without the word what is left when they are folded
//     expect nothing in sales_errors
//     query                            a SELECT over what there is by now, whose rows the next `expect` is about
//         SELECT shop, sum(total) AS total FROM takings GROUP BY shop
//     expect
//         shop  | total
//         north | 9.99
//
// Every test begins with an empty engine of its own.

import Engine
import Syntax

/// A line of a file, with the place at which it begins.
struct TestLine {
    var text: Substring
    var start: Int
    var span: SourceSpan { SourceSpan(start: start, end: start + text.utf8.count) }

    /// Without spaces at either end.
    var trimmed: TestLine {
        let front = text.prefix { $0 == " " || $0 == "\t" }
        var text = text.dropFirst(front.count)
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
        return TestLine(text: text, start: start + front.utf8.count)
    }
}

struct TestStep {
    enum Order { case any, written, changes }

    enum Kind {
        case use(String)
        case sql
        case day(String)
        case at(String)
        case given(String)
        case end
        case query
        /// nil: the rows of the query before.
        case expect(String?, Order)
        case expectNothing(String)
    }

    var kind: Kind
    var line: TestLine
    var block: [TestLine] = []

    /// What an error is about: the block when there is one, else the line.
    var span: SourceSpan { line.trimmed.span }
}

struct TestCase {
    var name: String
    var line: TestLine
    var steps: [TestStep] = []
}

struct TestFile {
    let path: String
    let source: String
    private(set) var setup: [TestStep] = []
    private(set) var tests: [TestCase] = []

    private static let words = ["use", "sql", "day", "test", "at", "given", "end", "query", "expect"]

    init(path: String) throws {
        self.path = path
        source = try Script.read(path)
        var lines = TestFile.lines(of: source)[...]
        while let line = lines.popFirst() {
            if line.text.allSatisfy(\.isWhitespace) || line.text.hasPrefix("--") { continue }
            guard let first = line.text.first, !first.isWhitespace else {
                throw TestFile.error("expected a step, found an indented line", at: line.trimmed.span, in: source, hint: "rows stand below a step that takes some")
            }
            var block: [TestLine] = []
            while let next = lines.first, next.text.allSatisfy(\.isWhitespace) || next.text.first?.isWhitespace == true {
                lines.removeFirst()
                if !next.text.allSatisfy(\.isWhitespace) { block.append(next.trimmed) }
            }
            let word = line.text.prefix { !$0.isWhitespace }
            if word == "test" {
                let name = TestLine(text: line.text.dropFirst(4), start: line.start + 4).trimmed.text
                guard !name.isEmpty, block.isEmpty else {
                    throw TestFile.error(name.isEmpty ? "a test needs a name" : "a test's steps are not indented", at: (block.first ?? line).span, in: source)
                }
                tests.append(TestCase(name: String(name), line: line))
                continue
            }
            let step = try TestFile.step(line, word: String(word), block: block, source: source)
            if tests.isEmpty { setup.append(step) } else { tests[tests.count - 1].steps.append(step) }
        }
        if tests.isEmpty {
            throw TestFile.error("there is no test in this file", at: SourceSpan(start: 0, end: 0), in: source, hint: "a test begins with a line such as: test two sales are one row")
        }
    }

    static func error(_ message: String, at span: SourceSpan, in source: String, hint: String? = nil) -> StatementError {
        StatementError(error: SQLError(message, at: span, hint: hint), source: source)
    }

    private static func lines(of source: String) -> [TestLine] {
        var start = 0
        return source.split(separator: "\n", omittingEmptySubsequences: false).map { text in
            defer { start += text.utf8.count + 1 }
            return TestLine(text: text, start: start)
        }
    }

    private static func step(_ line: TestLine, word: String, block: [TestLine], source: String) throws -> TestStep {
        let rest = TestLine(text: line.text.dropFirst(word.count), start: line.start + word.utf8.count).trimmed
        let words = rest.text.split(whereSeparator: \.isWhitespace).map(String.init)
        func fail(_ message: String, hint: String? = nil) -> StatementError {
            error(message, at: rest.text.isEmpty ? line.trimmed.span : rest.span, in: source, hint: hint)
        }
        let kind: TestStep.Kind
        var takesBlock = false
        switch (word, words.count) {
        case ("use", 1...): kind = .use(String(rest.text))
        case ("sql", 0): (kind, takesBlock) = (.sql, true)
        case ("day", 1): kind = .day(words[0])
        case ("at", 1...): kind = .at(String(rest.text))
        case ("given", 1): (kind, takesBlock) = (.given(words[0]), true)
        case ("end", 0): kind = .end
        case ("query", 0): (kind, takesBlock) = (.query, true)
        case ("expect", 3) where words[0] == "nothing" && words[1] == "in": kind = .expectNothing(words[2])
        case ("expect", _):
            takesBlock = true
            switch words.dropFirst(min(1, words.count)).joined(separator: " ") {
            case "" where words.first != "in": kind = .expect(words.first, .any)
            case "in order": kind = .expect(words[0], .written)
            case "changes": kind = .expect(words[0], .changes)
            default:
                guard words == ["in", "order"] else {
                    throw fail("expected a stream, and then \"in order\" or \"changes\" or nothing", hint: "for example: expect takings in order")
                }
                kind = .expect(nil, .written)
            }
        case let (word, _) where words.isEmpty && self.words.contains(word): throw fail("something is missing behind \"\(word)\"")
        case let (word, _) where self.words.contains(word): throw fail("unexpected \"\(rest.text)\" behind \"\(word)\"")
        default:
            throw error(
                "there is no step \"\(word)\"", at: SourceSpan(start: line.start, end: line.start + word.utf8.count), in: source,
                hint: NearestName.find(word, among: self.words).map { "did you mean \($0)?" } ?? "steps are \(self.words.joined(separator: ", "))")
        }
        if !takesBlock, let first = block.first { throw error("\"\(word)\" takes no lines below it", at: first.span, in: source) }
        if takesBlock, block.isEmpty {
            throw error(
                "\"\(word)\" needs indented lines below it", at: line.trimmed.span, in: source,
                hint: word == "expect" ? "that nothing is written is said with: expect nothing in NAME" : nil)
        }
        return TestStep(kind: kind, line: line, block: block)
    }
}
