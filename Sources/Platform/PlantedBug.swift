// PlantedBug: mistakes that a test can switch on, to show that the simulation finds them.
//
// Compiled in with MILLRACE_CHECKS only, and off unless a test sets `active`; elsewhere `isOn` is constantly false. Each case is looked at in
// one place, next to what it breaks.

import Synchronization

package enum PlantedBug: Int, CaseIterable, Sendable {
    /// Output of an epoch becomes visible before the epoch's record is durable.
    case outputBeforeEpochLog = 1
    /// A checkpoint is published without a sync of what it says.
    case checkpointWithoutSync
    /// A replayed epoch begins one row too late.
    case replayOffByOne
    /// The watermark follows the newest rows, back too.
    case watermarkGoesBack
    /// Columns of a frame are served without looking at their checksums.
    case frameUnverified
    /// An append is acknowledged before its sync.
    case acknowledgedBeforeSync
    /// A shard takes an epoch of a producer that it has already.
    case epochTakenTwice
    /// A replayed epoch reads the clock anew.
    case replayReadsClock
    /// A checkpoint takes rows of state that have changed for unchanged.
    case lostDirtyMark

#if MILLRACE_CHECKS
    private static let number = Atomic<Int>(0)

    package static var active: PlantedBug? {
        get { PlantedBug(rawValue: number.load(ordering: .relaxed)) }
        set { number.store(newValue?.rawValue ?? 0, ordering: .relaxed) }
    }

    package static func isOn(_ bug: PlantedBug) -> Bool { number.load(ordering: .relaxed) == bug.rawValue }
#else
    @inlinable package static func isOn(_ bug: PlantedBug) -> Bool { false }
#endif
}
