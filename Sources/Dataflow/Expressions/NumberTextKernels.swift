// NumberTextKernels: to_char of numbers and to_number.

import Columns
import Planning

enum NumberTextKernels {
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        guard let source = request.arguments.first else { return nil }
        var constant: NumberPattern?
        if let text = request.text(1) {
            do throws(RegexError) { constant = try make(text) } catch { throw ExpressionError(error.message, expression: request.text) }
        }
        let known = constant
        if request.function == .toNumber { return read(known, request.type) }
        let scale = if case .decimal(_, let scale) = source { scale } else { 0 }
        let layout = source.layout
        let isReal = source == .real
        return { call in
            let operand = call.operands[0]
            return call.texts { row, writer in
                guard let pattern = known ?? pattern(call, row) else { return false }
                let digits = pattern.fraction
                let value: Int128? =
                    switch layout {
                    case .int128: Decimal128.rescale(operand.int128s[row], from: scale, to: digits)
                    case .int64: Decimal128.rescale(Int128(operand.int64s[row]), from: 0, to: digits)
                    default: Decimal128.decimal(operand.doubles[row], precision: 38, scale: digits, isReal: isReal)
                    }
                guard let value else {
                    call.fail(row, "the number has too many digits for the pattern")
                    return false
                }
                let text = [UInt8](unsafeUninitializedCapacity: DecimalText.byteCountMax) { buffer, count in
                    guard let base = buffer.baseAddress else { return }
                    count = DecimalText.write(Int128(truncatingIfNeeded: value.magnitude), scale: digits, base)
                }
                pattern.write(text, isNegative: value < 0, to: &writer)
                return true
            }
        }
    }

    private static func make(_ text: [UInt8]) throws(RegexError) -> NumberPattern {
        let result: Result<NumberPattern, RegexError> = text.withUnsafeBufferPointer { bytes in
            do throws(RegexError) { return .success(try NumberPattern(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private static func pattern(_ call: KernelCall, _ row: Int) -> NumberPattern? {
        do throws(RegexError) { return try NumberPattern(call.operands[1].strings[row].bytes) } catch {
            call.fail(row, error.message)
            return nil
        }
    }

    private static func read(_ known: NumberPattern?, _ type: SQLType) -> Kernel? {
        guard case .decimal(let precision, let scale) = type else { return nil }
        return { call in
            let a = call.operands[0].strings
            return call.int128s { row in
                guard let pattern = known ?? pattern(call, row) else { return nil }
                if let digits = pattern.read(a[row].bytes) {
                    let value: Int128? = digits.withUnsafeBufferPointer { bytes in
                        do throws(TextError) { return try DecimalText.parse(bytes, precision: precision, scale: scale) } catch { return nil }
                    }
                    if let value { return value }
                }
                call.fail(row, "\"\(TextError.excerpt(a[row].bytes))\" does not suit the number pattern")
                return nil
            }
        }
    }
}
