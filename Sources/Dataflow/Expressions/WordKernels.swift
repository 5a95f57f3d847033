// WordKernels: how like two words are, and what a text consists of.

import Columns
import Planning

enum WordKernels {
    /// Comparing takes time in the product of both lengths.
    private static let comparedCharactersMax = 1000

    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .levenshtein:
            return { call in
                let (a, b) = (call.operands[0].strings, call.operands[1].strings)
                var costs: [Int64] = []
                return call.int64s { row in
                    let (left, right) = (scalars(a[row]), scalars(b[row]))
                    if max(left.count, right.count) > comparedCharactersMax {
                        call.fail(row, "levenshtein takes texts of up to \(comparedCharactersMax) characters")
                        return nil
                    }
                    return levenshtein(left, right, &costs)
                }
            }
        case .hamming:
            return { call in
                let (a, b) = (call.operands[0].strings, call.operands[1].strings)
                return call.int64s { row in
                    let (left, right) = (scalars(a[row]), scalars(b[row]))
                    guard left.count == right.count else {
                        call.fail(row, "hamming takes two texts of the same length")
                        return nil
                    }
                    return zip(left, right).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
                }
            }
        case .soundex:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in
                    for byte in soundex(a[row].bytes) { writer.append(byte) }
                    return true
                }
            }
        case .difference:
            return { call in
                let (a, b) = (call.operands[0].strings, call.operands[1].strings)
                return call.int64s { row in
                    let (left, right) = (soundex(a[row].bytes), soundex(b[row].bytes))
                    if left.isEmpty && right.isEmpty { return 4 }
                    return zip(left, right).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
                }
            }
        case .isDigits:
            return { call in
                let a = call.operands[0].strings
                return call.bools { row in
                    let bytes = a[row].bytes
                    return bytes.count > 0 && bytes.allSatisfy { $0 &- 0x30 < 10 }
                }
            }
        case .isLetters:
            return { call in
                let a = call.operands[0].strings
                return call.bools { row in
                    let bytes = a[row].bytes
                    var isAll = bytes.count > 0
                    Text.eachScalar(bytes) { scalar in if !scalar.properties.isAlphabetic { isAll = false } }
                    return isAll
                }
            }
        case .isNumber:
            return { call in
                let a = call.operands[0].strings
                return call.bools { row in
                    do throws(TextError) {
                        return try DoubleText.parse(a[row].bytes).isFinite
                    } catch { return false }
                }
            }
        default: return nil
        }
    }

    private static func scalars(_ view: StringView) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(view.count)
        Text.eachScalar(view.bytes) { result.append($0.value) }
        return result
    }

    /// One row of Wagner's and Fischer's table at a time.
    private static func levenshtein(_ left: [UInt32], _ right: [UInt32], _ costs: inout [Int64]) -> Int64 {
        costs.removeAll(keepingCapacity: true)
        costs.append(contentsOf: (0...right.count).map(Int64.init))
        for (row, a) in left.enumerated() {
            var diagonal = costs[0]
            costs[0] = Int64(row) + 1
            for (column, b) in right.enumerated() {
                let above = costs[column + 1]
                costs[column + 1] = min(diagonal + (a == b ? 0 : 1), above + 1, costs[column] + 1)
                diagonal = above
            }
        }
        return costs[right.count]
    }

    /// Of A to Z. Vowels, H, W and Y have none.
    private static let soundexCodes = Array("01230120022455012623010202".utf8)

    /// Four characters, or none for a text without a letter. As in PostgreSQL a letter is passed over when the character just before it
    /// has the same code.
    private static func soundex(_ bytes: Bytes) -> [UInt8] {
        func code(_ byte: UInt8) -> UInt8 {
            let letter = (byte | 0x20) &- 0x61
            return letter < 26 ? soundexCodes[Int(letter)] : byte
        }
        guard let first = bytes.firstIndex(where: { ($0 | 0x20) &- 0x61 < 26 }) else { return [] }
        var result = [bytes[first] & 0xDF]
        var index = first + 1
        while index < bytes.count && result.count < 4 {
            let byte = bytes[index]
            if (byte | 0x20) &- 0x61 < 26, code(byte) != code(bytes[index - 1]), code(byte) != 0x30 { result.append(code(byte)) }
            index += 1
        }
        while result.count < 4 { result.append(0x30) }
        return result
    }
}
