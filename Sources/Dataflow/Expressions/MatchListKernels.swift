// MatchListKernels: the matches of a regular expression, their groups, and what stands between them, as arrays of texts.

import Columns
import Planning

enum MatchListKernels {
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        let function = request.function
        let source = try PatternSource(request, pattern: 1, flags: function == .regexpExtractAll ? 3 : 2)
        return { call in
            var cache = source.cache(groups: nil)
            let operand = call.operands[0]
            let groups = function == .regexpExtractAll && call.operands.count > 2 ? call.operands[2] : nil
            let builder = ColumnBuilder(call.type, capacity: call.rows)
            guard let parts = builder.listElements else { return Column.constant(.null, type: call.type, count: call.rows) }
            for row in 0..<call.rows {
                guard call.operands.allSatisfy({ !$0.isNull(row) }), let matcher = cache.matcher(call, row) else {
                    builder.appendNull()
                    continue
                }
                let bytes = operand.strings[row].bytes
                let start = parts.count
                func add(_ low: Int, _ high: Int) {
                    guard low >= 0, high >= low, high <= bytes.count else { return parts.appendNull() }
                    parts.append(bytes: UnsafeBufferPointer(rebasing: bytes[low..<high]))
                }
                let groupCount = matcher.program.groupCount
                switch function {
                case .regexpExtractAll:
                    let group = groups.map { $0.int64s[row] } ?? (groupCount > 0 ? 1 : 0)
                    guard group >= 0, group <= Int64(groupCount) else {
                        call.fail(row, "the pattern has no group \(group)")
                        builder.appendNull()
                        continue
                    }
                    let slot = Int(group) * 2
                    PatternKernels.eachMatch(matcher, bytes) { _, _ in
                        add(matcher.slots[slot], matcher.slots[slot + 1])
                        return true
                    }
                case .regexpMatch:
                    var isFound = false
                    PatternKernels.eachMatch(matcher, bytes) { low, high in
                        isFound = true
                        if groupCount == 0 { add(low, high) }
                        for group in 0..<groupCount { add(matcher.slots[group * 2 + 2], matcher.slots[group * 2 + 3]) }
                        return false
                    }
                    guard isFound else {
                        builder.appendNull()
                        continue
                    }
                default:
                    // An empty match at the beginning, at the end, or right behind another match parts nothing.
                    var done = 0
                    PatternKernels.eachMatch(matcher, bytes) { low, high in
                        if low == high, low == done || low == bytes.count { return true }
                        add(done, low)
                        done = high
                        return true
                    }
                    add(done, bytes.count)
                }
                builder.appendList(elementCount: parts.count - start)
            }
            return withExtendedLifetime(operand) { builder.finish() }
        }
    }
}
