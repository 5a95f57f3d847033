// ParsedArguments: the words of a command line, sorted by what its specification says. `--name value` and `--name=value` are the
// same; `--` ends the options; a lone `-` is no option.

import Glibc
import Syntax

/// The command line makes no sense.
struct UsageError: Error {
    let message: String
    var hint: String?
}

struct ParsedArguments {
    private(set) var positionals: [String] = []
    private var values: [String: [String]] = [:]
    private var switches: Set<String> = []

    init(_ words: [String], _ specification: CommandSpecification) throws(UsageError) {
        var index = 0
        var optionsAreOver = false
        while index < words.count {
            let word = words[index]
            index += 1
            if optionsAreOver || !word.hasPrefix("-") || word == "-" {
                positionals.append(word)
                continue
            }
            if word == "--" {
                optionsAreOver = true
                continue
            }
            var name = word
            var value: String?
            if let equals = word.firstIndex(of: "=") {
                name = String(word[..<equals])
                value = String(word[word.index(after: equals)...])
            }
            guard let option = specification.options.first(where: { $0.name == name }) else {
                let near = NearestName.find(name, among: specification.options.map(\.name) + ["--help"])
                throw UsageError(message: "there is no option \(name)", hint: near.map { "did you mean \($0)?" })
            }
            guard option.valueName != nil else {
                if value != nil { throw UsageError(message: "\(name) takes no value") }
                switches.insert(name)
                continue
            }
            if value == nil, index < words.count {
                value = words[index]
                index += 1
            }
            guard let value else { throw UsageError(message: "\(name) needs a value", hint: option.display) }
            if !option.isRepeatable, values[name] != nil { throw UsageError(message: "\(name) is given twice") }
            values[name, default: []].append(value)
        }
        if positionals.count < specification.positionals.lowerBound {
            throw UsageError(message: "something is missing", hint: "millrace \(specification.usage)")
        }
        if positionals.count > specification.positionals.upperBound {
            throw UsageError(
                message: "unexpected \"\(positionals[specification.positionals.upperBound])\"",
                hint: "millrace \(specification.usage)")
        }
    }

    func has(_ name: String) -> Bool { switches.contains(name) }
    func value(_ name: String) -> String? { values[name]?.last }
    func values(_ name: String) -> [String] { values[name] ?? [] }

    /// The values of an option that takes `NAME=VALUE`.
    func assignments(_ name: String) throws(UsageError) -> [String: String] {
        var values: [String: String] = [:]
        for assignment in self.values(name) {
            guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
                throw UsageError(message: "\(name) takes NAME=VALUE, not \"\(assignment)\"")
            }
            values[String(assignment[..<equals])] = String(assignment[assignment.index(after: equals)...])
        }
        return values
    }

    /// The value of an option that takes one of a few words.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, default standard: Choice
    ) throws(UsageError) -> Choice where Choice.RawValue == String {
        guard let value = value(name) else { return standard }
        if let choice = Choice(rawValue: value.lowercased()) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        throw UsageError(message: "\(name) is \(words.joined(separator: ", ")), not \"\(value)\"")
    }

    /// The value of an option that takes a number from 1 on.
    func count(_ name: String, upTo limit: Int) throws(UsageError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = Int(value), (1...limit).contains(number) else {
            throw UsageError(message: "\(name) takes a number from 1 to \(limit), not \"\(value)\"")
        }
        return number
    }

    /// `1048576`, `512K`, `64M`, `4G`: bytes, in powers of 1,024. `variable` names what is asked when the option is not given.
    func byteCount(_ name: String, orVariable variable: String) throws(UsageError) -> Int? {
        let source = value(name) == nil ? variable : name
        guard let text = value(name) ?? getenv(variable).map({ String(cString: $0) }), !text.isEmpty else { return nil }
        guard let count = Self.byteCount(text) else {
            throw UsageError(message: "\(source) takes a size such as 512M or 4G, not \"\(text)\"")
        }
        return count
    }

    static func byteCount(_ text: String) -> Int? {
        let shift = ["K": 10, "M": 20, "G": 30, "T": 40][text.suffix(1).uppercased()]
        guard let number = Int(shift == nil ? text[...] : text.dropLast()), number > 0, number <= Int.max >> ((shift ?? 0) + 1) else { return nil }
        return number << (shift ?? 0)
    }
}
