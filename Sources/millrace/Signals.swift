// Signals: SIGINT, SIGTERM and SIGHUP, received by one thread that does nothing else.
//
// The signals are blocked before any other thread exists, so that every thread inherits the mask and none is ever interrupted in
// the middle of something. The receiver runs the handler that is in force:
//
//   - `stopRequested` is set for good by SIGTERM and SIGHUP, and by a SIGINT that nobody has taken for itself;
//   - `whileHandlingInterrupt` takes SIGINT for itself while its body runs: a live SELECT is cancelled and the prompt stays;
//   - a second signal after `stopRequested` ends the process at once: a person who presses Ctrl-C twice means it. The log needs
//     no goodbye, so nothing that was acknowledged is lost by that.
//
// Every signal also writes a byte to a pipe, for a thread that waits in poll().

import Glibc
import Platform

enum Signals {
    private static let lock = Lock()
    // Safe: only touched while `lock` is held.
    nonisolated(unsafe) private static var isStopping = false
    nonisolated(unsafe) private static var interruptHandler: (@Sendable () -> Void)?
    nonisolated(unsafe) private static var stopHandlers: [@Sendable () -> Void] = []
    // Safe: written once by install(), before a second thread exists.
    nonisolated(unsafe) private static var wakePipe: (read: Int32, write: Int32) = (-1, -1)

    /// Whether the program was asked to end.
    static var stopRequested: Bool { lock.locked { isStopping } }

    /// Becomes readable when a signal has come; `drainWakePipe` empties it.
    static var wakeDescriptor: Int32 { wakePipe.read }

    /// Must come before anything that starts a thread.
    static func install() {
        var descriptors: [Int32] = [-1, -1]
        if pipe(&descriptors) == 0 {
            for descriptor in descriptors {
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            }
            wakePipe = (descriptors[0], descriptors[1])
        }
        signal(SIGPIPE, SIG_IGN)
        // A page of a mapped file that cannot be brought in: there is nothing to go on with, and nothing acknowledged is lost.
        signal(SIGBUS) { _ in
            let message: StaticString = "millrace: a page of a mapped file cannot be read; start again to go on from the last checkpoint\n"
            _ = write(2, message.utf8Start, message.utf8CodeUnitCount)
            _exit(1)
        }
        var set = watchedSignals()
        pthread_sigmask(SIG_BLOCK, &set, nil)
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 256 << 10)
        pthread_create(&thread, &attributes, { _ in
            Signals.receive()
            return nil
        }, nil)
        pthread_attr_destroy(&attributes)
    }

    /// Runs `body`; SIGINT calls `handler` (on the receiver's thread) and does not end the program.
    static func whileHandlingInterrupt<Result>(_ handler: @escaping @Sendable () -> Void, _ body: () throws -> Result) rethrows -> Result {
        lock.locked { interruptHandler = handler }
        defer { lock.locked { interruptHandler = nil } }
        return try body()
    }

    /// Runs `body`; `handler` is called (on the receiver's thread, or here at once) when the program is asked to end.
    static func whileHandlingStop<Result>(_ handler: @escaping @Sendable () -> Void, _ body: () throws -> Result) rethrows -> Result {
        let isLate = lock.locked {
            stopHandlers.append(handler)
            return isStopping
        }
        defer { lock.locked { _ = stopHandlers.popLast() } }
        if isLate { handler() }
        return try body()
    }

    static func drainWakePipe() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(wakePipe.read, &bytes, bytes.count) > 0 {}
    }

    /// Asks the program to end, as SIGTERM does: the reader of standard output has gone.
    static func requestStop() {
        let handlers = lock.locked {
            isStopping = true
            return stopHandlers
        }
        for handler in handlers { handler() }
        wake()
    }

    private static func watchedSignals() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            sigaction(number, nil, &action)
            // `nohup` and a shell's background job ignore some of them; what is ignored stays so.
            let handler = unsafeBitCast(action.__sigaction_handler, to: UInt.self)
            if handler != unsafeBitCast(SIG_IGN, to: UInt.self) { sigaddset(&set, number) }
        }
        return set
    }

    private static func receive() {
        var set = watchedSignals()
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            let (handler, isSecond) = lock.locked { () -> ((@Sendable () -> Void)?, Bool) in
                if number == SIGINT, !isStopping, let handler = interruptHandler { return (handler, false) }
                return (nil, isStopping)
            }
            if isSecond { _exit(ExitCode.interrupted.rawValue) }
            if let handler {
                handler()
                wake()
            } else {
                requestStop()
            }
        }
    }

    private static func wake() {
        var byte: UInt8 = 1
        _ = write(wakePipe.write, &byte, 1)
    }
}
