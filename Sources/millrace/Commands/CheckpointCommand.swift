// CheckpointCommand: `millrace checkpoint verify`: what of the saved queries' checkpoints is damaged.

import Engine

struct CheckpointCommand {
    private let directory: String

    init(_ arguments: ParsedArguments) throws(UsageError) {
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
        guard arguments.positionals[0] == "verify" else {
            throw UsageError(message: "there is no command \"checkpoint \(arguments.positionals[0])\"", hint: "there is verify")
        }
    }

    func run() throws -> ExitCode {
        let report = try CheckpointInspection.verify(directory)
        for line in report.notes { Console.note("note: \(line)") }
        for line in report.faults { Console.standardOutput.write(line + "\n") }
        Console.note(report.summary)
        return report.faults.isEmpty ? .success : .failure
    }
}
