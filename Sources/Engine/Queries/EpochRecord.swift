// EpochRecord: all that an epoch's result depends on, apart from the state before it and the rows themselves.
//
// Written to the query's epoch log before the epoch's output becomes visible, so that after a crash the epoch can be run again
// exactly: the same rows of the same shards, the same reading of the clock, the same knowledge about which shards had been read to
// their end.

package struct EpochRecord: Hashable, Sendable {
    package struct ShardRange: Hashable, Sendable {
        /// Positions [from, to) of the shard.
        package var from: Int64
        package var to: Int64
        package var isCaughtUp: Bool
        package var hasEnded: Bool

        package init(from: Int64, to: Int64, isCaughtUp: Bool, hasEnded: Bool) {
            self.from = from
            self.to = to
            self.isCaughtUp = isCaughtUp
            self.hasEnded = hasEnded
        }
    }

    package var epoch: UInt64
    package var clockMicroseconds: Int64
    /// By scan, then by shard.
    package var scans: [[ShardRange]]

    package init(epoch: UInt64, clockMicroseconds: Int64, scans: [[ShardRange]]) {
        self.epoch = epoch
        self.clockMicroseconds = clockMicroseconds
        self.scans = scans
    }

    /// As 64-bit words: epoch, clock, scans, then per scan its shards and per shard from, to, flags.
    var words: [Int64] {
        var words: [Int64] = [Int64(bitPattern: epoch), clockMicroseconds, Int64(scans.count)]
        for shards in scans {
            words.append(Int64(shards.count))
            for shard in shards {
                words.append(shard.from)
                words.append(shard.to)
                words.append((shard.isCaughtUp ? 1 : 0) | (shard.hasEnded ? 2 : 0))
            }
        }
        return words
    }

    /// nil when the words are no record.
    init?(words: [Int64]) {
        var reader = WordReader(words)
        guard let epoch = reader.next(), let clock = reader.next(), let scanCount = reader.nextCount() else { return nil }
        var scans: [[ShardRange]] = []
        for _ in 0..<scanCount {
            guard let shardCount = reader.nextCount() else { return nil }
            var shards: [ShardRange] = []
            for _ in 0..<shardCount {
                guard let from = reader.next(), let to = reader.next(), let flags = reader.next() else { return nil }
                shards.append(ShardRange(from: from, to: to, isCaughtUp: flags & 1 != 0, hasEnded: flags & 2 != 0))
            }
            scans.append(shards)
        }
        guard reader.isAtEnd else { return nil }
        self.init(epoch: UInt64(bitPattern: epoch), clockMicroseconds: clock, scans: scans)
    }
}

/// Reads 64-bit words one after the other; a count larger than what is left is refused, so damage never allocates.
struct WordReader {
    private let words: [Int64]
    private var index = 0

    init(_ words: [Int64]) { self.words = words }

    var isAtEnd: Bool { index == words.count }

    mutating func next() -> Int64? {
        guard index < words.count else { return nil }
        defer { index += 1 }
        return words[index]
    }

    mutating func nextCount() -> Int? {
        guard let word = next(), word >= 0, word <= Int64(words.count - index) else { return nil }
        return Int(word)
    }
}
