// QuotingKernels: texts as literals and names of SQL, and format(), which puts them into a pattern.

import Columns
import Planning

enum QuotingKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .quoteLiteral, .quoteNullable:
            let isStrict = request.function == .quoteLiteral
            return { call in
                let operand = call.operands[0]
                let a = operand.strings
                return call.texts(strict: isStrict) { row, writer in
                    if operand.isNull(row) {
                        writer.append("NULL")
                    } else {
                        appendLiteral(a[row].bytes, &writer)
                    }
                    return writer.count <= TextKernels.byteCountMax || TextKernels.tooLong(call, row)
                }
            }
        case .quoteIdentifier:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in
                    appendIdentifier(a[row].bytes, &writer)
                    return writer.count <= TextKernels.byteCountMax || TextKernels.tooLong(call, row)
                }
            }
        case .format: return { call in call.texts(strict: false) { row, writer in format(call, row, &writer) } }
        default: return nil
        }
    }

    /// A text with a backslash is written as E'..', so that it means the same whatever the reader's settings are.
    private static func appendLiteral(_ bytes: Bytes, _ writer: inout TextWriter) {
        let hasBackslash = bytes.contains(0x5C)
        if hasBackslash { writer.append(0x45) }
        writer.append(0x27)
        for byte in bytes {
            if byte == 0x27 || byte == 0x5C { writer.append(byte) }
            writer.append(byte)
        }
        writer.append(0x27)
    }

    private static func appendIdentifier(_ bytes: Bytes, _ writer: inout TextWriter) {
        let isPlain =
            bytes.count > 0 && bytes[0] &- 0x30 >= 10 && bytes.allSatisfy { $0 &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == 0x5F }
            && !FunctionTable.isReservedWord(String(decoding: bytes, as: UTF8.self))
        if isPlain {
            writer.append(bytes)
            return
        }
        writer.append(0x22)
        for byte in bytes {
            if byte == 0x22 { writer.append(byte) }
            writer.append(byte)
        }
        writer.append(0x22)
    }

    // MARK: format

    private static func failed(_ call: KernelCall, _ row: Int, _ message: String) -> Bool {
        call.fail(row, message)
        return false
    }

    /// `%[n$][-][width]type`: s the text (nothing for NULL), I a name, L a literal; the width is a number, `*` or `*n$`.
    private static func format(_ call: KernelCall, _ row: Int, _ writer: inout TextWriter) -> Bool {
        if call.operands[0].isNull(row) { return false }
        let pattern = call.operands[0].strings[row].bytes
        var index = 0
        var argument = 0

        func number() -> Int? {
            var value: Int?
            while index < pattern.count, pattern[index] &- 0x30 < 10 {
                value = min((value ?? 0) * 10 + Int(pattern[index] - 0x30), 1_000_000_000)
                index += 1
            }
            return value
        }
        func isAt(_ byte: UInt8) -> Bool { index < pattern.count && pattern[index] == byte }

        while index < pattern.count {
            if pattern[index] != 0x25 {
                writer.append(pattern[index])
                index += 1
                continue
            }
            index += 1
            if isAt(0x25) {
                writer.append(0x25)
                index += 1
                continue
            }
            var isLeft = false
            var width: Int?
            if let value = number() {
                if isAt(0x24) {
                    guard value > 0 else { return failed(call, row, "format specifies argument 0, but arguments are numbered from 1") }
                    argument = value - 1
                    index += 1
                } else {
                    width = value
                }
            }
            if width == nil {
                while isAt(0x2D) {
                    isLeft = true
                    index += 1
                }
                if isAt(0x2A) {
                    index += 1
                    if let value = number() {
                        guard isAt(0x24), value > 0 else { return failed(call, row, "width argument position must be ended by \"$\"") }
                        index += 1
                        argument = value - 1
                    }
                    argument += 1
                    guard argument < call.operands.count else { return failed(call, row, "too few arguments for format()") }
                    if !call.operands[argument].isNull(row) {
                        do throws(TextError) {
                            let value = try IntegerText.parse(call.operands[argument].strings[row].bytes, in: -1_000_000_000...1_000_000_000)
                            isLeft = isLeft || value < 0
                            width = Int(value.magnitude)
                        } catch { return failed(call, row, "the width of format() is no whole number") }
                    }
                } else {
                    width = number()
                }
            }
            guard index < pattern.count else { return failed(call, row, "unterminated format() type specifier") }
            let type = pattern[index]
            index += 1
            guard type == 0x73 || type == 0x49 || type == 0x4C else {
                return failed(call, row, "unrecognized format() type specifier \"\(String(decoding: [type], as: UTF8.self))\"; there are s, I and L")
            }
            argument += 1
            guard argument < call.operands.count else { return failed(call, row, "too few arguments for format()") }
            let operand = call.operands[argument]
            if (width ?? 0) > TextKernels.byteCountMax { return TextKernels.tooLong(call, row) }
            let start = writer.count
            var length = 0
            if !isLeft, let width {
                // Filled up before, so what is written must be measured first.
                length = characters(operand, row, type)
                writer.append(repeating: 0x20, width - length)
            }
            if operand.isNull(row) {
                if type == 0x49 { return failed(call, row, "null values cannot be formatted as an SQL identifier") }
                if type == 0x4C { writer.append("NULL") }
            } else {
                switch type {
                case 0x49: appendIdentifier(operand.strings[row].bytes, &writer)
                case 0x4C: appendLiteral(operand.strings[row].bytes, &writer)
                default: writer.append(operand.strings[row])
                }
            }
            if isLeft, let width {
                length = characters(operand, row, type)
                writer.append(repeating: 0x20, width - length)
            }
            if writer.count - start > TextKernels.byteCountMax || writer.count > TextKernels.byteCountMax { return TextKernels.tooLong(call, row) }
        }
        return true
    }

    /// How many characters the argument takes in this form.
    private static func characters(_ operand: Operand, _ row: Int, _ type: UInt8) -> Int {
        if operand.isNull(row) { return type == 0x4C ? 4 : 0 }
        let view = operand.strings[row]
        if type == 0x73 { return Text.length(view) }
        var scratch = TextWriter(rows: 1)
        if type == 0x49 { appendIdentifier(view.bytes, &scratch) } else { appendLiteral(view.bytes, &scratch) }
        return Text.length(scratch.written)
    }
}
