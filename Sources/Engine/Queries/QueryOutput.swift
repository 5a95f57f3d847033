// QueryOutput: where a query's rows go, as its runner sees it.

import Columns
import Dataflow
import Planning

package protocol QueryOutput: AnyObject {
    /// Whether output is meant to survive a power cut: then the epoch log is synced before each emission.
    var isDurable: Bool { get }
    /// Takes back what was written after `position` (nil: the query keeps no journal and begins afresh).
    func restore(to position: Int64?) throws
    /// The rows of one epoch. Returns the rows that the target refuses (NULL where it may not be). An epoch that the target already
    /// holds is passed over.
    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow]
    /// The last epoch of this query that the target surely showed only after its record had become durable; 0 when there is none or it cannot be known.
    var lastEpoch: UInt64 { get }
    /// What a checkpoint remembers.
    func position() throws -> Int64
    func synchronize() throws
    func close() throws
}

extension QueryOutput {
    package var lastEpoch: UInt64 { 0 }
}

/// Where rows go that could not be decoded, computed or counted in time. Never silently nowhere.
package protocol ErrorOutput: AnyObject {
    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws
    func synchronize() throws
}

/// Output into a connector's sink.
package final class SinkOutput: QueryOutput {
    private let sink: any RowSink
    private let isSynced: Bool

    package init(_ sink: any RowSink, isDurable: Bool) {
        self.sink = sink
        isSynced = isDurable
    }

    package var isDurable: Bool { isSynced }

    package func restore(to position: Int64?) throws {
        if let position { try sink.restore(to: position) }
    }

    package func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] {
        for batch in batches where batch.count > 0 { try sink.write(batch) }
        try sink.flush(durable: false)
        return []
    }

    package func position() throws -> Int64 { try sink.position() }
    package func synchronize() throws { try sink.flush(durable: isSynced) }
    package func close() throws { try sink.close() }
}

/// Output that waits to be pulled by a cursor.
package final class CursorOutput: QueryOutput {
    /// From `next` on; what has been taken is let go at once, and its place when all are taken.
    private var waiting: [RowBatch] = []
    private var next = 0

    package init() {}

    package var isDurable: Bool { false }
    package func restore(to position: Int64?) throws {}
    package func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] {
        waiting.append(contentsOf: batches.filter { $0.count > 0 })
        return []
    }
    package func position() throws -> Int64 { 0 }
    package func synchronize() throws {}
    package func close() throws {}

    package var isEmpty: Bool { waiting.isEmpty }

    /// The next batch; nil when none waits.
    package func take() -> RowBatch? {
        guard next < waiting.count else { return nil }
        let batch = waiting[next]
        waiting[next] = RowBatch(count: 0, columns: [])
        next += 1
        if next == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            next = 0
        }
        return batch
    }
}
