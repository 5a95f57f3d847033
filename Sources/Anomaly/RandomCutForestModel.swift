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

/// Where the way of a point down a tree has come to.
private struct CutWay {
    let nodes: UnsafeMutablePointer<CutNode>
    var reference: UInt16
    var depth: Int32
    /// Taking out a child's points and this one moves its sibling: the most, per point taken out, so far.
    var displacement: Float
}

/// A node on the way.
private struct CutStep {
    var node: UInt16
    var mass: UInt16
    /// That which the cuts above it make.
    var displacement: Float
}

package final class RandomCutForestModel: AnomalyModel, @unchecked Sendable {
    private let columns: Int
    private let shingle: Int
    private let trees: Int
    private let timeDecay: Double
    private let seed: UInt64
    private let layout: CutTreeLayout

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
        state.assumingMemoryBound(to: Header.self).pointee.random = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x632B_E59B_D9B4_E019
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
            let score = self.score(state, query)
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

    // MARK: Score

    /// Walks are made in so many trees side by side: one waits for memory at every step.
    private static let treesTogether = 10

    private func score(_ state: UnsafeMutableRawPointer, _ query: UnsafePointer<SIMD4<Float>>) -> Double {
        let above = (state + aboveOffset).assumingMemoryBound(to: SIMD4<Float>.self)
        let below = (state + belowOffset).assumingMemoryBound(to: SIMD4<Float>.self)
        let vectors = layout.width / 4
        for index in 0..<vectors {
            above[index] = SIMD4()
            below[index] = SIMD4()
        }
        let together = min(RandomCutForestModel.treesTogether, trees)
        let capacity = layout.capacity
        var sum = 0.0
        withUnsafeTemporaryAllocation(of: CutStep.self, capacity: together * capacity) { steps in
            withUnsafeTemporaryAllocation(of: CutWay.self, capacity: together) { ways in
                withUnsafeTemporaryAllocation(of: SIMD4<Float>.self, capacity: 2 * vectors) { own in
                    guard let steps = steps.baseAddress, let ways = ways.baseAddress, let own = own.baseAddress else { return }
                    for first in stride(from: 0, to: trees, by: together) {
                        let count = min(together, trees - first)
                        descend(state, first..<first + count, query, steps, ways)
                        for index in 0..<count {
                            sum += Double(score(tree(state, first + index), query, ways[index], steps + index * capacity, own))
                            for vector in 0..<vectors {
                                above[vector] += own[vector]
                                below[vector] += own[vectors + vector]
                            }
                        }
                    }
                }
            }
        }
        return sum / Double(trees)
    }

    /// The ways of a point down some trees.
    private func descend(
        _ state: UnsafeMutableRawPointer, _ trees: Range<Int>, _ query: UnsafePointer<SIMD4<Float>>, _ steps: UnsafeMutablePointer<CutStep>,
        _ ways: UnsafeMutablePointer<CutWay>
    ) {
        let numbers = UnsafeRawPointer(query).assumingMemoryBound(to: Float.self)
        for (index, number) in trees.enumerated() {
            let tree = self.tree(state, number)
            ways[index] = CutWay(nodes: tree.nodes, reference: tree.root, depth: 0, displacement: 0)
        }
        let count = trees.count
        let capacity = layout.capacity
        var depth = 0
        var isOver = false
        while !isOver, depth < capacity {
            isOver = true
            for index in 0..<count {
                let way = ways[index]
                if CutTree.isLeaf(way.reference) { continue }
                isOver = false
                let place = way.nodes[Int(way.reference)]
                steps[index &* capacity &+ depth] = CutStep(node: way.reference, mass: place.mass, displacement: way.displacement)
                // Which way is as good as random to the processor: no branch.
                let right: UInt16 = 0 &- (numbers[Int(place.column)] > place.cut ? 1 : 0)
                let mass = place.leftMass ^ ((place.leftMass ^ (place.mass &- place.leftMass)) & right)
                ways[index].reference = place.left ^ ((place.left ^ place.right) & right)
                ways[index].displacement = max(way.displacement, Float(place.mass &- mass) / Float(mass &+ 1))
                ways[index].depth = Int32(truncatingIfNeeded: depth &+ 1)
            }
            depth &+= 1
        }
    }

    private func score(
        _ tree: CutTree, _ query: UnsafePointer<SIMD4<Float>>, _ way: CutWay, _ steps: UnsafeMutablePointer<CutStep>, _ own: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float {
        // A number of vectors that the compiler knows needs no loops: 5 to 12 % more points a second.
        switch tree.vectors {
        case 1: score1(tree, query, way, steps, own)
        case 2: score2(tree, query, way, steps, own)
        case 3: score3(tree, query, way, steps, own)
        default: score(tree, query, way, steps, own, vectors: tree.vectors)
        }
    }

    @inline(never)
    private func score1(
        _ tree: CutTree, _ query: UnsafePointer<SIMD4<Float>>, _ way: CutWay, _ steps: UnsafeMutablePointer<CutStep>, _ own: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float { score(tree, query, way, steps, own, vectors: 1) }

    @inline(never)
    private func score2(
        _ tree: CutTree, _ query: UnsafePointer<SIMD4<Float>>, _ way: CutWay, _ steps: UnsafeMutablePointer<CutStep>, _ own: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float { score(tree, query, way, steps, own, vectors: 2) }

    @inline(never)
    private func score3(
        _ tree: CutTree, _ query: UnsafePointer<SIMD4<Float>>, _ way: CutWay, _ steps: UnsafeMutablePointer<CutStep>, _ own: UnsafeMutablePointer<SIMD4<Float>>
    ) -> Float { score(tree, query, way, steps, own, vectors: 3) }

    /// The expected displacement in one tree; in `own`, what each number of the point contributes, above and then below.
    ///
    /// The walk down has found the way, over the nodes alone. Here it is climbed from the leaf, as far as boxes do not hold the point: none above the first
    /// that does could split it off. The loads of the boxes do not wait for one another.
    @inline(__always)
    private func score(
        _ tree: CutTree, _ query: UnsafePointer<SIMD4<Float>>, _ way: CutWay, _ steps: UnsafeMutablePointer<CutStep>, _ own: UnsafeMutablePointer<SIMD4<Float>>,
        vectors: Int
    ) -> Float {
        var depth = Int(way.depth)
        let leaf = CutTree.leaf(way.reference)
        let point = tree.point(leaf)
        for index in 0..<2 * vectors { own[index] = SIMD4() }
        var score: Float
        let outside = millrace_outside(query, point, point, vectors)
        if outside > 0 {
            score = max(way.displacement, Float(tree.leafMass[leaf]))
            millrace_add_outside(score / outside, 0, query, point, point, own, vectors)
        } else {
            // Equal to a leaf: what sets both apart is the cut beside which they move most.
            score = way.displacement
            var step = depth
            while step > 0, steps[step &- 1].displacement == score { step &-= 1 }
            let column = step > 0 ? Int(tree.nodes[Int(steps[step &- 1].node)].column) : 0
            let isAbove = tree.value(query, column) > 0
            UnsafeMutableRawPointer(own + (isAbove ? 0 : vectors)).assumingMemoryBound(to: Float.self)[column] = score
        }
        while depth > 0 {
            depth &-= 1
            let step = steps[depth]
            let low = tree.low(Int(step.node), vectors: vectors)
            let high = low + vectors
            let outside = millrace_outside(query, low, high, vectors)
            guard outside > 0 else { break }
            // Either this point is split off here, or what is below has its say.
            let sides = tree.nodes[Int(step.node)].sides
            let share = 1 / (outside + sides)
            let part = share * max(step.displacement, Float(step.mass))
            let rest = share * sides
            millrace_add_outside(part, rest, query, low, high, own, vectors)
            score = score * rest + part * outside
        }
        return score
    }

    private func writeAttribution(_ state: UnsafeMutableRawPointer, _ score: Double, _ outputs: UnsafeMutablePointer<Double>) {
        let above = (state + aboveOffset).assumingMemoryBound(to: Float.self)
        let below = (state + belowOffset).assumingMemoryBound(to: Float.self)
        var total = 0.0
        for index in 0..<columns * shingle { total += Double(above[index]) + Double(below[index]) }
        // The sums were made in single precision and stop where the rest is below a millionth.
        let scale = total > 0 ? score / total : 0
        for column in 0..<columns {
            var high = 0.0
            var low = 0.0
            for row in 0..<shingle {
                high += Double(above[row * columns + column])
                low += Double(below[row * columns + column])
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
        withUnsafeTemporaryAllocation(of: Float.self, capacity: asked * columns) { found in
            withUnsafeTemporaryAllocation(of: CutWay.self, capacity: asked) { ways in
                for index in 0..<asked {
                    let tree = self.tree(state, index)
                    ways[index] = CutWay(nodes: tree.nodes, reference: tree.root, depth: 0, displacement: 0)
                }
                let numbers = UnsafeRawPointer(query).assumingMemoryBound(to: Float.self)
                var depth = 0
                var isOver = false
                while !isOver, depth < layout.capacity {
                    isOver = true
                    for index in 0..<asked where !CutTree.isLeaf(ways[index].reference) {
                        isOver = false
                        let place = ways[index].nodes[Int(ways[index].reference)]
                        let isLeft =
                            Int(place.column) >= newest ? place.leftMass >= place.mass &- place.leftMass : numbers[Int(place.column)] <= place.cut
                        ways[index].reference = isLeft ? place.left : place.right
                    }
                    depth += 1
                }
                for index in 0..<asked {
                    let tree = self.tree(state, index)
                    let point = tree.point(CutTree.leaf(ways[index].reference))
                    for column in 0..<columns { insert(found, column * asked, index, tree.value(point, newest + column)) }
                }
            }
            for column in 0..<columns { outputs[2 + column] = origins[column] + Double(found[column * asked + asked / 2]) }
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
        for index in 0..<trees {
            let tree = self.tree(state, index)
            let count = tree.memberCount
            if count < capacity {
                tree.insert(query, member: count, random: &random)
                tree.header[0] += 1
            } else if random.unit() < chance {
                let member = random.below(capacity)
                tree.remove(member: member)
                tree.insert(query, member: member, random: &random)
            }
        }
        header.pointee.random = random.state
    }
}
