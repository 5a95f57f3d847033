// BooleanText: truth values ⇄ text, with PostgreSQL's spellings.

package enum BooleanText {
    /// true/false, t/f, yes/no, y/n, on/off, 1/0, in any case, spaces around allowed.
    package static func parse(_ text: TextBytes) throws(TextError) -> Bool {
        let text = ASCII.trimmed(text)
        switch text.count {
        case 1:
            switch ASCII.lower(text[0]) {
            case 0x74, 0x79, 0x31: return true
            case 0x66, 0x6E, 0x30: return false
            default: throw .invalid
            }
        case 2:
            if ASCII.equals(text, "on") { return true }
            if ASCII.equals(text, "no") { return false }
        case 3:
            if ASCII.equals(text, "yes") { return true }
            if ASCII.equals(text, "off") { return false }
        case 4: if ASCII.equals(text, "true") { return true }
        case 5: if ASCII.equals(text, "false") { return false }
        default: break
        }
        throw .invalid
    }

    package static func append(_ value: Bool, to buffer: ByteBuffer) {
        buffer.append(value ? "true" as StaticString : "false")
    }
}
