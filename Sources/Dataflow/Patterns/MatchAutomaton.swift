// MatchAutomaton: a row pattern as positions (one per variable written out) and, for each, what may come next, in order of preference.
//
// SQL:2016 prefers earlier alternatives, more repetitions when greedy and fewer when reluctant; the preferred match of a row is the first
// that backtracking in this order finds. An iteration of * or + that maps no row is not taken (beyond the iterations that a minimum asks
// for), so `(a*)*` ends. The same order is kept here by lists: the targets of a position are what a depth-first walk over the pattern
// meets behind it, each once. A walk that meets the end of the pattern makes the list end there: what is preferred less than
// a complete match is never looked at. A walk that comes back to a loop without having met a row since it began the iteration has met a
// dead end; so a place in the graph is not the same place while other loops are being iterated.
//
// `end` in a list stands for `$`: the match is complete if no row follows.

import Planning

final class MatchAutomaton: Sendable {
    static let nodesMax = 100_000
    static let targetsMax = 2_000_000
    static let emptyLoopsMax = 64
    static let walkStepsMax = 4_000_000
    static let end: Int32 = -1

    /// By position.
    let variables: [Int32]
    let isExcluded: [Bool]
    /// Where the targets of a position begin; one more than positions.
    let starts: [Int32]
    let targets: [Int32]
    /// Whether the pattern is complete behind the last of the targets.
    let accepts: [Bool]
    let first: Start
    /// At the first row of a partition, where `^` holds.
    let firstOfPartition: Start

    struct Start: Sendable {
        var targets: [Int32]
        /// Whether no row at all is a match, preferred less than the targets.
        var accepts: Bool
    }

    var count: Int { variables.count }

    /// Two positions are of one run when they map rows alike.
    func code(_ position: Int) -> Int32 { variables[position] << 1 | (isExcluded[position] ? 1 : 0) }

    init(_ pattern: MatchPattern) throws(DataflowError) {
        var graph = Graph()
        let accept = try graph.add(.accept)
        let entry = try graph.build(pattern, next: accept, isExcluded: false)
        var walk = Walk(graph)
        first = try walk.start(entry, isAtStart: false)
        firstOfPartition = try walk.start(entry, isAtStart: true)
        var starts: [Int32] = [0]
        var targets: [Int32] = []
        var accepts: [Bool] = []
        for next in graph.positionNext {
            accepts.append(try walk.walk(next, isAtStart: false, keepsEnd: true, into: &targets))
            if targets.count > Self.targetsMax { throw DataflowError("the pattern of MATCH_RECOGNIZE is too large") }
            starts.append(Int32(targets.count))
        }
        variables = graph.positionVariables
        isExcluded = graph.positionExcluded
        self.starts = starts
        self.targets = targets
        self.accepts = accepts
    }

    // MARK: Building

    private struct Graph {
        enum Node {
            case accept
            case position(Int)
            case split([Int])
            /// A loop whose body can match nothing.
            case loop(id: Int, body: Int, next: Int, isGreedy: Bool)
            case start(Int), end(Int)
        }

        var nodes: [Node] = []
        var loopCount = 0
        var positionVariables: [Int32] = []
        var positionExcluded: [Bool] = []
        var positionNext: [Int] = []

        mutating func add(_ node: Node) throws(DataflowError) -> Int {
            if nodes.count >= MatchAutomaton.nodesMax { throw DataflowError("the pattern of MATCH_RECOGNIZE is too large") }
            nodes.append(node)
            return nodes.count - 1
        }

        /// From the back: what `pattern` leads to is there already.
        mutating func build(_ pattern: MatchPattern, next: Int, isExcluded: Bool) throws(DataflowError) -> Int {
            switch pattern {
            case .variable(let variable):
                positionVariables.append(Int32(truncatingIfNeeded: variable))
                positionExcluded.append(isExcluded)
                positionNext.append(next)
                return try add(.position(positionNext.count - 1))
            case .sequence(let parts):
                var entry = next
                for part in parts.reversed() { entry = try build(part, next: entry, isExcluded: isExcluded) }
                return entry
            case .alternation(let parts):
                var entries: [Int] = []
                for part in parts { entries.append(try build(part, next: next, isExcluded: isExcluded)) }
                return try add(.split(entries))
            case .exclusion(let part): return try build(part, next: next, isExcluded: true)
            case .start: return try add(.start(next))
            case .end: return try add(.end(next))
            case .repetition(let part, let min, let max, let isGreedy):
                return try repetition(part, min, max, isGreedy, next: next, isExcluded: isExcluded)
            }
        }

        private mutating func repetition(_ part: MatchPattern, _ min: Int, _ max: Int?, _ isGreedy: Bool, next: Int, isExcluded: Bool)
            throws(DataflowError) -> Int
        {
            var entry = next
            var required = min
            if let max {
                // (x (x (x)?)?)?
                for _ in 0..<(max - min) {
                    let body = try build(part, next: entry, isExcluded: isExcluded)
                    entry = try add(.split(isGreedy ? [body, next] : [next, body]))
                }
            } else {
                // A loop of loops of the same kind is one loop.
                var part = part
                while case .repetition(let inner, let innerMin, nil, isGreedy) = part, innerMin <= 1, min <= 1 {
                    if innerMin == 0 { required = 0 }
                    part = inner
                }
                let loop = try add(.split([]))
                let body = try build(part, next: loop, isExcluded: isExcluded)
                if part.matchesEmpty {
                    guard loopCount < MatchAutomaton.emptyLoopsMax else { throw DataflowError("the pattern of MATCH_RECOGNIZE is too large") }
                    nodes[loop] = .loop(id: loopCount, body: body, next: next, isGreedy: isGreedy)
                    loopCount += 1
                } else {
                    nodes[loop] = .split(isGreedy ? [body, next] : [next, body])
                }
                if part.matchesEmpty {
                    // A required iteration may map nothing; among greedy ones that adds no way that the loop has not, where nothing is
                    // without conditions.
                    entry = loop
                    if isGreedy && !part.hasAnchor { required = 0 }
                } else if required > 0 {
                    entry = body
                    required -= 1
                } else {
                    entry = loop
                }
            }
            for _ in 0..<required { entry = try build(part, next: entry, isExcluded: isExcluded) }
            return entry
        }
    }

    /// Depth-first walks over the graph without recursion: a pattern may be a long chain of things that can be left out.
    private struct Walk {
        private struct Place: Hashable {
            var node: Int
            var crossedEnd: Bool
            /// The loops that an iteration has begun of, no row having been met since.
            var open: UInt64
        }

        let graph: Graph
        private var seen: [Int32]
        private var seenInLoops: Set<Place> = []
        private var stamp: Int32 = 0
        private var stack: [Place] = []
        private var taken: [Int32]
        private var stepCount = 0

        init(_ graph: Graph) {
            self.graph = graph
            seen = Array(repeating: 0, count: graph.nodes.count * 2)
            taken = Array(repeating: 0, count: graph.positionNext.count)
        }

        mutating func start(_ entry: Int, isAtStart: Bool) throws(DataflowError) -> Start {
            var targets: [Int32] = []
            let accepts = try walk(entry, isAtStart: isAtStart, keepsEnd: false, into: &targets)
            return Start(targets: targets, accepts: accepts)
        }

        /// Appends what can come next; true when the pattern can end here, less preferred than what was appended.
        mutating func walk(_ entry: Int, isAtStart: Bool, keepsEnd: Bool, into targets: inout [Int32]) throws(DataflowError) -> Bool {
            stamp += 1
            stack.removeAll(keepingCapacity: true)
            seenInLoops.removeAll(keepingCapacity: true)
            var gaveEnd = false
            stack.append(Place(node: entry, crossedEnd: false, open: 0))
            while let place = stack.popLast() {
                stepCount += 1
                if stepCount > MatchAutomaton.walkStepsMax { throw DataflowError("the pattern of MATCH_RECOGNIZE is too large") }
                if place.open == 0 {
                    let index = place.node * 2 + (place.crossedEnd ? 1 : 0)
                    if seen[index] == stamp { continue }
                    seen[index] = stamp
                } else if !seenInLoops.insert(place).inserted {
                    continue
                }
                func goOn(_ next: Int) { stack.append(Place(node: next, crossedEnd: place.crossedEnd, open: place.open)) }
                switch graph.nodes[place.node] {
                case .accept:
                    if !place.crossedEnd { return true }
                    if keepsEnd && !gaveEnd { targets.append(MatchAutomaton.end) }
                    gaveEnd = true
                case .position(let position):
                    if !place.crossedEnd && taken[position] != stamp {
                        taken[position] = stamp
                        targets.append(Int32(position))
                    }
                case .split(let entries): for entry in entries.reversed() { goOn(entry) }
                case .loop(let id, let body, let next, let isGreedy):
                    let bit = UInt64(1) << UInt64(id)
                    if place.open & bit != 0 { continue }
                    let iteration = Place(node: body, crossedEnd: place.crossedEnd, open: place.open | bit)
                    if isGreedy { goOn(next) }
                    stack.append(iteration)
                    if !isGreedy { goOn(next) }
                case .start(let next): if isAtStart { goOn(next) }
                case .end(let next): stack.append(Place(node: next, crossedEnd: true, open: place.open))
                }
            }
            return false
        }
    }
}

extension MatchPattern {
    /// Whether `^` or `$` stands in it.
    var hasAnchor: Bool {
        switch self {
        case .variable: false
        case .sequence(let parts), .alternation(let parts): parts.contains { $0.hasAnchor }
        case .repetition(let part, _, _, _), .exclusion(let part): part.hasAnchor
        case .start, .end: true
        }
    }

    /// Whether it can match no row at all.
    var matchesEmpty: Bool {
        switch self {
        case .variable: false
        case .sequence(let parts): parts.allSatisfy { $0.matchesEmpty }
        case .alternation(let parts): parts.contains { $0.matchesEmpty }
        case .repetition(let part, let min, _, _): min == 0 || part.matchesEmpty
        case .exclusion(let part): part.matchesEmpty
        case .start, .end: true
        }
    }
}
