// The order of things in one notifier: order, retries, keys, silences, groups, repetition, dead letters; and a random life against what must hold.

import Engine
import Platform
import Foundation
import XCTest

@testable import Alerting

final class NotifierCoreTests: XCTestCase {
    private let second: Int64 = 1_000_000

    /// Tries all that is due; what each attempt brings is up to `answer`. Returns the keys of the attempts.
    @discardableResult
    private func tryAll(_ core: inout NotifierCore, at now: Int64, _ answer: (NotifierState.Batch) -> TransportResult) -> [String] {
        var keys: [String] = []
        while let batch = core.dueBatches(at: now).first {
            keys.append(batch.key)
            _ = core.complete(batch.id, answer(batch), at: now)
        }
        return keys
    }

    func testAnInstanceIsToldInOrderAndWithTheSameKey() throws {
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/', retry_min = '1 s'"))
        for transition in [Make.transition("a", "x", 1, .firing, at: 1), Make.transition("a", "x", 2, .resolved, at: 2)] {
            XCTAssertEqual(core.accept(transition, at: second) { _ in nil }, [])
        }
        _ = core.tick(at: second) { _ in nil }
        XCTAssertEqual(tryAll(&core, at: second) { _ in .failed(reason: "no", status: 503, isUnreachable: false) }, ["a/f-x/1"])
        XCTAssertEqual(core.dueBatches(at: second).count, 0)
        // Between half of the pause and all of it.
        let due = try XCTUnwrap(core.nextDue(at: second))
        XCTAssertTrue((second + second / 2...2 * second).contains(due))
        XCTAssertEqual(tryAll(&core, at: due) { _ in .delivered(status: 200) }, ["a/f-x/1", "a/f-x/2"])
        XCTAssertTrue(core.isIdle)
        XCTAssertTrue(core.state.episodes.isEmpty)
    }

    func testWhatCannotBeReachedHoldsUpItsOwnReceiverOnlyUntilThen() throws {
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/'"))
        for host in ["x", "y", "z"] { _ = core.accept(Make.transition("a", host, 1, .firing, at: 1), at: 0) { _ in nil } }
        _ = core.tick(at: 0) { _ in nil }
        XCTAssertEqual(tryAll(&core, at: 0) { _ in .failed(reason: "refused", status: nil, isUnreachable: true) }.count, 1)
        XCTAssertEqual(Set(tryAll(&core, at: 2 * second) { _ in .delivered(status: 200) }), ["a/f-x/1", "a/f-y/1", "a/f-z/1"])
    }

    func testGivesUpInTimeAndKeepsADeadLetter() throws {
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/', give_up_after = '10 s', retry_min = '1 s', retry_max = '2 s'"))
        _ = core.accept(Make.transition("a", "x", 1, .firing, at: 1), at: 0) { _ in nil }
        _ = core.tick(at: 0) { _ in nil }
        var now: Int64 = 0
        var dead: [DeadLetter] = []
        var attempts = 0
        while dead.isEmpty, attempts < 100 {
            guard let batch = core.dueBatches(at: now).first else {
                now = try XCTUnwrap(core.nextDue(at: now))
                continue
            }
            attempts += 1
            dead = core.complete(batch.id, .failed(reason: "down", status: 500, isUnreachable: false), at: now).dead
        }
        XCTAssertEqual(dead.map(\.transition.key), ["a/f-x/1"])
        XCTAssertTrue((10 * second...13 * second).contains(now), "\(now)")
        XCTAssertEqual(dead.first?.attempts, Int64(attempts))
        // Whether it came over nobody knows: its end is told.
        _ = core.accept(Make.transition("a", "x", 2, .resolved, at: 20), at: now) { _ in nil }
        _ = core.tick(at: now) { _ in nil }
        XCTAssertEqual(tryAll(&core, at: now) { _ in .delivered(status: 200) }, ["a/f-x/2"])
    }

    func testARefusalTakesNoOtherWithIt() throws {
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/', group_by = 'alertname', group_wait = '0', group_interval = '0'"))
        for host in ["x", "y", "z"] { _ = core.accept(Make.transition("a", host, 1, .firing, at: 1), at: 0) { _ in nil } }
        _ = core.tick(at: 0) { _ in nil }
        var dead: [String] = []
        while let batch = core.dueBatches(at: 0).first {
            let isBad = batch.items.contains { $0.transition.fingerprint == "f-y" }
            dead += core.complete(batch.id, isBad ? .refused(status: 422, reason: "no") : .delivered(status: 200), at: 0).dead.map(\.transition.key)
        }
        XCTAssertEqual(dead, ["a/f-y/1"])
        XCTAssertTrue(core.isIdle)
    }

    func testWhatIsSilencedIsToldWhenTheSilenceEndsAndItStillFires() throws {
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/'"))
        var isSilent = true
        let suppress: NotifierCore.Suppress = { _ in isSilent ? .silenced(7) : nil }
        let outcomes = core.accept(Make.transition("a", "x", 1, .firing, at: 1), at: 0, suppress: suppress)
            + core.accept(Make.transition("a", "y", 1, .firing, at: 1), at: 0, suppress: suppress)
        XCTAssertEqual(outcomes.map(\.outcome), ["silenced", "silenced"])
        XCTAssertEqual(outcomes.first?.reason, "silence 7")
        _ = core.tick(at: 0, suppress: suppress)
        XCTAssertTrue(core.isIdle)
        XCTAssertTrue(core.hasHeld)
        // One ends in silence, and nobody hears of it.
        XCTAssertEqual(core.accept(Make.transition("a", "y", 2, .resolved, at: 3), at: 0, suppress: suppress).map(\.outcome), ["silenced"])
        isSilent = false
        _ = core.tick(at: second, suppress: suppress)
        XCTAssertEqual(tryAll(&core, at: second) { _ in .delivered(status: 200) }, ["a/f-x/1"])
        // What was told is ended, silence or not.
        isSilent = true
        XCTAssertEqual(core.accept(Make.transition("a", "x", 2, .resolved, at: 3), at: second, suppress: suppress), [])
        _ = core.tick(at: second, suppress: suppress)
        XCTAssertEqual(tryAll(&core, at: second) { _ in .delivered(status: 200) }, ["a/f-x/2"])
    }

    func testGroupsAreToldAtOnceAndFlappingIsDamped() throws {
        var core = NotifierCore(
            definition: try Make.definition("type = webhook, url = 'http://h/', group_by = 'team', group_wait = '5 s', group_interval = '60 s'"))
        let none: NotifierCore.Suppress = { _ in nil }
        func fire(_ host: String, _ number: Int64, _ state: AlertTransition.State, _ at: Int64, team: String = "db") -> [String] {
            core.accept(Make.transition("a", host, number, state, at: at, labels: ["team": team]), at: at * second, suppress: none).map(\.outcome)
        }
        XCTAssertEqual(fire("x", 1, .firing, 0), [])
        XCTAssertEqual(fire("y", 1, .firing, 1), [])
        XCTAssertEqual(fire("q", 1, .firing, 1, team: "web"), [])
        XCTAssertEqual(fire("z", 1, .firing, 2), [])
        XCTAssertEqual(fire("z", 2, .resolved, 3), ["flapped", "flapped"])
        _ = core.tick(at: 4 * second, suppress: none)
        XCTAssertEqual(core.dueBatches(at: 4 * second).count, 0)
        _ = core.tick(at: 6 * second, suppress: none)
        let batches = core.dueBatches(at: 6 * second)
        XCTAssertEqual(Set(batches.map { $0.items.map(\.transition.fingerprint) }), [["f-x", "f-y"], ["f-q"]])
        tryAll(&core, at: 6 * second) { _ in .delivered(status: 200) }
        // The group was told: what comes waits for the interval, and what ends and begins again within it was never away.
        XCTAssertEqual(fire("x", 2, .resolved, 10), [])
        _ = core.tick(at: 20 * second, suppress: none)
        XCTAssertEqual(core.dueBatches(at: 20 * second).count, 0)
        XCTAssertEqual(fire("x", 3, .firing, 30), ["flapped", "flapped"])
        XCTAssertEqual(fire("y", 2, .resolved, 31), [])
        _ = core.tick(at: 67 * second, suppress: none)
        XCTAssertEqual(core.dueBatches(at: 67 * second).map { $0.items.map(\.transition.key) }, [["a/f-y/2"]])
    }

    func testAnAlertmanagerIsToldAgainUntilTheEnd() throws {
        var core = NotifierCore(definition: try Make.definition("type = alertmanager, url = 'http://h:9093'"))
        _ = core.accept(Make.transition("a", "x", 1, .firing, at: 1), at: 0) { _ in nil }
        _ = core.tick(at: 0) { _ in nil }
        XCTAssertEqual(tryAll(&core, at: 0) { _ in .delivered(status: 200) }, ["a/f-x/1"])
        _ = core.tick(at: 59 * second) { _ in .silenced(1) }
        XCTAssertTrue(core.isIdle)
        // Also when it is silenced here: an Alertmanager would believe that it has ended.
        _ = core.tick(at: 60 * second) { _ in .silenced(1) }
        let batch = try XCTUnwrap(core.dueBatches(at: 60 * second).first)
        XCTAssertEqual(batch.key, "a/f-x/1/repeat/1")
        let body = NotificationBody.alertmanager(batch, core.definition, at: 60 * second)
        XCTAssertEqual(
            body, """
                [{"labels":{"alertname":"a","host":"x","severity":"warning"},"annotations":{"idempotency_key":"a/f-x/1"},"startsAt":"1970-01-01T00:00:01.000Z",\
                "endsAt":"1970-01-01T00:05:00.000Z","generatorURL":""}]
                """)
        tryAll(&core, at: 60 * second) { _ in .delivered(status: 200) }
        _ = core.accept(Make.transition("a", "x", 2, .resolved, at: 70), at: 71 * second) { _ in nil }
        _ = core.tick(at: 71 * second) { _ in nil }
        XCTAssertEqual(tryAll(&core, at: 71 * second) { _ in .delivered(status: 200) }, ["a/f-x/2"])
        _ = core.tick(at: 1_000 * second) { _ in nil }
        XCTAssertTrue(core.isIdle)
    }

    /// Random transitions, silences, failures and crashes (the state as bytes and back, losing what was not kept). Whatever happens: every transition that
    /// should be told is told at least once, in the order of its instance, always under the same key; or has one outcome that says why not.
    func testRandomLives() throws {
        let count = ProcessInfo.processInfo.environment["MILLRACE_NOTIFIER_LIVES"].flatMap { UInt64($0) } ?? 60
        for seed in 0..<count { try life(seed) }
    }

    private func life(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let definition = try Make.definition("type = webhook, url = 'http://h/', retry_min = '1 s', retry_max = '4 s', give_up_after = '1 day'")
        var stream: [AlertTransition] = []
        var numbers: [String: Int64] = [:]
        var isFiring: [String: Bool] = [:]
        for step in 0..<40 {
            let host = "h\(random.below(4))"
            numbers[host, default: 0] += 1
            isFiring[host] = !(isFiring[host] ?? false)
            stream.append(Make.transition("a", host, numbers[host] ?? 0, isFiring[host] == true ? .firing : .resolved, at: Int64(step)))
        }
        var core = NotifierCore(definition: definition)
        core.setPositions([0], streamID: 1)
        var kept = core.state
        var delivered: [String: [Int64]] = [:]
        var attempts: [String: Set<String>] = [:]
        var explained: Set<String> = []
        var now: Int64 = 0
        var rounds = 0
        while rounds < 2_000 {
            rounds += 1
            now += Int64(random.below(2_000)) * 1_000
            let isSilent = (now / (10 * second)) % 3 == 1
            let suppress: NotifierCore.Suppress = { $0.fingerprint == "f-h0" && isSilent ? .silenced(1) : nil }
            let position = Int(core.state.positions.first ?? 0)
            let end = min(stream.count, position + random.below(3))
            for transition in stream[position..<end] { for outcome in core.accept(transition, at: now, suppress: suppress) { explained.insert(outcome.transition.key) } }
            core.setPositions([UInt64(end)], streamID: 1)
            for outcome in core.tick(at: now, suppress: suppress) { explained.insert(outcome.transition.key) }
            if random.below(20) == 0 {
                core = NotifierCore(definition: definition, state: kept)
                continue
            }
            if core.takeDirty() { kept = try XCTUnwrap(NotifierState(bytes: core.state.bytes), "seed \(seed)") }
            XCTAssertTrue(kept == core.state, "seed \(seed): something has changed that is not kept")
            for batch in core.dueBatches(at: now) {
                guard core.dueBatches(at: now).contains(where: { $0.id == batch.id }) else { continue }
                for item in batch.items { attempts[item.transition.key, default: []].insert(batch.key) }
                let dice = random.below(4)
                if dice > 1 { for item in batch.items { delivered[item.transition.fingerprint, default: []].append(item.transition.number) } }
                // It arrives, and nobody hears that it has.
                let result: TransportResult = dice == 3 || dice == 0 ? .failed(reason: "", status: nil, isUnreachable: dice == 0) : dice == 2 ? .delivered(status: 200) : .failed(reason: "", status: 500, isUnreachable: false)
                if random.below(20) == 0 {
                    core = NotifierCore(definition: definition, state: kept)
                    break
                }
                _ = core.complete(batch.id, result, at: now)
                if random.below(2) == 0, core.takeDirty() { kept = core.state }
            }
            if end == stream.count, core.isIdle, !core.hasHeld, rounds > 50 { break }
        }
        XCTAssertLessThan(rounds, 2_000, "seed \(seed): something is never told")
        for transition in stream {
            let isTold = delivered[transition.fingerprint]?.contains(transition.number) ?? false
            XCTAssertTrue(isTold || explained.contains(transition.key), "seed \(seed): \(transition.key) is lost")
            if transition.fingerprint != "f-h0" { XCTAssertTrue(isTold, "seed \(seed): \(transition.key) was not told") }
            XCTAssertLessThanOrEqual(attempts[transition.key]?.count ?? 0, 1, "seed \(seed): \(transition.key) has several keys")
        }
        for (instance, numbers) in delivered {
            // Repetitions aside, in order: nothing is told for the first time after what came later.
            var seen: [Int64] = []
            for number in numbers where !seen.contains(number) { seen.append(number) }
            XCTAssertEqual(seen, seen.sorted(), "seed \(seed): \(instance)")
        }
    }

    func testDamagedStatesAreRefusedAndNeverTrap() throws {
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/'"))
        for host in ["x", "y"] { _ = core.accept(Make.transition("a", host, 1, .firing, at: 1), at: 0) { _ in nil } }
        _ = core.tick(at: 0) { _ in nil }
        let bytes = core.state.bytes
        XCTAssertEqual(NotifierState(bytes: bytes), core.state)
        for count in 0..<bytes.count { XCTAssertNil(NotifierState(bytes: Array(bytes.prefix(count)))) }
        for index in bytes.indices {
            for change in [UInt8(0xFF), 0x80, 0x01] {
                var damaged = bytes
                damaged[index] ^= change
                _ = NotifierState(bytes: damaged)
            }
        }
    }

    func testTheFileIsReadBackAndItsCopyWhenItIsDamaged() throws {
        let disk = SimulatedFileSystem()
        let file = OutboxFile(directory: "/d", id: 3, fileSystem: disk)
        guard case .none = try file.load() else { return XCTFail("something is there") }
        var core = NotifierCore(definition: try Make.definition("type = webhook, url = 'http://h/'"))
        try file.save(core.state)
        let before = core.state
        _ = core.accept(Make.transition("a", "x", 1, .firing, at: 1), at: 0) { _ in nil }
        try file.save(core.state)
        guard case .state(let state, nil) = try file.load() else { return XCTFail("not read") }
        XCTAssertEqual(state, core.state)
        let damaged = try disk.open("/d/alerting/3", .readWrite)
        try [UInt8(0xEE)].withUnsafeBytes { try damaged.write($0, at: 40) }
        guard case .state(let older, .some) = try file.load() else { return XCTFail("the copy is not used") }
        XCTAssertEqual(older, before)
        let copy = try disk.open("/d/alerting/3.copy", .truncate)
        try copy.truncate(to: 5)
        guard case .damaged = try file.load() else { return XCTFail("damage is not seen") }
    }
}
