// ModelTable: what the catalog, the prompt and the reference say of the anomaly functions, made of what the functions say of themselves.

import Anomaly
import Columns

package enum ModelTable {
    package struct Entry: Sendable {
        package var name: String
        /// `x, points => 100`.
        package var arguments: String
        package var parameters: [String]
        package var result: String
        package var doc: String
    }

    package static let entries: [Entry] = ModelFunction.all.map { function in
        let parameters = function.parameters.map { "\($0.name) => \($0.text($0.standard))" }
        return Entry(
            name: function.name, arguments: ([String(function.usage.dropFirst(function.name.count + 1).dropLast())] + parameters).joined(separator: ", "),
            parameters: function.parameters.map(\.name), result: function.resultType.name, doc: function.summary + ".")
    }

    /// The section of grammar/FUNCTIONS.md.
    package static func markdown() -> String {
        var text = """

            # Anomaly functions

            Window functions: `f(columns, parameter => constant) OVER (PARTITION BY key ORDER BY ts)`. Every key has a model of its own, which learns from
            the key's rows in the order of the window and says of each how unusual it is. A function with several results gives a ROW of them:
            `(f(x) OVER w).score`. NULLs, state and restarts are in the SQL reference.

            | function | parameters (range; what holds when not given) | result | what it says |
            | --- | --- | --- | --- |

            """
        for function in ModelFunction.all {
            let parameters = function.parameters.map { "`\($0.name)` (\($0.rangeText); \($0.text($0.standard))): \($0.summary)" }
            let outputs = zip(function.outputs, function.outputTypes).map { output, type in
                (function.outputs.count == 1 ? type.name : "`\(output.name)` \(type.name)") + ": \(output.summary)"
            }
            let model = try? function.make(function.valueCount.lowerBound, function.parameters.map(\.standard))
            let cost = model.map { " State of a key\(function.valueCount.upperBound > 1 ? " of one column" : ""): \($0.stateByteCount) bytes." } ?? ""
            text += "| `\(function.usage)` | \(list(parameters)) | \(list(outputs)) | \(cell(function.summary)).\(cost) |\n"
        }
        return text
    }

    private static func list(_ parts: [String]) -> String { parts.map(cell).joined(separator: "<br>") }
    private static func cell(_ text: String) -> String { text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
}
