// WorkerPool: a few plain threads that share the items of one piece of work with the thread that brings it.
//
// 1. `run(count:body:)` publishes the work under the lock, raises the generation, and begins on the items itself.
// 2. A worker that sees the new generation joins under the lock (so it can never join work that has ended) and takes items by
//    an atomic index until none is left.
// 3. The caller closes the work, waits until the last worker has left, and returns. All writes of the bodies are visible to it then.
//
// Which thread takes which item differs from run to run; what is computed may not depend on it. An idle worker spins for
// `spinMicroseconds`, because waking a sleeping thread costs as much as ten thousand rows, and then sleeps. `run` inside a body, or while
// another thread runs, works inline.

import CMillrace
import Glibc
import Synchronization

package final class WorkerPool: Sendable {
    /// Threads that share the work, the caller included.
    package let workerCount: Int
    private let shared: Shared
    private let threads: [JoinableThread]

    package init(workerCount: Int, spinMicroseconds: Int = 30) {
        let shared = Shared(spinNanoseconds: UInt64(max(spinMicroseconds, 0)) * 1_000)
        self.shared = shared
        threads = (1..<max(workerCount, 1)).compactMap { _ in
            JoinableThread { shared.work() }
        }
        self.workerCount = threads.count + 1
    }

    deinit {
        shared.stop()
        for thread in threads { thread.join() }
    }

    /// Calls `body` once for each index in 0..<count, and returns when all calls have.
    package func run(count: Int, body: @Sendable (Int) -> Void) {
        if count <= 1 || threads.isEmpty || !shared.begin() {
            for index in 0..<max(count, 0) { body(index) }
            return
        }
        defer { shared.end() }
        withoutActuallyEscaping(body) { shared.run(count: count, body: $0) }
    }

    private final class Shared: @unchecked Sendable {
        // Safe to share: plain fields are touched under the lock only.
        private let lock = Lock()
        private let wake = Condition()
        private let left = Condition()
        private let spinNanoseconds: UInt64
        private let isBusy = Atomic<Bool>(false)
        private let generation = Atomic<Int>(0)
        private let next = Atomic<Int>(0)
        private let inside = Atomic<Int>(0)
        private let isStopping = Atomic<Bool>(false)
        private var job: Unmanaged<Job>?
        private var sleeping = 0
        private var callerSleeps = false

        /// The work of one `run`. Workers hold it unmanaged: the caller frees it only after the last of them has left.
        private final class Job {
            let body: @Sendable (Int) -> Void
            let count: Int

            init(_ body: @escaping @Sendable (Int) -> Void, _ count: Int) {
                self.body = body
                self.count = count
            }
        }

        init(spinNanoseconds: UInt64) { self.spinNanoseconds = spinNanoseconds }

        func begin() -> Bool { isBusy.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged }
        func end() { isBusy.store(false, ordering: .releasing) }

        @inline(never)
        func run(count: Int, body: @escaping @Sendable (Int) -> Void) {
            let owned = Unmanaged.passRetained(Job(body, count))
            defer { owned.release() }
            lock.lock()
            job = owned
            next.store(0, ordering: .relaxed)
            generation.add(1, ordering: .releasing)
            let mustWake = sleeping > 0
            lock.unlock()
            if mustWake { wake.broadcast() }
            take(owned)
            lock.lock()
            job = nil
            lock.unlock()
            guard !spin(until: { self.inside.load(ordering: .acquiring) == 0 }) else { return }
            lock.lock()
            callerSleeps = true
            while inside.load(ordering: .acquiring) > 0 { left.wait(lock) }
            callerSleeps = false
            lock.unlock()
        }

        /// Not inlined, so that no reference to the body is left in the frame of the worker when it reports that it has left.
        @inline(never)
        private func take(_ job: Unmanaged<Job>) {
            job._withUnsafeGuaranteedRef { job in
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < job.count else { return }
                    job.body(index)
                }
            }
        }

        func work() {
            var seen = 0
            while true {
                if !spin(until: { self.generation.load(ordering: .acquiring) != seen || self.isStopping.load(ordering: .relaxed) }) {
                    lock.lock()
                    sleeping += 1
                    while generation.load(ordering: .acquiring) == seen && !isStopping.load(ordering: .relaxed) { wake.wait(lock) }
                    sleeping -= 1
                    lock.unlock()
                }
                if isStopping.load(ordering: .relaxed) { return }
                lock.lock()
                seen = generation.load(ordering: .acquiring)
                guard let job else {
                    lock.unlock()
                    continue
                }
                inside.add(1, ordering: .relaxed)
                lock.unlock()
                take(job)
                lock.lock()
                let isLast = inside.subtract(1, ordering: .acquiringAndReleasing).newValue == 0
                if isLast && callerSleeps { left.signal() }
                lock.unlock()
            }
        }

        func stop() {
            lock.lock()
            isStopping.store(true, ordering: .releasing)
            lock.unlock()
            wake.broadcast()
        }

        private func spin(until isTrue: () -> Bool) -> Bool {
            if isTrue() { return true }
            guard spinNanoseconds > 0 else { return false }
            let start = WorkerPool.nanoseconds()
            while true {
                for _ in 0..<32 {
                    millrace_pause()
                    if isTrue() { return true }
                }
                if WorkerPool.nanoseconds() &- start > spinNanoseconds { return false }
            }
        }
    }

    private static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
