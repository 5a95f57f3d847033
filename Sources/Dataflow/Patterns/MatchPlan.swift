// MatchPlan: MATCH_RECOGNIZE compiled: shared by all partitions, never written.

import Columns
import Planning

final class MatchPlan: @unchecked Sendable {
    // Safe to share: never written once made.
    let node: MatchNode
    let automaton: MatchAutomaton
    /// By position: the code of `MatchAutomaton.code`.
    let codes: [Int32]
    let stored: [StoredColumn]
    let layout: PackedLayout
    let layouts: [Layout]
    let shifts: [MatchShift]
    /// By variable; nil is always true.
    let vectorConditions: [CompiledExpression?]
    let tests: [MatchTest?]
    let registers: [MatchRegister]
    let registerCount: Int
    /// By position: whether word 0, 1 ... of the registers can still be read, as bits; all of them when there are more than 64.
    let liveRegisters: [UInt64]
    /// Stored columns that pass to the output.
    let passed: [Int]
    let measureOperands: [MeasureOperand]
    let measures: [CompiledExpression]
    /// Rows of a key that are kept before the first row of a match, for PREV, and that must be there behind a row, for NEXT.
    let rowsBefore: Int
    let rowsAhead: Int
    let countsMatches: Bool
    /// A key is never forgotten: its first row, or its number of matches, is known.
    let keepsKeys: Bool
    let showsUnmatched: Bool
    let showsEmpty: Bool
    let isOneRow: Bool
    /// Partial matches of one key at most, and runs of rows in their histories.
    let partialMatchesMax: Int
    let historyRunsMax: Int

    struct StoredColumn {
        /// An ordinal of the input; nil when it is computed.
        var ordinal: Int?
        var expression: CompiledExpression?
        var type: SQLType
    }

    enum MeasureOperand {
        case value(column: Int, MatchRow)
        case aggregate(MatchAggregate, isFinal: Bool)
        case classifier(MatchRow)
        case matchNumber
    }

    init(_ node: MatchNode, partialMatchesMax: Int = 100_000) throws(DataflowError) {
        self.node = node
        self.partialMatchesMax = partialMatchesMax
        historyRunsMax = partialMatchesMax * 20
        let graph = try MatchAutomaton(node.pattern)
        automaton = graph
        codes = (0..<graph.count).map { graph.code($0) }
        var compiler = try MatchCompiler(node)
        var passed: [Int] = []
        for ordinal in node.passedColumns { passed.append(try compiler.storeColumn(ordinal)) }
        self.passed = passed
        var operands: [MeasureOperand] = []
        for operand in node.measureOperands {
            switch operand {
            case .value(let expression, let row): operands.append(.value(column: try compiler.store(expression), row))
            case .classifier(let row): operands.append(.classifier(row))
            case .matchNumber: operands.append(.matchNumber)
            case .aggregate(let function, let argument, let members, let isFinal, let type, let text):
                let column = try argument.map { (argument) throws(DataflowError) in try compiler.store(argument) } ?? -1
                let aggregate = try MatchAggregate(
                    function, argument: argument, column: column, members: members, variableCount: node.variables.count, type: type, text: text)
                operands.append(.aggregate(aggregate, isFinal: isFinal))
            }
        }
        measureOperands = operands
        var stored: [StoredColumn] = []
        for expression in compiler.stored {
            if let ordinal = expression.plainColumn {
                stored.append(StoredColumn(ordinal: ordinal, expression: nil, type: expression.type))
            } else {
                stored.append(StoredColumn(ordinal: nil, expression: try Self.compile(expression), type: expression.type))
            }
        }
        self.stored = stored
        layout = try PackedLayout(stored.map(\.type), for: "MATCH_RECOGNIZE")
        layouts = stored.map(\.type.layout)
        shifts = compiler.shifts
        var conditions: [CompiledExpression?] = []
        for condition in compiler.vectorConditions {
            if let condition { conditions.append(try Self.compile(condition)) } else { conditions.append(nil) }
        }
        vectorConditions = conditions
        tests = compiler.tests
        registers = compiler.registers
        registerCount = compiler.registerCount
        liveRegisters = Self.liveness(graph, compiler.readWords, registerCount: compiler.registerCount)
        var measures: [CompiledExpression] = []
        for measure in node.measures { measures.append(try Self.compile(measure)) }
        self.measures = measures
        let offsets = (node.operands + node.measureOperands).compactMap(\.row).map(\.physicalOffset)
        rowsBefore = max(-(offsets.min() ?? 0), 0)
        rowsAhead = max(offsets.max() ?? 0, 0)
        countsMatches = node.measureOperands.contains(.matchNumber)
        keepsKeys = countsMatches || node.pattern.hasStart || rowsBefore > 0
        isOneRow = node.rows == .oneRow
        if case .allRows(let empty, let unmatched) = node.rows {
            showsEmpty = empty
            showsUnmatched = unmatched
        } else {
            showsEmpty = true
            showsUnmatched = false
        }
    }

    private static func compile(_ expression: BoundExpression) throws(DataflowError) -> CompiledExpression {
        do { return try CompiledExpression.compile(expression) } catch { throw DataflowError("\(error.message) in \(error.expression)") }
    }

    /// Which registers a condition further on may read.
    private static func liveness(_ automaton: MatchAutomaton, _ reads: [Set<Int>], registerCount: Int) -> [UInt64] {
        guard registerCount > 0 else { return [UInt64](repeating: 0, count: automaton.count) }
        guard registerCount <= 64 else { return [UInt64](repeating: .max, count: automaton.count) }
        let masks = reads.map { words in words.reduce(UInt64(0)) { $0 | 1 << UInt64($1) } }
        var live = [UInt64](repeating: 0, count: automaton.count)
        var changed = true
        while changed {
            changed = false
            // Positions are numbered from the end of the pattern, so most of it is known when it is asked for.
            for position in 0..<automaton.count {
                var mask = live[position]
                for index in Int(automaton.starts[position])..<Int(automaton.starts[position + 1]) {
                    let target = Int(automaton.targets[index])
                    if target >= 0 { mask |= live[target] | masks[Int(automaton.variables[target])] }
                }
                if mask != live[position] {
                    live[position] = mask
                    changed = true
                }
            }
        }
        return live
    }
}
