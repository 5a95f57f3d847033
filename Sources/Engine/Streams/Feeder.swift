// Feeder: appends what a live connector samples to the stream's log, once an interval.

import Platform
import ShardLog

final class Feeder: @unchecked Sendable {
    // Safe to share: used by the maintenance thread only.
    private let source: any LiveFeeder
    private let stream: LogStream
    private let name: String
    private var nextMicroseconds: Int64 = .min
    private var rotation: UInt64 = 0
    private var lastFault: String?

    init(source: any LiveFeeder, stream: LogStream, name: String) {
        self.source = source
        self.stream = stream
        self.name = name
    }

    /// Whether a fault is another one than the last: the same is said once.
    func isNew(fault: String) -> Bool {
        defer { lastFault = fault }
        return fault != lastFault
    }

    func feed(nowMicroseconds: Int64) throws(EngineError) {
        guard nowMicroseconds >= nextMicroseconds else { return }
        // Samples keep to a grid, however long one took; a clock that jumped begins a new one.
        let interval = max(1_000, source.intervalMicroseconds)
        nextMicroseconds = (nowMicroseconds / interval &+ 1) &* interval
        do {
            guard let batch = try source.sample(nowMicroseconds: nowMicroseconds), batch.count > 0 else { return }
            rotation &+= 1
            // The thread has other work: a sample that there is no room for is lost, and said to be.
            let prepared = try stream.prepare([batch], routing: .automatic(rotation: rotation), arrivalMicroseconds: nowMicroseconds)
            _ = try stream.commit([prepared], waits: false)
            lastFault = nil
        } catch {
            throw EngineError("stream \(name): \(error)")
        }
    }
}
