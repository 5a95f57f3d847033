// NotifierDefinition: what the options of CREATE NOTIFIER mean.
//
//   type            alertmanager, webhook, command, stream
//   url             http://HOST[:PORT][/PATH] of an alertmanager or webhook
//   command         what /bin/sh runs, the body on its standard input
//   stream          the stream that takes a JSON object per transition
//   template        the body, for each transition (NotificationTemplate)
//   secret          signs the body: header X-Millrace-Signature: sha256=HMAC-SHA256(secret, body) in hexadecimal digits
//   secret_file     where the secret is read when it is needed, so that it stands in no definition
//   header.NAME     a header of the request
//   match           'severity=critical, team!=dev': what all must hold of the labels
//   group_by        labels whose values make a group that is told at once; without it every instance is told by itself
//   group_wait, group_interval, repeat_interval
//   send_resolved   whether the end is told as well
//   timeout         of one attempt
//   retry_min, retry_max   the first pause after a failed attempt, and the longest; each is twice the one before
//   give_up_after, max_attempts   when a notification becomes a dead letter
//   generator_url   where an alert's source is found, told to an alertmanager
//
// What these are by themselves stands in `init`. Errors name the option's place.

import Columns
import Glibc
import Syntax

package struct NotifierDefinition: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable { case alertmanager, webhook, command, stream }

    package var name: String
    package var kind: Kind
    package var url: HTTPTarget?
    package var command = ""
    package var stream = ""
    package var template: NotificationTemplate?
    package var secret: String?
    package var secretFile: String?
    package var headers: [(name: String, value: String)] { headerEntries.map { ($0.name, $0.value) } }
    private var headerEntries: [AlertTransition.Entry] = []
    package var matchers: [LabelMatcher] = []
    package var groupBy: [String]?
    package var groupWaitMicroseconds: Int64 = 0
    package var groupIntervalMicroseconds: Int64 = 0
    /// 0: never.
    package var repeatMicroseconds: Int64 = 0
    package var sendsResolved = true
    package var timeoutMicroseconds: Int64 = 10_000_000
    package var retryMinMicroseconds: Int64 = 1_000_000
    package var retryMaxMicroseconds: Int64 = 60_000_000
    package var giveUpMicroseconds: Int64 = 3_600_000_000
    /// 0: any number.
    package var attemptCountMax: Int64 = 0
    package var generatorURL = ""

    static let optionNames = [
        "command", "generator_url", "give_up_after", "group_by", "group_interval", "group_wait", "match", "max_attempts", "repeat_interval", "retry_max",
        "retry_min", "secret", "secret_file", "send_resolved", "stream", "template", "timeout", "type", "url",
    ]
    /// What nobody is shown.
    package static func isSecret(_ option: String) -> Bool { option.lowercased() == "secret" || option.lowercased().hasPrefix("header.") }

    /// For tests: a receiver with nothing said about it.
    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }

    package init(_ create: CreateNotifier) throws(SQLError) {
        name = create.name.last.name
        let reader = OptionReader(create)
        guard let type = reader.option("type") else {
            throw SQLError(
                "a notifier needs a type", at: create.name.span, hint: "type = 'webhook', 'alertmanager', 'command' or 'stream'",
                code: SQLError.invalidParameter)
        }
        guard let kind = Kind(rawValue: type.value.lowercased()) else {
            throw reader.bad(type, "'alertmanager', 'webhook', 'command' or 'stream'", among: Kind.allCases.map(\.rawValue))
        }
        self.kind = kind
        try reader.checkNames(kind)
        switch kind {
        case .alertmanager, .webhook:
            let option = try reader.required("url", example: kind == .webhook ? "http://127.0.0.1:8080/alerts" : "http://127.0.0.1:9093")
            url = try HTTPTarget(option.value, at: option.valueSpan)
        case .command: command = try reader.required("command", example: "logger -t alert").value
        case .stream: stream = try reader.required("stream", example: "my_alerts").value
        }
        if let option = reader.option("template") { template = try NotificationTemplate(option.value, at: option.valueSpan) }
        secret = reader.option("secret")?.value
        secretFile = reader.option("secret_file")?.value
        if secret != nil, let option = reader.option("secret_file") {
            throw SQLError("secret and secret_file are given both", at: option.keySpan, code: SQLError.invalidParameter)
        }
        for option in create.options where option.key.lowercased().hasPrefix("header.") {
            let header = String(option.key.dropFirst(7))
            let isName = !header.isEmpty && header.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"()<>@,;:\\\"/[]?={}".utf8.contains($0) }
            guard isName, option.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 }) else {
                throw SQLError("\"\(header)\" cannot be a header of HTTP", at: option.keySpan, code: SQLError.invalidParameter)
            }
            headerEntries.append(AlertTransition.Entry(header, option.value))
        }
        if let option = reader.option("match") { matchers = try reader.matchers(option) }
        if let option = reader.option("group_by") {
            groupBy = option.value.split(separator: ",").map { String($0.filter { $0 != " " }) }
            if template != nil {
                throw SQLError(
                    "a template is filled for each transition, so there are no groups", at: option.keySpan, hint: "leave out group_by or template",
                    code: SQLError.invalidParameter)
            }
            groupWaitMicroseconds = 1_000_000
            groupIntervalMicroseconds = 10_000_000
        }
        if kind == .alertmanager { repeatMicroseconds = 60_000_000 }
        let day: Int64 = 86_400_000_000
        groupWaitMicroseconds = try reader.duration("group_wait", 0...day) ?? groupWaitMicroseconds
        groupIntervalMicroseconds = try reader.duration("group_interval", 0...day) ?? groupIntervalMicroseconds
        repeatMicroseconds = try reader.duration("repeat_interval", 0...(30 * day)) ?? repeatMicroseconds
        timeoutMicroseconds = try reader.duration("timeout", 1_000...600_000_000) ?? timeoutMicroseconds
        retryMinMicroseconds = try reader.duration("retry_min", 1_000...day) ?? retryMinMicroseconds
        retryMaxMicroseconds = max(retryMinMicroseconds, try reader.duration("retry_max", 1_000...day) ?? retryMaxMicroseconds)
        giveUpMicroseconds = try reader.duration("give_up_after", 0...(30 * day)) ?? giveUpMicroseconds
        attemptCountMax = try reader.number("max_attempts", 0...1_000_000) ?? attemptCountMax
        sendsResolved = try reader.boolean("send_resolved") ?? sendsResolved
        generatorURL = reader.option("generator_url")?.value ?? ""
        if kind == .alertmanager, repeatMicroseconds < 1_000_000 {
            throw SQLError(
                "an alertmanager takes an alert for resolved when it is not repeated", at: reader.option("repeat_interval")?.valueSpan ?? create.name.span,
                hint: "repeat_interval is at least 1 second; by itself it is 1 minute", code: SQLError.invalidParameter)
        }
    }

    /// Whether transitions of this kind are told there, going by name and labels.
    package func wants(_ transition: AlertTransition) -> Bool {
        if !transition.notify.isEmpty, !transition.notify.contains(where: { $0.lowercased() == name.lowercased() }) { return false }
        if matchers.isEmpty { return true }
        let labels = transition.labelSet
        return matchers.allSatisfy { $0.matches(labels[$0.label.name] ?? "") }
    }

    /// The statement as it may be shown: secrets are stars, and the engine's own notes are left out.
    package static func shown(_ create: CreateNotifier) -> String {
        var create = create
        create.options.removeAll { $0.key.hasPrefix("$") }
        for index in create.options.indices where isSecret(create.options[index].key) { create.options[index].value = "***" }
        return Printer.print(Statement(.notification(.createNotifier(create)), span: .none))
    }
}

/// Host, port and path of an http:// address.
package struct HTTPTarget: Hashable, Sendable {
    package var host: String
    package var port: Int
    package var path: String
    /// As it was written, without a path.
    package var authority: String

    package init(_ text: String, at span: SourceSpan) throws(SQLError) {
        func bad(_ what: String, _ hint: String? = "http://HOST:PORT/PATH", _ code: String = SQLError.invalidParameter) -> SQLError {
            SQLError("\"\(text)\" \(what)", at: span, hint: hint, code: code)
        }
        guard let scheme = text.firstIndex(of: ":"), text[scheme...].hasPrefix("://") else { throw bad("is no address of HTTP") }
        switch text[..<scheme].lowercased() {
        case "http": break
        case "https":
            throw bad(
                "is HTTPS, which is not supported yet",
                "a proxy on this machine (nginx, stunnel) takes http://127.0.0.1:PORT and speaks TLS, or type = 'command' runs curl", SQLError.featureNotSupported)
        default: throw bad("is no address of HTTP")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw bad("holds a character that must be written with %") }
        let rest = text[text.index(scheme, offsetBy: 3)...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.contains("@") else { throw bad("holds a password", "header.Authorization = 'Basic ...' says who one is") }
        var tail = String(rest[end...].prefix { $0 != "#" })
        if !tail.hasPrefix("/") { tail = "/" + tail }
        var host = String(authority)
        port = 80
        let colon = authority.lastIndex(of: ":")
        if let colon, !authority[colon...].contains("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65_535).contains(number) else { throw bad("has no port that exists") }
            port = number
            host = String(authority[..<colon])
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { throw bad("has no host") }
        self.host = host
        path = tail
        self.authority = String(authority)
    }
}

/// The options of one CREATE NOTIFIER.
private struct OptionReader {
    let create: CreateNotifier

    init(_ create: CreateNotifier) { self.create = create }

    func option(_ name: String) -> Option? { create.options.first { $0.key.lowercased() == name } }

    func checkNames(_ kind: NotifierDefinition.Kind) throws(SQLError) {
        let other: [NotifierDefinition.Kind: [String]] = [
            .alertmanager: ["command", "stream", "template", "group_by", "group_wait", "group_interval"], .webhook: ["command", "stream", "generator_url"],
            .command: ["url", "stream", "secret", "secret_file", "generator_url"],
            .stream: ["url", "command", "secret", "secret_file", "generator_url", "template", "timeout"],
        ]
        for option in create.options {
            let key = option.key.lowercased()
            if key.hasPrefix("header.") {
                if kind == .webhook || kind == .alertmanager { continue }
                throw SQLError("a \(kind.rawValue) has no headers", at: option.keySpan, code: SQLError.invalidParameter)
            }
            if key.hasPrefix("$") { continue }
            guard NotifierDefinition.optionNames.contains(key) else {
                throw SQLError(
                    "a notifier has no option '\(option.key)'", at: option.keySpan,
                    hint: NearestName.find(key, among: NotifierDefinition.optionNames).map { "did you mean '\($0)'?" }
                        ?? "it has \(NotifierDefinition.optionNames.joined(separator: ", ")) and header.NAME", code: SQLError.invalidParameter)
            }
            if other[kind]?.contains(key) == true {
                throw SQLError("a notifier of type \(kind.rawValue) has no option '\(key)'", at: option.keySpan, code: SQLError.invalidParameter)
            }
        }
    }

    func required(_ name: String, example: String) throws(SQLError) -> Option {
        guard let option = option(name), !option.value.isEmpty else {
            throw SQLError("option '\(name)' is missing", at: create.name.span, hint: "\(name) = '\(example)'", code: SQLError.invalidParameter)
        }
        return option
    }

    func bad(_ option: Option, _ expected: String, among words: [String] = []) -> SQLError {
        SQLError(
            "option '\(option.key)' is '\(option.value)'; expected \(expected)", at: option.valueSpan,
            hint: NearestName.find(option.value.lowercased(), among: words).map { "did you mean '\($0)'?" }, code: SQLError.invalidParameter)
    }

    func duration(_ name: String, _ range: ClosedRange<Int64>) throws(SQLError) -> Int64? {
        guard let option = option(name) else { return nil }
        guard let value = option.value == "0" ? 0 : ConnectorOptions.parseDuration(option.value), range.contains(value) else {
            throw bad(option, "a duration such as '500 ms', '30 s' or '5 min'")
        }
        return value
    }

    func number(_ name: String, _ range: ClosedRange<Int64>) throws(SQLError) -> Int64? {
        guard let option = option(name) else { return nil }
        guard let value = Int64(option.value), range.contains(value) else { throw bad(option, "a whole number from \(range.lowerBound)") }
        return value
    }

    func boolean(_ name: String) throws(SQLError) -> Bool? {
        guard let option = option(name) else { return nil }
        switch option.value.lowercased() {
        case "true", "on", "yes", "1": return true
        case "false", "off", "no", "0": return false
        default: throw bad(option, "'true' or 'false'")
        }
    }

    /// `severity=critical, team!=dev`.
    func matchers(_ option: Option) throws(SQLError) -> [LabelMatcher] {
        var matchers: [LabelMatcher] = []
        for part in option.value.split(separator: ",") {
            func trimmed(_ text: Substring) -> String {
                var text = text
                while text.first == " " { text.removeFirst() }
                while text.last == " " { text.removeLast() }
                return String(text)
            }
            guard let equals = part.firstIndex(of: "=") else { throw bad(option, "conditions such as 'severity=critical, team!=dev'") }
            let isNegated = equals > part.startIndex && part[part.index(before: equals)] == "!"
            let label = trimmed(part[..<(isNegated ? part.index(before: equals) : equals)])
            guard !label.isEmpty else { throw bad(option, "conditions such as 'severity=critical, team!=dev'") }
            matchers.append(
                LabelMatcher(label: Identifier(label), comparison: isNegated ? .unequal : .equal, values: [trimmed(part[part.index(after: equals)...])]))
        }
        return matchers
    }
}
