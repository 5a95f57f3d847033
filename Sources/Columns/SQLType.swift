// SQLType and Layout: what a column means, and how its values lie in memory.
//
// Many SQL types share few layouts, and kernels are written per layout:
//
//   layout     one value               SQL types
//   .bool      1 byte, 0 or 1          BOOLEAN
//   .int64     8 bytes                 SMALLINT INTEGER BIGINT; DATE (days since 1970-01-01); TIME (µs since midnight);
//                                      TIMESTAMP and TIMESTAMPTZ (µs since 1970-01-01T00:00:00 UTC)
//   .double    8 bytes                 REAL (rounded to Float) DOUBLE
//   .int128    16 bytes                DECIMAL (the unscaled value); INTERVAL (IntervalValue packed)
//   .string    16 bytes, StringView    VARCHAR BYTES JSON
//   .list      8 bytes, ListView       ARRAY (one child column); MAP (one child column, of ROW<key, value>)
//   .structure none                    ROW (one child column per field)

package indirect enum SQLType: Hashable, Sendable {
    case boolean
    case smallint
    case integer
    case bigint
    case real
    case double
    /// 1...38 digits, 0...precision of them after the point.
    case decimal(precision: Int, scale: Int)
    /// TEXT and VARCHAR; a length is a limit in characters (longer values are an error on assignment, cut by an explicit CAST).
    case varchar(length: Int?)
    case bytes
    case date
    case time(precision: Int)
    /// Without time zone, 0...6 fractional digits; always stored in microseconds.
    case timestamp(precision: Int)
    /// With (local) time zone: an instant, 0...6 fractional digits.
    case timestampTZ(precision: Int)
    case interval
    case array(SQLType)
    case row([Field])
    /// Entries in the order in which they were given. The elements are ROW<key, value>; the last of two equal keys counts.
    case map(SQLType, SQLType)
    /// The text of one JSON value, checked, kept as given. Compared and grouped by its text.
    case json
    /// The type of a bare NULL before anything gives it another.
    case null

    package struct Field: Hashable, Sendable {
        package var name: String
        package var type: SQLType
        /// The number by which PostgreSQL knows the type, where that says more than the type: an OID is a BIGINT, "char" a text.
        package var typeNumber: UInt32?

        package init(name: String, type: SQLType, typeNumber: UInt32? = nil) {
            self.name = name
            self.type = type
            self.typeNumber = typeNumber
        }
    }

    package static let text = SQLType.varchar(length: nil)

    package static let decimalPrecisionMax = 38

    package var layout: Layout {
        switch self {
        case .boolean, .null: .bool
        case .smallint, .integer, .bigint, .date, .time, .timestamp, .timestampTZ: .int64
        case .real, .double: .double
        case .decimal, .interval: .int128
        case .varchar, .bytes, .json: .string
        case .array, .map: .list
        case .row: .structure
        }
    }

    package var isInteger: Bool {
        switch self {
        case .smallint, .integer, .bigint: true
        default: false
        }
    }

    package var isDecimal: Bool { if case .decimal = self { true } else { false } }
    package var isFloating: Bool { self == .real || self == .double }
    package var isNumeric: Bool { isInteger || isDecimal || isFloating }
    package var isText: Bool { if case .varchar = self { true } else { false } }

    /// ARRAY, MAP or ROW: a type with child columns.
    package var isNested: Bool { layout == .list || layout == .structure }

    /// The type of the child column of a type of the .list layout: an array's element, a map's entry.
    package var element: SQLType? {
        switch self {
        case .array(let element): element
        case .map(let key, let value): .row([Field(name: "key", type: key), Field(name: "value", type: value)])
        default: nil
        }
    }

    package var isTimestamp: Bool {
        switch self {
        case .timestamp, .timestampTZ: true
        default: false
        }
    }

    /// The smallest and largest value of an integer type.
    package var integerRange: ClosedRange<Int64>? {
        switch self {
        case .smallint: Int64(Int16.min)...Int64(Int16.max)
        case .integer: Int64(Int32.min)...Int64(Int32.max)
        case .bigint: Int64.min...Int64.max
        default: nil
        }
    }

    /// As a person writes it: `DECIMAL(10, 2)`, `TIMESTAMP(3)`.
    package var name: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .smallint: "SMALLINT"
        case .integer: "INTEGER"
        case .bigint: "BIGINT"
        case .real: "REAL"
        case .double: "DOUBLE"
        case .decimal(let precision, let scale): "DECIMAL(\(precision), \(scale))"
        case .varchar(let length): length.map { "VARCHAR(\($0))" } ?? "VARCHAR"
        case .bytes: "BYTES"
        case .date: "DATE"
        case .time(let precision): "TIME(\(precision))"
        case .timestamp(let precision): "TIMESTAMP(\(precision))"
        case .timestampTZ(let precision): "TIMESTAMP(\(precision)) WITH TIME ZONE"
        case .interval: "INTERVAL"
        case .array(let element): "ARRAY<\(element.name)>"
        case .row(let fields): "ROW<" + fields.map { "\($0.name) \($0.type.name)" }.joined(separator: ", ") + ">"
        case .map(let key, let value): "MAP<\(key.name), \(value.name)>"
        case .json: "JSON"
        case .null: "NULL"
        }
    }
}

/// How the values of a column lie in memory; the raw value is what the log's frames store.
package enum Layout: UInt8, Sendable {
    case bool = 1, int64 = 2, double = 3, int128 = 4, string = 5, list = 6, structure = 7

    /// Bytes of one value in the column's value buffer.
    package var stride: Int {
        switch self {
        case .bool: 1
        case .int64, .double, .list: 8
        case .int128, .string: 16
        case .structure: 0
        }
    }
}

/// INTERVAL in the .int128 layout: months in the high half, microseconds in the low one (a day is 24 hours: there is no zone
/// with daylight saving in the data plane).
package struct IntervalValue: Hashable, Sendable {
    package var months: Int64
    package var microseconds: Int64

    package init(months: Int64 = 0, microseconds: Int64 = 0) {
        self.months = months
        self.microseconds = microseconds
    }

    package init(packed: Int128) {
        months = Int64(truncatingIfNeeded: packed >> 64)
        microseconds = Int64(truncatingIfNeeded: packed)
    }

    package var packed: Int128 { (Int128(months) << 64) | Int128(UInt64(bitPattern: microseconds)) }
}

/// The columns of a stream, a batch or a query result, in order.
package struct Schema: Hashable, Sendable {
    package var fields: [SQLType.Field]

    package init(_ fields: [SQLType.Field]) { self.fields = fields }

    package var count: Int { fields.count }
    package var types: [SQLType] { fields.map(\.type) }
    package subscript(index: Int) -> SQLType.Field { fields[index] }
}
