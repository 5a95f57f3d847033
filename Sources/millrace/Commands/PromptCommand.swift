// PromptCommand: `millrace` without a command: a prompt on a data directory, for a person or for a pipe.

import Engine
import Platform

struct PromptCommand {
    private let place: AccessPlace
    private let format: ResultFormat
    private let workerCount: Int?
    private let stateMemory: Int?
    private let allowsCommands: Bool

    init(_ arguments: ParsedArguments) throws(UsageError) {
        place = try AccessPlace(arguments)
        format = try arguments.choice("--format", default: ResultFormat.Name.table).format
        workerCount = try arguments.count("--workers", upTo: EngineSetup.workerCountMax)
        stateMemory = try arguments.byteCount("--state-memory", orVariable: "MILLRACE_STATE_MEMORY")
        allowsCommands = arguments.has("--allow-commands")
    }

    func run() throws -> ExitCode {
        let access = try place.open(owner: "millrace (prompt)", workerCount: workerCount, stateMemory: stateMemory, allowsCommands: allowsCommands)
        (access as? LocalAccess)?.startAlerting()
        let isInteractive = Console.inputIsTerminal
        var lines: any LineSource = PipedLines()
        var completion: Completion?
        var alerts: AlertMessages?
        if isInteractive {
            let names = NameCache(access)
            let made = Completion(names: names.current)
            completion = made
            let messages = AlertMessages(access)
            messages.start()
            alerts = messages
            lines = TerminalLines(completion: made, messages: messages)
        }
        let prompt = Prompt(access: access, lines: lines, isInteractive: isInteractive, format: format, completion: completion)
        prompt.alerts = alerts
        if isInteractive {
            Console.standardOutput.write("Millrace \(Program.version) on \(access.title). \\? shows help, \\q leaves.\n")
        }
        prompt.run()
        alerts?.stop()
        // A pipe's statements may have fed saved queries: their results should be there when the program has ended.
        if !isInteractive, !Signals.stopRequested { access.drain() }
        try access.close()
        return prompt.hasFailed && !isInteractive ? .failure : .success
    }
}

/// The names there are, asked for at most once in a few seconds: a server is not to be asked at every press of a key.
private final class NameCache {
    private let access: any EngineAccess
    private let clock = SystemClock()
    private var names = CatalogNames()
    private var askedNanoseconds: UInt64?
    private static let lifetimeNanoseconds: UInt64 = 2_000_000_000

    init(_ access: any EngineAccess) { self.access = access }

    func current() -> CatalogNames {
        let now = clock.monotonicNanoseconds()
        if let askedNanoseconds, access is RemoteAccess, now &- askedNanoseconds < NameCache.lifetimeNanoseconds { return names }
        askedNanoseconds = now
        // Without names there is nothing to complete, and nobody to be told.
        do { names = try access.names() } catch {}
        return names
    }
}
