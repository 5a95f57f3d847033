// AlertMachine: what happens to one instance of an alert, as a function of its state and of what comes: evaluations, time, silence.
//
//   inactive ──condition──▶ pending ──FOR has passed──▶ firing ──it ends, KEEP FIRING has passed──▶ resolved (and inactive again)
//      ▲                       │
//      └──condition ended──────┘
//
// - The condition holds when at least `needed` of the last `of` evaluations were true.
// - Without RESOLVE WHEN it ends when it does not hold; with it, when that is true and the condition does not hold: between the two thresholds a firing
//   instance fires on.
// - A rule without a condition of its own takes every row for a true evaluation: then KEEP FIRING counts from the last row.
// - FOR and KEEP FIRING are timers. A timer at T is due once every evaluation up to and at T is known (`advance`), so an evaluation at T comes before it.
// - Silence is said from outside (`noData`): FIRE makes the instance fire, whatever it was; RESOLVE ends it; the first evaluation afterwards decides alone.
//
// Pure: no clock, no memory but the instance.

import Planning

/// What is known of one instance.
struct AlertInstance: Hashable {
    enum Phase: UInt8 { case inactive, pending, firing }

    var phase = Phase.inactive
    /// It fires because nothing came.
    var firesForSilence = false
    /// Silence has been said, and nothing has come since.
    var isSilent = false
    /// Of a pending one when the condition began to hold, of a firing one when it began to fire.
    var since = Int64.min
    /// When the end of a firing one began; `AlertInstance.never` when it has not.
    var endingSince = AlertInstance.never
    /// The last evaluations, the newest lowest.
    var history: UInt64 = 0
    /// Of the last transition.
    var number: Int64 = 0
    /// The epoch's clock at the last transition.
    var changedMicroseconds = Int64.min

    static let never = Int64.max

    /// Nothing that a new instance would not know too, the number apart.
    var isBlank: Bool { phase == .inactive && history == 0 && !isSilent }
}

struct AlertTransition: Hashable {
    var from: AlertPhase
    var to: AlertPhase
    var time: Int64
    var reason: AlertReason
}

struct AlertMachine: Hashable {
    let timing: AlertTiming
    /// Whether RESOLVE WHEN says when it ends.
    let hasResolve: Bool
    /// Whether every row is a true evaluation.
    let isUnconditional: Bool

    private var mask: UInt64 { timing.of >= 64 ? .max : (1 << UInt64(timing.of)) - 1 }

    init(_ rule: AlertRule) {
        timing = rule.timing
        hasResolve = rule.resolve != nil
        isUnconditional = rule.condition == .always
    }

    init(timing: AlertTiming, hasResolve: Bool = false, isUnconditional: Bool = false) {
        self.timing = timing
        self.hasResolve = hasResolve
        self.isUnconditional = isUnconditional
    }

    /// An evaluation at `time`, not before any other of this instance. Timers due before it have been advanced.
    @inline(__always)
    func evaluate(_ instance: inout AlertInstance, at time: Int64, isTrue: Bool, isResolved: Bool, _ emit: (AlertTransition) -> Void) {
        // A rule without a condition holds unless the row resolves it.
        let isTrue = isUnconditional ? !(hasResolve && isResolved) : isTrue
        instance.isSilent = false
        instance.history = (instance.history << 1 | (isTrue ? 1 : 0)) & mask
        let holds = timing.of == 1 ? isTrue : instance.history.nonzeroBitCount >= timing.needed
        if instance.phase == .firing, holds, !instance.firesForSilence, !isUnconditional {
            instance.endingSince = AlertInstance.never
            return
        }
        decide(&instance, time, holds, isResolved, emit)
    }

    private func decide(_ instance: inout AlertInstance, _ time: Int64, _ holds: Bool, _ isResolved: Bool, _ emit: (AlertTransition) -> Void) {
        if instance.firesForSilence {
            instance.firesForSilence = false
            instance.since = time
            if !holds { return end(&instance, at: time, .dataAgain, emit) }
        }
        switch instance.phase {
        case .inactive:
            guard holds else { return }
            if timing.holdMicroseconds == 0 {
                fire(&instance, at: time, .condition, emit)
            } else {
                instance.phase = .pending
                instance.since = time
                emit(AlertTransition(from: .inactive, to: .pending, time: time, reason: .condition))
            }
        case .pending:
            if !holds { return end(&instance, at: time, .conditionEnded, emit) }
        case .firing: break
        }
        if isUnconditional, holds {
            if timing.keepFiringMicroseconds > 0 { instance.endingSince = min(time, AlertInstance.never - 1) }
            return
        }
        guard instance.phase == .firing else { return }
        let ends = !holds && (!hasResolve || isResolved)
        if !ends {
            instance.endingSince = AlertInstance.never
        } else if timing.keepFiringMicroseconds == 0 {
            end(&instance, at: time, .conditionEnded, emit)
        } else if instance.endingSince == AlertInstance.never {
            instance.endingSince = min(time, AlertInstance.never - 1)
        }
    }

    /// The row of the key was taken back, and no other has taken its place.
    func remove(_ instance: inout AlertInstance, at time: Int64, _ emit: (AlertTransition) -> Void) {
        instance.history = 0
        decide(&instance, time, false, true, emit)
    }

    /// When time alone changes it; nil when it does not.
    @inline(__always)
    func nextTimer(_ instance: AlertInstance) -> Int64? {
        switch instance.phase {
        case .inactive: return nil
        case .pending: return Self.sum(instance.since, timing.holdMicroseconds)
        case .firing:
            guard instance.endingSince != AlertInstance.never, !instance.firesForSilence else { return nil }
            return max(Self.sum(instance.endingSince, timing.keepFiringMicroseconds), instance.since)
        }
    }

    private static func sum(_ time: Int64, _ interval: Int64) -> Int64 {
        let (sum, overflow) = time.addingReportingOverflow(interval)
        return overflow ? .max - 1 : sum
    }

    /// Every evaluation up to and at `limit` has been given.
    func advance(_ instance: inout AlertInstance, to limit: Int64, _ emit: (AlertTransition) -> Void) {
        while let time = nextTimer(instance), time <= limit {
            if instance.phase == .pending {
                fire(&instance, at: time, .condition, emit)
            } else {
                end(&instance, at: time, .conditionEnded, emit)
            }
        }
    }

    /// Nothing has come for the time of ON NO DATA; `time` is how far the clock of the records has come.
    func noData(_ instance: inout AlertInstance, at time: Int64, _ emit: (AlertTransition) -> Void) {
        if instance.isSilent { return }
        instance.isSilent = true
        switch timing.noData {
        case .keep: return
        case .resolve:
            instance.history = 0
            if instance.phase != .inactive { end(&instance, at: time, .noData, emit) }
        case .fire:
            instance.history = 0
            if instance.phase != .firing { fire(&instance, at: time, .noData, emit) }
            instance.firesForSilence = true
            instance.endingSince = AlertInstance.never
        }
    }

    /// The rule is no more.
    func retire(_ instance: inout AlertInstance, at time: Int64, _ reason: AlertReason, _ emit: (AlertTransition) -> Void) {
        if instance.phase != .inactive { end(&instance, at: time, reason, emit) }
        instance.history = 0
        instance.isSilent = false
    }

    private func fire(_ instance: inout AlertInstance, at time: Int64, _ reason: AlertReason, _ emit: (AlertTransition) -> Void) {
        let from: AlertPhase = instance.phase == .pending ? .pending : .inactive
        instance.phase = .firing
        instance.since = time
        emit(AlertTransition(from: from, to: .firing, time: time, reason: reason))
    }

    private func end(_ instance: inout AlertInstance, at time: Int64, _ reason: AlertReason, _ emit: (AlertTransition) -> Void) {
        let wasFiring = instance.phase == .firing
        instance.phase = .inactive
        instance.firesForSilence = false
        instance.since = .min
        instance.endingSince = AlertInstance.never
        emit(AlertTransition(from: wasFiring ? .firing : .pending, to: wasFiring ? .resolved : .inactive, time: time, reason: reason))
    }
}
