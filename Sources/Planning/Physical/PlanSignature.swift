// PlanSignature: what a node computes of what, as one text that can be compared years later.
//
// Two nodes with the same signature compute the same of the same inputs, whatever stands above them: the state of one fits the other. It is
// what EXPLAIN shows of the node and of everything below it, with the types and calls that EXPLAIN shortens.

import Columns

extension PhysicalPlan {
    package var signature: String { (lines(mode: .continuous) + details).joined(separator: "\n") }

    private var details: [String] {
        var own = "(" + outputTypes.map(\.name).joined(separator: ", ") + ")"
        switch self {
        case .aggregate(_, let node):
            own += " " + node.aggregates.map { "\($0.text): \($0.resultType.name)" }.joined(separator: ", ")
            if let ttl = node.stateTTLMicroseconds { own += " ttl \(ttl)" }
        case .over(_, let node): own += " " + node.calls.map { "\($0.text): \($0.resultType.name)" }.joined(separator: ", ")
        case .scan(let node): own += " " + node.columns.map { $0.name(in: node.relation.scanSchema) }.joined(separator: ", ")
        case .filter(let input, let predicate): own += " " + ExpressionText.print(predicate, input.columnNames)
        case .project(let input, let expressions):
            own += " " + expressions.map { ExpressionText.print($0, input.columnNames) }.joined(separator: ", ")
        default: break
        }
        return [own] + inputs.flatMap(\.details)
    }
}
