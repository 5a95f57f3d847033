// AlertPlan: an AlertNode made ready to run, shared by the partitions of its stage.

import Columns
import Planning

final class AlertPlan: @unchecked Sendable {
    // Safe to share: `beginEpoch` is called between epochs by one thread; partitions only read.
    let node: AlertNode
    let inputTypes: [SQLType]
    let machines: [AlertMachine]
    let conditions: AlertConditions
    /// Places of rules by their ids.
    let places: [UInt64: Int]
    /// Rules that fire when a key falls silent: they remember every key that has been seen.
    let tracking: [Int]
    let hasNoData: Bool
    let keyTypes: [SQLType]
    let valueTypes: [SQLType]
    /// By place: whether the rule looks at the rows of this epoch.
    private(set) var isActive: [Bool]
    private(set) var activeBits: [UInt64]
    /// Rules whose instances end in this epoch.
    private(set) var retiring: [Int] = []
    /// When a rule was first run: part of the keys of its transitions.
    var began: [UInt64: Int64] = [:]

    init(_ node: AlertNode, inputTypes: [SQLType]) throws(DataflowError) {
        func isColumn(_ column: Int) -> Bool { inputTypes.indices.contains(column) }
        func fits(_ condition: AlertCondition) -> Bool {
            switch condition {
            case .always: true
            case .column(let column): isColumn(column) && inputTypes[column] == .boolean
            case .threshold(let column, _, .integer): isColumn(column) && inputTypes[column].layout == .int64
            case .threshold(let column, _, .double): isColumn(column) && inputTypes[column].layout == .double
            }
        }
        guard node.names.count <= inputTypes.count, node.keyColumns.allSatisfy(isColumn), node.keyNames.count == node.keyColumns.count,
            node.timeColumn.map({ isColumn($0) && inputTypes[$0].layout == .int64 }) ?? true, node.tags.count == inputTypes.count,
            node.rules.allSatisfy({ fits($0.condition) && ($0.resolve.map(fits) ?? true) }), Set(node.rules.map(\.id)).count == node.rules.count
        else { throw DataflowError("an alert was planned for another input") }
        self.node = node
        self.inputTypes = inputTypes
        machines = node.rules.map { AlertMachine($0) }
        conditions = AlertConditions(node.rules.map(\.condition))
        var places: [UInt64: Int] = [:]
        for (place, rule) in node.rules.enumerated() { places[rule.id] = place }
        self.places = places
        tracking = node.rules.indices.filter { node.rules[$0].timing.noDataMicroseconds != nil && node.rules[$0].timing.noData == .fire }
        hasNoData = node.rules.contains { $0.timing.noDataMicroseconds != nil && $0.timing.noData != .keep }
        keyTypes = node.keyColumns.map { inputTypes[$0] }
        valueTypes = Array(inputTypes[..<node.names.count])
        isActive = node.rules.map { _ in true }
        activeBits = [UInt64](repeating: 0, count: conditions.wordCount)
    }

    /// Every rule has begun, or ended: nothing changes any more.
    private var isSettled = false

    func beginEpoch(_ epoch: StageEpoch) {
        if isSettled { return }
        isSettled = node.rules.allSatisfy { $0.afterEpoch == 0 || epoch.number > $0.afterEpoch }
        retiring.removeAll()
        for word in activeBits.indices { activeBits[word] = 0 }
        for (place, rule) in node.rules.enumerated() {
            // 0: from its beginning on.
            let isBehind = rule.afterEpoch == 0 || epoch.number > rule.afterEpoch
            let isActive: Bool
            if rule.retirement != nil {
                isActive = !isBehind
                if isBehind { retiring.append(place) }
            } else {
                isActive = isBehind && !rule.isPaused
            }
            self.isActive[place] = isActive
            if isActive {
                activeBits[place >> 6] |= 1 << UInt64(place & 63)
                if began[rule.id] == nil { began[rule.id] = epoch.clockMicroseconds }
            }
        }
    }

    func write(to writer: inout StateWriter) {
        let known = began.filter { places[$0.key] != nil }.sorted { $0.key < $1.key }
        writer.write(count: known.count)
        for (id, clock) in known {
            writer.write(id)
            writer.write(clock)
        }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let id: UInt64 = try reader.read()
            began[id] = try reader.read()
        }
    }
}

/// What a timer is for.
struct AlertTimer {
    var slot: Int32
    var rule: Int32

    init(slot: Int, rule: Int) {
        self.slot = Int32(truncatingIfNeeded: slot)
        self.rule = Int32(truncatingIfNeeded: rule)
    }
}
