// What must be true at any time, and how it is looked at.

import Columns
import OracleSupport
import Planning
import Platform
import ShardLog
import Syntax

@testable import Engine

extension Life {
    func logStream(_ name: String) throws -> LogStream {
        guard let object = try engine().object(named: name), let stream = try engine().stream(of: object) else {
            throw EngineError("stream \(name) is not open")
        }
        return stream
    }

    /// All rows of a stream by shard. What was shown before must be there as it was.
    @discardableResult
    func read(_ name: String) throws -> [[Entry]] {
        let stream = try logStream(name)
        let columns = Array(0..<stream.schema.count).map { ColumnPath($0) }
        var shards: [[Entry]] = []
        for shard in stream.shards.indices {
            var entries: [Entry] = []
            for batch in try stream.read(
                shard: shard, from: stream.oldestSequence(shard: shard), to: stream.endSequence(shard: shard), paths: columns, batchRows: 1_000)
            {
                for row in 0..<batch.count { entries.append(Entry(change: batch.change(at: row), row: batch.row(row))) }
            }
            shards.append(entries)
        }
        if !isDamaged {
            try compareWithServed(name, shards)
            simulation.served[name] = shards
        }
        return shards
    }

    private func compareWithServed(_ name: String, _ shards: [[Entry]]) throws {
        for (shard, before) in (simulation.served[name] ?? []).enumerated() where shard < shards.count {
            let now = shards[shard]
            for (index, entry) in before.enumerated() {
                guard index < now.count else {
                    if mayLose(name) { break }
                    throw Violation("\(name), shard \(shard): row \(index) was shown and is gone: \(entry)")
                }
                guard entry == now[index] else {
                    throw Violation("\(name), shard \(shard), row \(index) was \(entry) and is now \(now[index])")
                }
            }
        }
    }

    /// Whether a stream may have lost its end: it is not synced always, and the power went.
    private func mayLose(_ name: String) -> Bool {
        simulation.hasLostPower && scenario.streams.contains { $0.name == name && $0.sync != "always" }
    }

    func checkAfterOpening() throws {
        try checkAcknowledged()
        for output in scenario.outputs where try engine().object(named: output.name) != nil { try read(output.name) }
        simulation.hasLostPower = false
    }

    func checkAcknowledged() throws {
        for model in scenario.streams where try engine().object(named: model.name) != nil {
            var stored: [Entry: Int] = [:]
            for entry in try read(model.name).joined() { stored[entry, default: 0] += 1 }
            if mayLose(model.name) { model.acknowledged = stored }
            for (entry, count) in model.acknowledged where stored[entry, default: 0] < count {
                throw Violation("\(model.name): acknowledged and gone: \(entry)")
            }
            for (entry, count) in stored where count > model.attempted[entry, default: 0] {
                throw Violation("\(model.name): there \(count) times, appended \(model.attempted[entry, default: 0]) times: \(entry)")
            }
            if model.kind == .changelog { model.live = nil }
        }
    }

    func tailOne() throws {
        let names = try engine().log.streams.map(\.name)
        guard !names.isEmpty else { return }
        try read(names[simulation.random.below(names.count)])
    }

    // MARK: Outputs

    /// How far each query has read each stream, by shard: damage holds it up, so it has read all before.
    func readPositions() throws -> [String: [String: [Int64]]] {
        var found: [String: [String: [Int64]]] = [:]
        for query in try engine().savedQueries {
            guard let runner = query.steppedRunner else { continue }
            for (source, positions) in zip(runner.sources, runner.positions) {
                if let name = (source as? LogSource)?.name { found[query.name, default: [:]][name] = positions }
            }
        }
        return found
    }

    /// The rows of each input stream that a query sees, without those that only move time on. On a damaged disk `asItIs` takes what can still be read,
    /// and not what should be there; with what a reader has read up to `positions`.
    func tables(asItIs: Bool = false, positions: [String: [Int64]] = [:]) throws -> [String: [Row]] {
        var tables: [String: [Row]] = [:]
        for model in scenario.streams where try engine().object(named: model.name) != nil {
            var rows: [Row] = []
            for entry in try asItIs ? readable(model.name, positions[model.name] ?? []) : entries(model) {
                if (model.integer(entry.row, "id") ?? 0) >= SimulatedStream.flushID { continue }
                if entry.change.isAddition {
                    rows.append(entry.row)
                } else if let place = rows.firstIndex(of: entry.row) {
                    rows.remove(at: place)
                }
            }
            tables[model.name] = rows
        }
        return tables
    }

    /// What can be read of a damaged stream, and what was there before `positions`.
    private func readable(_ name: String, _ positions: [Int64] = []) throws -> [Entry] {
        guard let stream = try? logStream(name) else { return [] }
        let columns = Array(0..<stream.schema.count)
        var entries: [Entry] = []
        let served = simulation.served[name] ?? []
        for shard in stream.shards.indices {
            let known = positions.indices.contains(shard) && served.indices.contains(shard) ? min(max(0, Int(positions[shard])), served[shard].count) : 0
            if known > 0 { entries += served[shard][..<known] }
            for sequence in stream.oldestSequence(shard: shard)..<max(stream.oldestSequence(shard: shard), stream.endSequence(shard: shard)) where sequence >= known {
                guard let rows = try? stream.reader(shard: shard).read(from: sequence, rowLimit: 1, columns: columns), rows.firstSequence == sequence else { continue }
                entries.append(Entry(change: rows.batch.change(at: 0), row: rows.batch.row(0)))
            }
        }
        return entries
    }

    /// On a damaged disk what was there before the damage counts, and what was appended since.
    private func entries(_ model: SimulatedStream) throws -> [Entry] {
        guard isDamaged else { return try read(model.name).flatMap { $0 } }
        return (simulation.served[model.name] ?? []).flatMap { $0 } + (appended[model.name] ?? [])
    }

    /// `isComplete`: every window has closed.
    func checkOutputs(isComplete: Bool, mayMiss: Bool = false) throws {
        let everyQueryRuns = allQueriesRun
        var tables = try self.tables()
        let readPositions = mayMiss ? try self.readPositions().merging(readBefore) { $1 } : [:]
        var whatIsThere = mayMiss ? try self.tables(asItIs: true) : [:]
        for output in scenario.outputs {
            let writers = scenario.queries.filter { $0.target == output.name }
            guard try engine().object(named: output.name) != nil else { continue }
            let entries = try read(output.name).flatMap { $0 }
            var found: [Row: Int] = [:]
            for entry in entries { found[entry.row, default: 0] += entry.change.isAddition ? 1 : -1 }
            // Rows that only move time on may have come out without a partner.
            found = found.filter { $0.value != 0 && !Self.isFlush($0.key) }
            let present = found.flatMap { Array(repeating: $0.key, count: max(0, $0.value)) }
            if writers.contains(where: { if case .clock = $0.meaning { true } else { false } }) {
                // A row of a refused append may have been kept by the shards that took it.
                let known = tables["t"] ?? []
                let kept = Set(known)
                let source = known + (whatIsThere["t"] ?? []).filter { !kept.contains($0) }
                try checkClock(output.name, entries, source, isWhole: everyQueryRuns && !mayMiss)
                tables[output.name] = present
                whatIsThere[output.name] = present
                continue
            }
            var expected: [Row: Int] = [:]
            do {
                for writer in writers {
                    for row in try rows(of: writer, tables) { expected[row, default: 0] += 1 }
                }
            } catch is Unsupported {
                simulation.figures.uncomparedOutputs += 1
                tables[output.name] = present
                whatIsThere[output.name] = present
                continue
            }
            tables[output.name] = expected.flatMap { Array(repeating: $0.key, count: $0.value) }
            let isWhole = everyQueryRuns && !mayMiss && (isComplete || !writers.contains(where: \.isTimed))
            let isAppendOnly = writers.allSatisfy { !$0.isChangelog && readsAppendOnly($0) }
            guard isWhole || isAppendOnly else { continue }
            if mayMiss {
                // Which rows are late depends on those that were lost: neither what should be there nor what is left tells it.
                if writers.contains(where: { if case .withoutLateRows = $0.meaning { true } else { false } }) {
                    tables[output.name] = present
                    whatIsThere[output.name] = present
                    continue
                }
                // What was lost before a query had read it is not in its windows; what it had written stays.
                for (row, count) in Self.counts(try writers.flatMap { try rows(of: $0, whatIsThere, asItIs: true) }) { expected[row] = max(expected[row] ?? 0, count) }
                // Nor can it be taken out of them once a query had read it.
                for writer in writers {
                    let tables = try self.tables(asItIs: true, positions: readPositions[writer.name] ?? [:])
                    for (row, count) in Self.counts(try rows(of: writer, whatIsThere.merging(tables) { $1 })) { expected[row] = max(expected[row] ?? 0, count) }
                }
                for (row, count) in Self.counts((simulation.served[output.name] ?? []).joined().map(\.row)) { expected[row] = max(expected[row] ?? 0, count) }
                whatIsThere[output.name] = present
            }
            simulation.figures.comparedOutputs += 1
            simulation.figures.comparedRows += present.count
            if isWhole ? found != expected : found.contains(where: { $0.value > expected[$0.key, default: 0] }) {
                throw Violation("\(output.name) is wrong\(isWhole ? "" : " in part"): \(Self.difference(found, expected))")
            }
        }
    }

    private static func isFlush(_ row: Row) -> Bool {
        row.contains { value in
            if case .integer(let number) = value { (SimulatedStream.flushID..<SimulatedStream.flushID + Int64(SimulatedStream.flushCount)).contains(number) } else { false }
        }
    }

    /// Whether what a query reads is complete or growing only: then a part of its output is a part of the final one.
    private func readsAppendOnly(_ query: SimulatedQuery) -> Bool {
        guard !query.isChangelog else { return false }
        return query.reads.allSatisfy { name in
            if let stream = scenario.streams.first(where: { $0.name == name }) { return stream.kind != .changelog }
            return scenario.queries.filter { $0.target == name }.allSatisfy(readsAppendOnly)
        }
    }

    private static func counts(_ rows: [Row]) -> [Row: Int] { rows.reduce(into: [:]) { $0[$1, default: 0] += 1 } }

    private func rows(of query: SimulatedQuery, _ tables: [String: [Row]], asItIs: Bool = false) throws -> [Row] {
        switch query.meaning {
        case .naive(let plan, _): return try NaiveEvaluator(tables: tables).rows(plan)
        case .withoutLateRows: return try rowsWithoutLate(asItIs: asItIs)
        case .clock: return []
        }
    }

    /// Counts of 5-second windows over the one shard of `l`, by hand: a row counts when its window's end is after the watermark that the rows before
    /// it leave.
    private func rowsWithoutLate(asItIs: Bool) throws -> [Row] {
        guard let model = scenario.streams.first(where: { $0.name == "l" }) else { return [] }
        var watermark = Int64.min
        var order: [Row] = []
        var groups: [Row: (count: Int64, sum: Int64?)] = [:]
        for entry in try asItIs ? readable("l") : entries(model) {
            guard let time = model.integer(entry.row, "ts"), let k = model.ordinals["k"] else { continue }
            let start = time / 5_000_000 * 5_000_000
            let isFlush = (model.integer(entry.row, "id") ?? 0) >= SimulatedStream.flushID
            if start + 5_000_000 > watermark, !isFlush {
                let key: Row = [.integer(start), entry.row[k]]
                if groups[key] == nil { order.append(key) }
                var group = groups[key] ?? (0, nil)
                group.count += 1
                if let value = model.integer(entry.row, "v") { group.sum = (group.sum ?? 0) + value }
                groups[key] = group
            }
            watermark = max(watermark, time - 2_000_000)
        }
        return order.map { key in
            let group = groups[key] ?? (0, nil)
            return key + [.integer(group.count), group.sum.map { total(.integer($0)) } ?? .null]
        }
    }

    /// The sum as its column holds it.
    private func total(_ value: Value) -> Value {
        let type = scenario.catalog.relations[scenario.queries.first { if case .withoutLateRows = $0.meaning { true } else { false } }?.target ?? ""]?
            .columns.last?.type
        if case .integer(let number) = value, type?.isDecimal == true { return .decimal(Int128(number)) }
        return value
    }

    private func checkClock(_ name: String, _ entries: [Entry], _ source: [Row], isWhole: Bool) throws {
        guard let model = scenario.streams.first(where: { $0.name == "t" }) else { return }
        var wanted: [Int64: Int] = [:]
        for row in source { wanted[model.integer(row, "id") ?? -1, default: 0] += 1 }
        for entry in entries {
            guard entry.row.count == 3, case .integer(let id) = entry.row[0], case .integer(let time) = entry.row[1], case .integer(let second) = entry.row[2]
            else { throw Violation("\(name) holds \(entry)") }
            guard (time / 1_000_000 % 60 + 60) % 60 == second else { throw Violation("\(name): two readings of the clock in one row: \(entry)") }
            wanted[id, default: 0] -= 1
            guard wanted[id, default: 0] >= 0 else { throw Violation("\(name): row \(id) is there twice") }
        }
        simulation.figures.comparedOutputs += 1
        simulation.figures.comparedRows += entries.count
        if isWhole, let missing = wanted.first(where: { $0.value > 0 }) { throw Violation("\(name): row \(missing.key) is missing") }
    }

    static func difference(_ found: [Row: Int], _ expected: [Row: Int]) -> String {
        var lines: [String] = []
        for (row, count) in expected where found[row] != count { lines.append("wanted \(count) of \(row), found \(found[row] ?? 0)") }
        for (row, count) in found where expected[row] == nil { lines.append("not wanted: \(count) of \(row)") }
        return "\n    " + lines.sorted().prefix(6).joined(separator: "\n    ")
    }

    // MARK: Readers

    /// A plain SELECT over what is there now, with the optimiser or without.
    func selectOne() throws {
        let engine = try engine()
        let candidates = scenario.queries.filter { query in
            guard case .naive = query.meaning else { return false }
            return query.reads.allSatisfy { name in scenario.streams.contains { $0.name == name } && engine.object(named: name) != nil }
        }
        guard !candidates.isEmpty else { return }
        let query = candidates[simulation.random.below(candidates.count)]
        let session = engine.makeSession()
        if simulation.random.below(2) == 0 { session.settings.optimizerRules = [] }
        simulation.note("select as \(query.name)")
        var found: [Row: Int] = [:]
        for statement in try Parser.parseScript(query.sql) {
            guard case .rows(let cursor) = try session.execute(statement, source: query.sql) else { continue }
            reading: while true {
                switch try cursor.next(timeoutMilliseconds: 0) {
                case .rows(let batch): for row in 0..<batch.count { found[batch.row(row), default: 0] += batch.change(at: row).isAddition ? 1 : -1 }
                case .idle: continue
                case .end: break reading
                }
            }
        }
        var expected: [Row: Int] = [:]
        do {
            // All rows there are, those that move time on too.
            var tables: [String: [Row]] = [:]
            for model in scenario.streams where query.reads.contains(model.name) {
                var rows: [Row] = []
                for entry in try read(model.name).joined() {
                    if entry.change.isAddition {
                        rows.append(entry.row)
                    } else if let place = rows.firstIndex(of: entry.row) {
                        rows.remove(at: place)
                    }
                }
                tables[model.name] = rows
            }
            for row in try rows(of: query, tables) { expected[row, default: 0] += 1 }
        } catch is Unsupported { return }
        found = found.filter { $0.value != 0 }
        if found != expected { throw Violation("SELECT as \(query.name) is wrong: \(Self.difference(found, expected))") }
    }
}

extension Simulation {
    static func brief(_ error: any Error) -> String {
        if let error = error as? StatementError { return error.error.message }
        return String("\(error)".prefix(300))
    }
}
