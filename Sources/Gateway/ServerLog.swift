// ServerLog: what an operator wants to know, a line each on standard error: when, how bad, what, and the particulars as key=value (logfmt) or as a JSON object.
//
//   time=2026-11-21T14:36:00.123456Z level=info event=listening protocol=postgres address=127.0.0.1:5433

import Columns
import Glibc
import Platform

package final class ServerLog: @unchecked Sendable {
    // Safe to share: lines are written whole, under the lock.
    package enum Level: Int, Sendable, CaseIterable {
        case debug, info, warning, error

        package var name: String { ["debug", "info", "warning", "error"][rawValue] }
        package init?(name: String) {
            guard let level = Level.allCases.first(where: { $0.name == name.lowercased() }) else { return nil }
            self = level
        }
    }

    package enum Format: String, Sendable, CaseIterable { case logfmt, json }

    private let clock: any Clock
    private let level: Level
    private let format: Format
    private let lock = Lock()
    private let output: @Sendable (String) -> Void

    /// `output` receives whole lines, without the line's end.
    package init(
        clock: any Clock = SystemClock(), level: Level = .info, format: Format = .logfmt,
        output: @escaping @Sendable (String) -> Void = ServerLog.writeToStandardError
    ) {
        self.clock = clock
        self.level = level
        self.format = format
        self.output = output
    }

    package static let writeToStandardError: @Sendable (String) -> Void = { line in
        var bytes = Array(line.utf8)
        bytes.append(0x0A)
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { $0.baseAddress.map { Glibc.write(2, $0 + start, bytes.count - start) } ?? -1 }
            // Nobody reads it any more: the server goes on.
            guard count > 0 || (count < 0 && errno == EINTR) else { return }
            start += max(count, 0)
        }
    }

    package func write(_ level: Level, _ event: String, _ particulars: [(key: String, value: String)] = []) {
        guard level.rawValue >= self.level.rawValue else { return }
        let time = ByteBuffer()
        TimestampText.append(clock.nowMicroseconds(), precision: 6, isInstant: true, to: time)
        let all = [("time", time.string), ("level", level.name), ("event", event)] + particulars
        let line: String
        switch format {
        case .logfmt: line = all.map { "\($0.0)=\(Self.plain($0.1))" }.joined(separator: " ")
        case .json: line = "{" + all.map { "\(Self.quoted($0.0)):\(Self.quoted($0.1))" }.joined(separator: ",") + "}"
        }
        lock.locked { output(line) }
    }

    /// Bare where nothing in it would end the value.
    private static func plain(_ text: String) -> String {
        let isBare = !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" && $0 != "\\" && $0.value != 0x7F }
        return isBare ? text : quoted(text)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}
