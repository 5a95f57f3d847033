// EventLoop: one thread that waits for many sockets at once (epoll, level-triggered) and calls whom an event concerns.
//
// 1. Everything that is watched has a slot; an event carries the slot's number and its generation, so that an event for something that was closed
//    earlier in the same round reaches nobody.
// 2. `post` puts work in a list and wakes the loop through an eventfd. Posted work, timers and events all run on the loop's thread.
// 3. `stop` ends the loop: every connection is closed (reason `stopped`), and so is every listener.
//
// Only `post`, `stop` and what Connection says may be called from other threads; the rest belongs to the loop's thread, or to whoever sets the loop up
// before it runs.

import CMillrace
import Glibc
import Platform

/// Something with a descriptor that the loop watches.
protocol Watched: AnyObject {
    func ready(_ events: UInt32)
    func loopStopped()
}

package final class EventLoop: @unchecked Sendable {
    // Safe to share: `posted` is behind the lock, the descriptors never change while it lives; all else is the loop's thread's.
    private struct Slot {
        var generation: UInt32 = 0
        var watched: (any Watched)?
    }

    private static let wakeToken = UInt64.max
    private static let eventsMax = 512
    /// What is read from a socket at once.
    private static let readByteCountMax = 256 << 10

    let poller: Int32
    private let waker: Int32
    private let clock: any Clock
    private let lock = Lock()
    private var posted: [@Sendable () -> Void] = []
    private var isWoken = false
    private let isStopping = Flag()
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var timers = TimerQueue()
    private var thread: pthread_t?
    /// Every read goes through it, so that an idle connection holds no buffer of its own.
    let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: EventLoop.readByteCountMax, alignment: 64)
    /// Receives what people should know and no connection can be told, e.g. that no descriptor is left.
    package var onNotice: @Sendable (String) -> Void = { _ in }

    package init(clock: any Clock = SystemClock()) throws(NetworkError) {
        self.clock = clock
        poller = epoll_create1(Int32(EPOLL_CLOEXEC))
        waker = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard poller >= 0, waker >= 0 else { throw .system("cannot make an event loop") }
        guard millrace_watch(poller, EPOLL_CTL_ADD, waker, UInt32(MILLRACE_READABLE), Self.wakeToken) == 0 else {
            throw .system("cannot make an event loop")
        }
    }

    deinit {
        if poller >= 0 { close(poller) }
        if waker >= 0 { close(waker) }
        readBuffer.deallocate()
    }

    // MARK: From any thread

    /// Runs `work` on the loop's thread, soon. Work posted after the loop has ended is not run.
    package func post(_ work: @escaping @Sendable () -> Void) {
        let mustWake = lock.locked {
            posted.append(work)
            defer { isWoken = true }
            return !isWoken
        }
        if mustWake { wake() }
    }

    /// Ends `run`.
    package func stop() {
        isStopping.set()
        wake()
    }

    private func wake() {
        var one: UInt64 = 1
        // A full counter means that the loop has been woken already.
        _ = write(waker, &one, MemoryLayout<UInt64>.size)
    }

    package var isOnLoopThread: Bool { thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }

    // MARK: The loop's thread

    var nowNanoseconds: UInt64 { clock.monotonicNanoseconds() }

    /// Watches and calls until `stop`.
    package func run() {
        thread = pthread_self()
        var events = [epoll_event](repeating: epoll_event(), count: Self.eventsMax)
        while !isStopping.isSet {
            let count = epoll_wait(poller, &events, Int32(events.count), waitMilliseconds())
            if count < 0, errno != EINTR {
                onNotice("the event loop cannot wait: \(String(cString: strerror(errno)))")
                break
            }
            for event in events.prefix(Int(max(0, count))) {
                let token = event.data.u64
                if token == Self.wakeToken { drainWaker() } else { watched(token)?.ready(event.events) }
            }
            let now = nowNanoseconds
            while let action = timers.takeDue(atNanoseconds: now) { action() }
            runPosted()
        }
        for slot in slots { slot.watched?.loopStopped() }
        // Whoever waits for an answer from the loop gets it.
        runPosted()
    }

    /// Runs `action` once, after so long, unless it is cancelled.
    @discardableResult
    package func after(milliseconds: Int, _ action: @escaping () -> Void) -> UInt64 {
        timers.add(atNanoseconds: nowNanoseconds &+ UInt64(max(0, milliseconds)) &* 1_000_000, action)
    }

    package func cancelTimer(_ id: UInt64) { timers.cancel(id) }

    private func waitMilliseconds() -> Int32 {
        guard let next = timers.nextNanoseconds() else { return -1 }
        let now = nowNanoseconds
        return next <= now ? 0 : Int32(min(60_000, (next - now) / 1_000_000 + 1))
    }

    private func drainWaker() {
        var count: UInt64 = 0
        _ = read(waker, &count, MemoryLayout<UInt64>.size)
    }

    private func runPosted() {
        let work = lock.locked {
            isWoken = false
            defer { posted = [] }
            return posted
        }
        for item in work { item() }
    }

    // MARK: Slots

    private func watched(_ token: UInt64) -> (any Watched)? {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].generation == UInt32(token >> 32) else { return nil }
        return slots[index].watched
    }

    /// Gives a descriptor a slot and watches it; nil, with errno set, when the system refuses.
    func watch(_ descriptor: Int32, _ watched: any Watched, events: UInt32) -> UInt64? {
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count { slots.append(Slot()) }
        let token = UInt64(slots[index].generation) << 32 | UInt64(index)
        guard millrace_watch(poller, EPOLL_CTL_ADD, descriptor, events, token) == 0 else {
            freeSlots.append(index)
            return nil
        }
        slots[index].watched = watched
        return token
    }

    /// Must come before the descriptor is closed.
    func unwatch(_ descriptor: Int32, token: UInt64) {
        let index = Int(token & 0xFFFF_FFFF)
        guard watched(token) != nil else { return }
        _ = millrace_watch(poller, EPOLL_CTL_DEL, descriptor, 0, 0)
        slots[index].watched = nil
        slots[index].generation &+= 1
        freeSlots.append(index)
    }
}
