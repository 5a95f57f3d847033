// MatchCompiler: what MATCH_RECOGNIZE needs of expressions, made ready once per query.
//
// Stored columns are what is kept of a row while a partial match may still want it: what passes to the output, what navigations read,
// and parts of conditions that depend on one row only (so that `b.amount > a.amount * 10` compares two stored numbers).
//
// A DEFINE condition is cut at its ANDs. What depends on the row being tried alone, or on rows a fixed distance from it (PREV, NEXT), is
// evaluated for all rows at once; the rest (`MatchTest`) per candidate, on rows that passed the first part. A partial match carries
// registers for the rest: positions of rows, and states of aggregates.

import Columns
import Planning

struct MatchCompiler {
    let node: MatchNode
    private(set) var stored: [BoundExpression] = []
    private(set) var shifts: [MatchShift] = []
    /// By variable: over the input's columns, then the shifted ones.
    private(set) var vectorConditions: [BoundExpression?] = []
    private(set) var tests: [MatchTest?] = []
    private(set) var registers: [MatchRegister] = []
    private(set) var registerCount = 0
    /// Registers that each variable's test reads, as words.
    private(set) var readWords: [Set<Int>] = []

    init(_ node: MatchNode) throws(DataflowError) {
        self.node = node
        for (variable, definition) in node.definitions.enumerated() {
            var vector: [BoundExpression] = []
            var rest: [MatchTest] = []
            readingNow = []
            for condition in definition?.conjuncts ?? [] {
                if let whole = try vectorCondition(condition, variable) { vector.append(whole) } else { rest.append(try test(condition, variable)) }
            }
            vectorConditions.append(BoundExpression.conjunction(vector))
            tests.append(rest.isEmpty ? nil : rest.count == 1 ? rest[0] : .and(rest))
            readWords.append(readingNow)
        }
    }

    private var readingNow: Set<Int> = []

    // MARK: Stored columns

    mutating func store(_ expression: BoundExpression) throws(DataflowError) -> Int {
        if let index = stored.firstIndex(where: { $0.isSame(as: expression) }) { return index }
        switch expression.type.layout {
        case .list, .structure:
            throw DataflowError("MATCH_RECOGNIZE over a column of type \(expression.type.name) is not supported yet")
        default: break
        }
        stored.append(expression)
        return stored.count - 1
    }

    mutating func storeColumn(_ ordinal: Int) throws(DataflowError) -> Int { try store(.column(ordinal, node.inputTypes[ordinal])) }

    // MARK: Conditions on the row alone

    /// The condition over the input's columns and the shifted ones; nil when it depends on what was matched before.
    private mutating func vectorCondition(_ condition: BoundExpression, _ variable: Int) throws(DataflowError) -> BoundExpression? {
        let used = condition.columns
        for operand in used {
            guard node.operands.indices.contains(operand) else { return nil }
            switch node.operands[operand] {
            case .value(_, let row): if row.anchor != .current { return nil }
            case .classifier(let row): if row.anchor != .current || row.physicalOffset != 0 { return nil }
            case .aggregate, .matchNumber: return nil
            }
        }
        var replacements: [Int: BoundExpression] = [:]
        for operand in used.sorted() {
            switch node.operands[operand] {
            case .value(let expression, let row) where row.physicalOffset == 0: replacements[operand] = expression
            case .value(let expression, let row):
                let column = try store(expression)
                let shift = MatchShift(column: column, offset: row.physicalOffset)
                let index = shifts.firstIndex(of: shift) ?? shifts.count
                if index == shifts.count { shifts.append(shift) }
                replacements[operand] = .column(node.inputTypes.count + index, expression.type)
            default: replacements[operand] = .constant(.string(node.variables[variable]), .text)
            }
        }
        return condition.replacingColumns { replacements[$0] ?? .constant(.null, .text) }
    }

    // MARK: Conditions on candidates

    private mutating func test(_ condition: BoundExpression, _ variable: Int) throws(DataflowError) -> MatchTest {
        if let fast = try fastTest(condition, variable) { return fast }
        // The operands it names, as columns of one row.
        var places: [Int: Int] = [:]
        var operands: [(term: MatchTerm, type: SQLType)] = []
        for operand in condition.columns.sorted() {
            places[operand] = operands.count
            operands.append((try term(node.operands[operand], variable), node.operands[operand].type))
        }
        do {
            return .kernel(MatchKernel(try CompiledExpression.compile(condition.renumbered { places[$0] ?? 0 }), operands))
        } catch {
            throw DataflowError("\(error.message) in \(error.expression)")
        }
    }

    /// nil for what only the kernels can do.
    private mutating func fastTest(_ condition: BoundExpression, _ variable: Int) throws(DataflowError) -> MatchTest? {
        if let (expression, row) = try oneRow(condition, variable) { return .cell(try store(expression), place(row, variable)) }
        switch condition.kind {
        case .constant(.boolean(let value)): return .constant(value)
        case .constant(.null): return .constant(nil)
        case .and(let parts), .or(let parts):
            var tests: [MatchTest] = []
            for part in parts { tests.append(try test(part, variable)) }
            if case .and = condition.kind { return .and(tests) }
            return .or(tests)
        case .not(let part): return .not(try test(part, variable))
        case .isNull(let part, let negated):
            guard let (expression, row) = try oneRow(part, variable) else { return nil }
            return .isNull(try store(expression), place(row, variable), negated: negated)
        case .call(let function, let parts):
            guard let comparison = MatchComparison(function), parts.count == 2 else { return nil }
            if let test = try intervalTest(comparison, parts, variable) { return test }
            guard let left = try fastTerm(parts[0], variable), let right = try fastTerm(parts[1], variable) else { return nil }
            switch (parts[0].type.layout, parts[1].type.layout) {
            case (.int64, .int64): return .int64(comparison, left, right)
            case (.double, .double): return .double(comparison, left, right)
            case (.int128, .int128):
                // The words of decimals are compared: they must count the same units.
                guard case .decimal(_, let leftScale) = parts[0].type, case .decimal(_, let rightScale) = parts[1].type, leftScale == rightScale
                else { return nil }
                return .int128(comparison, left, right)
            case (.string, .string): return .text(comparison, left, right)
            default: return nil
            }
        default: return nil
        }
    }

    /// `b.ts - a.ts < INTERVAL '1' MINUTE` as a comparison of microseconds.
    private mutating func intervalTest(_ comparison: MatchComparison, _ parts: [BoundExpression], _ variable: Int) throws(DataflowError)
        -> MatchTest?
    {
        func microseconds(_ expression: BoundExpression) -> Int64? {
            if case .constant(.interval(let value)) = expression.kind, value.months == 0 { value.microseconds } else { nil }
        }
        guard parts[0].type == .interval, parts[1].type == .interval else { return nil }
        var sides: [MatchTerm] = []
        for part in parts {
            if let constant = microseconds(part) {
                sides.append(.int64(constant))
            } else if case .call(.subtract, let times) = part.kind, times.count == 2, times[0].type.isTimestamp, times[1].type.isTimestamp,
                let left = try fastTerm(times[0], variable), let right = try fastTerm(times[1], variable)
            {
                sides.append(.subtract(left, right))
            } else {
                return nil
            }
        }
        return .int64(comparison, sides[0], sides[1])
    }

    private mutating func fastTerm(_ expression: BoundExpression, _ variable: Int) throws(DataflowError) -> MatchTerm? {
        switch expression.kind {
        case .constant(.integer(let value)): return .int64(value)
        case .constant(.double(let value)): return .double(value)
        case .constant(.decimal(let value)): return .int128(value)
        case .constant(.string(let value)): return .text(MatchText(value))
        case .constant(.null): return .null
        case .column(let operand): return try term(node.operands[operand], variable)
        default: break
        }
        if let (whole, row) = try oneRow(expression, variable) { return .cell(try store(whole), place(row, variable)) }
        guard case .call(let function, let parts) = expression.kind, parts.count == 2, function == .add || function == .subtract else {
            return nil
        }
        let isSum = function == .add
        let isPlain = parts.allSatisfy { $0.type == expression.type } && (expression.type == .bigint || expression.type == .double)
        if isPlain, let left = try fastTerm(parts[0], variable), let right = try fastTerm(parts[1], variable) {
            return isSum ? .add(left, right) : .subtract(left, right)
        }
        return nil
    }

    /// The expression over the input's columns and the row, when all operands are values of one row and it can be evaluated for every
    /// row without failing.
    private mutating func oneRow(_ expression: BoundExpression, _ variable: Int) throws(DataflowError) -> (BoundExpression, MatchRow)? {
        var row: MatchRow?
        let used = expression.columns
        guard !used.isEmpty else { return nil }
        for operand in used {
            guard node.operands.indices.contains(operand), case .value(_, let own) = node.operands[operand], row == nil || row == own else {
                return nil
            }
            row = own
        }
        guard let row else { return nil }
        let whole = expression.replacingColumns { operand in
            if case .value(let value, _) = node.operands[operand] { value } else { .constant(.null, .text) }
        }
        if whole.plainColumn != nil { return (whole, row) }
        // What is NULL without a row must not become a value.
        guard whole.isStrict, let compiled = try? ExpressionCompiler.compile(whole) else { return nil }
        let isHarmless: Bool
        if case .call(let function, _) = whole.kind { isHarmless = function == .add || function == .subtract || function == .multiply || function == .negate } else { isHarmless = false }
        return !compiled.canFail || isHarmless && whole.children.allSatisfy { $0.plainColumn != nil || $0.constantValue != nil } ? (whole, row) : nil
    }

    private mutating func term(_ operand: MatchOperand, _ variable: Int) throws(DataflowError) -> MatchTerm {
        switch operand {
        case .value(let expression, let row): return .cell(try store(expression), place(row, variable))
        case .classifier: return .text(MatchText(node.variables[variable]))
        case .aggregate(let function, let argument, let members, _, let type, let text):
            let column = try argument.map { (argument) throws(DataflowError) in try store(argument) } ?? -1
            let aggregate = try MatchAggregate(
                function, argument: argument, column: column, members: members, variableCount: node.variables.count, type: type, text: text)
            let index = register(.aggregate(aggregate), key: "aggregate \(function.rawValue) \(column) \(members)", words: aggregate.wordCount)
            for word in 0..<aggregate.wordCount { readingNow.insert(index + word) }
            return .aggregate(aggregate, register: index)
        case .matchNumber: throw DataflowError("MATCH_NUMBER in DEFINE is not supported yet")
        }
    }

    // MARK: Registers

    private mutating func place(_ row: MatchRow, _ variable: Int) -> MatchPlace {
        if row.anchor == .current { return .current(offset: row.physicalOffset) }
        let kind = row.anchor == .first ? "first" : "last"
        let members = (0..<node.variables.count).map { row.variables.isEmpty || row.variables.contains($0) }
        // A ring of the last ones, or a list of the first ones, as long as the farthest that anybody asks for.
        let wanted = row.logicalOffset + 1
        let longest = node.operands.compactMap(\.row)
            .filter { $0.anchor == row.anchor && $0.variables == row.variables }.map { $0.logicalOffset + 1 }.max() ?? wanted
        let list: MatchRegister.Kind =
            row.anchor == .first ? .first(isMember: members, count: longest) : .last(isMember: members, count: longest)
        let index = register(list, key: "\(kind) \(row.variables)", words: longest)
        // A shift passes a row on from word to word, so what stands before decides what will stand here.
        for word in 0..<wanted { readingNow.insert(index + word) }
        return .register(index + row.logicalOffset, offset: row.physicalOffset)
    }

    private mutating func register(_ kind: MatchRegister.Kind, key: String, words: Int) -> Int {
        if let known = registers.first(where: { $0.key == key }) { return known.word }
        registers.append(MatchRegister(kind: kind, key: key, word: registerCount))
        registerCount += words
        return registerCount - words
    }
}

/// A stored column of the row `offset` rows further.
struct MatchShift: Hashable, Sendable {
    var column: Int
    var offset: Int
}

/// A part of what a partial match remembers for its conditions.
struct MatchRegister: Sendable {
    enum Kind: Sendable {
        /// Positions of the first rows, in order; -1 where there is none yet.
        case first(isMember: [Bool], count: Int)
        /// Positions of the last rows, the newest first.
        case last(isMember: [Bool], count: Int)
        case aggregate(MatchAggregate)
    }

    let kind: Kind
    /// Equal for registers that hold the same.
    let key: String
    let word: Int
}

extension BoundExpression {
    /// Whether a NULL among its columns makes it NULL.
    var isStrict: Bool {
        switch kind {
        case .column, .constant: true
        case .call(let function, let operands): function.isStrict && operands.allSatisfy { $0.isStrict }
        case .cast(let operand, _), .not(let operand), .inSet(let operand, _, _): operand.isStrict
        default: false
        }
    }
}
