// Program: from the words of the command line to a command.

import Glibc
import Platform
import Syntax

enum Program {
    static let version = "0.1.0"

    /// Runs the command that the words name and says how it ended.
    static func run(_ words: [String]) -> ExitCode {
        Signals.install()
        ProcessMemory.keepFreed()
        var words = Array(words.dropFirst())
        var command = CommandName.prompt
        if words.first == BenchLatencyCommand.word {
            return execute(BenchLatencyCommand.specification, Array(words.dropFirst()), name: BenchLatencyCommand.word) {
                try BenchLatencyCommand($0).run()
            }
        }
        if let first = words.first, !first.hasPrefix("-") {
            guard let named = CommandName(rawValue: first) else { return unknownCommand(first) }
            command = named
            words.removeFirst()
        }
        if command == .help { return showHelp(words) }
        if command == .prompt, words.contains("--version") {
            Console.standardOutput.write("millrace \(version)\n")
            return .success
        }
        return execute(command.specification, words, name: command == .prompt ? "" : command.rawValue) { arguments in
            switch command {
            case .prompt, .help: try PromptCommand(arguments).run()
            case .run: try RunCommand(arguments).run()
            case .serve: try ServeCommand(arguments).run()
            case .put: try PutCommand(arguments).run()
            case .tail: try TailCommand(arguments).run()
            case .status: try StatusCommand(arguments).run()
            case .deploy: try DeployCommand(arguments).run()
            case .diff: try DiffCommand(arguments).run()
            case .test: try TestCommand(arguments).run()
            case .log: try LogCommand(arguments).run()
            case .checkpoint: try CheckpointCommand(arguments).run()
            case .backup: try BackupCommand(arguments).run()
            case .restore: try RestoreCommand(arguments).run()
            }
        }
    }

    private static func execute(
        _ specification: CommandSpecification, _ words: [String], name: String, _ body: (ParsedArguments) throws -> ExitCode
    ) -> ExitCode {
        if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
            Console.standardOutput.write(specification.help)
            return .success
        }
        do {
            return try body(try ParsedArguments(words, specification))
        } catch let problem as UsageError {
            Console.note("millrace: \(problem.message)")
            if let hint = problem.hint { Console.note("hint: \(hint)") }
            Console.note("Try: millrace \(name.isEmpty ? "" : name + " ")--help")
            return .usage
        } catch {
            Console.report(error)
            return .failure
        }
    }

    private static func unknownCommand(_ word: String) -> ExitCode {
        Console.note("millrace: there is no command \"\(word)\"")
        let names = CommandName.allCases.map(\.rawValue)
        if let near = NearestName.find(word, among: names) {
            Console.note("hint: did you mean \"millrace \(near)\"?")
        } else if word.hasSuffix(".sql") {
            Console.note("hint: millrace run \(word) executes a script")
        }
        Console.note("Try: millrace --help")
        return .usage
    }

    private static func showHelp(_ words: [String]) -> ExitCode {
        guard let word = words.first, !word.hasPrefix("-") else {
            Console.standardOutput.write(CommandName.prompt.specification.help)
            return .success
        }
        guard let command = CommandName(rawValue: word) else { return unknownCommand(word) }
        Console.standardOutput.write(command.specification.help)
        return .success
    }
}
