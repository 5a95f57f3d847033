// PhysicalBuilder+Over: window functions and rankings as operators.
//
// Below either stands a projection that makes a column of every key, argument and filter behind the input's columns, above it one that
// leaves them out again. A filter over a ranking becomes a `RankNode`, ORDER BY with LIMIT of a query that goes on a ranking of all rows.

import Columns
import Syntax

extension PhysicalBuilder {
    /// The input's columns, and behind them one for every other expression that is asked for.
    private struct Columns {
        var expressions: [BoundExpression]
        let width: Int

        init(_ types: [SQLType]) {
            expressions = types.enumerated().map { .column($0, $1) }
            width = types.count
        }

        mutating func place(_ expression: BoundExpression) -> Int {
            if let index = expressions.firstIndex(where: { $0.isSame(as: expression) }) { return index }
            expressions.append(expression)
            return expressions.count - 1
        }

        mutating func keys(_ order: [LogicalOver.Order]) -> [SortNode.Key] {
            order.map { SortNode.Key(column: place($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) }
        }

        /// The input's columns and `added` ones behind all, of a node that has these as its input.
        func without(_ plan: PhysicalPlan, added: Int) -> PhysicalPlan {
            let types = plan.outputTypes
            let kept = Array(0..<width) + Array(expressions.count..<expressions.count + added)
            return PhysicalBuilder.project(plan, kept.map { .column($0, types[$0]) })
        }
    }

    // MARK: Window functions

    mutating func lowerOver(_ input: LogicalPlan, _ over: LogicalOver) throws(SQLError) -> PhysicalPlan {
        let timing = LogicalPlan.timing(over, input, mode: mode)
        if over.isOfModels { try checkModels(over, input, timing) }
        let lowered = try lower(input)
        var columns = Columns(lowered.outputTypes)
        let partition = over.partition.map { columns.place($0) }
        var order = columns.keys(over.order)
        for key in order { try Self.checkOrdered(columns.expressions[key.column], over.span) }
        var calls: [OverCall] = []
        for call in over.calls {
            calls.append(
                OverCall(
                    function: call.function, arguments: call.arguments.map { columns.place($0) }, filter: call.filter.map { columns.place($0) },
                    isDistinct: call.isDistinct, ignoresNulls: call.ignoresNulls, frame: call.frame, offset: call.offset,
                    resultType: call.resultType, text: call.text))
        }
        let overMode: OverMode
        switch timing {
        case .atEnd: overMode = .atEnd
        case .windowClose(let column): overMode = .onWindowClose(column: column)
        case .eventTime(let column): overMode = .eventTime(column: column)
        case .windowTime(let column, let size):
            order[0].column = columns.place(try Self.windowTime(.column(column, lowered.outputTypes[column]), sizeMicroseconds: size))
            overMode = .eventTime(column: order[0].column)
        case .changes: overMode = .changes
        }
        let node = OverNode(
            partition: partition, order: order, calls: calls, mode: overMode, inputRetracts: input.retracts(mode: mode))
        note(over, timing)
        return columns.without(.over(Self.project(lowered, columns.expressions), node), added: calls.count)
    }

    /// window_time, of a window's end or of its start.
    private static func windowTime(_ bound: BoundExpression, sizeMicroseconds: Int64?) throws(SQLError) -> BoundExpression {
        guard let sizeMicroseconds else { return try LogicalWindow.time(end: bound) }
        let size = BoundExpression.constant(.interval(IntervalValue(microseconds: sizeMicroseconds)), .interval)
        let end = try ExpressionTyping.binary(.add, bound, size, operatorSpan: .none, span: .none, text: "")
        return try LogicalWindow.time(
            end: end.type == bound.type ? end : try ExpressionTyping.cast(end, to: bound.type, mode: .explicit, span: .none, text: ""))
    }

    /// A model takes each row once, in order, and cannot take it back.
    private func checkModels(_ over: LogicalOver, _ input: LogicalPlan, _ timing: OverTiming) throws(SQLError) {
        guard timing == .changes, let call = over.calls.first, case .model(let model) = call.function else { return }
        if input.retracts(mode: mode) {
            let cause = input.retractionCause(mode: mode)
            throw SQLError(
                "\(model.function) over rows that are taken back is not supported: \(cause?.what ?? "its input is a changelog")", at: call.span,
                hint: cause?.remedy ?? "a model learns from rows that are final", code: SQLError.featureNotSupported)
        }
        let names = input.fields.map(\.name)
        let time = names.indices.first { input.isTimeAttribute($0) }
        let isOverWindows = names.indices.contains { input.windowOrigin($0)?.isClosed ?? false }
        let hint =
            time.map { "ORDER BY \(names[$0]), ascending: the watermark then says when a row's turn has come" }
            ?? (isOverWindows ? "ORDER BY window_time, ascending, of the windows below" : nil)
            ?? "declare the time in the stream: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, and ORDER BY ts"
        throw SQLError(
            "\(model.function) in a query that goes on needs the event time first in its ORDER BY", at: over.order.first?.expression.span ?? over.span,
            hint: hint, code: SQLError.featureNotSupported)
    }

    static func checkOrdered(_ expression: BoundExpression, _ span: SourceSpan) throws(SQLError) {
        if expression.type.layout == .list || expression.type.layout == .structure {
            throw SQLError(
                "ORDER BY of type \(expression.type.name) is not supported yet", at: expression.span == .none ? span : expression.span,
                code: SQLError.featureNotSupported)
        }
    }

    private mutating func note(_ over: LogicalOver, _ timing: OverTiming) {
        guard mode == .continuous else { return }
        let calls = over.calls.map(\.text).joined(separator: ", ")
        switch timing {
        case .changes:
            add(
                "state of \(calls) grows with every row: order the window by the event time ascending, add window_end to PARTITION BY, or keep the first rows with a filter on ROW_NUMBER()"
            )
        case .eventTime, .windowTime:
            if over.isOfModels {
                guard !over.partition.isEmpty else { return }
                let byteCount = over.calls.reduce(0) { if case .model(let model) = $1.function { $0 + model.stateByteCount } else { $0 } }
                add("state of \(calls) grows with the number of keys, \(byteCount) bytes each: SET state_ttl lets go of keys that rest")
                return
            }
            // What lies behind a frame bounded by time goes, and with it partitions that rest.
            let isBounded = over.calls.allSatisfy {
                $0.function.usesFrame && $0.frame.unit == .range && $0.frame.start != .unboundedPreceding
            }
            guard !over.partition.isEmpty, !isBounded else { return }
            add("state of \(calls) grows with the number of partitions")
        case .atEnd, .windowClose: return
        }
    }

    // MARK: Rankings

    /// A filter over a ranking; nil when it is none.
    mutating func lowerRank(_ input: LogicalPlan, _ predicate: BoundExpression) throws(SQLError) -> PhysicalPlan? {
        guard let pattern = LogicalPlan.rankPattern(input, predicate) else { return nil }
        let function: RankNode.Function
        switch pattern.over.calls[0].function {
        case .rank: function = .rank
        case .denseRank: function = .denseRank
        default: function = .rowNumber
        }
        let retracts = pattern.input.retracts(mode: mode)
        let timing = LogicalPlan.timing(pattern.over, pattern.input, mode: mode)
        let lowered = try lower(pattern.input)
        var columns = Columns(lowered.outputTypes)
        let partition = pattern.over.partition.map { columns.place($0) }
        let order = columns.keys(pattern.over.order)
        for key in order { try Self.checkOrdered(columns.expressions[key.column], pattern.over.span) }
        let emit: RankNode.Emit
        switch (mode, timing) {
        case (.bounded, _): emit = .atEnd
        case (.continuous, .windowClose(let column)): emit = .onWindowClose(windowEnd: column)
        case (.continuous, _): emit = .changes
        }
        let node = RankNode(
            function: function, partition: partition, order: order, firstRank: pattern.first, lastRank: pattern.last, emitsRank: true,
            emit: emit, inputRetracts: retracts)
        if emit == .changes { noteRank(pattern, node, retracts) }
        var plan = columns.without(.rank(Self.project(lowered, columns.expressions), node), added: 1)
        for projection in pattern.projections { plan = Self.project(plan, projection.map(\.expression)) }
        if let residual = BoundExpression.conjunction(pattern.residual) { plan = Self.filter(plan, residual) }
        return plan
    }

    private mutating func noteRank(_ pattern: RankPattern, _ node: RankNode, _ retracts: Bool) {
        let rows = node.lastRank == 1 ? "one row" : "\(node.lastRank) rows"
        let what = pattern.over.calls[0].text
        if retracts {
            add("state of \(what) grows with every row, since its input takes rows back")
        } else if !pattern.over.partition.isEmpty {
            add("state of \(what) grows with the number of partitions, \(rows) each: add window_end to PARTITION BY or a STATE TTL")
        }
    }

    /// ORDER BY with LIMIT in a query that goes on: the first rows of all, as they change.
    mutating func lowerTopRows(_ input: LogicalPlan, _ sort: LogicalSort, limit: Int) throws(SQLError) -> PhysicalPlan {
        let (last, overflowed) = sort.offset.addingReportingOverflow(limit)
        guard limit > 0, !overflowed else { return .limit(try lower(input), count: limit, offset: sort.offset) }
        let retracts = input.retracts(mode: mode)
        if retracts { add("state of ORDER BY .. LIMIT grows with every row, since its input takes rows back") }
        let lowered = try lower(input)
        let types = lowered.outputTypes
        for key in sort.keys { try Self.checkOrdered(.column(key.column, types[key.column]), sort.span) }
        return .rank(
            lowered,
            RankNode(
                function: .rowNumber, partition: [], order: sort.keys, firstRank: sort.offset + 1, lastRank: last, emitsRank: false,
                emit: .changes, inputRetracts: retracts))
    }

    /// A ranking whose rank nobody reads does not make it; the only rank of a single row is known.
    static func withoutUnreadRank(_ input: PhysicalPlan, _ expressions: [BoundExpression]) -> (PhysicalPlan, [BoundExpression]) {
        guard case .rank(let inner, var node) = input, node.emitsRank else { return (input, expressions) }
        let rank = inner.outputTypes.count
        let isRead = expressions.contains { $0.columns.contains(rank) }
        let isOne = node.lastRank == 1
        if isRead && !isOne { return (input, expressions) }
        node.emitsRank = false
        let known = expressions.map { expression in
            expression.replacingColumns { $0 == rank ? .constant(.integer(1), .bigint) : .column($0, inner.outputTypes[$0]) }
        }
        return (.rank(inner, node), known)
    }
}
