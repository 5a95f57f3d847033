// PromptCommand: `millrace` without a command: a prompt on a data directory, for a person or for a pipe.

import Engine

struct PromptCommand {
    private let directory: String
    private let workerCount: Int?
    private let stateMemory: Int?

    init(_ arguments: ParsedArguments) throws(UsageError) {
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
        workerCount = try arguments.count("--workers", upTo: EngineSetup.workerCountMax)
        stateMemory = try arguments.byteCount("--state-memory", orVariable: "MILLRACE_STATE_MEMORY")
    }

    func run() throws -> ExitCode {
        var options = EngineSetup.options(owner: "millrace (prompt)", workerCount: workerCount)
        options.stateMemoryByteCount = stateMemory
        let engine = try Engine(directory: directory, options: options)
        let isInteractive = Console.inputIsTerminal
        let lines: any LineSource = isInteractive ? TerminalLines(completion: Completion(names: engine.completionNames)) : PipedLines()
        let prompt = Prompt(engine: engine, lines: lines, isInteractive: isInteractive)
        if isInteractive {
            Console.standardOutput.write("Millrace \(Program.version) on \(directory). \\? shows help, \\q leaves.\n")
        }
        prompt.run()
        // A pipe's statements may have fed saved queries: their results should be there when the program has ended.
        if !isInteractive, !Signals.stopRequested { engine.drainSavedQueries(shouldStop: { Signals.stopRequested }) }
        try engine.close()
        return prompt.hasFailed && !isInteractive ? .failure : .success
    }
}
