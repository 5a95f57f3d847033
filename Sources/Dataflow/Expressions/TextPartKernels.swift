// TextPartKernels: parts of texts (views that share the operand's bytes) and where they stand.

import CMillrace
import Columns
import Glibc
import Planning

enum TextPartKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .substring: return { call in substring(call) }
        case .left, .right:
            let isLeft = request.function == .left
            return { call in
                let text = call.operands[0].strings
                let wanted = call.operands[1].int64s
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    let view = text[row]
                    let length = Int64(Text.length(view))
                    // How many characters are taken from the start, or left out there.
                    let count = wanted[row] >= 0 ? min(wanted[row], length) : max(length + max(wanted[row], -length), 0)
                    let cut = Text.offset(view.bytes, ofCharacter: Int(isLeft ? count : length - count))
                    writer.share(isLeft ? StringView(view.pointer, count: cut) : StringView(view.pointer + cut, count: view.count - cut))
                    return true
                }
            }
        case .overlay: return { call in overlay(call) }
        case .position, .locate: return { call in position(call, needle: 0, text: 1) }
        case .strpos: return { call in position(call, needle: 1, text: 0) }
        case .startsWith:
            return { call in
                let (a, b) = (call.operands[0].strings, call.operands[1].strings)
                return call.bools { Text.hasPrefix(a[$0].bytes, b[$0].bytes) }
            }
        case .endsWith:
            return { call in
                let (a, b) = (call.operands[0].strings, call.operands[1].strings)
                return call.bools { Text.hasSuffix(a[$0].bytes, b[$0].bytes) }
            }
        case .trimBoth: return { call in trim(call, atStart: true, atEnd: true) }
        case .trimLeft: return { call in trim(call, atStart: true, atEnd: false) }
        case .trimRight: return { call in trim(call, atStart: false, atEnd: true) }
        case .contains:
            return { call in
                let (a, b) = (call.operands[0].strings, call.operands[1].strings)
                return call.bools { Text.find(b[$0].bytes, in: a[$0].bytes, from: 0) != nil }
            }
        case .substringIndex: return { call in substringIndex(call) }
        case .splitPart: return { call in splitPart(call) }
        case .splitIndex: return { call in splitIndex(call) }
        default: return nil
        }
    }

    // MARK: substring

    /// PostgreSQL's rules from position 1 on: positions before the text count against the length. A negative position counts from the
    /// end, as in Flink; 0 is like 1 less one character.
    private static func substring(_ call: KernelCall) -> Column {
        let text = call.operands[0].strings
        let from = call.operands[1].int64s
        let length = call.operands.count > 2 ? call.operands[2].int64s : nil
        return call.texts(sharing: [call.operands[0]]) { row, writer in
            let view = text[row]
            let bytes = view.bytes
            var start = from[row]
            if let length, length[row] < 0 {
                call.fail(row, "negative substring length not allowed")
                return false
            }
            if start < 0 {
                start = Int64(Text.length(view)) + start + 1
                // Before the text: Flink gives an empty text, and so does this.
                if start < 1 { return true }
            }
            let end = length.map { start.addingReportingOverflow($0[row]) }.map { $0.overflow ? Int64.max : $0.partialValue } ?? Int64.max
            let first = max(start, 1)
            if end <= first { return true }
            if Text.isASCII(bytes) {
                let low = min(Int(first - 1), bytes.count)
                let high = min(Int(min(end - 1, Int64(bytes.count))), bytes.count)
                writer.share(StringView(view.pointer + low, count: max(high - low, 0)))
            } else {
                let low = Text.offset(bytes, ofCharacter: Int(first - 1))
                let rest = Bytes(rebasing: bytes[low...])
                let high = Text.offset(rest, ofCharacter: Int(min(end - first, Int64(bytes.count))))
                writer.share(StringView(view.pointer + low, count: high))
            }
            return true
        }
    }

    private static func overlay(_ call: KernelCall) -> Column {
        let (text, with, from) = (call.operands[0].strings, call.operands[1].strings, call.operands[2].int64s)
        let count = call.operands.count > 3 ? call.operands[3].int64s : nil
        return call.texts { row, writer in
            let bytes = text[row].bytes
            if from[row] < 1 {
                call.fail(row, "negative substring length not allowed")
                return false
            }
            let removed = max(count.map { $0[row] } ?? Int64(Text.length(with[row])), 0)
            let start = Text.offset(bytes, ofCharacter: Int(min(from[row] - 1, Int64(bytes.count))))
            let rest = Bytes(rebasing: bytes[start...])
            let skip = Text.offset(rest, ofCharacter: Int(min(removed, Int64(bytes.count))))
            writer.append(Bytes(rebasing: bytes[..<start]))
            writer.append(with[row])
            writer.append(Bytes(rebasing: rest[skip...]))
            return true
        }
    }

    // MARK: position

    private static func position(_ call: KernelCall, needle: Int, text: Int) -> Column {
        let needles = call.operands[needle].strings
        let texts = call.operands[text].strings
        let from = call.operands.count > 2 ? call.operands[2].int64s : nil
        return call.int64s { row in
            let bytes = texts[row].bytes
            let first = from.map { $0[row] } ?? 1
            if first < 1 || first - 1 > Int64(bytes.count) { return 0 }
            let start = Text.offset(bytes, ofCharacter: Int(first - 1))
            guard let place = Text.find(needles[row].bytes, in: bytes, from: start) else { return 0 }
            return Int64(Text.characters(bytes, before: place)) + 1
        }
    }

    // MARK: trim

    private static func trim(_ call: KernelCall, atStart: Bool, atEnd: Bool) -> Column {
        let text = call.operands[0].strings
        let set = call.operands.count > 1 ? call.operands[1] : nil
        return call.texts(sharing: [call.operands[0]]) { row, writer in
            let view = text[row]
            let bytes = view.bytes
            var low = 0
            var high = bytes.count
            let characters = set.map { $0.strings[row].bytes }
            if characters.map(Text.isASCII) ?? true {
                // Every byte of the set is a character; no byte of a longer character is in it.
                func isIn(_ byte: UInt8) -> Bool { characters.map { $0.contains(byte) } ?? (byte == 0x20) }
                if atStart { while low < high && isIn(bytes[low]) { low += 1 } }
                if atEnd { while high > low && isIn(bytes[high - 1]) { high -= 1 } }
            } else if let characters {
                var members: Set<Unicode.Scalar> = []
                Text.eachScalar(characters) { members.insert($0) }
                if atStart { while low < high && members.contains(Text.scalar(bytes, low)) { low += Text.size(bytes, low) } }
                while atEnd && high > low {
                    var last = high - 1
                    while last > low && bytes[last] & 0xC0 == 0x80 { last -= 1 }
                    if !members.contains(Text.scalar(bytes, last)) { break }
                    high = last
                }
            }
            writer.share(StringView(view.pointer + low, count: max(high - low, 0)))
            return true
        }
    }

    // MARK: split

    /// Bytes of part `index` (from 0); nil when there are fewer parts. An empty separator does not split.
    @inline(__always)
    private static func part(_ index: Int, of bytes: Bytes, _ separator: Bytes) -> Range<Int>? {
        if separator.count == 0 { return index == 0 ? 0..<bytes.count : nil }
        if separator.count == 1, let base = bytes.baseAddress { return part(index, of: base, bytes.count, separator[0]) }
        var start = 0
        var left = index
        while true {
            let next = Text.find(separator, in: bytes, from: start)
            if left == 0 { return start..<(next ?? bytes.count) }
            guard let next else { return nil }
            start = next + separator.count
            left -= 1
        }
    }

    /// The same for a separator of one byte, found sixteen bytes at a time.
    @inline(__always)
    private static func part(_ index: Int, of base: UnsafePointer<UInt8>, _ count: Int, _ separator: UInt8) -> Range<Int>? {
        var start = 0
        var left = index
        var block = 0
        while block < count {
            var hits: UInt32 = 0
            if block &+ 16 <= count {
                hits = millrace_equal16(base + block, separator)
            } else if count >= 16 {
                // The last sixteen bytes, without those that have been looked at.
                hits = millrace_equal16(base + (count &- 16), separator) >> UInt32(truncatingIfNeeded: block &+ 16 &- count)
            } else {
                for place in 0..<count where base[place] == separator { hits |= 1 << UInt32(truncatingIfNeeded: place) }
            }
            while hits != 0 {
                let place = block &+ hits.trailingZeroBitCount
                if left == 0 { return start..<place }
                left &-= 1
                start = place &+ 1
                hits &= hits &- 1
            }
            block &+= 16
        }
        return left == 0 ? start..<count : nil
    }

    private static func splitPart(_ call: KernelCall) -> Column {
        let (text, separator, number) = (call.operands[0].strings, call.operands[1].strings, call.operands[2].int64s)
        return call.texts(sharing: [call.operands[0]]) { row, writer in
            let view = text[row]
            var index = number[row]
            if index == 0 {
                call.fail(row, "field position must not be zero")
                return false
            }
            if index < 0 {
                var parts: Int64 = 1
                var start = 0
                let needle = separator[row].bytes
                while needle.count > 0, let next = Text.find(needle, in: view.bytes, from: start) {
                    parts += 1
                    start = next + needle.count
                }
                index = parts + index + 1
                if index < 1 { return true }
            }
            if index - 1 <= Int64(view.count), let range = part(Int(index - 1), of: view.bytes, separator[row].bytes) {
                writer.share(StringView(view.pointer + range.lowerBound, count: range.count))
            }
            return true
        }
    }

    private static func splitIndex(_ call: KernelCall) -> Column {
        let (text, separator, number) = (call.operands[0].strings, call.operands[1].strings, call.operands[2].int64s)
        return call.texts(sharing: [call.operands[0]]) { row, writer in
            let view = text[row]
            guard number[row] >= 0, number[row] <= Int64(view.count), view.count > 0,
                let range = part(Int(number[row]), of: view.bytes, separator[row].bytes)
            else { return false }
            writer.share(StringView(view.pointer + range.lowerBound, count: range.count))
            return true
        }
    }

    /// What stands before separator `n`, counted from the start, or behind it, counted from the end.
    private static func substringIndex(_ call: KernelCall) -> Column {
        let (text, separator, number) = (call.operands[0].strings, call.operands[1].strings, call.operands[2].int64s)
        return call.texts(sharing: [call.operands[0]]) { row, writer in
            let view = text[row]
            let needle = separator[row].bytes
            if number[row] == 0 || needle.count == 0 { return true }
            var places: [Int] = []
            var start = 0
            while let place = Text.find(needle, in: view.bytes, from: start) {
                places.append(place)
                start = place + needle.count
                if number[row] > 0, Int64(places.count) == number[row] { break }
            }
            if Int64(places.count) < Int64(clamping: number[row].magnitude) {
                writer.share(view)
            } else if number[row] > 0 {
                writer.share(StringView(view.pointer, count: places[places.count - 1]))
            } else {
                let cut = places[places.count - Int(number[row].magnitude)] + needle.count
                writer.share(StringView(view.pointer + cut, count: view.count - cut))
            }
            return true
        }
    }
}
