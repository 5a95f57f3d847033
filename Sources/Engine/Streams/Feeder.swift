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

    init(source: any LiveFeeder, stream: LogStream, name: String) {
        self.source = source
        self.stream = stream
        self.name = name
    }

    func feed(nowMicroseconds: Int64) throws(EngineError) {
        guard nowMicroseconds >= nextMicroseconds else { return }
        // Samples keep to a grid, however long one took; a clock that jumped begins a new one.
        let interval = max(1_000, source.intervalMicroseconds)
        nextMicroseconds = (nowMicroseconds / interval &+ 1) &* interval
        do {
            guard let batch = try source.sample(nowMicroseconds: nowMicroseconds), batch.count > 0 else { return }
            rotation &+= 1
            _ = try stream.append(batch, producer: 0, epoch: 0, routing: .automatic(rotation: rotation), arrivalMicroseconds: nowMicroseconds)
        } catch {
            throw EngineError("stream \(name): \(error)")
        }
    }
}
