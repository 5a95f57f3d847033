// LogicalPlan+Joins: what a join does to time, windows and changes.
//
// A window join gives a window's rows no later than the watermark reaches its end, as its inputs do, so the windows of both sides are one
// window of the join, numbered as the join. An as-of join gives a left row when the watermark passes its time, and a look-up at
// once: time attributes of the left side stay such. A row of an interval join may be older than the watermark of its inputs by its
// bounds, so the join gives a watermark that is held back by them, and both times still drive event time.

import Columns

extension LogicalPlan {
    /// Whether an output column of a join still drives event time.
    static func isTimeAttribute(_ column: Int, of join: LogicalJoin, _ left: LogicalPlan, _ right: LogicalPlan) -> Bool {
        switch join.version {
        case .eventTime(let leftTime, _, _)?: return column == leftTime
        case .processingTime?: return column < left.fields.count && left.isTimeAttribute(column)
        case nil:
            if case .interval(let columns) = join.bound { return columns.contains(column) }
            return windowOrigin(column, of: join, left, right, depth: 0)?.role == .time
        }
    }

    static func windowOrigin(_ column: Int, of join: LogicalJoin, _ left: LogicalPlan, _ right: LogicalPlan, depth: Int) -> WindowOrigin? {
        let base = left.fields.count
        var origin: WindowOrigin?
        if join.version != nil {
            origin = column < base ? left.windowOrigin(column, depth: depth + 1) : nil
        } else if case .window(let columns) = join.bound, columns.contains(column) {
            origin = column < base ? left.windowOrigin(column) : right.windowOrigin(column - base)
            origin?.depth = depth
        }
        origin?.isClosed = true
        return origin
    }

    /// Windows of one shape in all inputs are one window.
    static func windowOrigin(_ column: Int, ofUnion inputs: [LogicalPlan], depth: Int) -> WindowOrigin? {
        guard let first = inputs.first?.windowOrigin(column) else { return nil }
        if case .session = first.shape, !first.isClosed { return nil }
        for input in inputs.dropFirst() {
            guard let origin = input.windowOrigin(column), origin.role == first.role, origin.shape == first.shape,
                origin.isClosed || first.shape.fixedSize != nil
            else { return nil }
        }
        return WindowOrigin(role: first.role, shape: first.shape, depth: depth, isClosed: true)
    }

    static func retracts(_ join: LogicalJoin, _ left: LogicalPlan, _ right: LogicalPlan, mode: RunMode) -> Bool {
        // Of versions only the rows that look them up make output.
        if join.version != nil { return left.retracts(mode: mode) }
        if left.retracts(mode: mode) || right.retracts(mode: mode) { return true }
        if mode == .bounded || join.bound != .none { return false }
        switch join.kind {
        case .inner, .semi: return false
        case .left, .right, .full, .anti, .antiNullAware: return true
        }
    }

    /// A column that no later row has with a value before the watermark: a time attribute, or the end of closed windows.
    func isEventTime(_ column: Int) -> Bool {
        if isTimeAttribute(column) { return true }
        guard let origin = windowOrigin(column) else { return false }
        return origin.isClosed && origin.role == .end
    }

    /// Whether a value is the epoch's clock: `PROCTIME()`, and columns that are nothing else.
    func isProcessingTime(_ expression: BoundExpression) -> Bool {
        switch expression.kind {
        case .epochClock: return true
        case .cast(let operand, _): return isProcessingTime(operand)
        case .column(let ordinal): return isProcessingTime(column: ordinal)
        default: return false
        }
    }

    private func isProcessingTime(column: Int) -> Bool {
        switch self {
        case .scan, .values, .aggregate, .match, .expand: return false
        case .watermark(let input, _), .filter(let input, _), .sort(let input, _), .limit(let input, _, _):
            return input.isProcessingTime(column: column)
        case .project(let input, let columns):
            return columns.indices.contains(column) && input.isProcessingTime(columns[column].expression)
        case .window(let input, _), .over(let input, _), .unnest(let input, _), .replicate(let input, _):
            return column < input.fields.count && input.isProcessingTime(column: column)
        case .union(let inputs): return !inputs.isEmpty && inputs.allSatisfy { $0.isProcessingTime(column: column) }
        // A stored row's clock is that of the epoch in which it was stored.
        case .join(let left, _, let join):
            return join.version == .processingTime && column < left.fields.count && left.isProcessingTime(column: column)
        }
    }

    /// The plan with one more column, the epoch's clock, as its time attribute in place of an event time; and that column. nil when what
    /// stands above the relation is more than filters and projections.
    func followingClock(_ type: SQLType) -> (LogicalPlan, Int)? {
        switch self {
        case .scan:
            let fields = fields
            guard
                let clock = try? ExpressionTyping.cast(
                    BoundExpression(.epochClock, type: .timestampTZ(precision: 6)), to: type, mode: .explicit, span: .none, text: "")
            else { return nil }
            let projected = LogicalPlan.project(self, LogicalPlan.passing(fields) + [LogicalColumn(expression: clock, name: "clock")])
            let node = WatermarkNode(timeColumn: fields.count, expression: .column(fields.count, type), delayMicroseconds: 0)
            return (.watermark(projected, node), fields.count)
        case .watermark(let input, _): return input.followingClock(type)
        case .filter(let input, let predicate):
            guard let (plan, column) = input.followingClock(type) else { return nil }
            return (.filter(plan, predicate), column)
        case .project(let input, let columns):
            guard let (plan, column) = input.followingClock(type) else { return nil }
            return (.project(plan, columns + [LogicalColumn(expression: .column(column, type), name: "clock")]), columns.count)
        default: return nil
        }
    }

    /// The columns of a relation's primary key, when this is a relation as it was defined, under whatever names.
    var primaryKey: Set<Int>? {
        switch self {
        case .scan(let scan):
            let relation = scan.relation
            let physical = relation.physicalColumns
            let key = relation.primaryKey.compactMap { column in scan.columns.firstIndex { $0.fields.isEmpty && physical.indices.contains($0.column) && physical[$0.column] == column } }
            return relation.primaryKey.isEmpty || key.count < relation.primaryKey.count ? nil : Set(key)
        case .watermark(let input, _), .filter(let input, _): return input.primaryKey
        case .project(let input, let columns):
            guard let key = input.primaryKey else { return nil }
            let places = key.compactMap { source in columns.firstIndex { $0.expression.plainColumn == source } }
            return places.count == key.count ? Set(places) : nil
        default: return nil
        }
    }

    /// Whether a bounded query reads from this column what a continuous one would take as event time: bounded plans have no watermarks.
    func isDeclaredTime(_ column: Int) -> Bool {
        switch self {
        case .scan(let scan):
            guard let watermark = scan.relation.watermark, scan.columns.indices.contains(column) else { return false }
            let path = scan.columns[column]
            let physical = scan.relation.physicalColumns
            return path.fields.isEmpty && physical.indices.contains(path.column) && physical[path.column] == watermark.column
        case .project(.scan(let scan), let columns)
        where columns.map(\.name) == scan.relation.columns.map(\.name) && scan.relation.watermark?.column == column:
            return true
        case .project(let input, let columns):
            guard columns.indices.contains(column), let source = columns[column].expression.plainColumn else { return false }
            return input.isDeclaredTime(source)
        case .watermark(let input, _), .filter(let input, _), .sort(let input, _), .limit(let input, _, _):
            return input.isDeclaredTime(column)
        case .window(let input, _), .over(let input, _), .unnest(let input, _), .replicate(let input, _):
            return column < input.fields.count && input.isDeclaredTime(column)
        case .union(let inputs): return !inputs.isEmpty && inputs.allSatisfy { $0.isDeclaredTime(column) }
        case .values, .aggregate, .match, .expand, .join: return false
        }
    }

    /// The streams and tables that rows come from, each once.
    var relationNames: [String] {
        if case .scan(let scan) = self { return [scan.relation.name] }
        return inputs.flatMap(\.relationNames).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}
