// StreamLayout: the shards of a stream at one moment, and which of them take rows.
//
// A split closes a shard and puts two in its place, a merge closes two that lie side by side and puts one in theirs (as in Kinesis). A closed shard keeps
// its rows, its number and its part of the key space for ever; it only takes no more rows. So a layout only grows: what has been read by shard and
// sequence number stays where it was, and a position in an old layout is one in every later layout.
//
// - The description on disk is what counts: the new shards are there, empty, before it names them, and the old ones are synced before it closes them.
// - Rows with one key are in order along the shards: all rows in a shard come before any row in its children. Who cares for the order reads a shard when its
//   parents have been read to their ends.
// - Epochs of a producer (exactly once): an append that is repeated after the layout has changed leaves out the rows whose part of the key space
//   already has that epoch in an ancestor of the shard that would take them now.

import Columns
import Platform

final class StreamLayout: Sendable {
    let description: StreamDescription
    let shards: [Shard]
    /// The shards that take rows, by key, and what of the key space is theirs.
    let openShards: [Int]
    let ranges: [HashKeyRange]
    /// How many layouts of this object came before.
    let version: Int

    init(_ description: StreamDescription, _ shards: [Shard], version: Int) {
        self.description = description
        self.shards = shards
        self.version = version
        let open = description.shards.enumerated().filter { !$0.element.isClosed }.sorted { $0.element.range.first < $1.element.range.first }
        openShards = open.map(\.offset)
        ranges = open.map(\.element.range)
    }

    var hasClosedShards: Bool { openShards.count < shards.count }

    /// The shards from which the rows of this one's keys were taken before, nearest first.
    func ancestors(of shard: Int) -> [Int] {
        var found: [Int] = []
        var next = description.shards[shard].parents
        while let ancestor = next.popLast() {
            guard ancestor < shard, !found.contains(ancestor) else { continue }
            found.append(ancestor)
            next += description.shards[ancestor].parents
        }
        return found
    }

    /// Whether any shard has an epoch of a producer, or a later one.
    func has(producer: UInt64, epoch: UInt64) -> Bool { shards.contains { $0.lastEpoch(of: producer).map { $0 >= epoch } ?? false } }

    /// The parts of the key space of an open shard whose rows an ancestor took in this epoch of a producer.
    func partsTaken(of shard: Int, producer: UInt64, epoch: UInt64) -> [HashKeyRange] {
        ancestors(of: shard).filter { shards[$0].lastEpoch(of: producer).map { $0 >= epoch } ?? false }.map { description.shards[$0].range }
    }
}

/// How the shards of a stream are to change.
package enum ShardChange: Hashable, Sendable {
    /// The keys from `at` on go to the second of the new shards; nil: half of them.
    case split(shard: Int, at: UInt128?)
    case merge(Int, Int)
}

extension StreamDescription {
    /// The description after a change, and the shards that are new in it.
    func applying(_ change: ShardChange) throws(LogError) -> (description: StreamDescription, closed: [Int], made: [Int]) {
        func refusal(_ reason: String) -> LogError { .mismatch(stream: name, reason: reason) }
        func open(_ index: Int) throws(LogError) -> ShardDescription {
            guard shards.indices.contains(index) else { throw refusal("there is no shard \(index); the shards are 0 to \(shards.count - 1)") }
            guard !shards[index].isClosed else { throw refusal("shard \(index) is closed: it was split or merged before") }
            return shards[index]
        }
        var changed = self
        var closed: [Int] = []
        var ranges: [HashKeyRange] = []
        switch change {
        case .split(let index, let place):
            let range = try open(index).range
            guard range.first < range.last else { throw refusal("shard \(index) owns one hash key only and cannot be split") }
            let place = place ?? range.first + (range.last - range.first) / 2 + 1
            guard place > range.first, place <= range.last else {
                throw refusal("shard \(index) owns the hash keys \(range.first) to \(range.last); it can be split at one behind the first")
            }
            closed = [index]
            ranges = [HashKeyRange(first: range.first, last: place - 1), HashKeyRange(first: place, last: range.last)]
        case .merge(let first, let second):
            let sorted = try [open(first).range, open(second).range].sorted { $0.first < $1.first }
            guard first != second else { throw refusal("a shard cannot be merged with itself") }
            guard sorted[0].last < .max, sorted[0].last + 1 == sorted[1].first else {
                throw refusal("the shards \(first) and \(second) do not lie side by side in the key space")
            }
            closed = [min(first, second), max(first, second)]
            ranges = [HashKeyRange(first: sorted[0].first, last: sorted[1].last)]
        }
        guard shards.count + ranges.count <= StreamDescription.shardCountMax else {
            throw refusal("a stream has at most \(StreamDescription.shardCountMax) shards, closed ones included")
        }
        for index in closed { changed.shards[index].isClosed = true }
        for range in ranges {
            var shard = ShardDescription(index: changed.shards.count, range: range)
            shard.parents = closed
            changed.shards.append(shard)
        }
        return (changed, closed, Array(shards.count..<changed.shards.count))
    }
}
