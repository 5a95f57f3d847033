// The state machine of an alert against a model that knows no timers: it looks at every tick of time and counts.

import Columns
import Planning
import Platform
import XCTest

@testable import Dataflow

final class AlertMachineTests: XCTestCase {
    private enum Event {
        case evaluation(time: Int64, condition: Bool?, resolve: Bool?)
        case removal(time: Int64)
        /// Nothing came for so long; nothing that is older comes afterwards.
        case silence(time: Int64)
    }

    private struct Rule {
        var timing = AlertTiming()
        var hasResolve = false
        var isUnconditional = false
    }

    private func rule(_ random: inout SeededRandom) -> Rule {
        var rule = Rule()
        if random.below(2) == 0 { rule.timing.holdMicroseconds = Int64(random.below(12)) }
        if random.below(2) == 0 { rule.timing.keepFiringMicroseconds = Int64(random.below(12)) }
        if random.below(3) == 0 {
            rule.timing.of = [2, 3, 5, 64][random.below(4)]
            rule.timing.needed = 1 + random.below(min(rule.timing.of, 6))
        }
        rule.hasResolve = random.below(3) == 0
        rule.isUnconditional = random.below(6) == 0
        rule.timing.noData = [.fire, .resolve, .keep][random.below(3)]
        return rule
    }

    private func events(_ random: inout SeededRandom) -> [Event] {
        var events: [Event] = []
        var time: Int64 = 0
        for _ in 0..<(1 + random.below(60)) {
            time += [0, 1, 1, 2, 3, 9, 30][random.below(7)] as Int64
            let truth: [Bool?] = [true, true, false, nil]
            switch random.below(20) {
            case 0: events.append(.removal(time: time))
            case 1: events.append(.silence(time: time))
            default: events.append(.evaluation(time: time, condition: truth[random.below(4)], resolve: truth[random.below(4)]))
            }
        }
        return events
    }

    /// Tick by tick. An evaluation of a tick comes before what the tick itself brings about; an alert that has held its condition for so many ticks fires.
    private func naive(_ rule: Rule, _ events: [Event], until end: Int64) -> [AlertTransition] {
        enum State { case inactive, pending(ticks: Int64), firing }
        var out: [AlertTransition] = []
        var state = State.inactive
        var past: [Bool] = []
        var endingTicks: Int64?
        var firesForSilence = false
        var isSilent = false
        var next = 0
        func say(_ from: AlertPhase, _ to: AlertPhase, _ time: Int64, _ reason: AlertReason) {
            out.append(AlertTransition(from: from, to: to, time: time, reason: reason))
        }
        func stop(_ time: Int64, _ reason: AlertReason) {
            switch state {
            case .inactive: return
            case .pending: say(.pending, .inactive, time, reason)
            case .firing: say(.firing, .resolved, time, reason)
            }
            state = .inactive
            endingTicks = nil
            firesForSilence = false
        }
        func judge(_ time: Int64, _ holds: Bool, _ resolved: Bool) {
            if firesForSilence {
                firesForSilence = false
                if !holds { return stop(time, .dataAgain) }
            }
            switch state {
            case .inactive where holds && rule.timing.holdMicroseconds == 0:
                say(.inactive, .firing, time, .condition)
                state = .firing
            case .inactive where holds:
                say(.inactive, .pending, time, .condition)
                state = .pending(ticks: 0)
            case .pending where !holds: return stop(time, .conditionEnded)
            default: break
            }
            if rule.isUnconditional && holds {
                if rule.timing.keepFiringMicroseconds > 0 { endingTicks = 0 }
                return
            }
            guard case .firing = state else { return }
            guard !holds && (rule.hasResolve ? resolved : true) else {
                endingTicks = nil
                return
            }
            if rule.timing.keepFiringMicroseconds == 0 { return stop(time, .conditionEnded) }
            endingTicks = endingTicks ?? 0
        }
        /// What the tick's end brings.
        func pass(_ time: Int64) {
            while true {
                if case .pending(let ticks) = state, ticks >= rule.timing.holdMicroseconds {
                    say(.pending, .firing, time, .condition)
                    state = .firing
                } else if case .firing = state, !firesForSilence, let ticks = endingTicks, ticks >= rule.timing.keepFiringMicroseconds {
                    stop(time, .conditionEnded)
                } else {
                    return
                }
            }
        }
        for time in 0...end {
            var passed = false
            while next < events.count {
                switch events[next] {
                case .evaluation(time, let condition, let resolve):
                    isSilent = false
                    let truth = rule.isUnconditional ? !(rule.hasResolve && resolve == true) : condition == true
                    past.append(truth)
                    judge(time, past.suffix(rule.timing.of).filter { $0 }.count >= rule.timing.needed, rule.hasResolve && resolve == true)
                case .removal(time):
                    past = []
                    judge(time, false, true)
                case .silence(time):
                    // The clock of records has come to this tick, and everything up to it has been looked at.
                    if !passed { pass(time) }
                    passed = true
                    if !isSilent {
                        switch rule.timing.noData {
                        case .keep: break
                        case .resolve:
                            past = []
                            stop(time, .noData)
                        case .fire:
                            past = []
                            switch state {
                            case .inactive: say(.inactive, .firing, time, .noData)
                            case .pending: say(.pending, .firing, time, .noData)
                            case .firing: break
                            }
                            state = .firing
                            endingTicks = nil
                            firesForSilence = true
                        }
                        isSilent = true
                    }
                default: break
                }
                guard timeOf(events[next]) == time else { break }
                next += 1
            }
            pass(time)
            if case .pending(let ticks) = state { state = .pending(ticks: ticks + 1) }
            endingTicks = endingTicks.map { $0 + 1 }
        }
        return out
    }

    private func timeOf(_ event: Event) -> Int64 {
        switch event {
        case .evaluation(let time, _, _), .removal(let time), .silence(let time): time
        }
    }

    /// The machine, told of time in leaps, often later than it could be.
    private func machine(_ rule: Rule, _ events: [Event], until end: Int64, _ random: inout SeededRandom) -> [AlertTransition] {
        let machine = AlertMachine(timing: rule.timing, hasResolve: rule.hasResolve, isUnconditional: rule.isUnconditional)
        var instance = AlertInstance()
        var out: [AlertTransition] = []
        for event in events {
            let time = timeOf(event)
            if random.below(2) == 0, time > 2 { machine.advance(&instance, to: time - 2) { out.append($0) } }
            machine.advance(&instance, to: time - 1) { out.append($0) }
            switch event {
            case .evaluation(_, let condition, let resolve):
                machine.evaluate(&instance, at: time, isTrue: condition == true, isResolved: rule.hasResolve && resolve == true) { out.append($0) }
            case .removal: machine.remove(&instance, at: time) { out.append($0) }
            case .silence:
                machine.advance(&instance, to: time) { out.append($0) }
                machine.noData(&instance, at: time) { out.append($0) }
            }
            if let timer = machine.nextTimer(instance) { XCTAssertGreaterThanOrEqual(timer, 0) }
        }
        machine.advance(&instance, to: end) { out.append($0) }
        return out
    }

    func testTheMachineAgreesWithCountingTicks() {
        var random = SeededRandom(seed: 20_261_121)
        var seen: Set<String> = []
        for round in 0..<6_000 {
            let rule = rule(&random)
            var events = events(&random)
            // Behind a silence nothing comes in its own tick: it would have been looked at before.
            for index in events.indices.dropFirst() {
                if case .silence(let time) = events[index - 1], timeOf(events[index]) == time { events[index] = .silence(time: time) }
            }
            let end = timeOf(events[events.count - 1]) + 40
            let expected = naive(rule, events, until: end)
            let found = machine(rule, events, until: end, &random)
            guard expected == found else { return XCTFail("round \(round)\n\(rule)\n\(events)\nexpected \(expected)\nfound    \(found)") }
            for transition in found { seen.insert("\(transition.from) \(transition.to) \(transition.reason)") }
        }
        XCTAssertGreaterThanOrEqual(seen.count, 9, "\(seen.sorted())")
    }

    func testTransitionsFormAChain() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<5_000 {
            let rule = rule(&random)
            let events = events(&random)
            let found = machine(rule, events, until: timeOf(events[events.count - 1]) + 100, &random)
            var state = AlertPhase.inactive
            var time = Int64.min
            for transition in found {
                XCTAssertEqual(transition.from, state)
                XCTAssertGreaterThanOrEqual(transition.time, time)
                state = transition.to == .resolved ? .inactive : transition.to
                time = transition.time
            }
        }
    }

    func testTimesAtTheEndsOfTimeDoNotTrap() {
        var timing = AlertTiming()
        timing.holdMicroseconds = .max
        timing.keepFiringMicroseconds = .max
        let machine = AlertMachine(timing: timing)
        var instance = AlertInstance()
        machine.evaluate(&instance, at: .max - 1, isTrue: true, isResolved: false) { _ in }
        XCTAssertNotNil(machine.nextTimer(instance))
        machine.advance(&instance, to: .max) { _ in }
        machine.evaluate(&instance, at: .max, isTrue: false, isResolved: false) { _ in }
        machine.advance(&instance, to: .max) { _ in }
        XCTAssertEqual(instance.phase, .inactive)
    }

    func testThresholdsFoundTogetherAreThoseFoundOneByOne() {
        var random = SeededRandom(seed: 99)
        let types: [Planning.AlertComparison] = [.greater, .greaterOrEqual, .less, .lessOrEqual]
        for _ in 0..<200 {
            var conditions: [AlertCondition?] = []
            for _ in 0..<random.below(150) {
                switch random.below(12) {
                case 0: conditions.append(.always)
                case 1: conditions.append(.column(2))
                case 2: conditions.append(nil)
                case 3...6: conditions.append(.threshold(column: 0, types[random.below(4)], .integer(Int64(random.below(20)))))
                default: conditions.append(.threshold(column: 1, types[random.below(4)], .double(Double(random.below(20)) / 2)))
                }
            }
            let doubles: [Value] = [.null, .double(.nan), .double(.infinity)] + (0..<24).map { .double(Double($0) / 2) }
            let rows = (0..<40).map { _ -> [Value] in
                [
                    random.below(8) == 0 ? .null : .integer(Int64(random.below(22))), doubles[random.below(doubles.count)],
                    [.null, .boolean(true), .boolean(false)][random.below(3)],
                ]
            }
            let batch = RowBatch.make(rows, types: [.bigint, .double, .boolean])
            let together = AlertConditions(conditions)
            var bits = [UInt64](repeating: .max, count: together.wordCount)
            for row in 0..<batch.count {
                bits.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { together.evaluate(batch.columns, row: row, into: base) } }
                for (place, condition) in conditions.enumerated() {
                    let expected = condition.map { AlertConditions.isTrue($0, batch.columns, row: row) } ?? false
                    XCTAssertEqual(bits[place >> 6] & (1 << UInt64(place & 63)) != 0, expected, "\(String(describing: condition)) of \(rows[row])")
                }
            }
        }
    }
}
