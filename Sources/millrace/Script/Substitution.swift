// Substitution: `${name}` in a script becomes the value given with --set.
//
// It is plain text replacement, in strings too ('${path}'), but not in comments, so that a comment may speak of a variable. Line
// numbers stay as they are in the file unless a value has line ends.

import Syntax

enum Substitution {
    /// The script with every `${name}` replaced. The error's place is in the script as it was given.
    static func apply(_ values: [String: String], to script: String) throws(SQLError) -> String {
        guard script.utf8.contains(UInt8(ascii: "$")) else { return script }
        let bytes = Array(script.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        func byte(_ offset: Int) -> UInt8 { index + offset < bytes.count ? bytes[index + offset] : 0 }
        var isInString = false
        while index < bytes.count {
            let next = bytes[index]
            if next == UInt8(ascii: "'") { isInString.toggle() }
            if !isInString, next == UInt8(ascii: "-"), byte(1) == UInt8(ascii: "-") {
                let end = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
                result += bytes[index..<end]
                index = end
            } else if !isInString, next == UInt8(ascii: "/"), byte(1) == UInt8(ascii: "*") {
                let end = endOfComment(bytes, from: index)
                result += bytes[index..<end]
                index = end
            } else if next == UInt8(ascii: "$"), byte(1) == UInt8(ascii: "{") {
                let (name, end) = try variable(bytes, at: index)
                guard let value = values[name] else {
                    let near = NearestName.find(name, among: values.keys.sorted())
                    throw SQLError(
                        "no value is given for ${\(name)}", at: SourceSpan(start: index, end: end),
                        hint: near.map { "did you mean ${\($0)}?" } ?? "give one with --set \(name)=VALUE",
                        code: SQLError.undefinedObject)
                }
                result += Array(value.utf8)
                index = end
            } else {
                result.append(next)
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The name between `${` and `}` and where the text goes on.
    private static func variable(_ bytes: [UInt8], at start: Int) throws(SQLError) -> (String, Int) {
        var end = start + 2
        while end < bytes.count, isNameByte(bytes[end]) { end += 1 }
        guard end > start + 2, end < bytes.count, bytes[end] == UInt8(ascii: "}") else {
            throw SQLError(
                "expected ${name}", at: SourceSpan(start: start, end: min(end + 1, bytes.count)),
                hint: "a name has letters, digits and underscores")
        }
        return (String(decoding: bytes[(start + 2)..<end], as: UTF8.self), end + 1)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
             UInt8(ascii: "_"): true
        default: false
        }
    }

    /// Block comments nest.
    private static func endOfComment(_ bytes: [UInt8], from start: Int) -> Int {
        var depth = 0
        var index = start
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "/"), bytes[index + 1] == UInt8(ascii: "*") {
                depth += 1
                index += 2
            } else if bytes[index] == UInt8(ascii: "*"), bytes[index + 1] == UInt8(ascii: "/") {
                depth -= 1
                index += 2
                if depth == 0 { return index }
            } else {
                index += 1
            }
        }
        return bytes.count
    }
}
