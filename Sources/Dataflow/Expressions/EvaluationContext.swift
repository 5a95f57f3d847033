// EvaluationContext: what one evaluation knows beside its rows (the epoch's clock), and where it reports the rows that fail.

import Columns

/// A row on which an expression failed.
package struct RowFailure: Hashable, Sendable {
    /// Of the batch that was evaluated.
    package var row: Int
    package var message: String
    /// The expression as SQL.
    package var expression: String

    package init(row: Int, message: String, expression: String) {
        self.row = row
        self.message = message
        self.expression = expression
    }
}

/// One per call or per thread, never shared between threads. A row that fails is recorded once, with its first failure, and is NULL in
/// the result; whoever evaluates takes the failed rows out.
package final class EvaluationContext {
    /// The epoch's reading of the clock, microseconds since 1970.
    package let clockMicroseconds: Int64
    /// In the order in which they were found, not of rows.
    package private(set) var failures: [RowFailure] = []

    private var failedRows: Set<Int> = []
    /// While above zero nothing is recorded but that something failed: an attempt to evaluate all rows at once where the rules ask
    /// only for some of them. It is repeated on the right rows when it fails.
    private var trialDepth = 0
    private var trialFailed = false

    /// Results of parts that stand in an expression more than once, with the rows that they are of.
    private var sharedResults: [ObjectIdentifier: (token: Int, operand: Operand)] = [:]
    private var lastToken = 0

    package init(clockMicroseconds: Int64) { self.clockMicroseconds = clockMicroseconds }

    func shared(_ key: ObjectIdentifier) -> (token: Int, operand: Operand)? { sharedResults.isEmpty ? nil : sharedResults[key] }
    func keep(_ key: ObjectIdentifier, token: Int, _ operand: Operand) { sharedResults[key] = (token, operand) }
    func forgetShared() { if !sharedResults.isEmpty { sharedResults.removeAll(keepingCapacity: true) } }

    /// A number for a set of rows that no other has had in this context.
    func nextToken() -> Int {
        lastToken &+= 1
        return lastToken
    }

    /// The failures so far, ordered by row; none are left.
    package func takeFailures() -> [RowFailure] {
        let result = failures.sorted { $0.row < $1.row }
        failures = []
        failedRows = []
        return result
    }

    var isTrial: Bool { trialDepth > 0 }
    /// Whether going on with the attempt is pointless.
    var isTrialLost: Bool { trialDepth > 0 && trialFailed }

    /// Runs `body` without recording failures; nil when there was one. Inside another attempt this is part of that one.
    func attempt<Result>(_ body: () -> Result) -> Result? {
        let isOutermost = trialDepth == 0
        if isOutermost { trialFailed = false }
        trialDepth += 1
        let result = body()
        trialDepth -= 1
        return trialFailed ? nil : result
    }

    func record(row: Int, message: () -> String, expression: String) {
        if trialDepth > 0 {
            trialFailed = true
            return
        }
        guard failedRows.insert(row).inserted else { return }
        failures.append(RowFailure(row: row, message: message(), expression: expression))
    }
}

/// The rows that a node is asked for: all of the batch, or some of them gathered, with the way back to the batch's row numbers.
struct EvaluationInput {
    let columns: [Column]
    let rows: Int
    let context: EvaluationContext
    /// For each row its number in the batch; nil when they are the batch's own.
    let origin: RowSelection?
    /// Set while a constant operand is evaluated on one row that stands for all.
    let standsForAll: Int?
    /// The number of these rows, and that of all rows of the batch.
    let token: Int
    let rootToken: Int

    init(_ batch: RowBatch, _ context: EvaluationContext) {
        context.forgetShared()
        self.init(columns: batch.columns, rows: batch.count, context: context, origin: nil, standsForAll: nil, rootToken: nil)
    }

    private init(columns: [Column], rows: Int, context: EvaluationContext, origin: RowSelection?, standsForAll: Int?, rootToken: Int?) {
        token = context.nextToken()
        self.rootToken = rootToken ?? token
        self.columns = columns
        self.rows = rows
        self.context = context
        self.origin = origin
        self.standsForAll = standsForAll
    }

    func fail(_ row: Int, _ message: () -> String, expression: String) {
        if let standsForAll {
            for each in 0..<standsForAll { recordOne(each, message, expression) }
        } else {
            recordOne(row, message, expression)
        }
    }

    private func recordOne(_ row: Int, _ message: () -> String, _ expression: String) {
        context.record(row: origin.map { Int($0.rows[row]) } ?? row, message: message, expression: expression)
    }

    /// Some of these rows; only the columns in `used` are gathered, the others must not be read.
    func gather(_ selection: RowSelection, used: [Int]) -> EvaluationInput {
        var picked = columns
        let runs = RowRuns(selection.rows)
        for index in used where index < picked.count { picked[index] = columns[index].picked(selection.rows, runs: runs) }
        var back = selection
        if let origin { back = origin.composed(with: selection) }
        return EvaluationInput(columns: picked, rows: selection.count, context: context, origin: back, standsForAll: nil, rootToken: rootToken)
    }

    /// The elements of lists: for each the row that it is in, and which fails with it. There are no columns to read.
    func elements(of rows: RowSelection) -> EvaluationInput {
        // A constant's rows are all of the batch's, however many elements it has.
        let back = standsForAll != nil ? origin : origin.map { $0.composed(with: rows) } ?? rows
        return EvaluationInput(
            columns: [], rows: rows.count, context: context, origin: back, standsForAll: standsForAll, rootToken: nil)
    }

    /// One row that stands for all of these: for operands that are all constant.
    func collapsed() -> EvaluationInput {
        EvaluationInput(columns: columns, rows: 1, context: context, origin: origin, standsForAll: standsForAll ?? rows, rootToken: rootToken)
    }
}
