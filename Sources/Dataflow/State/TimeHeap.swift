// TimeHeap: things to do at a time, the earliest first: a binary min-heap. Which of those at one time comes first is not defined, but always the same
// after the same calls. Whoever changes its mind puts in another entry, and passes over the old one when it comes.

struct TimeHeap<Item> {
    private var entries: [(time: Int64, item: Item)] = []

    /// The earliest time.
    var first: Int64? { entries.first?.time }
    var byteCount: Int { entries.count * MemoryLayout<(Int64, Item)>.stride }

    mutating func push(_ time: Int64, _ item: Item) {
        entries.append((time, item))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].time < entries[parent].time else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the item with the earliest time; nil when there is none.
    mutating func pop() -> Item? {
        guard let result = entries.first?.item else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return result }
        entries[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count && entries[child + 1].time < entries[child].time { child += 1 }
            guard entries[child].time < entries[parent].time else { break }
            entries.swapAt(child, parent)
            parent = child
        }
        return result
    }
}
