// Completion: what the word before the cursor may become.

import Syntax

final class Completion {
    private let names: () -> [String]

    /// `names` gives the streams, tables, views, queries, columns and functions that there are now.
    init(names: @escaping () -> [String]) { self.names = names }

    /// Candidates for `word`, which stands behind `before` on its line; nil where a file name is wanted.
    func candidates(for word: String, before: String) -> [String]? {
        let first = before.drop { $0 == " " || $0 == "\t" }
        if first.isEmpty, word.hasPrefix("\\") { return BackslashCommand.spellings.filter { $0.hasPrefix(word) } }
        if first.hasPrefix("\\i ") || first.hasPrefix("\\o ") { return nil }
        let lower = word.lowercased()
        var found = names().filter { $0.lowercased().hasPrefix(lower) }
        // Keywords come when something of them is there, in the case in which it is typed.
        if !word.isEmpty, !first.hasPrefix("\\") {
            let isLower = word == lower
            found += Parser.keywords.map { isLower ? $0.lowercased() : $0 }.filter { $0.lowercased().hasPrefix(lower) }
        }
        var seen = Set<String>()
        return found.sorted().filter { seen.insert($0).inserted }
    }
}
