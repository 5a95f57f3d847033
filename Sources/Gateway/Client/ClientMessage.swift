// ClientMessage: the messages of PostgreSQL's protocol 3.0, as a client writes and reads them. What comes from the server is checked against its own
// length like anything else from outside.

/// Builds one message: a type byte, four bytes of length, the body.
struct ClientMessageWriter {
    private(set) var bytes: [UInt8]
    private let lengthPlace: Int

    /// nil for the messages that begin a connection: they have no type.
    init(_ type: Unicode.Scalar?) {
        bytes = type.map { [UInt8(truncatingIfNeeded: $0.value)] } ?? []
        lengthPlace = bytes.count
        bytes += [0, 0, 0, 0]
    }

    mutating func append(int32 number: Int32) {
        for shift in [24, 16, 8, 0] as [Int32] { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    mutating func append(bytes more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// A text and the zero behind it; a zero within ends it.
    mutating func append(text: String) {
        bytes.append(contentsOf: text.utf8.prefix { $0 != 0 })
        bytes.append(0)
    }

    var finished: [UInt8] {
        var message = self
        let length = Int32(clamping: bytes.count - lengthPlace)
        for (offset, shift) in ([24, 16, 8, 0] as [Int32]).enumerated() {
            message.bytes[lengthPlace + offset] = UInt8(truncatingIfNeeded: length >> shift)
        }
        return message.bytes
    }
}

/// Reads the body of a message; every read says when there is too little.
struct ClientMessageReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }

    private static let short = ClientError("the server sent a message that is too short")

    mutating func byte() throws(ClientError) -> UInt8 {
        guard position < bytes.count else { throw ClientMessageReader.short }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func int16() throws(ClientError) -> Int {
        Int(Int16(truncatingIfNeeded: Int(try byte()) << 8 | Int(try byte())))
    }

    mutating func int32() throws(ClientError) -> Int {
        var number: UInt32 = 0
        for _ in 0..<4 { number = number << 8 | UInt32(try byte()) }
        return Int(Int32(bitPattern: number))
    }

    mutating func take(_ count: Int) throws(ClientError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw ClientMessageReader.short }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func text() throws(ClientError) -> String {
        guard let end = bytes[position...].firstIndex(of: 0) else { throw ClientMessageReader.short }
        defer { position = end + 1 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    mutating func rest() -> ArraySlice<UInt8> {
        defer { position = bytes.count }
        return bytes[min(position, bytes.count)...]
    }
}

/// An error or a notice of the server, by its fields.
package struct ServerMessage: Error, Sendable {
    package var severity = "ERROR"
    package var code = "XX000"
    package var message = ""
    package var detail: String?
    package var hint: String?
    /// In characters of the statement that was sent, from 1.
    package var position: Int?

    init(_ reader: inout ClientMessageReader) throws(ClientError) {
        while true {
            let field = try reader.byte()
            if field == 0 { return }
            let text = try reader.text()
            switch Unicode.Scalar(field) {
            case "S": severity = text
            case "C": code = text
            case "M": message = text
            case "D": detail = text
            case "H": hint = text
            case "P": position = Int(text)
            default: break
            }
        }
    }
}
