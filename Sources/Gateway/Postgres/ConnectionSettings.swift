// ConnectionSettings: what PostgreSQL's clients set and ask for, besides the session's own settings. Values that would change what is sent (encodings, date
// styles, time zones) are accepted where they are what is sent anyway, and refused or warned about otherwise.

import Syntax

struct ConnectionSettings {
    private enum Rule {
        /// Whatever is said is kept, and has no further meaning.
        case free
        case boolean
        case milliseconds
        case count
        case readOnly
        /// One of these, without regard to case; the first is what is kept.
        case one([String])
        /// The first word of a list must be this.
        case beginsWith(String)
        /// Kept as it is; another one is answered with a warning.
        case utc
    }

    private struct Definition {
        let name: String
        let standard: String
        let rule: Rule
        /// Whether the client is told of every change.
        var isReported = false
    }

    static let serverVersion = "16.0 (Millrace 0.1.0)"

    private static let definitions: [Definition] = [
        Definition(name: "application_name", standard: "", rule: .free, isReported: true),
        Definition(name: "bytea_output", standard: "hex", rule: .one(["hex"])),
        Definition(name: "client_encoding", standard: "UTF8", rule: .one(["UTF8", "UNICODE", "SQL_ASCII"]), isReported: true),
        Definition(name: "client_min_messages", standard: "notice", rule: .free),
        Definition(name: "DateStyle", standard: "ISO, MDY", rule: .beginsWith("ISO"), isReported: true),
        Definition(name: "default_transaction_isolation", standard: "read committed", rule: .free),
        Definition(name: "default_transaction_read_only", standard: "off", rule: .boolean, isReported: true),
        Definition(name: "extra_float_digits", standard: "1", rule: .free),
        Definition(name: "idle_in_transaction_session_timeout", standard: "0", rule: .milliseconds),
        Definition(name: "in_hot_standby", standard: "off", rule: .readOnly, isReported: true),
        Definition(name: "integer_datetimes", standard: "on", rule: .readOnly, isReported: true),
        Definition(name: "IntervalStyle", standard: "postgres", rule: .one(["postgres"]), isReported: true),
        Definition(name: "is_superuser", standard: "on", rule: .readOnly, isReported: true),
        Definition(name: "jit", standard: "off", rule: .boolean),
        Definition(name: "lock_timeout", standard: "0", rule: .milliseconds),
        Definition(name: "max_identifier_length", standard: "255", rule: .readOnly),
        Definition(name: "max_result_bytes", standard: "0", rule: .count),
        Definition(name: "max_result_rows", standard: "0", rule: .count),
        Definition(name: "row_security", standard: "off", rule: .boolean),
        Definition(name: "search_path", standard: "\"$user\", public", rule: .free),
        Definition(name: "server_encoding", standard: "UTF8", rule: .readOnly, isReported: true),
        Definition(name: "server_version", standard: serverVersion, rule: .readOnly, isReported: true),
        Definition(name: "server_version_num", standard: "160000", rule: .readOnly),
        Definition(name: "session_authorization", standard: "", rule: .readOnly, isReported: true),
        Definition(name: "standard_conforming_strings", standard: "on", rule: .one(["on"]), isReported: true),
        Definition(name: "statement_timeout", standard: "0", rule: .milliseconds),
        Definition(name: "TimeZone", standard: "UTC", rule: .utc, isReported: true),
        Definition(name: "transaction_isolation", standard: "read committed", rule: .free),
        Definition(name: "transaction_read_only", standard: "off", rule: .boolean),
    ]

    private static let byName: [String: Definition] = Dictionary(
        definitions.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })

    /// Only what differs from the standard, by lower-case name.
    private var changed: [String: String] = [:]
    /// What the start-up message said: RESET goes back to it.
    private var initial: [String: String] = [:]

    static func knows(_ name: String) -> Bool { byName[name.lowercased()] != nil }
    static var names: [String] { definitions.map(\.name) }

    func text(of name: String) -> String? {
        let lower = name.lowercased()
        return changed[lower] ?? Self.byName[lower]?.standard
    }

    /// Statements end after so long; 0: never.
    var statementTimeoutMilliseconds: Int { Int(text(of: "statement_timeout") ?? "") ?? 0 }
    var resultRowCountMax: Int { Int(text(of: "max_result_rows") ?? "") ?? 0 }
    var resultByteCountMax: Int { Int(text(of: "max_result_bytes") ?? "") ?? 0 }

    /// Name and value of everything that a client is told of at its start.
    var reported: [(name: String, value: String)] {
        Self.definitions.filter(\.isReported).map { ($0.name, text(of: $0.name) ?? "") }
    }

    /// Sets what the server decides.
    mutating func fix(_ name: String, _ value: String) {
        changed[name.lowercased()] = value
        initial[name.lowercased()] = value
    }

    /// What a client says as it starts. What nobody knows has no meaning, as in PostgreSQL's poolers; a value that cannot be had is an error.
    mutating func start(_ name: String, _ value: String) throws(ErrorReport) {
        guard Self.knows(name) else { return }
        _ = try set(name, value)
        initial[name.lowercased()] = changed[name.lowercased()]
    }

    /// What the client is told of, and a warning.
    mutating func set(_ name: String, _ value: String) throws(ErrorReport) -> (report: (name: String, value: String)?, warning: String?) {
        guard let definition = Self.byName[name.lowercased()] else {
            throw ErrorReport(.error, "42704", "unrecognized configuration parameter \"\(name)\"")
        }
        var warning: String?
        var kept = value
        func invalid(_ hint: String) -> ErrorReport {
            ErrorReport(.error, "22023", "invalid value for parameter \"\(definition.name)\": \"\(value)\"", hint: hint)
        }
        switch definition.rule {
        case .free: break
        case .readOnly: throw ErrorReport(.error, "55P02", "parameter \"\(definition.name)\" cannot be changed")
        case .boolean:
            switch value.lowercased() {
            case "on", "true", "yes", "1": kept = "on"
            case "off", "false", "no", "0": kept = "off"
            default: throw invalid("it is on or off")
            }
        case .milliseconds:
            guard let milliseconds = Self.milliseconds(value) else { throw invalid("as in 500, 500ms, 10s, 5min") }
            kept = String(milliseconds)
        case .count:
            guard let count = Int(value), count >= 0 else { throw invalid("a whole number; 0 is no limit") }
            kept = value
        case .one(let choices):
            // PostgreSQL looks at letters and digits alone: `utf-8`, and asyncpg's `'utf-8'`.
            func plain(_ text: String) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
            guard choices.contains(where: { plain($0) == plain(value) }) else { throw invalid("it is \(choices[0])") }
            kept = choices[0]
        case .beginsWith(let word):
            guard value.uppercased().hasPrefix(word) else { throw invalid("dates are written as \(word) says") }
            kept = definition.standard
        case .utc:
            if !["utc", "gmt", "etc/utc", "zulu", "default", "0", "+00", "+00:00"].contains(value.lowercased()) {
                warning = "times are shown in UTC, not in \"\(value)\""
            }
            kept = "UTC"
        }
        let isNew = text(of: name) != kept
        changed[name.lowercased()] = kept
        return (definition.isReported && isNew ? (definition.name, kept) : nil, warning)
    }

    /// Back to what it was at the start; what the client is told of.
    mutating func reset(_ name: String) -> (name: String, value: String)? {
        let lower = name.lowercased()
        let before = text(of: name)
        changed[lower] = initial[lower]
        guard let definition = Self.byName[lower], definition.isReported, let now = text(of: name), now != before else { return nil }
        return (definition.name, now)
    }

    mutating func resetAll() -> [(name: String, value: String)] { Self.definitions.compactMap { reset($0.name) } }

    /// `500`, `500ms`, `10s`, `5min`, `1h`, `1d`.
    static func milliseconds(_ text: String) -> Int? {
        let trimmed = text.filter { $0 != " " }
        let digits = trimmed.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), number >= 0 else { return nil }
        let unit: Int
        switch trimmed.dropFirst(digits.count) {
        case "", "ms": unit = 1
        case "s": unit = 1_000
        case "min": unit = 60_000
        case "h": unit = 3_600_000
        case "d": unit = 86_400_000
        default: return nil
        }
        let (milliseconds, overflows) = number.multipliedReportingOverflow(by: unit)
        return overflows || milliseconds > Int(Int32.max) ? nil : milliseconds
    }

    /// The value in `SET name = value` as text.
    static func text(_ value: Expression) -> String? {
        switch value.kind {
        case .literal(.string(let text)), .literal(.integer(let text)), .literal(.decimal(let text)), .literal(.double(let text)): text
        case .literal(.boolean(let isOn)): isOn ? "on" : "off"
        case .column(let name): name.last.name
        case .unary(.minus, let inner): text(inner).map { "-" + $0 }
        case .unary(.plus, let inner): text(inner)
        default: nil
        }
    }
}
