// EventLoop, Listener and Connection over real sockets.

import Glibc
import Platform
import Synchronization
import XCTest

@testable import Gateway

/// Gives everything back; notes what happens to it.
private final class Echo: ConnectionHandler, @unchecked Sendable {
    let ends = Lock()
    var reasons: [ConnectionEnd] = []
    var timeOuts = 0
    var deadlineMilliseconds: Int?
    var finishesAtEnd = true

    func received(_ connection: Connection) {
        connection.send(connection.input.take(.max))
        connection.setDeadline(milliseconds: deadlineMilliseconds)
    }
    func inputEnded(_ connection: Connection) { if finishesAtEnd { connection.finish() } }
    func timedOut(_ connection: Connection) {
        ends.locked { timeOuts += 1 }
        connection.abort()
    }
    func closed(_ connection: Connection, reason: ConnectionEnd) { ends.locked { reasons.append(reason) } }
    func seen() -> [ConnectionEnd] { ends.locked { reasons } }
}

/// A handler made of closures.
private final class Handler: ConnectionHandler {
    let onReceived: (Connection) -> Void
    init(_ onReceived: @escaping (Connection) -> Void) { self.onReceived = onReceived }
    func received(_ connection: Connection) { onReceived(connection) }
    func closed(_ connection: Connection, reason: ConnectionEnd) {}
}

final class EventLoopTests: XCTestCase {
    private func withLoop(
        _ accept: @escaping (Connection) -> (any ConnectionHandler)?, _ body: (_ port: Int, _ loop: EventLoop) throws -> Void
    ) throws {
        let loop = try EventLoop()
        let listener = try loop.listen(host: "127.0.0.1", port: 0, accept)
        let thread = try XCTUnwrap(JoinableThread { loop.run() })
        defer {
            loop.stop()
            thread.join()
        }
        try body(listener.port, loop)
    }

    private func eventually(_ what: String, file: StaticString = #filePath, line: UInt = #line, _ condition: () -> Bool) {
        for _ in 0..<1_000 {
            if condition() { return }
            usleep(10_000)
        }
        XCTFail("never: " + what, file: file, line: line)
    }

    func testEchoOfManyAtOnce() throws {
        let echo = Echo()
        try withLoop({ _ in echo }) { port, _ in
            let sockets = (0..<50).map { _ in TestSocket(port: port) }
            for (number, socket) in sockets.enumerated() { XCTAssertTrue(socket.write(Array("hello \(number)".utf8))) }
            for (number, socket) in sockets.enumerated().reversed() {
                XCTAssertEqual(String(decoding: socket.read("hello \(number)".utf8.count), as: UTF8.self), "hello \(number)")
            }
            for socket in sockets { socket.close() }
            eventually("all closed") { echo.seen().count == 50 }
            XCTAssertTrue(echo.seen().allSatisfy { $0 == .finished })
        }
    }

    func testHalfCloseStillGetsTheAnswer() throws {
        let echo = Echo()
        try withLoop({ _ in echo }) { port, _ in
            let socket = TestSocket(port: port)
            let message = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let writer = try XCTUnwrap(JoinableThread { [socket = UncheckedBox(socket)] in
                socket.value.write(message)
                socket.value.shutdownWriting()
            })
            XCTAssertEqual(socket.readToEnd(), message)
            writer.join()
        }
    }

    func testResetIsSeen() throws {
        let echo = Echo()
        try withLoop({ _ in echo }) { port, _ in
            let socket = TestSocket(port: port)
            socket.write([1])
            XCTAssertEqual(socket.read(1), [1])
            socket.reset()
            eventually("closed") { echo.seen() == [.peerClosed] }
        }
    }

    func testDeadline() throws {
        let echo = Echo()
        // Far more than a busy machine keeps a thread waiting.
        echo.deadlineMilliseconds = 1_500
        try withLoop({ _ in echo }) { port, _ in
            let socket = TestSocket(port: port)
            // Each message moves the deadline.
            for _ in 0..<4 {
                socket.write([1])
                XCTAssertEqual(socket.read(1), [1])
                usleep(500_000)
            }
            XCTAssertEqual(socket.readToEnd(), [])
            eventually("timed out") { echo.seen() == [.aborted] }
            XCTAssertEqual(echo.ends.locked { echo.timeOuts }, 1)
        }
    }

    /// A reader that does not read holds back its own producer, within the high-water mark, and nobody else.
    func testSlowReaderHoldsBackItsProducerOnly() throws {
        let threads = StatementThreads(threadCountMax: 4)
        let produced = Atomic<Int>(0)
        let total = 64 << 20
        try withLoop({ _ in
            Handler { connection in
                guard connection.input.take(.max).first == 1 else {
                    connection.send([9])
                    return
                }
                XCTAssertTrue(threads.run {
                    let piece = [UInt8](repeating: 7, count: 100_000)
                    var sent = 0
                    while sent < total, connection.waitForRoom() {
                        connection.send(piece)
                        XCTAssertLessThanOrEqual(connection.outputCount, Connection.highWaterByteCount + piece.count)
                        sent += piece.count
                        produced.store(sent, ordering: .relaxed)
                    }
                    connection.finish()
                })
            }
        }) { port, _ in
            let slow = TestSocket(port: port, receiveBufferByteCount: 8_192)
            slow.write([1])
            eventually("begun") { produced.load(ordering: .relaxed) > 0 }
            var before = 0
            eventually("held back") {
                before = produced.load(ordering: .relaxed)
                usleep(300_000)
                return produced.load(ordering: .relaxed) == before
            }
            XCTAssertLessThan(before, total / 2)
            let other = TestSocket(port: port)
            other.write([2])
            XCTAssertEqual(other.read(1), [9])
            usleep(100_000)
            XCTAssertEqual(produced.load(ordering: .relaxed), before)
            let rest = slow.readToEnd()
            XCTAssertGreaterThanOrEqual(rest.count, total)
            XCTAssertTrue(rest.allSatisfy { $0 == 7 })

            // One that goes away lets its producer go.
            produced.store(0, ordering: .relaxed)
            let leaver = TestSocket(port: port, receiveBufferByteCount: 8_192)
            leaver.write([1])
            eventually("begun") { produced.load(ordering: .relaxed) > 0 }
            leaver.close()
            eventually("let go") { threads.activeCount == 0 }
        }
        threads.close()
    }

    func testPauseReading() throws {
        let count = Atomic<Int>(0)
        let held = Lock()
        nonisolated(unsafe) var connections: [Connection] = []
        try withLoop({ _ in
            Handler { connection in
                count.add(connection.input.count, ordering: .relaxed)
                connection.input.drop(.max)
                held.locked { connections = [connection] }
                connection.pauseReading()
            }
        }) { port, _ in
            let socket = TestSocket(port: port)
            socket.write([1])
            eventually("first") { count.load(ordering: .relaxed) == 1 }
            socket.write([2, 3])
            usleep(100_000)
            XCTAssertEqual(count.load(ordering: .relaxed), 1)
            held.locked { connections[0].resumeReading() }
            eventually("second") { count.load(ordering: .relaxed) == 3 }
        }
    }

    func testRefusedConnectionIsClosed() throws {
        try withLoop({ _ in nil }) { port, _ in XCTAssertEqual(TestSocket(port: port).readToEnd(), []) }
    }

    func testStopClosesEverything() throws {
        let echo = Echo()
        var socket: TestSocket?
        try withLoop({ _ in echo }) { port, _ in
            socket = TestSocket(port: port)
            socket?.write([1])
            XCTAssertEqual(socket?.read(1), [1])
        }
        XCTAssertEqual(echo.seen(), [.stopped])
        XCTAssertEqual(socket?.readToEnd(), [])
    }

    func testPortInUseIsNamed() throws {
        let loop = try EventLoop()
        let listener = try loop.listen(host: "127.0.0.1", port: 0) { _ in nil }
        XCTAssertThrowsError(try loop.listen(host: "127.0.0.1", port: listener.port) { _ in nil }) {
            XCTAssertEqual("\($0)", "cannot listen on 127.0.0.1:\(listener.port): Address already in use")
        }
        XCTAssertThrowsError(try loop.listen(host: "127.0.0.1", port: 70_000) { _ in nil })
    }

    func testTimersAndPostedWork() throws {
        let loop = try EventLoop()
        let order = Lock()
        nonisolated(unsafe) var seen: [Int] = []
        loop.after(milliseconds: 40) { order.locked { seen.append(3) }; loop.stop() }
        loop.after(milliseconds: 20) { order.locked { seen.append(2) } }
        let cancelled = loop.after(milliseconds: 10) { order.locked { seen.append(99) } }
        loop.cancelTimer(cancelled)
        loop.post { order.locked { seen.append(1) } }
        loop.run()
        XCTAssertEqual(seen, [1, 2, 3])
    }

    func testTimerQueueAgainstSorting() {
        var random = SeededRandom(seed: 5)
        var timers = TimerQueue()
        var model: [(UInt64, UInt64)] = []
        nonisolated(unsafe) var fired: [UInt64] = []
        for step in 0..<5_000 {
            switch random.below(4) {
            case 0, 1:
                let time = UInt64(random.below(1_000) + step)
                let number = UInt64(step)
                let id = timers.add(atNanoseconds: time) { fired.append(number) }
                model.append((time, id))
                _ = id
            case 2:
                guard !model.isEmpty else { break }
                timers.cancel(model.remove(at: random.below(model.count)).1)
            default:
                model.sort { ($0.0, $0.1) < ($1.0, $1.1) }
                let next = model.first?.0
                XCTAssertEqual(timers.nextNanoseconds(), next)
                if let next {
                    XCTAssertNil(timers.takeDue(atNanoseconds: next - 1))
                    XCTAssertNotNil(timers.takeDue(atNanoseconds: next))
                    model.removeFirst()
                }
            }
            XCTAssertEqual(timers.count, model.count)
        }
    }

    func testWorkThatBlocksKeepsNobodyWaiting() throws {
        let threads = StatementThreads(threadCountMax: 64)
        let gate = Flag()
        let begun = Atomic<Int>(0)
        for _ in 0..<40 {
            XCTAssertTrue(threads.run {
                begun.add(1, ordering: .relaxed)
                while !gate.isSet { usleep(1_000) }
            })
        }
        eventually("all begun") { begun.load(ordering: .relaxed) == 40 }
        let done = Atomic<Int>(0)
        for _ in 0..<24 { XCTAssertTrue(threads.run { done.add(1, ordering: .relaxed) }) }
        eventually("short work beside it") { done.load(ordering: .relaxed) == 24 }
        gate.set()
        threads.close()
        XCTAssertEqual(threads.activeCount, 0)
    }

    /// An idle thread that has been woken and does not run yet is one place, not two.
    func testStatementThreadsGiveEveryPlace() throws {
        for _ in 0..<50 {
            let threads = StatementThreads(threadCountMax: 3)
            let gate = Flag()
            let done = Atomic<Int>(0)
            XCTAssertTrue(threads.run { done.add(1, ordering: .relaxed) })
            eventually("one is idle") { done.load(ordering: .relaxed) == 1 && threads.activeCount == 0 }
            for _ in 0..<3 {
                XCTAssertTrue(threads.run {
                    while !gate.isSet { usleep(100) }
                    done.add(1, ordering: .relaxed)
                })
            }
            XCTAssertFalse(threads.run {})
            gate.set()
            eventually("all have run") { done.load(ordering: .relaxed) == 4 }
            threads.close()
        }
    }

    func testStatementThreadsEndAndRefuse() throws {
        let threads = StatementThreads(threadCountMax: 2)
        let gate = Flag()
        let done = Atomic<Int>(0)
        for _ in 0..<2 {
            XCTAssertTrue(threads.run {
                while !gate.isSet { usleep(1_000) }
                done.add(1, ordering: .relaxed)
            })
        }
        XCTAssertFalse(threads.run {})
        gate.set()
        eventually("done") { done.load(ordering: .relaxed) == 2 && threads.activeCount == 0 }
        for _ in 0..<1_000 {
            while !threads.run({ done.add(1, ordering: .relaxed) }) { usleep(100) }
        }
        threads.close()
        XCTAssertEqual(done.load(ordering: .relaxed), 1_002)
        XCTAssertFalse(threads.run {})
    }
}

private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
