// Accumulator: the elementary states that aggregates are made of.
//
// Several aggregates share accumulators: count(x), sum(x) and avg(x) need rows, NULLs of x and the sum of x, once each. All of them
// give the same value in whatever order rows come and partial states are merged (sums of doubles up to what 106 bits lose), so a
// result does not depend on how the input was cut. States lie side by side in the group's row:
//
//   kind              bytes  what
//   rows                8    rows that were fed
//   nulls               8    of them, rows whose argument is NULL; nothing to do for a batch without NULLs
//   trues               8    of them, rows whose argument is true
//   sumInt64           16    Int128: cannot overflow
//   sumInt128          24    192 bits: cannot overflow
//   sumInterval        32    months, microseconds: Int128 each
//   sumDouble          32    sum as two doubles (hi, lo); counts of +inf (32 bits) and -inf (32), of NaN (64), which stay out of the sum
//   sumSquares         32    the same of x * x; sumCubes, sumFourths of higher powers; sumProducts of x * y
//   product            48    mantissa as two doubles, binary exponent, counts of zeros, of negative infinities and of NaN, of infinities
//   bitAnd, bitOr       8    bits; bitXor takes rows back too
//   min, max (word)     8    any 8-byte layout as an Int64 that orders as the type does
//   min, max (wide)    16    DECIMAL and INTERVAL
//   min, max (text) 8 + 16   whether there is a value, StringView into the table's arena
//   first, last     8 + 16   arrival number, then the value
//   bag             24, 40   the values themselves, counted and in order (see Bag); text bags also hold encoded rows
//   bagArrival        40     the same of texts that end in an arrival number; taking one back takes the earliest with the text before it
//   bagFrequent       40     a text bag that forgets rare values (see `frequentEntriesMax`)
//   registers         16     HyperLogLog
//
// Bags and registers have memory in the table's heap: what is dropped must be released.

import Columns
import Glibc

struct Accumulator: Hashable, Sendable {
    enum Kind: UInt8, Hashable, Sendable {
        case rows, nulls, trues
        case sumInt64, sumInt128, sumInterval, sumDouble, sumSquares
        case minWord, maxWord, minDecimal, maxDecimal, minInterval, maxInterval, minText, maxText
        case firstWord, lastWord, firstWide, lastWide, firstText, lastText
        case sumCubes, sumFourths, sumProducts, product, bitAnd, bitOr, bitXor
        case bagWord, bagWide, bagText, bagArrival, bagFrequent, registers
    }

    /// Which rows reach it.
    enum Feed: Hashable, Sendable {
        case all
        /// Those for which this column of the compact input is true.
        case filter(Int)
        /// Those that bring a new value to bit `bit` of distinct set `set`.
        case distinct(set: Int, bit: Int)
    }

    var kind: Kind
    /// A column of the compact input; -1 for rows.
    var argument: Int
    var feed: Feed
    /// A second column, of functions of pairs; -1 for none. Rows in which either is NULL are passed over.
    var second = -1

    /// A bag of frequent values is cut back when it has more entries than this: the median count is taken from all, and what has none left
    /// goes. At least half of the entries lose that much each time, so no count is too low by more than rows / 512.
    static let frequentEntriesMax = 1_024

    var byteCount: Int {
        switch kind {
        case .rows, .nulls, .trues, .minWord, .maxWord, .bitAnd, .bitOr, .bitXor: 8
        case .sumInt64, .minDecimal, .maxDecimal,
            .minInterval, .maxInterval, .registers: 16
        case .sumInt128, .minText, .maxText, .firstWord, .lastWord, .firstWide, .lastWide, .firstText, .lastText, .bagWord: 24
        case .sumInterval, .sumDouble, .sumSquares, .sumCubes, .sumFourths, .sumProducts: 32
        case .bagWide, .bagText, .bagArrival, .bagFrequent: 40
        case .product: 48
        }
    }

    /// Whether a partial state can be taken away again.
    var isInvertible: Bool {
        switch kind {
        case .rows, .nulls, .trues, .sumInt64, .sumInt128, .sumInterval, .bitXor, .bagWord, .bagWide, .bagText: true
        // Doubles can up to rounding: good enough to retract a row, not to slide a window for ever.
        default: false
        }
    }

    var isRetractable: Bool {
        switch kind {
        case .sumDouble, .sumSquares, .sumCubes, .sumFourths, .sumProducts, .product, .bagArrival: true
        default: isInvertible
        }
    }

    /// Whether it matters in which order rows come, beyond what their arrival numbers say: then there are no partial states.
    var isOrderSensitive: Bool { kind == .bagArrival || kind == .bagFrequent }

    var usesHeap: Bool {
        switch kind {
        case .bagWord, .bagWide, .bagText, .bagArrival, .bagFrequent, .registers: true
        default: false
        }
    }

    var needsArrival: Bool {
        switch kind {
        case .firstWord, .lastWord, .firstWide, .lastWide, .firstText, .lastText: true
        default: false
        }
    }

    /// Offset of a StringView within the state.
    var stringOffset: Int? {
        switch kind {
        case .minText, .maxText, .firstText, .lastText: 8
        default: nil
        }
    }

    /// Arrival numbers start at 1; a first that saw nothing has the largest, a last the smallest.
    var initialState: [UInt8] {
        var words = [UInt64](repeating: 0, count: byteCount / 8)
        switch kind {
        case .minWord: words[0] = UInt64(bitPattern: .max)
        case .maxWord: words[0] = UInt64(bitPattern: .min)
        case .firstWord, .firstWide, .firstText: words[0] = UInt64(bitPattern: .max)
        case .minDecimal: words = [.max, UInt64(bitPattern: .max)]
        case .maxDecimal: words = [0, UInt64(bitPattern: .min)]
        case .minInterval: words = [UInt64(bitPattern: .max), UInt64(bitPattern: .max)]
        case .maxInterval: words = [UInt64(bitPattern: .min), UInt64(bitPattern: .min)]
        case .bitAnd: words[0] = .max
        case .product: words[0] = (1.0).bitPattern
        default: break
        }
        return words.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
    }
}

/// Which column of the compact input is an argument of DISTINCT aggregates, and which filters stand beside it. Bit i of an entry says
/// that the value has come through filter i.
struct DistinctSpecification: Hashable, Sendable {
    var argument: Int
    /// nil: no filter.
    var filters: [Int?]
}
