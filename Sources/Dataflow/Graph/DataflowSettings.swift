// DataflowSettings, DataflowError and DataflowStatus: what a graph is told, what it refuses, what it shows.

package struct DataflowSettings: Sendable {
    /// Partitions of keyed state. Part of every snapshot; a graph restores only what was made with the same number.
    package var partitionCount: Int
    /// Batches longer than this are cut before they are worked on, and output batches are about this long.
    package var batchRows: Int
    /// By scan number; nil, or missing: shards of the scan are never idle.
    package var idleTimeoutMicroseconds: [Int64?]
    /// How many failed rows and how many late rows of an epoch are kept; all are counted.
    package var reportedRowsMax: Int
    /// Epochs with fewer rows than this run on the calling thread alone: waking another one costs more.
    package var inlineRowsMax: Int
    /// For measuring how long each operator works; nothing depends on it.
    package var nanoseconds: (@Sendable () -> UInt64)?

    package init(
        partitionCount: Int = 4, batchRows: Int = 8192, idleTimeoutMicroseconds: [Int64?] = [], reportedRowsMax: Int = 10_000,
        inlineRowsMax: Int = 4_096
    ) {
        self.partitionCount = partitionCount
        self.batchRows = batchRows
        self.idleTimeoutMicroseconds = idleTimeoutMicroseconds
        self.reportedRowsMax = reportedRowsMax
        self.inlineRowsMax = inlineRowsMax
    }
}

package struct DataflowError: Error, Hashable, CustomStringConvertible, Sendable {
    package var message: String
    package init(_ message: String) { self.message = message }
    package var description: String { message }
}

package struct DataflowStatus: Sendable {
    package struct Operator: Hashable, Sendable {
        /// For people: `tumble #2`.
        package var name: String
        package var rowsIn = 0
        package var rowsOut = 0
        package var lateRows = 0
        package var failedRows = 0
        /// Groups, sessions or buffered rows held now.
        package var groups = 0
        package var stateBytes = 0
        /// How long the pipelines that feed it and it itself have run, wall time; 0 when nobody measures.
        package var busyNanoseconds: UInt64 = 0
        package var watermark = Int64.min
    }

    package struct Shard: Hashable, Sendable {
        package var watermark: Int64
        package var isIdle: Bool
        package var hasEnded: Bool
        /// The epoch clock when the shard last had a row; nil before the first epoch.
        package var lastRowClockMicroseconds: Int64?
    }

    package struct Scan: Hashable, Sendable {
        package var relation: String
        package var rowsIn: Int
        package var watermark: Int64
        package var shards: [Shard]
    }

    package var operators: [Operator] = []
    /// The same of the pipelines that lead to the output.
    package var outputBusyNanoseconds: UInt64 = 0
    package var scans: [Scan] = []
    /// The output's watermark.
    package var watermark = Int64.min
    package var lateRows = 0
    package var failedRows = 0
    package var stateBytes = 0
}
