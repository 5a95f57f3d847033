// SystemCompiler: scalar expressions of queries over system relations, compiled to closures.
//
// Comparisons, logic, CASE and membership are done here, on boxed values; everything else that has a kernel is typed and evaluated by the same code
// as in any query. A text in quotes takes the type of what it stands beside, as in PostgreSQL: `c.oid = '16384'`, `x = 'pg_class'::regclass`.

import Columns
import Dataflow
import Planning
import Syntax

final class SystemCompiler {
    let snapshot: SystemSnapshot
    /// WITH tables in reach, the innermost last.
    var commonTables: [(name: String, table: SystemCommonTable)] = []
    /// Rows made so far, of all steps together; a mistake must not fill the memory.
    private var workCount = 0
    /// Within the repeated part of a recursive table nothing is kept from one round to the next.
    var recursionDepth = 0
    private var depth = 0
    /// By the byte at which a NULL stands, which may be a parameter: the type it was given, where it is one of the catalog's.
    private(set) var parameterNumbers: [Int: UInt32] = [:]

    static let rowsMax = 1_000_000
    static let workMax = 50_000_000
    private static let depthMax = 120

    init(_ snapshot: SystemSnapshot) { self.snapshot = snapshot }

    func work(_ rows: Int = 1) throws(SQLError) {
        workCount &+= rows
        if workCount > Self.workMax {
            throw SQLError(
                "this query of the catalog takes too many steps", at: .none, hint: "join on the numbers of the objects, or add conditions",
                code: SQLError.programLimitExceeded)
        }
    }

    static func notSupported(_ what: String, _ span: SourceSpan) -> SQLError {
        SQLError("\(what) not supported in queries of the catalog", at: span, code: SQLError.featureNotSupported)
    }

    // MARK: Expressions

    func compile(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.depthMax {
            throw SQLError("this query of the catalog is nested too deeply", at: expression.span, code: SQLError.programLimitExceeded)
        }
        switch expression.kind {
        case .literal(let literal): return try compileLiteral(literal, expression.span)
        case .column(let name): return try compileColumn(name, expression.span, scope)
        case .binary: return try compileBinary(expression, scope)
        case .not, .isTest, .unary: return try compileUnary(expression, scope)
        case .isDistinct, .between, .inList: return try compileMembership(expression, scope)
        case .inQuery, .quantified, .exists, .scalarQuery, .arrayQuery: return try compileQuery(expression, scope)
        case .caseWhen: return try compileCase(expression, scope)
        case .cast(let operand, let type, let isTry):
            return try cast(try compile(operand, scope), to: try Self.type(type), mode: isTry ? .attempt : .explicit, span: expression.span)
        case .call(let call): return try compileCall(call, expression.span, scope)
        case .like, .extract, .atTimeZone, .niladic: return try compileKernel(expression, scope)
        case .element, .field, .array, .row: return try compileNested(expression, scope)
        case .star: throw SQLError("\"*\" can only stand in a select list and in count(*)", at: expression.span)
        case .descriptor, .tableArgument, .cursor: throw Self.notSupported("this is", expression.span)
        }
    }

    static func type(_ name: TypeName) throws(SQLError) -> SystemType {
        switch name.kind {
        case .system(let system): return SystemType.Alias(rawValue: system).map { SystemType($0) } ?? .text
        case .array(let element): return try type(element).array
        // Without digits it is as many as there are.
        case .decimal(nil, nil): return SystemType(.decimal(precision: 38, scale: 6))
        default: return SystemType(try ExpressionTyping.type(name))
        }
    }

    @inline(never)
    private func compileLiteral(_ literal: Literal, _ span: SourceSpan) throws(SQLError) -> SystemNode {
        if case .string(let text) = literal { return .constant(.string(text), .text, span: span, isUntyped: true) }
        let bound = try ExpressionTyping.literal(literal, span: span)
        return try node(bound, [], span)
    }

    @inline(never)
    private func compileColumn(_ name: QualifiedName, _ span: SourceSpan, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        if let (level, ordinal, type) = try scope.find(name) {
            switch level {
            case 0: return SystemNode(type, span: span) { $0.value(ordinal) }
            case 1: return SystemNode(type, span: span) { $0.parent?.value(ordinal) ?? .null }
            default:
                return SystemNode(type, span: span) { frame in
                    var outer: SystemFrame? = frame
                    for _ in 0..<level { outer = outer?.parent }
                    return outer?.value(ordinal) ?? .null
                }
            }
        }
        if name.parts.count == 1, let constant = SystemFunctions.niladic(name.last.name.lowercased(), snapshot) {
            return .constant(constant.0, constant.1, span: span)
        }
        // A field of a column that is a row: `t.item.n`.
        if name.parts.count > 1, !scope.star(QualifiedName([name.parts[0]], span: name.span)).isEmpty || name.parts.count == 2 {
            let table = name.parts[name.parts.count - 2].name
            if name.parts.count == 2, scope.star(QualifiedName([name.parts[0]], span: name.span)).isEmpty {
                throw SQLError("missing FROM-clause entry for table \"\(table)\"", at: span, code: SQLError.undefinedTable)
            }
        }
        throw SQLError(
            "column \"\(name.parts.map(\.name).joined(separator: "."))\" does not exist", at: span,
            hint: NearestName.find(name.last.name, among: scope.names).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedColumn)
    }

    // MARK: Operators

    @inline(never)
    private func compileBinary(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        guard case .binary(let operation, let left, let right, let operatorSpan) = expression.kind else { throw Self.notSupported("this is", expression.span) }
        let span = expression.span
        if operation == .and || operation == .or {
            let first = try condition(left, scope)
            let second = try condition(right, scope)
            let absorbing = operation == .or
            return SystemNode(.boolean, span: span) { frame in
                let a = try first.evaluate(frame)
                if a == .boolean(absorbing) { return a }
                let b = try second.evaluate(frame)
                if b == .boolean(absorbing) { return b }
                return a.isNull || b.isNull ? .null : .boolean(!absorbing)
            }
        }
        let first = try compile(left, scope)
        let second = try compile(right, scope)
        if let order = operation.comparison { return try compare(order, first, second, span) }
        if operation == .concat, let list = try concatenation(first, second, span) { return list }
        if [.regexMatch, .regexNotMatch].contains(operation), first.type.alias == .name {
            // Names match without regard to case, and this is how psql looks for one.
            return try binary(operation == .regexMatch ? .regexMatchInsensitive : .regexNotMatchInsensitive, first, second, operatorSpan, span)
        }
        return try binary(operation, first, second, operatorSpan, span)
    }

    private func binary(
        _ operation: BinaryOperator, _ left: SystemNode, _ right: SystemNode, _ operatorSpan: SourceSpan, _ span: SourceSpan
    ) throws(SQLError) -> SystemNode {
        try delegate([left, right], span) { bound throws(SQLError) in
            try ExpressionTyping.binary(operation, bound[0], bound[1], operatorSpan: operatorSpan, span: span, text: "")
        }
    }

    /// Two arrays, or an array and an element, of the catalog's own types.
    private func concatenation(_ left: SystemNode, _ right: SystemNode, _ span: SourceSpan) throws(SQLError) -> SystemNode? {
        guard left.type.isArray || right.type.isArray else { return nil }
        let list = left.type.isArray ? left.type : right.type
        func asList(_ node: SystemNode) throws(SQLError) -> SystemNode {
            if node.type.isArray { return node }
            if node.isUntyped { return try cast(node, to: list, mode: .explicit, span: node.span) }
            return SystemNode(list, span: node.span) { .list([try node.evaluate($0)]) }
        }
        let (first, second) = (try asList(left), try asList(right))
        return SystemNode(list, span: span) { frame in
            switch (try first.evaluate(frame), try second.evaluate(frame)) {
            case (.list(let a), .list(let b)): .list(a + b)
            case (.null, let other), (let other, .null): other
            default: .null
            }
        }
    }

    func condition(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        let node = try compile(expression, scope)
        if node.type.sql == .boolean || node.type.sql == .null { return node }
        if node.isUntyped { return try cast(node, to: .boolean, mode: .explicit, span: node.span) }
        throw SQLError("expected a condition, not \(node.type.displayName)", at: expression.span, code: SQLError.datatypeMismatch)
    }

    func compare(_ order: SystemComparison, _ left: SystemNode, _ right: SystemNode, _ span: SourceSpan) throws(SQLError) -> SystemNode {
        let (left, right) = try unify(left, right)
        guard SystemValue.areComparable(left.type, right.type) else {
            return try binary(order.operation, left, right, span, span)
        }
        return SystemNode(.boolean, span: span) { frame in
            let a = try left.evaluate(frame)
            if a.isNull { return .null }
            let b = try right.evaluate(frame)
            if b.isNull { return .null }
            return .boolean(order.holds(SystemValue.compare(a, b)))
        }
    }

    /// A text in quotes becomes what the other is.
    func unify(_ left: SystemNode, _ right: SystemNode) throws(SQLError) -> (SystemNode, SystemNode) {
        // What is known of a parameter's type follows from this too.
        if left.isOpen, !right.isOpen { return (try cast(left, to: right.type, mode: .explicit, span: left.span), right) }
        if right.isOpen, !left.isOpen { return (left, try cast(right, to: left.type, mode: .explicit, span: right.span)) }
        if left.isUntyped, !right.isUntyped, right.type.sql != .null { return (try cast(left, to: right.type, mode: .explicit, span: left.span), right) }
        if right.isUntyped, !left.isUntyped, left.type.sql != .null { return (left, try cast(right, to: left.type, mode: .explicit, span: right.span)) }
        return (left, right)
    }

    /// All of one type.
    func unify(_ nodes: [SystemNode]) throws(SQLError) -> [SystemNode] {
        let typed = nodes.filter { !$0.isUntyped && $0.type.sql != .null }
        guard let first = typed.first else { return nodes }
        var type = first.type
        if let common = ExpressionTyping.commonType(typed.map(\.type.sql)), common != type.sql { type = SystemType(common) }
        if typed.contains(where: { $0.type.alias != type.alias }) { type.alias = nil }
        var result: [SystemNode] = []
        for node in nodes {
            result.append(node.type == type || node.type.sql == .null ? node : try cast(node, to: type, mode: .explicit, span: node.span))
        }
        return result
    }

    @inline(never)
    private func compileUnary(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        let span = expression.span
        switch expression.kind {
        case .not(let operand):
            let node = try condition(operand, scope)
            return SystemNode(.boolean, span: span) { frame in
                guard case .boolean(let value) = try node.evaluate(frame) else { return .null }
                return .boolean(!value)
            }
        case .isTest(let operand, let test, let negated):
            let node = test == .null ? try compile(operand, scope) : try condition(operand, scope)
            return SystemNode(.boolean, span: span) { frame in
                let value = try node.evaluate(frame)
                let holds =
                    switch test {
                    case .null, .unknown: value.isNull
                    case .isTrue: value == .boolean(true)
                    case .isFalse: value == .boolean(false)
                    }
                return .boolean(holds != negated)
            }
        case .unary(let operation, let operand):
            let node = try compile(operand, scope)
            return try delegate([node], span) { bound throws(SQLError) in
                try ExpressionTyping.unary(operation, bound[0], span: span, text: "")
            }
        default: throw Self.notSupported("this is", span)
        }
    }

    @inline(never)
    private func compileMembership(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        let span = expression.span
        switch expression.kind {
        case .isDistinct(let left, let right, let negated):
            let (a, b) = try unify(try compile(left, scope), try compile(right, scope))
            return SystemNode(.boolean, span: span) { frame in
                let (first, second) = (try a.evaluate(frame), try b.evaluate(frame))
                let isSame = first.isNull || second.isNull ? first.isNull && second.isNull : SystemValue.compare(first, second) == 0
                return .boolean(isSame == negated)
            }
        case .between(let operand, let low, let high, let negated, let symmetric):
            let node = try compile(operand, scope)
            let (first, second) = (try compile(low, scope), try compile(high, scope))
            let isWithin = try both(try compare(.greaterOrEqual, node, first, span), try compare(.lessOrEqual, node, second, span))
            guard symmetric else { return negated ? invert(isWithin) : isWithin }
            let isReversed = try both(try compare(.greaterOrEqual, node, second, span), try compare(.lessOrEqual, node, first, span))
            let either = SystemNode(.boolean, span: span) { frame in
                let a = try isWithin.evaluate(frame)
                return a == .boolean(true) ? a : try isReversed.evaluate(frame)
            }
            return negated ? invert(either) : either
        case .inList(let operand, let items, let negated):
            let node = try compile(operand, scope)
            var tests: [SystemNode] = []
            for item in items { tests.append(try compare(.equal, node, try compile(item, scope), span)) }
            let all = tests
            return SystemNode(.boolean, span: span) { frame in
                var sawNull = false
                for test in all {
                    let value = try test.evaluate(frame)
                    if value == .boolean(true) { return .boolean(!negated) }
                    if value.isNull { sawNull = true }
                }
                return sawNull ? .null : .boolean(negated)
            }
        default: throw Self.notSupported("this is", span)
        }
    }

    private func both(_ a: SystemNode, _ b: SystemNode) throws(SQLError) -> SystemNode {
        SystemNode(.boolean, span: a.span) { frame in
            let first = try a.evaluate(frame)
            if first == .boolean(false) { return first }
            let second = try b.evaluate(frame)
            return second == .boolean(false) ? second : first.isNull ? first : second
        }
    }

    private func invert(_ node: SystemNode) -> SystemNode {
        SystemNode(.boolean, span: node.span) { frame in
            guard case .boolean(let value) = try node.evaluate(frame) else { return .null }
            return .boolean(!value)
        }
    }

    @inline(never)
    private func compileCase(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        guard case .caseWhen(let operand, let branches, let otherwise) = expression.kind else { throw Self.notSupported("this is", expression.span) }
        let compared = try operand.map { operand throws(SQLError) in try compile(operand, scope) }
        var conditions: [SystemNode] = []
        var results: [SystemNode] = []
        for branch in branches {
            if let compared {
                conditions.append(try compare(.equal, compared, try compile(branch.condition, scope), branch.condition.span))
            } else {
                conditions.append(try condition(branch.condition, scope))
            }
            results.append(try compile(branch.result, scope))
        }
        if let otherwise { results.append(try compile(otherwise, scope)) }
        let unified = try unify(results)
        let type = unified.first { $0.type.sql != .null }?.type ?? .text
        let whens = conditions
        let count = branches.count
        return SystemNode(type, span: expression.span) { frame in
            for index in 0..<count where try whens[index].evaluate(frame) == .boolean(true) { return try unified[index].evaluate(frame) }
            return unified.count > count ? try unified[count].evaluate(frame) : .null
        }
    }

    // MARK: Kernels

    @inline(never)
    private func compileKernel(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        let span = expression.span
        switch expression.kind {
        case .like(let operand, let pattern, let escape, let kind, let negated):
            var nodes = [try compile(operand, scope), try compile(pattern, scope)]
            if let escape { nodes.append(try compile(escape, scope)) }
            return try delegate(nodes, span) { bound throws(SQLError) in
                let like = try ExpressionTyping.like(
                    bound[0], pattern: bound[1], escape: bound.count > 2 ? bound[2] : nil, kind: kind, span: span, text: "")
                return negated ? try ExpressionTyping.not(like, span: span, text: "") : like
            }
        case .extract(let field, let operand):
            return try delegate([try compile(operand, scope)], span) { bound throws(SQLError) in
                try ExpressionTyping.extract(field: field, from: bound[0], span: span, text: "")
            }
        case .atTimeZone(let operand, let zone):
            return try delegate([try compile(operand, scope), try compile(zone, scope)], span) { bound throws(SQLError) in
                try ExpressionTyping.atTimeZone(bound[0], zone: bound[1], span: span, text: "")
            }
        case .niladic(let name):
            return try delegate([], span) { _ throws(SQLError) in try ExpressionTyping.niladic(name, span: span) }
        default: throw Self.notSupported("this is", span)
        }
    }

    /// What ordinary typing makes of operands, evaluated by the ordinary kernels, a row at a time.
    func delegate(
        _ operands: [SystemNode], _ span: SourceSpan, _ bind: ([BoundExpression]) throws(SQLError) -> BoundExpression
    ) throws(SQLError) -> SystemNode {
        var bound: [BoundExpression] = []
        for (index, operand) in operands.enumerated() {
            if let constant = operand.constant, operand.isUntyped, case .string(let text) = constant {
                bound.append(try ExpressionTyping.literal(.string(text), span: operand.span))
            } else if let constant = operand.constant {
                bound.append(.constant(constant, operand.type.sql, span: operand.span))
            } else {
                bound.append(.column(index, operand.type.sql, span: operand.span))
            }
        }
        return try node(try bind(bound), operands, span)
    }

    private func node(_ bound: BoundExpression, _ operands: [SystemNode], _ span: SourceSpan) throws(SQLError) -> SystemNode {
        let type = SystemType(bound.type)
        if case .constant(let value) = bound.kind { return .constant(value, type, span: span) }
        let compiled: CompiledExpression
        do throws(ExpressionError) { compiled = try CompiledExpression.compile(bound) } catch {
            throw SQLError(error.message, at: span, code: SQLError.invalidParameter)
        }
        if let value = compiled.constantValue { return .constant(value, type, span: span) }
        let types = operands.map { $0.type.sql }
        let clock = snapshot.clockMicroseconds
        return SystemNode(type, span: span) { frame in
            var values: [Value] = []
            for operand in operands { values.append(try operand.evaluate(frame)) }
            let columns = zip(values, types).map { value, type in
                let builder = ColumnBuilder(type, capacity: 1)
                builder.append(value)
                return builder.finish()
            }
            let context = EvaluationContext(clockMicroseconds: clock)
            let result = compiled.evaluate(RowBatch(count: 1, columns: columns), context)
            if let failure = context.takeFailures().first {
                throw SQLError(failure.message, at: span, code: SQLError.numericOutOfRange)
            }
            return result.value(at: 0)
        }
    }

    // MARK: Casts

    func cast(_ node: SystemNode, to target: SystemType, mode: CastMode, span: SourceSpan) throws(SQLError) -> SystemNode {
        let source = node.type
        if source == target { return node.isUntyped ? node.retyped(target) : node }
        if let constant = node.constant, constant.isNull {
            // What refers to something is sent by its name.
            ParameterTypes.note(node.span, target.isReference ? .text : target.sql)
            if let number = target.typeOID, parameterNumbers[node.span.start] == nil { parameterNumbers[node.span.start] = number }
            return .constant(.null, target, span: node.span)
        }
        // What a name stands for.
        if target.isReference, source.isText {
            if let constant = node.constant, case .string(let text) = constant {
                return .constant(try snapshot.resolve(text, as: target, span: span, isOptional: mode == .attempt), target, span: span)
            }
            return SystemNode(target, span: span) { [snapshot] frame in
                guard case .string(let text) = try node.evaluate(frame) else { return .null }
                return try snapshot.resolve(text, as: target, span: span, isOptional: mode == .attempt)
            }
        }
        if source.isReference, target.isText {
            return SystemNode(target, span: span) { [snapshot] frame in
                guard case .integer(let number) = try node.evaluate(frame) else { return .null }
                return .string(snapshot.show(number, as: source))
            }
        }
        if let from = source.element, let to = target.element {
            if from == to || (from.sql == to.sql && !(from.isReference && to.isText)) { return node.retyped(target) }
            let element = try cast(SystemNode(from, span: span) { $0.value(0) }, to: to, mode: mode, span: span)
            return SystemNode(target, span: span) { frame in
                guard case .list(let items) = try node.evaluate(frame) else { return .null }
                return .list(try items.map { $0.isNull ? .null : try element.evaluate(SystemFrame(row: [$0], parent: nil)) })
            }
        }
        if source.isVector, target.isText {
            return SystemNode(target, span: span) { frame in
                guard case .list(let items) = try node.evaluate(frame) else { return .null }
                return .string(items.map { if case .integer(let number) = $0 { String(number) } else { "" } }.joined(separator: " "))
            }
        }
        if target.isVector, source.isText {
            return SystemNode(target, span: span) { frame in
                guard case .string(let text) = try node.evaluate(frame) else { return .null }
                return .list(text.split(separator: " ").compactMap { Int64($0) }.map { .integer($0) })
            }
        }
        if source.sql == target.sql || (source.isText && target.isText && target.alias != nil) {
            if target.alias == .char, source.alias != .char {
                return SystemNode(target, span: span) { frame in
                    guard case .string(let text) = try node.evaluate(frame) else { return .null }
                    return .string(String(text.prefix(1)))
                }
            }
            var same = node.retyped(target)
            same.constant = node.constant
            return same
        }
        let cast = try delegate([node], span) { bound throws(SQLError) in
            try ExpressionTyping.cast(bound[0], to: target.sql, mode: mode, span: span, text: "")
        }
        return cast.retyped(target)
    }

    // MARK: Arrays and rows

    @inline(never)
    private func compileNested(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        let span = expression.span
        switch expression.kind {
        case .array(let items):
            var nodes: [SystemNode] = []
            for item in items { nodes.append(try compile(item, scope)) }
            let unified = try unify(nodes)
            let element = unified.first { $0.type.sql != .null }?.type ?? .text
            return SystemNode(element.array, span: span) { frame in .list(try unified.map { try $0.evaluate(frame) }) }
        case .row(let items):
            var nodes: [SystemNode] = []
            for item in items { nodes.append(try compile(item, scope)) }
            let all = nodes
            let fields = all.enumerated().map { SQLType.Field(name: "f\($0.offset + 1)", type: $0.element.type.sql) }
            return SystemNode(SystemType(.row(fields)), span: span) { frame in .list(try all.map { try $0.evaluate(frame) }) }
        case .element(let operand, let index):
            let list = try compile(operand, scope)
            guard let element = list.type.element else {
                return try delegate([list, try compile(index, scope)], span) { bound throws(SQLError) in
                    try ExpressionTyping.element(bound[0], at: bound[1], span: span, text: "")
                }
            }
            let place = try compile(index, scope)
            let first: Int64 = list.type.isVector ? 0 : 1
            return SystemNode(element, span: span) { frame in
                guard case .list(let items) = try list.evaluate(frame), case .integer(let number) = try place.evaluate(frame),
                    number >= first, number - first < Int64(items.count)
                else { return .null }
                return items[Int(number - first)]
            }
        case .field(let operand, let name):
            let row = try compile(operand, scope)
            guard case .row(let fields) = row.type.sql, let place = fields.firstIndex(where: { $0.name.lowercased() == name.name.lowercased() }) else {
                throw SQLError("column \"\(name.name)\" not found in data type \(row.type.displayName)", at: name.span, code: SQLError.undefinedColumn)
            }
            return SystemNode(SystemType(fields[place].type), span: span) { frame in
                guard case .list(let values) = try row.evaluate(frame), place < values.count else { return .null }
                return values[place]
            }
        default: throw Self.notSupported("this is", span)
        }
    }
}

enum SystemComparison {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual

    func holds(_ order: Int) -> Bool {
        switch self {
        case .equal: order == 0
        case .notEqual: order != 0
        case .less: order < 0
        case .lessOrEqual: order <= 0
        case .greater: order > 0
        case .greaterOrEqual: order >= 0
        }
    }

    var operation: BinaryOperator {
        switch self {
        case .equal: .equal
        case .notEqual: .notEqual
        case .less: .less
        case .lessOrEqual: .lessOrEqual
        case .greater: .greater
        case .greaterOrEqual: .greaterOrEqual
        }
    }
}

extension BinaryOperator {
    var comparison: SystemComparison? {
        switch self {
        case .equal: .equal
        case .notEqual: .notEqual
        case .less: .less
        case .lessOrEqual: .lessOrEqual
        case .greater: .greater
        case .greaterOrEqual: .greaterOrEqual
        default: nil
        }
    }
}
