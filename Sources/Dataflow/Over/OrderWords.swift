// OrderWords: ORDER BY keys as 64-bit words that compare as the keys do, so that most comparisons of rows are of one word.
//
//   BOOLEAN, the 8-byte layouts   one word: the value with its sign turned, doubles as integers that order as they do
//   DECIMAL, INTERVAL             two words
//   texts                         one word: the first eight bytes; equal words are settled by the texts
//
// Descending keys are complemented. NULL is the smallest or the largest word; the few values that have that word too are told
// apart by the row's null bit. The words stand before a packed row (see `RankLayout`), in order of the keys.

import Columns
import Glibc
import Planning

final class OrderWords: Sendable {
    struct Step: Sendable {
        var column: Int
        var layout: Layout
        var isInterval: Bool
        var isDescending: Bool
        var nullsFirst: Bool
        /// Byte offsets within the row: of the word, of the value, of the null mask.
        var word: Int
        var value: Int
        var mask: Int
        var bit: UInt64
    }

    let steps: [Step]
    /// Bytes of all words.
    let byteCount: Int

    init(_ keys: [SortNode.Key], payload: PackedLayout) throws(DataflowError) {
        var byteCount = 0
        for key in keys { byteCount += payload.types[key.column].layout == .int128 ? 16 : 8 }
        var steps: [Step] = []
        var offset = 0
        for key in keys {
            let type = payload.types[key.column]
            if type.layout == .list || type.layout == .structure { throw DataflowError("ORDER BY of type \(type.name) is not supported yet") }
            steps.append(
                Step(
                    column: key.column, layout: type.layout, isInterval: type == .interval, isDescending: key.isDescending,
                    nullsFirst: key.nullsFirst, word: offset, value: byteCount + payload.offsets[key.column],
                    mask: byteCount + key.column / 64 * 8, bit: 1 << UInt64(key.column & 63)))
            offset += type.layout == .int128 ? 16 : 8
        }
        self.steps = steps
        self.byteCount = byteCount
    }

    // MARK: Making words

    /// The words of rows 0..<count, `stride` bytes apart.
    func encode(_ columns: [Column], count: Int, into rows: UnsafeMutableRawPointer, stride: Int) {
        for step in steps {
            let column = columns[step.column]
            let target = rows + step.word
            let flip: UInt64 = step.isDescending ? .max : 0
            switch step.layout {
            case .int64:
                let source = column.int64s
                for row in 0..<count {
                    (target + row &* stride).storeBytes(of: (UInt64(bitPattern: source[row]) ^ (1 << 63)) ^ flip, as: UInt64.self)
                }
            case .double:
                let source = column.doubles
                for row in 0..<count {
                    let value = source[row] == 0 ? 0 : source[row]
                    (target + row &* stride).storeBytes(
                        of: (UInt64(bitPattern: DoubleOrder.ordered(value)) ^ (1 << 63)) ^ flip, as: UInt64.self)
                }
            case .bool:
                let source = column.bools
                for row in 0..<count { (target + row &* stride).storeBytes(of: (UInt64(source[row]) + 1) ^ flip, as: UInt64.self) }
            case .int128:
                let source = column.int128s
                for row in 0..<count {
                    let value = step.isInterval ? OrderWords.microseconds(source[row]) : source[row]
                    let bits = (UInt128(bitPattern: value) ^ (1 << 127)) ^ (step.isDescending ? .max : 0)
                    (target + row &* stride).storeBytes(of: UInt64(truncatingIfNeeded: bits >> 64), as: UInt64.self)
                    (target + row &* stride).storeBytes(of: UInt64(truncatingIfNeeded: bits), toByteOffset: 8, as: UInt64.self)
                }
            case .string:
                let source = column.strings
                for row in 0..<count {
                    (target + row &* stride).storeBytes(of: OrderWords.word(source[row]) ^ flip, as: UInt64.self)
                }
            case .list, .structure: break
            }
            guard column.mayHaveNulls else { continue }
            let null: UInt64 = step.nullsFirst ? 0 : .max
            for row in 0..<count where column.isNull(row) {
                (target + row &* stride).storeBytes(of: null, as: UInt64.self)
                if step.layout == .int128 { (target + row &* stride).storeBytes(of: null, toByteOffset: 8, as: UInt64.self) }
            }
        }
    }

    /// An interval's length, months of 30 days: what intervals compare by.
    private static func microseconds(_ packed: Int128) -> Int128 {
        let interval = IntervalValue(packed: packed)
        return Int128(interval.months) * 30 * 86_400_000_000 + Int128(interval.microseconds)
    }

    @inline(__always)
    private static func word(_ view: StringView) -> UInt64 {
        var word = UInt64(view.prefix.byteSwapped) << 32
        if view.length > 4 {
            let count = min(view.count, 8)
            for index in 4..<count { word |= UInt64(view.pointer[index]) << UInt64(56 - index * 8) }
        }
        return word
    }

    // MARK: Comparing

    /// Negative when row `a` comes before row `b`, zero when no key tells them apart.
    func compare(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Int {
        for step in steps {
            let left = a.load(fromByteOffset: step.word, as: UInt64.self)
            let right = b.load(fromByteOffset: step.word, as: UInt64.self)
            if left != right { return left < right ? -1 : 1 }
            if step.layout == .int128 {
                let left = a.load(fromByteOffset: step.word + 8, as: UInt64.self)
                let right = b.load(fromByteOffset: step.word + 8, as: UInt64.self)
                if left != right { return left < right ? -1 : 1 }
                continue
            }
            guard step.layout == .string || left == 0 || left == .max else { continue }
            let aNull = a.loadUnaligned(fromByteOffset: step.mask, as: UInt64.self) & step.bit != 0
            let bNull = b.loadUnaligned(fromByteOffset: step.mask, as: UInt64.self) & step.bit != 0
            if aNull || bNull {
                if aNull && bNull { continue }
                return aNull == step.nullsFirst ? -1 : 1
            }
            guard step.layout == .string else { continue }
            let order = StringView.compare(
                a.loadUnaligned(fromByteOffset: step.value, as: StringView.self),
                b.loadUnaligned(fromByteOffset: step.value, as: StringView.self))
            if order != 0 { return step.isDescending == (order < 0) ? 1 : -1 }
        }
        return 0
    }
}
