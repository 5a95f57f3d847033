// Life: the engine from opening to its end, and what happens in between.

import Columns
import OracleSupport
import Planning
import Platform
import ShardLog
import Synchronization
import Syntax

@testable import Engine

/// Notices of an engine; they may come from any thread.
final class NoticeList: Sendable {
    private let texts = Mutex<[String]>([])

    func add(_ text: String) { texts.withLock { $0.append(text) } }
    var all: [String] { texts.withLock { $0 } }
}

final class Life {
    let simulation: Simulation
    let files: SimulatedFileSystem
    let clock: ManualClock
    /// A copy of the disk that has been damaged: what is missing may be, when it was reported.
    let isDamaged: Bool
    let refusalsBefore: Int
    let notices = NoticeList()
    private var opened: Engine?
    private var failedQueries: Set<String> = []
    private var watermarks: [String: Int64] = [:]
    /// On a damaged disk: what was acknowledged there.
    var appended: [String: [Entry]] = [:]
    /// On a damaged disk: how far each query that ran had read each stream before, by shard.
    var readBefore: [String: [String: [Int64]]] = [:]

    init(_ simulation: Simulation, on files: SimulatedFileSystem? = nil, clock: ManualClock? = nil) {
        self.simulation = simulation
        self.files = files ?? simulation.files
        self.clock = clock ?? simulation.clock
        isDamaged = files != nil
        refusalsBefore = self.files.refusalCount
    }

    var scenario: Scenario { simulation.scenario }

    func engine() throws -> Engine {
        guard let opened else { throw Violation("no engine") }
        return opened
    }

    private func below(_ bound: Int) -> Int { simulation.random.below(bound) }

    /// Passes over an error that has a cause: lost power, or a fault that was injected in this life.
    func excuse(_ error: any Error) throws {
        if files.isPoweredOff || files.refusalCount > refusalsBefore || isDamaged {
            simulation.note("error: \(Simulation.brief(error))")
            return
        }
        throw Violation("failed for no reason: \(Simulation.brief(error))")
    }

    // MARK: Opening and definitions

    func open() throws {
        var options = EngineOptions()
        options.isSingleThreaded = true
        options.workerCount = [1, 1, 1, 3][below(4)]
        options.batchRows = [1, 3, 8_192, 8_192][below(4)]
        options.epochRowsMax = [2, 9, 1 << 19, 1 << 19][below(4)]
        options.checkpointIntervalMicroseconds = [20_000, 500_000, 10_000_000][below(3)]
        options.onNotice = { [notices] in notices.add($0) }
        simulation.note("open: \(options.workerCount) workers, batches of \(options.batchRows), epochs of \(options.epochRowsMax)")
        let engine = try Engine(directory: "/data", options: options, clock: clock, fileSystem: files)
        opened = engine
        guard !isDamaged else { return }
        for name in simulation.defined.sorted() where engine.object(named: name) == nil && engine.queryObject(named: name) == nil {
            throw Violation("\(name) was created and is gone")
        }
    }

    /// Makes the next thing of the scenario that is not there. Returns whether there was one.
    func defineNext() throws -> Bool {
        let engine = try engine()
        for stream in scenario.streams where engine.object(named: stream.name) == nil {
            try define(stream.name, stream.definition)
            return true
        }
        for output in scenario.outputs where engine.object(named: output.name) == nil {
            try define(output.name, output.sql)
            return true
        }
        for query in scenario.queries where engine.queryObject(named: query.name) == nil {
            try define(query.name, "CREATE QUERY \(query.name) AS INSERT INTO \(query.target) \(query.sql)")
            return true
        }
        return false
    }

    private func define(_ name: String, _ sql: String) throws {
        simulation.note("define \(name)")
        let session = try engine().makeSession()
        for statement in try Parser.parseScript(sql) { _ = try session.execute(statement, source: sql) }
        simulation.defined.insert(name)
    }

    func close() throws {
        try engine().close()
        for query in try engine().savedQueries { try noteFailure(query) }
        opened = nil
    }

    /// Lets go of the engine without another word.
    func end() { opened = nil }

    // MARK: Acting

    func act() throws {
        let count = 15 + below(60)
        for _ in 0..<count {
            do {
                try actOnce()
            } catch let violation as Violation {
                throw violation
            } catch {
                try excuse(error)
            }
            if files.isPoweredOff { return }
        }
    }

    private func actOnce() throws {
        clock.advance(byMicroseconds: Int64(below(100_000)))
        switch below(40) {
        case 0..<4: if try !defineNext() { try append() }
        case 4..<14: try append()
        case 14..<26: try stepOne(times: 1 + below(3))
        case 26, 27: try checkpointOne()
        case 28, 29:
            simulation.note("maintain")
            try engine().log.maintain()
        case 30: simulation.moveClock()
        case 31: try tailOne()
        case 32: try selectOne()
        case 33:
            let number = files.operationCount + below(12)
            let code: Int32 = [5, 28, 24][below(3)]
            simulation.note("operation \(number) will fail with \(code)")
            files.failOperation(number, code: code)
        case 34: try fillDisk()
        case 35: try reopenFenced()
        case 36: try simulation.damage(self)
        case 38: try changeShards()
        case 37:
            try drain()
            try checkOutputs(isComplete: false)
        default: try stepOne(times: 1)
        }
    }

    func append(count: Int? = nil) throws {
        let engine = try engine()
        let streams = scenario.streams.filter { engine.object(named: $0.name) != nil }
        guard !streams.isEmpty else { return }
        let stream = streams[below(streams.count)]
        if stream.kind == .changelog, stream.live == nil { try readBack(stream) }
        let entries = stream.entries(count ?? (below(12) == 0 ? 12 : 1 + below(4)), time: &simulation.eventTime, &simulation.random)
        try append(entries, to: stream)
    }

    func append(_ entries: [Entry], to model: SimulatedStream) throws {
        guard !entries.isEmpty else { return }
        let stream = try logStream(model.name)
        if !isDamaged { for entry in entries { model.attempted[entry, default: 0] += 1 } }
        do {
            let batch = RowBatch.make(entries, types: stream.schema.types)
            try stream.append(batch, routing: .automatic(rotation: UInt64(below(7))), arrivalMicroseconds: clock.nowMicroseconds())
        } catch {
            // Some of it may be there.
            model.live = nil
            throw error
        }
        if isDamaged { appended[model.name, default: []] += entries }
        if !isDamaged { for entry in entries { model.acknowledged[entry, default: 0] += 1 } }
        simulation.note("append \(entries.count) to \(model.name)")
    }

    private func readBack(_ model: SimulatedStream) throws {
        var live: [Row] = []
        for entry in try read(model.name).flatMap({ $0 }) {
            if entry.change.isAddition {
                live.append(entry.row)
            } else if let place = live.firstIndex(of: entry.row) {
                live.remove(at: place)
            } else if !isDamaged {
                // On a damaged copy the row may be one that is lost, and was taken back by an append that did not know.
                throw Violation("\(model.name) takes back a row that is not there: \(entry)")
            }
        }
        model.live = live
    }

    /// Splits or merges shards of any stream; not of the one whose late rows depend on the order of arrival.
    private func changeShards() throws {
        let streams = try engine().log.streams.filter { $0.name != "l" && !$0.description.partitionColumns.isEmpty }
        guard !streams.isEmpty else { return }
        let stream = streams[below(streams.count)]
        let shapes = stream.description.shards
        let open = shapes.filter { !$0.isClosed }.sorted { $0.range.first < $1.range.first }
        let place = below(open.count)
        let isMerge = open.count > 1 && (open.count > 4 || below(3) == 0)
        let other = open[place == 0 ? min(1, open.count - 1) : place - 1]
        let change = isMerge ? "MERGE SHARDS \(open[place].index), \(other.index)" : "SPLIT SHARD \(open[place].index)"
        let sql = "ALTER STREAM \(stream.name) \(change)"
        simulation.note(sql)
        let session = try engine().makeSession()
        for statement in try Parser.parseScript(sql) { _ = try session.execute(statement, source: sql) }
        simulation.figures.shardChanges += 1
    }

    // MARK: Queries

    private func queries() throws -> [RunningQuery] { try engine().savedQueries.filter { !$0.hasEnded } }

    func stepOne(times: Int) throws {
        let queries = try queries()
        guard !queries.isEmpty else { return }
        let query = queries[below(queries.count)]
        for _ in 0..<times {
            let outcome = query.step()
            try noteFailure(query)
            guard let outcome, case .progressed = outcome else { break }
        }
        simulation.note("step \(query.name) to epoch \(query.progress().epoch)")
    }

    func checkpointOne() throws {
        let queries = try queries()
        guard !queries.isEmpty else { return }
        let query = queries[below(queries.count)]
        simulation.note("checkpoint \(query.name)")
        query.checkpoint()
        try noteFailure(query)
    }

    private func noteFailure(_ query: RunningQuery) throws {
        let progress = query.progress()
        if let before = watermarks[query.name], progress.watermark < before {
            throw Violation("the watermark of \(query.name) goes back from \(before) to \(progress.watermark)")
        }
        // A query that begins again may stand at an earlier epoch, of which nothing had been seen.
        watermarks[query.name] = progress.state == .running ? progress.watermark : nil
        guard progress.state == .failed, failedQueries.insert(query.name).inserted else { return }
        simulation.figures.queriesFailed += 1
        try excuse(EngineError("query \(query.name): \(progress.reason ?? "")"))
    }

    /// Steps every query until none has anything left to do.
    func drain() throws {
        var rounds = 0
        var moved = true
        while moved {
            moved = false
            for query in try queries() {
                while let outcome = query.step() {
                    guard case .progressed = outcome else { break }
                    moved = true
                    rounds += 1
                    if rounds > 20_000 { throw Violation("\(query.name) never comes to rest") }
                }
                try noteFailure(query)
            }
        }
        for query in try engine().savedQueries { try noteFailure(query) }
        simulation.note("drained")
    }

    var allQueriesRun: Bool {
        guard let engine = opened else { return false }
        return engine.savedQueries.allSatisfy { $0.progress().state == .running } && engine.savedQueries.count == scenario.queries.count
    }

    // MARK: Trouble

    private func fillDisk() throws {
        simulation.note("disk full")
        files.setCapacity(byteCount: below(6_000) + files.totalByteCount)
        defer { files.setCapacity(byteCount: .max) }
        for _ in 0..<6 {
            do {
                if below(2) == 0 { try append() } else { try stepOne(times: 1) }
            } catch let violation as Violation {
                throw violation
            } catch {
                try excuse(error)
            }
        }
    }

    private func reopenFenced() throws {
        for stream in try engine().log.streams { try stream.reopen(nowMicroseconds: clock.nowMicroseconds()) }
    }

    // MARK: The end

    /// The last life: everything is made, every window closes, and everything is compared.
    func finish() throws {
        while try defineNext() {}
        try drain()
        try checkOutputs(isComplete: false)
        for _ in 0..<4 { try append() }
        try moveTimeOn()
        try drain()
        guard allQueriesRun else { throw Violation("not every query runs at the end") }
        try checkAcknowledged()
        try checkOutputs(isComplete: true)
        for _ in 0..<3 { try selectOne() }
        // Once more from what is on the disk.
        try close()
        try open()
        try checkAfterOpening()
        try drain()
        try checkOutputs(isComplete: true)
    }

    /// Rows that move every shard's event time past the end of all windows, and further in one stream than in another, so that they never meet.
    func moveTimeOn() throws {
        var time = simulation.eventTime + 60_000
        let engine = try engine()
        for stream in scenario.streams where stream.ordinals["ts"] != nil && engine.object(named: stream.name) != nil {
            try append(stream.flush(microseconds: time * 1_000, &simulation.random), to: stream)
            time += 100_000
        }
    }
}
