// Explanation+State: what EXPLAIN says about the state of each node of a continuous plan: what is kept, for each of what, and for how long;
// and about the changes that come out of it.

import Columns

extension PhysicalPlan {
    /// ` -> append-only`, ` -> retract`, ` -> upsert by (auction)`.
    var changesText: String {
        switch changeMode {
        case .appendOnly: return " -> append-only"
        case .retract: return " -> retract"
        case .upsert(let key?):
            let names = columnNames
            return key.isEmpty ? " -> upsert of one row" : " -> upsert by (\(key.map { names[$0] }.joined(separator: ", ")))"
        case .upsert(nil): return " -> upsert"
        }
    }

    /// nil for nodes without state, and for joins, whose label has it.
    var stateText: String? {
        switch self {
        case .scan, .values, .filter, .project, .assignWindow, .union, .unnest, .expand, .replicate, .shared, .join, .sort: return nil
        case .watermark: return nil
        case .limit(_, let count, _): return count == nil ? "one number" : "one number, until the limit is reached"
        case .aggregate(let input, let node): return Self.state(node, input)
        case .rank(let input, let node): return Self.state(node, input.columnNames)
        case .over(let input, let node): return Self.state(node, input.columnNames)
        case .match(let input, let node): return Self.state(node, input.columnNames)
        case .alert(_, let node): return Self.state(node)
        }
    }

    private static func each(_ columns: [Int], _ names: [String]) -> String {
        columns.isEmpty ? "" : " of each (\(columns.map { names[$0] }.joined(separator: ", ")))"
    }

    private static func lifetime(_ ttl: Int64?) -> String { ttl.map { "for \(ExpressionText.duration($0)) without use" } ?? "for ever" }

    // MARK: Aggregations

    private static func state(_ node: AggregateNode, _ input: PhysicalPlan) -> String {
        let names = input.columnNames
        var parts: [String] = []
        var unit = node.keys.map { names[$0] }
        let until: String
        switch node.window?.shape {
        case nil: until = lifetime(node.stateTTLMicroseconds)
        case .session?:
            unit.append("session")
            until = "until the session ends"
        case let shape?:
            let isPerWindow = node.emit == .changes || node.allowedLatenessMicroseconds > 0
            // The window of an aggregation over windows is among its keys.
            if !unit.contains("window_end") { unit.append(isPerWindow ? "window" : shape.sliceText) }
            until =
                node.allowedLatenessMicroseconds > 0
                ? "until the watermark is \(ExpressionText.duration(node.allowedLatenessMicroseconds)) past the window's end" : "until the window closes"
        }
        parts.append(unit.isEmpty ? "one row" : "one row for each (\(unit.joined(separator: ", ")))")
        var held: [String] = []
        for call in node.aggregates {
            let arguments = call.arguments.map { names[$0] }.joined(separator: ", ")
            let text: String
            if call.isDistinct, call.function.dependsOnDuplicates {
                text = "each different \(arguments)"
            } else if call.function.keepsValues(inputRetracts: node.inputRetracts) {
                text = "all values of \(arguments)"
            } else {
                continue
            }
            if !held.contains(text) { held.append(text) }
        }
        if !held.isEmpty { parts.append("with " + held.joined(separator: " and ")) }
        return parts.joined(separator: " ") + ", " + until
    }

    // MARK: Rankings, window functions, patterns

    private static func state(_ node: RankNode, _ names: [String]) -> String {
        let each = each(node.partition, names)
        let rows: String
        switch (node.inputRetracts, node.function == .rowNumber, node.lastRank == 1) {
        case (true, _, _): rows = "all rows"
        case (false, true, true): rows = "the first row"
        case (false, true, false): rows = "the first \(node.lastRank) rows"
        case (false, false, true): rows = "the first row and its equals"
        case (false, false, false): rows = "rows of rank \(node.lastRank) and before"
        }
        switch node.emit {
        case .changes: return "\(rows)\(each), \(lifetime(node.stateTTLMicroseconds))"
        case .onWindowClose: return "\(rows)\(each), until the window closes"
        case .atEnd: return "\(rows)\(each), until the end"
        }
    }

    private static func state(_ node: OverNode, _ names: [String]) -> String {
        let each = each(node.partition, names)
        if node.isOfModels { return models(node, each) }
        switch node.mode {
        case .eventTime:
            let isBounded = node.calls.allSatisfy { $0.function.usesFrame && $0.frame.unit == .range && $0.frame.start != .unboundedPreceding }
            let reach = "rows\(each) that frames still reach"
            return isBounded || node.partition.isEmpty ? reach : reach + ", and running results for ever"
        case .onWindowClose: return "all rows\(each), until the window closes"
        case .changes: return "all rows\(each), \(lifetime(node.stateTTLMicroseconds))"
        case .atEnd: return "all rows, until the end"
        }
    }

    private static func models(_ node: OverNode, _ each: String) -> String {
        let models = node.calls.compactMap { call -> String? in
            guard case .model(let model) = call.function else { return nil }
            let settings = model.settings
            let article = "aeiou".contains(model.function.prefix(1)) ? "an" : "a"
            return "\(article) \(model.function) model\(settings.isEmpty ? "" : " (\(settings))") of \(model.stateByteCount) bytes"
        }.joined(separator: " and ")
        switch node.mode {
        case .eventTime: return "\(models)\(each), \(node.partition.isEmpty ? "for ever" : lifetime(node.stateTTLMicroseconds)), and rows until the watermark passes them"
        case .onWindowClose: return "all rows\(each), until the window closes, then \(models)"
        case .changes, .atEnd: return "all rows, until the end, then \(models)"
        }
    }

    /// Instances that are not inactive, and for a while those that were; with ON NO DATA every key that has been seen.
    private static func state(_ node: AlertNode) -> String {
        let each = node.keyNames.isEmpty ? "one instance" : "one instance for each (\(node.keyNames.joined(separator: ", ")))"
        let tracks = node.rules.contains { $0.timing.noDataMicroseconds != nil && $0.timing.noData == .fire }
        return tracks ? "\(each) that has been seen, for ever" : "\(each) that is pending or firing, or was in the last day"
    }

    private static func state(_ node: MatchNode, _ names: [String]) -> String {
        let each = each(node.partition, names)
        guard let within = node.withinMicroseconds else { return "rows\(each) of matches that have begun, for ever" }
        return "rows\(each) of matches that have begun, for \(ExpressionText.duration(within))"
    }
}

extension WindowShape {
    /// What rows are kept by: windows that overlap share slices.
    fileprivate var sliceText: String {
        switch self {
        case .tumble, .session: return "window"
        case .hop(let size, let slide, _): return "slice of \(ExpressionText.duration(Self.commonDivisor(size, slide)))"
        case .cumulate(_, let step, _): return "slice of \(ExpressionText.duration(step))"
        }
    }

    private static func commonDivisor(_ a: Int64, _ b: Int64) -> Int64 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}

extension AggregateFunction {
    /// Whether a group keeps its values, or as many as there are different ones.
    fileprivate func keepsValues(inputRetracts: Bool) -> Bool {
        switch self {
        case .arrayAgg, .stringAgg, .mode, .percentileCont, .percentileDisc, .histogram: true
        case .min, .max, .firstValue, .lastValue, .minBy, .maxBy, .bitAnd, .bitOr, .approxCountDistinct, .approxTopK: inputRetracts
        default: false
        }
    }
}
