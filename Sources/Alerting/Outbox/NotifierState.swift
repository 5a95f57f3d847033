// NotifierState: what a notifier must not forget: how far it has read the stream `alerts`, what fires and was told, and what waits or is being tried.
//
// The stream keeps what lies behind the position; what lies before it and is not finished is in here with its whole transition, so that retention of the
// stream takes nothing away from what waits.
//
// As bytes: fields one after the other, numbers with eight bytes, texts and lists with their count before them. A reader checks every count
// against what is left, so that bytes of any kind give a state or nil.

import Engine

package struct NotifierState: Hashable, Sendable {
    /// An instance that fires.
    package struct Episode: Hashable, Sendable {
        /// With which it began.
        package var transition: AlertTransition
        /// Why it was not told: silenced, inhibited, acknowledged.
        package var held: String?
        /// When it was told, or given up; nil while it waits.
        package var toldMicroseconds: Int64?
        package var repetition: Int64 = 0
    }

    package struct Item: Hashable, Sendable {
        package var transition: AlertTransition
        /// When the instance began to fire, in event time.
        package var startedMicroseconds: Int64
    }

    /// What is tried as one, until it succeeds or is given up.
    package struct Batch: Hashable, Sendable {
        package var id: UInt64
        /// Of the request: the same for every attempt.
        package var key: String
        package var items: [Item]
        /// 0, or how often it is told again.
        package var repetition: Int64 = 0
        package var readyMicroseconds: Int64
        package var nextAttemptMicroseconds: Int64
        package var attemptCount: Int64 = 0
    }

    package struct Group: Hashable, Sendable {
        package var waiting: [Item] = []
        /// When what waits is told.
        package var dueMicroseconds: Int64 = 0
        package var toldMicroseconds: Int64?
        package var batches: [Batch] = []
    }

    /// Of each shard of the stream the row that comes next.
    package var positions: [UInt64] = []
    /// Which stream: one that was dropped and made again is another.
    package var streamID: UInt64 = 0
    package var nextBatch: UInt64 = 0
    package var episodes: [AlertTransition.Instance: Episode] = [:]
    package var groups: [String: Group] = [:]

    package init() {}

    // MARK: Bytes

    package var bytes: [UInt8] {
        var writer = OutboxWriter()
        writer.list(positions) { $0.number($1) }
        writer.number(streamID)
        writer.number(nextBatch)
        writer.list(episodes.sorted { $0.key < $1.key }.map(\.value)) { writer, episode in
            writer.transition(episode.transition)
            writer.text(episode.held)
            writer.optional(episode.toldMicroseconds)
            writer.number(UInt64(bitPattern: episode.repetition))
        }
        writer.list(groups.sorted { $0.key < $1.key }) { writer, entry in
            let (key, group) = entry
            writer.text(key)
            writer.list(group.waiting) { $0.item($1) }
            writer.number(UInt64(bitPattern: group.dueMicroseconds))
            writer.optional(group.toldMicroseconds)
            writer.list(group.batches) { writer, batch in
                writer.number(batch.id)
                writer.text(batch.key)
                writer.list(batch.items) { $0.item($1) }
                for value in [batch.repetition, batch.readyMicroseconds, batch.nextAttemptMicroseconds, batch.attemptCount] {
                    writer.number(UInt64(bitPattern: value))
                }
            }
        }
        return writer.bytes
    }

    package init?(bytes: [UInt8]) {
        var reader = OutboxReader(bytes)
        do throws(OutboxReader.Damage) {
            positions = try reader.list { reader throws(OutboxReader.Damage) in try reader.number() }
            streamID = try reader.number()
            nextBatch = try reader.number()
            for episode in try reader.list({ reader throws(OutboxReader.Damage) in try reader.episode() }) { episodes[episode.transition.instance] = episode }
            let entries = try reader.list { reader throws(OutboxReader.Damage) in (try reader.text(), try reader.group()) }
            for (key, group) in entries { groups[key] = group }
            guard reader.isAtEnd, positions.count <= 4_096 else { return nil }
        } catch { return nil }
    }
}

struct OutboxWriter {
    private(set) var bytes: [UInt8] = []

    mutating func number(_ value: UInt64) { for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) } }

    mutating func text(_ value: String) {
        let text = Array(value.utf8)
        number(UInt64(text.count))
        bytes += text
    }

    mutating func text(_ value: String?) {
        number(value == nil ? 0 : 1)
        if let value { text(value) }
    }

    mutating func optional(_ value: Int64?) {
        number(value == nil ? 0 : 1)
        if let value { number(UInt64(bitPattern: value)) }
    }

    mutating func list<Element>(_ values: [Element], _ body: (inout OutboxWriter, Element) -> Void) {
        number(UInt64(values.count))
        for value in values { body(&self, value) }
    }

    mutating func item(_ item: NotifierState.Item) {
        transition(item.transition)
        number(UInt64(bitPattern: item.startedMicroseconds))
    }

    mutating func transition(_ transition: AlertTransition) {
        for text in [transition.alert, transition.fingerprint, transition.from.rawValue, transition.to.rawValue, transition.severity, transition.cause,
            transition.reason, transition.key]
        { self.text(text) }
        for value in [transition.number, transition.eventMicroseconds, transition.processedMicroseconds] { number(UInt64(bitPattern: value)) }
        for entries in [transition.keys, transition.labels, transition.annotations, transition.values] {
            list(entries) { writer, entry in
                writer.text(entry.name)
                writer.text(entry.value)
            }
        }
        list(transition.notify) { $0.text($1) }
    }
}

struct OutboxReader {
    struct Damage: Error {}

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func number() throws(Damage) -> UInt64 {
        guard bytes.count - position >= 8 else { throw Damage() }
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += 8
        return value
    }

    private mutating func count() throws(Damage) -> Int {
        let value = try number()
        // Every element takes a byte at least.
        guard value <= UInt64(bytes.count - position) else { throw Damage() }
        return Int(value)
    }

    mutating func text() throws(Damage) -> String {
        let count = try count()
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }

    private mutating func isPresent() throws(Damage) -> Bool {
        let value = try number()
        guard value <= 1 else { throw Damage() }
        return value == 1
    }

    mutating func list<Element>(_ body: (inout OutboxReader) throws(Damage) -> Element) throws(Damage) -> [Element] {
        let count = try count()
        var values: [Element] = []
        for _ in 0..<count { values.append(try body(&self)) }
        return values
    }

    private mutating func signed() throws(Damage) -> Int64 { Int64(bitPattern: try number()) }
    private mutating func optional() throws(Damage) -> Int64? { try isPresent() ? try signed() : nil }

    private mutating func state() throws(Damage) -> AlertTransition.State {
        guard let state = AlertTransition.State(rawValue: try text()) else { throw Damage() }
        return state
    }

    private mutating func entries() throws(Damage) -> [AlertTransition.Entry] {
        try list { reader throws(Damage) in AlertTransition.Entry(try reader.text(), try reader.text()) }
    }

    mutating func transition() throws(Damage) -> AlertTransition {
        var transition = AlertTransition()
        transition.alert = try text()
        transition.fingerprint = try text()
        transition.from = try state()
        transition.to = try state()
        transition.severity = try text()
        transition.cause = try text()
        transition.reason = try text()
        transition.key = try text()
        transition.number = try signed()
        transition.eventMicroseconds = try signed()
        transition.processedMicroseconds = try signed()
        transition.keys = try entries()
        transition.labels = try entries()
        transition.annotations = try entries()
        transition.values = try entries()
        transition.notify = try list { reader throws(Damage) in try reader.text() }
        return transition
    }

    private mutating func item() throws(Damage) -> NotifierState.Item {
        NotifierState.Item(transition: try transition(), startedMicroseconds: try signed())
    }

    mutating func episode() throws(Damage) -> NotifierState.Episode {
        var episode = NotifierState.Episode(transition: try transition())
        episode.held = try isPresent() ? try text() : nil
        episode.toldMicroseconds = try optional()
        episode.repetition = try signed()
        return episode
    }

    mutating func group() throws(Damage) -> NotifierState.Group {
        var group = NotifierState.Group()
        group.waiting = try list { reader throws(Damage) in try reader.item() }
        group.dueMicroseconds = try signed()
        group.toldMicroseconds = try optional()
        group.batches = try list { reader throws(Damage) in
            let id = try reader.number()
            let key = try reader.text()
            let items = try reader.list { reader throws(Damage) in try reader.item() }
            guard !items.isEmpty else { throw Damage() }
            return NotifierState.Batch(
                id: id, key: key, items: items, repetition: try reader.signed(), readyMicroseconds: try reader.signed(),
                nextAttemptMicroseconds: try reader.signed(), attemptCount: try reader.signed())
        }
        return group
    }
}
