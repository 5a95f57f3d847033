// JSONBody: a JSON document that is written from front to back, for what goes to receivers of alerts.

import Columns

package struct JSONBody: Sendable {
    package private(set) var text = ""
    private var needsComma = false

    package init() {}

    package mutating func beginObject() {
        comma()
        text += "{"
        needsComma = false
    }

    package mutating func endObject() {
        text += "}"
        needsComma = true
    }

    package mutating func beginArray() {
        comma()
        text += "["
        needsComma = false
    }

    package mutating func endArray() {
        text += "]"
        needsComma = true
    }

    /// Followed by its value.
    package mutating func name(_ name: String) {
        comma()
        text += "\"\(Self.escaped(name))\":"
        needsComma = false
    }

    package mutating func string(_ value: String) {
        comma()
        text += "\"\(Self.escaped(value))\""
        needsComma = true
    }

    package mutating func number(_ value: Int64) { raw(String(value)) }
    package mutating func boolean(_ value: Bool) { raw(value ? "true" : "false") }

    /// What is JSON already.
    package mutating func raw(_ json: String) {
        comma()
        text += json
        needsComma = true
    }

    package mutating func member(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }

    /// Of entries of the same name the last one counts.
    package mutating func object(_ entries: [AlertTransition.Entry]) {
        beginObject()
        for (index, entry) in entries.enumerated() where !entries[(index + 1)...].contains(where: { $0.name == entry.name }) { member(entry.name, entry.value) }
        endObject()
    }

    package mutating func object(_ entries: [String: String]) {
        beginObject()
        for (name, value) in entries.sorted(by: { $0.key < $1.key }) { member(name, value) }
        endObject()
    }

    package mutating func array(_ values: [String]) {
        beginArray()
        for value in values { string(value) }
        endArray()
    }

    private mutating func comma() {
        if needsComma { text += "," }
        needsComma = false
    }

    package static func isJSON(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBufferPointer { (buffer: UnsafeBufferPointer<UInt8>) -> Bool in JSONValidator.fault(buffer) == nil }
    }

    /// As it stands between the quotes of a JSON string.
    package static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
