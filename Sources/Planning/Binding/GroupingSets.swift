// GroupingSets: GROUPING SETS, ROLLUP and CUBE, and GROUPING(..), which tells their rows apart.
//
// `GROUP BY a, ROLLUP (b, c)` is a list of sets of keys: the cross product of what each element gives: {a, b, c}, {a, b}, {a}. Every
// input row comes once per set (the node `.expand`), with NULL for the keys that are not in it and the number of the set as one key more;
// above that it is an ordinary aggregation. The empty set has a group whether there are rows or not: a row of NULLs stands for it, which every
// aggregate's filter leaves out. Keys that are in every set stay what they are, so windows among them are still seen as such.

import Columns
import Syntax

/// `GROUPING(a, b)`, `GROUPING_ID(a, b)`: a bit per argument, the last one's lowest, set where the key is left out of the row's set.
struct GroupingFunction {
    init?(_ name: QualifiedName) {
        guard name.parts.count == 1, ["grouping", "grouping_id"].contains(name.last.name.lowercased()) else { return nil }
    }
}

extension ExpressionBinder {
    @inline(never)
    func bindGrouping(_ function: GroupingFunction, _ call: FunctionCall, _ span: SourceSpan) throws(SQLError) -> BoundExpression {
        let name = call.name.last.name.uppercased()
        guard let grouping else {
            throw SQLError("\(name) is not allowed in \(clause.name)", at: span, code: SQLError.groupingError)
        }
        try call.checkPlain(span: span)
        guard (1...31).contains(call.arguments.count) else {
            throw SQLError("\(name) takes from 1 to 31 keys", at: span, code: SQLError.undefinedFunction)
        }
        let inner = ExpressionBinder(scope: scope, clause: .groupBy)
        return grouping.column(ofGrouping: try inner.bindAll(call.arguments), span: span)
    }
}

/// The sets of a GROUP BY, each as places among the keys, ascending.
struct GroupingSets {
    static let setsMax = 4_096

    private(set) var sets: [[Int]] = [[]]
    /// Whether anything but plain keys was written.
    private(set) var isWritten = false

    mutating func add(key: Int) { sets = sets.map { Self.union($0, [key]) } }

    /// What GROUPING SETS, ROLLUP or CUBE lists.
    mutating func add(_ listed: [[Int]], span: SourceSpan) throws(SQLError) {
        isWritten = true
        guard sets.count * listed.count <= Self.setsMax else {
            throw SQLError("too many grouping sets: at most \(Self.setsMax)", at: span, code: "54011")
        }
        sets = sets.flatMap { set in listed.map { Self.union(set, $0) } }
    }

    private static func union(_ a: [Int], _ b: [Int]) -> [Int] { Set(a).union(b).sorted() }

    static func rollup(_ parts: [[Int]]) -> [[Int]] { (0...parts.count).reversed().map { parts[..<$0].flatMap { $0 } } }

    static func cube(_ parts: [[Int]], span: SourceSpan) throws(SQLError) -> [[Int]] {
        guard parts.count <= 12 else { throw SQLError("CUBE is limited to 12 elements", at: span, code: "54011") }
        // All parts first, the last part left out first.
        return (0..<(1 << parts.count)).map { left in
            parts.indices.flatMap { left & (1 << (parts.count - 1 - $0)) == 0 ? parts[$0] : [] }
        }
    }

    /// Whether a key is in every set.
    func isCommon(_ key: Int) -> Bool { sets.allSatisfy { $0.contains(key) } }

    /// The input once per set: all of its columns, the keys that are not in every set, the set's number. Gives the keys over that.
    func expand(_ input: LogicalPlan, _ keys: [LogicalColumn]) -> (plan: LogicalPlan, keys: [LogicalColumn]) {
        let fields = input.fields
        let varying = keys.indices.filter { !isCommon($0) }
        var plan = input
        // Keys that are computed are computed once.
        var sources: [Int: BoundExpression] = [:]
        var computed: [LogicalColumn] = []
        for key in varying {
            if keys[key].expression.plainColumn != nil {
                sources[key] = keys[key].expression
            } else {
                sources[key] = .column(fields.count + computed.count, keys[key].expression.type)
                computed.append(keys[key])
            }
        }
        if !computed.isEmpty { plan = .project(plan, LogicalPlan.passing(fields) + computed) }
        var rows: [[BoundExpression]] = []
        for (number, set) in sets.enumerated() {
            var row = fields.enumerated().map { BoundExpression.column($0, $1.type) }
            for key in varying {
                let type = keys[key].expression.type
                row.append(set.contains(key) ? sources[key] ?? .constant(.null, type) : .constant(.null, type))
            }
            row.append(.constant(.integer(Int64(number)), .bigint))
            rows.append(row)
        }
        let names = fields.map(\.name) + varying.map { keys[$0].name } + ["grouping set"]
        plan = .expand(plan, rows, names: names)
        var expanded = keys
        for (place, key) in varying.enumerated() {
            expanded[key].expression = .column(fields.count + place, keys[key].expression.type)
        }
        expanded.append(LogicalColumn(expression: .column(fields.count + varying.count, .bigint), name: "grouping set"))
        return (plan, expanded)
    }

    /// What `expand` gave with a row for each empty set, and the condition that holds for the other rows; the same plan when no set is empty.
    func withEmptySets(_ plan: LogicalPlan) -> (LogicalPlan, BoundExpression?) {
        let empty = sets.indices.filter { sets[$0].isEmpty }
        guard !empty.isEmpty else { return (plan, nil) }
        let fields = plan.fields
        let marker = SQLType.Field(name: "is row", type: .boolean)
        let real = LogicalPlan.project(
            plan, LogicalPlan.passing(fields) + [LogicalColumn(expression: .constant(.boolean(true), .boolean), name: marker.name)])
        var rows: [[BoundExpression]] = []
        for number in empty {
            var row = fields.map { BoundExpression.constant(.null, $0.type) }
            // The set's number is the last column.
            row[fields.count - 1] = .constant(.integer(Int64(number)), .bigint)
            row.append(.constant(.boolean(false), .boolean))
            rows.append(row)
        }
        return (.union([real, .values(rows, fields + [marker])]), .column(fields.count, .boolean))
    }

    /// GROUPING(..) of keys at these places, over the column that holds the set's number.
    func grouping(_ places: [Int], setColumn: Int, span: SourceSpan) -> BoundExpression {
        var numbers: [Int64: [Value]] = [:]
        for (number, set) in sets.enumerated() {
            let bits = places.reduce(Int64(0)) { $0 << 1 | (set.contains($1) ? 0 : 1) }
            numbers[bits, default: []].append(.integer(Int64(number)))
        }
        let ordered = numbers.keys.sorted()
        guard let last = ordered.last, ordered.count > 1 else { return .constant(.integer(ordered.first ?? 0), .bigint, span: span) }
        let column = BoundExpression.column(setColumn, .bigint)
        let branches = ordered.dropLast().map { bits in
            BoundBranch(
                condition: BoundExpression(.inSet(column, numbers[bits] ?? [], negated: false), type: .boolean),
                result: .constant(.integer(bits), .bigint))
        }
        return BoundExpression(.caseWhen(branches, otherwise: .constant(.integer(last), .bigint)), type: .bigint, span: span)
    }
}
