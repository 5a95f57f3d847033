// ConnectionHandler: what a protocol does with a connection. Every call comes on the loop's own thread, one at a time, and must not block: what takes
// longer (a statement, a cursor) goes to StatementThreads.

/// How a connection came to its end.
package enum ConnectionEnd: Sendable, Equatable {
    /// The other side closed it, or is gone.
    case peerClosed
    /// `finish()`, and all output has been given to the system.
    case finished
    /// `abort()`.
    case aborted
    /// The loop has stopped.
    case stopped
    /// A call failed; the text is for people.
    case failed(String)
}

package protocol ConnectionHandler: AnyObject {
    /// `connection.input` has new bytes. What is not dropped from it stays for the next call.
    func received(_ connection: Connection)
    /// The output, which had been above the high-water mark, has fallen below the low one.
    func writable(_ connection: Connection)
    /// The other side has said all it will say; it may still listen. Nothing more is received.
    func inputEnded(_ connection: Connection)
    /// The time that `setDeadline` gave has passed. The deadline is gone then.
    func timedOut(_ connection: Connection)
    /// Over; no call comes after this one.
    func closed(_ connection: Connection, reason: ConnectionEnd)
}

extension ConnectionHandler {
    package func writable(_ connection: Connection) {}
    package func inputEnded(_ connection: Connection) { connection.finish() }
    package func timedOut(_ connection: Connection) { connection.abort() }
}
