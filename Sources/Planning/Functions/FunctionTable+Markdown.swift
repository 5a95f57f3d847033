// The reference of functions as Markdown: what grammar/FUNCTIONS.md holds. A test keeps the two the same.

import Columns

extension FunctionTable {
    package static func markdown() -> String {
        var text = """
            # Scalar functions

            Made from the function table by `MILLRACE_UPDATE=1 swift test --filter Functions`; do not edit. Unless said otherwise a function of NULL is
            NULL. A row on which a function fails (marked !) goes to the query's error stream. Operators are in the SQL reference.

            """
        for category in FunctionCategory.allCases {
            text += "\n## \(category.rawValue)\n\n| function | result | what it gives |\n| --- | --- | --- |\n"
            for definition in definitions where definition.category == category {
                let signatures = definition.signatures.map { "`\($0.display(name: definition.names[0]))`" }.joined(separator: "<br>")
                var results: [String] = []
                for signature in definition.signatures where !results.contains(signature.resultName) { results.append(signature.resultName) }
                var doc = definition.doc
                if definition.names.count > 1 {
                    doc += " Also " + definition.names.dropFirst().map { "`\($0)`" }.joined(separator: ", ") + "."
                }
                text += "| \(signatures)\(definition.canFail ? " !" : "") | \(results.joined(separator: "; ")) | \(doc) |\n"
            }
        }
        return text + AggregateTable.markdown()
    }
}
