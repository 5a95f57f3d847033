// ChangeMode: what kind of rows flow out of each node of a continuous plan.

import Columns

package enum ChangeMode: Hashable, Sendable {
    /// Rows are added and stay.
    case appendOnly
    /// Rows are taken back as they were given: -U and -D carry the old row.
    case retract
    /// An update comes without its old row, which readers know by these columns; nil when nobody reads it.
    case upsert(key: [Int]?)

    var isAppendOnly: Bool { self == .appendOnly }
}

extension PhysicalPlan {
    package var changeMode: ChangeMode {
        switch self {
        case .scan(let node):
            guard node.relation.isUpsert else { return node.relation.isChangelog ? .retract : .appendOnly }
            let key = node.relation.keyPlaces.sorted().compactMap { place in node.columns.firstIndex { $0.column == place } }
            return .upsert(key: key.count == node.relation.keyPlaces.count ? key : nil)
        case .values, .match, .alert: return .appendOnly
        case .watermark(let input, _), .filter(let input, _), .shared(let input, _): return input.changeMode
        case .project(let input, let expressions):
            guard case .upsert(let key?) = input.changeMode else { return input.changeMode }
            let places = key.compactMap { column in expressions.firstIndex { $0.plainColumn == column } }
            return .upsert(key: places.count == key.count ? places : nil)
        case .assignWindow(let input, _), .unnest(let input, _), .expand(let input, _), .replicate(let input, _), .limit(let input, _, _),
            .sort(let input, _):
            if case .upsert = input.changeMode { return .upsert(key: nil) }
            return input.changeMode
        case .union(let inputs):
            let modes = inputs.map(\.changeMode)
            if modes.allSatisfy(\.isAppendOnly) { return .appendOnly }
            return modes.contains { if case .upsert = $0 { true } else { false } } ? .upsert(key: nil) : .retract
        case .aggregate(_, let node):
            guard node.emit == .changes || (node.window != nil && node.allowedLatenessMicroseconds > 0) else { return .appendOnly }
            return node.emitsUpdateBefore ? .retract : .upsert(key: Array(0..<node.keys.count + (node.window == nil ? 0 : 2)))
        case .rank(_, let node):
            guard node.emit == .changes else { return .appendOnly }
            return node.emitsUpdateBefore ? .retract : .upsert(key: uniqueKeys.first?.sorted())
        case .over(_, let node): return node.mode == .changes ? .retract : .appendOnly
        case .join(let left, _, let node):
            switch node.time {
            case .asOf, .lookup: return left.changeMode
            case .interval, .window, .none: break
            }
            if !node.emitsUpdateBefore { return .upsert(key: nil) }
            if node.leftRetracts || node.rightRetracts { return .retract }
            if node.isBounded || node.time != .none || node.kind == .inner || node.kind == .semi { return .appendOnly }
            return .retract
        }
    }
}

extension RelationDefinition {
    /// The kinds of changes that an INSERT into it takes, for people.
    package var takenChanges: String {
        if connector == "blackhole" { return "append-only, retract and upsert" }
        if isUpsert { return "append-only, retract and upsert by (\(primaryKey.map { columns[$0].name }.joined(separator: ", ")))" }
        return isAppendOnly ? "append-only" : "append-only and retract"
    }

    /// The columns of the primary key among the physical ones.
    var keyPlaces: Set<Int> {
        let physical = physicalColumns
        return Set(primaryKey.compactMap { column in physical.firstIndex(of: column) })
    }

    /// What an INSERT of this plan needs of the old row of an update.
    func updateNeed(of plan: PhysicalPlan) -> UpdateNeed {
        if connector == "blackhole" { return .nothing }
        return isUpsert && plan.uniqueKeys.contains(keyPlaces) ? .keyed : .all
    }

    /// A query that updates rows of an upsert stream must have one row for each of its keys; where that cannot be seen, people should look.
    func keyNotice(of plan: PhysicalPlan) -> String? {
        guard isUpsert, !plan.changeMode.isAppendOnly, !plan.uniqueKeys.contains(keyPlaces) else { return nil }
        let key = primaryKey.map { columns[$0].name }.joined(separator: ", ")
        return "the query may have several rows for one (\(key)), the PRIMARY KEY of \"\(name)\", and updates that change it: group by exactly these columns, "
            + "or keep one row of each with QUALIFY ROW_NUMBER() OVER (PARTITION BY \(key) ORDER BY ..) = 1"
    }
}
