// NotifierCore: what one notifier still has to tell, decided from transitions, the time, and what attempts brought. No clock, no socket, no file: whoever
// runs it says what time it is, tries what it asks for, and keeps its state (NotifierState) on the disk.
//
// An instance that fires is an episode until it does not. A transition goes
//
//     accept → waits in its group → a batch (frozen: the same content and key for every attempt) → told, or a dead letter
//            ↘ held: silenced, inhibited or acknowledged; told when that ends while it still fires
//
// 1. Without group_by each instance is a group and each transition a batch, in order: nothing is told before what came before it.
// 2. With group_by, or for an Alertmanager, a batch is what has gathered in the group. A group waits group_wait after its first transition, and
//    group_interval after it was told; what began and ended within that wait is damped: outcome 'flapped', for both.
// 3. The end of an episode is told when its beginning was, or may have been, silenced by now or not: nobody is left with an alarm that nobody ends.
// 4. A failed attempt is repeated after retry_min, twice that, .. up to retry_max, each pause shortened by up to half by a hash of the batch's key, so
//    that many who failed together do not come back together. When nothing could be reached at all, no other batch is tried before either.
// 5. After give_up_after, or max_attempts, or when the receiver refuses for good (4xx), it is a dead letter. A batch of several that is refused is
//    first tried one by one: one that is wrong takes no other with it.

import Engine
import Platform

package struct NotifierCore: Sendable {
    package let definition: NotifierDefinition
    package private(set) var state: NotifierState
    /// Whether `state` has changed since it was last taken.
    package private(set) var isDirty = false
    /// Nothing is tried before; not kept: after a restart the receiver may be there.
    private var pausedUntilMicroseconds = Int64.min
    private var failuresInARow = 0

    /// More than that and the stream is not read on: it keeps what waits.
    package static let waitingCountMax = 10_000
    static let batchCountMax = 500

    package init(definition: NotifierDefinition, state: NotifierState = NotifierState()) {
        self.definition = definition
        self.state = state
    }

    package typealias Suppress = (AlertTransition) -> AlertBoard.Suppression?

    package var waitingCount: Int { state.groups.values.reduce(0) { $0 + $1.waiting.count + $1.batches.reduce(0) { $0 + $1.items.count } } }
    package var isFull: Bool { waitingCount >= Self.waitingCountMax }
    package var hasHeld: Bool { state.episodes.values.contains { $0.held != nil } }
    /// Nothing to do but to wait for the next transition, or for a silence to end.
    package var isIdle: Bool { state.groups.values.allSatisfy { $0.waiting.isEmpty && $0.batches.isEmpty } }

    private var damps: Bool { definition.groupWaitMicroseconds > 0 || definition.groupIntervalMicroseconds > 0 }
    private var gathers: Bool { definition.groupBy != nil || definition.kind == .alertmanager }

    package mutating func takeDirty() -> Bool {
        defer { isDirty = false }
        return isDirty
    }

    package mutating func setPositions(_ positions: [UInt64], streamID: UInt64) {
        if state.positions == positions, state.streamID == streamID { return }
        state.positions = positions
        state.streamID = streamID
        isDirty = true
    }

    // MARK: What comes

    /// A transition of the stream, in its order.
    package mutating func accept(_ transition: AlertTransition, at now: Int64, suppress: Suppress) -> [DeliveryOutcome] {
        guard definition.wants(transition) else { return [] }
        let instance = transition.instance
        // Read again.
        if let episode = state.episodes[instance], transition.number <= episode.transition.number { return [] }
        if transition.to == .firing {
            isDirty = true
            let started = transition.eventMicroseconds
            if let reason = suppress(transition) {
                state.episodes[instance] = NotifierState.Episode(transition: transition, held: reason.outcome)
                return [DeliveryOutcome(transition, reason.outcome, at: now, reason: reason.reason)]
            }
            // It ended and begins again before the end was told.
            if damps, let ended = removeWaiting(instance, where: { $0.to != .firing }) {
                state.episodes[instance] = NotifierState.Episode(transition: transition, toldMicroseconds: now)
                return [ended.transition, transition].map { DeliveryOutcome($0, DeliveryOutcome.flapped, at: now, reason: "it ended and fires again") }
            }
            state.episodes[instance] = NotifierState.Episode(transition: transition)
            enqueue(NotifierState.Item(transition: transition, startedMicroseconds: started), at: now)
            return []
        }
        guard let episode = state.episodes[instance] else {
            return transition.from == .firing ? [DeliveryOutcome(transition, DeliveryOutcome.untold, at: now, reason: "its beginning was not told")] : []
        }
        state.episodes[instance] = nil
        isDirty = true
        if let outcome = episode.held { return [DeliveryOutcome(transition, outcome, at: now, reason: "its beginning was \(outcome)")] }
        if damps, let begun = removeWaiting(instance, where: { $0.to == .firing }) {
            return [begun.transition, transition].map { DeliveryOutcome($0, DeliveryOutcome.flapped, at: now, reason: "it ended before it was told") }
        }
        guard definition.sendsResolved else { return [DeliveryOutcome(transition, DeliveryOutcome.untold, at: now, reason: "send_resolved is off")] }
        enqueue(NotifierState.Item(transition: transition, startedMicroseconds: episode.transition.eventMicroseconds), at: now)
        return []
    }

    /// What fires when the notifier begins: its stream begins after that.
    package mutating func adopt(_ firing: [AlertTransition], at now: Int64, suppress: Suppress) -> [DeliveryOutcome] {
        firing.flatMap { accept($0, at: now, suppress: suppress) }
    }

    private func group(of transition: AlertTransition) -> String {
        if definition.kind == .alertmanager { return "" }
        guard let names = definition.groupBy else { return transition.alert + "\u{1}" + transition.fingerprint }
        let labels = transition.labelSet
        return names.map { labels[$0] ?? "" }.joined(separator: "\u{1}")
    }

    private mutating func enqueue(_ item: NotifierState.Item, at now: Int64, isDue: Bool = false) {
        let key = group(of: item.transition)
        var group = state.groups[key] ?? NotifierState.Group()
        if group.waiting.isEmpty {
            let wait = isDue ? now : now &+ definition.groupWaitMicroseconds
            let interval = group.toldMicroseconds.map { $0 &+ definition.groupIntervalMicroseconds } ?? wait
            group.dueMicroseconds = max(wait, interval)
        }
        group.waiting.append(item)
        state.groups[key] = group
        isDirty = true
    }

    private mutating func removeWaiting(_ instance: AlertTransition.Instance, where isWanted: (AlertTransition) -> Bool) -> NotifierState.Item? {
        for key in state.groups.keys.sorted() {
            guard let index = state.groups[key]?.waiting.firstIndex(where: { $0.transition.instance == instance && isWanted($0.transition) }) else { continue }
            isDirty = true
            return state.groups[key]?.waiting.remove(at: index)
        }
        return nil
    }

    // MARK: Time

    /// Lets what was held go when nothing holds it any more, freezes batches that are due, and repeats.
    package mutating func tick(at now: Int64, suppress: Suppress) -> [DeliveryOutcome] {
        var outcomes: [DeliveryOutcome] = []
        for (instance, episode) in state.episodes.filter({ $0.value.held != nil }).sorted(by: { $0.key < $1.key }) where suppress(episode.transition) == nil {
            state.episodes[instance]?.held = nil
            enqueue(NotifierState.Item(transition: episode.transition, startedMicroseconds: episode.transition.eventMicroseconds), at: now, isDue: true)
        }
        for key in state.groups.keys.sorted() {
            guard let group = state.groups[key], group.batches.isEmpty, !group.waiting.isEmpty, group.dueMicroseconds <= now else { continue }
            freeze(key, group, at: now, suppress: suppress, &outcomes)
        }
        if definition.repeatMicroseconds > 0 { enqueueRepeats(at: now, suppress: suppress) }
        forgetEmptyGroups(at: now)
        return outcomes
    }

    private mutating func freeze(_ key: String, _ group: NotifierState.Group, at now: Int64, suppress: Suppress, _ outcomes: inout [DeliveryOutcome]) {
        var group = group
        var items: [NotifierState.Item] = []
        for item in group.waiting {
            let instance = item.transition.instance
            // It may have been silenced while it waited. Only the beginning that still holds: one that has ended is told with its end behind it.
            if item.transition.to == .firing, state.episodes[instance]?.transition.number == item.transition.number, let reason = suppress(item.transition) {
                state.episodes[instance]?.held = reason.outcome
                outcomes.append(DeliveryOutcome(item.transition, reason.outcome, at: now, reason: reason.reason))
            } else {
                items.append(item)
            }
        }
        group.waiting = []
        let size = gathers ? Self.batchCountMax : 1
        var start = 0
        while start < items.count {
            let part = Array(items[start..<min(start + size, items.count)])
            group.batches.append(batch(part, key: Self.key(of: part), at: now))
            start += size
        }
        state.groups[key] = group
        isDirty = true
    }

    /// Of one transition its own key; of several a hash of theirs.
    private static func key(of items: [NotifierState.Item]) -> String {
        if items.count == 1 { return items[0].transition.key }
        let bytes = Array(items.map(\.transition.key).joined(separator: "\n").utf8)
        return "group/" + HMAC.hash(bytes).prefix(16).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    private mutating func batch(_ items: [NotifierState.Item], key: String, repetition: Int64 = 0, at now: Int64) -> NotifierState.Batch {
        state.nextBatch &+= 1
        return NotifierState.Batch(id: state.nextBatch, key: key, items: items, repetition: repetition, readyMicroseconds: now, nextAttemptMicroseconds: now)
    }

    private mutating func enqueueRepeats(at now: Int64, suppress: Suppress) {
        var due: [String: [NotifierState.Item]] = [:]
        for (instance, episode) in state.episodes.sorted(by: { $0.key < $1.key }) {
            guard episode.held == nil, let told = episode.toldMicroseconds, now &- told >= definition.repeatMicroseconds else { continue }
            // An Alertmanager would take silence for the end of the alert.
            if definition.kind != .alertmanager, suppress(episode.transition) != nil { continue }
            let key = group(of: episode.transition)
            guard state.groups[key]?.batches.isEmpty ?? true else { continue }
            state.episodes[instance]?.repetition &+= 1
            due[key, default: []].append(
                NotifierState.Item(transition: episode.transition, startedMicroseconds: episode.transition.eventMicroseconds))
        }
        for (key, items) in due.sorted(by: { $0.key < $1.key }) {
            var start = 0
            let size = gathers ? Self.batchCountMax : 1
            while start < items.count {
                let part = Array(items[start..<min(start + size, items.count)])
                let repetition = part.compactMap { state.episodes[$0.transition.instance]?.repetition }.max() ?? 1
                let made = batch(part, key: "\(Self.key(of: part))/repeat/\(repetition)", repetition: repetition, at: now)
                state.groups[key, default: NotifierState.Group()].batches.append(made)
                start += size
            }
            isDirty = true
        }
    }

    private mutating func forgetEmptyGroups(at now: Int64) {
        let kept = state.groups.filter { !isOver($0.value, at: now) }
        if kept.count == state.groups.count { return }
        state.groups = kept
        isDirty = true
    }

    private func isOver(_ group: NotifierState.Group, at now: Int64) -> Bool {
        guard group.waiting.isEmpty, group.batches.isEmpty else { return false }
        return group.toldMicroseconds.map { now &- $0 >= definition.groupIntervalMicroseconds } ?? true
    }

    // MARK: Attempts

    /// What is to be tried now, one batch of each group at most.
    package func dueBatches(at now: Int64) -> [NotifierState.Batch] {
        if isPaused(at: now) { return [] }
        return state.groups.values.compactMap(\.batches.first).filter { $0.nextAttemptMicroseconds <= now }.sorted { $0.id < $1.id }
    }

    /// Nothing could be reached a moment ago, so nothing is tried.
    package func isPaused(at now: Int64) -> Bool { now < pausedUntilMicroseconds }

    /// When something is due next; nil when nothing waits.
    package func nextDue(at now: Int64) -> Int64? {
        var times: [Int64] = []
        for group in state.groups.values {
            if let batch = group.batches.first {
                times.append(max(batch.nextAttemptMicroseconds, pausedUntilMicroseconds))
            } else if !group.waiting.isEmpty {
                times.append(group.dueMicroseconds)
            }
        }
        if definition.repeatMicroseconds > 0 {
            times += state.episodes.values.compactMap { $0.held == nil ? $0.toldMicroseconds.map { $0 &+ definition.repeatMicroseconds } : nil }
        }
        return times.min()
    }

    /// What an attempt brought. Dead letters must be written before the state is kept: they are in no other place.
    package mutating func complete(_ id: UInt64, _ result: TransportResult, at now: Int64) -> (outcomes: [DeliveryOutcome], dead: [DeadLetter]) {
        guard let key = state.groups.first(where: { $0.value.batches.first?.id == id })?.key, var group = state.groups[key] else { return ([], []) }
        var batch = group.batches.removeFirst()
        batch.attemptCount &+= 1
        isDirty = true
        var dead: [DeadLetter] = []
        func outcomes(_ name: String, _ reason: String, _ status: Int?) -> [DeliveryOutcome] {
            batch.items.map { DeliveryOutcome($0.transition, name, at: now, reason: reason, attempt: batch.attemptCount, status: status, repetition: batch.repetition) }
        }
        func told() {
            group.toldMicroseconds = now
            for item in batch.items where item.transition.to == .firing && state.episodes[item.transition.instance]?.transition.number == item.transition.number {
                state.episodes[item.transition.instance]?.toldMicroseconds = now
            }
        }
        defer { state.groups[key] = isOver(group, at: now) ? nil : group }
        switch result {
        case .delivered(let status):
            failuresInARow = 0
            told()
            return (outcomes(DeliveryOutcome.delivered, "", status), [])
        case .refused(let status, let reason):
            failuresInARow = 0
            if batch.items.count > 1 {
                let single = batch.items.map { self.batch([$0], key: $0.transition.key + (batch.repetition > 0 ? "/repeat/\(batch.repetition)" : ""), repetition: batch.repetition, at: now) }
                group.batches.insert(contentsOf: single, at: 0)
                return (outcomes(DeliveryOutcome.failed, reason, status), [])
            }
            told()
            if batch.repetition == 0 { dead = batch.items.map { DeadLetter($0.transition, reason, at: now, attempts: batch.attemptCount, status: status) } }
            return (outcomes(DeliveryOutcome.dead, reason, status), dead)
        case .failed(let reason, let status, let isUnreachable):
            let isOver = now &- batch.readyMicroseconds >= definition.giveUpMicroseconds
                || (definition.attemptCountMax > 0 && batch.attemptCount >= definition.attemptCountMax)
            if isUnreachable {
                failuresInARow += 1
                pausedUntilMicroseconds = now &+ delay(batch.key, attempt: Int64(failuresInARow))
            }
            guard isOver else {
                batch.nextAttemptMicroseconds = now &+ delay(batch.key, attempt: batch.attemptCount)
                let failed = outcomes(DeliveryOutcome.failed, reason, status)
                group.batches.insert(batch, at: 0)
                return (failed, [])
            }
            // Whether it came over there nobody knows.
            told()
            if batch.repetition == 0 { dead = batch.items.map { DeadLetter($0.transition, reason, at: now, attempts: batch.attemptCount, status: status) } }
            return (outcomes(DeliveryOutcome.dead, reason, status), dead)
        }
    }

    /// retry_min · 2^(attempt − 1), at most retry_max, and between half of that and all of it, as the key says.
    func delay(_ key: String, attempt: Int64) -> Int64 {
        var delay = definition.retryMinMicroseconds
        var left = attempt
        while left > 1, delay < definition.retryMaxMicroseconds {
            delay = delay.multipliedReportingOverflow(by: 2).overflow ? definition.retryMaxMicroseconds : delay &* 2
            left -= 1
        }
        delay = min(delay, definition.retryMaxMicroseconds)
        let hash = Array(key.utf8).withUnsafeBytes { Hash64.hash($0, seed: UInt64(bitPattern: attempt)) }
        return delay / 2 &+ Int64(hash % UInt64(max(delay / 2, 1)))
    }
}
