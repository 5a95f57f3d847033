// MatchAutomaton: a row pattern as positions (one per variable written out) and, for each, what may come next, in order of preference.
//
// SQL:2016 prefers earlier alternatives, more repetitions when greedy and fewer when reluctant; the preferred match of a row is the first
// that backtracking in this order finds. An iteration of * or + that maps no row is not taken (beyond the iterations that a minimum asks
// for), so `(a*)*` ends. The same order is kept here by lists: the targets of a position are what a depth-first walk over the pattern
// meets behind it, each once. A walk that meets the end of the pattern makes the list end there: what is preferred less than
// a complete match is never looked at.
//
// `end` in a list stands for `$`: the match is complete if no row follows.

import Planning

final class MatchAutomaton: Sendable {
    static let nodesMax = 100_000
    static let targetsMax = 2_000_000
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
        first = walk.start(entry, isAtStart: false)
        firstOfPartition = walk.start(entry, isAtStart: true)
        var starts: [Int32] = [0]
        var targets: [Int32] = []
        var accepts: [Bool] = []
        for next in graph.positionNext {
            accepts.append(walk.walk(next, isAtStart: false, keepsEnd: true, into: &targets))
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
            case start(Int), end(Int)
        }

        var nodes: [Node] = []
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
                let loop = try add(.split([]))
                let body = try build(part, next: loop, isExcluded: isExcluded)
                nodes[loop] = .split(isGreedy ? [body, next] : [next, body])
                if part.matchesEmpty {
                    // A required iteration may map nothing; among greedy ones that adds no way that the loop has not.
                    entry = loop
                    if isGreedy { required = 0 }
                } else if min > 0 {
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
        let graph: Graph
        private var seen: [Int32]
        private var stamp: Int32 = 0
        private var stack: [(node: Int, crossedEnd: Bool)] = []

        init(_ graph: Graph) {
            self.graph = graph
            seen = Array(repeating: 0, count: graph.nodes.count * 2)
        }

        mutating func start(_ entry: Int, isAtStart: Bool) -> Start {
            var targets: [Int32] = []
            let accepts = walk(entry, isAtStart: isAtStart, keepsEnd: false, into: &targets)
            return Start(targets: targets, accepts: accepts)
        }

        /// Appends what can come next; true when the pattern can end here, less preferred than what was appended.
        mutating func walk(_ entry: Int, isAtStart: Bool, keepsEnd: Bool, into targets: inout [Int32]) -> Bool {
            stamp += 1
            stack.removeAll(keepingCapacity: true)
            stack.append((entry, false))
            while let (node, crossedEnd) = stack.popLast() {
                let place = node * 2 + (crossedEnd ? 1 : 0)
                if seen[place] == stamp { continue }
                seen[place] = stamp
                switch graph.nodes[node] {
                case .accept:
                    if !crossedEnd { return true }
                    if keepsEnd { targets.append(MatchAutomaton.end) }
                case .position(let position): if !crossedEnd { targets.append(Int32(position)) }
                case .split(let entries): for entry in entries.reversed() { stack.append((entry, crossedEnd)) }
                case .start(let next): if isAtStart { stack.append((next, crossedEnd)) }
                case .end(let next): stack.append((next, true))
                }
            }
            return false
        }
    }
}

extension MatchPattern {
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
