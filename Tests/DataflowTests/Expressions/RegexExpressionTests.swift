// Regular expressions and LIKE against naive backtracking matchers, on random small patterns and texts.

import Columns
import XCTest

@testable import Dataflow

final class RegexExpressionTests: XCTestCase {
    // MARK: The oracle

    /// Backtracking over the parsed tree, in the order of preference; the continuation says whether the rest suits.
    private struct Backtracker {
        let text: [UInt32]
        var groups: [Int: (Int, Int)] = [:]
        var steps = 0

        mutating func match(_ tree: RegexTree, _ position: Int, _ rest: (inout Backtracker, Int) -> Bool) -> Bool {
            steps += 1
            if steps > 200_000 { return false }
            switch tree {
            case .empty: return rest(&self, position)
            case .character(let code): return position < text.count && text[position] == code && rest(&self, position + 1)
            case .set(let set): return position < text.count && set.contains(text[position]) && rest(&self, position + 1)
            case .assertion(let assertion):
                let text = text
                let isWord = { (index: Int) -> Bool in
                    index >= 0 && index < text.count && RegexClass(RegexClass.word).contains(text[index])
                }
                let holds: Bool =
                    switch assertion {
                    case .textStart: position == 0
                    case .textEnd: position == text.count
                    case .textEndOrLastBreak: position == text.count || (position == text.count - 1 && text[position] == 10)
                    case .lineStart: position == 0 || text[position - 1] == 10
                    case .lineEnd: position == text.count || text[position] == 10
                    case .wordBoundary: isWord(position - 1) != isWord(position)
                    case .notWordBoundary: isWord(position - 1) == isWord(position)
                    }
                return holds && rest(&self, position)
            case .sequence(let items):
                func go(_ me: inout Backtracker, _ index: Int, _ position: Int) -> Bool {
                    if index == items.count { return rest(&me, position) }
                    return me.match(items[index], position) { go(&$0, index + 1, $1) }
                }
                return go(&self, 0, position)
            case .alternatives(let items):
                for item in items where match(item, position, rest) { return true }
                return false
            case .group(let inner, let number):
                let before = groups[number]
                if match(inner, position, { me, end in
                    let old = me.groups[number]
                    me.groups[number] = (position, end)
                    if rest(&me, end) { return true }
                    me.groups[number] = old
                    return false
                }) { return true }
                groups[number] = before
                return false
            case .repeated(let inner, let minimum, let maximum, let isLazy):
                func go(_ me: inout Backtracker, _ count: Int, _ position: Int) -> Bool {
                    func again(_ me: inout Backtracker) -> Bool {
                        guard maximum.map({ count < $0 }) ?? true else { return false }
                        return me.match(inner, position) { me, next in
                            // An empty round past the minimum leads nowhere new.
                            if next == position && count >= minimum { return false }
                            return go(&me, count + 1, next)
                        }
                    }
                    if count < minimum { return again(&me) }
                    if isLazy { return rest(&me, position) || again(&me) }
                    return again(&me) || rest(&me, position)
                }
                return go(&self, 0, position)
            }
        }
    }

    private func oracle(_ pattern: String, _ text: String, _ flags: RegexFlags) throws -> (Int, Int)?? {
        var parser = RegexParser(pattern, flags: flags)
        let tree = try parser.parse()
        let scalars = text.unicodeScalars.map(\.value)
        for start in 0...scalars.count {
            var engine = Backtracker(text: scalars)
            var end = -1
            if engine.match(tree, start, { _, position in
                end = position
                return true
            }) { return .some((start, end)) }
            if engine.steps > 200_000 { return nil }
        }
        return .some(nil)
    }

    private func randomPattern(_ random: inout TestRandom, _ depth: Int) -> String {
        let atoms = ["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "é", "\\d", "[a-c]", "\\b", "^", "$", "x"]
        switch Int.random(in: 0...(depth > 0 ? 9 : 3), using: &random) {
        case 0...3: return atoms[Int.random(in: 0..<atoms.count, using: &random)]
        case 4, 5: return randomPattern(&random, depth - 1) + randomPattern(&random, depth - 1)
        case 6: return "(" + randomPattern(&random, depth - 1) + "|" + randomPattern(&random, depth - 1) + ")"
        case 7: return "(?:" + randomPattern(&random, depth - 1) + ")"
        default:
            let quantifiers = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?"]
            return "(" + randomPattern(&random, depth - 1) + ")" + quantifiers[Int.random(in: 0..<quantifiers.count, using: &random)]
        }
    }

    /// The matcher for patterns with one thread against the threads: the same match, the same groups.
    func testOnePassAgainstThreads() throws {
        var random = TestRandom(22)
        let letters: [Character] = ["a", "b", "c", "x", "1", "&", "="]
        let given = ["(&|^)c=([^&]*)", "^(a*)(b?)", "a(b|c)?x", "(a|b(c))*1", "a*?b", "x{2,3}(a?)", "(a*)b", ""]
        var taken = 0
        for round in 0..<6_000 {
            let pattern = round < given.count ? given[round] : randomPattern(&random, 3)
            guard let program = try? RegexProgram(pattern) else { continue }
            let slotCount = 2 * (program.groupCount + 1)
            if !program.hasBoundaries, RegexOnePass(program, slotCount: slotCount) != nil { taken += 1 }
            let fast = RegexMatcher(program)
            let slow = RegexMatcher(program, triesOnePass: false)
            for _ in 0..<6 {
                var text = String((0..<Int.random(in: 0...12, using: &random)).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
                if round % 9 == 0 { text += "é" }
                Array(text.utf8).withUnsafeBufferPointer { bytes in
                    for start in [0, min(1, bytes.count), bytes.count / 2] {
                        let found = fast.find(bytes, from: start)
                        XCTAssertEqual(found, slow.find(bytes, from: start), "\(pattern) in \(text)")
                        guard found else { continue }
                        for slot in 0..<slotCount {
                            XCTAssertEqual(fast.slots[slot], slow.slots[slot], "slot \(slot) of \(pattern) in \(text) from \(start)")
                        }
                    }
                }
            }
        }
        XCTAssertGreaterThan(taken, 1_000)
        XCTAssertNotNil(RegexOnePass(try RegexProgram("(&|^)channel_id=([^&]*)"), slotCount: 6))
        // Many starts that each read far: handed over to the threads, and quick.
        let hostile = [UInt8](repeating: UInt8(ascii: "a"), count: 200_000)
        let program = try RegexProgram("a*b")
        XCTAssertNotNil(RegexOnePass(program, slotCount: 2))
        hostile.withUnsafeBufferPointer { XCTAssertFalse(RegexMatcher(program).find($0)) }
    }

    func testAgainstBacktracking() throws {
        var random = TestRandom(21)
        let letters: [Character] = ["a", "b", "c", "é", "x", "1", " ", "\n"]
        var compared = 0
        for round in 0..<4000 {
            let pattern = randomPattern(&random, 3)
            var flags = RegexFlags()
            flags.ignoresCase = round % 5 == 0
            flags.isMultiline = round % 7 == 0
            guard let program = try? RegexProgram(pattern, flags: flags) else { continue }
            let matcher = RegexMatcher(program)
            for _ in 0..<4 {
                let text = String((0..<Int.random(in: 0...8, using: &random)).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
                guard let expected = try oracle(pattern, text, flags) else { continue }
                let bytes = Array(text.utf8)
                let found = bytes.withUnsafeBufferPointer { matcher.find($0) }
                compared += 1
                XCTAssertEqual(found, expected != nil, "\(pattern) on \(text.debugDescription)")
                XCTAssertEqual(bytes.withUnsafeBufferPointer { RegexMatcher(program, groups: 0).find($0, anyWill: true) }, found)
                // Engines differ in what repeating something empty means for preference.
                if found, !repeatsEmpty(try RegexTree.parsed(pattern, flags)), let (start, end) = expected {
                    let actual = bytes.withUnsafeBufferPointer { (Text.characters($0, before: matcher.slots[0]), Text.characters($0, before: matcher.slots[1])) }
                    XCTAssertEqual(actual.0, start, "\(pattern) on \(text.debugDescription)")
                    XCTAssertEqual(actual.1, end, "\(pattern) on \(text.debugDescription)")
                }
            }
        }
        XCTAssertGreaterThan(compared, 5000)
    }

    private func isNullable(_ tree: RegexTree) -> Bool {
        switch tree {
        case .empty, .assertion: true
        case .character, .set: false
        case .sequence(let items): items.allSatisfy(isNullable)
        case .alternatives(let items): items.contains(where: isNullable)
        case .group(let inner, _): isNullable(inner)
        case .repeated(let inner, let minimum, _, _): minimum == 0 || isNullable(inner)
        }
    }

    private func repeatsEmpty(_ tree: RegexTree) -> Bool {
        switch tree {
        case .empty, .assertion, .character, .set: false
        case .sequence(let items), .alternatives(let items): items.contains(where: repeatsEmpty)
        case .group(let inner, _): repeatsEmpty(inner)
        case .repeated(let inner, _, _, _): isNullable(inner) || repeatsEmpty(inner)
        }
    }

    func testHostilePatterns() {
        for pattern in [
            "(", ")", "[", "a{2,1}", "a{1001}", "(a{1000}){1000}", "*", "a**+", "(?=a)", "(?<!a)", "(?>a)", "\\1", "a++", "[z-a]", "\\", "[[:nope:]]", "\\p{Nope}", "(?q)",
            String(repeating: "(", count: 300) + String(repeating: ")", count: 300), String(repeating: "a", count: 20_000), "\\xZZ", "(?<name",
            "(?:){1000}{1000}{1000}{1000}{1000}", String(repeating: "()", count: 200),
        ] {
            XCTAssertThrowsError(try RegexProgram(pattern), pattern)
        }
        XCTAssertNoThrow(try RegexProgram("(?:(?:(?:){1000}){1000}){1000}"))
    }

    func testLinearTime() throws {
        let text = Array(String(repeating: "a", count: 20_000).utf8)
        for pattern in ["(a*)*b", "(a|aa)+$b", "(a|a)*b", "(.*)(.*)(.*)(.*)x"] {
            let matcher = RegexMatcher(try RegexProgram(pattern))
            XCTAssertFalse(text.withUnsafeBufferPointer { matcher.find($0) }, pattern)
        }
    }

    // MARK: LIKE

    private func naiveLike(_ pattern: [UInt32], _ text: [UInt32]) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        let rest = Array(pattern.dropFirst())
        if first == 0x25 { return (0...text.count).contains { naiveLike(rest, Array(text.dropFirst($0))) } }
        if first == 0x5C, let next = rest.first { return text.first == next && naiveLike(Array(rest.dropFirst()), Array(text.dropFirst())) }
        return !text.isEmpty && (first == 0x5F || first == text[0]) && naiveLike(rest, Array(text.dropFirst()))
    }

    func testLike() throws {
        var random = TestRandom(22)
        let patternLetters: [Character] = ["a", "b", "%", "%", "_", "é", "\\"]
        let textLetters: [Character] = ["a", "b", "é", "%", "_"]
        var scratch: [UInt8] = []
        for _ in 0..<20_000 {
            var pattern = String((0..<Int.random(in: 0...6, using: &random)).map { _ in patternLetters[Int.random(in: 0..<patternLetters.count, using: &random)] })
            let text = String((0..<Int.random(in: 0...7, using: &random)).map { _ in textLetters[Int.random(in: 0..<textLetters.count, using: &random)] })
            // An escape at the end is an error, seen elsewhere.
            if pattern.hasSuffix("\\") { pattern += "a" }
            let matcher = try Array(pattern.utf8).withUnsafeBufferPointer { try LikeMatcher($0, escape: 0x5C, ignoresCase: false) }
            let actual = Array(text.utf8).withUnsafeBufferPointer { matcher.matches($0, &scratch) }
            XCTAssertEqual(actual, naiveLike(pattern.unicodeScalars.map(\.value), text.unicodeScalars.map(\.value)), "\(text) LIKE \(pattern)")
        }
    }
}

extension RegexTree {
    fileprivate static func parsed(_ pattern: String, _ flags: RegexFlags) throws -> RegexTree {
        var parser = RegexParser(pattern, flags: flags)
        return try parser.parse()
    }
}
