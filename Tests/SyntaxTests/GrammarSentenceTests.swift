// The grammar and the parser say the same: every sentence of the grammar parses and survives printing, and every word the parser
// knows is in the grammar.

import Syntax
import XCTest

final class GrammarSentenceTests: XCTestCase {
    func testTheGrammarIsWhole() throws {
        let grammar = try Grammar.load()
        XCTAssertEqual(grammar.missingRules, [])
        XCTAssertEqual(Set(grammar.rules.keys).subtracting(grammar.heights.keys), [], "these rules never end")
    }

    func testEverySentenceParsesAndSurvivesPrinting() throws {
        let grammar = try Grammar.load()
        var failureCount = 0
        for (rule, count) in [("statement", 4_000), ("create", 1_500), ("query", 1_500), ("expression", 3_000), ("type", 500)] {
            for seed in 0..<UInt64(count) {
                var generator = SentenceGenerator(grammar, seed: seed)
                let sentence = generator.sentence(rule)
                let source = switch rule {
                case "expression": "SELECT 1 WHERE \(sentence)"
                case "type": "SELECT CAST(x AS \(sentence))"
                default: sentence
                }
                if let problem = roundTripProblem(source) {
                    XCTFail("seed \(seed) of \(rule): \(problem)")
                    failureCount += 1
                    if failureCount >= 10 { return }
                }
            }
        }
    }

    func testEveryKeywordIsInTheGrammar() throws {
        let grammar = try Grammar.load()
        let known = Set(Keyword.allCases.map(\.rawValue))
        XCTAssertEqual(known.subtracting(grammar.terminals), [])
        let types = Set(Parser.typeNames)
        XCTAssertEqual(types.subtracting(grammar.terminals), [])
    }

    func testReservedWordsAreThoseOfTheGrammar() throws {
        let grammar = try Grammar.load()
        guard case .choice(let words)? = grammar.rules["reserved_word"] else { return XCTFail("no rule reserved_word") }
        let listed = words.compactMap { node -> String? in if case .terminal(let text) = node { text } else { nil } }
        XCTAssertEqual(Set(listed), Set(Keyword.allCases.filter(\.isReserved).map(\.rawValue)))
    }
}

/// nil when the statement parses, and what the printer makes of it parses to the same tree and prints the same again.
func roundTripProblem(_ source: String) -> String? {
    let statement: Statement
    do {
        statement = try Parser.parseStatement(source)
    } catch {
        return "does not parse\n\(render(error, source: source, name: nil))\n\(source)"
    }
    let printed = Printer.print(statement)
    do {
        let again = try Parser.parseStatement(printed)
        if again.strippingSpans() != statement.strippingSpans() {
            return "is another tree when printed\n\(source)\n\(printed)\n\(Printer.print(again))"
        }
        let second = Printer.print(again)
        if second != printed { return "prints otherwise the second time\n\(printed)\n\(second)" }
    } catch {
        return "does not parse when printed\n\(render(error, source: printed, name: nil))\nfrom \(source)"
    }
    return nil
}
