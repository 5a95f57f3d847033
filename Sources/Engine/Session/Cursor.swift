// Cursor: the rows of a result, pulled by whoever reads it. A query behind a cursor runs on the reader's own thread, a step at a time, so a
// slow reader slows only itself and nothing piles up.

import Columns
import Platform
import Synchronization

package final class Cursor: Sendable {
    package let schema: Schema
    /// Whether rows may carry change kinds.
    package let isChangelog: Bool
    /// Whether it goes on until it is cancelled.
    package let isLive: Bool

    private let isCancelled = Atomic<Bool>(false)
    private let pull: @Sendable (_ timeoutMilliseconds: Int, _ isCancelled: () -> Bool) throws -> CursorEvent
    private let wake: @Sendable () -> Void
    private let watermark: @Sendable () -> Int64

    package init(
        schema: Schema, isChangelog: Bool = false, isLive: Bool = false, wake: @escaping @Sendable () -> Void = {},
        watermark: @escaping @Sendable () -> Int64 = { .min },
        pull: @escaping @Sendable (_ timeoutMilliseconds: Int, _ isCancelled: () -> Bool) throws -> CursorEvent
    ) {
        self.schema = schema
        self.isChangelog = isChangelog
        self.isLive = isLive
        self.wake = wake
        self.watermark = watermark
        self.pull = pull
    }

    /// A cursor over rows that are there already.
    package convenience init(schema: Schema, rows: [[Value]]) {
        let batch = RowBatch.make(rows, types: schema.types)
        let isTaken = Flag()
        self.init(schema: schema) { _, _ in isTaken.exchange() || batch.count == 0 ? .end : .rows(batch) }
    }

    /// The next rows. Used by one thread at a time.
    package func next(timeoutMilliseconds: Int) throws -> CursorEvent {
        if isCancelled.load(ordering: .relaxed) { return .end }
        return try pull(timeoutMilliseconds) { isCancelled.load(ordering: .relaxed) }
    }

    /// How far event time has come, in microseconds; Int64.min while that is not known. For whoever pulls the rows.
    package var watermarkMicroseconds: Int64 { watermark() }

    /// Ends the cursor; may be called from any thread.
    package func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        wake()
    }
}
