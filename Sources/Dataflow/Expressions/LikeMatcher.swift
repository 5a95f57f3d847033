// LikeMatcher: a LIKE pattern cut at its `%` into segments. The first segment is bound to the start of the text and the last to its
// end; those between are found one after the other, each as early as it goes, which is right because an earlier place never
// rules out what a later one allows. Segments without `_` are found by memmem.

import Columns
import Glibc

struct LikeMatcher: Sendable {
    /// Plain bytes, or -1 for `_`.
    private struct Segment: Sendable {
        var items: [Int16]
        var bytes: [UInt8]
        var isPlain: Bool
        /// Bytes are at least this many.
        var countMin: Int { items.count }
    }

    private enum Shape: Sendable { case equal, prefix, suffix, contains, general }

    private let segments: [Segment]
    private let shape: Shape
    private let ignoresCase: Bool

    /// `escape` nil: there is none. Throws when the pattern ends in its escape.
    init(_ pattern: Bytes, escape: UInt32?, ignoresCase: Bool) throws(RegexError) {
        self.ignoresCase = ignoresCase
        var parts: [[Int16]] = [[]]
        var index = 0
        while index < pattern.count {
            let scalar = Text.scalar(pattern, index)
            let size = Text.size(pattern, index)
            var isLiteral = true
            var place = index
            var length = size
            if let escape, scalar.value == escape {
                place = index + size
                guard place < pattern.count else { throw RegexError(message: "LIKE pattern must not end with escape character") }
                length = Text.size(pattern, place)
            } else if scalar == "%" {
                parts.append([])
                isLiteral = false
            } else if scalar == "_" {
                parts[parts.count - 1].append(-1)
                isLiteral = false
            }
            if isLiteral {
                if ignoresCase {
                    let mapped = Text.scalar(pattern, place).properties.lowercaseMapping
                    for byte in mapped.utf8 { parts[parts.count - 1].append(Int16(byte)) }
                } else {
                    for offset in 0..<length { parts[parts.count - 1].append(Int16(pattern[place + offset])) }
                }
            }
            index = place + length
        }
        segments = parts.map { items in
            Segment(items: items, bytes: items.map { UInt8(truncatingIfNeeded: $0) }, isPlain: !items.contains(-1))
        }
        let isPlain = segments.allSatisfy(\.isPlain)
        switch segments.count {
        case 1: shape = isPlain ? .equal : .general
        case 2 where isPlain: shape = segments[1].items.isEmpty ? .prefix : segments[0].items.isEmpty ? .suffix : .general
        case 3 where isPlain && segments[0].items.isEmpty && segments[2].items.isEmpty: shape = .contains
        default: shape = .general
        }
    }

    /// `scratch` holds the text in lower case for ILIKE.
    @inline(__always)
    func matches(_ text: Bytes, _ scratch: inout [UInt8]) -> Bool {
        if !ignoresCase { return match(text) }
        scratch.removeAll(keepingCapacity: true)
        if Text.isASCII(text) {
            for byte in text { scratch.append(Text.lower(byte)) }
        } else {
            var folded: [UInt8] = []
            Text.eachScalar(text) { folded += Array($0.properties.lowercaseMapping.utf8) }
            scratch = folded
        }
        return scratch.withUnsafeBufferPointer { match($0) }
    }

    @inline(__always)
    private func match(_ text: Bytes) -> Bool {
        switch shape {
        case .equal: text.count == segments[0].bytes.count && segments[0].bytes.withUnsafeBufferPointer { Text.hasPrefix(text, $0) }
        case .prefix: segments[0].bytes.withUnsafeBufferPointer { Text.hasPrefix(text, $0) }
        case .suffix: segments[1].bytes.withUnsafeBufferPointer { Text.hasSuffix(text, $0) }
        case .contains: segments[1].bytes.withUnsafeBufferPointer { Text.find($0, in: text, from: 0) != nil }
        case .general: matchGeneral(text)
        }
    }

    private func matchGeneral(_ text: Bytes) -> Bool {
        guard let start = end(of: segments[0], at: 0, in: text) else { return false }
        if segments.count == 1 { return start == text.count }
        var position = start
        for segment in segments[1..<segments.count - 1] where !segment.items.isEmpty {
            guard let place = find(segment, from: position, in: text) else { return false }
            position = place
        }
        let last = segments[segments.count - 1]
        if last.isPlain {
            return text.count - position >= last.bytes.count && last.bytes.withUnsafeBufferPointer { Text.hasSuffix(text, $0) }
        }
        // As many code points from the end as the segment has.
        var begin = text.count
        var left = last.items.reduce(0) { $0 + ($1 == -1 || UInt8(truncatingIfNeeded: $1) & 0xC0 != 0x80 ? 1 : 0) }
        while left > 0 && begin > position {
            begin -= 1
            while begin > position && text[begin] & 0xC0 == 0x80 { begin -= 1 }
            left -= 1
        }
        return left == 0 && end(of: last, at: begin, in: text) == text.count
    }

    /// Where the segment ends when it stands at `position`; nil when it does not.
    private func end(of segment: Segment, at position: Int, in text: Bytes) -> Int? {
        var index = position
        for item in segment.items {
            guard index < text.count else { return nil }
            if item == -1 {
                index += Text.size(text, index)
            } else {
                if text[index] != UInt8(truncatingIfNeeded: item) { return nil }
                index += 1
            }
        }
        return index
    }

    /// Where the first occurrence at or after `position` ends.
    private func find(_ segment: Segment, from position: Int, in text: Bytes) -> Int? {
        if segment.isPlain {
            return segment.bytes.withUnsafeBufferPointer { Text.find($0, in: text, from: position) }.map { $0 + segment.bytes.count }
        }
        var start = position
        while start < text.count {
            if let end = end(of: segment, at: start, in: text) { return end }
            start += Text.size(text, start)
        }
        return nil
    }
}
