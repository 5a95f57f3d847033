// Simulation: one world, driven by one seed, in one thread: a simulated disk and clock, an engine that lives several lives on them, producers,
// saved queries, readers, and everything that goes wrong with a machine.
//
// A life opens the data directory, with other workers and batch sizes than the life before, makes what is not there yet of the scenario, and
// does some tens of random things. It ends with the power cut in the middle of some operation, with the death of the process, or with an orderly
// close. Rules (each is a Violation when broken):
//  1. What was acknowledged is there after every restart: rows, definitions. What was not tried is not.
//  2. What a reader was shown stays as it was: the same row at the same sequence number of the same shard.
//  3. The outputs, folded, equal a naive computation over what the input streams hold; before the watermark has passed, a timed append-only output
//     is a part of it. A plain SELECT gives the same at any time.
//  4. Nothing fails but for a reason: an error needs a fault that was injected in this life, or lost power.
//  5. On a damaged disk (a copy: the world itself goes on without) rules 2 and 3 hold for all that is served, and what is missing has been reported.

import Columns
import OracleSupport
import Planning
import Platform
import ShardLog
import Syntax

@testable import Engine

struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

final class Simulation {
    struct Figures {
        var lives = 0
        var powerCuts = 0
        var refusals = 0
        var damagedLives = 0
        var damageReports = 0
        var comparedOutputs = 0
        var comparedRows = 0
        var uncomparedOutputs = 0
        var queriesFailed = 0
        var shardChanges = 0

        static func + (a: Figures, b: Figures) -> Figures {
            Figures(
                lives: a.lives + b.lives, powerCuts: a.powerCuts + b.powerCuts, refusals: a.refusals + b.refusals, damagedLives: a.damagedLives + b.damagedLives,
                damageReports: a.damageReports + b.damageReports, comparedOutputs: a.comparedOutputs + b.comparedOutputs,
                comparedRows: a.comparedRows + b.comparedRows, uncomparedOutputs: a.uncomparedOutputs + b.uncomparedOutputs,
                queriesFailed: a.queriesFailed + b.queriesFailed, shardChanges: a.shardChanges + b.shardChanges)
        }
    }

    let seed: UInt64
    var random: SeededRandom
    let files: SimulatedFileSystem
    let clock = ManualClock(startingAtMicroseconds: 1_700_000_000_000_000)
    let scenario: Scenario
    var figures = Figures()
    private(set) var events: [String] = []
    private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325

    /// How far event time has come, in milliseconds.
    var eventTime: Int64 = 100_000
    /// What readers have been shown, by stream and shard.
    var served: [String: [[Entry]]] = [:]
    /// Statements that were acknowledged, by the name they define.
    var defined: Set<String> = []
    var isFinal = false
    /// Since the last opening: streams that are not synced always may have lost their end.
    var hasLostPower = false

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ 17)
        scenario = try Scenario(&random)
        files = SimulatedFileSystem(seed: random.next())
    }

    func note(_ event: String) {
        events.append(event)
        mix(event)
    }

    func mix(_ text: String) { for byte in text.utf8 { trace = (trace ^ UInt64(byte)) &* 0x100_0000_01B3 } }

    /// Returns a hash of all that happened.
    func run() throws -> UInt64 {
        note("scenario: " + scenario.queries.map { "\($0.name) into \($0.target): \($0.sql)" }.joined(separator: "; "))
        let lives = 3 + random.below(4)
        for number in 0..<lives {
            isFinal = number == lives - 1
            try live()
        }
        mix("\(files.traceHash)")
        return trace
    }

    // MARK: Lives

    private func live() throws {
        figures.lives += 1
        let life = Life(self)
        // The last life has no faults: it shows what all the others have left behind.
        if !isFinal {
            if random.below(3) > 0 { files.cutPower(atOperation: files.operationCount + 1 + random.below(random.below(3) == 0 ? 60 : 600)) }
            if random.below(6) == 0 { files.onEachOperation { [clock] in clock.advance(byMicroseconds: 2_500) } }
        }
        var closes = false
        do {
            try life.open()
            try life.checkAfterOpening()
            if isFinal { try life.finish() } else { try life.act() }
            closes = isFinal || random.below(4) == 0
            if closes {
                note("close")
                try life.close()
            }
        } catch let violation as Violation {
            throw violation
        } catch {
            try life.excuse(error)
        }
        figures.refusals += files.refusalCount - life.refusalsBefore
        let wasCut = files.isPoweredOff
        if wasCut { figures.powerCuts += 1 }
        life.end()
        files.onEachOperation(nil)
        files.setCapacity(byteCount: .max)
        files.forgetFailures()
        files.cutPower(atOperation: nil)
        if wasCut || (!closes && random.below(2) == 0) {
            note(wasCut ? "power cut at operation \(files.operationCount)" : "machine dies")
            files.crash()
            hasLostPower = true
        } else {
            // A failed sync may have lost what was to be made durable, without a power cut.
            if files.refusalCount > life.refusalsBefore { hasLostPower = true }
            note("process dies")
            files.killProcess()
        }
        if random.below(5) == 0 { moveClock() }
    }

    func moveClock() {
        let day: Int64 = 86_400_000_000
        switch random.below(6) {
        case 0:
            clock.jump(byMicroseconds: Int64(1 + random.below(20)) * day)
            note("clock jumps forward")
        case 1:
            clock.jump(byMicroseconds: -Int64(1 + random.below(20)) * day)
            note("clock jumps back")
        case 2: note("clock stands still")
        default: clock.advance(byMicroseconds: Int64(random.below(3_000_000)))
        }
    }
}
