// StreamTransport: appends what is told to a stream of this data directory, as JSON with the columns of `alerts`; the stream takes those it has.

import Columns
import Engine

package final class StreamTransport: Transport {
    private let engine: Engine
    private let stream: String

    package init(_ definition: NotifierDefinition, engine: Engine) {
        self.engine = engine
        stream = definition.stream
    }

    package func send(_ request: TransportRequest, isCancelled: () -> Bool) -> TransportResult {
        do {
            let appender = try engine.appender(stream: stream)
            let buffer = Array(request.body.utf8).withUnsafeBytes { Buffer(copying: $0) }
            let counts = try appender.finish(last: buffer)
            guard counts.rejected == 0 else {
                return .refused(status: nil, reason: "stream \(stream) takes no such row: \(counts.reasons.first ?? "see \(stream)_errors")")
            }
            return .delivered(status: nil)
        } catch { return .failed(reason: "\(error)", status: nil, isUnreachable: true) }
    }
}
