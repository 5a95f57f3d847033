// PlanSignature: what a node computes of what, as one text that can be compared later.
//
// Two nodes with the same signature compute the same of the same inputs, whatever stands above them: the state of one fits the other. It is
// what EXPLAIN shows of the node and of everything below it, and all that the nodes hold, apart from places in the statement's text: what EXPLAIN
// shortens (the conditions of a pattern, the order within an aggregate) is part of it. Text of a signature is never read, only compared.

import Columns

extension PhysicalPlan {
    package var signature: String { (lines(mode: .continuous) + contents).joined(separator: "\n") }

    private var contents: [String] {
        let own: String
        switch self {
        // A relation's name stands for it: what a query reads cannot be dropped. Its options have no order.
        case .scan(let node): own = "\(node.relation.name) \(String(reflecting: node.columns))"
        case .values(let rows, let schema): own = String(reflecting: rows) + String(reflecting: schema)
        case .watermark(_, let node): own = String(reflecting: node)
        case .filter(_, let predicate): own = String(reflecting: predicate)
        case .project(_, let expressions): own = String(reflecting: expressions)
        case .assignWindow(_, let node): own = String(reflecting: node)
        case .aggregate(_, let node): own = String(reflecting: node)
        case .union: own = "union"
        case .sort(_, let node): own = String(reflecting: node)
        case .limit(_, let count, let offset): own = "limit \(String(reflecting: count)) \(offset)"
        case .join(_, _, let node): own = String(reflecting: node)
        case .over(_, let node): own = String(reflecting: node)
        case .rank(_, let node): own = String(reflecting: node)
        case .match(_, let node): own = String(reflecting: node)
        case .unnest(_, let node): own = String(reflecting: node)
        case .expand(_, let rows): own = String(reflecting: rows)
        case .replicate(_, let column): own = "replicate \(column)"
        case .shared: own = "shared"
        // Rules come and go while the state stays.
        case .alert(_, let node): own = node.signature
        }
        return [PhysicalPlan.withoutSpelling(own)] + inputs.flatMap(\.contents)
    }

    /// Without every `SourceSpan(..)`, and without the texts that nodes keep for messages: how something was written is not what it is.
    static func withoutSpelling(_ text: String) -> String {
        let span = Array("SourceSpan(".utf8)
        let spelling = Array("text: \"".utf8)
        var kept: [UInt8] = []
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count {
            if bytes[position] == span[0], bytes[position...].starts(with: span) {
                position = bytes[position...].firstIndex(of: UInt8(ascii: ")")).map { $0 + 1 } ?? bytes.count
            } else if bytes[position] == spelling[0], bytes[position...].starts(with: spelling) {
                // Up to the quote that no backslash escapes; within a text constant the quote behind `text: ` would be escaped too.
                position += spelling.count
                while position < bytes.count, bytes[position] != UInt8(ascii: "\"") { position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1 }
                position += 1
            } else {
                kept.append(bytes[position])
                position += 1
            }
        }
        return String(decoding: kept, as: UTF8.self)
    }
}
