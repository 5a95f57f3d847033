// Completion: what the word before the cursor may become.
//
// The text of the statement so far is taken apart as the lexer does, and the last word with a meaning in front of the cursor, at the same depth of
// parentheses, says what can stand here: relations behind FROM, columns of those relations and functions behind SELECT or WHERE, a relation's columns
// behind its name or alias and a dot, queries behind ALTER QUERY, settings behind SET, among the arguments of an anomaly
// function its parameters. Keywords come in the case in which the statement is written.

import Planning
import Syntax

final class Completion {
    /// What there is now.
    private let names: () -> CatalogNames
    /// The lines of the statement before the one that is being typed.
    var pending = ""

    init(names: @escaping () -> CatalogNames) { self.names = names }

    private enum Place {
        case beginning, relation, column, query, setting
        case words([String])
    }

    private static let settings = [
        "allowed_lateness", "batch_rows", "checkpoint_interval", "epoch_rows", "optimizer", "optimizer_off", "optimizer_on", "partitions", "state_ttl",
        "workers",
    ]
    private static let beginnings = ["ACKNOWLEDGE", "ALTER", "CREATE", "DESCRIBE", "DROP", "EXPLAIN", "INSERT INTO", "RESET", "SELECT", "SET", "SHOW", "SILENCE", "TABLE", "UNSILENCE", "VALUES", "WITH"]
    private static let kinds = ["STREAM", "TABLE", "VIEW", "QUERY", "FUNCTION", "NOTIFIER", "INHIBITION"]
    private static let windows = ["TABLE", "TUMBLE", "HOP", "CUMULATE", "SESSION", "LATERAL", "UNNEST"]

    /// Candidates for `word`, which stands behind `before` on its line and before `after`; nil where a file name is wanted.
    func candidates(for word: String, before: String, after: String = "") -> [String]? {
        let first = before.drop { $0 == " " || $0 == "\t" }
        if pending.isEmpty {
            if first.isEmpty, word.hasPrefix("\\") { return BackslashCommand.spellings.filter { $0.hasPrefix(word) } }
            if first.hasPrefix("\\") { return argument(of: String(first), word) }
        }
        let text = pending + before
        var pieces = Parser.pieces(of: text)
        // In a string a file name may be meant, in a comment nothing.
        if let last = pieces.last, last.kind == .open { return Array(text.utf8)[last.span.start] == UInt8(ascii: "'") ? nil : [] }
        if let semicolon = pieces.lastIndex(where: { $0.text == ";" && $0.kind == .symbol }) { pieces.removeFirst(semicolon + 1) }
        let rest = Parser.pieces(of: after).prefix { $0.text != ";" }
        let isLower = word.isEmpty ? pieces.first.map { $0.kind == .keyword && $0.text == $0.text.lowercased() } ?? false : word == word.lowercased()
        let found = candidates(pieces, rest: Array(rest), isEmpty: word.isEmpty, isLower: isLower)
        let lower = word.lowercased()
        var seen = Set<String>()
        return found.filter { $0.lowercased().hasPrefix(lower) }.sorted().filter { seen.insert($0).inserted }
    }

    private func argument(of line: String, _ word: String) -> [String]? {
        let command = line.prefix { $0 != " " && $0 != "\t" }
        let candidates: [String]
        switch command {
        case "\\i", "\\o": return nil
        case "\\d":
            let names = names()
            candidates = names.relations.map(\.name) + names.queries
        case "\\format": candidates = ResultFormat.Name.allCases.map(\.rawValue)
        case "\\x", "\\timing", "\\alerts": candidates = ["on", "off"]
        case "\\plot": candidates = names().relations.flatMap(\.columns)
        case "\\set": candidates = line.contains("format") ? ResultFormat.Name.allCases.map(\.rawValue) : ["format"]
        default: candidates = []
        }
        var seen = Set<String>()
        return candidates.filter { $0.lowercased().hasPrefix(word.lowercased()) }.sorted().filter { seen.insert($0).inserted }
    }

    private func candidates(_ pieces: [SourcePiece], rest: [SourcePiece], isEmpty: Bool, isLower: Bool) -> [String] {
        let names = names()
        func cased(_ words: [String]) -> [String] { isLower ? words.map { $0.lowercased() } : words }
        // Keywords come when something of them is there.
        let keywords = isEmpty ? [] : cased(Parser.keywords)
        if let last = pieces.last, last.kind == .symbol, last.text == ".", pieces.count > 1 {
            let owner = pieces[pieces.count - 2].text
            return columns(of: owner, pieces + rest, names)
        }
        switch place(pieces) {
        case .beginning: return cased(Completion.beginnings) + keywords
        case .relation: return names.relations.map(\.name) + cased(Completion.windows) + keywords
        case .query: return names.queries
        case .setting: return Completion.settings + cased(["ALL"])
        case .words(let words): return cased(words)
        case .column:
            let read = relations(pieces + rest, names)
            let known = read.isEmpty ? names.relations : read.map(\.relation)
            return known.flatMap(\.columns) + parameters(pieces) + read.compactMap(\.alias) + names.functions.map { isLower ? $0.lowercased() : $0 }
                + (read.isEmpty ? names.relations.map(\.name) : read.map(\.relation.name)) + keywords
        }
    }

    /// The parameters of the anomaly function whose arguments the cursor stands among.
    private func parameters(_ pieces: [SourcePiece]) -> [String] {
        var depth = 0
        for (index, piece) in pieces.enumerated().reversed() where piece.kind == .symbol {
            if piece.text == ")" { depth += 1 }
            guard piece.text == "(" else { continue }
            depth -= 1
            guard depth < 0 else { continue }
            guard index > 0, let entry = ModelTable.entries.first(where: { $0.name == pieces[index - 1].text.lowercased() }) else { return [] }
            return entry.parameters.map { $0 + " =>" }
        }
        return []
    }

    private func place(_ pieces: [SourcePiece]) -> Place {
        guard let first = pieces.first?.text.uppercased() else { return .beginning }
        let words = pieces.map { $0.text.uppercased() }
        switch first {
        case "SHOW": return .words(words.last == "SHOW" ? ["STREAMS", "TABLES", "VIEWS", "QUERIES", "FUNCTIONS", "ALERTS", "NOTIFIERS", "SILENCES", "INHIBITIONS", "ALL", "CREATE"] : words.last == "CREATE" ? ["ALL"] + Completion.kinds : [])
        case "SET", "RESET": return words.count == 1 ? .setting : .words(["ON", "OFF"])
        case "DESCRIBE", "DESC": return .relation
        case "DROP", "ALTER", "PAUSE", "RESUME":
            if words.count == 1 { return .words(first == "DROP" ? Completion.kinds : ["QUERY"]) }
            if words.last == "QUERY" || words.last == "PUMP" { return .query }
            if words.count == 2 || words.last == "EXISTS" { return .relation }
        case "CREATE": if words.count == 1 { return .words(["OR REPLACE", "MATERIALIZED VIEW"] + Completion.kinds) }
        case "EXPLAIN": if words.count == 1 { return .words(["ALTER", "ANALYZE", "LOGICAL", "PHYSICAL", "SELECT", "WATERMARK"]) }
        default: break
        }
        // The nearest word that begins a clause, not counting what is closed in parentheses.
        var depth = 0
        for (index, piece) in pieces.enumerated().reversed() {
            if piece.kind == .symbol {
                if piece.text == ")" { depth += 1 }
                if piece.text == "(" { depth = max(0, depth - 1) }
                continue
            }
            guard depth == 0, piece.kind == .keyword || piece.kind == .word else { continue }
            switch piece.text.uppercased() {
            case "FROM", "JOIN":
                // Behind a relation comes its alias or the next clause, behind a comma another relation.
                let behind = pieces[(index + 1)...]
                return behind.isEmpty || behind.last?.text == "," || behind.last?.text == "(" ? .relation : .column
            case "TABLE", "INTO", "LIKE": return pieces.count == index + 1 ? .relation : .column
            case "SELECT", "WHERE", "ON", "HAVING", "BY", "AND", "OR", "NOT", "CASE", "WHEN", "THEN", "ELSE", "QUALIFY", "USING", "MEASURES", "DEFINE", "DESCRIPTOR",
                "DISTINCT", "BETWEEN", "IN":
                return .column
            default: continue
            }
        }
        return .column
    }

    /// The relations that the statement reads, with their aliases.
    private func relations(_ pieces: [SourcePiece], _ names: CatalogNames) -> [(relation: CatalogNames.Relation, alias: String?)] {
        var found: [(CatalogNames.Relation, String?)] = []
        for (index, piece) in pieces.enumerated() where index > 0 && piece.kind != .symbol {
            let before = pieces[index - 1].text.uppercased()
            guard ["FROM", "JOIN", "TABLE", "INTO", ","].contains(before),
                let relation = names.relations.first(where: { $0.name.lowercased() == piece.text.lowercased() })
            else { continue }
            var next = index + 1
            if next < pieces.count, pieces[next].text.uppercased() == "AS" { next += 1 }
            let alias = next < pieces.count && pieces[next].kind == .word ? pieces[next].text : nil
            found.append((relation, alias))
        }
        return found
    }

    private func columns(of owner: String, _ pieces: [SourcePiece], _ names: CatalogNames) -> [String] {
        let lower = owner.lowercased()
        if let read = relations(pieces, names).first(where: { $0.alias?.lowercased() == lower }) { return read.relation.columns }
        return names.relations.first { $0.name.lowercased() == lower }?.columns ?? []
    }
}
