// CutTree: one tree of a random cut forest (Guha, Mishra, Roy, Schrijvers, "Robust Random Cut Forest Based Anomaly Detection On Streams",
// ICML 2016), in flat bytes.
//
// A node cuts its points' bounding box at a place chosen evenly along the sum of the box's sides. Inserting and removing keep exactly the
// distribution of trees that building anew would give (theorems 3 and 4 there): inserting walks down and, at each node, draws whether the
// first cut of the enlarged box would have split off the new point.
//
// Layout: header, then arrays over `capacity`: the sample's members (which leaf holds each), leaves (how many members are equal, parent),
// free lists of leaves and nodes, parents of nodes, nodes, bounding boxes (low then high of each node), points of the leaves. A reference to
// a child is the number of a node, or that of a leaf with `leafBit` set. Removal climbs by parents and never searches by value, so that state
// bytes with changed numbers can give wrong scores but no wrong index.
//
// What a way down reads of a node is sixteen bytes, four nodes to a cache line: a forest is larger than the caches next to a core, and
// waiting for them is most of its cost.

import CMillrace

struct CutNode {
    var cut: Float
    /// Sum of the sides of the box.
    var sides: Float
    private var left: CutStep
    private var right: CutStep

    @inline(__always)
    init(cut: Float, column: Int, left: UInt16, right: UInt16, leftMass: UInt16, rightMass: UInt16) {
        self.cut = cut
        sides = 0
        self.left = CutStep(left, mass: leftMass, column: column)
        self.right = CutStep(right, mass: rightMass, column: column)
    }

    var column: Int { @inline(__always) get { left.column } }
    var mass: UInt16 { @inline(__always) get { left.mass &+ right.mass } }
    /// 0 (left) or 1 (right): the side on which a value of the column lies. One equal to the cut goes left.
    @inline(__always) func side(_ value: Float) -> Int { value > cut ? 1 : 0 }
    @inline(__always) func side(of child: UInt16) -> Int { left.reference == child ? 0 : 1 }
    var heavierSide: Int { @inline(__always) get { right.mass > left.mass ? 1 : 0 } }
}

extension UnsafeMutablePointer<CutNode> {
    /// What is on a side; an address, not a choice: to the processor the side is as good as random.
    @inline(__always) func step(_ side: Int) -> UnsafeMutablePointer<CutStep> {
        (UnsafeMutableRawPointer(self) + 8).assumingMemoryBound(to: CutStep.self) + side
    }
}

/// A child of a node, or a step of a way down: a node or leaf, how many members it has, and which column the cut above it cuts.
struct CutStep {
    /// From the lowest bit: reference (12), members (12), column (8).
    private var bits: UInt32

    @inline(__always)
    init(_ reference: UInt16, mass: UInt16, column: Int) {
        bits = UInt32(reference) | UInt32(mass) &<< 12 | UInt32(truncatingIfNeeded: column) &<< 24
    }

    var reference: UInt16 {
        @inline(__always) get { UInt16(truncatingIfNeeded: bits & 0xFFF) }
        @inline(__always) set { bits = bits & ~0xFFF | UInt32(newValue) }
    }
    var mass: UInt16 { @inline(__always) get { UInt16(truncatingIfNeeded: (bits &>> 12) & 0xFFF) } }
    var column: Int { @inline(__always) get { Int(bits &>> 24) } }
    var isLeaf: Bool { @inline(__always) get { bits & UInt32(CutTree.leafBit) != 0 } }
    /// The number of a node or leaf.
    var index: Int { @inline(__always) get { Int(bits & UInt32(CutTree.leafBit - 1)) } }
    @inline(__always) mutating func addMass(_ mass: Int) { bits &+= UInt32(truncatingIfNeeded: mass &<< 12) }
}

/// Where the parts of a tree lie; the same for all trees of a forest.
struct CutTreeLayout {
    let capacity: Int
    /// Numbers of a point, rounded up to whole vectors of four; the rest are 0 everywhere.
    let width: Int
    let column: Int
    let members, leafMass, leafParent, freeLeaves, freeNodes, nodeParent, nodes, boxes, points, byteCount: Int

    init(capacity: Int, column: Int) {
        self.capacity = capacity
        self.column = column
        width = (column + 3) & ~3
        let shorts = (capacity * 2 + 15) & ~15
        members = 16
        leafMass = members + shorts
        leafParent = leafMass + shorts
        freeLeaves = leafParent + shorts
        freeNodes = freeLeaves + shorts
        nodeParent = freeNodes + shorts
        nodes = (nodeParent + shorts + 63) & ~63
        boxes = (nodes + capacity * MemoryLayout<CutNode>.stride + 63) & ~63
        points = boxes + capacity * width * 8
        byteCount = points + capacity * width * 4
    }
}

struct CutTree {
    static let capacityMax = 2048
    /// No parent, or no root.
    static let none: UInt16 = 0xFFFF
    static let leafBit: UInt16 = 0x800

    let layout: CutTreeLayout
    let base: UnsafeMutableRawPointer
    /// Members of the sample, root, free leaves, free nodes.
    let header: UnsafeMutablePointer<Int32>
    let members: UnsafeMutablePointer<UInt16>
    let leafMass: UnsafeMutablePointer<UInt16>
    let leafParent: UnsafeMutablePointer<UInt16>
    let freeLeaves: UnsafeMutablePointer<UInt16>
    let freeNodes: UnsafeMutablePointer<UInt16>
    let nodeParent: UnsafeMutablePointer<UInt16>
    let nodes: UnsafeMutablePointer<CutNode>
    let boxes: UnsafeMutablePointer<SIMD4<Float>>
    let points: UnsafeMutablePointer<SIMD4<Float>>
    /// Vectors of a point.
    let vectors: Int

    @inline(__always)
    init(_ layout: CutTreeLayout, _ base: UnsafeMutableRawPointer) {
        self.layout = layout
        self.base = base
        header = base.assumingMemoryBound(to: Int32.self)
        members = (base + layout.members).assumingMemoryBound(to: UInt16.self)
        leafMass = (base + layout.leafMass).assumingMemoryBound(to: UInt16.self)
        leafParent = (base + layout.leafParent).assumingMemoryBound(to: UInt16.self)
        freeLeaves = (base + layout.freeLeaves).assumingMemoryBound(to: UInt16.self)
        freeNodes = (base + layout.freeNodes).assumingMemoryBound(to: UInt16.self)
        nodeParent = (base + layout.nodeParent).assumingMemoryBound(to: UInt16.self)
        nodes = (base + layout.nodes).assumingMemoryBound(to: CutNode.self)
        boxes = (base + layout.boxes).assumingMemoryBound(to: SIMD4<Float>.self)
        points = (base + layout.points).assumingMemoryBound(to: SIMD4<Float>.self)
        vectors = layout.width / 4
    }

    var memberCount: Int { Int(header[0]) }
    var root: UInt16 { UInt16(truncatingIfNeeded: header[1]) }

    func start() {
        header[0] = 0
        header[1] = Int32(CutTree.none)
        header[2] = Int32(layout.capacity)
        header[3] = Int32(layout.capacity)
        for index in 0..<layout.capacity {
            freeLeaves[index] = UInt16(layout.capacity - 1 - index)
            freeNodes[index] = UInt16(layout.capacity - 1 - index)
        }
    }

    @inline(__always) func low(_ node: Int) -> UnsafeMutablePointer<SIMD4<Float>> { boxes + node * 2 * vectors }
    @inline(__always) func low(_ node: Int, vectors: Int) -> UnsafeMutablePointer<SIMD4<Float>> { boxes + node &* 2 &* vectors }
    @inline(__always) func high(_ node: Int) -> UnsafeMutablePointer<SIMD4<Float>> { boxes + (node * 2 + 1) * vectors }
    @inline(__always) func point(_ leaf: Int) -> UnsafeMutablePointer<SIMD4<Float>> { points + leaf * vectors }
    @inline(__always) func point(_ leaf: Int, vectors: Int) -> UnsafeMutablePointer<SIMD4<Float>> { points + leaf &* vectors }

    @inline(__always) static func isLeaf(_ reference: UInt16) -> Bool { reference & leafBit != 0 }
    @inline(__always) static func leaf(_ reference: UInt16) -> Int { Int(reference & ~leafBit) }
    @inline(__always) func mass(_ reference: UInt16) -> UInt16 {
        CutTree.isLeaf(reference) ? leafMass[CutTree.leaf(reference)] : nodes[Int(reference)].mass
    }

    /// How far outside a box a point lies, summed over columns.
    @inline(__always)
    func outside(
        _ point: UnsafePointer<SIMD4<Float>>, _ low: UnsafePointer<SIMD4<Float>>, _ high: UnsafePointer<SIMD4<Float>>
    ) -> Float {
        millrace_beyond_sum(millrace_beyond_box(point, low, high, vectors))
    }

    @inline(__always)
    func value(_ point: UnsafePointer<SIMD4<Float>>, _ column: Int) -> Float {
        UnsafeRawPointer(point).assumingMemoryBound(to: Float.self)[column]
    }

    /// Counts a point that goes through a node; returns the child that it goes to.
    @inline(__always)
    private func countIn(_ node: Int, _ point: UnsafePointer<SIMD4<Float>>) -> UInt16 {
        let node = nodes + node
        let step = node.step(node.pointee.side(value(point, node.pointee.column)))
        step.pointee.addMass(1)
        return step.pointee.reference
    }

    /// Takes one out of a node that it went through to `child`.
    @inline(__always)
    private func countOut(_ node: UnsafeMutablePointer<CutNode>, _ child: UInt16) { node.step(node.pointee.side(of: child)).pointee.addMass(-1) }

    // MARK: Inserting

    /// Makes a point the member `member` of the sample.
    func insert(_ point: UnsafePointer<SIMD4<Float>>, member: Int, random: inout SplitMix) {
        guard root != CutTree.none else {
            let leaf = newLeaf(point)
            leafParent[leaf] = CutTree.none
            header[1] = Int32(UInt16(leaf) | CutTree.leafBit)
            members[member] = UInt16(leaf)
            return
        }
        var reference = root
        while !CutTree.isLeaf(reference) {
            let node = Int(reference)
            let outside = self.outside(point, low(node), high(node))
            if outside > 0 {
                let sides = nodes[node].sides
                if random.unit() * (outside + sides) < outside {
                    let leaf = newLeaf(point)
                    split(reference, leaf: leaf, point, low(node), high(node), outside, random: &random)
                    members[member] = UInt16(leaf)
                    return
                }
                enlarge(node, point)
            }
            reference = countIn(node, point)
        }
        let equal = CutTree.leaf(reference)
        let own = self.point(equal)
        let outside = self.outside(point, own, own)
        guard outside > 0 else {
            leafMass[equal] &+= 1
            members[member] = UInt16(equal)
            return
        }
        let leaf = newLeaf(point)
        split(reference, leaf: leaf, point, own, own, outside, random: &random)
        members[member] = UInt16(leaf)
    }

    private func newLeaf(_ point: UnsafePointer<SIMD4<Float>>) -> Int {
        header[2] -= 1
        let leaf = Int(freeLeaves[Int(header[2])])
        leafMass[leaf] = 1
        let own = self.point(leaf)
        for index in 0..<vectors { own[index] = point[index] }
        return leaf
    }

    private func enlarge(_ node: Int, _ point: UnsafePointer<SIMD4<Float>>) {
        unite(node, low(node), high(node), point, point)
    }

    /// Puts a new node in the place of `reference`, with that and the leaf as children, cut somewhere between the box and the point.
    private func split(
        _ reference: UInt16, leaf: Int, _ point: UnsafePointer<SIMD4<Float>>, _ low: UnsafePointer<SIMD4<Float>>,
        _ high: UnsafePointer<SIMD4<Float>>, _ outside: Float, random: inout SplitMix
    ) {
        var left = random.unit() * outside
        var column = 0
        var gap: Float = 0
        for index in 0..<layout.column {
            let here = max(value(low, index) - value(point, index), value(point, index) - value(high, index))
            guard here > 0 else { continue }
            column = index
            gap = here
            if left < here { break }
            left -= here
        }
        let isBelow = value(point, column) < value(low, column)
        // From `start` up to, not including, `end`: a value equal to the cut goes left.
        let start = isBelow ? value(point, column) : value(high, column)
        let end = isBelow ? value(low, column) : value(point, column)
        var cut = start + random.unit() * gap
        if !(cut >= start && cut < end) { cut = start }

        header[3] -= 1
        let node = Int(freeNodes[Int(header[3])])
        let parent = CutTree.isLeaf(reference) ? leafParent[CutTree.leaf(reference)] : nodeParent[Int(reference)]
        let own = UInt16(leaf) | CutTree.leafBit
        let rest = mass(reference)
        nodes[node] = CutNode(
            cut: cut, column: column, left: isBelow ? own : reference, right: isBelow ? reference : own, leftMass: isBelow ? 1 : rest,
            rightMass: isBelow ? rest : 1)
        nodeParent[node] = parent
        unite(node, low, high, point, point)
        leafParent[leaf] = UInt16(node)
        setParent(reference, UInt16(node))
        replace(reference, with: UInt16(node), under: parent)
    }

    @inline(__always)
    private func setParent(_ reference: UInt16, _ parent: UInt16) {
        if CutTree.isLeaf(reference) { leafParent[CutTree.leaf(reference)] = parent } else { nodeParent[Int(reference)] = parent }
    }

    @inline(__always)
    private func replace(_ old: UInt16, with new: UInt16, under parent: UInt16) {
        if parent == CutTree.none {
            header[1] = Int32(new)
        } else {
            let above = nodes + Int(parent)
            above.step(above.pointee.side(of: old)).pointee.reference = new
        }
    }

    // MARK: Removing

    func remove(member: Int) {
        let leaf = Int(members[member])
        if leafMass[leaf] > 1 {
            leafMass[leaf] -= 1
            var below = UInt16(leaf) | CutTree.leafBit
            var above = leafParent[leaf]
            while above != CutTree.none {
                countOut(nodes + Int(above), below)
                below = above
                above = nodeParent[Int(above)]
            }
            return
        }
        let own = UInt16(leaf) | CutTree.leafBit
        let parent = leafParent[leaf]
        leafMass[leaf] = 0
        freeLeaves[Int(header[2])] = UInt16(leaf)
        header[2] += 1
        guard parent != CutTree.none else {
            header[1] = Int32(CutTree.none)
            return
        }
        let cut = nodes + Int(parent)
        let sibling = cut.step(1 &- cut.pointee.side(of: own)).pointee.reference
        var above = nodeParent[Int(parent)]
        setParent(sibling, above)
        replace(parent, with: sibling, under: above)
        freeNodes[Int(header[3])] = parent
        header[3] += 1
        // A box that the point did not touch stays, and so do all above it.
        var isTouched = true
        let point = self.point(leaf)
        var below = sibling
        while above != CutTree.none {
            let node = Int(above)
            countOut(nodes + node, below)
            below = above
            if isTouched {
                isTouched = touches(point, low(node), high(node))
                if isTouched { unite(node) }
            }
            above = nodeParent[node]
        }
    }

    private func touches(
        _ point: UnsafePointer<SIMD4<Float>>, _ low: UnsafePointer<SIMD4<Float>>, _ high: UnsafePointer<SIMD4<Float>>
    ) -> Bool {
        let columns = layout.column
        for index in 0..<columns {
            let here = value(point, index)
            if here <= value(low, index) || here >= value(high, index) { return true }
        }
        return false
    }

    /// The box of a node from those of its children.
    private func unite(_ node: Int) {
        let left = (nodes + node).step(0).pointee.reference
        let right = (nodes + node).step(1).pointee.reference
        let lowLeft = CutTree.isLeaf(left) ? point(CutTree.leaf(left)) : low(Int(left))
        let highLeft = CutTree.isLeaf(left) ? point(CutTree.leaf(left)) : high(Int(left))
        let lowRight = CutTree.isLeaf(right) ? point(CutTree.leaf(right)) : low(Int(right))
        let highRight = CutTree.isLeaf(right) ? point(CutTree.leaf(right)) : high(Int(right))
        unite(node, lowLeft, highLeft, lowRight, highRight)
    }

    /// Gives a node the box around two, one of which may be its own.
    private func unite(
        _ node: Int, _ lowA: UnsafePointer<SIMD4<Float>>, _ highA: UnsafePointer<SIMD4<Float>>, _ lowB: UnsafePointer<SIMD4<Float>>,
        _ highB: UnsafePointer<SIMD4<Float>>
    ) {
        // What fills up the last vector is 0 in all of them.
        nodes[node].sides = millrace_unite(low(node), high(node), lowA, highA, lowB, highB, vectors)
    }

    // MARK: Checking bytes from a file

    /// Whether every reference is within its bounds, the nodes form one tree, and masses and free lists agree with it.
    func isSound() -> Bool {
        let capacity = layout.capacity
        let count = Int(header[0])
        guard count >= 0, count <= capacity, header[2] >= 0, header[2] <= capacity, header[3] >= 0, header[3] <= capacity else { return false }
        var leafSeen = [Bool](repeating: false, count: capacity)
        var nodeSeen = [Bool](repeating: false, count: capacity)
        for index in 0..<Int(header[2]) {
            let leaf = Int(freeLeaves[index])
            guard leaf < capacity, !leafSeen[leaf] else { return false }
            leafSeen[leaf] = true
        }
        for index in 0..<Int(header[3]) {
            let node = Int(freeNodes[index])
            guard node < capacity, !nodeSeen[node] else { return false }
            nodeSeen[node] = true
        }
        guard header[1] >= 0, header[1] <= 0xFFFF else { return false }
        let isEmpty = root == CutTree.none
        guard isEmpty == (count == 0) else { return false }
        // From the root downwards, each once; then every mass from its children's.
        var waiting: [(UInt16, UInt16)] = isEmpty ? [] : [(root, CutTree.none)]
        var order: [Int] = []
        var leaves = 0
        while let (reference, parent) = waiting.popLast() {
            if CutTree.isLeaf(reference) {
                let leaf = CutTree.leaf(reference)
                guard leaf < capacity, !leafSeen[leaf], leafParent[leaf] == parent, leafMass[leaf] > 0 else { return false }
                leafSeen[leaf] = true
                leaves += 1
            } else {
                let node = Int(reference)
                guard node < capacity, !nodeSeen[node], nodeParent[node] == parent, nodes[node].column < layout.column else { return false }
                nodeSeen[node] = true
                order.append(node)
                for side in 0...1 { waiting.append(((nodes + node).step(side).pointee.reference, reference)) }
            }
        }
        guard leaves + Int(header[2]) == capacity, order.count + Int(header[3]) == capacity else { return false }
        for node in order.reversed() {
            for side in 0...1 {
                let step = (nodes + node).step(side).pointee
                guard step.mass == mass(step.reference) else { return false }
            }
        }
        var held = [Int](repeating: 0, count: capacity)
        for index in 0..<count {
            let leaf = Int(members[index])
            guard leaf < capacity else { return false }
            held[leaf] += 1
        }
        var free = [Bool](repeating: false, count: capacity)
        for index in 0..<Int(header[2]) { free[Int(freeLeaves[index])] = true }
        for leaf in 0..<capacity where held[leaf] != (free[leaf] ? 0 : Int(leafMass[leaf])) { return false }
        return true
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct SplitMix {
    var state: UInt64

    @inline(__always)
    mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// 0..<1, in steps of 2^-24: exact in single precision.
    @inline(__always)
    mutating func unit() -> Float { Float(bits() >> 40) * 0x1p-24 }

    /// 0..<count, even to within 2^-32.
    @inline(__always)
    mutating func below(_ count: Int) -> Int { Int(((bits() >> 32) &* UInt64(count)) >> 32) }
}
