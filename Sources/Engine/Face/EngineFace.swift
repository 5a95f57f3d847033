// EngineFace: what programs above the engine see of it: opening a data directory, sessions that execute statements, cursors over
// results, appending, tailing, status. The command line and the gateways use nothing else.

import Columns
import Planning
import Platform
import Syntax

/// Whatever can go wrong below SQL: a file, a connector, a held directory. The text is for people.
package struct EngineError: Error, CustomStringConvertible, Sendable {
    package let description: String
    /// The failed call behind it, when there is one.
    package let cause: FileError?

    package init(_ description: String, cause: FileError? = nil) {
        self.description = description
        self.cause = cause
    }
}

/// An error of a statement, with its source text, so that it can be shown with a caret.
package struct StatementError: Error, Sendable {
    package let error: SQLError
    /// The text that the error's span refers to.
    package let source: String

    package init(error: SQLError, source: String) {
        self.error = error
        self.source = source
    }
}

package struct EngineOptions: Sendable {
    /// Threads per query, the driver's own included.
    package var workerCount = 2
    /// A temporary directory: nothing is synced, no epoch log, no checkpoints.
    package var isEphemeral = false
    /// Opens without the lock, for looking only, beside a process that holds the directory. No query runs, nothing is written.
    package var isReadOnly = false
    /// For simulation: no thread but the caller's; whoever opens it calls `maintain` and steps the queries.
    package var isSingleThreaded = false
    /// Every stream is made with one shard, whatever its definition says: so the order of its rows is that in which they come.
    package var usesOneShard = false
    /// Whether saved queries are started.
    package var startsQueries = true
    package var batchRows = 8_192
    package var epochRowsMax = 1 << 19
    package var checkpointIntervalMicroseconds: Int64 = 10_000_000
    /// How much memory the state of all queries may take before what is beyond it goes to a file in the data directory; nil: no limit. The limit is the
    /// process's, see StateMemory.
    package var stateMemoryByteCount: Int?
    /// How long an append waits for room on a full disk before it fails; a stream's option `full_disk_wait` goes before.
    package var fullDiskWaitMilliseconds = 10_000
    /// What `lock` shows to other processes, e.g. the command line.
    package var ownerDescription = "millrace"
    /// Whether notifiers may run commands of this machine.
    package var allowsCommands = false
    /// Receives notices that belong to no statement (a query failed, a torn tail was cut); called from any thread.
    package var onNotice: @Sendable (String) -> Void = { _ in }
    /// Receives the bytes of `print` sinks; called from any thread, whole lines.
    package var onPrint: @Sendable (UnsafeRawBufferPointer) -> Void = { _ in }

    package init() {}
}

/// What a statement gave.
package enum StatementResult {
    /// A command tag as in PostgreSQL: `CREATE STREAM`, `INSERT 0 3`, `DROP QUERY`.
    case done(tag: String)
    /// Rows of SELECT, SHOW, DESCRIBE, EXPLAIN: pulled from the cursor.
    case rows(Cursor)
    /// INSERT INTO .. SELECT or CREATE QUERY: runs on in the background.
    case running(tag: String, RunningQuery)
}

/// What the next pull of a cursor brings.
package enum CursorEvent {
    case rows(RowBatch)
    /// Nothing within the time given; the query goes on.
    case idle
    case end
}

/// How a query that runs is doing.
package struct QueryProgress: Sendable {
    /// `waiting`: something has run out (room on the disk, open files); the query goes on by itself when it is there again.
    /// `paused`: by PAUSE QUERY, until RESUME QUERY, also after a restart.
    package enum State: String, Sendable { case running, ended, failed, stopped, waiting, paused }

    package var name: String
    package var state: State = .running
    /// Why it failed, or waits.
    package var reason: String?
    package var epoch: UInt64 = 0
    package var rowsIn: Int64 = 0
    package var rowsOut: Int64 = 0
    package var lateRows: Int64 = 0
    package var failedRows: Int64 = 0
    package var rejectedRows: Int64 = 0
    /// Rows that retention removed before the query had read them.
    package var expiredRows: Int64 = 0
    /// Microseconds of event time; Int64.min before the first, Int64.max at the end of time.
    package var watermark: Int64 = .min
    /// Rows (log) or positions that are there and not yet read; of the log also those of an epoch that still runs.
    package var behind: Int64 = 0
    package var stateByteCount: Int = 0
    package var checkpointEpoch: UInt64 = 0
    package var statement: String = ""
    /// The shards that hold the watermark back; nil when none does.
    package var holdup: String?
    /// Operators, sources, checkpoints and times, looked at a few times a second; nil before the query has run in this process.
    package var figures: QueryFigures?

    package init(name: String) { self.name = name }
}

package struct StreamStatus: Sendable {
    package struct Shard: Sendable {
        package var oldestSequence: UInt64
        package var endSequence: UInt64
        package var byteCount: Int
        package var expiredRows: UInt64
        /// Rows that were given up after damage.
        package var givenUpRows: UInt64
        /// Split or merged: it takes no more rows.
        package var isClosed = false
        /// The shards it was made of.
        package var parents: [Int] = []
        /// Its part of the 128-bit hash keys, both ends included.
        package var firstHashKey: UInt128 = 0
        package var lastHashKey: UInt128 = .max
        package var rowCount = 0
        package var segmentCount = 0
        package var frameCount = 0
        /// Arrival of the newest row, microseconds; nil when there is none.
        package var lastArrivalMicroseconds: Int64?
        /// A failed write or sync keeps it from taking rows.
        package var isFenced = false
        /// Damage or fencing, for people; nil when healthy.
        package var fault: String?
    }

    package var name: String
    package var connector: String
    package var shards: [Shard]
    package var rowCount: UInt64
    package var errorRows: UInt64

    package init(name: String, connector: String, shards: [Shard], rowCount: UInt64, errorRows: UInt64) {
        self.name = name
        self.connector = connector
        self.shards = shards
        self.rowCount = rowCount
        self.errorRows = errorRows
    }
}

package struct EngineStatus: Sendable {
    package var directory: String
    /// The process that holds the directory, when it is not this one.
    package var heldBy: String?
    package var streams: [StreamStatus]
    package var queries: [QueryProgress]

    package init(directory: String, heldBy: String?, streams: [StreamStatus], queries: [QueryProgress]) {
        self.directory = directory
        self.heldBy = heldBy
        self.streams = streams
        self.queries = queries
    }
}

extension StreamStatus.Shard {
    package init(oldestSequence: UInt64, endSequence: UInt64, byteCount: Int, expiredRows: UInt64, givenUpRows: UInt64, fault: String?) {
        self.init(
            oldestSequence: oldestSequence, endSequence: endSequence, byteCount: byteCount, expiredRows: expiredRows, givenUpRows: givenUpRows,
            isClosed: false, fault: fault)
    }
}
