// NexmarkConfiguration: what shapes the generated auction site, with the published defaults, and the arithmetic of event
// numbers that follows from it.
//
// Events come in groups of `groupSize` = person + auction + bid proportion (1 + 3 + 46 = 50): first the group's persons, then its
// auctions, then its bids. So the kind of event n, the id it gives out and the newest ids that exist before it follow from n:
//
//   group            g = n / groupSize, offset o = n % groupSize
//   person's id      firstPersonID + g * persons + o
//   auction's id     firstAuctionID + g * auctions + (o - persons)
//   event time       base + n * 1,000,000 / eventsPerSecond, cut to milliseconds

package enum NexmarkKind: String, Sendable, CaseIterable {
    case person, auction, bid, all
}

package struct NexmarkConfiguration: Sendable {
    package var seed: UInt64 = 0
    /// Events a second of event time.
    package var eventsPerSecond: Int64 = 10_000
    /// Event time of event 0, a whole number of milliseconds.
    package var baseMicroseconds: Int64 = 1_767_225_600_000_000
    /// Events of all kinds; nil for ever.
    package var eventCount: Int64?

    package var personProportion: Int64 = 1
    package var auctionProportion: Int64 = 3
    package var bidProportion: Int64 = 46

    /// One in `ratio` does not go to the hot auction, bidder, seller.
    package var hotAuctionRatio: Int64 = 2
    package var hotBidderRatio: Int64 = 4
    package var hotSellerRatio: Int64 = 4
    package var averagePersonByteCount: Int64 = 200
    package var averageAuctionByteCount: Int64 = 500
    package var averageBidByteCount: Int64 = 100

    package static let auctionsInFlight: Int64 = 100
    package static let activePersonsMax: Int64 = 1_000
    /// Ids that do not exist yet but may be referred to.
    package static let idLead: Int64 = 10
    /// Hot ids are those of the first of every so many.
    package static let hotSpacing: Int64 = 100
    package static let firstPersonID: Int64 = 1_000
    package static let firstAuctionID: Int64 = 1_000
    package static let firstCategory: Int64 = 10
    package static let categoryCount: Int64 = 5
    package static let channelCount = 10_000
    /// Where an unbounded generator ends after all: 142 years at a million events a second.
    package static let eventCountMax: Int64 = 1 << 52

    package init() {}

    package var groupSize: Int64 { personProportion + auctionProportion + bidProportion }

    /// Which offsets of a group belong to a kind.
    package func offsets(of kind: NexmarkKind) -> Range<Int64> {
        switch kind {
        case .person: 0..<personProportion
        case .auction: personProportion..<personProportion + auctionProportion
        case .bid: personProportion + auctionProportion..<groupSize
        case .all: 0..<groupSize
        }
    }

    /// Rows of a kind before position `position`.
    package func rowCount(of kind: NexmarkKind, before position: Int64) -> Int64 {
        let offsets = offsets(of: kind)
        let (group, offset) = position.quotientAndRemainder(dividingBy: groupSize)
        return group * Int64(offsets.count) + min(max(offset - offsets.lowerBound, 0), Int64(offsets.count))
    }

    /// Event time of event `number`, not yet cut to milliseconds, relative to the base: whole microseconds and the remainder.
    @inline(__always)
    func elapsed(_ number: Int64) -> (microseconds: Int64, remainder: Int64) {
        if number < 9_000_000_000_000 {
            let (quotient, remainder) = (number &* 1_000_000).quotientAndRemainder(dividingBy: eventsPerSecond)
            return (quotient, remainder)
        }
        let (quotient, remainder) = (Int128(number) * 1_000_000).quotientAndRemainder(dividingBy: Int128(eventsPerSecond))
        return (Int64(truncatingIfNeeded: quotient), Int64(truncatingIfNeeded: remainder))
    }

    /// Event time of event `number` in microseconds, cut to milliseconds.
    package func eventTime(_ number: Int64) -> Int64 {
        baseMicroseconds &+ elapsed(number).microseconds / 1_000 * 1_000
    }
}
