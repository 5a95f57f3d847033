// GroupLayout: what a group's row holds and how results are made of it; compiled once per aggregate node.
//
//   row = [key][accumulators][control word?][emitted result?]
//
// The compact input is the batch that reaches the tables: only the columns that keys, arguments and filters name, keys first; the
// arrival number behind them when FIRST or LAST wants it.
//
// A view in a row is valid at all times: the template holds StringView.empty wherever one stands.

import Columns
import Planning

final class GroupLayout: Sendable {
    enum KeyForm: Sendable {
        case none
        /// One column of the .int64 layout; the group of NULL has a slot of its own.
        case int64
        case packed(PackedLayout)
        /// Rows are appended by hand: sessions. The key is this many bytes.
        case manual(byteCount: Int)
    }

    /// A column that rows kept by an aggregate are ordered by.
    struct Order: Sendable {
        var type: SQLType
        var isDescending: Bool
    }

    /// How one aggregate is finished: offsets of accumulators within the row, -1 where there is none.
    struct Call: Sendable {
        /// What `main` holds.
        enum Form: Sendable {
            case sums
            /// Bags: of 8-byte values, 16-byte ones, texts, single encoded values, buckets.
            case words, wides, texts, encoded, buckets
            /// A bag of encoded rows; where the arrival number stands in one.
            case rows(arrival: ArrivalPlace)
            /// The extreme of rows [order][arrival][value].
            case extremeRow
            case registers
        }

        enum ArrivalPlace: Sendable { case none, beforeValue, behindValue }

        var function: AggregateFunction
        var argumentType: SQLType
        var resultType: SQLType
        var text: String
        var isDistinct: Bool
        var parameters: [Value]
        var order: [Order]
        var form = Form.sums
        var rows = -1
        var nulls = -1
        var main = -1
        var more: [Int] = []
    }

    let keyForm: KeyForm
    let keyTypes: [SQLType]
    let keyWidth: Int
    let keyStrings: [Int]
    /// Ordinals of the node's input that the compact input holds.
    let inputColumns: [Int]
    let inputTypes: [SQLType]
    let needsArrival: Bool
    let derived: [DerivedColumn]
    /// Where the arrival column is in the compact input.
    var arrivalColumn: Int { inputColumns.count }
    /// Types of the compact input's columns.
    let compactTypes: [SQLType]
    /// Numbers of the accumulators with memory in the table's heap.
    let held: [Int]
    /// Whether rows must come one by one, in order: no partial tables.
    let isOrderSensitive: Bool
    /// A group that is not touched for so long is dropped; 0 for never. Needs the control word.
    let ttlMicroseconds: Int64
    let accumulators: [Accumulator]
    /// Offsets within the row.
    let offsets: [Int]
    let distincts: [DistinctSpecification]
    let calls: [Call]
    let retracts: Bool
    /// Offset of the accumulator that counts all rows; -1 when not kept.
    let rowCountOffset: Int
    /// Offset of the control word, -1 when no changelog is kept; bit 0: touched in this epoch, bit 1: a result is out, bit 2: the group has
    /// expired and its key has another row. Above them, with a TTL, when the group was last touched: the epoch's clock + 1; or, when the group
    /// has expired, the slot of that other row.
    let controlOffset: Int
    let emittedOffset: Int
    let emittedLayout: PackedLayout?
    /// Behind the key.
    let template: [UInt8]
    /// Offsets of all StringViews in a row.
    let stringOffsets: [Int]
    /// Those behind the key.
    let stateStrings: [Int]

    static let touched: UInt64 = 1
    static let emitted: UInt64 = 2
    static let moved: UInt64 = 4
    static let clockShift: UInt64 = 3

    /// - Parameters:
    ///   - countsRows: a group is gone when its row count is zero (retractions, sliding windows).
    ///   - emittedTypes: the columns of which the last emitted values are kept, for a changelog; nil for none.
    init(
        node: AggregateNode, inputTypes types: [SQLType], countsRows: Bool, emittedTypes: [SQLType]?, manualKeyBytes: Int? = nil
    ) throws(DataflowError) {
        var compiler = CallCompiler(node, types: types)
        retracts = node.inputRetracts
        let rowCount = countsRows || node.inputRetracts ? compiler.accumulator(.rows, -1, .all) : -1
        var calls: [Call] = []
        for call in node.aggregates { calls.append(try compiler.compile(call)) }
        let accumulators = compiler.accumulators
        if node.inputRetracts, let bad = calls.first(where: { $0.main >= 0 && !accumulators[$0.main].isRetractable }) {
            throw DataflowError("\(bad.text) over rows that may be retracted is not supported yet")
        }

        let keyTypes = node.keys.map { types[$0] }
        self.keyTypes = keyTypes
        if let manualKeyBytes {
            keyForm = .manual(byteCount: manualKeyBytes)
            keyWidth = manualKeyBytes
            keyStrings = []
        } else if keyTypes.isEmpty {
            keyForm = .none
            keyWidth = 0
            keyStrings = []
        } else if keyTypes.count == 1 && keyTypes[0].layout == .int64 {
            keyForm = .int64
            keyWidth = 8
            keyStrings = []
        } else {
            let packed = try PackedLayout(keyTypes, for: "GROUP BY")
            keyForm = .packed(packed)
            keyWidth = packed.width
            keyStrings = packed.stringOffsets
        }

        var offset = keyWidth
        var template: [UInt8] = []
        var strings = keyStrings
        var offsets: [Int] = []
        for accumulator in accumulators {
            offsets.append(offset)
            if let string = accumulator.stringOffset { strings.append(offset + string) }
            offset += accumulator.byteCount
            template += accumulator.initialState
        }
        if let emittedTypes {
            let packed = try PackedLayout(emittedTypes, for: "a result in a changelog")
            controlOffset = offset
            emittedOffset = offset + 8
            ttlMicroseconds = max(node.stateTTLMicroseconds ?? 0, 0)
            emittedLayout = packed
            strings += packed.stringOffsets.map { offset + 8 + $0 }
            template += [UInt8](repeating: 0, count: 8 + packed.width)
        } else {
            controlOffset = -1
            emittedOffset = -1
            ttlMicroseconds = 0
            emittedLayout = nil
        }
        let templateStart = keyWidth
        for string in strings.dropFirst(keyStrings.count) {
            withUnsafeBytes(of: StringView.empty) { view in
                for index in 0..<16 { template[string - templateStart + index] = view[index] }
            }
        }
        self.template = template
        stringOffsets = strings
        stateStrings = Array(strings.dropFirst(keyStrings.count))
        self.offsets = offsets
        self.accumulators = accumulators
        distincts = compiler.distincts
        inputColumns = compiler.inputColumns
        inputTypes = compiler.inputColumns.map { types[$0] }
        needsArrival = compiler.needsArrival
        derived = compiler.derived
        compactTypes = inputTypes + (needsArrival ? [.bigint] : []) + derived.map(\.type)
        held = accumulators.indices.filter { accumulators[$0].usesHeap }
        isOrderSensitive = accumulators.contains { $0.isOrderSensitive }
        rowCountOffset = rowCount >= 0 ? offsets[rowCount] : -1
        func place(_ accumulator: Int) -> Int { accumulator >= 0 ? offsets[accumulator] : -1 }
        for index in calls.indices {
            calls[index].rows = place(calls[index].rows)
            calls[index].nulls = place(calls[index].nulls)
            calls[index].main = place(calls[index].main)
            calls[index].more = calls[index].more.map(place)
        }
        self.calls = calls
    }

    /// Whether partial states can be taken away again, so that a hopping window can slide by adding and subtracting.
    var isInvertible: Bool { distincts.isEmpty && accumulators.allSatisfy(\.isInvertible) }

    /// The compact form of a batch of the node's input.
    func compact(_ batch: RowBatch, arrival: Column?) -> RowBatch {
        var columns = inputColumns.map { batch.columns[$0] }
        if needsArrival { columns.append(arrival ?? Column.constant(.integer(1), type: .bigint, count: batch.count)) }
        for column in derived { columns.append(derive(column, columns, count: batch.count)) }
        return RowBatch(count: batch.count, columns: columns, changes: retracts ? batch.changes : nil)
    }

    private func derive(_ column: DerivedColumn, _ columns: [Column], count n: Int) -> Column {
        switch column.form {
        case .encoded(let fields, let required):
            return OrderedEncoding.encode(
                fields.map { columns[$0.column] }, fields, required: required.map { columns[$0] }, count: n, normalised: column.normalised)
        case .bucket(let source):
            let doubles = columns[source].doubles
            let buckets = Buffer(byteCount: n * 8)
            let target = buckets.base.assumingMemoryBound(to: Int64.self)
            for row in 0..<n { target[row] = LogLinear.bucket(doubles[row]) }
            return Column(
                type: .bigint, count: n, values: UnsafeRawPointer(buckets.base), validity: columns[source].validity,
                owners: [buckets] + columns[source].owners)
        }
    }
}
