// PatternKernels: LIKE, SIMILAR TO and regular expressions. A constant pattern is compiled once, with the expression; another one is
// compiled when it differs from the row before.

import Columns
import Planning

enum PatternKernels {
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        switch request.function {
        case .like, .ilike: return try like(request, ignoresCase: request.function == .ilike)
        case .similarTo: return try similar(request)
        case .regexpLike:
            let source = try PatternSource(request, pattern: 1, flags: 2)
            return { call in
                var cache = source.cache(groups: 0)
                let text = call.operands[0].strings
                return call.bools { row in
                    guard let matcher = cache.matcher(call, row) else { return nil }
                    return matcher.find(text[row].bytes, anyWill: true)
                }
            }
        case .regexpExtract:
            let source = try PatternSource(request, pattern: 1, flags: nil)
            return { call in
                if let column = extract(call, source) { return column }
                var cache = source.cache(groups: nil)
                let text = call.operands[0].strings
                let group = call.operands.count > 2 ? call.operands[2].int64s : nil
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    guard let matcher = cache.matcher(call, row) else { return false }
                    let number = group.map { $0[row] } ?? 0
                    guard number >= 0, number <= Int64(matcher.program.groupCount) else {
                        call.fail(row, "the regular expression has no group \(number)")
                        return false
                    }
                    let view = text[row]
                    guard matcher.find(view.bytes) else { return false }
                    let start = matcher.slots[Int(number) * 2]
                    let end = matcher.slots[Int(number) * 2 + 1]
                    guard start >= 0, end >= start else { return false }
                    writer.share(StringView(view.pointer + start, count: end - start))
                    return true
                }
            }
        case .regexpReplace: return try replace(request)
        default: return nil
        }
    }

    /// regexp_extract with a constant pattern and a constant group that it has: no question but the match is left for a row.
    private static func extract(_ call: KernelCall, _ source: PatternSource) -> Column? {
        guard let program = source.constant, call.operands.count < 3 || call.operands[2].isConstant else { return nil }
        let group = call.operands.count < 3 ? 0 : call.operands[2].isConstantNull ? -1 : call.operands[2].int64s[0]
        guard group >= 0, group <= Int64(program.groupCount) else { return nil }
        let matcher = RegexMatcher(program, groups: Int(group))
        defer { withExtendedLifetime(matcher) {} }
        let slot = Int(group) * 2
        let slots = matcher.slots
        let text = call.operands[0].strings
        return call.texts(sharing: [call.operands[0]]) { row, writer in
            let view = text[row]
            guard matcher.find(view.bytes) else { return false }
            let start = slots[slot]
            let end = slots[slot &+ 1]
            guard start >= 0, end >= start else { return false }
            writer.share(StringView(view.pointer + start, count: end &- start))
            return true
        }
    }

    /// Matches from left to right that do not overlap, until `body` says no.
    @inline(__always)
    static func eachMatch(_ matcher: RegexMatcher, _ bytes: Bytes, from start: Int = 0, _ body: (Int, Int) -> Bool) {
        var position = start
        while position <= bytes.count, matcher.find(bytes, from: position) {
            let (start, end) = (matcher.slots[0], matcher.slots[1])
            if !body(start, end) { return }
            position = end > start ? end : end < bytes.count ? end + Text.size(bytes, end) : bytes.count + 1
        }
    }

    // MARK: LIKE

    private static func escape(_ bytes: Bytes) -> UInt32? { bytes.count == 0 ? nil : Text.scalar(bytes, 0).value }

    private static func like(_ request: KernelRequest, ignoresCase: Bool) throws(ExpressionError) -> Kernel? {
        let hasEscape = request.arguments.count > 2
        if let pattern = request.text(1), !hasEscape || request.text(2) != nil {
            let compiled: LikeMatcher
            do throws(RegexError) {
                let escape = request.text(2).map { $0.withUnsafeBufferPointer(PatternKernels.escape) } ?? 0x5C
                compiled = try makeLike(pattern, escape: escape, ignoresCase)
            } catch { throw ExpressionError(error.message, expression: request.text) }
            return { call in
                let text = call.operands[0].strings
                var scratch: [UInt8] = []
                return call.bools { compiled.matches(text[$0].bytes, &scratch) }
            }
        }
        return { call in
            let (text, pattern) = (call.operands[0].strings, call.operands[1].strings)
            let escapes = hasEscape ? call.operands[2].strings : nil
            var scratch: [UInt8] = []
            return call.bools { row in
                do throws(RegexError) {
                    let escape = escapes.map { PatternKernels.escape($0[row].bytes) } ?? 0x5C
                    return try LikeMatcher(pattern[row].bytes, escape: escape, ignoresCase: ignoresCase).matches(text[row].bytes, &scratch)
                } catch {
                    call.fail(row, error.message)
                    return nil
                }
            }
        }
    }

    private static func makeLike(_ pattern: [UInt8], escape: UInt32?, _ ignoresCase: Bool) throws(RegexError) -> LikeMatcher {
        let result: Result<LikeMatcher, RegexError> = pattern.withUnsafeBufferPointer { bytes in
            do throws(RegexError) {
                return .success(try LikeMatcher(bytes, escape: escape, ignoresCase: ignoresCase))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    // MARK: SIMILAR TO

    private static func similar(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        let hasEscape = request.arguments.count > 2
        var constant: RegexProgram?
        if let pattern = request.text(1), !hasEscape || request.text(2) != nil {
            do throws(RegexError) {
                let escape = request.text(2).map { $0.withUnsafeBufferPointer(PatternKernels.escape) } ?? 0x5C
                constant = try similarProgram(String(decoding: pattern, as: UTF8.self), escape: escape)
            } catch { throw ExpressionError(error.message, expression: request.text) }
        }
        let compiled = constant
        return { call in
            let (text, pattern) = (call.operands[0].strings, call.operands[1].strings)
            let escapes = hasEscape ? call.operands[2].strings : nil
            let matcher = compiled.map { RegexMatcher($0, groups: 0) }
            return call.bools { row in
                if let matcher { return matcher.find(text[row].bytes, anyWill: true) }
                do throws(RegexError) {
                    let escape = escapes.map { PatternKernels.escape($0[row].bytes) } ?? 0x5C
                    return RegexMatcher(try similarProgram(pattern[row].string, escape: escape), groups: 0).find(text[row].bytes, anyWill: true)
                } catch {
                    call.fail(row, error.message)
                    return nil
                }
            }
        }
    }

    /// The standard's pattern as ours: `%` and `_` stand for `.*` and `.`, and it must match the whole text.
    static func similarProgram(_ pattern: String, escape: UInt32?) throws(RegexError) -> RegexProgram {
        var result = "^(?:"
        var isEscaped = false
        var isInBrackets = false
        for scalar in pattern.unicodeScalars {
            if isEscaped {
                result += "\\x{" + String(scalar.value, radix: 16) + "}"
                isEscaped = false
            } else if scalar.value == escape {
                isEscaped = true
            } else if isInBrackets {
                if scalar == "\\" { result += "\\" }
                result.unicodeScalars.append(scalar)
                if scalar == "]" { isInBrackets = false }
            } else {
                switch scalar {
                case "%": result += ".*"
                case "_": result += "."
                case ".", "^", "$", "\\": result += "\\" + String(Character(scalar))
                default:
                    result.unicodeScalars.append(scalar)
                    if scalar == "[" { isInBrackets = true }
                }
            }
        }
        if isEscaped { throw RegexError(message: "SIMILAR TO pattern must not end with escape character") }
        var flags = RegexFlags()
        flags.dotMatchesBreak = true
        return try RegexProgram(result + ")\\z", flags: flags)
    }

    // MARK: regexp_replace

    private static func replace(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        let source = try PatternSource(request, pattern: 1, flags: 3)
        return { call in
            var cache = source.cache(groups: nil)
            let (text, replacement) = (call.operands[0].strings, call.operands[2].strings)
            let flags = call.operands.count > 3 ? call.operands[3].strings : nil
            return call.texts(sharing: [call.operands[0]]) { row, writer in
                guard let matcher = cache.matcher(call, row) else { return false }
                let view = text[row]
                let bytes = view.bytes
                let with = replacement[row].bytes
                let isGlobal = flags.map { $0[row].bytes.contains(0x67) } ?? true
                var done = 0
                var isTooLong = false
                var matched = false
                eachMatch(matcher, bytes) { start, end in
                    matched = true
                    writer.append(Bytes(rebasing: bytes[done..<start]))
                    appendReplacement(with, matcher, bytes, &writer)
                    done = end
                    isTooLong = writer.count > TextKernels.byteCountMax
                    return isGlobal && !isTooLong
                }
                if isTooLong { return TextKernels.tooLong(call, row) }
                if !matched {
                    writer.share(view)
                    return true
                }
                writer.append(Bytes(rebasing: bytes[done...]))
                return true
            }
        }
    }

    /// `\1`, `$1`: a group; `\&`, `$0`: the match; a backslash before anything else: that.
    private static func appendReplacement(_ with: Bytes, _ matcher: RegexMatcher, _ bytes: Bytes, _ writer: inout TextWriter) {
        var index = 0
        while index < with.count {
            let byte = with[index]
            guard byte == 0x5C || byte == 0x24, index + 1 < with.count else {
                writer.append(byte)
                index += 1
                continue
            }
            let next = with[index + 1]
            if next &- 0x30 < 10 || (byte == 0x5C && next == 0x26) {
                let group = next == 0x26 ? 0 : Int(next - 0x30)
                if group <= matcher.program.groupCount {
                    let (start, end) = (matcher.slots[group * 2], matcher.slots[group * 2 + 1])
                    if start >= 0 && end > start { writer.append(Bytes(rebasing: bytes[start..<end])) }
                }
                index += 2
            } else if byte == 0x5C {
                writer.append(next)
                index += 2
            } else {
                writer.append(byte)
                index += 1
            }
        }
    }
}

/// Where a kernel's pattern comes from: compiled with the expression, or a column.
struct PatternSource: Sendable {
    let constant: RegexProgram?
    private let pattern: Int
    private let flags: Int?
    /// Whether a match must be the whole text.
    private let isWhole: Bool

    init(_ request: KernelRequest, pattern: Int, flags: Int?, isWhole: Bool = false) throws(ExpressionError) {
        self.pattern = pattern
        self.isWhole = isWhole
        self.flags = flags.flatMap { $0 < request.arguments.count ? $0 : nil }
        guard let text = request.text(pattern), self.flags.map({ request.text($0) != nil }) ?? true else {
            constant = nil
            return
        }
        do throws(RegexError) {
            constant = try PatternSource.compile(text, self.flags.flatMap { request.text($0) } ?? [], isWhole)
        } catch { throw ExpressionError(error.message, expression: request.text) }
    }

    fileprivate static func compile(_ pattern: [UInt8], _ letters: [UInt8], _ isWhole: Bool) throws(RegexError) -> RegexProgram {
        var flags = RegexFlags()
        for letter in letters where letter != 0x67 {
            guard flags.set(UInt32(letter), to: true) else {
                throw RegexError(message: "invalid regular expression flag: \"\(Character(Unicode.Scalar(letter)))\"")
            }
        }
        let text = String(decoding: pattern, as: UTF8.self)
        if isWhole {
            // On its own first, so that an error does not speak of what is put around it.
            _ = try RegexProgram(text, flags: flags)
            return try RegexProgram("\\A(?:\(text)\(flags.ignoresSpace ? "\n" : ""))\\z", flags: flags)
        }
        return try RegexProgram(text, flags: flags)
    }

    /// Working memory for one batch. `groups` nil captures all.
    func cache(groups: Int?) -> Cache { Cache(self, groups) }

    struct Cache {
        private let source: PatternSource
        private let groups: Int?
        private var matcher: RegexMatcher?
        private var lastPattern: [UInt8]?
        private var lastFlags: [UInt8] = []

        fileprivate init(_ source: PatternSource, _ groups: Int?) {
            self.source = source
            self.groups = groups
            matcher = source.constant.map { RegexMatcher($0, groups: groups) }
        }

        /// The matcher for a row; nil when its pattern is broken and the row has failed.
        @inline(__always)
        mutating func matcher(_ call: KernelCall, _ row: Int) -> RegexMatcher? {
            source.constant != nil ? matcher : compile(call, row)
        }

        private mutating func compile(_ call: KernelCall, _ row: Int) -> RegexMatcher? {
            let pattern = Array(call.operands[source.pattern].strings[row].bytes)
            let letters = source.flags.map { Array(call.operands[$0].strings[row].bytes) } ?? []
            if pattern == lastPattern && letters == lastFlags, let matcher { return matcher }
            do throws(RegexError) {
                let made = RegexMatcher(try PatternSource.compile(pattern, letters, source.isWhole), groups: groups)
                matcher = made
                lastPattern = pattern
                lastFlags = letters
                return made
            } catch {
                lastPattern = nil
                call.fail(row, error.message)
                return nil
            }
        }
    }
}
