// ServerTypes: PostgreSQL's types, by their numbers, as columns; and the text form of their values into a column.
//
// Text forms that differ from ours: arrays stand in braces, `{1,NULL,"a b"}`. Of a type that is not known here the text is shown.

import Columns

package enum ServerTypes {
    package static func type(of field: PostgresClient.Field) -> SQLType {
        if let element = arrays[field.typeOID] { return .array(scalar(element, modifier: field.typeModifier)) }
        return scalar(field.typeOID, modifier: field.typeModifier)
    }

    private static func scalar(_ oid: UInt32, modifier: Int) -> SQLType {
        let precision = (0...6).contains(modifier) ? modifier : 6
        switch oid {
        case 16: return .boolean
        case 21: return .smallint
        case 23: return .integer
        case 20, 26: return .bigint
        case 700: return .real
        case 701: return .double
        case 1700:
            // (precision << 16 | scale) + 4
            guard modifier >= 4 else { return .text }
            let (precision, scale) = ((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF)
            guard (1...SQLType.decimalPrecisionMax).contains(precision), scale <= precision else { return .text }
            return .decimal(precision: precision, scale: scale)
        case 17: return .bytes
        case 1082: return .date
        case 1083: return .time(precision: precision)
        case 1114: return .timestamp(precision: precision)
        case 1184: return .timestampTZ(precision: precision)
        case 1186: return .interval
        case 114, 3802: return .json
        default: return .text
        }
    }

    /// Of an array type the type of its elements.
    private static let arrays: [UInt32: UInt32] = [
        1000: 16, 1001: 17, 1005: 21, 1007: 23, 1016: 20, 1021: 700, 1022: 701, 1231: 1700, 1009: 25, 1015: 1043, 1014: 1042, 1115: 1114, 1182: 1082,
        1183: 1083, 1185: 1184, 1187: 1186, 199: 114, 3807: 3802,
    ]

    /// A value in text form; what cannot be read is NULL only when it is.
    package static func append(_ value: ArraySlice<UInt8>?, to builder: ColumnBuilder) throws(ClientError) {
        guard let value else { return builder.appendNull() }
        do {
            if case .array(let element) = builder.type, value.first == UInt8(ascii: "{") {
                var reader = ArrayReader(bytes: Array(value))
                builder.append(.list(try reader.elements(of: element)))
                return
            }
            let bytes = Array(value)
            let fault: TextError? = bytes.withUnsafeBufferPointer { text in
                do throws(TextError) {
                    try TextFormat.parse(text, into: builder)
                    return nil
                } catch { return error }
            }
            if let fault { throw fault }
        } catch {
            throw ClientError("the server sent \"\(String(decoding: value.prefix(100), as: UTF8.self))\" as a \(builder.type.name)")
        }
    }
}

/// `{1,NULL,"a \"b\"",{..}}`.
private struct ArrayReader {
    let bytes: [UInt8]
    var position = 0
    private var depth = 0
    private static let depthMax = 16

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func elements(of type: SQLType) throws -> [Value] {
        guard depth < ArrayReader.depthMax, position < bytes.count, bytes[position] == UInt8(ascii: "{") else { throw TextError.invalid }
        depth += 1
        defer { depth -= 1 }
        position += 1
        var values: [Value] = []
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "}"):
                position += 1
                return values
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "{"):
                guard case .array(let inner) = type else { throw TextError.invalid }
                values.append(.list(try elements(of: inner)))
            default:
                let (text, isQuoted) = item()
                values.append(!isQuoted && text.uppercased() == "NULL" ? .null : try TextFormat.parse(text, as: type))
            }
        }
        throw TextError.invalid
    }

    private mutating func item() -> (String, isQuoted: Bool) {
        var text: [UInt8] = []
        let isQuoted = bytes[position] == UInt8(ascii: "\"")
        if isQuoted { position += 1 }
        while position < bytes.count {
            let byte = bytes[position]
            if isQuoted, byte == UInt8(ascii: "\"") {
                position += 1
                break
            }
            if !isQuoted, byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") { break }
            if byte == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
            text.append(bytes[position])
            position += 1
        }
        return (String(decoding: text, as: UTF8.self), isQuoted)
    }
}
