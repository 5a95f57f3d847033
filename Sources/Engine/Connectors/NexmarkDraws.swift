// NexmarkDraws: the randomness of the generator, addressed by event and purpose instead of drawn in sequence.
//
// Draw (event, purpose) is a hash of seed, event number and purpose (the finalizer of SplitMix64, see SeededRandom). So any
// column of any event can be made alone, in any order, on any thread, and leaving out a column changes no other.

import Columns
import Platform

struct NexmarkDraws: Sendable {
    private let key: UInt64

    /// What a draw decides. Strings of an event take one draw each as the seed of their letters.
    enum Purpose: UInt64 {
        case bidAuction = 1, bidBidder, bidPrice, bidChannel, bidExtraLength, bidExtra
        case auctionText, auctionInitialBid, auctionReserve, auctionExpires, auctionSeller, auctionCategory
        case personText
        case channelText
    }

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        key = random.next()
    }

    @inline(__always)
    func draw(_ event: Int64, _ purpose: Purpose) -> UInt64 {
        var mixed = key &+ UInt64(bitPattern: event) &* 0xD1B5_4A32_D192_ED03 &+ purpose.rawValue &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The high half of a draw as a number in 0..<bound, bound below 2^31.
    @inline(__always)
    static func high(_ draw: UInt64, below bound: Int64) -> Int64 {
        Int64(truncatingIfNeeded: ((draw >> 32) &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }

    /// The low half of a draw as a number in 0..<bound, bound below 2^31.
    @inline(__always)
    static func low(_ draw: UInt64, below bound: Int64) -> Int64 {
        Int64(truncatingIfNeeded: ((draw & 0xFFFF_FFFF) &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }
}

/// Prices: 100 * 10^(6 U), U uniform, so that their logarithm is uniform between 2 and 8.
///
/// 10^(6U) is put together from two tables, one for the high and one for the next ten bits of U, and a linear step for twelve more,
/// where the curve is straight to within half a unit. The tables are made by multiplication alone, so that the prices are the
/// same on every machine, whatever its libm thinks of `pow`.
struct NexmarkPrices: @unchecked Sendable {
    // Safe to share: written only in `init`.
    private let table: Buffer
    /// 10^(6 / 2^10), 10^(6 / 2^20), and ln(10) * 6 / 2^20 for each of 2^12 steps.
    private static let coarseStep = 1.013_583_133_334_065_76
    private static let fineStep = 1.000_013_175_584_384_42
    private static let slope = 0.000_013_175_497_587_169_91 / 4_096

    init() {
        table = Buffer(byteCount: 2 * 1_024 * 8)
        let values = table.base.assumingMemoryBound(to: Double.self)
        var coarse = 100.0
        var fine = 1.0
        for index in 0..<1_024 {
            values[index] = coarse
            values[1_024 + index] = fine
            coarse *= NexmarkPrices.coarseStep
            fine *= NexmarkPrices.fineStep
        }
    }

    var pointer: UnsafePointer<Double> { UnsafePointer(table.base.assumingMemoryBound(to: Double.self)) }

    @inline(__always)
    static func price(_ draw: UInt64, _ table: UnsafePointer<Double>) -> Int64 {
        let coarse = table[Int(truncatingIfNeeded: draw >> 54)]
        let fine = table[1_024 + Int(truncatingIfNeeded: (draw >> 44) & 1_023)]
        let rest = 1 + Double(Int64(truncatingIfNeeded: (draw >> 32) & 4_095)) * slope
        // Adding 2^52 to a number in 0..<2^52 leaves it, rounded, in the low bits of the fraction: a conversion without a branch.
        return Int64(truncatingIfNeeded: (coarse * fine * rest + 0x1p52).bitPattern & 0xF_FFFF_FFFF_FFFF)
    }
}
