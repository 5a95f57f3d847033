// NoveltyGate: turns a series of rarities into what is worth telling, as ANOMALY does.
//
// After a rarity was told, the next is told only if it is a quarter rarer than that one still weighs; the weight falls in a line to nothing
// over 250 points. So one anomaly that lasts is told once, and again if it grows. State: rarity told, points ago.

struct NoveltyGate {
    static let byteCount = 16
    static let gradeFrom = 2.5
    private static let points = 250.0
    private static let againFactor = 1.25

    private let told: UnsafeMutablePointer<Double>

    init(_ state: UnsafeMutableRawPointer) { told = state.assumingMemoryBound(to: Double.self) }

    /// The rarity if it is told, else 0. Call it for each point.
    func score(_ rarity: Double) -> Double {
        told[1] += 1
        let weight = told[0] * max(0, 1 - told[1] / NoveltyGate.points)
        guard rarity > weight * NoveltyGate.againFactor else { return 0 }
        told[0] = rarity
        told[1] = 0
        return rarity
    }

    /// 0 up to a score of 2.5 (one point in about 300), towards 1 above: 0.5 at 3, 0.75 at 4.
    static func grade(_ score: Double) -> Double {
        let excess = score - gradeFrom
        return excess > 0 ? excess / (0.5 + excess) : 0
    }
}
