// MatchCells: the values of one key's rows by position. A row is either among the rows at hand (columns, sorted) or kept from before
// (packed, see KeyMatches); a position that is neither has no value.

import Columns
import Glibc

/// Where a column's values lie, without what keeps them alive.
struct MatchColumn {
    let values: UnsafeRawPointer
    let validity: UnsafePointer<UInt64>?

    init(_ column: Column) {
        values = column.values
        validity = column.validity
    }

    @inline(__always)
    func isNull(_ row: Int) -> Bool {
        guard let validity else { return false }
        return validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }
}

/// A view for the length of one call; the columns and the kept rows outlive it.
struct MatchCells {
    let columns: UnsafePointer<MatchColumn>
    let layouts: UnsafePointer<Layout>
    let offsets: UnsafePointer<Int>
    /// The rows at hand: position `first` lies at `row`.
    let first: Int64
    let row: Int
    let count: Int
    /// The kept rows: `keptCount` of them before `first`.
    let kept: UnsafeRawPointer
    let keptFirst: Int64
    let width: Int

    enum Place {
        case none
        case row(Int)
        case kept(UnsafeRawPointer)
    }

    @inline(__always)
    func place(_ position: Int64) -> Place {
        if position >= first { return position &- first < Int64(count) ? .row(row &+ Int(position &- first)) : .none }
        return position >= keptFirst ? .kept(kept + Int(position &- keptFirst) &* width) : .none
    }

    @inline(__always)
    private func isNull(_ kept: UnsafeRawPointer, _ column: Int) -> Bool {
        kept.load(fromByteOffset: (column >> 6) << 3, as: UInt64.self) & (1 << UInt64(column & 63)) != 0
    }

    /// nil for NULL and for no such row.
    @inline(__always)
    func int64(_ column: Int, _ position: Int64) -> Int64? {
        switch place(position) {
        case .none: return nil
        case .row(let row):
            let cells = columns[column]
            return cells.isNull(row) ? nil : cells.values.assumingMemoryBound(to: Int64.self)[row]
        case .kept(let kept): return isNull(kept, column) ? nil : kept.load(fromByteOffset: offsets[column], as: Int64.self)
        }
    }

    func double(_ column: Int, _ position: Int64) -> Double? {
        int64(column, position).map { Double(bitPattern: UInt64(bitPattern: $0)) }
    }

    func bool(_ column: Int, _ position: Int64) -> Bool? {
        switch place(position) {
        case .none: return nil
        case .row(let row):
            let cells = columns[column]
            return cells.isNull(row) ? nil : cells.values.load(fromByteOffset: row, as: UInt8.self) != 0
        case .kept(let kept): return isNull(kept, column) ? nil : kept.load(fromByteOffset: offsets[column], as: UInt64.self) != 0
        }
    }

    func int128(_ column: Int, _ position: Int64) -> Int128? {
        switch place(position) {
        case .none: return nil
        case .row(let row):
            let cells = columns[column]
            return cells.isNull(row) ? nil : cells.values.assumingMemoryBound(to: Int128.self)[row]
        case .kept(let kept): return isNull(kept, column) ? nil : kept.loadUnaligned(fromByteOffset: offsets[column], as: Int128.self)
        }
    }

    func text(_ column: Int, _ position: Int64) -> StringView? {
        switch place(position) {
        case .none: return nil
        case .row(let row):
            let cells = columns[column]
            return cells.isNull(row) ? nil : cells.values.assumingMemoryBound(to: StringView.self)[row]
        case .kept(let kept): return isNull(kept, column) ? nil : kept.loadUnaligned(fromByteOffset: offsets[column], as: StringView.self)
        }
    }

    func isNull(_ column: Int, _ position: Int64) -> Bool {
        switch place(position) {
        case .none: true
        case .row(let row): columns[column].isNull(row)
        case .kept(let kept): isNull(kept, column)
        }
    }

    /// Appends a value; texts are copied.
    func append(_ column: Int, _ position: Int64, to builder: ColumnBuilder) {
        switch layouts[column] {
        case .bool: if let value = bool(column, position) { builder.append(bool: value) } else { builder.appendNull() }
        case .int64: if let value = int64(column, position) { builder.append(int64: value) } else { builder.appendNull() }
        case .double: if let value = double(column, position) { builder.append(double: value) } else { builder.appendNull() }
        case .int128: if let value = int128(column, position) { builder.append(int128: value) } else { builder.appendNull() }
        case .string: if let value = text(column, position) { builder.append(bytes: value.bytes) } else { builder.appendNull() }
        case .list, .structure: builder.appendNull()
        }
    }

    /// Packs row `row` of the rows at hand as `PackedLayout` would; texts still lie where they did.
    func pack(row: Int, columnCount: Int, into target: UnsafeMutableRawPointer) {
        memset(target, 0, (columnCount + 63) / 64 * 8)
        for column in 0..<columnCount {
            let cells = columns[column]
            let cell = target + offsets[column]
            let isNull = cells.isNull(row)
            if isNull {
                let mask = target + (column >> 6) << 3
                mask.storeBytes(of: mask.load(as: UInt64.self) | 1 << UInt64(column & 63), as: UInt64.self)
            }
            switch layouts[column] {
            case .bool: cell.storeBytes(of: isNull ? 0 : UInt64(cells.values.load(fromByteOffset: row, as: UInt8.self)), as: UInt64.self)
            case .int64, .double: cell.storeBytes(of: isNull ? 0 : cells.values.assumingMemoryBound(to: Int64.self)[row], as: Int64.self)
            case .int128: cell.storeBytes(of: isNull ? 0 : cells.values.assumingMemoryBound(to: Int128.self)[row], as: Int128.self)
            case .string:
                cell.storeBytes(of: isNull ? .empty : cells.values.assumingMemoryBound(to: StringView.self)[row], as: StringView.self)
            case .list, .structure: break
            }
        }
    }
}

/// A growing block of words: the threads and the histories of a key.
final class WordBuffer {
    // Not checked for exclusive access: one task works on it, and nothing is called back.
    @exclusivity(unchecked) private(set) var base: UnsafeMutablePointer<Int64>
    @exclusivity(unchecked) private(set) var capacity: Int
    /// Words in use.
    @exclusivity(unchecked) var count = 0

    init(capacity: Int = 16) {
        self.capacity = max(capacity, 16)
        base = UnsafeMutablePointer<Int64>.allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    /// Room for `words` more.
    @inline(__always)
    func reserve(_ words: Int) {
        if count &+ words > capacity { grow(count + words) }
    }

    private func grow(_ wanted: Int) {
        let larger = max(capacity * 2, wanted)
        let memory = UnsafeMutablePointer<Int64>.allocate(capacity: larger)
        memory.update(from: base, count: count)
        base.deallocate()
        base = memory
        capacity = larger
    }

    var byteCount: Int { capacity * 8 }
}
