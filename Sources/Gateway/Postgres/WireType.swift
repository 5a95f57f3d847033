// WireType: a SQL type as PostgreSQL's clients know it: its number in pg_type, its size, its modifier.
//
// What PostgreSQL has no type for goes as JSON: ROW, MAP, and arrays of anything but plain values (an array of arrays need not be rectangular here). The text
// of such a column is the JSON that CAST(.. AS VARCHAR) gives.

import Columns

struct WireType: Equatable, Sendable {
    var oid: UInt32
    /// -1: of varying size.
    var byteCount: Int
    /// -1: none.
    var modifier: Int32

    static let text = WireType(oid: 25, byteCount: -1, modifier: -1)
    static let jsonOID: UInt32 = 114

    init(oid: UInt32, byteCount: Int, modifier: Int32) {
        self.oid = oid
        self.byteCount = byteCount
        self.modifier = modifier
    }

    init(_ field: SQLType.Field) {
        guard let number = field.typeNumber else {
            self.init(field.type)
            return
        }
        let byteCount = [26: 4, 28: 4, 18: 1, 19: 64][number] ?? -1
        self.init(oid: number, byteCount: byteCount, modifier: -1)
    }

    init(_ type: SQLType) {
        switch type {
        case .boolean: self.init(oid: 16, byteCount: 1, modifier: -1)
        case .smallint: self.init(oid: 21, byteCount: 2, modifier: -1)
        case .integer: self.init(oid: 23, byteCount: 4, modifier: -1)
        case .bigint: self.init(oid: 20, byteCount: 8, modifier: -1)
        case .real: self.init(oid: 700, byteCount: 4, modifier: -1)
        case .double: self.init(oid: 701, byteCount: 8, modifier: -1)
        case .decimal(let precision, let scale): self.init(oid: 1700, byteCount: -1, modifier: Int32(precision << 16 | scale) + 4)
        case .varchar(nil), .null: self = .text
        case .varchar(let length?): self.init(oid: 1043, byteCount: -1, modifier: Int32(clamping: length) &+ 4)
        case .bytes: self.init(oid: 17, byteCount: -1, modifier: -1)
        case .date: self.init(oid: 1082, byteCount: 4, modifier: -1)
        case .time(let precision): self.init(oid: 1083, byteCount: 8, modifier: Int32(precision))
        case .timestamp(let precision): self.init(oid: 1114, byteCount: 8, modifier: Int32(precision))
        case .timestampTZ(let precision): self.init(oid: 1184, byteCount: 8, modifier: Int32(precision))
        case .interval: self.init(oid: 1186, byteCount: 16, modifier: -1)
        case .json, .row, .map: self.init(oid: Self.jsonOID, byteCount: -1, modifier: -1)
        case .array(let element):
            self.init(oid: Self.arrayOID(of: element) ?? Self.jsonOID, byteCount: -1, modifier: -1)
        }
    }

    /// The array type of an element; nil where arrays go as JSON.
    static func arrayOID(of element: SQLType) -> UInt32? {
        switch element {
        case .boolean: 1_000
        case .bytes: 1_001
        case .smallint: 1_005
        case .integer: 1_007
        case .varchar(nil), .null: 1_009
        case .varchar: 1_015
        case .bigint: 1_016
        case .real: 1_021
        case .double: 1_022
        case .timestamp: 1_115
        case .date: 1_182
        case .time: 1_183
        case .timestampTZ: 1_185
        case .interval: 1_187
        case .decimal: 1_231
        case .json: 199
        case .array, .map, .row: nil
        }
    }

    /// What a parameter that a client declares so is taken as; nil for `unknown`, which takes its type from its place.
    static func parameterType(oid: UInt32) throws(ErrorReport) -> SQLType? {
        if let element = elements[oid] { return .array(try scalarType(oid: element) ?? .text) }
        return try scalarType(oid: oid)
    }

    private static func scalarType(oid: UInt32) throws(ErrorReport) -> SQLType? {
        switch oid {
        case 0, 705: return nil
        case 16: return .boolean
        case 17: return .bytes
        case 20, 26: return .bigint
        case 21: return .smallint
        case 23: return .integer
        // text, varchar, char(n), name, "char", uuid
        case 25, 1043, 1042, 19, 18, 2950: return .text
        case 114, 3802: return .json
        case 700: return .real
        case 701: return .double
        case 1082: return .date
        case 1083: return .time(precision: 6)
        case 1114: return .timestamp(precision: 6)
        case 1184: return .timestampTZ(precision: 6)
        case 1186: return .interval
        case 1700: return .decimal(precision: SQLType.decimalPrecisionMax, scale: 18)
        default:
            throw ErrorReport(
                .error, "0A000", "parameters of type \(oid) are not supported", hint: "send it as text, and CAST it in the statement")
        }
    }

    private static let elements: [UInt32: UInt32] = [
        1000: 16, 1001: 17, 1005: 21, 1007: 23, 1009: 25, 1015: 1043, 1016: 20, 1021: 700, 1022: 701, 1115: 1114, 1182: 1082, 1183: 1083,
        1185: 1184, 1187: 1186, 1231: 1700, 199: 114, 1014: 1042, 3807: 3802, 1028: 26, 2951: 2950,
    ]
}

extension Schema {
    /// As a client sees it; a changelog has its change kind in front.
    func wireColumns(isChangelog: Bool, formats: [WireFormat] = []) -> [WireColumn] {
        var columns = isChangelog ? [WireColumn(name: "op", type: .text)] : []
        for field in fields { columns.append(WireColumn(name: field.name, type: WireType(field))) }
        for index in columns.indices { columns[index].format = WireFormat.of(index, in: formats) }
        return columns
    }
}
