// Transport: how a notification leaves the program.

package struct TransportRequest: Hashable, Sendable {
    /// The same for every attempt; what a receiver knows a repetition by.
    package var key: String
    package var body: String
    package var isJSON: Bool
    /// `firing` or `resolved`.
    package var status: String
    package var attempt: Int64
}

package enum TransportResult: Hashable, Sendable {
    /// The receiver has it.
    case delivered(status: Int?)
    /// It will not take it, now or later.
    case refused(status: Int?, reason: String)
    /// It may take it later. `isUnreachable`: nothing could be reached that could have refused it.
    case failed(reason: String, status: Int?, isUnreachable: Bool)
}

package protocol Transport: AnyObject, Sendable {
    /// Tries once, and returns within the notifier's timeout. `isCancelled` ends it before.
    func send(_ request: TransportRequest, isCancelled: () -> Bool) -> TransportResult
}

/// For a definition that names no receiver.
final class NoTransport: Transport {
    func send(_ request: TransportRequest, isCancelled: () -> Bool) -> TransportResult {
        .failed(reason: "the notifier names no receiver", status: nil, isUnreachable: true)
    }
}

/// Texts that the outside world gave, for people: short, and of one line.
enum ForeignText {
    static func shortened(_ text: String, max: Int = 200) -> String {
        let line = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : String($0) }.joined()
        let words = line.split(separator: " ").joined(separator: " ")
        return words.count > max ? String(words.prefix(max)) + "..." : words
    }
}
