// RecordOutcomes: which records of an input were stored and which were not, in its order.
//
// Kept as runs, so that ten million good records take as much room as one; beyond a limit records are only counted, and the error stream has
// what was rejected among them. A record is a line of JSON or a record of CSV; blank lines are none.

import Columns

package struct RecordOutcomes: Sendable {
    package struct Run: Hashable, Sendable {
        package var recordCount: Int
        package var isStored: Bool
        /// Of a rejected record.
        package var reason: String?
    }

    /// Runs and reasons take no more memory than about this; what comes behind is counted in `unlistedRecordCount`.
    static let byteCountMax = 64 << 20

    package private(set) var runs: [Run] = []
    /// Records behind the last run, when their order was too much to be kept.
    package private(set) var unlistedRecordCount = 0
    private var byteCount = 0

    init() {}

    /// The outcome of decoded batches whose rows have been stored, behind the records that were rejected undecoded.
    init(_ decoded: [DecodedBatch], rejected: [BadRow] = []) {
        for row in rejected { addRejected(row.reason) }
        for batch in decoded {
            let offsets = batch.rowByteOffsets
            var nextBad = 0
            var last = Int64.min
            for row in 0..<batch.batch.count {
                let offset = offsets.map { $0.base.load(fromByteOffset: row * 8, as: Int64.self) } ?? 0
                // A change event can be two rows, and is one record.
                if offsets != nil, offset == last { continue }
                last = offset
                while nextBad < batch.badRows.count, Int64(batch.badRows[nextBad].byteOffset) < offset {
                    addRejected(batch.badRows[nextBad].reason)
                    nextBad += 1
                }
                add(Run(recordCount: 1, isStored: true))
            }
            while nextBad < batch.badRows.count {
                addRejected(batch.badRows[nextBad].reason)
                nextBad += 1
            }
            withExtendedLifetime(offsets) {}
        }
    }

    private mutating func addRejected(_ reason: String) { add(Run(recordCount: 1, isStored: false, reason: reason)) }

    private mutating func add(_ run: Run) {
        if unlistedRecordCount > 0 {
            unlistedRecordCount += run.recordCount
        } else if let last = runs.last, last.isStored == run.isStored, run.isStored {
            runs[runs.count - 1].recordCount += run.recordCount
        } else if byteCount + 64 + (run.reason?.utf8.count ?? 0) > Self.byteCountMax {
            unlistedRecordCount += run.recordCount
        } else {
            byteCount += 64 + (run.reason?.utf8.count ?? 0)
            runs.append(run)
        }
    }

    mutating func append(_ others: RecordOutcomes) {
        for run in others.runs { add(run) }
        unlistedRecordCount += others.unlistedRecordCount
    }
}
