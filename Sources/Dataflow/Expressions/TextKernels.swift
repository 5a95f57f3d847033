// TextKernels: case, length, concatenation, padding, search and replacement.
//
// Texts are well-formed UTF-8; kernels must not trap on anything else. Positions count code points. Most texts are ASCII, where a
// code point is a byte; `Text.isASCII` looks eight bytes at a time, and the general path follows only when it says no.

import Columns
import Glibc
import Planning

enum TextKernels {
    /// No result is longer: what would be fails its row.
    static let byteCountMax = 16 << 20

    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .upper: return { call in convertCase(call, isUpper: true) }
        case .lower: return { call in convertCase(call, isUpper: false) }
        case .initcap: return { call in initialCapitals(call) }
        case .charLength:
            return { call in
                let a = call.operands[0].strings
                return call.int64s { Int64(Text.length(a[$0])) }
            }
        case .octetLength:
            return { call in
                let a = call.operands[0].strings
                return call.int64s { Int64(a[$0].count) }
            }
        case .concatOperator, .concat:
            let isStrict = request.function == .concatOperator
            return { call in
                let operands = call.operands
                return call.texts(strict: isStrict) { row, writer in
                    for operand in operands where !operand.isNull(row) {
                        let view = operand.strings[row]
                        if writer.count + view.count > byteCountMax { return tooLong(call, row) }
                        writer.append(view)
                    }
                    return true
                }
            }
        case .concatWithSeparator:
            return { call in
                let operands = call.operands
                return call.texts(strict: false) { row, writer in
                    if operands[0].isNull(row) { return false }
                    let separator = operands[0].strings[row]
                    var isFirst = true
                    for index in 1..<max(operands.count, 1) where !operands[index].isNull(row) {
                        let view = operands[index].strings[row]
                        if writer.count + view.count + separator.count > byteCountMax { return tooLong(call, row) }
                        if !isFirst { writer.append(separator) }
                        writer.append(view)
                        isFirst = false
                    }
                    return true
                }
            }
        case .padLeft, .padRight:
            let isLeft = request.function == .padLeft
            return { call in
                let text = call.operands[0].strings
                let length = call.operands[1].int64s
                let fill = call.operands.count > 2 ? call.operands[2] : nil
                return call.texts(sharing: [call.operands[0]]) { row, writer in pad(call, row, text[row], length[row], fill, isLeft, &writer) }
            }
        case .repeatText:
            return { call in
                let text = call.operands[0].strings
                let times = call.operands[1].int64s
                return call.texts { row, writer in
                    let view = text[row]
                    let count = Int(max(times[row], 0))
                    if view.count == 0 { return true }
                    if count > byteCountMax / view.count { return tooLong(call, row) }
                    for _ in 0..<count { writer.append(view) }
                    return true
                }
            }
        case .reverse:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in
                    let bytes = a[row].bytes
                    let target = writer.reserve(bytes.count)
                    var index = 0
                    while index < bytes.count {
                        let size = Text.size(bytes, index)
                        for offset in 0..<size { target[bytes.count - index - size + offset] = bytes[index + offset] }
                        index += size
                    }
                    writer.advance(bytes.count)
                    return true
                }
            }
        case .replace:
            return { call in
                let (text, from, to) = (call.operands[0].strings, call.operands[1].strings, call.operands[2].strings)
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    let bytes = text[row].bytes
                    let needle = from[row].bytes
                    var found = needle.count == 0 ? nil : Text.find(needle, in: bytes, from: 0)
                    if found == nil {
                        writer.share(text[row])
                        return true
                    }
                    var done = 0
                    while let place = found {
                        writer.append(UnsafeBufferPointer(rebasing: bytes[done..<place]))
                        writer.append(to[row])
                        if writer.count > byteCountMax { return tooLong(call, row) }
                        done = place + needle.count
                        found = Text.find(needle, in: bytes, from: done)
                    }
                    writer.append(UnsafeBufferPointer(rebasing: bytes[done...]))
                    return true
                }
            }
        case .translate: return { call in translate(call) }
        case .ascii:
            return { call in
                let a = call.operands[0].strings
                return call.int64s { row in
                    let bytes = a[row].bytes
                    return bytes.count == 0 ? 0 : Int64(Text.scalar(bytes, 0).value)
                }
            }
        case .chr:
            return { call in
                let a = call.operands[0].int64s
                return call.texts { row, writer in
                    guard a[row] > 0, let code = UInt32(exactly: a[row]), Unicode.Scalar(code) != nil else {
                        call.fail(row, "\(a[row]) is no character's code point")
                        return false
                    }
                    writer.append(scalar: code)
                    return true
                }
            }
        default: return nil
        }
    }

    @inline(never)
    static func tooLong(_ call: KernelCall, _ row: Int) -> Bool {
        call.fail(row, "the text would be longer than \(byteCountMax) bytes")
        return false
    }

    // MARK: Case

    private static func convertCase(_ call: KernelCall, isUpper: Bool) -> Column {
        let a = call.operands[0].strings
        let first: UInt64 = isUpper ? 0x61 : 0x41
        return call.texts { row, writer in
            let bytes = a[row].bytes
            // Whole words are converted in place, so there must be room behind the last one.
            let target = writer.reserve(bytes.count &+ 8)
            if Text.isASCII(bytes), let source = bytes.baseAddress {
                memcpy(target, source, bytes.count)
                let words = UnsafeMutableRawPointer(target)
                var index = 0
                while index < bytes.count {
                    let word = words.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    words.storeBytes(of: word ^ letters(word, from: first), toByteOffset: index, as: UInt64.self)
                    index &+= 8
                }
                writer.advance(bytes.count)
            } else {
                Text.eachScalar(bytes) { scalar in
                    let mapped = isUpper ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
                    for scalar in mapped.unicodeScalars { writer.append(scalar: scalar.value) }
                }
            }
            return true
        }
    }

    /// 0x20 in each byte of a word that is one of the 26 letters from `first` on; bytes beyond ASCII are none.
    @inline(__always)
    private static func letters(_ word: UInt64, from first: UInt64) -> UInt64 {
        let all: UInt64 = 0x0101_0101_0101_0101
        let low = word & 0x7F7F_7F7F_7F7F_7F7F
        let isFromFirst = low &+ (all &* (0x80 &- first))
        let isBehindLast = low &+ (all &* (0x80 &- first &- 26))
        return ((isFromFirst ^ isBehindLast) & ~word & 0x8080_8080_8080_8080) >> 2
    }

    private static func initialCapitals(_ call: KernelCall) -> Column {
        let a = call.operands[0].strings
        return call.texts { row, writer in
            var isInside = false
            Text.eachScalar(a[row].bytes) { scalar in
                let mapped = isInside ? scalar.properties.lowercaseMapping : scalar.properties.uppercaseMapping
                for scalar in mapped.unicodeScalars { writer.append(scalar: scalar.value) }
                isInside = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
            }
            return true
        }
    }

    private static func translate(_ call: KernelCall) -> Column {
        let (text, from, to) = (call.operands[0].strings, call.operands[1].strings, call.operands[2].strings)
        return call.texts { row, writer in
            var targets: [UInt32?] = []
            var sources: [UInt32] = []
            Text.eachScalar(to[row].bytes) { targets.append($0.value) }
            Text.eachScalar(from[row].bytes) { sources.append($0.value) }
            var map: [UInt32: UInt32?] = [:]
            for (index, source) in sources.enumerated() where map[source] == nil {
                map[source] = .some(index < targets.count ? targets[index] : nil)
            }
            Text.eachScalar(text[row].bytes) { scalar in
                switch map[scalar.value] {
                case .none: writer.append(scalar: scalar.value)
                case .some(.none): break
                case .some(.some(let target)): writer.append(scalar: target)
                }
            }
            return true
        }
    }

    private static func pad(
        _ call: KernelCall, _ row: Int, _ view: StringView, _ wanted: Int64, _ fill: Operand?, _ isLeft: Bool, _ writer: inout TextWriter
    ) -> Bool {
        let length = Text.length(view)
        if wanted <= Int64(length) {
            writer.share(StringView(view.pointer, count: UTF8Text.byteCount(of: view.bytes, characters: Int(max(wanted, 0)))))
            return true
        }
        if wanted > Int64(byteCountMax / 4) { return tooLong(call, row) }
        let missing = Int(wanted) - length
        if !isLeft { writer.append(view) }
        if let fill {
            let pattern = fill.strings[row]
            let period = Text.length(pattern)
            if period > 0 {
                for _ in 0..<missing / period { writer.append(pattern) }
                writer.append(pattern.pointer, UTF8Text.byteCount(of: pattern.bytes, characters: missing % period))
            }
        } else {
            writer.append(repeating: 0x20, missing)
        }
        if isLeft { writer.append(view) }
        return true
    }
}
