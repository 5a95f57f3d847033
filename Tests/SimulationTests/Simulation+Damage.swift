// A damaged disk: a copy of it is taken while the engine runs, something on the copy rots, and an engine opens it. The world itself goes on.
//
// Whatever is served from the copy must be what was there; what is missing must have been reported: by the opening, by a notice, by the error of
// the read, or by the end of the query.

import Columns
import OracleSupport
import Platform
import ShardLog

@testable import Engine

extension Simulation {
    func damage(_ life: Life) throws {
        guard try !life.engine().log.streams.contains(where: { stream in stream.shards.contains { $0.isFenced } }) else { return }
        // Everything visible is known; what reading it needs is counted in the world's own trace.
        for stream in try life.engine().log.streams { try life.read(stream.name) }
        let copy = files.copy(seed: random.next())
        figures.damagedLives += 1
        let what = damageOne(copy)
        note("on a copy of the disk: \(what)")
        let twin = ManualClock(startingAtMicroseconds: clock.nowMicroseconds())
        let other = Life(self, on: copy, clock: twin)
        other.readBefore = try life.readPositions()
        let savedTime = eventTime
        let savedLive = scenario.streams.map(\.live)
        defer {
            eventTime = savedTime
            for (stream, live) in zip(scenario.streams, savedLive) { stream.live = live }
        }
        do {
            if copy.isMisdirecting {
                try work(other)
                let positions = try? other.readPositions()
                other.end()
                copy.killProcess()
                let next = Life(self, on: copy, clock: twin)
                next.appended = other.appended
                next.readBefore = positions ?? [:]
                // What was lost and reported may have made room for other rows with the same numbers. An append that went elsewhere and was the last one
                // to its file cannot be told from one that never was.
                let isUntold = copy.fileWithMisdirectedEnd?.hasSuffix(".log") ?? false
                try examine(next, what, isReported: !other.notices.all.isEmpty || isUntold)
                next.end()
            } else {
                try examine(other, what)
            }
        } catch let violation as Violation {
            throw Violation("\(what): \(violation.description)")
        }
        other.end()
    }

    /// Damages something; says what.
    private func damageOne(_ disk: SimulatedFileSystem) -> String {
        let paths = disk.allPaths.filter { !(disk.contents($0) ?? []).isEmpty }
        guard !paths.isEmpty else { return "nothing" }
        let path = paths[random.below(paths.count)]
        let size = disk.contents(path)?.count ?? 0
        let place = random.below(size)
        switch random.below(6) {
        case 0, 1:
            let bit = UInt8(1) << UInt8(random.below(8))
            disk.corrupt(path) { $0[place] ^= bit }
            return "bit flip at \(place) of \(size) in \(path)"
        case 2:
            disk.corrupt(path) { bytes in
                let start = place / 512 * 512
                for index in start..<min(start + 512, bytes.count) { bytes[index] = 0 }
            }
            return "zeroed sector at \(place / 512 * 512) of \(size) in \(path)"
        case 3:
            let start = place / 512 * 512
            let source = paths[random.below(paths.count)]
            let from = disk.contents(source) ?? []
            let begin = random.below((from.count + 511) / 512) * 512
            let sector = Array(from[begin..<min(begin + 512, from.count)])
            disk.corrupt(path) { bytes in
                for (index, byte) in sector.enumerated() where start + index < bytes.count { bytes[start + index] = byte }
            }
            return "sector \(begin) of \(source) at \(start) of \(size) in \(path)"
        case 4:
            disk.corrupt(path) { $0.removeLast($0.count - place) }
            return "\(path) cut from \(size) to \(place)"
        default:
            disk.misdirectWrite(fromOperation: disk.operationCount + random.below(80))
            return "a misdirected write"
        }
    }

    /// Some ordinary work, in the middle of which the disk does something else than it says.
    private func work(_ life: Life) throws {
        do {
            try life.open()
            for _ in 0..<4 { try life.append() }
            for _ in 0..<4 { try life.stepOne(times: 2) }
            for _ in 0..<2 { try life.checkpointOne() }
            try life.engine().log.maintain()
        } catch let violation as Violation {
            throw violation
        } catch { note("error: \(Self.brief(error))") }
    }

    private func examine(_ life: Life, _ what: String, isReported wasReported: Bool = false) throws {
        do {
            try life.open()
        } catch let violation as Violation {
            throw violation
        } catch {
            figures.damageReports += 1
            return note("refused: \(Self.brief(error))")
        }
        let engine = try life.engine()
        var isReported = wasReported
        func look() { isReported = isReported || !life.notices.all.isEmpty || engine.log.streams.contains { !$0.damage.isEmpty } }
        look()
        for (name, shards) in served.sorted(by: { $0.key < $1.key }) where !wasReported {
            var missing = try compareRowByRow(life, name, shards)
            if missing == nil, let appended = life.appended[name] { missing = try firstMissing(life, name, appended) }
            look()
            if let missing, !isReported { throw Violation("\(name), \(missing), and nothing was reported") }
        }
        // Queries go on as far as they can.
        do {
            for _ in 0..<3 { try life.append() }
            if random.below(2) == 0 { try life.engine().log.maintain() }
            try life.moveTimeOn()
        } catch let violation as Violation {
            throw violation
        } catch { isReported = true }
        try life.drain()
        for query in engine.savedQueries where query.progress().state == .failed { isReported = true }
        look()
        if isReported { figures.damageReports += 1 }
        do {
            try life.checkOutputs(isComplete: true, mayMiss: isReported || engine.savedQueries.count < scenario.queries.count)
        } catch let violation as Violation {
            throw Violation("\(violation.description)\n    notices: \(life.notices.all)")
        } catch { if !isReported { throw Violation("reading fails after all was well: \(Self.brief(error))") } }
    }

    private func firstMissing(_ life: Life, _ name: String, _ appended: [Entry]) throws -> String? {
        var stored: Set<Entry> = []
        do { for entry in try life.read(name).joined() { stored.insert(entry) } } catch { return nil }
        return appended.first { !stored.contains($0) }.map { "acknowledged and gone: \($0)" }
    }

    /// Each row that is served must be the one that was there. Returns what is missing.
    private func compareRowByRow(_ life: Life, _ name: String, _ shards: [[Entry]]) throws -> String? {
        let stream: LogStream
        do { stream = try life.logStream(name) } catch { return "\(error)" }
        var missing: String?
        let columns = Array(0..<stream.schema.count)
        for (shard, entries) in shards.enumerated() {
            guard shard < stream.shards.count else { return "shard \(shard) is gone" }
            for (index, entry) in entries.enumerated() {
                do {
                    guard let rows = try stream.reader(shard: shard).read(from: UInt64(index), rowLimit: 1, columns: columns) else {
                        missing = missing ?? "row \(index) of shard \(shard) is missing"
                        continue
                    }
                    let found = Entry(change: rows.batch.change(at: 0), row: rows.batch.row(0))
                    guard found == entry else {
                        throw Violation("\(name), shard \(shard), row \(index) was \(entry) and is served as \(found)")
                    }
                } catch let violation as Violation {
                    throw violation
                } catch {
                    // The read has said so itself.
                    continue
                }
            }
        }
        return missing
    }
}
