// CheckpointPublisher: writes one captured checkpoint at a time, on a thread beside the query or at once.
//
// A capture that could not be written is kept, and is what is written next: captures build on one another, so none may be lost. Only when a
// piece on disk turns out damaged are they given up, and the next capture takes everything.

import Dataflow
import Platform

package final class CheckpointPublisher {
    package enum Outcome {
        case published(Checkpoint, CheckpointStore.Published, writeMicroseconds: Int64)
        /// The checkpoint waits to be written again; or, when pieces on disk are damaged, it has been given up.
        case failed(any Error, isGivenUp: Bool)
    }

    private let store: CheckpointStore
    private let nanoseconds: (@Sendable () -> UInt64)?
    private var waiting: Work?
    private var thread: JoinableThread?

    private final class Work: @unchecked Sendable {
        // Safe to share: the result is under the lock, the rest is never written.
        let checkpoint: Checkpoint
        let capture: StateCapture
        private let lock = Lock()
        private var result: (Result<CheckpointStore.Published, any Error>, nanoseconds: UInt64)?

        init(_ checkpoint: Checkpoint, _ capture: StateCapture) {
            self.checkpoint = checkpoint
            self.capture = capture
        }

        func run(_ store: CheckpointStore, _ nanoseconds: (@Sendable () -> UInt64)?) {
            let start = nanoseconds?() ?? 0
            let outcome = Result { try store.publish(checkpoint, capture) }
            let elapsed = (nanoseconds?() ?? 0) &- start
            lock.locked { result = (outcome, elapsed) }
        }

        func takeResult() -> (Result<CheckpointStore.Published, any Error>, nanoseconds: UInt64)? {
            lock.locked {
                defer { result = nil }
                return result
            }
        }

        var isDone: Bool { lock.locked { result != nil } }
    }

    init(_ store: CheckpointStore, nanoseconds: (@Sendable () -> UInt64)?) {
        self.store = store
        self.nanoseconds = nanoseconds
    }

    deinit { thread?.join() }

    /// A thread is at it.
    package var isWriting: Bool { thread != nil }
    /// A capture waits, written or not.
    package var isOccupied: Bool { waiting != nil }

    /// Only when nothing waits.
    func take(_ checkpoint: Checkpoint, _ capture: StateCapture) { waiting = Work(checkpoint, capture) }

    /// Writes what waits, now.
    func write() -> Outcome? {
        guard let work = waiting, thread == nil else { return nil }
        work.run(store, nanoseconds)
        return settle(work)
    }

    /// Begins to write what waits; where no thread is to be had, writes it now.
    func writeBeside() -> Outcome? {
        guard let work = waiting, thread == nil else { return nil }
        let (store, nanoseconds) = (store, nanoseconds)
        thread = JoinableThread { work.run(store, nanoseconds) }
        return thread == nil ? write() : nil
    }

    /// What has become of it, when that is known.
    func poll() -> Outcome? {
        guard thread != nil, let work = waiting, work.isDone else { return nil }
        return join()
    }

    /// Waits for the thread.
    func join() -> Outcome? {
        guard let thread, let work = waiting else { return nil }
        thread.join()
        self.thread = nil
        return settle(work)
    }

    private func settle(_ work: Work) -> Outcome? {
        guard let (result, elapsed) = work.takeResult() else { return nil }
        switch result {
        case .success(let published):
            waiting = nil
            return .published(work.checkpoint, published, writeMicroseconds: Int64(elapsed / 1_000))
        case .failure(let error as CheckpointDamage):
            waiting = nil
            store.forgetPieces()
            return .failed(error, isGivenUp: true)
        case .failure(let error): return .failed(error, isGivenUp: false)
        }
    }
}
