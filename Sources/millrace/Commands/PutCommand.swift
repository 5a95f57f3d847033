// PutCommand: `millrace put STREAM`: standard input into the log.
//
// Input is read in large blocks and handed over as it comes, cut at any byte; the appender puts the lines together, decodes them in
// parallel and returns from `finish` when everything is as durable as the stream promises. On a signal what was read so far is
// finished, a line that was cut in two is not.

import Columns
import Engine
import Glibc

struct PutCommand {
    enum Format: String, CaseIterable { case json, csv }

    private static let blockBytes = 2 << 20
    private static let pipeBytes: Int32 = 1 << 20
    /// F_SETPIPE_SZ, which Glibc's module does not show.
    private static let setPipeSize: Int32 = 1031
    private static let reasonsShownMax = 3

    private let stream: String
    private let format: Format
    private let place: AccessPlace
    private let isStrict: Bool

    init(_ arguments: ParsedArguments) throws(UsageError) {
        stream = arguments.positionals[0]
        format = try arguments.choice("--format", default: Format.json)
        place = try AccessPlace(arguments)
        isStrict = arguments.has("--strict")
    }

    func run() throws -> ExitCode {
        let access = try place.open(owner: "millrace put \(stream)")
        var code = ExitCode.success
        do {
            code = try append(to: access)
            if !Signals.stopRequested { access.drain() }
        } catch {
            Console.hideProgress()
            Console.report(error)
            code = .failure
        }
        try access.close()
        return code
    }

    private func append(to access: any EngineAccess) throws -> ExitCode {
        let appender = try access.appender(stream: stream, isCSV: format == .csv)
        var progress = ProgressLine()
        var byteCount: Int64 = 0
        // A pipe holds 64 KiB at first; when standard input is none, this does nothing.
        _ = fcntl(0, Self.setPipeSize, Self.pipeBytes)
        while let block = try readBlock() {
            try appender.append(block)
            byteCount += Int64(block.byteCount)
            progress.show(rows: Int64(appender.counts().rows), bytes: byteCount)
        }
        let result = try appender.finish()
        Console.hideProgress()
        Console.note("\(Count.text(result.rows, "row")) appended, \(Count.text(result.rejected)) rejected")
        guard result.rejected > 0 else { return .success }
        for reason in result.reasons.prefix(Self.reasonsShownMax) { Console.note("  \(reason)") }
        Console.note("the rejected rows are in \(stream)_errors")
        return isStrict ? .failure : .success
    }

    /// The next bytes of standard input: whatever is there, up to a block; nil at the end and when the program is asked to stop.
    /// Full blocks are awaited only as long as the input keeps coming, so that a slow producer's rows are not held back.
    private func readBlock() throws -> Buffer? {
        let block = Buffer(byteCount: Self.blockBytes)
        var count = 0
        while count < Self.blockBytes {
            var waiting = [
                pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
                pollfd(fd: Signals.wakeDescriptor, events: Int16(POLLIN), revents: 0),
            ]
            // With something in hand, wait no longer than a moment for more.
            let ready = poll(&waiting, 2, count == 0 ? -1 : 1)
            if Signals.stopRequested { break }
            if ready < 0 {
                if errno == EINTR { continue }
                throw EngineError("cannot wait for standard input: \(String(cString: strerror(errno)))")
            }
            if ready == 0 { break }
            guard waiting[0].revents != 0 else { continue }
            let got = read(0, block.base + count, Self.blockBytes - count)
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                throw EngineError("cannot read standard input: \(String(cString: strerror(errno)))")
            }
            count += got
        }
        guard count > 0 else { return nil }
        return Buffer(borrowing: block.base, byteCount: count, owner: block)
    }
}
