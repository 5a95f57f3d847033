// Prompt: lines in, statements executed, results out, until the lines end.
//
// Lines are gathered until `Parser.splitStatements` finds a complete statement in them. An error is shown and the prompt goes on.

import Engine
import Platform
import Syntax

final class Prompt {
    let access: any EngineAccess
    let runner: StatementRunner
    let isInteractive: Bool
    private let lines: any LineSource
    private let completion: Completion?
    private let clock = SystemClock()

    /// What was typed and is not complete yet, and the number of the line on which it begins.
    private var pending = "" { didSet { completion?.pending = pending } }
    private var pendingFirstLine = 1
    private var lineNumber = 0
    /// What `\watch`, `\plot` and `\e` are about.
    var lastStatement: String?
    /// What `${name}` stands for.
    var values: [String: String] = [:]
    var showsTiming = false
    var includeDepth = 0
    /// What is said of alerts between the lines; nil where nobody looks.
    var alerts: AlertMessages?
    /// Whether anything went wrong.
    var hasFailed = false

    init(access: any EngineAccess, lines: any LineSource, isInteractive: Bool, format: ResultFormat, completion: Completion?) {
        self.access = access
        self.lines = lines
        self.isInteractive = isInteractive
        self.completion = completion
        runner = StatementRunner(access: access, format: format, output: Console.standardOutput)
        runner.isInteractive = isInteractive && Console.outputIsTerminal
    }

    func run() {
        while !Signals.stopRequested {
            switch lines.next(prompt: pending.isEmpty ? "millrace=> " : "millrace-> ") {
            case .end:
                if isInteractive { Console.standardOutput.write("\n") }
                finishPending()
                return
            case .interrupted: pending = ""
            case .line(let line):
                lineNumber += 1
                if !take(line) { return }
            }
        }
    }

    /// False when the prompt is to be left.
    private func take(_ line: String) -> Bool {
        let trimmed = Self.trimmed(line)
        if pending.isEmpty {
            if trimmed.isEmpty { return true }
            pendingFirstLine = lineNumber
            if isInteractive, ["quit", "exit"].contains(trimmed.lowercased()) { return false }
            if isInteractive, trimmed.lowercased() == "help" {
                Console.standardOutput.write(BackslashCommand.helpText)
                return true
            }
            if trimmed.hasPrefix("\\") {
                lines.remember(trimmed)
                return perform(trimmed)
            }
        } else if isInteractive, trimmed == "\\e" {
            // What was typed so far goes into the editor.
            lastStatement = pending
            pending = ""
            return perform(trimmed)
        }
        pending += line + "\n"
        executeComplete()
        return true
    }

    /// Executes the complete statements of `pending` and keeps the rest.
    private func executeComplete() {
        let pieces = Parser.splitStatements(pending)
        let complete = pieces.filter(\.isComplete)
        guard let last = complete.last else {
            // Only comments or semicolons so far.
            if pieces.isEmpty { pending = "" }
            return
        }
        let text = Array(pending.utf8)
        let firstLine = pendingFirstLine
        let rest = pieces.last { !$0.isComplete }
        // The semicolon stands behind the statement's span.
        let end = text[last.span.end...].firstIndex(of: UInt8(ascii: ";")).map { $0 + 1 } ?? text.count
        pending = rest.map { String(decoding: text[$0.span.start...], as: UTF8.self) } ?? ""
        if rest != nil { pendingFirstLine = lineNumber }
        let whole = String(decoding: text[complete[0].span.start..<end], as: UTF8.self)
        lines.remember(Self.trimmed(whole))
        for piece in complete where !Signals.stopRequested {
            execute(text, piece.span, firstLine: firstLine)
        }
    }

    /// The input has ended: what is left is taken as a statement whose semicolon was forgotten, but only from a pipe.
    private func finishPending() {
        defer { pending = "" }
        guard !isInteractive, let piece = Parser.splitStatements(pending).last else { return }
        execute(Array(pending.utf8), piece.span, firstLine: pendingFirstLine)
    }

    private func execute(_ text: [UInt8], _ span: SourceSpan, firstLine: Int) {
        // Empty lines in front make the line numbers of a piped script right; a person's statement begins at line 1.
        let linesBefore = isInteractive ? 0 : firstLine - 1 + text[..<span.start].count { $0 == UInt8(ascii: "\n") }
        let statement = String(decoding: text[span.start..<min(span.end, text.count)], as: UTF8.self)
        lastStatement = statement
        execute(String(repeating: "\n", count: linesBefore) + statement, name: nil)
    }

    /// A text's statements, with the variables of `\set` filled in.
    func statements(of source: String) throws -> (statements: [ParsedStatement], source: String) {
        var text = source
        do {
            if !values.isEmpty || source.contains("${") { text = try Substitution.apply(values, to: source) }
        } catch {
            throw StatementError(error: error, source: source)
        }
        do { return (try Parser.parseScript(text), text) } catch { throw StatementError(error: error, source: text) }
    }

    /// Executes every statement of `source`; stops at the first that fails.
    @discardableResult
    func execute(_ source: String, name: String?) -> Bool {
        do {
            let (statements, text) = try statements(of: source)
            for statement in statements where !Signals.stopRequested { try execute(statement, of: text) }
            return true
        } catch {
            hasFailed = true
            Console.report(error, in: name)
            return false
        }
    }

    func execute(_ statement: ParsedStatement, of source: String) throws {
        let start = clock.monotonicNanoseconds()
        let interruption = Interruption()
        let outcome = try interruptible(interruption) { try runner.execute(statement, source: source, interruption: interruption) }
        guard isInteractive else { return }
        if interruption.hasFired { Console.note("cancelled") }
        if let tag = outcome.tag {
            let query = outcome.runningQuery.map { " (query \($0.name) goes on; \\dq shows how it is doing)" } ?? ""
            Console.standardOutput.write("\(tag)\(query)\n")
        }
        if showsTiming { Console.standardOutput.write("Time: \(Duration.milliseconds(clock.monotonicNanoseconds() - start))\n") }
    }

    /// A pipe's Ctrl-C ends the program; a person's only the statement.
    func interruptible<Result>(_ interruption: Interruption, _ body: () throws -> Result) rethrows -> Result {
        try Signals.whileHandlingStop({ interruption.fire() }) {
            guard isInteractive else { return try body() }
            return try Signals.whileHandlingInterrupt({ interruption.fire() }, body)
        }
    }

    func complain(_ message: String) {
        hasFailed = true
        Console.report(EngineError(message))
    }

    static func trimmed(_ text: String) -> String {
        var text = text[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop { $0.isWhitespace })
    }
}
