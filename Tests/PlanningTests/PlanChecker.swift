// PlanChecker: what must hold in every physical plan: ordinals exist, types fit, aggregates get the types they are defined for,
// watermarks stand where they may.

import Columns
import Planning

struct PlanProblem: Error { var message: String }

enum PlanChecker {
    static func check(_ plan: PhysicalPlan) throws {
        for input in plan.inputs { try check(input) }
        let types = plan.inputs.first?.outputTypes ?? []
        func require(_ condition: Bool, _ message: String) throws {
            if !condition { throw PlanProblem(message: message) }
        }
        switch plan {
        case .scan(let node):
            try require(!node.columns.isEmpty, "scan reads no column")
            try require(node.columns == node.columns.sorted() && Set(node.columns).count == node.columns.count, "scan out of order")
            let types = node.relation.scanSchema.types
            try require(node.columns.allSatisfy { $0.type(in: types) != nil }, "scan's column")
        case .values(let rows, let schema):
            try require(rows.allSatisfy { $0.count == schema.count }, "values' width")
        case .watermark(let input, let node):
            try require(types.indices.contains(node.timeColumn) && types[node.timeColumn].isTimestamp, "watermark's column")
            try check(node.expression, types)
            try require(node.expression.type == types[node.timeColumn], "watermark's type")
            switch input {
            case .scan, .project(.scan, _): break
            default: throw PlanProblem(message: "watermark over \(input)")
            }
        case .filter(_, let predicate):
            try check(predicate, types)
            try require(predicate.type == .boolean, "filter's type")
        case .project(_, let expressions): for expression in expressions { try check(expression, types) }
        case .assignWindow(_, let node):
            try require(types.indices.contains(node.timeColumn) && types[node.timeColumn].isTimestamp, "window's column")
            if case .session = node.shape { throw PlanProblem(message: "a session cannot be assigned") }
        case .aggregate(_, let node):
            try require(node.keys.allSatisfy(types.indices.contains), "key")
            if let window = node.window {
                try require(types.indices.contains(window.timeColumn) && types[window.timeColumn].isTimestamp, "window's column")
                if case .session = window.shape { try require(!node.inputRetracts, "sessions over retractions") }
            }
            for call in node.aggregates {
                if let filter = call.filter { try require(types.indices.contains(filter) && types[filter] == .boolean, "filter") }
                try require(call.arguments.allSatisfy(types.indices.contains), "argument")
                try require(call.order.allSatisfy { types.indices.contains($0.column) }, "order of \(call.text)")
                let argumentTypes = call.arguments.map { types[$0] }
                let expected = call.function.types(arguments: argumentTypes)
                try require(expected?.arguments == argumentTypes, "arguments' types of \(call.text)")
                try require(expected?.result == call.resultType, "result type of \(call.text)")
            }
        case .union(let inputs):
            try require(inputs.count > 1 && inputs.allSatisfy { $0.outputTypes == types }, "union's types")
        case .sort(_, let node): try require(node.keys.allSatisfy { types.indices.contains($0.column) }, "sort's key")
        case .limit: break
        case .join(let left, let right, let node):
            let (leftTypes, rightTypes) = (left.outputTypes, right.outputTypes)
            try require(node.leftKeys.count == node.rightKeys.count && node.nullSafeKeys.count == node.leftKeys.count, "join's keys")
            for (a, b) in zip(node.leftKeys, node.rightKeys) {
                try require(leftTypes.indices.contains(a) && rightTypes.indices.contains(b), "join's key")
                try require(leftTypes[a] == rightTypes[b], "types of a join's keys")
            }
            if let residual = node.residual { try check(residual, leftTypes + rightTypes) }
        case .over(_, let node):
            try require((node.partition + node.order.map(\.column)).allSatisfy(types.indices.contains), "over's column")
            try require(node.calls.allSatisfy { $0.arguments.allSatisfy(types.indices.contains) }, "over's argument")
        case .rank(_, let node):
            try require((node.partition + node.order.map(\.column)).allSatisfy(types.indices.contains), "rank's column")
            try require(node.firstRank >= 1 && node.lastRank >= node.firstRank, "rank's range")
        case .match: break
        case .unnest(_, let node): for array in node.arrays { try check(array, types) }
        case .expand(_, let rows):
            for row in rows {
                try require(row.map(\.type) == rows[0].map(\.type), "expand's types")
                for expression in row { try check(expression, types) }
            }
        case .alert(_, let node):
            try require(node.keyColumns.count == node.keyNames.count && node.keyColumns.allSatisfy(types.indices.contains), "alert's key")
            try require(node.names.count <= types.count && node.tags.count == types.count, "alert's columns")
            if let time = node.timeColumn { try require(types.indices.contains(time) && types[time].isTimestamp, "alert's time") }
            for rule in node.rules {
                for condition in [rule.condition, rule.resolve].compactMap({ $0 }) {
                    switch condition {
                    case .always: break
                    case .column(let column): try require(types.indices.contains(column) && types[column] == .boolean, "condition of \(rule.name)")
                    case .threshold(let column, _, _): try require(types.indices.contains(column), "threshold of \(rule.name)")
                    }
                }
            }
            try require(node.rules.map(\.id) == node.rules.map(\.id).sorted(), "rules out of order")
        case .replicate(_, let column): try require(types.indices.contains(column) && types[column] == .bigint, "replicate's column")
        case .shared: break
        case .alert(_, let node):
            try require((node.keyColumns + (node.timeColumn.map { [$0] } ?? [])).allSatisfy(types.indices.contains), "alert's column")
            try require(node.tags.count == types.count && node.names.count <= types.count, "alert's columns")
        }
    }

    static func check(_ expression: BoundExpression, _ types: [SQLType]) throws {
        if case .column(let ordinal) = expression.kind {
            guard types.indices.contains(ordinal) else { throw PlanProblem(message: "no column \(ordinal) of \(types.count)") }
            guard types[ordinal] == expression.type else {
                throw PlanProblem(message: "column \(ordinal) is \(types[ordinal].name), not \(expression.type.name)")
            }
        }
        for child in expression.children { try check(child, types) }
    }
}
