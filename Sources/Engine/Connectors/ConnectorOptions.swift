// ConnectorOptions: reading the WITH options of one relation, with errors that name the option, what it held and what it may hold.

import Columns
import Glibc
import Planning

package struct ConnectorOptions: Sendable {
    package let relationName: String
    package let connector: String
    /// Keys in lower case.
    package let values: [String: String]

    package init(_ relation: RelationDefinition) {
        relationName = relation.name
        connector = relation.connector
        values = relation.options
    }

    /// The value under the first of `keys` that is there.
    package func text(_ keys: String...) -> String? { first(keys)?.value }

    private func first(_ keys: [String]) -> (key: String, value: String)? {
        for key in keys {
            if let value = values[key] { return (key, value) }
        }
        return nil
    }

    /// Two spellings of one option that say different things are an error.
    package func integer(_ keys: String..., in range: ClosedRange<Int64>) throws(ConnectorError) -> Int64? {
        var found: (key: String, value: Int64)?
        for key in keys {
            guard let text = values[key] else { continue }
            let digits = text.utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: " ") }
            guard let value = Int64(String(decoding: digits, as: UTF8.self)), range.contains(value) else {
                throw bad(key, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            if let found, found.value != value {
                throw ConnectorError("\(place): options '\(found.key)' and '\(key)' mean the same but differ: \(found.value) and \(value)")
            }
            found = found ?? (key, value)
        }
        return found?.value
    }

    package func boolean(_ key: String) throws(ConnectorError) -> Bool? {
        guard let text = values[key] else { return nil }
        switch text.lowercased() {
        case "true", "on", "yes", "1": return true
        case "false", "off", "no", "0": return false
        default: throw bad(key, text, "'true' or 'false'")
        }
    }

    /// One of a few words, in lower case.
    package func word(_ key: String, among words: [String]) throws(ConnectorError) -> String? {
        guard let text = values[key] else { return nil }
        let lower = text.lowercased()
        guard words.contains(lower) else {
            throw bad(key, text, words.map { "'\($0)'" }.joined(separator: ", ") + Nearest.suggestion(for: lower, among: words))
        }
        return lower
    }

    /// `500 ms`, `1 s`, `2 minutes`, in microseconds.
    package func duration(_ key: String, in range: ClosedRange<Int64>) throws(ConnectorError) -> Int64? {
        guard let text = values[key] else { return nil }
        guard let value = ConnectorOptions.parseDuration(text), range.contains(value) else {
            throw bad(key, text, "a duration such as '500 ms', '1 s' or '2 min'")
        }
        return value
    }

    package func timestamp(_ key: String) throws(ConnectorError) -> Int64? {
        guard let text = values[key] else { return nil }
        guard let value = ConnectorOptions.parseTimestamp(text) else {
            throw bad(key, text, "a timestamp such as '2026-01-01T00:00:00' (UTC)")
        }
        return value
    }

    package func bad(_ key: String, _ text: String, _ expected: String) -> ConnectorError {
        ConnectorError("\(place): option '\(key)' is '\(text)'; expected \(expected)")
    }

    /// How errors name the relation.
    package var place: String { "\(relationName) (connector '\(connector)')" }

    // MARK: Texts

    package static func parseDuration(_ text: String) -> Int64? {
        let bytes = text.utf8.filter { $0 != UInt8(ascii: " ") }
        let digits = bytes.prefix { $0 >= 0x30 && $0 <= 0x39 }
        guard let amount = Int64(String(decoding: digits, as: UTF8.self)) else { return nil }
        let unit: Int64
        switch String(decoding: bytes.dropFirst(digits.count), as: UTF8.self).lowercased() {
        case "us", "µs", "microsecond", "microseconds": unit = 1
        case "ms", "millisecond", "milliseconds": unit = 1_000
        case "s", "sec", "second", "seconds": unit = 1_000_000
        case "m", "min", "minute", "minutes": unit = 60_000_000
        case "h", "hour", "hours": unit = 3_600_000_000
        case "d", "day", "days": unit = 86_400_000_000
        default: return nil
        }
        let (product, overflow) = amount.multipliedReportingOverflow(by: unit)
        return overflow ? nil : product
    }

    /// `YYYY-MM-DD`, then optionally `T` or a space and `hh:mm[:ss[.ffffff]]`, then optionally `Z`; UTC, in microseconds.
    package static func parseTimestamp(_ text: String) -> Int64? {
        var bytes = Array(text.utf8)
        if bytes.last == UInt8(ascii: "Z") || bytes.last == UInt8(ascii: "z") { bytes.removeLast() }
        var at = 0
        func number(_ digits: Int) -> Int64? {
            guard at + digits <= bytes.count else { return nil }
            var value: Int64 = 0
            for _ in 0..<digits {
                guard bytes[at] >= 0x30 && bytes[at] <= 0x39 else { return nil }
                value = value * 10 + Int64(bytes[at] - 0x30)
                at += 1
            }
            return value
        }
        func skip(_ characters: String) -> Bool {
            guard at < bytes.count, characters.utf8.contains(bytes[at]) else { return false }
            at += 1
            return true
        }
        guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2),
            (1...12).contains(month), day >= 1
        else { return nil }
        let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        let monthDays: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= monthDays[Int(month) - 1] else { return nil }
        var microseconds = daysSince1970(year: year, month: month, day: day) * 86_400_000_000
        if at == bytes.count { return microseconds }
        guard skip("T ") || skip("t"), let hour = number(2), hour < 24, skip(":"), let minute = number(2), minute < 60 else { return nil }
        microseconds += hour * 3_600_000_000 + minute * 60_000_000
        if at == bytes.count { return microseconds }
        guard skip(":"), let second = number(2), second < 60 else { return nil }
        microseconds += second * 1_000_000
        if at == bytes.count { return microseconds }
        guard skip("."), at < bytes.count else { return nil }
        var unit: Int64 = 100_000
        while at < bytes.count {
            guard let digit = number(1) else { return nil }
            microseconds += digit * unit
            unit /= 10
        }
        return microseconds
    }

    /// Days of the proleptic Gregorian calendar: years are counted from March, so that the leap day is the last of its year.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// The nearest of some names, for errors about one that is none of them.
package enum Nearest {
    /// `; did you mean 'path'?`, or nothing when no name is near.
    package static func suggestion(for name: String, among names: [String]) -> String {
        nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""
    }

    /// At most a third of the letters (at least one, at most three) may differ.
    package static func nearest(to name: String, among names: [String]) -> String? {
        let wanted = Array(name.lowercased().utf8.prefix(128))
        var best: (name: String, distance: Int)?
        for candidate in names {
            let distance = editDistance(wanted, Array(candidate.lowercased().utf8))
            if distance <= min(max(wanted.count / 3, 1), 3), distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// Letters to insert, remove, replace or swap with their neighbour.
    private static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...b.count)
        for row in a.indices {
            var current = [row + 1]
            current.reserveCapacity(b.count + 1)
            for column in b.indices {
                var best = min(previous[column] + (a[row] == b[column] ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
                if row > 0 && column > 0 && a[row] == b[column - 1] && a[row - 1] == b[column] {
                    best = min(best, beforePrevious[column - 1] + 1)
                }
                current.append(best)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous.last ?? 0
    }
}
