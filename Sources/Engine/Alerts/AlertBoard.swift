// AlertBoard: what is the case now: which instances are pending, firing or lately resolved, which silences hold, who has acknowledged what.
//
// A fold of two streams, `alerts` and `alert_actions`, and of nothing else, so that it is the same after a restart and for everybody who asks. What time
// it is comes in with the question: a silence ends by itself, without a row.
//
// Inhibition is asked for every instance that fires, and depends on all others that do: so those that keep others quiet are kept by rule and by the
// values of the labels that must be equal (`sources`).
//
// What cannot be understood (rows that another program has put there, or one that knew more) is not passed over: a silence is kept with what is
// wrong with it, and shown; every other row is counted (`strangeRowCounts`), and AlertFold tells of it.
//
// Cost: one entry per instance that is not inactive. Of those that are resolved the newest are kept (`resolvedCountMax`).

import Syntax

package struct AlertBoard: Sendable {
    package struct Silence: Hashable, Sendable {
        package enum State: String, Sendable {
            case active, ended
            /// It would be active if it could be understood.
            case invalid
        }

        package var id: Int64
        /// As it stands in the stream.
        package var selectorText: String
        /// nil for a silence that cannot be understood.
        package var selector: AlertSelector?
        /// Why it cannot be understood: then it keeps nobody quiet.
        package var fault: String?
        package var fromMicroseconds: Int64
        package var untilMicroseconds: Int64
        package var comment: String
        package var author: String
        package var isEnded = false

        init(_ action: AlertAction) {
            id = action.id
            selectorText = action.selector
            fromMicroseconds = action.atMicroseconds
            untilMicroseconds = action.untilMicroseconds
            comment = action.comment
            author = action.author
            do throws(SQLError) { selector = try AlertBoard.parseSelector(action.selector) } catch {
                fault = action.selector.isEmpty ? "it does not say what it silences" : "its selector cannot be read: \(error.message)"
            }
            if fault == nil, untilMicroseconds == 0 { fault = "it does not say when it ends" }
        }

        package func state(at microseconds: Int64) -> State {
            // One that does not say when it ends is wrong until somebody ends it.
            if isEnded || (untilMicroseconds != 0 && microseconds >= untilMicroseconds) { return .ended }
            return fault == nil ? .active : .invalid
        }

        package func holds(at microseconds: Int64) -> Bool { state(at: microseconds) == .active }

        func selects(_ alert: String, _ labels: [String: String]) -> Bool { selector?.selects(alert: alert, labels: labels) ?? false }

        package var shownSelector: String { selector.map(Printer.selector) ?? selectorText }
    }

    package struct Instance: Hashable, Sendable {
        /// The last one.
        package var transition: AlertTransition
        /// With which it began to fire; nil when it does not.
        package var fired: AlertTransition?

        package var state: AlertTransition.State { transition.to }
    }

    /// Why an instance that fires is not told.
    package enum Suppression: Hashable, Sendable {
        case silenced(Int64)
        case inhibited(String)
        case acknowledged(String)

        package var outcome: String {
            switch self {
            case .silenced: "silenced"
            case .inhibited: "inhibited"
            case .acknowledged: "acknowledged"
            }
        }

        package var reason: String {
            switch self {
            case .silenced(let id): "silence \(id)"
            case .inhibited(let name): "inhibition \(name)"
            case .acknowledged(let author): author.isEmpty ? "acknowledged" : "acknowledged by \(author)"
            }
        }
    }

    package static let resolvedCountMax = 1_000

    package private(set) var instances: [AlertTransition.Instance: Instance] = [:]
    package private(set) var silences: [Silence] = []
    /// By stream: rows that are none of those that this program writes there.
    package private(set) var strangeRowCounts: [String: Int64] = [:]
    package var inhibitions: [InhibitionRule] = [] {
        didSet {
            if inhibitions == oldValue { return }
            sources = inhibitions.map { _ in [:] }
            for instance in instances.values { if let fired = instance.fired { note(fired, fires: true) } }
        }
    }

    /// Firing instances that a rule takes for sources, with the same values of its labels.
    private struct Sources: Sendable {
        var sourceOnly: Set<AlertTransition.Instance> = []
        /// Which are targets of the rule as well.
        var both: Set<AlertTransition.Instance> = []
    }

    /// For each rule, by the values of its labels.
    private var sources: [[String: Sources]] = []
    /// Transitions seen, by the state they led to.
    package private(set) var transitionCounts: [AlertTransition.State: Int64] = [:]
    private var resolved: [AlertTransition.Instance] = []
    /// The last one of each instance. Kept apart from what it is about: the two streams are read one after the other, so it may come first.
    private var acknowledgements: [AlertTransition.Instance: AlertAction] = [:]

    package init() {}

    // MARK: The fold

    package mutating func apply(_ transition: AlertTransition) {
        transitionCounts[transition.to, default: 0] &+= 1
        let key = transition.instance
        if let before = instances[key]?.fired { note(before, fires: false) }
        if transition.to == .firing { note(transition, fires: true) }
        switch transition.to {
        case .inactive: instances[key] = nil
        case .pending: instances[key] = Instance(transition: transition, fired: nil)
        case .firing: instances[key] = Instance(transition: transition, fired: transition)
        case .resolved:
            instances[key] = Instance(transition: transition, fired: nil)
            resolved.append(key)
            guard resolved.count > 2 * Self.resolvedCountMax else { return }
            // The same instance may stand here several times: the last one counts.
            var seen: Set<AlertTransition.Instance> = []
            let kept = resolved.reversed().filter { instances[$0]?.state == .resolved && seen.insert($0).inserted }
            for old in kept.dropFirst(Self.resolvedCountMax) { instances[old] = nil }
            resolved = kept.prefix(Self.resolvedCountMax).reversed()
        }
    }

    /// Of texts that may hold anything.
    private static func key(_ labels: [String: String], _ names: [String]) -> String {
        names.map { name in labels[name].map { "\($0.utf8.count):\($0)" } ?? "0:" }.joined()
    }

    private mutating func note(_ transition: AlertTransition, fires: Bool) {
        guard !inhibitions.isEmpty else { return }
        let labels = transition.labelSet
        for (place, rule) in inhibitions.enumerated() where rule.source.selects(alert: transition.alert, labels: labels) {
            let key = Self.key(labels, rule.equal)
            var entry = sources[place][key] ?? Sources()
            entry.sourceOnly.remove(transition.instance)
            entry.both.remove(transition.instance)
            if fires {
                if rule.target.selects(alert: transition.alert, labels: labels) { entry.both.insert(transition.instance) } else { entry.sourceOnly.insert(transition.instance) }
            }
            sources[place][key] = entry.sourceOnly.isEmpty && entry.both.isEmpty ? nil : entry
        }
    }

    package mutating func apply(_ action: AlertAction) {
        switch action.kind {
        case .silence:
            // What cannot be understood keeps nobody quiet: it is better told once too often. But it is there, and says so.
            silences.append(Silence(action))
        case .unsilence:
            for index in silences.indices where silences[index].id == action.id {
                silences[index].isEnded = true
                silences[index].untilMicroseconds = min(silences[index].untilMicroseconds, action.atMicroseconds)
            }
        case .acknowledge:
            acknowledgements[AlertTransition.Instance(alert: action.alert, fingerprint: action.fingerprint)] = action
        }
    }

    /// Counts a row that says nothing to this program; how many there are of its stream.
    @discardableResult
    package mutating func countStrangeRow(of stream: String) -> Int64 {
        strangeRowCounts[stream, default: 0] &+= 1
        return strangeRowCounts[stream] ?? 0
    }

    /// As SILENCE takes it; nil when it is none.
    package static func selector(_ text: String) -> AlertSelector? { try? parseSelector(text) }

    fileprivate static func parseSelector(_ text: String) throws(SQLError) -> AlertSelector {
        guard case .notification(.acknowledge(let selector, nil, nil)) = try Parser.parseStatement("ACKNOWLEDGE " + text).kind else {
            throw SQLError("there is more than names an alert and its labels", at: .none)
        }
        return selector
    }

    // MARK: Questions

    /// Why an instance that fires is not told at this moment; nil when it is told.
    package func suppression(of transition: AlertTransition, at microseconds: Int64) -> Suppression? {
        if let action = acknowledgements[transition.instance], action.transition == transition.number { return .acknowledged(action.author) }
        let labels = transition.labelSet
        for silence in silences where silence.holds(at: microseconds) && silence.selects(transition.alert, labels) {
            return .silenced(silence.id)
        }
        let instance = transition.instance
        func holdsAnother(_ set: Set<AlertTransition.Instance>) -> Bool { set.count > 1 || set.first.map { $0 != instance } ?? false }
        for (place, rule) in inhibitions.enumerated() where rule.target.selects(alert: transition.alert, labels: labels) {
            guard let entry = sources[place][Self.key(labels, rule.equal)] else { continue }
            // As InhibitionRule.inhibits says of one pair.
            let isBoth = rule.source.selects(alert: transition.alert, labels: labels)
            if holdsAnother(entry.sourceOnly) || (!isBoth && holdsAnother(entry.both)) { return .inhibited(rule.name) }
        }
        return nil
    }

    /// Who has acknowledged that it fires. It holds for this time, not for the next.
    package func acknowledgement(of instance: Instance) -> AlertAction? {
        acknowledgements[instance.transition.instance].flatMap { $0.transition == instance.fired?.number ? $0 : nil }
    }

    /// The silences that keep an instance quiet.
    package func silences(of transition: AlertTransition, at microseconds: Int64) -> [Silence] {
        let labels = transition.labelSet
        return silences.filter { $0.holds(at: microseconds) && $0.selects(transition.alert, labels) }
    }

    /// The next moment at which a silence ends by itself.
    package func nextExpiry(after microseconds: Int64) -> Int64? {
        silences.lazy.filter { $0.holds(at: microseconds) }.map(\.untilMicroseconds).min()
    }

    /// Firing ones first, then pending, then what has been resolved; each by when, the newest first.
    package var sorted: [Instance] {
        func rank(_ state: AlertTransition.State) -> Int {
            switch state {
            case .firing: 0
            case .pending: 1
            case .resolved: 2
            case .inactive: 3
            }
        }
        return instances.values.sorted { one, other in
            if rank(one.state) != rank(other.state) { return rank(one.state) < rank(other.state) }
            if one.transition.eventMicroseconds != other.transition.eventMicroseconds {
                return one.transition.eventMicroseconds > other.transition.eventMicroseconds
            }
            return one.transition.instance < other.transition.instance
        }
    }

    package func count(_ state: AlertTransition.State) -> Int { instances.values.count { $0.state == state } }
    package var nextSilenceID: Int64 { (silences.map(\.id).max() ?? 0) &+ 1 }
}
