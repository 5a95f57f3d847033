// ExpiryQueue: rows by the moment from which nobody needs them, in buckets: the epoch's clock for a TTL, a slice of event time for
// an interval. A bucket goes as a whole; a row that went before is known by its stamp, which a place used again no longer has.

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

    /// Takes out the buckets with stamps below `limit`, oldest first.
    mutating func take(below limit: Int64) -> [(stamp: Int64, references: [UInt32])] {
        var taken: [(Int64, [UInt32])] = []
        while taken.count < stamps.count, stamps[taken.count] < limit { taken.append((stamps[taken.count], buckets[taken.count])) }
        stamps.removeFirst(taken.count)
        buckets.removeFirst(taken.count)
        last = 0
        return taken
    }

    mutating func removeAll() {
        stamps.removeAll()
        buckets.removeAll()
        last = 0
    }

    func write(to writer: inout StateWriter) {
        writer.write(count: stamps.count)
        for (stamp, references) in zip(stamps, buckets) {
            writer.write(stamp)
            writer.write(count: references.count)
            for reference in references { writer.write(reference) }
        }
    }

    mutating func read(from reader: inout StateReader, placesUsed: Int) throws(StateError) {
        removeAll()
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let stamp: Int64 = try reader.read()
            if let before = stamps.last, before >= stamp { throw reader.failure("expiry buckets out of order") }
            var references: [UInt32] = []
            for _ in 0..<(try reader.readCount(bytesEach: 4)) {
                let reference: UInt32 = try reader.read()
                guard reference > 0, Int(reference) <= placesUsed else { throw reader.failure("no such row") }
                references.append(reference)
            }
            stamps.append(stamp)
            buckets.append(references)
        }
    }
}
