// JSONPath: the paths of JSON_VALUE, JSON_QUERY and JSON_EXISTS: `$`, `$.store.book[0]`, `$['odd name']`, `$.a[*].b`, `$.*`.
//
// `lax` (the default) reads a member of an array as that member of each of its elements, and [0] of what is no array as the thing itself;
// `strict` does neither. Filters and methods of SQL/JSON paths are refused.

import Columns

struct JSONPath {
    enum Step {
        case member([UInt8])
        case element(Int)
        case anyMember, anyElement
    }

    private(set) var steps: [Step] = []
    private(set) var isStrict = false

    private static let stepsMax = 128
    /// Values that one path is followed to; wildcards in a row could multiply without end.
    private static let matchesMax = 100_000

    /// Why a text is no path.
    struct Fault: Error { var message: String }

    init(_ text: [UInt8]) throws(Fault) {
        var p = 0
        func skipSpaces() { while p < text.count, JSONValue.isSpace(text[p]) { p += 1 } }
        func word(_ name: String) -> Bool {
            let bytes = Array(name.utf8)
            guard p + bytes.count <= text.count, text[p..<p + bytes.count].elementsEqual(bytes) else { return false }
            p += bytes.count
            return true
        }
        skipSpaces()
        if word("strict") { isStrict = true } else { _ = word("lax") }
        skipSpaces()
        guard p < text.count, text[p] == 0x24 else { throw Fault(message: "a JSON path begins with $") }
        p += 1
        while true {
            skipSpaces()
            guard p < text.count else { break }
            guard steps.count < JSONPath.stepsMax else { throw Fault(message: "a JSON path has at most \(JSONPath.stepsMax) steps") }
            switch text[p] {
            case 0x2E:
                p += 1
                skipSpaces()
                if p < text.count, text[p] == 0x2A {
                    p += 1
                    steps.append(.anyMember)
                } else if p < text.count, text[p] == 0x22 || text[p] == 0x27 {
                    steps.append(.member(try JSONPath.quoted(text, &p)))
                } else {
                    let start = p
                    while p < text.count, JSONPath.isNameByte(text[p]) { p += 1 }
                    guard p > start else { throw Fault(message: "a JSON path needs a name after the point") }
                    if p < text.count, text[p] == 0x28 { throw Fault(message: "methods in JSON paths are not supported yet") }
                    steps.append(.member(Array(text[start..<p])))
                }
            case 0x5B:
                p += 1
                skipSpaces()
                if p < text.count, text[p] == 0x2A {
                    p += 1
                    steps.append(.anyElement)
                } else if p < text.count, text[p] == 0x22 || text[p] == 0x27 {
                    steps.append(.member(try JSONPath.quoted(text, &p)))
                } else {
                    let start = p
                    if p < text.count, text[p] == 0x2D { p += 1 }
                    while p < text.count, text[p] &- 0x30 < 10 { p += 1 }
                    guard let index = Int32(String(decoding: text[start..<p], as: UTF8.self)) else {
                        throw Fault(message: "a JSON path needs a number, a name in quotes or * in brackets")
                    }
                    steps.append(.element(Int(index)))
                }
                skipSpaces()
                guard p < text.count, text[p] == 0x5D else { throw Fault(message: "a JSON path lacks a closing bracket") }
                p += 1
            case 0x3F: throw Fault(message: "filters in JSON paths are not supported yet")
            default:
                throw Fault(message: "\"\(String(decoding: text, as: UTF8.self))\" is no JSON path")
            }
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte >= 0x80 || byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x5F || byte == 0x24 || byte == 0x2D
    }

    private static func quoted(_ text: [UInt8], _ p: inout Int) throws(Fault) -> [UInt8] {
        let quote = text[p]
        p += 1
        var name: [UInt8] = []
        while p < text.count, text[p] != quote {
            if text[p] == 0x5C, p + 1 < text.count { p += 1 }
            name.append(text[p])
            p += 1
        }
        guard p < text.count else { throw Fault(message: "a name in a JSON path lacks its closing quote") }
        p += 1
        return name
    }

    /// All values that the path leads to, in order.
    func follow(_ value: JSONValue) -> [JSONValue] {
        var values = [value]
        for step in steps {
            var next: [JSONValue] = []
            for value in values where next.count < JSONPath.matchesMax { take(step, value, &next) }
            values = next
            if values.isEmpty { break }
        }
        return values
    }

    private func take(_ step: Step, _ value: JSONValue, _ result: inout [JSONValue]) {
        func keep(_ found: JSONValue) -> Bool {
            result.append(found)
            return result.count < JSONPath.matchesMax
        }
        switch step {
        case .member(let name):
            name.withUnsafeBufferPointer { name in
                if value.kind == .object {
                    if let found = value.member(name) { _ = keep(found) }
                } else if !isStrict {
                    value.forEachElement { element in element.member(name).map(keep) ?? true }
                }
            }
        case .element(let index):
            if value.kind == .array {
                if let found = value.element(index) { _ = keep(found) }
            } else if !isStrict, index == 0 {
                _ = keep(value)
            }
        case .anyMember:
            if value.kind == .object {
                value.forEachMember { _, member in keep(member) }
            } else if !isStrict {
                value.forEachElement { element in
                    element.forEachMember { _, member in keep(member) }
                    return result.count < JSONPath.matchesMax
                }
            }
        case .anyElement:
            if value.kind == .array {
                value.forEachElement(keep)
            } else if !isStrict {
                _ = keep(value)
            }
        }
    }
}
