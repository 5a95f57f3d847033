// ExpiryQueue: rows by the moment from which nobody needs them, in buckets: the epoch's clock for a TTL, a slice of event time for
// an interval. A bucket goes as a whole; a row that went before is known by its stamp, which a place used again no longer has. Since rows
// carry their stamps the queue is no part of a snapshot.

struct ExpiryQueue {
    private var stamps: [Int64] = []
    private var buckets: [[UInt32]] = []
    private var last = 0

    var first: Int64? { stamps.first }
    var byteCount: Int { buckets.reduce(0) { $0 + $1.capacity * 4 + 40 } }

    mutating func add(_ reference: UInt32, stamp: Int64) {
        if last < stamps.count, stamps[last] == stamp {
            buckets[last].append(reference)
            return
        }
        var low = 0
        var high = stamps.count
        while low < high {
            let middle = (low + high) / 2
            if stamps[middle] < stamp { low = middle + 1 } else { high = middle }
        }
        if low == stamps.count || stamps[low] != stamp {
            stamps.insert(stamp, at: low)
            buckets.insert([], at: low)
        }
        buckets[low].append(reference)
        last = low
    }

    /// Takes out the buckets with stamps below `limit`, oldest first, each in order of place: so what comes out does not depend on
    /// whether the queue was read back in between.
    mutating func take(below limit: Int64) -> [(stamp: Int64, references: [UInt32])] {
        var taken: [(Int64, [UInt32])] = []
        while taken.count < stamps.count, stamps[taken.count] < limit {
            var references = buckets[taken.count]
            if !ExpiryQueue.isSorted(references) { references.sort() }
            taken.append((stamps[taken.count], references))
        }
        stamps.removeFirst(taken.count)
        buckets.removeFirst(taken.count)
        last = 0
        return taken
    }

    private static func isSorted(_ references: [UInt32]) -> Bool {
        references.withUnsafeBufferPointer { all in
            for index in all.indices.dropFirst() where all[index - 1] > all[index] { return false }
            return true
        }
    }

    mutating func removeAll() {
        stamps.removeAll()
        buckets.removeAll()
        last = 0
    }
}
