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

/// Keys by time, earliest first; entries may be out of date.
struct AlertHeap {
    struct Entry {
        var time: Int64
        var slot: Int32
        var rule: Int32
    }

    private var entries: [Entry] = []

    var first: Int64? { entries.first?.time }

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].time < entries[parent].time else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// The earliest; nil when there is none.
    mutating func pop() -> Entry? {
        guard let result = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return result }
        entries[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count && entries[child + 1].time < entries[child].time { child += 1 }
            guard entries[child].time < entries[parent].time else { break }
            entries.swapAt(child, parent)
            parent = child
        }
        return result
    }
}
