// RandomCutForestModel: RANDOM_CUT_FOREST(columns...).
//
// A point is the last `shingle` rows of its columns in one vector. Every tree keeps a sample of `sample_size` points. Until a sample is
// full it takes every point; then a point enters with probability max(sample_size / points seen, sample_size x time_decay) and replaces one
// drawn evenly, so that a point's chance of still being there falls by e every 1 / time_decay points (biased reservoir: Aggarwal 2006);
// with a decay of 0 it is the plain reservoir.
//
// `score` is the collusive displacement of Guha et al. 2016 (what the Python package rrcf calls CoDisp), the mean over the trees: how many
// points' place in the tree it changes to take this one out, for each point of the group one has to take out with it. It is not read off one
// insertion but is the expectation over the random cuts that inserting the point would draw: at each node on the way down the point is
// split off with probability (how far it lies outside the box) / (sum of sides of the box enlarged by it). That costs no insertion and has
// less noise than rrcf's. Each column's share of "how far outside", above or below, is its attribution; they sum to the score.
//
// `expected` is imputed: going down a tree, cuts through the newest row follow the heavier side; the median of the leaves so found in
// fifteen trees. `grade` asks how rare the sum over columns of attribution x |value - expected| is among earlier ones, and is 0 for what was
// told lately (NoveltyGate). The score alone does not do for that: on a skewed series each point of the tail stands alone.
//
// Single precision, as differences from the first row's values; values beyond 1e35 count as 1e35. Columns should have similar scales: a
// column of a larger scale weighs more, as in the paper. A row with a NULL or infinite column is passed over.

import CMillrace

/// The way of a point down a tree.
private struct CutWay {
    let nodes: UnsafeMutablePointer<CutNode>
    /// The root's step.
    let start: UnsafeMutablePointer<CutStep>
    /// Where the way has come to.
    var end: UnsafeMutablePointer<CutStep>

    /// Nodes passed.
    var depth: Int { @inline(__always) get { end - start } }
    @inline(__always) func mass(_ depth: Int) -> Float { Float(Int32(truncatingIfNeeded: start[depth].mass)) }
}

package final class RandomCutForestModel: AnomalyModel, @unchecked Sendable {
    private let columns: Int
    private let shingle: Int
    private let trees: Int
    private let timeDecay: Double
    private let seed: UInt64
    private let layout: CutTreeLayout
    /// Whether a lane of a vector of four belongs to one column in all vectors of a point.
    private let isFolded: Bool

    private let originOffset, queryOffset, aboveOffset, belowOffset, histogramOffset, gateOffset, treesOffset: Int
    private let treeStride: Int

    private static let valueMax = 1e35
    private static let imputingTrees = 15

    package static let function = ModelFunction(
        name: "random_cut_forest", valueCount: 1...16,
        parameters: [
            ModelParameter("shingle", .integer(1...64), standard: 1, "rows that make a point: the last so many"),
            ModelParameter("trees", .integer(1...200), standard: 50, "trees of the forest"),
            ModelParameter("sample_size", .integer(8...2048), standard: 256, "points that a tree remembers"),
            ModelParameter(
                "time_decay", .number(0...1), standard: .nan,
                "share of the remembered points forgotten with each new one; by itself 0.1 / sample_size, 0: none are favoured"),
            ModelParameter("seed", .integer(0...Int64(Int32.max)), standard: 0, "another seed cuts otherwise"),
        ],
        outputs: [
            ModelOutput("score", .double, "collusive displacement, mean over the trees: points moved by taking this one out"),
            ModelOutput("grade", .double, "0 (nothing to tell) to 1, by how rare the score is; 0 while the same anomaly goes on"),
            ModelOutput("expected", .doublePerColumn, "what the columns would have been"),
            ModelOutput("attribution", .doublePerColumn, "each column's part of the score; they sum to it"),
            ModelOutput("direction", .doublePerColumn, "1: the column is too high, -1: too low"),
        ],
        summary: "Robust random cut forest over one or more columns"
    ) { (columns, parameters) throws(ModelError) in
        let sampleSize = Int(parameters[2])
        let shingle = Int(parameters[0])
        guard columns * shingle <= 256 else {
            throw ModelError(parameter: "shingle", "columns x shingle is \(columns * shingle), more than 256")
        }
        let decay = parameters[3].isNaN ? 0.1 / Double(sampleSize) : parameters[3]
        return RandomCutForestModel(
            columns: columns, shingle: shingle, trees: Int(parameters[1]), sampleSize: sampleSize, timeDecay: decay,
            seed: UInt64(parameters[4]))
    }

    init(columns: Int, shingle: Int, trees: Int, sampleSize: Int, timeDecay: Double, seed: UInt64) {
        self.columns = columns
        self.shingle = shingle
        self.trees = trees
        self.timeDecay = timeDecay
        self.seed = seed
        layout = CutTreeLayout(capacity: sampleSize, column: columns * shingle)
        isFolded = 4 % columns == 0
        originOffset = 32
        queryOffset = (originOffset + columns * 8 + 15) & ~15
        aboveOffset = queryOffset + layout.width * 4
        belowOffset = aboveOffset + layout.width * 4
        gateOffset = belowOffset + layout.width * 4
        histogramOffset = gateOffset + NoveltyGate.byteCount
        treesOffset = (histogramOffset + RarityHistogram.byteCount + 63) & ~63
        treeStride = (layout.byteCount + 63) & ~63
        super.init(valueCount: columns, outputCount: 2 + 3 * columns, stateByteCount: treesOffset + trees * treeStride)
    }

    /// Rows taken (rows, not points), and the random numbers' place.
    private struct Header {
        var rows: Int64
        var random: UInt64
    }

    private func tree(_ state: UnsafeMutableRawPointer, _ index: Int) -> CutTree {
        CutTree(layout, state + treesOffset + index * treeStride)
    }

    package override func start(_ state: UnsafeMutableRawPointer) {
        super.start(state)
        state.assumingMemoryBound(to: Header.self).pointee.random = seed &* 0xDA94_2042_E4DD_58B5 &+ 0x632B_E59B_D9B4_E019
        for index in 0..<trees { tree(state, index).start() }
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let mutable = UnsafeMutableRawPointer(mutating: state)
        let rows = mutable.assumingMemoryBound(to: Header.self).pointee.rows
        guard rows >= 0, rows < .max / 2, RarityHistogram.isSound(state + histogramOffset) else { return false }
        let points = max(0, rows - Int64(shingle) + 1)
        for index in 0..<trees {
            let tree = self.tree(mutable, index)
            guard tree.isSound(), Int64(tree.memberCount) == min(points, Int64(layout.capacity)) else { return false }
        }
        return true
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        for index in 0..<outputCount { outputs[index] = .nan }
        for index in 0..<columns where !values[index].isFinite { return }
        let header = state.assumingMemoryBound(to: Header.self)
        let origins = (state + originOffset).assumingMemoryBound(to: Double.self)
        let queryNumbers = (state + queryOffset).assumingMemoryBound(to: Float.self)
        let width = columns * shingle
        for index in 0..<(width - columns) { queryNumbers[index] = queryNumbers[index + columns] }
        for index in 0..<columns {
            let value = min(max(values[index], -RandomCutForestModel.valueMax), RandomCutForestModel.valueMax)
            if header.pointee.rows == 0 { origins[index] = value }
            queryNumbers[width - columns + index] = Float(value - origins[index])
        }
        header.pointee.rows = min(header.pointee.rows + 1, .max / 4)
        guard header.pointee.rows >= Int64(shingle) else { return }
        let query = UnsafePointer((state + queryOffset).assumingMemoryBound(to: SIMD4<Float>.self))
        let points = header.pointee.rows - Int64(shingle) + 1

        if points > 1 {
            let score = self.score(state, query, members: Int(min(points - 1, Int64(layout.capacity))))
            outputs[0] = score
            writeAttribution(state, score, outputs)
            writeExpected(state, query, origins, outputs)
            // Many points lie alone in the forest; those of them that also lie far from what was expected are the ones to tell.
            var severity = 0.0
            for column in 0..<columns { severity += outputs[2 + columns + column] * abs(values[column] - outputs[2 + column]) }
            severity = min(severity, .greatestFiniteMagnitude)
            let rarity = RarityHistogram(state + histogramOffset).rarityThenLearn(severity)
            let isWarm = points > Int64(max(50, layout.capacity / 4))
            outputs[1] = NoveltyGate.grade(NoveltyGate(state + gateOffset).score(isWarm ? rarity : 0))
        }
        learn(state, query, points)
    }

    // MARK: Ways down

    /// Ways that are gone side by side: one alone waits for memory at every step.
    private static let waysTogether = 16

    /// Room for the steps of one way: its nodes, a leaf, and what vectors reach beyond them.
    private var stepCount: Int { max(layout.capacity, 16) + 4 }

    /// A way at the root of a tree.
    @inline(__always)
    private func way(_ state: UnsafeMutableRawPointer, _ index: Int, members: Int, _ steps: UnsafeMutablePointer<CutStep>) -> CutWay {
        let tree = self.tree(state, index)
        steps.pointee = CutStep(tree.root, mass: UInt16(truncatingIfNeeded: members), column: 0)
        return CutWay(nodes: tree.nodes, start: steps, end: steps)
    }

    /// The tree of a way.
    @inline(__always)
    private func tree(_ way: CutWay) -> CutTree { CutTree(layout, UnsafeMutableRawPointer(way.nodes) - layout.nodes) }

    /// Takes ways from roots to leaves. They arrive in an order that depends on nothing but the trees and the choices.
    @inline(__always)
    private func descend(
        _ ways: UnsafeMutablePointer<CutWay>, _ count: Int, arrived: UnsafeMutablePointer<CutWay>, _ choose: (UnsafeMutablePointer<CutNode>) -> Int
    ) {
        var arrivedCount = 0
        var waiting = 0
        for index in 0..<count {
            if ways[index].end.pointee.isLeaf {
                arrived[arrivedCount] = ways[index]
                arrivedCount &+= 1
            } else {
                ways[waiting] = ways[index]
                waiting &+= 1
            }
        }
        // The first `active` are on their way; who arrives gives its place to the last one that waits, or else to the last active one.
        var active = min(waiting, RandomCutForestModel.waysTogether)
        while active > 0 {
            var index = 0
            while index < active {
                let end = ways[index].end
                let node = ways[index].nodes + end.pointee.index
                let step = node.step(choose(node)).pointee
                end[1] = step
                ways[index].end = end + 1
                if step.isLeaf {
                    arrived[arrivedCount] = ways[index]
                    arrivedCount &+= 1
                    waiting &-= 1
                    ways[index] = ways[waiting]
                    active = min(active, waiting)
                }
                index &+= 1
            }
        }
    }

    // MARK: Score

    /// Nodes above a leaf whose boxes are asked for before they are needed: on most series a box within so many holds the point.
    private static let boxesAhead = 7

    /// The mean over the trees; leaves in the state how far above and below boxes the point lay, weighed by what that did to the score.
    private func score(_ state: UnsafeMutableRawPointer, _ query: UnsafePointer<SIMD4<Float>>, members: Int) -> Double {
        let above = (state + aboveOffset).assumingMemoryBound(to: SIMD4<Float>.self)
        let below = (state + belowOffset).assumingMemoryBound(to: SIMD4<Float>.self)
        for index in 0..<layout.width / 4 {
            above[index] = SIMD4()
            below[index] = SIMD4()
        }
        let stepCount = self.stepCount
        var sum = 0.0
        withUnsafeTemporaryAllocation(of: CutStep.self, capacity: trees * stepCount) { steps in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: stepCount) { moved in
                withUnsafeTemporaryAllocation(of: CutWay.self, capacity: 2 * trees) { ways in
                    guard let steps = steps.baseAddress, let moved = moved.baseAddress, let ways = ways.baseAddress else { return }
                    let arrived = ways + trees
                    for index in 0..<trees { ways[index] = way(state, index, members: members, steps + index * stepCount) }
                    descend(ways, trees, arrived: arrived, query)
                    fetchBoxes(arrived[0])
                    for index in 0..<trees {
                        if index + 1 < trees { fetchBoxes(arrived[index + 1]) }
                        sum += Double(climb(arrived[index], query, moved, above, below))
                    }
                }
            }
        }
        return sum / Double(trees)
    }

    @inline(never)
    private func descend(
        _ ways: UnsafeMutablePointer<CutWay>, _ count: Int, arrived: UnsafeMutablePointer<CutWay>, _ query: UnsafePointer<SIMD4<Float>>
    ) {
        let numbers = UnsafeRawPointer(query).assumingMemoryBound(to: Float.self)
        descend(ways, count, arrived: arrived) { $0.pointee.side(numbers[$0.pointee.column]) }
    }

    /// Asks for what `climb` reads: caches are slow where a forest does not fit in, but answer many at a time.
    @inline(__always)
    private func fetchBoxes(_ way: CutWay) {
        let tree = self.tree(way)
        millrace_prefetch(tree.point(way.end.pointee.index))
        let first = max(way.start, way.end - RandomCutForestModel.boxesAhead)
        var step = way.end
        while step > first {
            step -= 1
            let box = UnsafeRawPointer(tree.low(step.pointee.index, vectors: tree.vectors))
            millrace_prefetch(box)
            millrace_prefetch(box + 64)
        }
    }

    /// The expected displacement in one tree; adds to `above` and `below` what each number of the point contributes.
    ///
    /// The walk down has found the way, over the nodes alone. Here it is climbed from the leaf, as far as boxes do not hold the point: none above the first
    /// that does could split it off. `moved` is room for numbers.
    @inline(__always)
    private func climb(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafeMutablePointer<Float>, _ above: UnsafeMutablePointer<SIMD4<Float>>,
        _ below: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float {
        // Taking out the points of a step and this one moves those beside it: the most, per point taken out, of this step and those above it.
        millrace_displacements(way.start, way.depth &+ 1, moved)
        guard isFolded else { return climbEach(way, query, moved, above, below) }
        // A number of vectors that the compiler knows needs no loops.
        return switch layout.width {
        case 4: climb1(way, query, moved, above, below)
        case 8: climb2(way, query, moved, above, below)
        case 12: climb3(way, query, moved, above, below)
        default: climbFolded(way, query, moved, above, below, vectors: layout.width / 4)
        }
    }

    @inline(never)
    private func climb1(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafePointer<Float>, _ above: UnsafeMutablePointer<SIMD4<Float>>,
        _ below: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float { climbFolded(way, query, moved, above, below, vectors: 1) }

    @inline(never)
    private func climb2(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafePointer<Float>, _ above: UnsafeMutablePointer<SIMD4<Float>>,
        _ below: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float { climbFolded(way, query, moved, above, below, vectors: 2) }

    @inline(never)
    private func climb3(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafePointer<Float>, _ above: UnsafeMutablePointer<SIMD4<Float>>,
        _ below: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float { climbFolded(way, query, moved, above, below, vectors: 3) }

    /// Where lanes of a vector stay with one column: contributions are kept in two vectors, in registers.
    @inline(__always)
    private func climbFolded(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafePointer<Float>, _ above: UnsafeMutablePointer<SIMD4<Float>>,
        _ below: UnsafeMutablePointer<SIMD4<Float>>, vectors: Int
    ) -> Float {
        let tree = self.tree(way)
        var depth = way.depth
        let point = tree.point(way.end.pointee.index, vectors: vectors)
        var own = millrace_beyond_box(query, point, point, vectors)
        let outside = millrace_beyond_sum(own)
        var score = moved[depth]
        guard outside > 0 else {
            let (column, isAbove) = movingColumn(way, query, moved)
            UnsafeMutableRawPointer(isAbove ? above : below).assumingMemoryBound(to: Float.self)[column & 3] += score
            return score
        }
        score = max(score, way.mass(depth))
        own = millrace_beyond_mix(own, 0, own, score / outside)
        while depth > 0 {
            depth &-= 1
            let node = way.start[depth].index
            let low = tree.low(node, vectors: vectors)
            let here = millrace_beyond_box(query, low, low + vectors, vectors)
            let outside = millrace_beyond_sum(here)
            guard outside > 0 else { break }
            // Either this point is split off here, or what is below has its say.
            let sides = tree.nodes[node].sides
            let share = 1 / (outside + sides)
            let part = share * max(moved[depth], way.mass(depth))
            let rest = share * sides
            own = millrace_beyond_mix(own, rest, here, part)
            score = score * rest + part * outside
        }
        above[0] += own.above
        below[0] += own.below
        return score
    }

    /// The same for any number of columns: contributions of each number of the point, in memory.
    @inline(never)
    private func climbEach(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafePointer<Float>, _ above: UnsafeMutablePointer<SIMD4<Float>>,
        _ below: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float {
        let tree = self.tree(way)
        let vectors = tree.vectors
        var depth = way.depth
        let point = tree.point(way.end.pointee.index)
        let outside = millrace_beyond_sum(millrace_beyond_box(query, point, point, vectors))
        var score = moved[depth]
        guard outside > 0 else {
            let (column, isAbove) = movingColumn(way, query, moved)
            UnsafeMutableRawPointer(isAbove ? above : below).assumingMemoryBound(to: Float.self)[column] += score
            return score
        }
        score = max(score, way.mass(depth))
        withUnsafeTemporaryAllocation(of: SIMD4<Float>.self, capacity: 2 * vectors) { buffer in
            guard let own = buffer.baseAddress else { return }
            for index in 0..<2 * vectors { own[index] = SIMD4() }
            millrace_beyond_mix_each(score / outside, 0, query, point, point, own, vectors)
            while depth > 0 {
                depth &-= 1
                let node = way.start[depth].index
                let low = tree.low(node, vectors: vectors)
                let outside = millrace_beyond_sum(millrace_beyond_box(query, low, low + vectors, vectors))
                guard outside > 0 else { break }
                let sides = tree.nodes[node].sides
                let share = 1 / (outside + sides)
                let part = share * max(moved[depth], way.mass(depth))
                let rest = share * sides
                millrace_beyond_mix_each(part, rest, query, low, low + vectors, own, vectors)
                score = score * rest + part * outside
            }
            for index in 0..<vectors {
                above[index] += own[index]
                below[index] += own[vectors + index]
            }
        }
        return score
    }

    /// Of a point equal to a leaf: what sets both apart is the cut beside which they move most.
    private func movingColumn(
        _ way: CutWay, _ query: UnsafePointer<SIMD4<Float>>, _ moved: UnsafePointer<Float>
    ) -> (column: Int, isAbove: Bool) {
        var step = way.depth
        while step > 0, moved[step &- 1] == moved[way.depth] { step &-= 1 }
        let column = way.start[step].column
        return (column, UnsafeRawPointer(query).assumingMemoryBound(to: Float.self)[column] > 0)
    }

    private func writeAttribution(_ state: UnsafeMutableRawPointer, _ score: Double, _ outputs: UnsafeMutablePointer<Double>) {
        let above = (state + aboveOffset).assumingMemoryBound(to: Float.self)
        let below = (state + belowOffset).assumingMemoryBound(to: Float.self)
        var total = 0.0
        let lanes = isFolded ? 4 : columns * shingle
        for lane in 0..<lanes { total += Double(above[lane]) + Double(below[lane]) }
        // The sums were made in single precision.
        let scale = total > 0 ? score / total : 0
        for column in 0..<columns {
            var high = 0.0
            var low = 0.0
            for lane in stride(from: column, to: lanes, by: columns) {
                high += Double(above[lane])
                low += Double(below[lane])
            }
            outputs[2 + columns + column] = (high + low) * scale
            outputs[2 + 2 * columns + column] = high + low > 0 ? (high - low) / (high + low) : 0
        }
    }

    // MARK: What was to be expected

    private func writeExpected(
        _ state: UnsafeMutableRawPointer, _ query: UnsafePointer<SIMD4<Float>>, _ origins: UnsafePointer<Double>,
        _ outputs: UnsafeMutablePointer<Double>
    ) {
        let asked = min(trees, RandomCutForestModel.imputingTrees)
        let newest = columns * (shingle - 1)
        let stepCount = self.stepCount
        withUnsafeTemporaryAllocation(of: CutStep.self, capacity: asked * stepCount) { steps in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: asked * columns) { found in
                withUnsafeTemporaryAllocation(of: CutWay.self, capacity: 2 * asked) { ways in
                    guard let steps = steps.baseAddress, let ways = ways.baseAddress else { return }
                    let arrived = ways + asked
                    for index in 0..<asked { ways[index] = way(state, index, members: 0, steps + index * stepCount) }
                    impute(ways, asked, arrived: arrived, query, newest)
                    for index in 0..<asked {
                        let tree = self.tree(arrived[index])
                        let point = tree.point(arrived[index].end.pointee.index)
                        for column in 0..<columns { insert(found, column * asked, index, tree.value(point, newest + column)) }
                    }
                }
                for column in 0..<columns { outputs[2 + column] = origins[column] + Double(found[column * asked + asked / 2]) }
            }
        }
    }

    @inline(never)
    private func impute(
        _ ways: UnsafeMutablePointer<CutWay>, _ count: Int, arrived: UnsafeMutablePointer<CutWay>, _ query: UnsafePointer<SIMD4<Float>>, _ newest: Int
    ) {
        let numbers = UnsafeRawPointer(query).assumingMemoryBound(to: Float.self)
        descend(ways, count, arrived: arrived) { node in
            let column = node.pointee.column
            return column >= newest ? node.pointee.heavierSide : node.pointee.side(numbers[column])
        }
    }

    /// Into the first `count` numbers from `start`, which are in order.
    @inline(__always)
    private func insert(_ numbers: UnsafeMutableBufferPointer<Float>, _ start: Int, _ count: Int, _ value: Float) {
        var at = start + count
        while at > start, numbers[at - 1] > value {
            numbers[at] = numbers[at - 1]
            at -= 1
        }
        numbers[at] = value
    }

    // MARK: Learning

    private func learn(_ state: UnsafeMutableRawPointer, _ query: UnsafePointer<SIMD4<Float>>, _ points: Int64) {
        let header = state.assumingMemoryBound(to: Header.self)
        var random = SplitMix(state: header.pointee.random)
        let capacity = layout.capacity
        let chance = Float(max(Double(capacity) / Double(points), Double(capacity) * timeDecay))
        let count = Int(min(points - 1, Int64(capacity)))
        for index in 0..<trees {
            if count < capacity {
                let tree = self.tree(state, index)
                tree.insert(query, member: count, random: &random)
                tree.header[0] += 1
            } else if random.unit() < chance {
                let tree = self.tree(state, index)
                let member = random.below(capacity)
                tree.remove(member: member)
                tree.insert(query, member: member, random: &random)
            }
        }
        header.pointee.random = random.state
    }
}
