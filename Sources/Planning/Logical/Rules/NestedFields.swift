// Nested fields: fields of ROW columns are read by the scan, which then touches nothing else of them in the log.
//
// An expression over `person.name` holds a field of a column. Where a projection or an aggregation stands above a scan, with nothing between
// but projections, filters, watermarks, sorts and limits, each field that it names becomes one more column of what is below, down to the
// scan, which takes it as a path. Columns are only added, behind the others, so that all ordinals stay as they were; projection pruning
// then drops the whole columns that nobody reads any more.

import Columns

enum NestedFields {
    static func apply(_ plan: LogicalPlan) -> LogicalPlan {
        var plan = plan
        switch plan {
        case .project(let input, let columns):
            if let (below, places) = push(input, paths(columns.map(\.expression))) {
                plan = .project(below, columns.map { LogicalColumn(expression: replace($0.expression, places), name: $0.name) })
            }
        case .aggregate(let input, var aggregate):
            let expressions = aggregate.keys.map(\.expression) + aggregate.calls.flatMap(\.expressions)
            if let (below, places) = push(input, paths(expressions)) {
                for index in aggregate.keys.indices {
                    aggregate.keys[index].expression = replace(aggregate.keys[index].expression, places)
                }
                for index in aggregate.calls.indices {
                    aggregate.calls[index] = aggregate.calls[index].mapExpressions { replace($0, places) }
                }
                plan = .aggregate(below, aggregate)
            }
        default: break
        }
        return plan.mapInputs(apply)
    }

    /// The fields of columns that expressions name, each once.
    private static func paths(_ expressions: [BoundExpression]) -> [ColumnPath: SQLType] {
        var found: [ColumnPath: SQLType] = [:]
        for expression in expressions { collect(expression, &found) }
        return found
    }

    private static func collect(_ expression: BoundExpression, _ found: inout [ColumnPath: SQLType]) {
        if let path = expression.columnPath {
            if !path.fields.isEmpty { found[path] = expression.type }
        } else {
            for child in expression.children { collect(child, &found) }
        }
    }

    private static func replace(_ expression: BoundExpression, _ places: [ColumnPath: Int]) -> BoundExpression {
        if let path = expression.columnPath {
            guard let place = places[path] else { return expression }
            return .column(place, expression.type, span: expression.span)
        }
        return expression.mapChildren { replace($0, places) }
    }

    /// The plan with a column behind the others for each path over its columns, and for each of its own; nil when it stands over something that
    /// fields cannot be taken from one by one.
    private static func push(_ plan: LogicalPlan, _ wanted: [ColumnPath: SQLType]) -> (LogicalPlan, [ColumnPath: Int])? {
        let width = plan.fields.count
        switch plan {
        case .scan(var scan):
            guard !wanted.isEmpty else { return (plan, [:]) }
            var places: [ColumnPath: Int] = [:]
            for path in wanted.keys.sorted() {
                var full = scan.columns[path.column]
                full.fields += path.fields
                if let place = scan.columns.firstIndex(of: full) {
                    places[path] = place
                } else {
                    places[path] = scan.columns.count
                    scan.columns.append(full)
                }
            }
            return (.scan(scan), places)
        case .filter(let input, let predicate):
            let all = wanted.merging(paths([predicate])) { first, _ in first }
            guard !all.isEmpty, let (below, places) = push(input, all) else { return nil }
            return (.filter(below, replace(predicate, places)), places)
        case .watermark(let input, var node):
            let all = wanted.merging(paths([node.expression])) { first, _ in first }
            guard !all.isEmpty, let (below, places) = push(input, all) else { return nil }
            node.expression = replace(node.expression, places)
            return (.watermark(below, node), places)
        case .sort(let input, let sort):
            guard !wanted.isEmpty, let (below, places) = push(input, wanted) else { return nil }
            return (.sort(below, sort), places)
        case .limit(let input, let count, let offset):
            guard !wanted.isEmpty, let (below, places) = push(input, wanted) else { return nil }
            return (.limit(below, count: count, offset: offset), places)
        case .project(let input, let columns):
            // Only where fields are passed on: a ROW that is computed here is computed once, whatever is read of it.
            guard !wanted.isEmpty, wanted.keys.allSatisfy({ columns[$0.column].expression.isReference }) else { return nil }
            var extended = columns
            var places: [ColumnPath: Int] = [:]
            for path in wanted.keys.sorted() {
                guard let type = wanted[path] else { continue }
                var expression = columns[path.column].expression
                var name = columns[path.column].name
                for (level, index) in path.fields.enumerated() {
                    guard case .row(let fields) = expression.type, fields.indices.contains(index) else { return nil }
                    name += "." + fields[index].name
                    expression = .field(expression, index, type: level == path.fields.count - 1 ? type : fields[index].type, span: expression.span)
                }
                places[path] = width + extended.count - columns.count
                extended.append(LogicalColumn(expression: expression, name: name))
            }
            return (.project(input, extended), places)
        default: return nil
        }
    }
}
