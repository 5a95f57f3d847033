// QueryWaker: what a query sleeps on when there is nothing to do.

import ShardLog

/// The log's signal, with how long a query may sleep at most: a query that reads a source which cannot signal (a growing file, a
/// generator held to a rate) looks again every few milliseconds.
package final class QueryWaker: Sendable {
    private let signal: LogSignal
    let pollMilliseconds: Int

    init(signal: LogSignal, polls: Bool) {
        self.signal = signal
        pollMilliseconds = polls ? 5 : 1_000
    }

    var version: UInt64 { signal.version }
    func wake() { signal.notify() }
    func wait(changedFrom version: UInt64, milliseconds: Int) {
        signal.wait(untilChangedFrom: version, timeoutMilliseconds: milliseconds)
    }
}
