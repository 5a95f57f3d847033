// Prompt: lines in, statements executed, results out, until the lines end.
//
// Lines are gathered until `Parser.splitStatements` finds a complete statement in them. An error is shown and the prompt goes on.

import Engine
import Platform
import Syntax

final class Prompt {
    private let engine: Engine
    private let lines: any LineSource
    private let isInteractive: Bool
    private let runner: StatementRunner
    private let clock = SystemClock()

    /// What was typed and is not complete yet, and the number of the line on which it begins.
    private var pending = ""
    private var pendingFirstLine = 1
    private var lineNumber = 0
    private var showsTiming = false
    private var includeDepth = 0
    /// Whether anything went wrong.
    private(set) var hasFailed = false

    private static let includeDepthMax = 16

    init(engine: Engine, lines: any LineSource, isInteractive: Bool) {
        self.engine = engine
        self.lines = lines
        self.isInteractive = isInteractive
        runner = StatementRunner(session: engine.makeSession(), format: .table, output: Console.standardOutput)
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
        if pending.isEmpty {
            let trimmed = Self.trimmed(line)
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
        execute(String(repeating: "\n", count: linesBefore) + statement, name: nil)
    }

    /// Executes every statement of `source`; stops at the first that fails.
    @discardableResult
    private func execute(_ source: String, name: String?) -> Bool {
        do {
            do {
                for statement in try Parser.parseScript(source) where !Signals.stopRequested {
                    try execute(statement, of: source)
                }
            } catch let error as SQLError {
                throw StatementError(error: error, source: source)
            }
            return true
        } catch {
            hasFailed = true
            Console.report(error, in: name)
            return false
        }
    }

    private func execute(_ statement: ParsedStatement, of source: String) throws {
        let start = clock.monotonicNanoseconds()
        let interruption = Interruption()
        let outcome = try Signals.whileHandlingStop({ interruption.fire() }) {
            // A pipe's Ctrl-C ends the program; a person's only the statement.
            guard isInteractive else { return try runner.execute(statement, source: source, interruption: interruption) }
            return try Signals.whileHandlingInterrupt({ interruption.fire() }) {
                try runner.execute(statement, source: source, interruption: interruption)
            }
        }
        guard isInteractive else { return }
        if interruption.hasFired { Console.note("cancelled") }
        if let tag = outcome.tag {
            let query = outcome.runningQuery.map { " (query \($0.name) goes on; \\dq shows how it is doing)" } ?? ""
            Console.standardOutput.write("\(tag)\(query)\n")
        }
        if showsTiming { Console.standardOutput.write("Time: \(Duration.milliseconds(clock.monotonicNanoseconds() - start))\n") }
    }

    // MARK: Backslash commands

    private func perform(_ line: String) -> Bool {
        guard let command = BackslashCommand(line) else {
            hasFailed = true
            let word = line.split(separator: " ").first.map(String.init) ?? line
            let near = NearestName.find(word, among: BackslashCommand.spellings)
            Console.note("error: there is no command \(word)\nhint: \(near.map { "did you mean \($0)?" } ?? "\\? lists them")")
            return true
        }
        switch command.name {
        case .describe:
            execute(command.argument.map { "DESCRIBE \($0)" } ?? "SHOW STREAMS; SHOW TABLES; SHOW VIEWS", name: nil)
        case .tables: execute("SHOW STREAMS; SHOW TABLES", name: nil)
        case .views: execute("SHOW VIEWS", name: nil)
        case .queries: execute("SHOW QUERIES", name: nil)
        case .functions: execute("SHOW FUNCTIONS", name: nil)
        case .include: include(command.argument)
        case .output: redirect(command.argument)
        case .format: setFormat(command.argument)
        case .expanded: runner.isExpanded = toggled(runner.isExpanded, command.argument, "Expanded display")
        case .timing: showsTiming = toggled(showsTiming, command.argument, "Timing")
        case .status: runner.output.write(StatusReport.text(engine.status()))
        case .help: Console.standardOutput.write(BackslashCommand.helpText)
        case .quit: return false
        }
        return true
    }

    private func include(_ path: String?) {
        guard let path else { return complain("\\i takes the name of a file") }
        guard includeDepth < Self.includeDepthMax else { return complain("\\i is nested more than \(Self.includeDepthMax) deep") }
        includeDepth += 1
        defer { includeDepth -= 1 }
        do {
            let script = try Script(path: path, values: [:])
            for statement in script.statements where !Signals.stopRequested { try execute(statement, of: script.source) }
        } catch {
            hasFailed = true
            Console.report(error, in: path)
        }
    }

    private func redirect(_ path: String?) {
        guard let path else {
            runner.output = Console.standardOutput
            return
        }
        guard let file = OutputFile(path: path) else { return complain("cannot write \(path)") }
        runner.output = file
    }

    private func setFormat(_ word: String?) {
        guard let word else {
            Console.standardOutput.write("Rows are printed as \(runner.format.name).\n")
            return
        }
        guard let name = ResultFormat.Name(rawValue: word.lowercased()) else { return complain("\\format takes table, json or csv") }
        runner.format = name.format
    }

    private func toggled(_ isOn: Bool, _ word: String?, _ title: String) -> Bool {
        let result =
            switch word?.lowercased() {
            case "on": true
            case "off": false
            default: !isOn
            }
        if isInteractive { Console.standardOutput.write("\(title) is \(result ? "on" : "off").\n") }
        return result
    }

    private func complain(_ message: String) {
        hasFailed = true
        Console.note("error: \(message)")
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop { $0.isWhitespace })
    }
}
