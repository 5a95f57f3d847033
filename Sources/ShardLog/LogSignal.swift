// LogSignal: tells whoever waits that something was appended. Any number of streams may share one.

import Platform
import Synchronization

package final class LogSignal: Sendable {
    private let counter = Atomic<UInt64>(0)
    private let waiting = Atomic<Int>(0)
    private let lock = Lock()
    private let condition = Condition()

    package init() {}

    /// Rises with every change. Read it before looking for work, and wait from that reading: then no change is missed.
    package var version: UInt64 { counter.load(ordering: .acquiring) }

    package func notify() {
        counter.add(1, ordering: .sequentiallyConsistent)
        guard waiting.load(ordering: .sequentiallyConsistent) > 0 else { return }
        lock.lock()
        lock.unlock()
        condition.broadcast()
    }

    /// Waits until the version differs from `seen` or the time is over; returns the version then.
    @discardableResult
    package func wait(untilChangedFrom seen: UInt64, timeoutMilliseconds: Int) -> UInt64 {
        let now = version
        guard now == seen, timeoutMilliseconds > 0 else { return now }
        lock.lock()
        waiting.add(1, ordering: .sequentiallyConsistent)
        if counter.load(ordering: .sequentiallyConsistent) == seen { condition.wait(lock, milliseconds: timeoutMilliseconds) }
        waiting.subtract(1, ordering: .sequentiallyConsistent)
        lock.unlock()
        return version
    }
}
