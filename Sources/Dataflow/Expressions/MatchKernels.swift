// MatchKernels: how many matches of a regular expression there are, where the n-th one is, what it is.

import Columns
import Planning

enum MatchKernels {
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        switch request.function {
        case .regexpCount:
            let source = try PatternSource(request, pattern: 1, flags: 3)
            return { call in
                var cache = source.cache(groups: 0)
                let text = call.operands[0].strings
                let from = call.operands.count > 2 ? call.operands[2].int64s : nil
                return call.int64s { row in
                    guard let matcher = cache.matcher(call, row) else { return nil }
                    let bytes = text[row].bytes
                    guard let start = start(call, row, from, bytes) else { return nil }
                    var count: Int64 = 0
                    if start > bytes.count { return 0 }
                    PatternKernels.eachMatch(matcher, bytes, from: start) { _, _ in
                        count += 1
                        return true
                    }
                    return count
                }
            }
        case .regexpFullMatch:
            let source = try PatternSource(request, pattern: 1, flags: 2, isWhole: true)
            return { call in
                var cache = source.cache(groups: 0)
                let text = call.operands[0].strings
                return call.bools { row in
                    guard let matcher = cache.matcher(call, row) else { return nil }
                    return matcher.find(text[row].bytes, anyWill: true)
                }
            }
        case .regexpInstr:
            let source = try PatternSource(request, pattern: 1, flags: 5)
            return { call in
                var cache = source.cache(groups: nil)
                let text = call.operands[0].strings
                let wantsEnd = call.operands.count > 4 ? call.operands[4].int64s : nil
                return call.int64s { row in
                    let bytes = text[row].bytes
                    let end = wantsEnd.map { $0[row] } ?? 0
                    guard end == 0 || end == 1 else {
                        call.fail(row, "the end option of regexp_instr must be 0 or 1, not \(end)")
                        return nil
                    }
                    guard let found = find(call, row, &cache, bytes, group: 6) else { return nil }
                    guard found.lowerBound >= 0 else { return 0 }
                    return Int64(Text.characters(bytes, before: end == 1 ? found.upperBound : found.lowerBound)) + 1
                }
            }
        case .regexpSubstr:
            let source = try PatternSource(request, pattern: 1, flags: 4)
            return { call in
                var cache = source.cache(groups: nil)
                let text = call.operands[0].strings
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    let view = text[row]
                    guard let found = find(call, row, &cache, view.bytes, group: 5), found.lowerBound >= 0 else { return false }
                    writer.share(StringView(view.pointer + found.lowerBound, count: found.count))
                    return true
                }
            }
        default: return nil
        }
    }

    private static let nowhere = -1 ..< -1

    /// The byte offset that a position in characters (from 1) stands for, past the end when it lies there; nil when the row has failed.
    @inline(__always)
    private static func start(_ call: KernelCall, _ row: Int, _ from: Reader<Int64>?, _ bytes: Bytes) -> Int? {
        guard let from else { return 0 }
        guard from[row] > 0 else {
            call.fail(row, "the start of a search must be greater than zero, not \(from[row])")
            return nil
        }
        let offset = Text.offset(bytes, ofCharacter: Int(min(from[row] - 1, Int64(bytes.count) + 1)))
        return from[row] - 1 > Int64(Text.characters(bytes, before: bytes.count)) ? bytes.count + 1 : offset
    }

    /// The bytes of a group of the n-th match; `nowhere` without one; nil when the row has failed.
    private static func find(_ call: KernelCall, _ row: Int, _ cache: inout PatternSource.Cache, _ bytes: Bytes, group: Int) -> Range<Int>? {
        guard let matcher = cache.matcher(call, row) else { return nil }
        guard let start = start(call, row, call.operands.count > 2 ? call.operands[2].int64s : nil, bytes) else { return nil }
        var left = call.operands.count > 3 ? call.operands[3].int64s[row] : 1
        guard left > 0 else {
            call.fail(row, "the number of the match must be greater than zero, not \(left)")
            return nil
        }
        let number = call.operands.count > group ? call.operands[group].int64s[row] : 0
        guard number >= 0 else {
            call.fail(row, "the number of the group must not be negative")
            return nil
        }
        if start > bytes.count || number > Int64(matcher.program.groupCount) { return nowhere }
        var found = nowhere
        PatternKernels.eachMatch(matcher, bytes, from: start) { _, _ in
            left -= 1
            guard left == 0 else { return true }
            let (low, high) = (matcher.slots[Int(number) * 2], matcher.slots[Int(number) * 2 + 1])
            if low >= 0 && high >= low { found = low..<high }
            return false
        }
        return found
    }
}
