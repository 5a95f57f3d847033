// Damaged statements: the parser answers each with a tree that can be printed, or an error that can be shown.

import Syntax
import XCTest

final class FuzzTests: XCTestCase {
    private func check(_ source: String) {
        do throws(SQLError) {
            for parsed in try Parser.parseScript(source) { _ = Printer.print(parsed.statement) }
        } catch {
            XCTAssertGreaterThanOrEqual(error.span.start, 0)
            XCTAssertLessThanOrEqual(error.span.end, source.utf8.count)
            XCTAssertLessThanOrEqual(error.span.start, error.span.end)
            XCTAssertFalse(error.message.isEmpty)
            XCTAssertFalse(render(error, source: source, name: nil).isEmpty)
        }
        for piece in Parser.splitStatements(source) { XCTAssertLessThanOrEqual(piece.span.end, source.utf8.count) }
    }

    func testRandomBytes() {
        var random = SeededGenerator(seed: 1)
        let alphabet = Array("'\"`$();,.*+-/<>=!~|&#^%[]:eExX01_ \n\\aZselectfromé\u{A0}".utf8) + [0, 0xFF, 0x80, 0xC2, 0xE2]
        for _ in 0..<20_000 {
            let count = random.below(60)
            let bytes = (0..<count).map { _ in alphabet[random.below(alphabet.count)] }
            check(String(decoding: bytes, as: UTF8.self))
        }
    }

    func testDamagedStatements() throws {
        let grammar = try Grammar.load()
        let words = Keyword.allCases.map(\.rawValue) + ["(", ")", ",", ".", "1", "'x'", "a", "=", ";", "[", "]", "::", "*", "=>"]
        for seed in 0..<5_000 as Range<UInt64> {
            var generator = SentenceGenerator(grammar, seed: seed, tokensMax: 60)
            var random = SeededGenerator(seed: seed &+ 77)
            _ = generator.sentence(seed % 2 == 0 ? "statement" : "query")
            var tokens = generator.tokens
            for _ in 0...random.below(3) where !tokens.isEmpty {
                let place = random.below(tokens.count)
                switch random.below(4) {
                case 0: tokens.remove(at: place)
                case 1: tokens.insert(words[random.below(words.count)], at: place)
                case 2: tokens[place] = words[random.below(words.count)]
                default: tokens.swapAt(place, random.below(tokens.count))
                }
            }
            let source = tokens.joined(separator: " ")
            check(source)
            // What is accepted all the same must survive printing too.
            if (try? Parser.parseStatement(source)) != nil, let problem = roundTripProblem(source) {
                XCTFail("seed \(seed): \(problem)")
                return
            }
        }
    }

    func testCutStatements() throws {
        let grammar = try Grammar.load()
        for seed in 0..<60 as Range<UInt64> {
            var generator = SentenceGenerator(grammar, seed: seed, tokensMax: 40)
            let bytes = Array(generator.sentence("statement").utf8)
            for count in 0..<bytes.count { check(String(decoding: bytes.prefix(count), as: UTF8.self)) }
        }
    }
}
