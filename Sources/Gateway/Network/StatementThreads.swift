// StatementThreads: threads for what blocks: a statement, a cursor, a large append. There are as many as there is work at this moment, up to a limit; one
// that has had nothing to do for a while ends. A connection without work has none.

import Platform

package final class StatementThreads: @unchecked Sendable {
    // Safe to share: everything that changes is behind the lock.
    private static let idleMilliseconds = 5_000

    private let lock = Lock()
    private let changed = Condition()
    private let threadCountMax: Int
    private var work: [@Sendable () -> Void] = []
    private var threadCount = 0
    private var idleCount = 0
    private var isClosed = false
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
        guard threadCount < threadCountMax else { return false }
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

    /// Takes no more work and waits until what runs has ended.
    package func close() {
        lock.lock()
        isClosed = true
        changed.broadcast()
        while threadCount > 0 { changed.wait(lock) }
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
