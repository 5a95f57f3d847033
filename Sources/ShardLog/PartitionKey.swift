// PartitionKey: what decides a row's shard. The hash key is the MD5 of the key's text; the text of a typed value is
//
//   strings and bytes           their bytes
//   every .int64 type           the stored number in decimal (days for DATE, microseconds for TIME and TIMESTAMP)
//   BOOLEAN                     true, false
//   DECIMAL                     digits with the point where the scale puts it
//   REAL, DOUBLE                the shortest decimal that reads back the same
//   INTERVAL                    months, a blank, microseconds
//   NULL                        nothing
//
// and the texts of several columns are joined by the byte 0x1F.

import Columns
import Platform

package enum PartitionKey {
    package static func hashKey(_ key: UnsafeRawBufferPointer) -> UInt128 { MD5.hash(key) }
    package static func hashKey(_ key: String) -> UInt128 { MD5.hash(key) }

    static let separator: UInt8 = 0x1F

    /// Whether a column of this type can be (part of) a partition key.
    package static func isSuitable(_ type: SQLType) -> Bool { type.layout != .list && type.layout != .structure }

    /// Adds the text of one value.
    static func append(_ column: Column, _ row: Int, to text: inout [UInt8]) {
        if column.isNull(row) { return }
        switch column.layout {
        case .int64: withDecimal(of: column.int64s[row]) { text.append(contentsOf: $0) }
        case .string: text.append(contentsOf: column.strings[row].bytes)
        case .bool: text.append(contentsOf: (column.bools[row] != 0 ? "true" : "false").utf8)
        case .double: text.append(contentsOf: column.doubles[row].description.utf8)
        case .int128:
            let value = column.int128s[row]
            if case .decimal(_, let scale) = column.type {
                text.append(contentsOf: decimalText(value, scale: scale).utf8)
            } else {
                let interval = IntervalValue(packed: value)
                text.append(contentsOf: "\(interval.months) \(interval.microseconds)".utf8)
            }
        case .list, .structure: break
        }
    }

    private static func decimalText(_ value: Int128, scale: Int) -> String {
        guard scale > 0 else { return "\(value)" }
        var digits = "\(value.magnitude)"
        if digits.utf8.count <= scale { digits = String(repeating: "0", count: scale + 1 - digits.utf8.count) + digits }
        return (value < 0 ? "-" : "") + digits.dropLast(scale) + "." + digits.suffix(scale)
    }

    /// Lends the decimal text of a number, without allocating.
    @inline(__always)
    static func withDecimal<Result>(of value: Int64, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { digits in
            var position = 24
            var rest = value.magnitude
            repeat {
                position -= 1
                digits[position] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
                rest /= 10
            } while rest > 0
            if value < 0 {
                position -= 1
                digits[position] = 0x2D
            }
            return body(UnsafeRawBufferPointer(rebasing: digits[position..<24]))
        }
    }
}
