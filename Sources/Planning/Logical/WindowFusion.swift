// WindowFusion: how an aggregation becomes a windowed one.
//
//     SELECT k, count(*) FROM (SELECT * FROM TABLE(TUMBLE(..)) WHERE p) GROUP BY k, window_start, window_end
//
// is bound as an aggregation over a window function, and means that every row is put into its windows first. Nobody wants it
// computed so. When both window_start and window_end of one window function are among the keys, the window function is taken out of
// the input (`strip`) and becomes the aggregation's own window: state per slice, closed by the watermark. What stood between them
// (filters, projections) stays below when it does not look at the window's columns. A filter that looks at them moves above the
// aggregation, where it says the same, because all rows of a group share them; it may then also use the other keys.
// What cannot be moved leaves the plan as it is: rows are put into windows and grouped without a window. Sessions cannot be
// assigned row by row, so for them that is an error.
//
// An aggregation over closed windows (of an aggregation below) that has window_end among its keys is windowed too, since all
// rows of one window come at the moment the watermark reaches its end. Its own window is a tumble over window_time whose ends are
// the ends of the windows below, so it closes at the same moment: for a HOP one of the length of its slide, for a session one of
// a single unit. That the keys hold window_start and window_end keeps overlapping windows apart.
//
// This is not an optimisation: it decides when results come and whether they are final, so it happens while binding.

import Columns
import Syntax

enum WindowFusion {
    /// The aggregation as one node, or as what it takes. Output: the keys, then the calls.
    static func aggregate(_ input: LogicalPlan, _ aggregate: LogicalAggregate, mode: RunMode) throws(SQLError) -> LogicalPlan {
        if let fused = try fuseOpen(input, aggregate) { return fused }
        if mode == .continuous, let fused = try fuseClosed(input, aggregate) { return fused }
        return .aggregate(input, aggregate)
    }

    // MARK: Over a window function

    private static func fuseOpen(_ input: LogicalPlan, _ aggregate: LogicalAggregate) throws(SQLError) -> LogicalPlan? {
        // The nearest window function with both ends among the keys.
        var roles: [Int: Set<WindowRole>] = [:]
        for key in aggregate.keys {
            guard let column = key.expression.plainColumn, let origin = input.windowOrigin(column), !origin.isClosed else { continue }
            roles[origin.depth, default: []].insert(origin.role)
        }
        guard let depth = roles.filter({ $0.value.contains(.start) && $0.value.contains(.end) }).keys.min(),
            let stripped = strip(input, depth: depth)
        else { return nil }

        // Keys that are columns of the window, and the others.
        var keys: [LogicalColumn] = []
        var places: [(isWindow: Bool, expression: BoundExpression)] = []
        for key in aggregate.keys {
            let expression = stripped.rewrite(key.expression)
            if expression.usesWindow {
                guard expression.usesOnlyWindow else { return nil }
                places.append((true, expression))
            } else {
                places.append((false, .column(keys.count, expression.type, span: key.expression.span)))
                keys.append(LogicalColumn(expression: expression, name: key.name))
            }
        }
        var calls = aggregate.calls
        for index in calls.indices {
            calls[index] = calls[index].mapExpressions(stripped.rewrite)
            if calls[index].expressions.contains(where: \.usesWindow) { return nil }
        }
        try checkSessionKeys(stripped, keys: keys)

        var fused = aggregate
        fused.keys = keys
        fused.calls = calls
        fused.window = WindowNode(shape: stripped.window.shape, timeColumn: stripped.timeColumn)

        // Columns of the fused node: keys, window, calls.
        func above(_ expression: BoundExpression) -> BoundExpression? {
            var isPossible = true
            func place(_ part: BoundExpression) -> BoundExpression {
                if case .column(let ordinal) = part.kind, ordinal < 0 {
                    var copy = part
                    copy.kind = .column(keys.count - 1 - ordinal)
                    return copy
                }
                if !part.columns.contains(where: { $0 < 0 }),
                    let key = keys.firstIndex(where: { $0.expression.isSame(as: part) })
                {
                    return .column(key, part.type, span: part.span)
                }
                if part.plainColumn != nil {
                    isPossible = false
                    return part
                }
                return part.mapChildren(place)
            }
            let placed = place(expression)
            return isPossible ? placed : nil
        }
        var residual: [BoundExpression] = []
        for predicate in stripped.residual {
            guard let placed = above(predicate) else { return nil }
            residual.append(placed)
        }
        var output: [LogicalColumn] = []
        for (place, key) in zip(places, aggregate.keys) {
            guard place.isWindow else {
                output.append(LogicalColumn(expression: place.expression, name: key.name))
                continue
            }
            guard let expression = above(place.expression) else { return nil }
            output.append(LogicalColumn(expression: expression, name: key.name))
        }
        for (index, call) in calls.enumerated() {
            output.append(LogicalColumn(expression: .column(fused.callBase + index, call.resultType, span: call.span), name: call.text))
        }
        var plan = LogicalPlan.aggregate(stripped.plan, fused)
        if let predicate = BoundExpression.conjunction(residual) { plan = .filter(plan, predicate) }
        return .project(plan, output)
    }

    /// A session table function with PARTITION BY makes sessions per those columns; grouping by others would be a second step.
    private static func checkSessionKeys(_ stripped: Stripped, keys: [LogicalColumn]) throws(SQLError) {
        guard let partition = stripped.window.partitionColumns else { return }
        let grouped = Set(keys.compactMap(\.expression.plainColumn))
        if grouped.count != keys.count || grouped != Set(partition.map { stripped.partitionOrdinals[$0] ?? -1 }) {
            throw SQLError(
                "sessions with PARTITION BY must be grouped by the same columns", at: stripped.window.span,
                hint: "group by window_start, window_end and the columns of PARTITION BY", code: SQLError.featureNotSupported)
        }
    }

    /// An input without its window function.
    private struct Stripped {
        var plan: LogicalPlan
        /// What each former output column is now: an expression over the plan's columns and the window's, which are numbered -1
        /// (window_start), -2 (window_end), -3 (window_time).
        var columns: [BoundExpression]
        var timeColumn: Int
        /// Where the window's PARTITION BY columns, as numbered in the window's input, are now.
        var partitionOrdinals: [Int: Int]
        /// Predicates, numbered like `columns`, that must be applied above.
        var residual: [BoundExpression]
        var window: LogicalWindow

        func rewrite(_ expression: BoundExpression) -> BoundExpression {
            expression.replacingColumns { $0 < columns.count ? columns[$0] : .column($0, .null) }
        }
    }

    private static func strip(_ plan: LogicalPlan, depth: Int) -> Stripped? {
        switch plan {
        case .window(let input, let window) where depth == 0:
            let fields = input.fields
            let type = fields[window.timeColumn].type
            let partition = (window.partitionColumns ?? []).map { ($0, $0) }
            return Stripped(
                plan: input,
                columns: fields.enumerated().map { .column($0, $1.type) } + [-1, -2, -3].map { .column($0, type) },
                timeColumn: window.timeColumn, partitionOrdinals: Dictionary(partition) { first, _ in first }, residual: [],
                window: window)
        case .filter(let input, let predicate):
            guard var stripped = strip(input, depth: depth - 1) else { return nil }
            var below: [BoundExpression] = []
            for conjunct in predicate.conjuncts {
                let rewritten = stripped.rewrite(conjunct)
                if rewritten.usesWindow {
                    stripped.residual.append(rewritten)
                } else {
                    below.append(rewritten)
                }
            }
            if let predicate = BoundExpression.conjunction(below) { stripped.plan = .filter(stripped.plan, predicate) }
            return stripped
        case .project(let input, let columns):
            guard let inner = strip(input, depth: depth - 1) else { return nil }
            return stripProject(inner, columns)
        case .expand(let input, let rows, let names):
            guard let inner = strip(input, depth: depth - 1) else { return nil }
            return stripExpand(inner, rows, names)
        default: return nil
        }
    }

    /// A projection below which the window was: it computes what does not need the window, and passes what the rest will need.
    private static func stripProject(_ inner: Stripped, _ columns: [LogicalColumn]) -> Stripped {
        let names = inner.plan.fields.map(\.name)
        var projected: [LogicalColumn] = []
        var placeOf: [Int: Int] = [:]
        func pass(_ ordinal: Int, _ type: SQLType) -> Int {
            if let place = placeOf[ordinal] { return place }
            projected.append(LogicalColumn(expression: .column(ordinal, type), name: names[ordinal]))
            placeOf[ordinal] = projected.count - 1
            return projected.count - 1
        }
        func moved(_ expression: BoundExpression) -> BoundExpression {
            if case .column(let ordinal) = expression.kind {
                if ordinal < 0 { return expression }
                return .column(pass(ordinal, expression.type), expression.type, span: expression.span)
            }
            return expression.mapChildren(moved)
        }
        var result: [BoundExpression] = []
        for column in columns {
            let expression = inner.rewrite(column.expression)
            if expression.usesWindow || expression.plainColumn != nil {
                result.append(moved(expression))
            } else {
                projected.append(LogicalColumn(expression: expression, name: column.name))
                result.append(.column(projected.count - 1, expression.type))
            }
        }
        let timeType = inner.plan.fields[inner.timeColumn].type
        var stripped = inner
        stripped.timeColumn = pass(inner.timeColumn, timeType)
        stripped.columns = result
        stripped.residual = inner.residual.map(moved)
        let fields = inner.plan.fields
        for (source, ordinal) in inner.partitionOrdinals {
            stripped.partitionOrdinals[source] = pass(ordinal, fields[ordinal].type)
        }
        stripped.plan = .project(inner.plan, projected)
        return stripped
    }

    /// Rows made several times of those the window was over: columns that are the window's, or the same in every row, go by; the others
    /// are computed below.
    private static func stripExpand(_ inner: Stripped, _ rows: [[BoundExpression]], _ names: [String]) -> Stripped? {
        guard let first = rows.first else { return nil }
        let rewritten = rows.map { $0.map(inner.rewrite) }
        let fields = inner.plan.fields
        // All that the input has, then the columns that differ.
        var lists = rows.map { _ in fields.enumerated().map { BoundExpression.column($0, $1.type) } }
        var listNames = fields.map(\.name)
        var columns: [BoundExpression] = []
        for column in first.indices {
            let expression = rewritten[0][column]
            if expression.plainColumn != nil, rewritten.allSatisfy({ $0[column].isSame(as: expression) }) {
                columns.append(expression)
                continue
            }
            guard !rewritten.contains(where: { $0[column].usesWindow }) else { return nil }
            columns.append(.column(listNames.count, expression.type))
            for row in rows.indices { lists[row].append(rewritten[row][column]) }
            listNames.append(names[column])
        }
        var stripped = inner
        stripped.plan = .expand(inner.plan, lists, names: listNames)
        stripped.columns = columns
        return stripped
    }

    // MARK: Over closed windows

    private static func fuseClosed(_ input: LogicalPlan, _ aggregate: LogicalAggregate) throws(SQLError) -> LogicalPlan? {
        for key in aggregate.keys {
            guard let column = key.expression.plainColumn, let origin = input.windowOrigin(column), origin.isClosed,
                origin.role == .end
            else { continue }
            let fields = input.fields
            let time = try LogicalWindow.time(end: .column(column, fields[column].type))
            let plan = LogicalPlan.project(
                input, LogicalPlan.passing(fields) + [LogicalColumn(expression: time, name: "window_time")])
            var fused = aggregate
            fused.window = WindowNode(
                shape: origin.shape.closingTumble(unit: LogicalWindow.unitMicroseconds(fields[column].type)),
                timeColumn: fields.count)
            var output = LogicalPlan.passing(aggregate.keys.map { SQLType.Field(name: $0.name, type: $0.expression.type) })
            for (index, call) in aggregate.calls.enumerated() {
                output.append(LogicalColumn(expression: .column(fused.callBase + index, call.resultType), name: call.text))
            }
            return .project(.aggregate(plan, fused), output)
        }
        return nil
    }
}

extension WindowShape {
    /// A tumbling window with an end wherever one of these windows ends, and no end within the last unit before one.
    func closingTumble(unit: Int64) -> WindowShape {
        switch self {
        case .tumble(let size, let offset): .tumble(size: size, offset: offset)
        case .hop(let size, let slide, let offset): .tumble(size: slide, offset: (offset % slide + size % slide) % slide)
        case .cumulate(_, let step, let offset): .tumble(size: step, offset: offset % step)
        case .session: .tumble(size: unit, offset: 0)
        }
    }
}

extension BoundExpression {
    fileprivate var usesWindow: Bool { columns.contains { $0 < 0 } }
    fileprivate var usesOnlyWindow: Bool { columns.allSatisfy { $0 < 0 } }
}
