// The reference of functions as Markdown: what grammar/FUNCTIONS.md holds. A test keeps the two the same.

import Columns

extension FunctionTable {
    package static func markdown() -> String {
        var text = """
            # Scalar functions

            Made from the function table by `MILLRACE_UPDATE=1 swift test --filter Functions`; do not edit. There are \(definitions.count) functions
            under \(names.count) names. Unless said otherwise a function of NULL is NULL. A row on which a function fails goes to the query's error
            stream; in a plain SELECT it is an error. What a function fails on stands in the last column; numbers that are out of their type's
            range fail everywhere. Every example is run by a test. Operators are in the SQL reference.

            """
        for category in FunctionCategory.allCases {
            text += "\n## \(category.rawValue)\n\n| function | result | what it gives | example | fails on |\n| --- | --- | --- | --- | --- |\n"
            for definition in definitions where definition.category == category {
                let signatures = definition.signatures.map { "`\($0.display(name: definition.names[0]))`" }.joined(separator: "<br>")
                var results: [String] = []
                for signature in definition.signatures where !results.contains(signature.resultName) { results.append(signature.resultName) }
                var doc = definition.doc
                if definition.names.count > 1 {
                    doc += " Also " + definition.names.dropFirst().map { "`\($0)`" }.joined(separator: ", ") + "."
                }
                let entry = reference[definition.names[0]]
                let example = entry.map { "`\(cell($0.call))` → `\(cell($0.result))`" } ?? ""
                text += "| \(signatures) | \(results.joined(separator: "; ")) | \(cell(doc)) | \(example) | \(entry?.fails ?? "") |\n"
            }
        }
        return text + AggregateTable.markdown() + ModelTable.markdown()
    }

    private static func cell(_ text: String) -> String { text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
}
