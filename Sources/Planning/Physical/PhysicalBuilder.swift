// PhysicalBuilder: a logical plan to the operator graph.
//
// What is added on the way: the projection below an aggregation that makes a column of every key, argument and filter; window_time,
// which no operator makes, as a projection of window_end; how each aggregation emits. What is checked: everything that depends on
// whether rows can be taken back.
//
//     mode          aggregation          emits                      changelog
//     bounded       any                  .atEnd, .onWindowClose     append-only
//     continuous    without a window     .changes                   retract
//     continuous    with a window        .onWindowClose             append-only; with allowed lateness retract
//     continuous    EMIT CHANGES         .changes                   retract
//
// Window functions and rankings: see `PhysicalBuilder+Over`.

import Columns
import Syntax

struct PhysicalBuilder {
    let mode: RunMode
    var notices: [String] = []

    init(mode: RunMode) { self.mode = mode }

    mutating func build(_ plan: LogicalPlan) throws(SQLError) -> PhysicalPlan { try lower(plan, isTop: true) }

    /// `isTop`: nothing but projections stand above.
    mutating func lower(_ plan: LogicalPlan, isTop: Bool = false) throws(SQLError) -> PhysicalPlan {
        switch plan {
        case .scan(let scan): return .scan(ScanNode(relation: scan.relation, columns: scan.columns))
        case .values(let rows, let fields): return Self.values(rows, fields)
        case .watermark(let input, let node): return .watermark(try lower(input), node)
        case .filter(let input, let predicate):
            if let ranked = try lowerRank(input, predicate) { return ranked }
            return Self.filter(try lower(input), predicate)
        case .project(let input, let columns):
            return Self.project(try lower(input, isTop: isTop), columns.map(\.expression))
        case .window(let input, let window): return try lowerWindow(input, window)
        case .aggregate(let input, let aggregate): return try lowerAggregate(input, aggregate)
        case .union(let inputs):
            var lowered: [PhysicalPlan] = []
            for input in inputs {
                let plan = try lower(input)
                if case .union(let inner) = plan { lowered += inner } else { lowered.append(plan) }
            }
            return lowered.count == 1 ? lowered[0] : .union(lowered)
        case .sort(let input, let sort):
            if mode == .continuous, let limit = sort.limit { return try lowerTopRows(input, sort, limit: limit) }
            if input.retracts(mode: mode) {
                throw SQLError(
                    "ORDER BY over a changelog is not supported yet", at: sort.span, code: SQLError.featureNotSupported)
            }
            return .sort(try lower(input), SortNode(keys: sort.keys, limit: sort.limit, offset: sort.offset))
        case .limit(let input, let count, let offset):
            if !isTop, input.retracts(mode: mode) {
                throw SQLError(
                    "LIMIT in a subquery over an input that retracts rows is not supported yet", at: .none,
                    hint: "put LIMIT at the end of the statement", code: SQLError.featureNotSupported)
            }
            return .limit(try lower(input), count: count, offset: offset)
        case .join(let left, let right, let join): return try lowerJoin(left, right, join)
        case .over(let input, let over): return try lowerOver(input, over)
        case .match(let input, let match): return try lowerMatch(input, match)
        case .unnest(let input, let unnest): return .unnest(try lower(input), unnest.node)
        case .expand(let input, let rows, _): return .expand(try lower(input), rows)
        case .replicate(let input, let column): return .replicate(try lower(input), column: column)
        }
    }

    // MARK: Rows

    /// Constant rows as they are; others one by one as projections over a row without columns, in their order.
    private static func values(_ rows: [[BoundExpression]], _ fields: [SQLType.Field]) -> PhysicalPlan {
        let schema = Schema(fields)
        var parts: [PhysicalPlan] = []
        var constants: [[Value]] = []
        for row in rows {
            let values = row.compactMap(\.constantValue)
            if values.count == row.count {
                constants.append(values)
                continue
            }
            if !constants.isEmpty { parts.append(.values(constants, schema)) }
            constants = []
            parts.append(.project(.values([[]], Schema([])), row))
        }
        if !constants.isEmpty || parts.isEmpty { parts.append(.values(constants, schema)) }
        return parts.count == 1 ? parts[0] : .union(parts)
    }

    /// A filter, below a projection of whose columns it looks at plain ones only.
    static func filter(_ input: PhysicalPlan, _ predicate: BoundExpression) -> PhysicalPlan {
        guard case .project(let inner, let below) = input,
            predicate.columns.allSatisfy({ below.indices.contains($0) && below[$0].isReference })
        else { return .filter(input, predicate) }
        return .project(.filter(inner, predicate.replacingColumns { below[$0] }), below)
    }

    /// A projection, joined with one below where that computes nothing twice; nothing when it changes nothing.
    static func project(_ input: PhysicalPlan, _ expressions: [BoundExpression]) -> PhysicalPlan {
        if case .project(let inner, let below) = input, let merged = MergeProjections.merged(expressions, below) {
            return project(inner, merged)
        }
        let (input, expressions) = withoutUnreadRank(input, expressions)
        return MergeProjections.isIdentity(expressions, width: input.outputTypes.count) ? input : .project(input, expressions)
    }

    // MARK: Windows

    private mutating func lowerWindow(_ input: LogicalPlan, _ window: LogicalWindow) throws(SQLError) -> PhysicalPlan {
        if case .session = window.shape {
            throw SQLError(
                "a session window without aggregation is not supported yet", at: window.span,
                hint: "group by window_start and window_end (and the keys of the sessions)", code: SQLError.featureNotSupported)
        }
        let lowered = try lower(input)
        let assigned = PhysicalPlan.assignWindow(lowered, WindowNode(shape: window.shape, timeColumn: window.timeColumn))
        return Self.project(assigned, try Self.withWindowTime(assigned.outputTypes, end: assigned.outputTypes.count - 1))
    }

    /// All columns, and window_time behind window_end.
    private static func withWindowTime(_ types: [SQLType], end: Int) throws(SQLError) -> [BoundExpression] {
        var expressions = types.enumerated().map { BoundExpression.column($0, $1) }
        expressions.insert(try LogicalWindow.time(end: .column(end, types[end])), at: end + 1)
        return expressions
    }

    // MARK: Aggregation

    private mutating func lowerAggregate(_ input: LogicalPlan, _ aggregate: LogicalAggregate) throws(SQLError) -> PhysicalPlan {
        let retracts = input.retracts(mode: mode)
        if retracts { try checkRetraction(aggregate) }
        let emit = try emitMode(aggregate)

        // Below: one column for every different key, argument and filter.
        var columns: [BoundExpression] = []
        func column(_ expression: BoundExpression) -> Int {
            if let index = columns.firstIndex(where: { $0.isSame(as: expression) }) { return index }
            columns.append(expression)
            return columns.count - 1
        }
        let keys = aggregate.keys.map { column($0.expression) }
        let lowered = try lower(input)
        let types = lowered.outputTypes
        var window = aggregate.window
        if let timeColumn = window?.timeColumn { window?.timeColumn = column(.column(timeColumn, types[timeColumn])) }
        let calls = aggregate.calls.map { call in
            AggregateCall(
                function: call.function, arguments: call.arguments.map(column), parameters: call.parameters,
                order: call.order.map {
                    SortNode.Key(column: column($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst)
                },
                isDistinct: call.isDistinct, filter: call.filter.map(column), resultType: call.resultType, text: call.text)
        }
        // count(*) alone needs rows, not columns; but a batch without columns helps nobody.
        if columns.isEmpty, let type = types.first { columns.append(.column(0, type)) }

        var node = AggregateNode(
            keys: keys, window: window, aggregates: calls, emit: emit,
            allowedLatenessMicroseconds: window == nil ? 0 : aggregate.allowedLatenessMicroseconds, inputRetracts: retracts, isTwoPhase: false)
        node.madeBy = aggregate.madeBy
        note(aggregate)
        let result = PhysicalPlan.aggregate(Self.project(lowered, columns), node)
        guard window != nil else { return result }
        return Self.project(result, try Self.withWindowTime(result.outputTypes, end: keys.count + 1))
    }

    private func emitMode(_ aggregate: LogicalAggregate) throws(SQLError) -> EmitMode {
        guard mode == .continuous else { return aggregate.window == nil ? .atEnd : .onWindowClose }
        if aggregate.emit == .changes { return .changes }
        if aggregate.window != nil { return .onWindowClose }
        if aggregate.emit == .onWindowClose {
            throw SQLError(
                "EMIT ON WINDOW CLOSE needs a window", at: aggregate.span,
                hint: "group by a window such as TUMBLE(ts, INTERVAL '10' SECOND), or write EMIT CHANGES", code: SQLError.windowingError)
        }
        return .changes
    }

    private func checkRetraction(_ aggregate: LogicalAggregate) throws(SQLError) {
        guard case .session? = aggregate.window?.shape else { return }
        throw SQLError(
            "session windows over an input that retracts rows cannot be kept", at: aggregate.span,
            hint: "a row that joined two sessions and is taken back would have to part them again: use a window of fixed length",
            code: SQLError.featureNotSupported)
    }

    /// Says what state grows with what.
    private mutating func note(_ aggregate: LogicalAggregate) {
        guard mode == .continuous, aggregate.window == nil else { return }
        let what = aggregate.isDistinct ? "DISTINCT" : "the aggregation"
        if !aggregate.keys.isEmpty {
            let keys = aggregate.keys.map(\.name).joined(separator: ", ")
            add("state of \(what) grows with the number of distinct (\(keys)): add a window or a STATE TTL")
        } else {
            for call in aggregate.calls where call.isDistinct {
                add("state of \(call.text) grows with the number of distinct values: add a window or a STATE TTL")
            }
        }
    }

    mutating func add(_ notice: String) { if !notices.contains(notice) { notices.append(notice) } }
}
