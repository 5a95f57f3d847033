// LogCommand: `millrace log verify` and `millrace log repair`: what is damaged, and what to give up of it.

import Engine
import Syntax

struct LogCommand {
    private enum Action {
        case verify(stream: String?)
        case repair(stream: String, shard: Int, giveUp: [ClosedRange<UInt64>])
    }

    private let directory: String
    private let action: Action

    init(_ arguments: ParsedArguments) throws(UsageError) {
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
        let words = arguments.positionals
        switch words[0] {
        case "verify":
            guard words.count <= 2 else { throw UsageError(message: "unexpected \"\(words[2])\"", hint: "millrace log verify [STREAM]") }
            guard arguments.values("--give-up").isEmpty else { throw UsageError(message: "--give-up belongs to millrace log repair") }
            action = .verify(stream: words.count == 2 ? words[1] : nil)
        case "repair":
            guard words.count == 3, let shard = Int(words[2]), shard >= 0 else {
                throw UsageError(message: "a stream and the number of a shard are needed", hint: "millrace log repair STREAM SHARD")
            }
            var ranges: [ClosedRange<UInt64>] = []
            for text in arguments.values("--give-up") { ranges.append(try LogCommand.range(text)) }
            action = .repair(stream: words[1], shard: shard, giveUp: ranges)
        default:
            let near = NearestName.find(words[0], among: ["verify", "repair"])
            throw UsageError(
                message: "there is no command \"log \(words[0])\"", hint: near.map { "did you mean \"millrace log \($0)\"?" } ?? "there are verify and repair")
        }
    }

    func run() throws -> ExitCode {
        switch action {
        case .verify(let stream): try verify(stream)
        case .repair(let stream, let shard, let ranges): try repair(stream, shard, ranges)
        }
    }

    private func verify(_ stream: String?) throws -> ExitCode {
        let report = try LogInspection.verify(directory, stream: stream)
        for line in report.notes { Console.note("note: \(line)") }
        for line in report.faults { Console.standardOutput.write(line + "\n") }
        Console.note(report.summary)
        return report.faults.isEmpty ? .success : .failure
    }

    private func repair(_ stream: String, _ shard: Int, _ ranges: [ClosedRange<UInt64>]) throws -> ExitCode {
        let report = try LogInspection.repair(
            directory, stream: stream, shard: shard, giveUp: ranges, owner: "millrace log repair \(stream) \(shard)")
        for line in report.lines { Console.standardOutput.write(line + "\n") }
        return report.isDone ? .success : .failure
    }

    private static func range(_ text: String) throws(UsageError) -> ClosedRange<UInt64> {
        let wrong = UsageError(message: "--give-up takes the first and the last row, such as 1200..1299, not \"\(text)\"")
        let parts = text.split(separator: ".", omittingEmptySubsequences: true)
        guard text.contains(".."), parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]), first <= last, last < .max else {
            throw wrong
        }
        return first...last
    }
}
