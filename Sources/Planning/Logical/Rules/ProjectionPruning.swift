// Projection pruning: columns that nobody above reads are not made, down to the scan, which then reads only the named columns of the
// log. A watermark's columns count as read. A scan keeps one column even when none is read, so that there are rows to count.
//
// The walk goes down with the set of columns wanted, and comes back with the plan and with where each wanted column now is.

import Columns

enum ProjectionPruning {
    static func apply(_ plan: LogicalPlan) -> LogicalPlan {
        let fields = plan.fields
        let pruned = prune(plan, Set(fields.indices))
        return arranged(pruned, Array(fields.indices), fields)
    }

    private struct Pruned {
        var plan: LogicalPlan
        var places: [Int: Int]

        func moved(_ expression: BoundExpression) -> BoundExpression { expression.renumbered { places[$0] ?? 0 } }
    }

    /// Exactly these columns in this order.
    private static func arranged(_ pruned: Pruned, _ columns: [Int], _ fields: [SQLType.Field]) -> LogicalPlan {
        let width = pruned.plan.fields.count
        if width == columns.count, columns.enumerated().allSatisfy({ pruned.places[$1] == $0 }) { return pruned.plan }
        return .project(
            pruned.plan,
            columns.map {
                LogicalColumn(expression: .column(pruned.places[$0] ?? 0, fields[$0].type), name: fields[$0].name)
            })
    }

    private static func prune(_ plan: LogicalPlan, _ wanted: Set<Int>) -> Pruned {
        switch plan {
        case .scan(let scan): return pruneScan(scan, wanted)
        case .values(let rows, let fields):
            let kept = fields.indices.filter(wanted.contains)
            return Pruned(plan: .values(rows.map { row in kept.map { row[$0] } }, kept.map { fields[$0] }), places: places(kept))
        case .watermark(let input, var node):
            let pruned = prune(input, wanted.union(node.expression.columns).union([node.timeColumn]))
            node.expression = pruned.moved(node.expression)
            node.timeColumn = pruned.places[node.timeColumn] ?? 0
            return Pruned(plan: .watermark(pruned.plan, node), places: pruned.places)
        case .filter(let input, let predicate):
            let pruned = prune(input, wanted.union(predicate.columns))
            return Pruned(plan: .filter(pruned.plan, pruned.moved(predicate)), places: pruned.places)
        case .project(let input, let columns):
            let kept = columns.indices.filter(wanted.contains)
            let pruned = prune(input, kept.reduce(into: []) { columns[$1].expression.collectColumns(into: &$0) })
            let projected = kept.map { LogicalColumn(expression: pruned.moved(columns[$0].expression), name: columns[$0].name) }
            return Pruned(plan: .project(pruned.plan, projected), places: places(kept))
        case .window(let input, var window):
            let base = input.fields.count
            let pruned = prune(
                input, wanted.filter { $0 < base }.union([window.timeColumn]).union(window.partitionColumns ?? []))
            window.timeColumn = pruned.places[window.timeColumn] ?? 0
            window.partitionColumns = window.partitionColumns?.map { pruned.places[$0] ?? 0 }
            var places = pruned.places
            let newBase = pruned.plan.fields.count
            for role in 0..<3 { places[base + role] = newBase + role }
            return Pruned(plan: .window(pruned.plan, window), places: places)
        case .aggregate(let input, let aggregate): return pruneAggregate(input, aggregate, wanted)
        case .union(let inputs):
            let fields = plan.fields
            let kept = fields.indices.filter(wanted.contains)
            return Pruned(plan: .union(inputs.map { arranged(prune($0, wanted), kept, $0.fields) }), places: places(kept))
        case .sort(let input, var sort):
            let pruned = prune(input, wanted.union(sort.keys.map(\.column)))
            for index in sort.keys.indices { sort.keys[index].column = pruned.places[sort.keys[index].column] ?? 0 }
            return Pruned(plan: .sort(pruned.plan, sort), places: pruned.places)
        case .limit(let input, let count, let offset):
            let pruned = prune(input, wanted)
            return Pruned(plan: .limit(pruned.plan, count: count, offset: offset), places: pruned.places)
        case .join(let left, let right, let join): return pruneJoin(left, right, join, wanted)
        case .replicate(let input, let column):
            let pruned = prune(input, wanted.union([column]))
            return Pruned(plan: .replicate(pruned.plan, column: pruned.places[column] ?? 0), places: pruned.places)
        case .expand(let input, let rows, let names):
            let kept = names.indices.filter(wanted.contains)
            var below: Set<Int> = []
            for row in rows { for index in kept { row[index].collectColumns(into: &below) } }
            let pruned = prune(input, below)
            return Pruned(
                plan: .expand(pruned.plan, rows.map { row in kept.map { pruned.moved(row[$0]) } }, names: kept.map { names[$0] }),
                places: places(kept))
        case .over(let input, var over):
            let base = input.fields.count
            let kept = over.calls.indices.filter { wanted.contains(base + $0) }
            over.calls = kept.map { over.calls[$0] }
            var below = wanted.filter { $0 < base }
            for expression in over.expressions { expression.collectColumns(into: &below) }
            var pruned = prune(input, below)
            if over.calls.isEmpty { return pruned }
            // Its rows are kept, so columns that only something below has read stay behind.
            let carried = below.sorted()
            if !carried.isEmpty {
                pruned = Pruned(plan: arranged(pruned, carried, input.fields), places: places(carried))
            }
            var places = pruned.places
            let newBase = pruned.plan.fields.count
            for (place, index) in kept.enumerated() { places[base + index] = newBase + place }
            return Pruned(plan: .over(pruned.plan, over.mapExpressions(pruned.moved)), places: places)
        case .unnest(let input, var unnest):
            let base = input.fields.count
            var below = wanted.filter { $0 < base }
            for array in unnest.node.arrays { array.collectColumns(into: &below) }
            let pruned = prune(input, below)
            unnest.node.arrays = unnest.node.arrays.map(pruned.moved)
            var places = pruned.places
            let newBase = pruned.plan.fields.count
            for index in unnest.fields.indices { places[base + index] = newBase + index }
            return Pruned(plan: .unnest(pruned.plan, unnest), places: places)
        case .match(let input, let match): return pruneMatch(input, match, wanted)
        }
    }

    /// Measures and columns that nobody reads are not made; one column stays, so that there are rows.
    private static func pruneMatch(_ input: LogicalPlan, _ match: LogicalMatch, _ wanted: Set<Int>) -> Pruned {
        var result = match
        let passedCount = match.node.passedColumns.count
        var kept = match.fields.indices.filter(wanted.contains)
        if kept.isEmpty, !match.fields.isEmpty { kept = [0] }
        result.fields = kept.map { match.fields[$0] }
        result.node.passedColumns = kept.filter { $0 < passedCount }.map { match.node.passedColumns[$0] }
        let measures = kept.filter { $0 >= passedCount }.map { match.node.measures[$0 - passedCount] }
        let operands = measures.reduce(into: Set<Int>()) { $1.collectColumns(into: &$0) }.sorted()
        let operandPlaces = places(operands)
        result.node.measureOperands = operands.map { match.node.measureOperands[$0] }
        result.node.measures = measures.map { $0.renumbered { operandPlaces[$0] ?? 0 } }
        let pruned = prune(input, result.node.columns)
        result.node = result.node.renumbered({ pruned.places[$0] ?? 0 }, inputTypes: pruned.plan.fields.map(\.type))
        return Pruned(plan: .match(pruned.plan, result), places: places(kept))
    }

    private static func pruneJoin(_ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin, _ wanted: Set<Int>) -> Pruned {
        let base = left.fields.count
        var used = wanted
        join.condition?.collectColumns(into: &used)
        var leftWanted = used.filter { $0 < base }
        var rightWanted = Set(used.filter { $0 >= base }.map { $0 - base })
        if case .eventTime(let leftTime, let rightTime, _)? = join.version {
            leftWanted.insert(leftTime)
            rightWanted.insert(rightTime)
        }
        rightWanted.formUnion(join.versionKey ?? [])
        let lower = prune(left, leftWanted)
        let other = prune(right, rightWanted)
        let newBase = lower.plan.fields.count
        var places = lower.places
        for (column, place) in other.places { places[base + column] = newBase + place }
        var result = join
        result.condition = join.condition.map { $0.renumbered { places[$0] ?? 0 } }
        if case .eventTime(let leftTime, let rightTime, let isStrict)? = join.version {
            result.version = .eventTime(
                leftTime: lower.places[leftTime] ?? 0, rightTime: other.places[rightTime] ?? 0, isStrict: isStrict)
        }
        result.versionKey = join.versionKey.map { Set($0.compactMap { other.places[$0] }) }
        if case .interval(let columns) = join.bound { result.bound = .interval(columns: Set(columns.compactMap { places[$0] })) }
        if case .window(let columns) = join.bound { result.bound = .window(columns: Set(columns.compactMap { places[$0] })) }
        if join.kind.keepsLeftOnly { places = lower.places }
        return Pruned(plan: .join(lower.plan, other.plan, result), places: places)
    }

    private static func places(_ kept: [Int]) -> [Int: Int] {
        Dictionary(kept.enumerated().map { ($1, $0) }) { first, _ in first }
    }

    private static func pruneScan(_ scan: LogicalScan, _ wanted: Set<Int>) -> Pruned {
        var kept = scan.columns.indices.filter(wanted.contains).sorted { scan.columns[$0] < scan.columns[$1] }
        if kept.isEmpty, !scan.columns.isEmpty {
            let types = scan.relation.scanSchema.types
            kept = [scan.columns.indices.first { scan.columns[$0].type(in: types)?.layout == .int64 } ?? 0]
        }
        return Pruned(
            plan: .scan(LogicalScan(relation: scan.relation, columns: kept.map { scan.columns[$0] })), places: places(kept))
    }

    /// Keys are never left out: they are what makes the groups. A sole aggregate without keys stays, because it gives a row.
    private static func pruneAggregate(_ input: LogicalPlan, _ aggregate: LogicalAggregate, _ wanted: Set<Int>) -> Pruned {
        let callBase = aggregate.callBase
        var kept = aggregate.calls.indices.filter { wanted.contains(callBase + $0) }
        if kept.isEmpty, aggregate.keys.isEmpty, !aggregate.calls.isEmpty { kept = [0] }
        var below: Set<Int> = []
        for key in aggregate.keys { key.expression.collectColumns(into: &below) }
        for index in kept {
            for expression in aggregate.calls[index].expressions { expression.collectColumns(into: &below) }
        }
        if let window = aggregate.window { below.insert(window.timeColumn) }
        let pruned = prune(input, below)
        var result = aggregate
        result.keys = aggregate.keys.map { LogicalColumn(expression: pruned.moved($0.expression), name: $0.name) }
        result.calls = kept.map { aggregate.calls[$0].mapExpressions(pruned.moved) }
        if let window = aggregate.window { result.window?.timeColumn = pruned.places[window.timeColumn] ?? 0 }
        var places: [Int: Int] = [:]
        for column in 0..<callBase { places[column] = column }
        for (place, index) in kept.enumerated() { places[callBase + index] = callBase + place }
        return Pruned(plan: .aggregate(pruned.plan, result), places: places)
    }
}
