// Value: one SQL value in a box. For literals, tests and printing, never for a per-row loop.

package enum Value: Hashable, Sendable {
    case null
    case boolean(Bool)
    /// Any type of the .int64 layout: integers, days, microseconds.
    case integer(Int64)
    case double(Double)
    /// The unscaled value; the scale is in the type.
    case decimal(Int128)
    case interval(IntervalValue)
    /// VARCHAR, and the text of a JSON value.
    case string(String)
    case bytes([UInt8])
    /// The elements of an array, the fields of a row, the entries of a map (each a list of key and value).
    case list([Value])

    package var isNull: Bool { self == .null }
}
