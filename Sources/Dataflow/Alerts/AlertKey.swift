// AlertKey: what a partition knows of one key: its instances, one for each rule that has something to remember, and the row last evaluated.

import Columns
import Planning
import Platform

struct AlertKey {
    /// Of one rule.
    struct State {
        /// The rule's place in the node.
        var rule: Int
        var instance = AlertInstance()
        /// The earliest timer of it that is in the heap.
        var scheduled = Int64.max
    }

    /// A row as people see it.
    struct Row {
        /// By the place in the select list; nil for NULL.
        var texts: [String?] = []
        /// A JSON object.
        var json = ""
    }

    /// The key's columns, encoded.
    var bytes: [UInt8] = []
    var hash: UInt64 = 0
    /// The key's columns as text.
    var texts: [String?] = []
    /// Ascending by rule.
    var states: [State] = []
    var row = Row()
    /// The epoch's clock when a row of the key last came.
    var heardMicroseconds = Int64.min
    var isLive = false
    /// The next key with the same hash; -1 for none.
    var next: Int32 = -1
    /// The time of its entry among those that wait for silence.
    var silenceScheduled = Int64.max
    /// A row was taken back in this epoch, and none has come since.
    var isRemoved = false
    /// The row of the batch at hand that was evaluated last; -1 when there is none.
    var currentRow: Int32 = -1

    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 { Hash64.hash(bytes, seed: 0x616C_6572_7473) }

    /// What the stream calls the instance.
    var fingerprint: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    // MARK: State

    func write(to writer: inout StateWriter, rules: [AlertRule]) {
        writer.write(isLive)
        guard isLive else { return }
        bytes.withUnsafeBytes { writer.write(bytes: $0) }
        writer.write(heardMicroseconds)
        Self.write(texts, to: &writer)
        Self.write(row.texts, to: &writer)
        writer.write(row.json)
        writer.write(count: states.count)
        for state in states {
            let instance = state.instance
            writer.write(rules[state.rule].id)
            writer.write(instance.phase.rawValue)
            writer.write(instance.firesForSilence)
            writer.write(instance.isSilent)
            writer.write(instance.since)
            writer.write(instance.endingSince)
            writer.write(instance.history)
            writer.write(instance.number)
            writer.write(instance.changedMicroseconds)
        }
    }

    /// Instances of rules that are not among `places` are left out; `highest` becomes the greatest number of any.
    static func read(from reader: inout StateReader, places: [UInt64: Int], highest: inout Int64) throws(StateError) -> AlertKey {
        var key = AlertKey()
        guard try reader.readBool() else { return key }
        key.isLive = true
        key.bytes = try reader.readBytes()
        key.hash = key.bytes.withUnsafeBytes { hash($0) }
        key.heardMicroseconds = try reader.read()
        key.texts = try readTexts(from: &reader)
        key.row.texts = try readTexts(from: &reader)
        key.row.json = try reader.readString()
        for _ in 0..<(try reader.readCount(bytesEach: 51)) {
            let id: UInt64 = try reader.read()
            var instance = AlertInstance()
            guard let phase = AlertInstance.Phase(rawValue: try reader.read()) else { throw reader.failure("an alert in no known state") }
            instance.phase = phase
            instance.firesForSilence = try reader.readBool()
            instance.isSilent = try reader.readBool()
            instance.since = try reader.read()
            instance.endingSince = try reader.read()
            instance.history = try reader.read()
            instance.number = try reader.read()
            instance.changedMicroseconds = try reader.read()
            guard instance.number >= 0, instance.number < .max / 2 else { throw reader.failure("a transition with an impossible number") }
            if let place = places[id] {
                key.states.append(State(rule: place, instance: instance))
            } else {
                highest = max(highest, instance.number)
            }
        }
        key.states.sort { $0.rule < $1.rule }
        guard zip(key.states, key.states.dropFirst()).allSatisfy({ $0.rule < $1.rule }) else { throw reader.failure("two instances of one alert for one key") }
        return key
    }

    private static func write(_ texts: [String?], to writer: inout StateWriter) {
        writer.write(count: texts.count)
        for text in texts {
            writer.write(text != nil)
            if let text { writer.write(text) }
        }
    }

    private static func readTexts(from reader: inout StateReader) throws(StateError) -> [String?] {
        var texts: [String?] = []
        for _ in 0..<(try reader.readCount(bytesEach: 1)) { texts.append(try reader.readBool() ? try reader.readString() : nil) }
        return texts
    }
}
