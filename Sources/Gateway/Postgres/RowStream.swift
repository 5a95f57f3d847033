// RowStream: the rows of a result on their way to a client: pulled from the engine's cursor, handed out in as many as are asked for, with what is left kept.

import Columns
import Engine
import Platform

final class RowStream {
    let schema: Schema
    let isChangelog: Bool
    let isLive: Bool
    private let cursor: Cursor
    private var rest: RowBatch?
    private var isOver = false
    private(set) var rowCount = 0

    enum Event {
        case rows(RowBatch)
        /// Nothing for the moment.
        case idle
        case end
    }

    init(_ cursor: Cursor) {
        self.cursor = cursor
        schema = cursor.schema
        isChangelog = cursor.isChangelog
        isLive = cursor.isLive
    }

    /// At most so many rows.
    func next(atMost countMax: Int, timeoutMilliseconds: Int) throws -> Event {
        var batch = rest
        rest = nil
        if batch == nil {
            guard !isOver else { return .end }
            switch try cursor.next(timeoutMilliseconds: timeoutMilliseconds) {
            case .rows(let rows): batch = rows
            case .idle: return .idle
            case .end:
                isOver = true
                return .end
            }
        }
        guard var batch, batch.count > 0 else { return .idle }
        if batch.count > countMax {
            rest = batch.slice(countMax..<batch.count)
            batch = batch.slice(0..<countMax)
        }
        rowCount += batch.count
        return .rows(batch)
    }

    /// May be called from any thread through the cursor it gives away.
    var cancelAction: @Sendable () -> Void {
        let cursor = cursor
        return { cursor.cancel() }
    }

    func close() {
        isOver = true
        rest = nil
        cursor.cancel()
    }

    deinit { cursor.cancel() }
}
