// AlertNode: rules over one query, as an operator: the query's rows are evaluations, transitions come out (`AlertColumns`).
//
// The input's columns are those of the select list, then what the rules look at. All rules of a node read the same rows under the same key, so they
// share the query below; each has its own condition and its own instances.

import Columns

/// When a condition is true of a row. NULL is false.
package enum AlertCondition: Hashable, Sendable {
    /// Every row is meant: a query without an outermost condition.
    case always
    /// A BOOLEAN column.
    case column(Int)
    /// A number compared with a constant: many of them over one column are looked up together.
    case threshold(column: Int, AlertComparison, AlertBound)
}

package enum AlertComparison: String, Hashable, Sendable {
    case greater = ">", greaterOrEqual = ">=", less = "<", lessOrEqual = "<="
}

/// Of the layout of the column it is compared with.
package enum AlertBound: Hashable, Sendable {
    case integer(Int64)
    case double(Double)
}

/// All in microseconds.
package struct AlertTiming: Hashable, Sendable {
    package enum NoData: String, Hashable, Sendable { case fire, resolve, keep }

    /// How long the condition must hold before the alert fires.
    package var holdMicroseconds: Int64 = 0
    package var keepFiringMicroseconds: Int64 = 0
    /// True of `needed` of the last `of` evaluations.
    package var needed = 1
    package var of = 1
    package var noDataMicroseconds: Int64?
    package var noData = NoData.keep

    package static let evaluationsMax = 64

    package init() {}
}

package struct AlertLabel: Hashable, Sendable {
    package var name: String
    package var text: AlertTemplate

    package init(name: String, text: AlertTemplate) {
        self.name = name
        self.text = text
    }
}

package struct AlertRule: Hashable, Sendable {
    /// Never given to another rule.
    package var id: UInt64
    package var name: String
    package var condition = AlertCondition.always
    package var resolve: AlertCondition?
    package var timing = AlertTiming()
    package var severity: AlertTemplate?
    package var labels: [AlertLabel] = []
    package var annotations: [AlertLabel] = []
    package var notify: [String] = []
    /// It evaluates nothing; its instances stay as they are.
    package var isPaused = false
    /// What the first epoch behind `afterEpoch` is to end its instances with.
    package var retirement: AlertReason?
    /// The rule looks at the epochs behind this one.
    package var afterEpoch: UInt64 = 0

    package init(id: UInt64, name: String) {
        self.id = id
        self.name = name
    }
}

package struct AlertNode: Hashable, Sendable {
    /// In the order of their ids.
    package var rules: [AlertRule]
    /// Names of the input's first columns: the select list.
    package var names: [String]
    package var keyColumns: [Int]
    package var keyNames: [String]
    /// nil: evaluations have the time of the epoch in which they come.
    package var timeColumn: Int?
    /// The time is the end of a window that the watermark has reached: nothing comes behind it that is as old as the watermark.
    package var isTimeInclusive: Bool
    /// What each column of the input is, in words that stay the same when rules come and go: rows that wait find their columns again by it.
    package var tags: [String]
    package var inputRetracts: Bool

    package init(rules: [AlertRule], names: [String], keyColumns: [Int], keyNames: [String], timeColumn: Int?, isTimeInclusive: Bool, tags: [String], inputRetracts: Bool) {
        self.rules = rules
        self.names = names
        self.keyColumns = keyColumns
        self.keyNames = keyNames
        self.timeColumn = timeColumn
        self.isTimeInclusive = isTimeInclusive
        self.tags = tags
        self.inputRetracts = inputRetracts
    }

    /// What is the same for all rules that can share a node: their definitions apart, everything.
    package var signature: String {
        "alert by (\(keyColumns)) \(keyNames) time \(timeColumn.map { "\($0)" } ?? "none") \(isTimeInclusive) \(inputRetracts) \(names)"
    }

    func label(_ columns: [String]) -> String {
        func name(_ column: Int) -> String { names.indices.contains(column) ? names[column] : columns.indices.contains(column) ? columns[column] : "$\(column)" }
        var parts = rules.count == 1 ? ["alert \(rules[0].name)"] : ["alert, \(rules.count) rules"]
        parts.append(keyNames.isEmpty ? "one instance" : "by (\(keyNames.joined(separator: ", ")))")
        parts.append(timeColumn.map { "time \(name($0))" } ?? "time of the clock")
        for rule in rules.prefix(4) {
            var text = rules.count == 1 ? "" : rule.name + ": "
            text += "when " + rule.condition.text(name)
            if let resolve = rule.resolve { text += ", resolved when " + resolve.text(name) }
            let timing = rule.timing
            if timing.of > 1 { text += ", \(timing.needed) of \(timing.of) evaluations" }
            if timing.holdMicroseconds > 0 { text += ", for \(ExpressionText.duration(timing.holdMicroseconds))" }
            if timing.keepFiringMicroseconds > 0 { text += ", keep firing for \(ExpressionText.duration(timing.keepFiringMicroseconds))" }
            if let noData = timing.noDataMicroseconds { text += ", no data for \(ExpressionText.duration(noData)): \(timing.noData.rawValue)" }
            parts.append(text)
        }
        if rules.count > 4 { parts.append("...") }
        return parts.joined(separator: "; ")
    }
}

extension AlertCondition {
    fileprivate func text(_ name: (Int) -> String) -> String {
        switch self {
        case .always: "a row comes"
        case .column(let column): name(column)
        case .threshold(let column, let comparison, .integer(let bound)): "\(name(column)) \(comparison.rawValue) \(bound)"
        case .threshold(let column, let comparison, .double(let bound)): "\(name(column)) \(comparison.rawValue) \(bound)"
        }
    }
}
