// LogicalPlan+Lineage: where a column comes from, as far as time is concerned.
//
// A column is a time attribute when no row that comes later can carry a value before the watermark, except late rows: the
// watermark's own column, and window_time of a window that was closed by it, carried unchanged through projections, filters, limits
// and unions. Only time attributes can drive the windows of a continuous query.
//
// A window column is window_start, window_end or window_time of a window function. It is open while the rows are still those
// of the input (each row once per window), and closed when an aggregation has made one row per window and key, which comes when
// the watermark reaches the window's end. A window join and a union
// make one window of those of their inputs: theirs. The window is identified by the number of nodes between the node asked about and it;
// joins whose sides keep windows of their own give none.

import Columns
import Syntax

enum WindowRole: Int, Hashable, Sendable {
    case start = 0, end = 1, time = 2
}

struct WindowOrigin: Hashable {
    var role: WindowRole
    var shape: WindowShape
    /// Nodes between the plan asked about and the window's.
    var depth: Int
    var isClosed: Bool
}

extension LogicalPlan {
    /// Whether rows of a stream come in that replace each other by key.
    var readsUpserts: Bool {
        if case .scan(let scan) = self { return scan.relation.isUpsert }
        return inputs.contains { $0.readsUpserts }
    }

    /// False for an ordinal that no column has.
    func isTimeAttribute(_ column: Int) -> Bool {
        if column < 0 { return false }
        switch self {
        case .scan, .values: return false
        case .watermark(_, let node): return node.timeColumn == column
        case .filter(let input, _), .limit(let input, _, _), .sort(let input, _): return input.isTimeAttribute(column)
        case .project(let input, let columns):
            guard column < columns.count, let source = columns[column].expression.plainColumn else { return false }
            return input.isTimeAttribute(source)
        case .window(let input, let window):
            let base = input.fields.count
            if column < base { return input.isTimeAttribute(column) }
            // A row's window_time is not before its own time.
            return column == base + WindowRole.time.rawValue && input.isTimeAttribute(window.timeColumn)
        case .aggregate:
            guard let origin = windowOrigin(column) else { return false }
            return origin.isClosed && origin.role == .time
        case .union(let inputs): return !inputs.isEmpty && inputs.allSatisfy { $0.isTimeAttribute(column) }
        case .unnest(let input, _), .replicate(let input, _): return column < input.fields.count && input.isTimeAttribute(column)
        case .expand(let input, let rows, _):
            return !rows.isEmpty
                && rows.allSatisfy { row in column < row.count && row[column].plainColumn.map { input.isTimeAttribute($0) } ?? false }
        case .join(let left, let right, let join): return Self.isTimeAttribute(column, of: join, left, right)
        case .over(let input, let over): return Self.isTimeAttribute(column, of: over, input)
        case .match(let input, let match): return Self.isTimeAttribute(column, of: match, input)
        }
    }

    func windowOrigin(_ column: Int, depth: Int = 0) -> WindowOrigin? {
        switch self {
        case .scan, .values, .watermark, .match: return nil
        case .union(let inputs): return Self.windowOrigin(column, ofUnion: inputs, depth: depth)
        case .expand(let input, let rows, _):
            // The same column of the input in every row.
            guard let first = rows.first, column < first.count, let source = first[column].plainColumn,
                rows.allSatisfy({ $0[column].plainColumn == source })
            else { return nil }
            return input.windowOrigin(source, depth: depth + 1)
        case .unnest(let input, _), .replicate(let input, _), .over(let input, _):
            return column < input.fields.count ? input.windowOrigin(column, depth: depth + 1) : nil
        case .join(let left, let right, let join): return Self.windowOrigin(column, of: join, left, right, depth: depth)
        case .filter(let input, _), .limit(let input, _, _), .sort(let input, _):
            return input.windowOrigin(column, depth: depth + 1)
        case .project(let input, let columns):
            guard column < columns.count, let source = columns[column].expression.plainColumn else { return nil }
            return input.windowOrigin(source, depth: depth + 1)
        case .window(let input, let window):
            let base = input.fields.count
            guard let role = WindowRole(rawValue: column - base) else { return input.windowOrigin(column, depth: depth + 1) }
            return WindowOrigin(role: role, shape: window.shape, depth: depth, isClosed: false)
        case .aggregate(let input, let aggregate):
            guard let window = aggregate.window, aggregate.emit != .changes, aggregate.allowedLatenessMicroseconds == 0 else { return nil }
            if column < aggregate.keys.count {
                // The key of a second aggregation over closed windows, which closes together with them.
                guard let source = aggregate.keys[column].expression.plainColumn,
                    let origin = input.windowOrigin(source, depth: depth + 1), origin.isClosed
                else { return nil }
                return origin
            }
            guard let role = WindowRole(rawValue: column - aggregate.keys.count) else { return nil }
            return WindowOrigin(role: role, shape: window.shape, depth: depth, isClosed: true)
        }
    }

    /// Whether rows can be taken back: a continuous aggregation without a window, with EMIT CHANGES, or with late rows that change a
    /// result already given; or a relation that is a changelog.
    func retracts(mode: RunMode) -> Bool {
        switch self {
        case .scan(let scan): scan.relation.isChangelog && !scan.relation.isReadAsUpsert
        case .values: false
        case .filter(let input, let predicate):
            Self.retractsRanks(input, predicate, mode: mode) ?? input.retracts(mode: mode)
        // The first rows of a query that goes on.
        case .sort(let input, _): mode == .continuous || input.retracts(mode: mode)
        case .watermark(let input, _), .project(let input, _), .window(let input, _), .limit(let input, _, _): input.retracts(mode: mode)
        case .aggregate(_, let aggregate):
            mode == .continuous
                && (aggregate.window == nil || aggregate.emit == .changes || aggregate.allowedLatenessMicroseconds > 0)
        case .union(let inputs): inputs.contains { $0.retracts(mode: mode) }
        case .unnest(let input, _), .expand(let input, _, _), .replicate(let input, _): input.retracts(mode: mode)
        case .join(let left, let right, let join): Self.retracts(join, left, right, mode: mode)
        case .over(let input, let over): Self.retracts(over, input, mode: mode)
        case .match: false
        }
    }
}
