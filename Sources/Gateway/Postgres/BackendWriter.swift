// BackendWriter: what the server says, written into a buffer that is sent in one piece. A message's length is filled in when it is complete.

import Columns

final class BackendWriter {
    let buffer = ByteBuffer(capacity: 512)

    /// A message of a type; `body` writes what is in it.
    @inline(__always)
    func message(_ type: UInt8, _ body: () -> Void) {
        buffer.append(type)
        let start = buffer.count
        int32(0)
        body()
        patch(Int32(truncatingIfNeeded: buffer.count - start), at: start)
    }

    func message(_ letter: Unicode.Scalar, _ body: () -> Void = {}) { message(UInt8(ascii: letter), body) }

    @inline(__always)
    func int16(_ value: Int) { write(UInt16(truncatingIfNeeded: value).bigEndian) }

    @inline(__always)
    func int32(_ value: Int32) { write(UInt32(bitPattern: value).bigEndian) }

    @inline(__always)
    func int64(_ value: Int64) { write(UInt64(bitPattern: value).bigEndian) }

    @inline(__always)
    private func write<Number: FixedWidthInteger>(_ value: Number) {
        UnsafeMutableRawPointer(buffer.reserve(MemoryLayout<Number>.size)).storeBytes(of: value, as: Number.self)
        buffer.advance(by: MemoryLayout<Number>.size)
    }

    /// A text and a zero byte. A zero within would end it too early for the reader, so none is written.
    func string(_ text: String) {
        if text.utf8.contains(0) { for byte in text.utf8 where byte != 0 { buffer.append(byte) } } else { buffer.append(text) }
        buffer.append(0)
    }

    @inline(__always)
    func patch(_ value: Int32, at position: Int) {
        let target = buffer.reserve(0) - buffer.count + position
        UnsafeMutableRawPointer(target).storeBytes(of: UInt32(bitPattern: value).bigEndian, as: UInt32.self)
    }

    // MARK: Messages

    func parameterStatus(_ name: String, _ value: String) {
        message("S") {
            string(name)
            string(value)
        }
    }

    func commandComplete(_ tag: String) { message("C") { string(tag) } }

    func readyForQuery(_ status: TransactionStatus) { message("Z") { buffer.append(status.rawValue) } }

    func error(_ report: ErrorReport) { report.write("E", to: self) }

    func notice(_ report: ErrorReport) { report.write("N", to: self) }

    /// The columns of rows that follow.
    func rowDescription(_ columns: [WireColumn]) {
        message("T") {
            int16(columns.count)
            for column in columns {
                string(column.name)
                // No table, no column of it.
                int32(0)
                int16(0)
                int32(Int32(bitPattern: column.type.oid))
                int16(column.type.byteCount)
                int32(column.type.modifier)
                int16(Int(column.format.rawValue))
            }
        }
    }

    func parameterDescription(_ types: [UInt32]) {
        message("t") {
            int16(types.count)
            for type in types { int32(Int32(bitPattern: type)) }
        }
    }

    /// CopyInResponse and CopyOutResponse: all columns are text.
    func copyResponse(_ letter: Unicode.Scalar, columnCount: Int) {
        message(letter) {
            buffer.append(0)
            int16(columnCount)
            for _ in 0..<columnCount { int16(0) }
        }
    }
}

enum TransactionStatus: UInt8 {
    /// No transaction, in one, in one that has failed.
    case idle = 0x49, open = 0x54, failed = 0x45
}

/// A column as a client sees it.
struct WireColumn: Equatable {
    var name: String
    var type: WireType
    var format: WireFormat = .text
}
