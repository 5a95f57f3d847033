import XCTest

@testable import Anomaly

final class CutForestTests: XCTestCase {
    /// A tree in memory of its own.
    private final class Tree {
        let layout: CutTreeLayout
        let memory: UnsafeMutableRawPointer
        var tree: CutTree { CutTree(layout, memory) }

        init(capacity: Int, columns: Int) {
            layout = CutTreeLayout(capacity: capacity, column: columns)
            memory = .allocate(byteCount: layout.byteCount, alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: layout.byteCount)
            tree.start()
        }

        init(copying other: Tree) {
            layout = other.layout
            memory = .allocate(byteCount: layout.byteCount, alignment: 64)
            memory.copyMemory(from: other.memory, byteCount: layout.byteCount)
        }

        deinit { memory.deallocate() }

        func insert(_ point: [Float], member: Int, _ random: inout SplitMix) {
            withVectors(point) { tree.insert($0, member: member, random: &random) }
            if member == tree.memberCount { tree.header[0] += 1 }
        }

        func withVectors(_ point: [Float], _ body: (UnsafePointer<SIMD4<Float>>) -> Void) {
            var vectors = [SIMD4<Float>](repeating: SIMD4(), count: layout.width / 4)
            for (index, value) in point.enumerated() { vectors[index / 4][index % 4] = value }
            vectors.withUnsafeBufferPointer { body($0.baseAddress!) }
        }

        func point(_ leaf: Int) -> [Float] { (0..<layout.column).map { tree.point(leaf)[$0 / 4][$0 % 4] } }

        /// Low and high of all points under a reference, from the points; checks stored boxes, cuts and masses on the way.
        func check(_ reference: UInt16) -> (low: [Float], high: [Float], mass: Int) {
            if CutTree.isLeaf(reference) {
                let point = self.point(CutTree.leaf(reference))
                return (point, point, Int(tree.leafMass[CutTree.leaf(reference)]))
            }
            let node = tree.nodes[Int(reference)]
            let left = check((tree.nodes + Int(reference)).step(0).pointee.reference)
            let right = check((tree.nodes + Int(reference)).step(1).pointee.reference)
            XCTAssertLessThanOrEqual(left.high[node.column], node.cut)
            XCTAssertGreaterThan(right.low[node.column], node.cut)
            let low = zip(left.low, right.low).map { min($0, $1) }
            let high = zip(left.high, right.high).map { max($0, $1) }
            let stored = Int(reference)
            XCTAssertEqual((0..<layout.column).map { tree.low(stored)[$0 / 4][$0 % 4] }, low)
            XCTAssertEqual((0..<layout.column).map { tree.high(stored)[$0 / 4][$0 % 4] }, high)
            XCTAssertEqual(Int(node.mass), left.mass + right.mass)
            let sides = zip(low, high).reduce(Float(0)) { $0 + ($1.1 - $1.0) }
            XCTAssertEqual(node.sides, sides, accuracy: 1e-4 * max(1, sides))
            return (low, high, left.mass + right.mass)
        }

        /// As the package rrcf computes it for a point that is in the tree.
        func collusiveDisplacement(ofMember member: Int) -> Double {
            let leaf = tree.members[member]
            var below = Int(tree.leafMass[Int(leaf)])
            var above = tree.leafParent[Int(leaf)]
            var best = 0.0
            while above != CutTree.none {
                let mass = Int(tree.nodes[Int(above)].mass)
                best = max(best, Double(mass - below) / Double(below))
                below = mass
                above = tree.nodeParent[Int(above)]
            }
            return best
        }
    }

    func testTreesStaySoundUnderInsertingAndRemoving() {
        for (seed, columns) in [(1, 1), (2, 2), (3, 5), (4, 8)] {
            var random = SplitMix(state: UInt64(seed))
            let tree = Tree(capacity: 24, columns: columns)
            for round in 0..<400 {
                // Few distinct numbers, so that equal points and equal sides happen.
                let point = (0..<columns).map { _ in Float(random.below(round < 200 ? 4 : 1000)) * 0.25 }
                let count = tree.tree.memberCount
                if count < 24, round % 3 != 2 || count == 0 {
                    tree.insert(point, member: count, &random)
                } else {
                    let member = random.below(count)
                    tree.tree.remove(member: member)
                    tree.insert(point, member: member, &random)
                }
                XCTAssertTrue(tree.tree.isSound(), "seed \(seed) round \(round)")
                XCTAssertEqual(tree.check(tree.tree.root).mass, tree.tree.memberCount)
            }
        }
    }

    func testATreeCanLoseItsLastPoint() {
        var random = SplitMix(state: 1)
        let tree = Tree(capacity: 4, columns: 1)
        tree.insert([1], member: 0, &random)
        tree.tree.remove(member: 0)
        XCTAssertEqual(tree.tree.root, CutTree.none)
        tree.insert([2], member: 0, &random)
        XCTAssertTrue(tree.tree.isSound())
    }

    /// Theorem 3 of the paper on a case small enough to compute: of the points 0, 1 and 10, the first cut separates 10 with probability 9/10,
    /// in whatever order they came, and after a fourth was removed again.
    func testTheDistributionOfTreesDoesNotDependOnTheOrder() {
        for (order, removed) in [([0, 1, 10], nil), ([10, 1, 0], nil), ([1, 10, 0], nil), ([5, 0, 10, 1], 5)] as [([Float], Float?)] {
            var apart = 0
            let rounds = 20_000
            var random = SplitMix(state: 42)
            for _ in 0..<rounds {
                let tree = Tree(capacity: 4, columns: 1)
                for (member, value) in order.enumerated() { tree.insert([value], member: member, &random) }
                if let removed { tree.tree.remove(member: order.firstIndex(of: removed)!) }
                let right = (tree.tree.nodes + Int(tree.tree.root)).step(1).pointee
                if right.isLeaf, tree.point(right.index) == [10] { apart += 1 }
            }
            // Five standard deviations.
            XCTAssertEqual(Double(apart) / Double(rounds), 0.9, accuracy: 5 * (0.9 * 0.1 / Double(rounds)).squareRoot(), "\(order)")
        }
    }

    /// The score is the mean of what inserting the point and asking rrcf's question would give.
    func testScoreIsTheExpectationOverInsertions() throws {
        let model = RandomCutForestModel(columns: 2, shingle: 1, trees: 1, sampleSize: 16, timeDecay: 0, seed: 5)
        let runner = ModelRunner(model)
        var random = TestRandom(8)
        var points: [[Double]] = []
        for _ in 0..<16 {
            points.append([random.normal(), random.normal() * 2])
            runner.step(points[points.count - 1])
        }
        for question in [[0.1, 0.2], [3, -1], [20, 20], [-1.5, 6]] {
            let asked = ModelRunner(model)
            asked.bytes = runner.bytes
            let score = asked.step(question)[0]
            // The tree of the state, with room for one more.
            let original = try tree(of: runner, capacity: 16, columns: 2)
            let origin = points[0].map { $0 }
            let point = zip(question, origin).map { Float($0 - $1) }
            var sum = 0.0
            var squares = 0.0
            let rounds = 4000
            for round in 0..<rounds {
                let larger = enlarged(original, by: 1)
                var mix = SplitMix(state: UInt64(round) &* 7919)
                larger.insert(point, member: 16, &mix)
                let displacement = larger.collusiveDisplacement(ofMember: 16)
                sum += displacement
                squares += displacement * displacement
            }
            let mean = sum / Double(rounds)
            let error = ((squares / Double(rounds) - mean * mean) / Double(rounds)).squareRoot()
            XCTAssertEqual(score, mean, accuracy: 5 * error + 1e-3, "\(question)")
        }
    }

    private func tree(of runner: ModelRunner, capacity: Int, columns: Int) throws -> Tree {
        let tree = Tree(capacity: capacity, columns: columns)
        let offset = runner.model.stateByteCount - ((tree.layout.byteCount + 63) & ~63)
        tree.memory.copyMemory(from: runner.state + offset, byteCount: tree.layout.byteCount)
        XCTAssertTrue(tree.tree.isSound())
        return tree
    }

    /// The same tree in a layout with room for more.
    private func enlarged(_ tree: Tree, by more: Int) -> Tree {
        let capacity = tree.layout.capacity
        let result = Tree(capacity: capacity + more, columns: tree.layout.column)
        let (from, to) = (tree.tree, result.tree)
        to.header[0] = from.header[0]
        to.header[1] = from.header[1]
        for index in 0..<capacity {
            to.members[index] = from.members[index]
            to.leafMass[index] = from.leafMass[index]
            to.leafParent[index] = from.leafParent[index]
            to.nodeParent[index] = from.nodeParent[index]
            to.nodes[index] = from.nodes[index]
            for vector in 0..<from.vectors {
                to.low(index)[vector] = from.low(index)[vector]
                to.high(index)[vector] = from.high(index)[vector]
                to.point(index)[vector] = from.point(index)[vector]
            }
        }
        for (at, list) in [(2, \CutTree.freeLeaves), (3, \CutTree.freeNodes)] as [(Int, KeyPath<CutTree, UnsafeMutablePointer<UInt16>>)] {
            let count = Int(from.header[at])
            for index in 0..<count { to[keyPath: list][index] = from[keyPath: list][index] }
            for index in 0..<more { to[keyPath: list][count + index] = UInt16(capacity + index) }
            to.header[at] = Int32(count + more)
        }
        XCTAssertTrue(to.isSound())
        return result
    }

    func testAttributionSumsToTheScore() throws {
        for shingle in [1.0, 4] {
            let runner = try ModelRunner("random_cut_forest", columns: 3, ["shingle": shingle, "trees": 20, "sample_size": 64])
            var random = TestRandom(2)
            for row in 0..<600 {
                let outputs = runner.step([random.normal(), row % 97 == 50 ? 9 : random.normal(), Double(random.below(3))])
                guard !outputs[0].isNaN else { continue }
                XCTAssertEqual(outputs[5..<8].reduce(0, +), outputs[0], accuracy: 1e-9 * max(1, outputs[0]))
                XCTAssertTrue(outputs[5..<8].allSatisfy { $0 >= 0 } && outputs[8..<11].allSatisfy { abs($0) <= 1 })
            }
        }
    }

    func testTheColumnThatIsOffIsNamedWithItsDirection() throws {
        let runner = try ModelRunner("random_cut_forest", columns: 3, ["seed": 3])
        var random = TestRandom(4)
        for _ in 0..<500 { runner.step([random.normal(), random.normal(), random.normal()]) }
        let low = runner.step([0, -30, 0.5])
        XCTAssertGreaterThan(low[0], 100)
        XCTAssertGreaterThan(low[1], 0.3)
        XCTAssertGreaterThan(low[6], 0.9 * low[0])
        XCTAssertLessThan(low[9], -0.99)
        XCTAssertEqual(low[3], 0, accuracy: 2)
        // Told once; then it is no news.
        XCTAssertEqual(runner.step([0, -29, 0.5])[1], 0)
    }

    func testAShingleSeesAFlatStretchOfASine() throws {
        let runner = try ModelRunner("random_cut_forest", ["shingle": 8, "seed": 1])
        var usual: [Double] = []
        var flat: [Double] = []
        for row in 0..<1200 {
            let isFlat = (1000..<1015).contains(row)
            // The flat stretch lies where the sine is, by itself, at ordinary values.
            let score = runner.step(isFlat ? 0.3 : sine(row))[0]
            if row > 600, row < 1000 { usual.append(score) }
            if isFlat { flat.append(score) }
        }
        XCTAssertGreaterThan(flat.max() ?? 0, usual.max() ?? 0)
    }

    private func sine(_ row: Int) -> Double {
        // By recurrence, to need no library.
        var (a, b) = (0.0, 0.2487)
        let factor = 2 * 0.968583161
        for _ in 0..<(row % 25) { (a, b) = (b, factor * b - a) }
        return a
    }

    func testOldPointsAreForgottenAtTheStatedPace() {
        // Of the points of a full forest, the share older than 1 / time_decay points is near 1 / e.
        let model = RandomCutForestModel(columns: 1, shingle: 1, trees: 60, sampleSize: 64, timeDecay: 0.002, seed: 1)
        let runner = ModelRunner(model)
        let rows = 6000
        for row in 0..<rows { runner.step(Double(row)) }
        var old = 0
        var all = 0
        let layout = CutTreeLayout(capacity: 64, column: 1)
        let stride = (layout.byteCount + 63) & ~63
        let first = model.stateByteCount - 60 * stride
        for index in 0..<60 {
            let tree = CutTree(layout, runner.state + first + index * stride)
            for member in 0..<64 {
                all += 1
                if tree.point(Int(tree.members[member]))[0][0] < Float(rows - 500) { old += 1 }
            }
        }
        XCTAssertEqual(Double(old) / Double(all), 0.3679, accuracy: 0.04)
    }

    func testSeedsDifferAndRepeat() throws {
        func run(_ seed: Double) throws -> [UInt64] {
            let runner = try ModelRunner("random_cut_forest", ["seed": seed, "trees": 5, "sample_size": 32])
            var random = TestRandom(1)
            return (0..<200).flatMap { _ in bits(runner.step(random.normal())) }
        }
        XCTAssertEqual(try run(1), try run(1))
        XCTAssertNotEqual(try run(1), try run(2))
    }

    func testTooManyNumbersAPointIsAnError() throws {
        let function = try XCTUnwrap(ModelFunction.named("random_cut_forest"))
        XCTAssertThrowsError(try function.make(16, [64, 50, 256, .nan, 0])) { XCTAssertEqual(($0 as? ModelError)?.parameter, "shingle") }
    }
}
