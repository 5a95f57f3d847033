// RegexParser: the text of a regular expression to a tree. The common ground of Java's and PostgreSQL's syntax: what needs
// backtracking (references to groups, looking around, possessive quantifiers) is refused by name.

/// Why a pattern is none.
struct RegexError: Error, Hashable, Sendable {
    var message: String
}

indirect enum RegexTree: Hashable, Sendable {
    case empty
    /// One code point.
    case character(UInt32)
    case set(RegexClass)
    case sequence([RegexTree])
    case alternatives([RegexTree])
    /// `maximum` nil: without bound.
    case repeated(RegexTree, minimum: Int, maximum: Int?, isLazy: Bool)
    case group(RegexTree, number: Int)
    case assertion(RegexAssertion)
}

enum RegexAssertion: UInt8, Hashable, Sendable {
    case textStart, textEnd, lineStart, lineEnd, wordBoundary, notWordBoundary
    /// Before a last line break, too (`$`, `\Z`).
    case textEndOrLastBreak
}

struct RegexFlags: Hashable, Sendable {
    var ignoresCase = false
    var isMultiline = false
    var dotMatchesBreak = false
    var ignoresSpace = false

    /// Letters as regexp_like takes them; nil when one is unknown.
    mutating func set(_ letter: UInt32, to value: Bool) -> Bool {
        switch letter {
        case 0x69: ignoresCase = value
        case 0x6D, 0x6E: isMultiline = value
        case 0x73: dotMatchesBreak = value
        case 0x78: ignoresSpace = value
        case 0x63: ignoresCase = !value
        default: return false
        }
        return true
    }
}

struct RegexParser {
    private let text: [UInt32]
    private var index = 0
    private var flags: RegexFlags
    private(set) var groupCount = 0
    private var depth = 0

    static let depthMax = 200
    static let repeatMax = 1000
    static let characterCountMax = 10_000
    static let groupCountMax = 100

    init(_ pattern: String, flags: RegexFlags) {
        text = pattern.unicodeScalars.map(\.value)
        self.flags = flags
    }

    mutating func parse() throws(RegexError) -> RegexTree {
        guard text.count <= RegexParser.characterCountMax else { throw error("is longer than \(RegexParser.characterCountMax) characters") }
        let tree = try alternatives()
        if index < text.count { throw error("has an unmatched ) at character \(index + 1)") }
        return tree
    }

    private func error(_ what: String) -> RegexError { RegexError(message: "invalid regular expression: it " + what) }

    private var peek: UInt32? { index < text.count ? text[index] : nil }

    private mutating func accept(_ character: Character) -> Bool {
        guard let wanted = character.unicodeScalars.first?.value, peek == wanted else { return false }
        index += 1
        return true
    }

    private mutating func alternatives() throws(RegexError) -> RegexTree {
        depth += 1
        defer { depth -= 1 }
        guard depth <= RegexParser.depthMax else { throw error("is nested too deeply") }
        var branches = [try sequence()]
        while accept("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .alternatives(branches)
    }

    private mutating func sequence() throws(RegexError) -> RegexTree {
        var items: [RegexTree] = []
        while let next = peek, next != 0x7C, next != 0x29 {
            if flags.ignoresSpace {
                if next == 0x20 || (0x09...0x0D).contains(next) {
                    index += 1
                    continue
                }
                if next == 0x23 {
                    while peek.map({ $0 != 0x0A }) ?? false { index += 1 }
                    continue
                }
            }
            guard let atom = try atom() else { continue }
            items.append(try quantified(atom))
        }
        switch items.count {
        case 0: return .empty
        case 1: return items[0]
        default: return .sequence(items)
        }
    }

    // MARK: Quantifiers

    private mutating func quantified(_ atom: RegexTree) throws(RegexError) -> RegexTree {
        var result = atom
        var count = 0
        while let next = peek {
            let minimum: Int
            let maximum: Int?
            switch next {
            case 0x2A: (minimum, maximum) = (0, nil)
            case 0x2B: (minimum, maximum) = (1, nil)
            case 0x3F: (minimum, maximum) = (0, 1)
            case 0x7B:
                guard let bounds = try bounds() else { return result }
                (minimum, maximum) = bounds
                index -= 1
            default: return result
            }
            index += 1
            if case .assertion = atom, count == 0, next != 0x3F { throw error("repeats an anchor at character \(index)") }
            let isLazy = accept("?")
            if !isLazy, peek == 0x2B { throw error("has a possessive quantifier at character \(index + 1), which is not supported") }
            count += 1
            guard count <= 4 else { throw error("has too many quantifiers in a row") }
            result = .repeated(result, minimum: minimum, maximum: maximum, isLazy: isLazy)
        }
        return result
    }

    /// `{n}`, `{n,}`, `{n,m}`; nil when the brace is a plain character. Ends behind the brace.
    private mutating func bounds() throws(RegexError) -> (Int, Int?)? {
        var position = index + 1
        func number() -> (Int, Int)? {
            var value = 0
            var end = position
            while end < text.count, (0x30...0x39).contains(text[end]), value <= RegexParser.repeatMax * 10 {
                value = value * 10 + Int(text[end] - 0x30)
                end += 1
            }
            return end == position ? nil : (value, end)
        }
        guard let (minimum, end) = number() else { return nil }
        position = end
        var maximum: Int? = minimum
        if position < text.count, text[position] == 0x2C {
            position += 1
            if let (value, end) = number() {
                maximum = value
                position = end
            } else {
                maximum = nil
            }
        }
        guard position < text.count, text[position] == 0x7D else { return nil }
        guard minimum <= RegexParser.repeatMax, (maximum ?? 0) <= RegexParser.repeatMax else {
            throw error("repeats more than \(RegexParser.repeatMax) times at character \(index + 1)")
        }
        guard maximum.map({ $0 >= minimum }) ?? true else { throw error("has bounds out of order at character \(index + 1)") }
        index = position + 1
        return (minimum, maximum)
    }

    // MARK: Atoms

    /// nil when it was only a change of flags.
    private mutating func atom() throws(RegexError) -> RegexTree? {
        guard let next = peek else { return nil }
        index += 1
        switch next {
        case 0x28: return try group()
        case 0x5B: return .set(try bracket())
        case 0x2E:
            return .set(flags.dotMatchesBreak ? RegexClass([0...RegexClass.scalarMax]) : RegexClass([0x0A...0x0A], isNegated: true))
        case 0x5E: return .assertion(flags.isMultiline ? .lineStart : .textStart)
        case 0x24: return .assertion(flags.isMultiline ? .lineEnd : .textEndOrLastBreak)
        case 0x2A, 0x2B, 0x3F: throw error("has nothing to repeat at character \(index)")
        case 0x5C: return try escape()
        default: return literal(next)
        }
    }

    private func literal(_ code: UInt32) -> RegexTree {
        if flags.ignoresCase {
            let variants = RegexClass.variants(code)
            if variants.count > 1 { return .set(RegexClass(variants.map { $0...$0 })) }
        }
        return .character(code)
    }

    private mutating func group() throws(RegexError) -> RegexTree? {
        let outer = flags
        if accept("?") {
            if accept(":") {
                // Only grouping.
            } else if accept("<") || (peek == 0x50 && { index += 1; return accept("<") }()) {
                if peek == 0x3D || peek == 0x21 { throw error("looks behind at character \(index), which is not supported") }
                while peek.map({ $0 != 0x3E }) ?? false { index += 1 }
                guard accept(">") else { throw error("has a group name without end") }
                return try numbered(outer)
            } else if peek == 0x3D || peek == 0x21 {
                throw error("looks ahead at character \(index), which is not supported")
            } else if peek == 0x3E {
                throw error("has an atomic group at character \(index), which is not supported")
            } else {
                var value = true
                while let next = peek, next != 0x29, next != 0x3A {
                    index += 1
                    if next == 0x2D {
                        value = false
                    } else if !flags.set(next, to: value) {
                        throw error("has an unknown flag at character \(index)")
                    }
                }
                // (?i) holds to the end of the enclosing group, which restores what held before.
                if accept(")") { return nil }
                guard accept(":") else { throw error("has a group without end") }
            }
            let inner = try alternatives()
            guard accept(")") else { throw error("has a group without end") }
            flags = outer
            return inner
        }
        return try numbered(outer)
    }

    private mutating func numbered(_ outer: RegexFlags) throws(RegexError) -> RegexTree {
        groupCount += 1
        guard groupCount <= RegexParser.groupCountMax else { throw error("has more than \(RegexParser.groupCountMax) groups") }
        let number = groupCount
        let inner = try alternatives()
        guard accept(")") else { throw error("has a group without end") }
        flags = outer
        return .group(inner, number: number)
    }

    private mutating func escape() throws(RegexError) -> RegexTree {
        guard let next = peek else { throw error("ends with a backslash") }
        index += 1
        switch next {
        case 0x62, 0x79: return .assertion(.wordBoundary)
        case 0x42, 0x59: return .assertion(.notWordBoundary)
        case 0x41: return .assertion(.textStart)
        case 0x7A: return .assertion(.textEnd)
        case 0x5A: return .assertion(.textEndOrLastBreak)
        case 0x51:
            var items: [RegexTree] = []
            while index < text.count, !(text[index] == 0x5C && index + 1 < text.count && text[index + 1] == 0x45) {
                items.append(literal(text[index]))
                index += 1
            }
            index = min(index + 2, text.count)
            return .sequence(items)
        case 0x31...0x39: throw error("refers back to a group at character \(index), which is not supported")
        default: break
        }
        if let ranges = try classEscape(next) { return .set(RegexClass(ranges)) }
        return literal(try characterEscape(next))
    }

    /// \d \w \s \p{..} and their opposites.
    private mutating func classEscape(_ letter: UInt32) throws(RegexError) -> [ClosedRange<UInt32>]? {
        switch letter {
        case 0x64: return RegexClass.digits
        case 0x44: return RegexClass.complement(RegexClass.digits)
        case 0x77: return RegexClass.word
        case 0x57: return RegexClass.complement(RegexClass.word)
        case 0x73: return RegexClass.space
        case 0x53: return RegexClass.complement(RegexClass.space)
        case 0x68: return [0x09...0x09, 0x20...0x20, 0xA0...0xA0]
        case 0x70, 0x50:
            var name = ""
            if accept("{") {
                while let next = peek, next != 0x7D {
                    if let scalar = Unicode.Scalar(next) { name.unicodeScalars.append(scalar) }
                    index += 1
                }
                guard accept("}") else { throw error("has a class name without end") }
            } else if let next = peek, let scalar = Unicode.Scalar(next) {
                name.unicodeScalars.append(scalar)
                index += 1
            }
            guard let ranges = RegexClass.named(name) else { throw error("names an unknown class \"\(name)\"") }
            return letter == 0x50 ? RegexClass.complement(ranges) : ranges
        default: return nil
        }
    }

    private mutating func characterEscape(_ letter: UInt32) throws(RegexError) -> UInt32 {
        switch letter {
        case 0x6E: return 0x0A
        case 0x74: return 0x09
        case 0x72: return 0x0D
        case 0x66: return 0x0C
        case 0x76: return 0x0B
        case 0x61: return 0x07
        case 0x65: return 0x1B
        case 0x30: return 0
        case 0x78: return try hexadecimal(digits: 2)
        case 0x75: return try hexadecimal(digits: 4)
        default:
            let isLetter = (0x41...0x5A).contains(letter) || (0x61...0x7A).contains(letter)
            if isLetter { throw error("has an unknown escape at character \(index)") }
            return letter
        }
    }

    private mutating func hexadecimal(digits: Int) throws(RegexError) -> UInt32 {
        var value: UInt32 = 0
        var count = 0
        let isBraced = accept("{")
        while let next = peek, count < (isBraced ? 6 : digits) {
            let digit: UInt32
            switch next {
            case 0x30...0x39: digit = next - 0x30
            case 0x41...0x46: digit = next - 0x37
            case 0x61...0x66: digit = next - 0x57
            default: digit = 16
            }
            if digit == 16 { break }
            value = value * 16 + digit
            count += 1
            index += 1
        }
        guard count > 0, !isBraced || accept("}"), value <= RegexClass.scalarMax else { throw error("has a broken \\x escape at character \(index)") }
        return value
    }

    // MARK: Brackets

    private mutating func bracket() throws(RegexError) -> RegexClass {
        let start = index
        let isNegated = accept("^")
        var ranges: [ClosedRange<UInt32>] = []
        var isFirst = true
        while true {
            guard let next = peek else { throw error("has a [ without ] at character \(start)") }
            index += 1
            if next == 0x5D && !isFirst { break }
            isFirst = false
            if next == 0x5B && peek == 0x3A {
                index += 1
                var name = ""
                while let letter = peek, letter != 0x3A, let scalar = Unicode.Scalar(letter) {
                    name.unicodeScalars.append(scalar)
                    index += 1
                }
                guard accept(":"), accept("]"), let named = RegexClass.named(name) else { throw error("names an unknown class \"\(name)\"") }
                ranges += named
                continue
            }
            if next == 0x26 && peek == 0x26 { throw error("intersects classes at character \(index), which is not supported") }
            var low = next
            if next == 0x5C {
                guard let letter = peek else { throw error("ends with a backslash") }
                index += 1
                if let named = try classEscape(letter) {
                    ranges += named
                    continue
                }
                low = letter == 0x62 ? 0x08 : try characterEscape(letter)
            }
            guard peek == 0x2D, index + 1 < text.count, text[index + 1] != 0x5D else {
                ranges.append(low...low)
                continue
            }
            index += 1
            var high = text[index]
            index += 1
            if high == 0x5C {
                guard let letter = peek else { throw error("ends with a backslash") }
                index += 1
                if let named = try classEscape(letter) {
                    ranges += named
                    ranges += [low...low, 0x2D...0x2D]
                    continue
                }
                high = try characterEscape(letter)
            }
            guard low <= high else { throw error("has a range out of order at character \(index)") }
            ranges.append(low...high)
        }
        return RegexClass(ranges, isNegated: isNegated, ignoresCase: flags.ignoresCase)
    }
}
