// ScanTracker: how far event time has come in each shard of a scan, and in the scan as a whole.
//
// - A shard's watermark is the largest value of the watermark expression over its rows; Int64.min before the first.
// - A shard is idle when it is caught up and has had no row for the idle timeout, by the epoch clock.
// - The scan's watermark is the smallest of the shards that are neither idle nor ended; the largest of all when every shard that goes
//   on is idle (nothing is left to wait for); Int64.max when all have ended. It never goes back.
// - A shard that follows others (after a split or a merge) does not count before they have ended, and begins where they were.
// - Without a watermark definition it stays at Int64.min until all shards have ended.

import Platform

struct ShardTracker {
    var watermark = Int64.min
    /// The epoch clock when it last had a row, or when it was first seen.
    var lastRowClockMicroseconds: Int64?
    var isCaughtUp = false
    var isIdle = false
    var hasEnded = false
    /// Follows shards that have not ended. No part of the state: every epoch says it anew.
    var isWaiting = false

    var isActive: Bool { !isIdle && !hasEnded && !isWaiting }
}

struct ScanTracker {
    let hasWatermark: Bool
    let idleTimeoutMicroseconds: Int64?
    private(set) var shards: [ShardTracker] = []
    private(set) var watermark = Int64.min
    var rowsIn = 0

    init(hasWatermark: Bool, idleTimeoutMicroseconds: Int64?) {
        self.hasWatermark = hasWatermark
        self.idleTimeoutMicroseconds = idleTimeoutMicroseconds
    }

    var hasEnded: Bool { !shards.isEmpty && shards.allSatisfy(\.hasEnded) }

    private mutating func makeRoom(shardCount: Int) { while shards.count < shardCount { shards.append(ShardTracker()) } }

    /// Before the epoch's rows are seen.
    mutating func beginEpoch(_ progress: [ShardProgress], shardCount: Int) {
        makeRoom(shardCount: max(shardCount, progress.count))
        for (index, now) in progress.enumerated() where !now.parents.isEmpty { shards[index].isWaiting = isWaiting(now) }
    }

    private func isWaiting(_ progress: ShardProgress) -> Bool { progress.parents.contains { $0 < shards.count && !shards[$0].hasEnded } }

    /// The smallest watermark of the active shards other than this one; Int64.max when there is none.
    func othersWatermark(_ shard: Int) -> Int64 {
        var smallest = Int64.max
        for (index, other) in shards.enumerated() where index != shard && other.isActive { smallest = min(smallest, other.watermark) }
        return smallest
    }

    func shardWatermark(_ shard: Int) -> Int64 {
        shard < shards.count && !PlantedBug.isOn(.watermarkGoesBack) ? shards[shard].watermark : .min
    }

    mutating func raise(_ shard: Int, to value: Int64) {
        shards[shard].watermark = PlantedBug.isOn(.watermarkGoesBack) ? value : max(shards[shard].watermark, value)
    }

    /// After the epoch's rows have been seen.
    mutating func endEpoch(_ progress: [ShardProgress], clockMicroseconds clock: Int64) {
        makeRoom(shardCount: progress.count)
        for (index, now) in progress.enumerated() {
            shards[index].isCaughtUp = now.isCaughtUp
            shards[index].hasEnded = shards[index].hasEnded || now.hasEnded
            if now.hasRows || shards[index].lastRowClockMicroseconds == nil { shards[index].lastRowClockMicroseconds = clock }
            shards[index].isIdle = false
            if !now.hasRows, now.isCaughtUp, let timeout = idleTimeoutMicroseconds, let last = shards[index].lastRowClockMicroseconds {
                shards[index].isIdle = clock >= WindowGrid.add(last, timeout)
            }
        }
        for (index, now) in progress.enumerated() where !now.parents.isEmpty {
            shards[index].isWaiting = isWaiting(now)
            guard !shards[index].isWaiting else { continue }
            let reached = now.parents.reduce(Int64.max) { $1 < shards.count ? min($0, shards[$1].watermark) : $0 }
            if reached < .max { raise(index, to: max(reached, shards[index].watermark)) }
        }
        guard !shards.isEmpty else { return }
        if hasEnded {
            watermark = .max
        } else if hasWatermark {
            var smallest = Int64.max
            var anyActive = false
            for shard in shards where shard.isActive {
                smallest = min(smallest, shard.watermark)
                anyActive = true
            }
            let reached = anyActive ? smallest : shards.reduce(Int64.min) { max($0, $1.watermark) }
            watermark = PlantedBug.isOn(.watermarkGoesBack) ? reached : max(watermark, reached)
        }
    }

    /// When the first shard that holds the watermark back becomes idle if nothing comes.
    var nextIdleDeadline: Int64? {
        guard hasWatermark, let timeout = idleTimeoutMicroseconds else { return nil }
        let farthest = shards.reduce(Int64.min) { max($0, $1.watermark) }
        var earliest: Int64?
        for shard in shards where shard.isActive && shard.isCaughtUp && shard.watermark < farthest {
            guard let last = shard.lastRowClockMicroseconds else { continue }
            let deadline = WindowGrid.add(last, timeout)
            earliest = min(earliest ?? deadline, deadline)
        }
        return earliest
    }

    func write(to writer: inout StateWriter) {
        writer.write(watermark)
        writer.write(count: rowsIn)
        writer.write(count: shards.count)
        for shard in shards {
            writer.write(shard.watermark)
            writer.write(shard.lastRowClockMicroseconds != nil)
            writer.write(shard.lastRowClockMicroseconds ?? 0)
            writer.write(shard.isCaughtUp)
            writer.write(shard.isIdle)
            writer.write(shard.hasEnded)
        }
    }

    mutating func read(from reader: inout StateReader) throws(StateError) {
        watermark = try reader.read()
        rowsIn = try reader.readCount(bytesEach: 0)
        shards = []
        for _ in 0..<(try reader.readCount(bytesEach: 20)) {
            var shard = ShardTracker()
            shard.watermark = try reader.read()
            let hasClock = try reader.readBool()
            let clock: Int64 = try reader.read()
            shard.lastRowClockMicroseconds = hasClock ? clock : nil
            shard.isCaughtUp = try reader.readBool()
            shard.isIdle = try reader.readBool()
            shard.hasEnded = try reader.readBool()
            shards.append(shard)
        }
    }
}
