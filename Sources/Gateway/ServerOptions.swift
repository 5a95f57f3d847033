// ServerOptions: what `millrace serve` is told. A setting has one name in three spellings: `--max-connections N` on the command line, MILLRACE_MAX_CONNECTIONS
// in the environment, `max_connections = N` in the configuration file; the first of them that is there counts.

import Engine
import Platform
import Syntax

/// Where to listen, and for what.
package struct ListenAddress: Sendable, Equatable {
    package enum ProtocolName: String, Sendable, CaseIterable {
        case postgres, http
        /// Whichever the caller speaks: its first byte tells.
        case any
    }

    package var name: ProtocolName
    package var host: String
    package var port: Int

    package init(_ name: ProtocolName, host: String, port: Int) {
        self.name = name
        self.host = host
        self.port = port
    }

    /// `127.0.0.1:5433`, `postgres://127.0.0.1:5433`, `http://[::1]:8090`.
    package init(_ text: String) throws(NetworkError) {
        var rest = text[...]
        name = .any
        if let scheme = rest.range(of: "://") {
            let word = rest[..<scheme.lowerBound].lowercased()
            guard let known = ProtocolName(rawValue: word == "postgresql" ? "postgres" : word), known != .any else {
                throw NetworkError("there is no protocol \"\(word)\" to listen for: it is postgres or http")
            }
            name = known
            rest = rest[scheme.upperBound...]
        }
        while rest.last == "/" { rest = rest.dropLast() }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]), (0...65_535).contains(port) else {
            throw NetworkError("\"\(text)\" is not HOST:PORT")
        }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { throw NetworkError("\"\(text)\" has no host; every address of the machine is 0.0.0.0 or [::]") }
        self.host = host == "*" ? "0.0.0.0" : String(host)
        self.port = port
    }
}

extension Substring {
    fileprivate func range(of needle: String) -> Range<Substring.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }
}

package struct ServerOptions: Sendable {
    package var listen = [ListenAddress(.postgres, host: "127.0.0.1", port: 5_433), ListenAddress(.http, host: "127.0.0.1", port: 8_090)]
    package var users = PostgresUsers()
    package var connectionCountMax = 16_000
    package var activeStatementCountMax = 4_096
    package var postgres = PostgresLimits()
    /// How long the end waits for statements and connections.
    package var drainMilliseconds = 10_000

    package init() {}
}

/// The lines of a configuration file: `key = value`, `#` comments, the value with or without quotes. A key may come again where its option may.
package struct ConfigurationFile: Sendable {
    package struct Entry: Sendable, Equatable {
        package var key: String
        package var value: String
        package var line: Int
    }

    package private(set) var entries: [Entry] = []

    package init(_ text: String) throws(NetworkError) {
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let trimmed = Self.trimmed(line)
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            guard let equals = trimmed.firstIndex(of: "=") else { throw NetworkError("line \(index + 1): expected key = value") }
            let key = Self.trimmed(trimmed[..<equals]).lowercased().split(separator: "-").joined(separator: "_")
            var value = Self.trimmed(trimmed[trimmed.index(after: equals)...])
            guard !key.isEmpty else { throw NetworkError("line \(index + 1): expected key = value") }
            if let quote = value.first, quote == "\"" || quote == "'" {
                guard value.count >= 2, value.last == quote else { throw NetworkError("line \(index + 1): a quote is not closed") }
                value = value.dropFirst().dropLast()
            } else if let comment = value.firstIndex(of: "#") {
                value = Self.trimmed(value[..<comment])
            }
            entries.append(Entry(key: key, value: String(value), line: index + 1))
        }
    }

    package func values(_ key: String) -> [String] { entries.filter { $0.key == key }.map(\.value) }

    private static func trimmed(_ text: some StringProtocol) -> Substring {
        var text = Substring(text)
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
