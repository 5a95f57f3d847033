// NestedText: arrays, maps and rows out of a text, which is JSON: CAST, and fields of CSV files.
//
// The work is the line parser's, on a copy of the text that ends as a line does. A text in PostgreSQL's form of an array (`{1,NULL,"a b"}`)
// is made JSON first.

import Glibc

/// Parses texts into slots of nested kinds, whose memory somebody else looks after.
struct NestedFieldParser {
    private let slots: ColumnSlots
    // Keeps the shapes that the parser points to.
    private let shapes: JSONShapes
    private var parser: JSONLineParser
    private let line = ByteBuffer()

    static let depthMax = 256

    init(schema: Schema, slots: ColumnSlots, changeKindKey: String? = nil) {
        self.slots = slots
        shapes = JSONShapes(schema: schema, slots: slots, changeKindKey: changeKindKey)
        parser = JSONLineParser(slots: slots, shapes: shapes, depthMax: NestedFieldParser.depthMax)
        parser.copiesStrings = true
    }

    /// The value that the text shows. After an error the row must be reset.
    mutating func store(_ text: TextBytes, _ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) throws(TextError) {
        line.clear()
        if slot.pointee.kind == .list, let first = text.first(where: { !ASCII.isSpace($0) }), first == 0x7B {
            guard ArrayLiteral.appendJSON(text, to: line) else { throw .invalid }
        } else if text.contains(0x0A) {
            // A line feed between tokens is a space; one inside a string is wrong, and would be hidden.
            guard JSONValidator.fault(text) == nil else { throw .invalid }
            for byte in text { line.append(byte == 0x0A ? 0x20 : byte) }
        } else {
            line.append(text)
        }
        let count = line.count
        line.append(0x0A)
        line.append(repeating: 0, count: JSONScan.overreadByteCount)
        guard let start = line.text.baseAddress, let end = parser.parseWhole(start, slot, row), end == start + count else { throw .invalid }
    }
}

/// Texts → a column of a nested type, a row each.
package final class NestedText {
    private let slots: ColumnSlots
    private var parser: NestedFieldParser
    private var count = 0

    package init(_ type: SQLType, expectedRowCount: Int = 16) {
        let schema = Schema([.init(name: "value", type: type)])
        slots = ColumnSlots(schema: schema, columnsNotNull: [], withChange: false)
        parser = NestedFieldParser(schema: schema, slots: slots)
        slots.begin(expectedRowCount: expectedRowCount)
    }

    /// The next row. After an error it has not been added.
    package func append(_ text: TextBytes) throws(TextError) {
        reserve()
        do throws(TextError) {
            try parser.store(text, slots.slots, count)
        } catch {
            slots.reset(row: count)
            throw error
        }
        slots.commitElements()
        count += 1
    }

    package func appendNull() {
        reserve()
        slots.setNull(slots.slots, count)
        count += 1
    }

    package func finish() -> Column { slots.finish(rowCount: count, sharing: []).columns[0] }

    private func reserve() { if count == slots.rowCapacity { slots.reserve(rows: max(16, count * 2)) } }
}

/// `{1,NULL,"a b",{2,3}}` → `["1",null,"a b",["2","3"]]`.
enum ArrayLiteral {
    /// False when it is no array; then what was appended means nothing.
    static func appendJSON(_ text: TextBytes, to output: ByteBuffer) -> Bool {
        var position = 0
        var depth = 0
        // Whether an element (or an inner array) may begin here, else a comma or a brace must.
        var wantsElement = true
        var isFirst = true
        func skipSpaces() { while position < text.count, ASCII.isSpace(text[position]) { position += 1 } }
        skipSpaces()
        repeat {
            skipSpaces()
            guard position < text.count else { return false }
            let byte = text[position]
            switch byte {
            case 0x7B:
                guard wantsElement, depth < NestedFieldParser.depthMax else { return false }
                output.append(0x5B)
                depth += 1
                position += 1
                isFirst = true
            case 0x7D:
                guard !wantsElement || isFirst else { return false }
                output.append(0x5D)
                depth -= 1
                position += 1
                wantsElement = false
                isFirst = false
            case 0x2C:
                guard !wantsElement else { return false }
                output.append(0x2C)
                position += 1
                wantsElement = true
                isFirst = false
            default:
                guard wantsElement, depth > 0 else { return false }
                var value: [UInt8] = []
                var isQuoted = false
                if byte == 0x22 {
                    isQuoted = true
                    position += 1
                    while position < text.count, text[position] != 0x22 {
                        if text[position] == 0x5C { position += 1 }
                        guard position < text.count else { return false }
                        value.append(text[position])
                        position += 1
                    }
                    guard position < text.count else { return false }
                    position += 1
                } else {
                    while position < text.count, ![0x2C, 0x7D, 0x7B, 0x22].contains(text[position]) {
                        value.append(text[position])
                        position += 1
                    }
                    while let last = value.last, ASCII.isSpace(last) { value.removeLast() }
                }
                value.withUnsafeBufferPointer { value in
                    if !isQuoted && ASCII.equals(value, "null") {
                        output.append("null" as StaticString)
                    } else {
                        JSONText.append(string: value, to: output)
                    }
                }
                wantsElement = false
                isFirst = false
            }
        } while depth > 0
        skipSpaces()
        return position == text.count
    }
}
