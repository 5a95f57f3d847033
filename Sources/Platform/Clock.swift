// Clock: where every reading of time comes from.
//
// Nothing above this module asks the system for the time. The real clock and a simulated one stand behind the same
// protocol, so that a test decides what time it is and a run can be repeated exactly.

import Glibc

/// A source of time. Readings may stand still or jump (an administrator sets the clock): whoever needs a value that never
/// goes back must make it so itself.
package protocol Clock: AnyObject, Sendable {
    /// Wall-clock time in microseconds since 1970-01-01T00:00:00Z.
    func nowMicroseconds() -> Int64
    /// A reading that never goes back, in nanoseconds from an arbitrary start; it also counts while the machine sleeps. For measuring durations
    /// only.
    func monotonicNanoseconds() -> UInt64
    /// Tells one boot of the machine from another: monotonic readings of the same boot can be compared across processes. 0 when that is not known.
    var bootIdentity: UInt64 { get }
}

extension Clock {
    package var bootIdentity: UInt64 { 0 }
}

/// The machine's own clock.
package final class SystemClock: Clock {
    package let bootIdentity: UInt64

    package init() {
        var text = [UInt8](repeating: 0, count: 64)
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        let count = descriptor < 0 ? 0 : text.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        if descriptor >= 0 { close(descriptor) }
        bootIdentity = count > 0 ? text[..<count].withUnsafeBytes { UInt64(truncatingIfNeeded: MD5.hash($0)) } : 0
    }

    package func nowMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec) / 1_000
    }

    package func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

/// A wall clock that never goes back: while the one underneath is behind what has been read before, time goes on at half its speed until the two
/// meet. So nothing that waits for a time waits for days because somebody set the clock back. A jump forward is believed.
package final class SteadyClock: Clock, @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let clock: any Clock
    private let lock = Lock()
    private var microseconds = Int64.min
    private var nanoseconds: UInt64 = 0

    package init(_ clock: any Clock) { self.clock = clock }

    package func nowMicroseconds() -> Int64 {
        let wall = clock.nowMicroseconds()
        let now = clock.monotonicNanoseconds()
        return lock.locked {
            if wall >= microseconds {
                microseconds = wall
                nanoseconds = now
            } else if now > nanoseconds {
                let passed = (now - nanoseconds) / 2_000
                guard passed > 0 else { return microseconds }
                microseconds = microseconds.addingReportingOverflow(Int64(clamping: passed)).partialValue
                nanoseconds = now
            }
            return microseconds
        }
    }

    package func monotonicNanoseconds() -> UInt64 { clock.monotonicNanoseconds() }
    package var bootIdentity: UInt64 { clock.bootIdentity }
}

/// A clock that moves only when told to.
package final class ManualClock: Clock, @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let lock = Lock()
    private var microseconds: Int64
    /// What jumps have added to the wall clock and not to the monotonic one.
    private var jumped: Int64 = 0

    package init(startingAtMicroseconds start: Int64 = 0) { microseconds = start }

    /// One machine that never reboots.
    package var bootIdentity: UInt64 { 1 }
    package func nowMicroseconds() -> Int64 { lock.locked { microseconds &+ jumped } }
    package func monotonicNanoseconds() -> UInt64 { lock.locked { UInt64(bitPattern: microseconds) &* 1_000 } }
    package func advance(byMicroseconds step: Int64) { lock.locked { microseconds &+= step } }
    package func set(toMicroseconds now: Int64) { lock.locked { microseconds = now &- jumped } }
    /// Somebody sets the wall clock: it jumps, either way, and the monotonic reading does not.
    package func jump(byMicroseconds step: Int64) { lock.locked { jumped &+= step } }
}
