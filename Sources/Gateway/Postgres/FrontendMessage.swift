// FrontendMessage: what a client says (PostgreSQL's protocol, version 3), taken apart and checked.

enum FrontendMessage: Sendable, Equatable {
    case query(String)
    case parse(name: String, sql: String, types: [UInt32])
    case bind(BindMessage)
    case describe(ObjectReference)
    case execute(portal: String, rowCountMax: Int)
    case close(ObjectReference)
    case sync, flush, copyDone, terminate
    case copyData([UInt8])
    case copyFail(String)
    /// A password, or a step of SASL.
    case password([UInt8])
    /// A function call by its number: part of the protocol, and not supported.
    case functionCall

    /// A prepared statement (`S`) or a portal (`P`).
    enum ObjectReference: Sendable, Equatable {
        case statement(String)
        case portal(String)
    }

    struct BindMessage: Sendable, Equatable {
        var portal: String
        var statement: String
        /// Of the values: none (all text), one (for all), or one each.
        var formats: [WireFormat]
        /// nil for NULL.
        var values: [[UInt8]?]
        /// Of the result's columns, in the same way.
        var resultFormats: [WireFormat]
    }

    /// The letter it comes with.
    var type: UInt8 {
        switch self {
        case .query: UInt8(ascii: "Q")
        case .parse: UInt8(ascii: "P")
        case .bind: UInt8(ascii: "B")
        case .describe: UInt8(ascii: "D")
        case .execute: UInt8(ascii: "E")
        case .close: UInt8(ascii: "C")
        case .sync: UInt8(ascii: "S")
        case .flush: UInt8(ascii: "H")
        case .copyDone: UInt8(ascii: "c")
        case .terminate: UInt8(ascii: "X")
        case .copyData: UInt8(ascii: "d")
        case .copyFail: UInt8(ascii: "f")
        case .password: UInt8(ascii: "p")
        case .functionCall: UInt8(ascii: "F")
        }
    }

    /// The types of messages that a client may send once it is let in.
    static func isKnown(_ type: UInt8) -> Bool { Array("QPBDECSHdcfpXF".utf8).contains(type) }

    static func decode(type: UInt8, body: ArraySlice<UInt8>) throws(ProtocolViolation) -> FrontendMessage {
        var reader = WireReader(body)
        let message = try decode(type, &reader)
        try reader.expectEnd()
        return message
    }

    private static func decode(_ type: UInt8, _ reader: inout WireReader) throws(ProtocolViolation) -> FrontendMessage {
        switch type {
        case UInt8(ascii: "Q"): return .query(try reader.string())
        case UInt8(ascii: "P"):
            let name = try reader.string()
            let sql = try reader.string()
            var types: [UInt32] = []
            for _ in 0..<Int(try reader.uint16()) { types.append(try reader.uint32()) }
            return .parse(name: name, sql: sql, types: types)
        case UInt8(ascii: "B"): return .bind(try bind(&reader))
        case UInt8(ascii: "D"): return .describe(try reference(&reader))
        case UInt8(ascii: "C"): return .close(try reference(&reader))
        case UInt8(ascii: "E"):
            let portal = try reader.string()
            return .execute(portal: portal, rowCountMax: max(0, Int(try reader.int32())))
        case UInt8(ascii: "S"): return .sync
        case UInt8(ascii: "H"): return .flush
        case UInt8(ascii: "d"): return .copyData(Array(reader.rest()))
        case UInt8(ascii: "c"): return .copyDone
        case UInt8(ascii: "f"): return .copyFail(try reader.string())
        case UInt8(ascii: "p"): return .password(Array(reader.rest()))
        case UInt8(ascii: "F"):
            _ = reader.rest()
            return .functionCall
        case UInt8(ascii: "X"): return .terminate
        default: throw ProtocolViolation(message: "invalid frontend message type \(type)")
        }
    }

    private static func bind(_ reader: inout WireReader) throws(ProtocolViolation) -> BindMessage {
        let portal = try reader.string()
        let statement = try reader.string()
        let inputFormats = try formats(&reader)
        var values: [[UInt8]?] = []
        for _ in 0..<Int(try reader.uint16()) {
            let count = try reader.int32()
            guard count >= -1 else { throw ProtocolViolation(message: "a value has a negative length") }
            values.append(count == -1 ? nil : Array(try reader.take(Int(count))))
        }
        guard inputFormats.count <= 1 || inputFormats.count == values.count else {
            throw ProtocolViolation(message: "bind message has \(inputFormats.count) parameter formats but \(values.count) parameters")
        }
        return BindMessage(portal: portal, statement: statement, formats: inputFormats, values: values, resultFormats: try formats(&reader))
    }

    private static func formats(_ reader: inout WireReader) throws(ProtocolViolation) -> [WireFormat] {
        var formats: [WireFormat] = []
        for _ in 0..<Int(try reader.uint16()) {
            let code = try reader.int16()
            guard let format = WireFormat(rawValue: code) else { throw ProtocolViolation(message: "unsupported format code: \(code)", code: "22023") }
            formats.append(format)
        }
        return formats
    }

    private static func reference(_ reader: inout WireReader) throws(ProtocolViolation) -> ObjectReference {
        let kind = try reader.uint8()
        let name = try reader.string()
        switch kind {
        case UInt8(ascii: "S"): return .statement(name)
        case UInt8(ascii: "P"): return .portal(name)
        default: throw ProtocolViolation(message: "invalid message: neither a statement nor a portal")
        }
    }
}

/// How a value is written on the wire.
enum WireFormat: Int16, Sendable {
    case text = 0, binary = 1

    /// The format of the value at `index`, of a list that says it for all, for one, or not at all.
    static func of(_ index: Int, in list: [WireFormat]) -> WireFormat { list.count == 1 ? list[0] : index < list.count ? list[index] : .text }
}
