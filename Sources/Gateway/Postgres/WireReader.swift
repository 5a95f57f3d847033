// WireReader: a message's body, read from the front. Every read is checked: whatever comes over the wire can at most be refused.

/// The other side does not keep to the protocol. The text is for people.
struct ProtocolViolation: Error {
    let message: String
    /// PostgreSQL's code: protocol_violation unless something more precise is known.
    var code = "08P01"
}

struct WireReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    var remainingCount: Int { bytes.endIndex - position }

    mutating func uint8() throws(ProtocolViolation) -> UInt8 { try take(1).first ?? 0 }
    mutating func int16() throws(ProtocolViolation) -> Int16 { Int16(truncatingIfNeeded: try number(2)) }
    mutating func uint16() throws(ProtocolViolation) -> UInt16 { UInt16(truncatingIfNeeded: try number(2)) }
    mutating func int32() throws(ProtocolViolation) -> Int32 { Int32(truncatingIfNeeded: try number(4)) }
    mutating func uint32() throws(ProtocolViolation) -> UInt32 { UInt32(truncatingIfNeeded: try number(4)) }
    mutating func int64() throws(ProtocolViolation) -> Int64 { Int64(bitPattern: try number(8)) }

    /// Up to the next zero byte, which is passed.
    mutating func string() throws(ProtocolViolation) -> String {
        guard let end = bytes[position...].firstIndex(of: 0) else { throw ProtocolViolation(message: "a text in a message has no end") }
        guard let text = String(validating: bytes[position..<end], as: UTF8.self) else {
            throw ProtocolViolation(message: "invalid byte sequence for encoding \"UTF8\"", code: "22021")
        }
        position = end + 1
        return text
    }

    mutating func take(_ count: Int) throws(ProtocolViolation) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remainingCount else { throw ProtocolViolation(message: "a message ends too early") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func rest() -> ArraySlice<UInt8> {
        defer { position = bytes.endIndex }
        return bytes[position...]
    }

    func expectEnd() throws(ProtocolViolation) {
        if remainingCount > 0 { throw ProtocolViolation(message: "a message has \(remainingCount) bytes too many") }
    }

    private mutating func number(_ count: Int) throws(ProtocolViolation) -> UInt64 {
        var value: UInt64 = 0
        for byte in try take(count) { value = value << 8 | UInt64(byte) }
        return value
    }
}
