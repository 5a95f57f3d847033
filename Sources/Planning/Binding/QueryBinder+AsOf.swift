// QueryBinder+AsOf: joins with the version of a row that held at some time: `JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON ..` and
// `ASOF JOIN quotes AS q ON t.symbol = q.symbol AND t.ts >= q.ts`.
//
// The time is an event time on both sides: of the left row by name, of the versions by the watermark of their stream. With
// the processing time on the left it is a look-up of what the right side holds when the left row comes.

import Columns
import Syntax

extension QueryBinder {
    /// `FOR SYSTEM_TIME AS OF time`.
    func bindVersion(
        _ time: Expression, _ left: BoundTable, _ right: BoundTable, _ table: TableExpression, _ context: QueryContext,
        _ join: inout LogicalJoin
    ) throws(SQLError) {
        guard join.kind == .inner || join.kind == .left else {
            throw SQLError(
                "FOR SYSTEM_TIME AS OF works with JOIN and LEFT JOIN only", at: table.span,
                hint: "the versioned table stands to the right of the rows that look it up", code: SQLError.featureNotSupported)
        }
        let bound = try ExpressionBinder(scope: left.scope, clause: .join).bind(time)
        if left.plan.isProcessingTime(bound) {
            if left.plan.retracts(mode: mode) {
                throw SQLError(
                    "a look-up by rows that can be taken back is not supported yet", at: table.span,
                    hint: "the left input is a changelog", code: SQLError.featureNotSupported)
            }
            join.version = .processingTime
            return
        }
        guard bound.type.isTimestamp, let leftTime = bound.plainColumn else {
            throw SQLError(
                "FOR SYSTEM_TIME AS OF needs a time column of the left table, or PROCTIME()", at: time.span,
                code: bound.type.isTimestamp ? SQLError.featureNotSupported : SQLError.datatypeMismatch)
        }
        let name = Printer.print(time)
        let rightTime = try versionTime(right, table)
        try checkVersions(left, leftTime, name, time.span)
        join.version = .eventTime(leftTime: leftTime, rightTime: rightTime, isStrict: false)
        let analysis = JoinAnalysis(left.plan, right.plan, join, mode: mode)
        if let key = right.plan.primaryKey {
            let keys = Set(analysis.keys.compactMap(\.right.plainColumn))
            if !key.isSubset(of: keys) {
                let names = key.sorted().map { "\"\(right.plan.fields[$0].name)\"" }
                throw SQLError(
                    "the condition must equate the primary key of the versioned table (\(names.joined(separator: ", ")))", at: table.span,
                    hint: "there is one version of each key at a time", code: SQLError.featureNotSupported)
            }
            join.versionKey = key
        }
        try checkKeys(analysis, table)
    }

    /// `ASOF JOIN .. ON keys AND left.time >= right.time`, also `USING (keys, time)`.
    func bindAsOfJoin(
        _ left: BoundTable, _ right: BoundTable, _ table: TableExpression, isUsing: Bool, _ join: inout LogicalJoin
    ) throws(SQLError) {
        let base = left.plan.fields.count
        let hint = "for example ASOF JOIN quotes AS q ON t.symbol = q.symbol AND t.ts >= q.ts"
        var conjuncts = join.condition?.conjuncts ?? []
        if isUsing, let last = conjuncts.popLast(), case .call(.equal, let operands) = last.kind {
            var comparison = last
            comparison.kind = .call(.greaterOrEqual, operands)
            conjuncts.append(comparison)
        }
        var rest: [BoundExpression] = []
        var times: (left: Int, right: Int, isStrict: Bool)?
        for conjunct in conjuncts {
            guard case .call(let function, let operands) = conjunct.kind, operands.count == 2,
                let comparison = TimeComparison(function), comparison != .equal
            else {
                rest.append(conjunct)
                continue
            }
            guard let first = operands[0].linearTime, let second = operands[1].linearTime, first.offset == 0, second.offset == 0,
                (first.column < base) != (second.column < base)
            else {
                throw SQLError(
                    "the comparison of an ASOF JOIN must be between a time of either table", at: conjunct.span, hint: hint,
                    code: SQLError.featureNotSupported)
            }
            if times != nil {
                throw SQLError("an ASOF JOIN takes one comparison of times", at: conjunct.span, hint: hint, code: SQLError.featureNotSupported)
            }
            let oriented = first.column < base ? comparison : comparison.flipped
            guard oriented == .greater || oriented == .greaterOrEqual else {
                throw SQLError(
                    "an ASOF JOIN that looks ahead is not supported yet", at: conjunct.span,
                    hint: "the left time must be >= (or >) the right one", code: SQLError.featureNotSupported)
            }
            times = (min(first.column, second.column), max(first.column, second.column) - base, oriented == .greater)
        }
        guard let times else {
            throw SQLError("an ASOF JOIN needs a comparison of times", at: table.span, hint: hint, code: SQLError.featureNotSupported)
        }
        let fields = (left.plan.fields, right.plan.fields)
        try checkVersions(left, times.left, fields.0[times.left].name, table.span)
        if mode == .continuous { try checkTimeAttribute(right.plan, times.right, fields.1[times.right].name, table.span) }
        join.condition = BoundExpression.conjunction(rest)
        join.version = .eventTime(leftTime: times.left, rightTime: times.right, isStrict: times.isStrict)
        let analysis = JoinAnalysis(left.plan, right.plan, join, mode: mode)
        if let other = analysis.others.first {
            throw SQLError(
                "an ASOF JOIN takes equalities and one comparison of times", at: other.span, hint: "other conditions belong into WHERE",
                code: SQLError.featureNotSupported)
        }
    }

    private func checkKeys(_ analysis: JoinAnalysis, _ table: TableExpression) throws(SQLError) {
        if analysis.keys.isEmpty {
            throw SQLError(
                "FOR SYSTEM_TIME AS OF needs an equality between columns of both tables", at: table.span,
                hint: "ON o.currency = r.currency: there is one version of each key at a time", code: SQLError.featureNotSupported)
        }
    }

    private func checkVersions(_ left: BoundTable, _ column: Int, _ name: String, _ span: SourceSpan) throws(SQLError) {
        guard mode == .continuous else { return }
        if left.plan.retracts(mode: mode) {
            throw SQLError(
                "an as-of join of rows that can be taken back is not supported yet", at: span,
                hint: "the left input is a changelog", code: SQLError.featureNotSupported)
        }
        try checkTimeAttribute(left.plan, column, name, span)
    }

    private func checkTimeAttribute(_ plan: LogicalPlan, _ column: Int, _ name: String, _ span: SourceSpan) throws(SQLError) {
        if plan.isTimeAttribute(column) { return }
        let known = plan.fields.indices.filter { plan.isTimeAttribute($0) }.map { plan.fields[$0].name }
        throw SQLError(
            "column \"\(name)\" has no watermark, so it is never known which version holds", at: span,
            hint: known.isEmpty
                ? "declare WATERMARK FOR \(name) AS \(name) - INTERVAL '5' SECOND on the stream"
                : "the watermark is on " + Scope.alternatives(known.map { "\"\($0)\"" }), code: SQLError.windowingError)
    }

    /// The column that says since when a version holds.
    private func versionTime(_ right: BoundTable, _ table: TableExpression) throws(SQLError) -> Int {
        let fields = right.plan.fields
        let times = fields.indices.filter { mode == .continuous ? right.plan.isTimeAttribute($0) : right.plan.isDeclaredTime($0) }
        if let time = times.first { return time }
        let name = right.scope.tables.first ?? "the table"
        throw SQLError(
            "\"\(name)\" has no versions in event time", at: table.span,
            hint: "declare a WATERMARK and a PRIMARY KEY on it, or look it up as it is now: FOR SYSTEM_TIME AS OF PROCTIME()",
            code: SQLError.windowingError)
    }
}
