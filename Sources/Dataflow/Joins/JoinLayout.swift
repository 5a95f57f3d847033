// JoinLayout: how a join's keys and the rows of its two sides lie in memory.
//
// Both sides share one KeyTable per partition; a key's row ends with the first row of each side's chain:
//
//   key:  [key: keyWidth][left head: 4][right head: 4]
//   row:  [next: 4][matches: 4] [prev: 4][slot: 4]? [same next: 4][same prev: 4]? [stamp: 8]? [packed columns]
//
// A reference to a row is its number plus one; 0 is none. What a side does not need is left out of its rows:
// - prev and slot, when rows are taken out one by one (retractions, updates by key, expiry);
// - same next and prev, a list of equal rows, when a retraction has to find its row by content (see RowIndex);
// - stamp, the expiry bucket a row is in.

import Columns
import Planning

/// One input of a join.
struct JoinSideLayout: Sendable {
    let types: [SQLType]
    let packed: PackedLayout
    let keys: [Int]
    let isUnique: Bool
    let isLinked: Bool
    let isIndexed: Bool
    let stampOffset: Int
    let header: Int
    let stride: Int
    /// Of the head of this side's chain, behind the key.
    let headOffset: Int

    static let matchesOffset = 4
    static let prevOffset = 8
    static let slotOffset = 12
    static let sameNextOffset = 16
    static let samePrevOffset = 20

    /// Where the value of a column lies in a row.
    func valueOffset(_ column: Int) -> Int { header + packed.offsets[column] }

    var isStamped: Bool { stampOffset >= 0 }

    init(
        types: [SQLType], keys: [Int], port: Int, keyWidth: Int, retracts: Bool, isUnique: Bool, expires: Bool, dropsRows: Bool
    ) throws(DataflowError) {
        self.types = types
        self.keys = keys
        self.isUnique = isUnique
        packed = try PackedLayout(types, for: "joining a column")
        isIndexed = retracts && !isUnique
        isLinked = retracts || isUnique || expires || dropsRows
        var header = isIndexed ? 24 : (isLinked ? 16 : 8)
        stampOffset = expires ? header : -1
        if expires { header += 8 }
        self.header = header
        stride = header + packed.width
        headOffset = keyWidth + port * 4
    }
}

/// The pairs of keys.
struct JoinKeyLayout: Sendable {
    enum Form: Sendable {
        /// No keys: everything meets everything.
        case none
        /// One key of the 8-byte integer layout that is never NULL here.
        case int64
        case packed(PackedLayout)
    }

    let form: Form
    let keyWidth: Int
    let keyStrings: [Int]
    private let nullSafe: [Bool]

    init(_ types: [SQLType], nullSafe: [Bool]) throws(DataflowError) {
        self.nullSafe = nullSafe
        if types.isEmpty {
            form = .none
            keyWidth = 8
            keyStrings = []
        } else if types.count == 1 && types[0].layout == .int64 && !nullSafe[0] {
            form = .int64
            keyWidth = 8
            keyStrings = []
        } else {
            let packed = try PackedLayout(types, for: "a join key")
            form = .packed(packed)
            keyWidth = packed.width
            keyStrings = packed.stringOffsets
        }
    }

    func makeTable() -> KeyTable { KeyTable(keyWidth: keyWidth, keyStrings: keyStrings, template: [0, 0, 0, 0, 0, 0, 0, 0]) }

    /// Whether a NULL in a key keeps some of the rows from matching anything.
    func mayBeUnmatchable(_ keys: [Column]) -> Bool { zip(keys, nullSafe).contains { $0.mayHaveNulls && !$1 } }

    func isUnmatchable(_ keys: [Column], _ row: Int) -> Bool {
        for index in keys.indices where !nullSafe[index] && keys[index].isNull(row) { return true }
        return false
    }

    /// The hash of each row's key, into `scratch.hashes`. The packed keys in `scratch.packed` point into the columns and into those that
    /// are returned.
    @discardableResult
    func hash(_ keys: [Column], count n: Int, _ scratch: AggregationScratch) -> [Column] {
        switch form {
        case .none:
            scratch.reserve(n)
            scratch.hashes.update(repeating: 0, count: n)
        case .int64:
            scratch.reserve(n)
            let values = keys[0].int64s
            let hashes = scratch.hashes
            for row in 0..<n { hashes[row] = KeyHash.int64(values[row]) }
        case .packed(let packed):
            scratch.reserve(n, packedWidth: packed.width)
            let encoded = packed.pack(keys, count: n, into: scratch.packed, normalised: true)
            packed.hash(scratch.packed, count: n, into: scratch.hashes)
            return withExtendedLifetime(keys) { encoded }
        }
        return []
    }

    /// The slot of each row's key, made when it is new, into `scratch.slots`.
    func assign(_ keys: [Column], count n: Int, in table: KeyTable, _ scratch: AggregationScratch) {
        switch form {
        case .none:
            scratch.reserve(n)
            withUnsafeTemporaryAllocation(of: Int64.self, capacity: 1) { key in
                key[0] = 0
                if let key = key.baseAddress { table.assign(int64s: key, count: 1, slots: scratch.slots) }
            }
            scratch.slots.update(repeating: 0, count: n)
        case .int64:
            scratch.reserve(n)
            withExtendedLifetime(keys) { table.assign(int64s: keys[0].int64s, count: n, slots: scratch.slots) }
        case .packed:
            let encoded = hash(keys, count: n, scratch)
            withExtendedLifetime((keys, encoded)) { table.assign(packed: scratch.packed, hashes: scratch.hashes, count: n, slots: scratch.slots) }
        }
    }

    /// The slot of each row's key, UInt32.max when it has none, into `scratch.slots`.
    func find(_ keys: [Column], count n: Int, in table: KeyTable, _ scratch: AggregationScratch) {
        guard case .none = form else {
            hash(keys, count: n, scratch)
            var packed = UnsafeRawPointer(scratch.packed)
            if case .int64 = form { packed = keys[0].values }
            withExtendedLifetime(keys) { table.find(packed: packed, hashes: scratch.hashes, count: n, slots: scratch.slots) }
            return
        }
        assign(keys, count: n, in: table, scratch)
    }

    func hash(ofSlot slot: Int, in table: KeyTable) -> UInt64 {
        switch form {
        case .none, .int64: KeyHash.int64(table.row(slot).load(as: Int64.self))
        case .packed(let packed): packed.hash(table.row(slot))
        }
    }
}
