// EpochInput and EpochOutput: what the engine hands to a graph for one epoch, and what it gets back.

import Columns

/// Everything one epoch consists of. The output of a graph is a function of its state and of this value alone.
package struct EpochInput: Sendable {
    package var epoch: UInt64
    /// The epoch's one reading of the clock.
    package var clockMicroseconds: Int64
    /// One for each scan, by scan number.
    package var scans: [ScanInput]

    package init(epoch: UInt64, clockMicroseconds: Int64, scans: [ScanInput]) {
        self.epoch = epoch
        self.clockMicroseconds = clockMicroseconds
        self.scans = scans
    }
}

package struct ScanInput: Sendable {
    package var morsels: [Morsel]
    /// One for each shard. A shard that appeared before and is not listed keeps the state it had.
    package var shards: [ShardProgress]

    package init(morsels: [Morsel] = [], shards: [ShardProgress]) {
        self.morsels = morsels
        self.shards = shards
    }
}

/// A slice of one shard's range in this epoch. Morsels of one shard are listed in order; their boundaries are a function of the epoch's
/// ranges only.
package struct Morsel: Sendable {
    package var shard: Int
    package var rowCountEstimate: Int
    /// Pushes the morsel's batches in order. Called once or more often, possibly from another thread, never twice at a time.
    package var read: @Sendable ((RowBatch) throws -> Void) throws -> Void

    package init(shard: Int, rowCountEstimate: Int, read: @escaping @Sendable ((RowBatch) throws -> Void) throws -> Void) {
        self.shard = shard
        self.rowCountEstimate = rowCountEstimate
        self.read = read
    }
}

package struct ShardProgress: Hashable, Sendable {
    package var hasRows: Bool
    /// Nothing more was there to read when the epoch was cut.
    package var isCaughtUp: Bool
    /// Nothing will ever come again.
    package var hasEnded: Bool
    /// The shards that this one follows: it has no rows before they have ended. Always the same for a shard.
    package var parents: [Int]

    package init(hasRows: Bool, isCaughtUp: Bool, hasEnded: Bool, parents: [Int] = []) {
        self.hasRows = hasRows
        self.isCaughtUp = isCaughtUp
        self.hasEnded = hasEnded
        self.parents = parents
    }
}

package struct EpochOutput: Sendable {
    /// The result, in an order that depends on nothing but state and input.
    package var batches: [RowBatch] = []
    /// What downstream may assume: no row with an earlier event time comes any more.
    package var watermark = Int64.min
    /// The first `DataflowSettings.reportedRowsMax` rows on which an expression failed.
    package var failures: [FailedRow] = []
    package var failedRowCount = 0
    /// The first `DataflowSettings.reportedRowsMax` rows dropped as late.
    package var lateRows: [LateRow] = []
    package var lateRowCount = 0
    /// Rows read by all scans.
    package var rowsIn = 0

    package init() {}
}

/// A row, or a group, for which an expression could not be computed.
package struct FailedRow: Hashable, Sendable {
    package var message: String
    /// The failing expression as SQL.
    package var expression: String
    package var row: [Value]
    package var types: [SQLType]

    package init(message: String, expression: String, row: [Value], types: [SQLType]) {
        self.message = message
        self.expression = expression
        self.row = row
        self.types = types
    }
}

/// A row that came after every window it belongs to had closed.
package struct LateRow: Hashable, Sendable {
    package var operatorName: String
    package var eventTime: Int64
    /// The watermark that held when the row arrived.
    package var watermark: Int64
    package var row: [Value]
    package var types: [SQLType]

    package init(operatorName: String, eventTime: Int64, watermark: Int64, row: [Value], types: [SQLType]) {
        self.operatorName = operatorName
        self.eventTime = eventTime
        self.watermark = watermark
        self.row = row
        self.types = types
    }
}
