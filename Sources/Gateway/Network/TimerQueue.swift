// TimerQueue: what is to happen when, soonest first. A binary heap; a timer that is cancelled stays in it until its time, so that n timers cost
// O(log n) each however they end.

struct TimerQueue {
    private struct Entry {
        let nanoseconds: UInt64
        let id: UInt64
    }

    private var heap: [Entry] = []
    private var actions: [UInt64: () -> Void] = [:]
    private var nextID: UInt64 = 1

    /// How many have not fired and are not cancelled.
    var count: Int { actions.count }

    /// When the next one is due.
    mutating func nextNanoseconds() -> UInt64? {
        while let first = heap.first, actions[first.id] == nil { removeFirst() }
        return heap.first?.nanoseconds
    }

    mutating func add(atNanoseconds nanoseconds: UInt64, _ action: @escaping () -> Void) -> UInt64 {
        let id = nextID
        nextID += 1
        actions[id] = action
        heap.append(Entry(nanoseconds: nanoseconds, id: id))
        var place = heap.count - 1
        while place > 0, Self.precedes(heap[place], heap[(place - 1) / 2]) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
        return id
    }

    mutating func cancel(_ id: UInt64) {
        actions[id] = nil
        // Timers that are set and cancelled by the thousand must not pile up.
        guard heap.count > 64, heap.count > 2 * actions.count else { return }
        heap = heap.filter { actions[$0.id] != nil }.sorted(by: Self.precedes)
    }

    /// Takes one that is due.
    mutating func takeDue(atNanoseconds now: UInt64) -> (() -> Void)? {
        guard let next = nextNanoseconds(), next <= now, let first = heap.first else { return nil }
        removeFirst()
        return actions.removeValue(forKey: first.id)
    }

    private static func precedes(_ one: Entry, _ other: Entry) -> Bool { (one.nanoseconds, one.id) < (other.nanoseconds, other.id) }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < heap.count && Self.precedes(heap[child], heap[least]) { least = child }
            if least == place { return }
            heap.swapAt(place, least)
            place = least
        }
    }
}
