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

    /// How one aggregate is finished: offsets of accumulators within the row, -1 where there is none.
    struct Call: Sendable {
        var function: AggregateFunction
        var argumentType: SQLType
        var resultType: SQLType
        var text: String
        var rows = -1
        var nulls = -1
        var main = -1
        var second = -1
    }

    let keyForm: KeyForm
    let keyTypes: [SQLType]
    let keyWidth: Int
    let keyStrings: [Int]
    /// Ordinals of the node's input that the compact input holds.
    let inputColumns: [Int]
    let inputTypes: [SQLType]
    let needsArrival: Bool
    /// Where the arrival column is in the compact input.
    var arrivalColumn: Int { inputColumns.count }
    let accumulators: [Accumulator]
    /// Offsets within the row.
    let offsets: [Int]
    let distincts: [DistinctSpecification]
    let calls: [Call]
    let retracts: Bool
    /// Offset of the accumulator that counts all rows; -1 when not kept.
    let rowCountOffset: Int
    /// Offset of the control word, -1 when no changelog is kept; bit 0: touched in this epoch, bit 1: a result is out.
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

    /// - Parameters:
    ///   - countsRows: a group is gone when its row count is zero (retractions, sliding windows).
    ///   - emittedTypes: the columns of which the last emitted values are kept, for a changelog; nil for none.
    init(
        node: AggregateNode, inputTypes types: [SQLType], countsRows: Bool, emittedTypes: [SQLType]?, manualKeyBytes: Int? = nil
    ) throws(DataflowError) {
        var inputColumns = node.keys
        func compact(_ ordinal: Int) -> Int {
            if let known = inputColumns.firstIndex(of: ordinal) { return known }
            inputColumns.append(ordinal)
            return inputColumns.count - 1
        }
        var accumulators: [Accumulator] = []
        var distincts: [DistinctSpecification] = []
        func accumulator(_ kind: Accumulator.Kind, _ argument: Int, _ feed: Accumulator.Feed) -> Int {
            let wanted = Accumulator(kind: kind, argument: argument, feed: feed)
            if let known = accumulators.firstIndex(of: wanted) { return known }
            accumulators.append(wanted)
            return accumulators.count - 1
        }
        retracts = node.inputRetracts
        let rowCount = countsRows || node.inputRetracts ? accumulator(.rows, -1, .all) : -1
        var calls: [Call] = []
        for call in node.aggregates {
            let argumentType = call.argument.map { types[$0] } ?? .null
            let argument = call.argument.map(compact) ?? -1
            var feed = call.filter.map { Accumulator.Feed.filter(compact($0)) } ?? .all
            let countsDuplicates: Bool
            switch call.function {
            case .count, .sum, .avg, .varSamp, .varPop, .stddevSamp, .stddevPop: countsDuplicates = true
            default: countsDuplicates = false
            }
            if call.isDistinct && countsDuplicates && argument >= 0 {
                let set: Int
                if let known = distincts.firstIndex(where: { $0.argument == argument && $0.filters.count < 64 }) {
                    set = known
                } else {
                    guard argumentType.layout != .list && argumentType.layout != .structure else {
                        throw DataflowError("DISTINCT of type \(argumentType.name) is not supported yet")
                    }
                    distincts.append(DistinctSpecification(argument: argument, filters: []))
                    set = distincts.count - 1
                }
                let filter = call.filter.map(compact)
                let bit: Int
                if let known = distincts[set].filters.firstIndex(of: filter) {
                    bit = known
                } else {
                    distincts[set].filters.append(filter)
                    bit = distincts[set].filters.count - 1
                }
                feed = .distinct(set: set, bit: bit)
            }
            var finished = Call(
                function: call.function, argumentType: argumentType, resultType: call.resultType,
                text: call.text.isEmpty ? call.function.rawValue : call.text)
            finished.rows = accumulator(.rows, -1, feed)
            if argument >= 0, call.function != .countRows {
                if case .distinct = feed {} else { finished.nulls = accumulator(.nulls, argument, feed) }
            }
            let layout = argumentType.layout
            func refuse() -> DataflowError { DataflowError("\(call.function.rawValue) of type \(argumentType.name) is not supported") }
            switch call.function {
            case .countRows, .count: break
            case .sum, .avg:
                switch (layout, argumentType) {
                case (_, .interval): finished.main = accumulator(.sumInterval, argument, feed)
                case (.int64, _): finished.main = accumulator(.sumInt64, argument, feed)
                case (.int128, _): finished.main = accumulator(.sumInt128, argument, feed)
                case (.double, _): finished.main = accumulator(.sumDouble, argument, feed)
                default: throw refuse()
                }
            case .varSamp, .varPop, .stddevSamp, .stddevPop:
                guard layout == .double else { throw refuse() }
                finished.main = accumulator(.sumDouble, argument, feed)
                finished.second = accumulator(.sumSquares, argument, feed)
            case .min, .max:
                let isMin = call.function == .min
                switch (layout, argumentType) {
                case (_, .interval): finished.main = accumulator(isMin ? .minInterval : .maxInterval, argument, feed)
                case (.int128, _): finished.main = accumulator(isMin ? .minDecimal : .maxDecimal, argument, feed)
                case (.string, _): finished.main = accumulator(isMin ? .minText : .maxText, argument, feed)
                case (.list, _), (.structure, _): throw refuse()
                default: finished.main = accumulator(isMin ? .minWord : .maxWord, argument, feed)
                }
            case .firstValue, .lastValue:
                let isFirst = call.function == .firstValue
                switch layout {
                case .int128: finished.main = accumulator(isFirst ? .firstWide : .lastWide, argument, feed)
                case .string: finished.main = accumulator(isFirst ? .firstText : .lastText, argument, feed)
                case .list, .structure: throw refuse()
                default: finished.main = accumulator(isFirst ? .firstWord : .lastWord, argument, feed)
                }
            case .boolAnd, .boolOr:
                guard layout == .bool else { throw refuse() }
                finished.main = accumulator(.trues, argument, feed)
            }
            calls.append(finished)
        }
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
            emittedLayout = packed
            strings += packed.stringOffsets.map { offset + 8 + $0 }
            template += [UInt8](repeating: 0, count: 8 + packed.width)
        } else {
            controlOffset = -1
            emittedOffset = -1
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
        self.distincts = distincts
        self.inputColumns = inputColumns
        self.inputTypes = inputColumns.map { types[$0] }
        needsArrival = accumulators.contains { $0.needsArrival }
        rowCountOffset = rowCount >= 0 ? offsets[rowCount] : -1
        for index in calls.indices {
            calls[index].rows = offsets[calls[index].rows]
            if calls[index].nulls >= 0 { calls[index].nulls = offsets[calls[index].nulls] }
            if calls[index].main >= 0 { calls[index].main = offsets[calls[index].main] }
            if calls[index].second >= 0 { calls[index].second = offsets[calls[index].second] }
        }
        self.calls = calls
    }

    /// Whether partial states can be taken away again, so that a hopping window can slide by adding and subtracting.
    var isInvertible: Bool { distincts.isEmpty && accumulators.allSatisfy(\.isInvertible) }

    /// The compact form of a batch of the node's input.
    func compact(_ batch: RowBatch, arrival: Column?) -> RowBatch {
        var columns = inputColumns.map { batch.columns[$0] }
        if needsArrival { columns.append(arrival ?? Column.constant(.integer(1), type: .bigint, count: batch.count)) }
        return RowBatch(count: batch.count, columns: columns, changes: retracts ? batch.changes : nil)
    }
}
