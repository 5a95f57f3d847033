// Grammar: reads `grammar/*.ebnf` and makes sentences from it. The notation is explained in grammar/README.md.
//
// A sentence is made by expanding rules at random until a budget of tokens or of depth is used up; from then on every choice is the
// one that ends soonest, so that every sentence is finite. How soon a rule can end is found beforehand by a fixed point.

import Foundation
import Syntax

indirect enum GrammarNode {
    case terminal(String)
    case rule(String)
    case sequence([GrammarNode])
    case choice([GrammarNode])
    case optional(GrammarNode)
    case repeated(GrammarNode)
    /// Described in words; the generator makes a sample by the name of the rule.
    case described
}

struct GrammarError: Error { var message: String }

struct Grammar {
    private(set) var rules: [String: GrammarNode] = [:]
    private(set) var terminals: Set<String> = []
    /// The fewest levels of rules below each rule.
    private(set) var heights: [String: Int] = [:]

    static var folder: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("grammar")
    }

    static func load() throws -> Grammar {
        var grammar = Grammar()
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files.sorted(by: { $0.path < $1.path }) where file.pathExtension == "ebnf" {
            try grammar.read(String(contentsOf: file, encoding: .utf8), name: file.lastPathComponent)
        }
        grammar.computeHeights()
        return grammar
    }

    // MARK: Reading

    private mutating func read(_ text: String, name: String) throws {
        var tokens = try Self.tokenise(text)[...]
        while let rule = tokens.popFirst() {
            guard tokens.popFirst() == "=" else { throw GrammarError(message: "\(name): no = behind \(rule)") }
            let body = try choice(&tokens)
            guard tokens.popFirst() == ";" else { throw GrammarError(message: "\(name): no ; at the end of \(rule)") }
            guard rules.updateValue(body, forKey: rule) == nil else { throw GrammarError(message: "\(name): two rules \(rule)") }
        }
    }

    private static func tokenise(_ text: String) throws -> [String] {
        var tokens: [String] = []
        var rest = text[...]
        while let first = rest.first {
            if first.isWhitespace {
                rest.removeFirst()
            } else if rest.hasPrefix("(*") {
                guard let end = rest.range(of: "*)") else { throw GrammarError(message: "a comment has no end") }
                rest = rest[end.upperBound...]
            } else if first == "\"" || first == "?" {
                let body = rest.dropFirst()
                guard let end = body.firstIndex(of: first) else { throw GrammarError(message: "no closing \(first)") }
                // A description may hold quotes but no question mark.
                tokens.append(String(first) + body[..<end])
                rest = body[body.index(after: end)...]
            } else if first.isLetter {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
                tokens.append(String(word))
                rest = rest[word.endIndex...]
            } else {
                tokens.append(String(first))
                rest.removeFirst()
            }
        }
        return tokens
    }

    private mutating func choice(_ tokens: inout ArraySlice<String>) throws -> GrammarNode {
        var alternatives = [try sequence(&tokens)]
        while tokens.first == "|" {
            tokens.removeFirst()
            alternatives.append(try sequence(&tokens))
        }
        return alternatives.count == 1 ? alternatives[0] : .choice(alternatives)
    }

    private mutating func sequence(_ tokens: inout ArraySlice<String>) throws -> GrammarNode {
        var items: [GrammarNode] = []
        while let token = tokens.first, !["|", ";", ")", "]", "}"].contains(token) {
            tokens.removeFirst()
            switch token {
            case "(": items.append(try enclosed(&tokens, ")"))
            case "[": items.append(.optional(try enclosed(&tokens, "]")))
            case "{": items.append(.repeated(try enclosed(&tokens, "}")))
            case let text where text.hasPrefix("\""):
                terminals.insert(String(text.dropFirst()))
                items.append(.terminal(String(text.dropFirst())))
            case let text where text.hasPrefix("?"): items.append(.described)
            default: items.append(.rule(token))
            }
        }
        return items.count == 1 ? items[0] : .sequence(items)
    }

    private mutating func enclosed(_ tokens: inout ArraySlice<String>, _ end: String) throws -> GrammarNode {
        let node = try choice(&tokens)
        guard tokens.popFirst() == end else { throw GrammarError(message: "no \(end)") }
        return node
    }

    // MARK: Checking

    /// Rules that are named somewhere and defined nowhere.
    var missingRules: Set<String> {
        var named: Set<String> = []
        func collect(_ node: GrammarNode) {
            switch node {
            case .rule(let name): named.insert(name)
            case .sequence(let items), .choice(let items): items.forEach(collect)
            case .optional(let inner), .repeated(let inner): collect(inner)
            case .terminal, .described: break
            }
        }
        rules.values.forEach(collect)
        return named.subtracting(rules.keys)
    }

    private mutating func computeHeights() {
        var isChanged = true
        while isChanged {
            isChanged = false
            for (name, body) in rules {
                guard let height = height(body), heights[name] ?? .max > height + 1 else { continue }
                heights[name] = height + 1
                isChanged = true
            }
        }
    }

    /// The fewest levels below a node; nil while that is not known.
    func height(_ node: GrammarNode) -> Int? {
        switch node {
        case .terminal, .described, .optional, .repeated: return 0
        case .rule(let name): return heights[name]
        case .choice(let items): return items.compactMap { height($0) }.min()
        case .sequence(let items):
            var highest = 0
            for item in items {
                guard let height = height(item) else { return nil }
                highest = max(highest, height)
            }
            return highest
        }
    }
}

/// The generator of sentences.
struct SentenceGenerator {
    let grammar: Grammar
    var random: SeededGenerator
    var tokens: [String] = []
    let tokensMax: Int
    let depthMax: Int
    private var optionCount = 0

    init(_ grammar: Grammar, seed: UInt64, tokensMax: Int = 120, depthMax: Int = 70) {
        self.grammar = grammar
        random = SeededGenerator(seed: seed)
        self.tokensMax = tokensMax
        self.depthMax = depthMax
    }

    mutating func sentence(_ rule: String) -> String {
        tokens = []
        expand(.rule(rule), depth: 0, rule: rule)
        return tokens.joined(separator: " ")
    }

    private mutating func expand(_ node: GrammarNode, depth: Int, rule: String) {
        let isSpent = depth > depthMax || tokens.count > tokensMax
        switch node {
        case .terminal(let text): tokens.append(random.below(4) == 0 ? text.lowercased() : text)
        case .described: tokens.append(sample(rule))
        case .rule(let name): expand(grammar.rules[name] ?? .terminal("?"), depth: depth + 1, rule: name)
        case .sequence(let items): for item in items { expand(item, depth: depth, rule: rule) }
        case .optional(let inner): if !isSpent, random.below(3) == 0 { expand(inner, depth: depth, rule: rule) }
        case .repeated(let inner):
            var remaining = 3
            while remaining > 0, tokens.count <= tokensMax, depth <= depthMax, random.below(5) == 0 {
                expand(inner, depth: depth, rule: rule)
                remaining -= 1
            }
        case .choice(let items):
            var candidates = items
            if isSpent {
                let least = items.compactMap { grammar.height($0) }.min() ?? 0
                candidates = items.filter { grammar.height($0) ?? .max <= least + (tokens.count < 3 * tokensMax ? 2 : 0) }
            }
            expand(candidates[random.below(candidates.count)], depth: depth, rule: rule)
        }
    }

    private static let names = [
        "price", "b", "Auction", "dateTime", "value", "name", "date", "time", "timestamp", "day", "hour", "first", "last", "query",
        "system", "state", "user", "window", "stream", "key", "row", "zone", "plan", "view", "extra", "größe", "_x1", "a$b",
        "\"quoted name\"", "`back tick`", "\"select\"", "\"a\"\"b\"", "\"Group\"", "\"stream\"", "\"date\"", "start", "emit_", "日本",
    ]
    private static let words = ["order", "select", "from", "price", "END", "true", "\"x y\"", "table", "year", "left"]
    private static let functions = ["count", "sum", "Coalesce", "hour", "tumble", "replace", "char_length", "upper", "`f`", "\"my f\"", "date_format"]
    private static let strings = ["'text'", "''", "'it''s'", "E'tab\\t\\'\\u00e9\\x41\\101'", "$$a 'b' ; -- c$$", "$t$ $$ $t$", "'2026-01-01'", "'日本'", "'10 GB'"]

    private mutating func pick(_ list: [String]) -> String { list[random.below(list.count)] }

    private mutating func sample(_ rule: String) -> String {
        switch rule {
        case "identifier": return pick(Self.names)
        case "label": return random.below(2) == 0 ? pick(Self.names) : pick(Self.words)
        case "function_word": return pick(Self.functions)
        case "integer": return pick(["0", "1", "42", "1_000", "99999999999999999999999999999999999999999999"])
        case "decimal": return pick(["1.5", ".5", "1.", "0.000001", "123456789012345678901234567890.5"])
        case "double": return pick(["1e3", "1.5E-7", ".5e+2"])
        case "string": return pick(Self.strings)
        case "name_string": return pick(["'hour'", "'a.b'", "'it''s'"])
        case "bytes": return pick(["X'CAFE'", "x''", "X'00ff'"])
        case "argument_number": return pick(["$1", "$23"])
        case "sql_word": return pick(["SQL", "sql", "'sql'"])
        case "body_text": return pick(["$$ SELECT a + $1 $$", "$$upper(s)$$", "'SELECT 1'", "$x$ CASE WHEN a > 1 THEN 'x' END -- $$\n$x$"])
        case "length": return pick(["1", "3", "38", "6"])
        case "option_word", "option_text":
            optionCount += 1
            let key = pick(["connector", "a.b.c", "events", "order"]) + "\(optionCount)"
            return rule == "option_word" ? key : "'\(key)-x'"
        default: return "?\(rule)?"
        }
    }
}

/// SplitMix64, as in Platform, which this test does not see.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }
}
