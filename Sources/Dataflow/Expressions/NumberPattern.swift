// NumberPattern: PostgreSQL's patterns of numbers (`FM999,990.00`), compiled; the same nodes write and read.
//
//   9 0      a digit; from the first 0 on zeros are shown         . D    the point
//   , G      a comma, or a space before the first digit           FM     nothing is filled up, zeros at the end of a fraction go
//   S        the sign, before the number or behind it             MI     a minus of a negative number, otherwise a space
//   PL       a plus of a positive number, otherwise a space       SG     the sign, here
//   PR       a negative number in < >                             TH th  st, nd, rd or th behind a whole number
//   "text"   as it stands, and so does every other character
//
// How the parts act upon each other (where the sign goes, which digits become spaces) is not written down anywhere but in PostgreSQL's
// formatting.c; `write` follows it step by step, and is tested against it.

import Columns

struct NumberPattern: Sendable {
    enum Node: Hashable, Sendable {
        case nine, zero, point, comma, sign, minus, plus, anySign, ordinal(isUpper: Bool), literal(UInt8)
    }

    private enum SignPlace: Sendable { case none, before, behind }

    private var nodes: [Node] = []
    /// Digits before the point and behind it.
    private(set) var whole = 0
    private(set) var fraction = 0
    /// Among the digits before the point: where the first zero stands, from 0; nil without one.
    private var zeroStart: Int?
    /// Digits up to the last zero.
    private var zeroEnd = 0
    private var hasPoint = false
    private var isBare = false
    private var isBracketed = false
    private var hasMinus = false
    private var hasPlus = false
    private var signPlace = SignPlace.none
    private var digitsBeforeSign = 0

    static let lengthMax = 200

    init(_ pattern: Bytes) throws(RegexError) {
        guard pattern.count <= NumberPattern.lengthMax else { throw RegexError(message: "the number pattern is too long") }
        var index = 0
        func word(_ text: StaticString) -> Bool {
            guard index + text.utf8CodeUnitCount <= pattern.count else { return false }
            for offset in 0..<text.utf8CodeUnitCount where Text.lower(pattern[index + offset]) != text.utf8Start[offset] { return false }
            return true
        }
        while index < pattern.count {
            let byte = pattern[index]
            if word("fm") {
                isBare = true
                index += 2
            } else if word("mi") || word("pl") || word("sg") || word("pr") {
                if signPlace != .none { throw NumberPattern.error("S cannot be used with MI, PL, SG or PR") }
                switch Text.lower(pattern[index]) {
                case 0x6D:
                    hasMinus = true
                    nodes.append(.minus)
                case 0x73:
                    hasMinus = true
                    hasPlus = true
                    nodes.append(.anySign)
                default:
                    if word("pl") {
                        hasPlus = true
                        nodes.append(.plus)
                    } else {
                        isBracketed = true
                    }
                }
                if isBracketed && (hasPlus || hasMinus) { throw NumberPattern.error("PR cannot be used with S, PL, MI or SG") }
                index += 2
            } else if word("th") {
                nodes.append(.ordinal(isUpper: byte == 0x54))
                index += 2
            } else if word("eeee") || word("rn") {
                throw NumberPattern.error("EEEE and RN are not supported")
            } else {
                try one(byte, pattern, &index)
            }
        }
        if whole + fraction > 38 { throw NumberPattern.error("there are more than 38 digits") }
    }

    private static func error(_ text: String) -> RegexError { RegexError(message: "the number pattern is not valid: \(text)") }

    private mutating func one(_ byte: UInt8, _ pattern: Bytes, _ index: inout Int) throws(RegexError) {
        switch byte {
        case 0x39:
            if isBracketed { throw NumberPattern.error("9 must be ahead of PR") }
            if hasPoint { fraction += 1 } else { whole += 1 }
            nodes.append(.nine)
        case 0x30:
            if isBracketed { throw NumberPattern.error("0 must be ahead of PR") }
            if zeroStart == nil, !hasPoint { zeroStart = whole }
            if hasPoint { fraction += 1 } else { whole += 1 }
            zeroEnd = whole + fraction
            nodes.append(.zero)
        case 0x2E, 0x44, 0x64:
            if hasPoint { throw NumberPattern.error("there is more than one point") }
            hasPoint = true
            nodes.append(.point)
        case 0x2C, 0x47, 0x67: nodes.append(.comma)
        case 0x53, 0x73:
            if signPlace != .none { throw NumberPattern.error("S cannot be used twice") }
            if hasPlus || hasMinus || isBracketed { throw NumberPattern.error("S cannot be used with MI, PL, SG or PR") }
            if hasPoint {
                signPlace = .behind
            } else {
                signPlace = .before
                digitsBeforeSign = whole
            }
            nodes.append(.sign)
        case 0x56, 0x76, 0x4C, 0x6C: throw NumberPattern.error("V and L are not supported")
        case 0x22:
            index += 1
            while index < pattern.count, pattern[index] != 0x22 {
                if pattern[index] == 0x5C, index + 1 < pattern.count { index += 1 }
                nodes.append(.literal(pattern[index]))
                index += 1
            }
        default: nodes.append(.literal(byte))
        }
        index += 1
    }

    // MARK: Writing

    /// `digits` are those of the number without its sign: at least one before the point, and exactly `fraction` behind it.
    func write(_ digits: [UInt8], isNegative: Bool, to writer: inout TextWriter) {
        var number = digits
        var spaces = 0
        let wholeCount = number.firstIndex(of: 0x2E) ?? number.count
        if wholeCount < whole {
            spaces = whole - wholeCount
        } else if wholeCount > whole {
            number = [UInt8](repeating: 0x23, count: whole + fraction + 1)
            number[whole] = 0x2E
        }
        var place = signPlace
        var isBracketed = isBracketed
        var isSignWritten = false
        if hasPlus || hasMinus {
            isSignWritten = !(hasPlus && !hasMinus)
        } else {
            if !isNegative && isBare { isBracketed = false }
            isSignWritten = !isNegative && isBare && place == .none
            if place == .before && whole == digitsBeforeSign { place = .behind }
        }
        var count = fraction + whole - 1
        // The last digit behind the point that is no zero; with FM those behind it are left out.
        var lastRelevant: Int?
        if isBare && hasPoint, let point = number.firstIndex(of: 0x2E) {
            var last = number[point...].lastIndex { $0 != 0x30 } ?? point
            if zeroEnd > spaces { last = max(last, min(number.count - 1, zeroEnd - spaces)) }
            lastRelevant = last
        }
        if !isSignWritten && spaces == 0 { count += 1 }

        var position = 0
        var next = 0
        var isInside = false
        func byte() -> UInt8 { next < number.count ? number[next] : 0 }
        func isSpaceBeforePoint() -> Bool { zeroStart == nil && next == 0 && byte() == 0x30 && fraction != 0 }
        func isPointRelevant() -> Bool { lastRelevant.map { number[$0] == 0x2E } ?? false }

        for node in nodes {
            switch node {
            case .nine, .zero, .point:
                if !isSignWritten, position >= spaces || zeroStart == position, !isSpaceBeforePoint() || isPointRelevant() {
                    if place != .none {
                        if place == .before {
                            writer.append(isNegative ? 0x2D : 0x2B)
                            isSignWritten = true
                        }
                    } else if isBracketed {
                        writer.append(isNegative ? 0x3C : 0x20)
                        isSignWritten = true
                    } else {
                        if isNegative { writer.append(0x2D) } else if !isBare { writer.append(0x20) }
                        isSignWritten = true
                    }
                }
                if position < spaces, zeroStart.map({ $0 > position }) ?? true {
                    if !isBare { writer.append(0x20) }
                } else if position < spaces, zeroStart != nil {
                    writer.append(0x30)
                    isInside = true
                } else {
                    if byte() == 0x2E {
                        if !isPointRelevant() || isBare { writer.append(0x2E) }
                    } else if let lastRelevant, next > lastRelevant, node != .zero {
                        // A zero at the end.
                    } else if isSpaceBeforePoint() {
                        if !isBare { writer.append(0x20) } else if isPointRelevant() { writer.append(0x30) }
                    } else if next < number.count {
                        writer.append(byte())
                        isInside = true
                    }
                    if next < number.count { next += 1 }
                }
                var end = count + (spaces > 0 ? 1 : 0) + (hasPoint ? 1 : 0)
                if let lastRelevant, lastRelevant == next { end = position }
                if position + 1 == end {
                    if isSignWritten && isBracketed {
                        writer.append(isNegative ? 0x3E : 0x20)
                    } else if place == .behind {
                        writer.append(isNegative ? 0x2D : 0x2B)
                    }
                }
                position += 1
            case .comma:
                if isInside { writer.append(0x2C) } else if !isBare { writer.append(0x20) }
            case .minus:
                if isNegative { writer.append(0x2D) } else if !isBare { writer.append(0x20) }
            case .plus:
                if !isNegative { writer.append(0x2B) } else if !isBare { writer.append(0x20) }
            case .anySign: writer.append(isNegative ? 0x2D : 0x2B)
            case .ordinal(let isUpper):
                if !isNegative && !hasPoint && wholeCount <= whole { writer.append(NumberPattern.ordinal(digits, isUpper)) }
            case .literal(let byte): writer.append(byte)
            case .sign: break
            }
        }
    }

    private static func ordinal(_ digits: [UInt8], _ isUpper: Bool) -> String {
        let isTeen = digits.count > 1 && digits[digits.count - 2] == 0x31
        let suffix =
            switch isTeen ? 0x30 : digits.last ?? 0x30 {
            case 0x31: "st"
            case 0x32: "nd"
            case 0x33: "rd"
            default: "th"
            }
        return isUpper ? suffix.uppercased() : suffix
    }

    // MARK: Reading

    /// The sign, digits and point that a text shows, for a number's parser; nil when there is no digit.
    func read(_ text: Bytes) -> [UInt8]? {
        var result: [UInt8] = []
        var isNegative = false
        var hasRead = false
        var hasReadPoint = false
        var index = 0
        func at(_ byte: UInt8) -> Bool { index < text.count && text[index] == byte }
        func sign() {
            if at(0x2D) || at(0x3C) {
                isNegative = true
                index += 1
            } else if at(0x2B) {
                index += 1
            }
        }
        for node in nodes where index < text.count {
            switch node {
            case .nine, .zero, .point:
                if !hasRead {
                    while at(0x20) { index += 1 }
                    sign()
                }
                if index < text.count, text[index] &- 0x30 < 10 {
                    result.append(text[index])
                    hasRead = true
                    index += 1
                } else if hasPoint, !hasReadPoint, at(0x2E) {
                    result.append(0x2E)
                    hasReadPoint = true
                    hasRead = true
                    index += 1
                }
            case .comma:
                if at(0x2C) || (!hasRead && at(0x20)) { index += 1 }
            case .minus, .plus, .anySign, .sign:
                if at(0x20) { index += 1 } else { sign() }
            case .ordinal: index = min(index + 2, text.count)
            case .literal: index += 1
            }
        }
        // A sign that stands behind the number.
        if index < text.count, signPlace != .none || isBracketed, at(0x2D) || at(0x3E) { isNegative = isNegative || at(0x2D) }
        guard result.contains(where: { $0 != 0x2E }) else { return nil }
        return isNegative ? [0x2D] + result : result
    }
}
