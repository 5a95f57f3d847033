// StatusCommand: `millrace status`: what a data directory holds and how its queries are doing.

import Engine

struct StatusCommand {
    private let directory: String
    private let isJSON: Bool

    init(_ arguments: ParsedArguments) throws(UsageError) {
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
        isJSON = arguments.has("--json")
    }

    func run() throws -> ExitCode {
        let engine = try EngineSetup.openForReading(directory, owner: "millrace status", startsQueries: false)
        let status = engine.status()
        Console.standardOutput.write(isJSON ? StatusReport.json(status) : StatusReport.text(status))
        try engine.close()
        return .success
    }
}
