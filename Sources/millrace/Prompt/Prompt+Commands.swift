// What the commands that begin with a backslash do.

import Engine
import Glibc
import Platform
import Syntax

extension Prompt {
    private static let includeDepthMax = 16

    /// False when the prompt is to be left.
    func perform(_ line: String) -> Bool {
        guard let command = BackslashCommand(line) else {
            let word = line.split(separator: " ").first.map(String.init) ?? line
            let near = NearestName.find(word, among: BackslashCommand.spellings)
            complain("there is no command \(word)\nhint: \(near.map { "did you mean \($0)?" } ?? "\\? lists them")")
            return true
        }
        switch command.name {
        case .describe: describe(command.argument)
        case .tables: execute("SHOW STREAMS; SHOW TABLES", name: nil)
        case .views: execute("SHOW VIEWS", name: nil)
        case .queries: execute("SHOW QUERIES", name: nil)
        case .functions: execute("SHOW FUNCTIONS", name: nil)
        case .alerts: execute("SHOW ALERTS", name: nil)
        case .alertMessages:
            guard let alerts else { return true }
            alerts.isOn = toggled(alerts.isOn, command.argument, "Telling of alerts")
        case .watch: watch(command.argument)
        case .plot: plot(command.argument)
        case .edit: edit()
        case .include: include(command.argument)
        case .output: redirect(command.argument)
        case .set: set(command.argument)
        case .format: setFormat(command.argument)
        case .expanded: runner.isExpanded = toggled(runner.isExpanded, command.argument, "Expanded display")
        case .timing: showsTiming = toggled(showsTiming, command.argument, "Timing")
        case .status:
            do { runner.output.write(StatusReport.text(try access.status())) } catch { complain("\(error)") }
        case .help: Console.standardOutput.write(BackslashCommand.helpText)
        case .quit: return false
        }
        return true
    }

    private func describe(_ name: String?) {
        guard let name else {
            execute("SHOW STREAMS; SHOW TABLES; SHOW VIEWS", name: nil)
            return
        }
        // A bare name keeps its case; one that is no name is an error with its place.
        execute("DESCRIBE \(name)", name: nil)
    }

    private func watch(_ argument: String?) {
        guard let statement = lastStatement else { return complain("there is no statement to execute again") }
        let seconds = argument.map { Double($0) } ?? 2
        guard let seconds, seconds >= 0.1, seconds <= 86_400 else { return complain("\\watch takes a number of seconds from 0.1") }
        let interruption = Interruption()
        let clock = SystemClock()
        interruptible(interruption) {
            while !interruption.hasFired, !Signals.stopRequested {
                if isInteractive { Console.standardOutput.write("\(TimeOfDay.text(microseconds: clock.nowMicroseconds())) (every \(argument ?? "2") s, Ctrl-C ends)\n") }
                do {
                    let (statements, text) = try statements(of: statement)
                    for statement in statements where !interruption.hasFired {
                        _ = try runner.execute(statement, source: text, interruption: interruption)
                    }
                } catch {
                    hasFailed = true
                    Console.report(error)
                    return
                }
                let end = clock.monotonicNanoseconds() &+ UInt64(seconds * 1e9)
                while !interruption.hasFired, !Signals.stopRequested, clock.monotonicNanoseconds() < end {
                    usleep(UInt32(min(50_000, max(1_000, (end &- clock.monotonicNanoseconds()) / 1_000))))
                }
            }
        }
    }

    private func plot(_ column: String?) {
        guard let statement = lastStatement else { return complain("there is no statement whose rows could be drawn") }
        let interruption = Interruption()
        do {
            let (statements, text) = try statements(of: statement)
            guard let last = statements.last else { return }
            try interruptible(interruption) {
                try runner.plot(last, source: text, column: column, interruption: interruption)
            }
        } catch {
            hasFailed = true
            Console.report(error)
        }
    }

    /// The last statement in an editor, and what comes out of it executed.
    private func edit() {
        guard isInteractive else { return complain("\\e needs a terminal") }
        let editor = ["VISUAL", "EDITOR"].lazy.compactMap { (name: String) in getenv(name).map { String(cString: $0) } }.first { !$0.isEmpty } ?? "vi"
        do {
            let folder = try TemporaryDirectory()
            defer { folder.remove() }
            let path = folder.path + "/statement.sql"
            guard let file = OutputFile(path: path) else { return complain("cannot write \(path)") }
            file.write((lastStatement.map { $0 + ($0.hasSuffix(";") ? "" : ";") } ?? "") + "\n")
            let code = Spawn.run("\(editor) '\(path)'")
            guard code == 0 else { return complain("\(editor) ended with \(code); nothing was executed") }
            let text = Prompt.trimmed(try Script.read(path))
            guard !text.isEmpty else { return }
            Console.standardOutput.write(text + "\n")
            lastStatement = text
            execute(text, name: nil)
        } catch {
            complain("\(error)")
        }
    }

    private func include(_ path: String?) {
        guard let path else { return complain("\\i takes the name of a file") }
        guard includeDepth < Prompt.includeDepthMax else { return complain("\\i is nested more than \(Prompt.includeDepthMax) deep") }
        includeDepth += 1
        defer { includeDepth -= 1 }
        do {
            let script = try Script(path: path, values: values)
            for statement in script.statements where !Signals.stopRequested {
                lastStatement = RemotePlace(source: script.source, span: statement.span).text
                try execute(statement, of: script.source)
            }
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

    private func set(_ argument: String?) {
        guard let argument else {
            var text = "format = \(runner.format.name)\n"
            for (name, value) in values.sorted(by: { $0.key < $1.key }) { text += "\(name) = \(value)\n" }
            Console.standardOutput.write(text)
            return
        }
        let words = argument.split(maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" || $0 == "=" }).map { Prompt.trimmed(String($0)) }
        if words[0] == "format" { return setFormat(words.count > 1 ? words[1] : nil) }
        values[words[0]] = words.count > 1 ? words[1] : nil
    }

    private func setFormat(_ word: String?) {
        guard let word else {
            Console.standardOutput.write("Rows are printed as \(runner.format.name).\n")
            return
        }
        guard let name = ResultFormat.Name(rawValue: word.lowercased()) else { return complain("\\format takes table, json, csv or markdown") }
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
}
