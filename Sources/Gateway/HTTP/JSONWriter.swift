// JSONWriter: small JSON documents, written by hand into a buffer. Rows do not come here: JSONLinesEncoder writes those.

import Columns

package struct JSONWriter {
    private let buffer: ByteBuffer
    private var needsComma = false

    package init(_ buffer: ByteBuffer) { self.buffer = buffer }

    // MARK: Values

    package mutating func object(_ members: (inout JSONWriter) throws -> Void) rethrows { try nested("{", "}", members) }
    package mutating func array(_ elements: (inout JSONWriter) throws -> Void) rethrows { try nested("[", "]", elements) }

    package mutating func value(_ text: String?) {
        separate()
        if let text { JSONText.append(string: text, to: buffer) } else { buffer.append("null" as StaticString) }
        needsComma = true
    }

    package mutating func value(_ number: (some BinaryInteger)?) { raw(number.map { String($0) } ?? "null") }
    package mutating func value(_ isTrue: Bool) { raw(isTrue ? "true" : "false") }

    /// Infinities and NaN are no JSON: null.
    package mutating func value(_ number: Double?) {
        guard let number, number.isFinite else { return raw("null") }
        raw("\(number)")
    }

    private mutating func raw(_ text: String) {
        separate()
        buffer.append(text)
        needsComma = true
    }

    private mutating func nested(_ open: StaticString, _ close: StaticString, _ body: (inout JSONWriter) throws -> Void) rethrows {
        separate()
        buffer.append(open)
        needsComma = false
        try body(&self)
        buffer.append(close)
        needsComma = true
    }

    // MARK: Members of an object

    package mutating func member(_ name: String, _ text: String?) {
        key(name)
        value(text)
    }

    package mutating func member(_ name: String, _ number: (some BinaryInteger)?) {
        key(name)
        value(number)
    }

    package mutating func member(_ name: String, _ number: Double?) {
        key(name)
        value(number)
    }

    package mutating func member(_ name: String, _ isTrue: Bool) {
        key(name)
        value(isTrue)
    }

    package mutating func object(_ name: String, _ members: (inout JSONWriter) throws -> Void) rethrows {
        key(name)
        try object(members)
    }

    package mutating func array(_ name: String, _ elements: (inout JSONWriter) throws -> Void) rethrows {
        key(name)
        try array(elements)
    }

    private mutating func key(_ name: String) {
        separate()
        JSONText.append(string: name, to: buffer)
        buffer.append(0x3A)
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { buffer.append(0x2C) }
        needsComma = false
    }
}
