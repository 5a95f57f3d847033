// RunCommand: `millrace run SCRIPT.sql...`.
//
//   1. Every script is read, its variables replaced and parsed, before the first statement of the first one is executed.
//   2. Statements are executed one after the other; a query over bounded sources is waited for, others go on beside.
//   3. When the scripts are through: wait for every query that they started, and for bounded saved queries that an earlier run left
//      unfinished. A signal ends the waiting.
//   4. Without a signal: the saved queries catch up with what the log holds by then.
//   5. The engine is closed, which writes checkpoints; a temporary directory is removed.

import Engine
import Glibc
import Platform
import Syntax

struct RunCommand {
    private let paths: [String]
    /// nil: a temporary directory.
    private let place: AccessPlace?
    private let values: [String: String]
    private let format: ResultFormat
    private let workerCount: Int?
    private let stateMemory: Int?
    private let allowsCommands: Bool
    private let stopsWhenCaughtUp: Bool
    private let isVerbose: Bool

    init(_ arguments: ParsedArguments) throws(UsageError) {
        var paths = arguments.positionals
        if paths.isEmpty {
            guard !Console.inputIsTerminal else {
                throw UsageError(message: "there is no script to run", hint: "name a file, or - for standard input")
            }
            paths = ["-"]
        }
        if paths.count(where: { $0 == "-" }) > 1 { throw UsageError(message: "standard input can be read only once") }
        self.paths = paths
        place = arguments.value("--data") == nil && arguments.value("--connect") == nil ? nil : try AccessPlace(arguments)
        format = try arguments.choice("--format", default: ResultFormat.Name.table).format
        workerCount = try arguments.count("--workers", upTo: EngineSetup.workerCountMax)
        stateMemory = try arguments.byteCount("--state-memory", orVariable: "MILLRACE_STATE_MEMORY")
        allowsCommands = arguments.has("--allow-commands")
        stopsWhenCaughtUp = arguments.has("--until-caught-up")
        isVerbose = arguments.has("--verbose")
        values = try arguments.assignments("--set")
    }

    func run() throws -> ExitCode {
        var scripts: [Script] = []
        for path in paths {
            do {
                scripts.append(try Script(path: path, values: values))
            } catch {
                Console.report(error, in: path == "-" ? "standard input" : path)
                return .failure
            }
        }
        let owner = "millrace run \(paths.joined(separator: " "))"
        if let place { return try execute(scripts, on: try place.open(owner: owner, workerCount: workerCount, stateMemory: stateMemory, allowsCommands: allowsCommands)) }
        let temporary = try TemporaryDirectory()
        defer { temporary.remove() }
        var options = EngineSetup.options(owner: owner, workerCount: workerCount)
        options.isEphemeral = true
        options.stateMemoryByteCount = stateMemory
        options.allowsCommands = allowsCommands
        return try execute(scripts, on: LocalAccess(try Engine(directory: temporary.path, options: options)))
    }

    private func execute(_ scripts: [Script], on access: any EngineAccess) throws -> ExitCode {
        var code = ExitCode.success
        let interruption = Interruption()
        (access as? LocalAccess)?.startAlerting()
        Signals.whileHandlingStop({ interruption.fire() }) {
            let runner = StatementRunner(access: access, format: format, output: Console.standardOutput)
            var isComplete = true
            for script in scripts where isComplete { isComplete = execute(script, with: runner, interruption: interruption) }
            if !isComplete { code = .failure }
            // In a server they go on without us.
            if isComplete, !interruption.hasFired, let local = access as? LocalAccess {
                if !waitForQueries(of: local.engine, runner: runner, interruption: interruption) { code = .failure }
                local.drainAlerting(shouldStop: { interruption.hasFired })
            }
        }
        do {
            try access.close()
        } catch {
            Console.report(error)
            code = .failure
        }
        return code
    }

    /// False when a statement failed; the rest of the script is not executed then.
    private func execute(_ script: Script, with runner: StatementRunner, interruption: Interruption) -> Bool {
        let clock = SystemClock()
        for statement in script.statements {
            if interruption.hasFired { return true }
            let start = clock.monotonicNanoseconds()
            do {
                let outcome = try runner.execute(statement, source: script.source, interruption: interruption)
                if isVerbose {
                    let tag = outcome.tag ?? outcome.rowCount.map { Count.text($0, "row") } ?? ""
                    Console.note("\(tag) (\(Duration.milliseconds(clock.monotonicNanoseconds() - start)))")
                }
            } catch {
                Console.report(error, in: script.name)
                return false
            }
        }
        return true
    }

    /// Step 3 and 4. False when a query failed.
    private func waitForQueries(of engine: Engine, runner: StatementRunner, interruption: Interruption) -> Bool {
        var isFine = true
        var progress = ProgressLine()
        defer { Console.hideProgress() }
        var pending = runner.startedQueries
        for query in engine.savedQueries where query.isBounded && !pending.contains(where: { $0 === query }) { pending.append(query) }
        while !pending.isEmpty, !interruption.hasFired {
            let waitMilliseconds = max(1, ProgressLine.intervalMilliseconds / pending.count)
            for query in pending where query.wait(timeoutMilliseconds: waitMilliseconds) || isCaughtUp(query, in: engine) {
                pending.removeAll { $0 === query }
                do {
                    try runner.check(query)
                } catch {
                    Console.report(error)
                    isFine = false
                }
            }
            progress.show(pending.map { $0.progress() })
        }
        if !interruption.hasFired { engine.drainSavedQueries(shouldStop: { interruption.hasFired }) }
        return isFine
    }

    private func isCaughtUp(_ query: RunningQuery, in engine: Engine) -> Bool {
        stopsWhenCaughtUp && !query.isBounded && engine.isCaughtUp(query)
    }
}
