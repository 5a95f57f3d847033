// OverCollector: the window functions of the SELECT being bound, and the nodes that compute them.
//
// In a select list `price - lag(price) OVER w` becomes a subtraction of a column that does not exist yet. Such columns are numbered from
// `columnBase` in the order in which the calls were met. When the select list, QUALIFY and ORDER BY are bound, `apply` puts one node above
// the plan for each different window (PARTITION BY and ORDER BY; frames belong to calls; models go into one of their own), and `placed` the real columns in place of the
// numbers. In a grouped query everything is bound over the columns of FROM and goes through `GroupedRewriter` first, so that
// `sum(count(*)) OVER (..)` is a window function over the aggregation.

import Columns
import Syntax

final class OverCollector {
    /// Past every column that a plan can have.
    static let columnBase = 1 << 40
    static let callsMax = 1664
    static let windowsMax = 64

    /// By name, with what they inherit filled in.
    private var named: [(name: Identifier, window: WindowSpecification)] = []
    private var nodes: [LogicalOver] = []
    /// Node and place in it of each call, in order of their columns.
    private var calls: [(node: Int, place: Int)] = []
    private var columns: [Int] = []

    init(_ windows: [NamedWindow]) throws(SQLError) {
        for window in windows {
            if named.contains(where: { Self.isSame($0.name, window.name) }) {
                throw SQLError("window \"\(window.name.name)\" is already defined", at: window.name.span, code: SQLError.windowingError)
            }
            named.append((window.name, try resolve(window.specification)))
        }
    }

    var isEmpty: Bool { calls.isEmpty }
    var nodeCount: Int { nodes.count }
    var expressions: [BoundExpression] { nodes.flatMap(\.expressions) }

    // MARK: Windows

    private static func isSame(_ a: Identifier, _ b: Identifier) -> Bool { a.name.lowercased() == b.name.lowercased() }

    /// What OVER refers to, with what it inherits filled in.
    func window(_ reference: WindowReference) throws(SQLError) -> WindowSpecification {
        switch reference {
        case .named(let name):
            var window = try find(name)
            window.span = name.span
            return window
        case .inline(let specification): return try resolve(specification)
        }
    }

    private func find(_ name: Identifier) throws(SQLError) -> WindowSpecification {
        if let window = named.first(where: { $0.name.name == name.name }) ?? named.first(where: { Self.isSame($0.name, name) }) {
            return window.window
        }
        throw SQLError(
            "window \"\(name.name)\" does not exist", at: name.span,
            hint: NearestName.find(name.name, among: named.map(\.name.name)).map { "did you mean \"\($0)\"?" }
                ?? "WINDOW \(name.name) AS (PARTITION BY .. ORDER BY ..) behind HAVING defines it", code: SQLError.undefinedObject)
    }

    /// PostgreSQL's rules: the base gives PARTITION BY and, when it has one, ORDER BY; it may not have a frame.
    private func resolve(_ specification: WindowSpecification) throws(SQLError) -> WindowSpecification {
        guard let base = specification.base else { return specification }
        var window = try find(base)
        if let first = specification.partitionBy.first {
            throw SQLError("cannot override PARTITION BY clause of window \"\(base.name)\"", at: first.span, code: SQLError.windowingError)
        }
        if let first = specification.orderBy.first, !window.orderBy.isEmpty {
            throw SQLError(
                "cannot override ORDER BY clause of window \"\(base.name)\"", at: first.expression.span, code: SQLError.windowingError)
        }
        if window.frame != nil {
            throw SQLError(
                "cannot copy window \"\(base.name)\" because it has a frame clause", at: base.span,
                hint: "without parentheses, OVER \(base.name), it can be used as it is", code: SQLError.windowingError)
        }
        if window.orderBy.isEmpty { window.orderBy = specification.orderBy }
        window.frame = specification.frame
        window.span = specification.span
        return window
    }

    // MARK: Calls

    /// The column of a call; the same call twice is one.
    func column(of call: LogicalOverCall, partition: [BoundExpression], order: [LogicalOver.Order], window: SourceSpan) throws(SQLError)
        -> BoundExpression
    {
        func same(_ node: LogicalOver) -> Bool {
            node.partition.count == partition.count && node.order.count == order.count && node.isOfModels == call.function.isModel
                && zip(node.partition, partition).allSatisfy { $0.isSame(as: $1) }
                && zip(node.order, order).allSatisfy {
                    $0.isDescending == $1.isDescending && $0.nullsFirst == $1.nullsFirst && $0.expression.isSame(as: $1.expression)
                }
        }
        let node: Int
        if let known = nodes.firstIndex(where: same) {
            node = known
        } else {
            if nodes.count >= Self.windowsMax {
                throw SQLError("a query can have at most \(Self.windowsMax) different windows", at: window, code: "54011")
            }
            nodes.append(LogicalOver(partition: partition, order: order, calls: [], span: window))
            node = nodes.count - 1
        }
        let place: Int
        if let known = nodes[node].calls.firstIndex(where: { $0.isSame(as: call) }) {
            place = known
        } else {
            nodes[node].calls.append(call)
            place = nodes[node].calls.count - 1
        }
        if let known = calls.firstIndex(where: { $0 == (node, place) }) {
            return .column(Self.columnBase + known, call.resultType, span: call.span)
        }
        if calls.count >= Self.callsMax {
            throw SQLError("a query can have at most \(Self.callsMax) window functions", at: call.span, code: "54011")
        }
        calls.append((node, place))
        return .column(Self.columnBase + calls.count - 1, call.resultType, span: call.span)
    }

    // MARK: Nodes

    /// Rewrites what the calls are computed from: to the columns of an aggregation.
    func rewrite(_ transform: (BoundExpression) throws(SQLError) -> BoundExpression) throws(SQLError) {
        for index in nodes.indices {
            for key in nodes[index].partition.indices { nodes[index].partition[key] = try transform(nodes[index].partition[key]) }
            for key in nodes[index].order.indices {
                nodes[index].order[key].expression = try transform(nodes[index].order[key].expression)
            }
            for call in nodes[index].calls.indices {
                for argument in nodes[index].calls[call].arguments.indices {
                    nodes[index].calls[call].arguments[argument] = try transform(nodes[index].calls[call].arguments[argument])
                }
                if let filter = nodes[index].calls[call].filter { nodes[index].calls[call].filter = try transform(filter) }
            }
        }
    }

    /// The plan with the window functions' columns behind its own.
    func apply(to plan: LogicalPlan) -> LogicalPlan {
        var result = plan
        var base = plan.fields.count
        var bases: [Int] = []
        for node in nodes {
            bases.append(base)
            base += node.calls.count
            result = .over(result, node)
        }
        columns = calls.map { bases[$0.node] + $0.place }
        return result
    }

    /// An expression with the real columns in it; after `apply`.
    func placed(_ expression: BoundExpression) -> BoundExpression {
        expression.renumbered { $0 >= Self.columnBase && $0 - Self.columnBase < columns.count ? columns[$0 - Self.columnBase] : $0 }
    }
}
