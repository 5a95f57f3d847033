// StatementThreads: threads for what blocks: a statement, a cursor, a large append. There are as many as there is work at this moment, up to a limit; one
// that has had nothing to do for a while ends. A connection without work has none.
//
// A few threads are made at once when they are wanted. Beyond these, work waits a moment for one of them: of many short statements that come together most
// are done before a thread could have been made. While anything waits a watcher looks every few milliseconds, and makes threads for what has waited too long, so that
// statements that go on for ever keep nobody waiting. There is never more waiting than there may be threads for.

import Glibc
import Platform

package final class StatementThreads: @unchecked Sendable {
    // Safe to share: everything that changes is behind the lock.
    private static let idleMilliseconds = 5_000
    /// Made without waiting.
    private static let promptCount = 8
    private static let patienceMicroseconds: UInt32 = 5_000
    private static let madeMaxPerLook = 4

    private let lock = Lock()
    private let changed = Condition()
    private let threadCountMax: Int
    private var work: [@Sendable () -> Void] = []
    private var threadCount = 0
    private var idleCount = 0
    private var isClosed = false
    private var isWatched = false
    /// How many pieces of work threads have taken from those that waited.
    private var takenCount = 0
    /// Those that have ended or are about to; joined by whoever comes next.
    private var threads: [ObjectIdentifier: JoinableThread] = [:]
    private var ended: [JoinableThread] = []

    package init(threadCountMax: Int) { self.threadCountMax = max(1, threadCountMax) }

    package var activeCount: Int { lock.locked { threadCount - idleCount } }

    /// Runs `item` on a thread that has nothing else to do. False when there are too many already, or it is closed: then it will not run.
    package func run(_ item: @escaping @Sendable () -> Void) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard !isClosed else { return false }
        if idleCount > work.count {
            work.append(item)
            changed.signal()
            return true
        }
        // A thread that has been woken for waiting work counts as idle until it runs: with all threads it would be counted twice, as a thread and as its work.
        guard threadCount - idleCount + work.count < threadCountMax else { return false }
        if threadCount < Self.promptCount { return start(item) }
        work.append(item)
        if !isWatched {
            isWatched = JoinableThread({ [self] in watch() }) != nil
            // Without a watcher nobody would make the thread that may be needed.
            if !isWatched {
                work.removeLast()
                return start(item)
            }
        }
        return true
    }

    /// Under the lock: a thread that begins with this.
    private func start(_ item: @escaping @Sendable () -> Void) -> Bool {
        let key = Key()
        guard let thread = JoinableThread({ [self] in serve(key, first: item) }) else { return false }
        threadCount += 1
        threads[ObjectIdentifier(key)] = thread
        let over = ended
        ended = []
        // They have left the lock for the last time, or are just leaving it.
        for thread in over { thread.join() }
        return true
    }

    private func watch() {
        var seen = lock.locked { takenCount }
        while true {
            usleep(Self.patienceMicroseconds)
            lock.lock()
            // Those at the front that were there at the last look have waited long enough.
            var late = min(Self.madeMaxPerLook, work.count - (takenCount - seen))
            while late > 0, threadCount < threadCountMax, let item = work.first, start(item) {
                work.removeFirst()
                takenCount += 1
                late -= 1
            }
            seen = takenCount
            isWatched = !work.isEmpty
            let isOver = !isWatched
            if isOver { changed.broadcast() }
            lock.unlock()
            if isOver { return }
        }
    }

    /// Takes no more work and waits until what runs has ended.
    package func close() {
        lock.lock()
        isClosed = true
        changed.broadcast()
        while threadCount > 0 || isWatched { changed.wait(lock) }
        let over = ended
        ended = []
        lock.unlock()
        for thread in over { thread.join() }
    }

    /// What a thread is known by.
    private final class Key: Sendable {}

    private func serve(_ key: Key, first: @escaping @Sendable () -> Void) {
        first()
        lock.lock()
        while true {
            if !work.isEmpty {
                let item = work.removeFirst()
                takenCount += 1
                lock.unlock()
                item()
                lock.lock()
                continue
            }
            if isClosed { break }
            idleCount += 1
            let wasWoken = changed.wait(lock, milliseconds: Self.idleMilliseconds)
            idleCount -= 1
            if !wasWoken, work.isEmpty { break }
        }
        threadCount -= 1
        if let thread = threads.removeValue(forKey: ObjectIdentifier(key)) { ended.append(thread) }
        changed.broadcast()
        lock.unlock()
    }
}
