// TailCommand: `millrace tail STREAM`: the rows of a stream, as they stand in the log.

import Engine

struct TailCommand {
    private let stream: String
    private let place: AccessPlace
    private let start: TailStart
    private let follows: Bool
    private let format: ResultFormat

    init(_ arguments: ParsedArguments) throws(UsageError) {
        stream = arguments.positionals[0]
        place = try AccessPlace(arguments)
        format = try arguments.choice("--format", default: ResultFormat.Name.json).format
        follows = arguments.has("--follow")
        if follows, arguments.has("--no-follow") { throw UsageError(message: "--follow and --no-follow exclude each other") }
        start = try arguments.value("--from").map(TailCommand.start) ?? (follows ? .latest : .trimHorizon)
    }

    func run() throws -> ExitCode {
        let access = try place.openForReading(owner: "millrace tail \(stream)", startsQueries: follows)
        do {
            try show(access)
        } catch {
            Console.report(error)
            try access.close()
            return .failure
        }
        try access.close()
        return .success
    }

    private func show(_ access: any EngineAccess) throws {
        let cursor = try access.tail(stream: stream, from: start, follows: follows)
        let writer = ResultWriter(
            format: format, schema: cursor.schema, isChangelog: cursor.isChangelog, isLive: follows, output: Console.standardOutput)
        try Signals.whileHandlingStop({ cursor.cancel() }) {
            loop: while !Signals.stopRequested {
                switch try cursor.next(timeoutMilliseconds: 200) {
                case .rows(let batch): try writer.write(batch)
                case .idle: writer.flush()
                case .end: break loop
                }
            }
        }
        writer.finish()
    }

    private static func start(_ text: String) throws(UsageError) -> TailStart {
        guard let start = TailStart(text) else {
            throw UsageError(message: "--from takes \(TailStart.expectation), not \"\(text)\"", hint: TailStart.hint(for: text))
        }
        return start
    }
}
