// TaskContext: what one task of an epoch works with and reports. Tasks share nothing; reports are added up in task order, so they do
// not depend on which thread ran what.

import Columns

final class TaskContext: @unchecked Sendable {
    // Safe to share: one task at a time owns it.
    /// Lent for the length of the task.
    var scratch = AggregationScratch.none
    var clockMicroseconds: Int64 = 0
    var reportedRowsMax = 0
    private(set) var failures: [FailedRow] = []
    private(set) var failedRowCount = 0
    private(set) var lateRows: [LateRow] = []
    private(set) var lateRowCount = 0
    var error: (any Error)?

    func begin(clockMicroseconds: Int64, reportedRowsMax: Int) {
        self.clockMicroseconds = clockMicroseconds
        self.reportedRowsMax = reportedRowsMax
        forgetReports()
        error = nil
    }

    func forgetReports() {
        failures.removeAll()
        failedRowCount = 0
        lateRows.removeAll()
        lateRowCount = 0
    }

    func fail(_ message: String, expression: String, row: @autoclosure () -> [Value], types: [SQLType]) {
        failedRowCount += 1
        guard failures.count < reportedRowsMax else { return }
        failures.append(FailedRow(message: message, expression: expression, row: row(), types: types))
    }

    func late(_ name: String, eventTime: Int64, watermark: Int64, row: @autoclosure () -> [Value], types: [SQLType]) {
        lateRowCount += 1
        guard lateRows.count < reportedRowsMax else { return }
        lateRows.append(LateRow(operatorName: name, eventTime: eventTime, watermark: watermark, row: row(), types: types))
    }
}
