// JSONObjectText: a small JSON document, built by hand. Rows of results do not come here: Columns encodes those.

struct JSONObjectText {
    private(set) var text = ""
    private var needsComma = false

    mutating func object(_ members: (inout JSONObjectText) -> Void) {
        separate()
        text += "{"
        needsComma = false
        members(&self)
        text += "}"
        needsComma = true
    }

    mutating func member(_ name: String, _ value: String?) {
        key(name)
        if let value { quote(value) } else { text += "null" }
        needsComma = true
    }

    mutating func member(_ name: String, _ value: Bool) {
        key(name)
        text += value ? "true" : "false"
        needsComma = true
    }

    mutating func member(_ name: String, _ value: some BinaryInteger) {
        key(name)
        text += String(value)
        needsComma = true
    }

    mutating func array<Element>(_ name: String, _ elements: [Element], _ members: (inout JSONObjectText, Element) -> Void) {
        key(name)
        text += "["
        needsComma = false
        for element in elements { object { members(&$0, element) } }
        text += "]"
        needsComma = true
    }

    private mutating func key(_ name: String) {
        separate()
        quote(name)
        text += ":"
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { text += "," }
        needsComma = false
    }

    private mutating func quote(_ string: String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                if scalar.value < 0x20 {
                    let hexadecimal = String(scalar.value, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        text += "\""
    }
}
