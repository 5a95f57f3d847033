// Bag: an ordered multiset of values, per group: what an aggregate keeps that must know its values again (a minimum that can be taken
// back, a median, a mode, an array).
//
// Its state lies in the group's row and grows in three steps, so that a group of one or two values costs no memory of its own:
//
//   inline   [key 0][key 1][count 0: Int32][count 1: Int32]; a count of 0 means no key; keys ascending
//   leaf     the address of a block: [entries: Int32][capacity: Int32][sum of counts: Int64][keys...][counts: Int64...], keys ascending
//   tree     the address of a block: [leaves: Int32][capacity: Int32][entries: Int64][sum: Int64][first key of each leaf...][leaf addresses...]
//
// The last four bytes tell which. Counts may be negative: a partial table can see a value go that came before. An entry whose count is
// 0 is removed. Unused inline keys are zero, so that equal bags have equal bytes.
//
// Costs: add O(log n + leaf), first and last O(1), a rank O(leaves + leaf), a walk O(n). Memory per entry: key + 8 bytes, at least half used.

import Columns
import Glibc

protocol BagKey {
    static var byteCount: Int { get }
    static func load(_ place: UnsafeRawPointer) -> Self
    func store(_ place: UnsafeMutableRawPointer)
    /// Negative, zero or positive.
    static func compare(_ a: Self, _ b: Self) -> Int
    /// Itself, with whatever it points to copied into the heap.
    func kept(_ heap: inout StateHeap) -> Self
    func release(_ heap: inout StateHeap)
}

extension Int64: BagKey {
    static var byteCount: Int { 8 }
    @inline(__always) static func load(_ place: UnsafeRawPointer) -> Int64 { place.load(as: Int64.self) }
    @inline(__always) func store(_ place: UnsafeMutableRawPointer) { place.storeBytes(of: self, as: Int64.self) }
    @inline(__always) static func compare(_ a: Int64, _ b: Int64) -> Int { a < b ? -1 : (a == b ? 0 : 1) }
    @inline(__always) func kept(_ heap: inout StateHeap) -> Int64 { self }
    @inline(__always) func release(_ heap: inout StateHeap) {}
}

extension Int128: BagKey {
    static var byteCount: Int { 16 }
    @inline(__always) static func load(_ place: UnsafeRawPointer) -> Int128 { place.loadUnaligned(as: Int128.self) }
    @inline(__always) func store(_ place: UnsafeMutableRawPointer) { place.storeBytes(of: self, as: Int128.self) }
    @inline(__always) static func compare(_ a: Int128, _ b: Int128) -> Int { a < b ? -1 : (a == b ? 0 : 1) }
    @inline(__always) func kept(_ heap: inout StateHeap) -> Int128 { self }
    @inline(__always) func release(_ heap: inout StateHeap) {}
}

extension StringView: BagKey {
    static var byteCount: Int { 16 }
    @inline(__always) static func load(_ place: UnsafeRawPointer) -> StringView { place.loadUnaligned(as: StringView.self) }
    @inline(__always) func store(_ place: UnsafeMutableRawPointer) { place.storeBytes(of: self, as: StringView.self) }
    @inline(__always) static func compare(_ a: StringView, _ b: StringView) -> Int { StringView.compare(a, b) as Int }

    func kept(_ heap: inout StateHeap) -> StringView {
        guard count > 0 else { return .empty }
        let block = heap.allocate(count)
        memcpy(block, pointer, count)
        return StringView(UnsafePointer(block.assumingMemoryBound(to: UInt8.self)), count: count)
    }

    func release(_ heap: inout StateHeap) {
        if count > 0 { heap.release(UnsafeMutableRawPointer(mutating: UnsafeRawPointer(pointer)), count) }
    }
}

/// The multiset whose state lies at `state`. A view: the row owns it.
struct Bag<Key: BagKey> {
    let state: UnsafeMutableRawPointer

    static var stateByteCount: Int { 2 * Key.byteCount + 8 }

    private static var leafTag: Int32 { .min }
    private static var treeTag: Int32 { .min + 1 }
    /// Inline counts stay above the tags.
    private static var inlineCounts: ClosedRange<Int64> { -(1 << 30)...(1 << 30) }

    @inline(__always)
    init(_ state: UnsafeMutableRawPointer) { self.state = state }

    @inline(__always) private var tag: Int32 { state.load(fromByteOffset: 2 * Key.byteCount + 4, as: Int32.self) }
    @inline(__always) private func setTag(_ tag: Int32) { state.storeBytes(of: tag, toByteOffset: 2 * Key.byteCount + 4, as: Int32.self) }
    @inline(__always) private var firstCount: Int32 { state.load(fromByteOffset: 2 * Key.byteCount, as: Int32.self) }
    @inline(__always) private func setFirstCount(_ count: Int32) { state.storeBytes(of: count, toByteOffset: 2 * Key.byteCount, as: Int32.self) }
    @inline(__always) private var block: UnsafeMutableRawPointer { state.load(as: UnsafeMutableRawPointer.self) }
    @inline(__always) private func setBlock(_ block: UnsafeMutableRawPointer) { state.storeBytes(of: block, as: UnsafeMutableRawPointer.self) }

    @inline(__always) var isInline: Bool { tag > Bag.treeTag }
    private var isTree: Bool { tag == Bag.treeTag }

    var entryCount: Int {
        if isInline { return (firstCount != 0 ? 1 : 0) + (tag != 0 ? 1 : 0) }
        return isTree ? Tree(block).entryCount : Leaf(block).count
    }

    /// The sum of all counts.
    var total: Int64 {
        if isInline { return Int64(firstCount) + Int64(tag) }
        return isTree ? Tree(block).sum : Leaf(block).sum
    }

    // MARK: Blocks

    private struct Leaf {
        let base: UnsafeMutableRawPointer

        static var capacityMin: Int { 4 }
        static var capacityMax: Int { 256 }

        @inline(__always) init(_ base: UnsafeMutableRawPointer) { self.base = base }

        static func byteCount(_ capacity: Int) -> Int { 16 + capacity * (Key.byteCount + 8) }

        static func make(_ capacity: Int, _ heap: inout StateHeap) -> Leaf {
            let leaf = Leaf(heap.allocate(byteCount(capacity)))
            leaf.count = 0
            leaf.base.storeBytes(of: Int32(truncatingIfNeeded: capacity), toByteOffset: 4, as: Int32.self)
            leaf.sum = 0
            return leaf
        }

        var count: Int {
            @inline(__always) get { Int(base.load(as: Int32.self)) }
            @inline(__always) nonmutating set { base.storeBytes(of: Int32(truncatingIfNeeded: newValue), as: Int32.self) }
        }
        @inline(__always) var capacity: Int { Int(base.load(fromByteOffset: 4, as: Int32.self)) }
        var sum: Int64 {
            @inline(__always) get { base.load(fromByteOffset: 8, as: Int64.self) }
            @inline(__always) nonmutating set { base.storeBytes(of: newValue, toByteOffset: 8, as: Int64.self) }
        }
        @inline(__always) var keys: UnsafeMutableRawPointer { base + 16 }
        @inline(__always) var counts: UnsafeMutablePointer<Int64> { (base + 16 + capacity * Key.byteCount).assumingMemoryBound(to: Int64.self) }
        @inline(__always) func key(_ index: Int) -> Key { Key.load(keys + index &* Key.byteCount) }

        /// The first entry that is not before `key`, and whether it is that key.
        @inline(__always)
        func find(_ key: Key) -> (index: Int, isThere: Bool) {
            var low = 0
            var high = count
            while low < high {
                let middle = (low + high) >> 1
                let order = Key.compare(self.key(middle), key)
                if order == 0 { return (middle, true) }
                if order < 0 { low = middle + 1 } else { high = middle }
            }
            return (low, false)
        }

        /// There must be room.
        func insert(_ key: Key, _ change: Int64, at index: Int) {
            let moved = count - index
            let counts = counts
            memmove(keys + (index + 1) * Key.byteCount, keys + index * Key.byteCount, moved * Key.byteCount)
            memmove(counts + index + 1, counts + index, moved * 8)
            key.store(keys + index * Key.byteCount)
            counts[index] = change
            count += 1
            sum &+= change
        }

        func remove(_ index: Int) {
            let moved = count - index - 1
            let counts = counts
            memmove(keys + index * Key.byteCount, keys + (index + 1) * Key.byteCount, moved * Key.byteCount)
            memmove(counts + index, counts + index + 1, moved * 8)
            count -= 1
        }

        /// Moves entries `range` to the end of another leaf, which has room.
        func move(_ range: Range<Int>, to other: Leaf) {
            let at = other.count
            memcpy(other.keys + at * Key.byteCount, keys + range.lowerBound * Key.byteCount, range.count * Key.byteCount)
            memcpy(other.counts + at, counts + range.lowerBound, range.count * 8)
            other.count = at + range.count
            var moved = Int64(0)
            for index in range { moved &+= counts[index] }
            other.sum &+= moved
            sum &-= moved
        }

        /// The same entries in a block of another capacity; this one is released.
        func resized(_ capacity: Int, _ heap: inout StateHeap) -> Leaf {
            let made = Leaf.make(capacity, &heap)
            move(0..<count, to: made)
            release(&heap)
            return made
        }

        func release(_ heap: inout StateHeap) { heap.release(base, Leaf.byteCount(capacity)) }
    }

    private struct Tree {
        let base: UnsafeMutableRawPointer

        @inline(__always) init(_ base: UnsafeMutableRawPointer) { self.base = base }

        static func byteCount(_ capacity: Int) -> Int { 24 + capacity * (Key.byteCount + 8) }

        static func make(_ capacity: Int, _ heap: inout StateHeap) -> Tree {
            let tree = Tree(heap.allocate(byteCount(capacity)))
            tree.count = 0
            tree.base.storeBytes(of: Int32(truncatingIfNeeded: capacity), toByteOffset: 4, as: Int32.self)
            tree.entryCount = 0
            tree.sum = 0
            return tree
        }

        var count: Int {
            get { Int(base.load(as: Int32.self)) }
            nonmutating set { base.storeBytes(of: Int32(truncatingIfNeeded: newValue), as: Int32.self) }
        }
        var capacity: Int { Int(base.load(fromByteOffset: 4, as: Int32.self)) }
        var entryCount: Int {
            get { Int(base.load(fromByteOffset: 8, as: Int64.self)) }
            nonmutating set { base.storeBytes(of: Int64(newValue), toByteOffset: 8, as: Int64.self) }
        }
        var sum: Int64 {
            get { base.load(fromByteOffset: 16, as: Int64.self) }
            nonmutating set { base.storeBytes(of: newValue, toByteOffset: 16, as: Int64.self) }
        }
        var firsts: UnsafeMutableRawPointer { base + 24 }
        var leaves: UnsafeMutablePointer<UnsafeMutableRawPointer> {
            (base + 24 + capacity * Key.byteCount).assumingMemoryBound(to: UnsafeMutableRawPointer.self)
        }
        func leaf(_ index: Int) -> Leaf { Leaf(leaves[index]) }

        /// The leaf in whose range the key lies.
        func find(_ key: Key) -> Int {
            var low = 0
            var high = count
            while low < high {
                let middle = (low + high) >> 1
                if Key.compare(Key.load(firsts + middle &* Key.byteCount), key) <= 0 { low = middle + 1 } else { high = middle }
            }
            return max(low - 1, 0)
        }

        func put(_ leaf: Leaf, at index: Int) {
            leaves[index] = leaf.base
            if leaf.count > 0 { leaf.key(0).store(firsts + index * Key.byteCount) }
        }

        /// There must be room.
        func insert(_ leaf: Leaf, at index: Int) {
            let moved = count - index
            memmove(firsts + (index + 1) * Key.byteCount, firsts + index * Key.byteCount, moved * Key.byteCount)
            memmove(leaves + index + 1, leaves + index, moved * 8)
            count += 1
            put(leaf, at: index)
        }

        func remove(_ index: Int) {
            let moved = count - index - 1
            memmove(firsts + index * Key.byteCount, firsts + (index + 1) * Key.byteCount, moved * Key.byteCount)
            memmove(leaves + index, leaves + index + 1, moved * 8)
            count -= 1
        }

        func release(_ heap: inout StateHeap) { heap.release(base, Tree.byteCount(capacity)) }
    }

    // MARK: Changing

    /// Adds `change` to the count of a key.
    @inline(__always)
    func add(_ key: Key, _ change: Int64, _ heap: inout StateHeap) {
        guard change != 0 else { return }
        if isInline { addInline(key, change, &heap) } else if isTree { addToTree(key, change, &heap) } else { addToLeaf(key, change, &heap) }
    }

    @inline(__always)
    private func addInline(_ key: Key, _ change: Int64, _ heap: inout StateHeap) {
        let second = state + Key.byteCount
        let firstCount = Int64(firstCount)
        let secondCount = Int64(tag)
        guard firstCount != 0 else {
            guard Bag.inlineCounts.contains(change) else { return grow(key, change, &heap) }
            key.kept(&heap).store(state)
            return setFirstCount(Int32(truncatingIfNeeded: change))
        }
        let order = Key.compare(key, Key.load(state))
        if order == 0 {
            let sum = firstCount + change
            guard sum == 0 else {
                guard Bag.inlineCounts.contains(sum) else { return grow(key, change, &heap) }
                return setFirstCount(Int32(truncatingIfNeeded: sum))
            }
            Key.load(state).release(&heap)
            memmove(state, second, Key.byteCount)
            memset(second, 0, Key.byteCount)
            setFirstCount(Int32(truncatingIfNeeded: secondCount))
            setTag(0)
            return
        }
        guard secondCount != 0 else {
            guard Bag.inlineCounts.contains(change) else { return grow(key, change, &heap) }
            if order < 0 {
                memmove(second, state, Key.byteCount)
                setTag(Int32(truncatingIfNeeded: firstCount))
                key.kept(&heap).store(state)
                setFirstCount(Int32(truncatingIfNeeded: change))
            } else {
                key.kept(&heap).store(second)
                setTag(Int32(truncatingIfNeeded: change))
            }
            return
        }
        guard Key.compare(key, Key.load(second)) == 0 else { return grow(key, change, &heap) }
        let sum = secondCount + change
        if sum == 0 {
            Key.load(second).release(&heap)
            memset(second, 0, Key.byteCount)
            setTag(0)
        } else if Bag.inlineCounts.contains(sum) {
            setTag(Int32(truncatingIfNeeded: sum))
        } else {
            grow(key, change, &heap)
        }
    }

    /// From inline to a leaf, then adds.
    @inline(never)
    private func grow(_ key: Key, _ change: Int64, _ heap: inout StateHeap) {
        let leaf = Leaf.make(Leaf.capacityMin, &heap)
        if firstCount != 0 { leaf.insert(Key.load(state), Int64(firstCount), at: 0) }
        if tag != 0 { leaf.insert(Key.load(state + Key.byteCount), Int64(tag), at: 1) }
        memset(state, 0, Bag.stateByteCount)
        setBlock(leaf.base)
        setTag(Bag.leafTag)
        addToLeaf(key, change, &heap)
    }

    private func addToLeaf(_ key: Key, _ change: Int64, _ heap: inout StateHeap) {
        var leaf = Leaf(block)
        let (index, isThere) = leaf.find(key)
        if isThere {
            let count = leaf.counts[index] &+ change
            leaf.counts[index] = count
            leaf.sum &+= change
            guard count == 0 else { return }
            leaf.key(index).release(&heap)
            leaf.remove(index)
            if leaf.count <= 1 {
                demote(leaf, &heap)
            } else if leaf.count * 4 <= leaf.capacity && leaf.capacity > Leaf.capacityMin {
                setBlock(leaf.resized(leaf.capacity / 2, &heap).base)
            }
            return
        }
        if leaf.count == leaf.capacity {
            guard leaf.capacity < Leaf.capacityMax else {
                let tree = Tree.make(4, &heap)
                tree.entryCount = leaf.count
                tree.sum = leaf.sum
                tree.insert(leaf, at: 0)
                setBlock(tree.base)
                setTag(Bag.treeTag)
                return addToTree(key, change, &heap)
            }
            leaf = leaf.resized(leaf.capacity * 2, &heap)
            setBlock(leaf.base)
        }
        leaf.insert(key.kept(&heap), change, at: index)
    }

    /// A leaf of at most one entry becomes inline again, when its count fits.
    private func demote(_ leaf: Leaf, _ heap: inout StateHeap) {
        if leaf.count == 1 && !Bag.inlineCounts.contains(leaf.counts[0]) { return }
        memset(state, 0, Bag.stateByteCount)
        if leaf.count == 1 {
            leaf.key(0).store(state)
            setFirstCount(Int32(truncatingIfNeeded: leaf.counts[0]))
        }
        leaf.release(&heap)
    }

    private func addToTree(_ key: Key, _ change: Int64, _ heap: inout StateHeap) {
        var tree = Tree(block)
        var place = tree.find(key)
        var leaf = tree.leaf(place)
        var (index, isThere) = leaf.find(key)
        tree.sum &+= change
        if isThere {
            let count = leaf.counts[index] &+ change
            leaf.counts[index] = count
            leaf.sum &+= change
            if count == 0 { removeFromTree(tree, place, index, &heap) }
            return
        }
        tree.entryCount += 1
        if leaf.count == leaf.capacity {
            if leaf.capacity < Leaf.capacityMax {
                leaf = leaf.resized(leaf.capacity * 2, &heap)
            } else {
                if tree.count == tree.capacity {
                    let larger = Tree.make(tree.capacity * 2, &heap)
                    memcpy(larger.firsts, tree.firsts, tree.count * Key.byteCount)
                    memcpy(larger.leaves, tree.leaves, tree.count * 8)
                    larger.count = tree.count
                    larger.entryCount = tree.entryCount
                    larger.sum = tree.sum
                    tree.release(&heap)
                    tree = larger
                    setBlock(tree.base)
                }
                // Values that only grow fill their leaves; others halve them.
                let isEnd = place == tree.count - 1 && index == leaf.count
                let added = Leaf.make(isEnd ? 16 : Leaf.capacityMax, &heap)
                if !isEnd {
                    let half = leaf.count / 2
                    let all = leaf.count
                    leaf.move(half..<all, to: added)
                    leaf.count = half
                    tree.insert(added, at: place + 1)
                    if index > half {
                        place += 1
                        index -= half
                        leaf = added
                    }
                } else {
                    added.insert(key.kept(&heap), change, at: 0)
                    tree.insert(added, at: place + 1)
                    return
                }
            }
        }
        leaf.insert(key.kept(&heap), change, at: index)
        tree.put(leaf, at: place)
    }

    private func removeFromTree(_ tree: Tree, _ place: Int, _ index: Int, _ heap: inout StateHeap) {
        let leaf = tree.leaf(place)
        let gone = leaf.key(index)
        leaf.remove(index)
        tree.entryCount -= 1
        if leaf.count == 0 {
            leaf.release(&heap)
            tree.remove(place)
        } else {
            tree.put(leaf, at: place)
            let next = place + 1
            if next < tree.count, leaf.count * 4 < Leaf.capacityMax {
                let other = tree.leaf(next)
                if leaf.count + other.count <= Leaf.capacityMax * 3 / 4 {
                    let joined = leaf.capacity == Leaf.capacityMax ? leaf : leaf.resized(Leaf.capacityMax, &heap)
                    other.move(0..<other.count, to: joined)
                    other.release(&heap)
                    tree.remove(next)
                    tree.put(joined, at: place)
                }
            }
        }
        gone.release(&heap)
        guard tree.count == 1 else { return }
        let last = tree.leaf(0)
        tree.release(&heap)
        setBlock(last.base)
        setTag(Bag.leafTag)
        if last.count <= 1 { demote(last, &heap) }
    }

    /// Gives everything back; the state is then that of an empty bag.
    func removeAll(_ heap: inout StateHeap) {
        if isInline {
            if firstCount != 0 { Key.load(state).release(&heap) }
            if tag != 0 { Key.load(state + Key.byteCount).release(&heap) }
        } else if isTree {
            let tree = Tree(block)
            for place in 0..<tree.count {
                let leaf = tree.leaf(place)
                for index in 0..<leaf.count { leaf.key(index).release(&heap) }
                leaf.release(&heap)
            }
            tree.release(&heap)
        } else {
            let leaf = Leaf(block)
            for index in 0..<leaf.count { leaf.key(index).release(&heap) }
            leaf.release(&heap)
        }
        memset(state, 0, Bag.stateByteCount)
    }

    // MARK: Looking

    /// All entries, ascending, until the body says false.
    @inline(__always)
    func forEach(_ body: (Key, Int64) -> Bool) {
        if isInline {
            if firstCount != 0, !body(Key.load(state), Int64(firstCount)) { return }
            if tag != 0 { _ = body(Key.load(state + Key.byteCount), Int64(tag)) }
            return
        }
        let tree = isTree ? Tree(block) : nil
        for place in 0..<(tree?.count ?? 1) {
            let leaf = tree?.leaf(place) ?? Leaf(block)
            let counts = leaf.counts
            for index in 0..<leaf.count where !body(leaf.key(index), counts[index]) { return }
        }
    }

    /// The smallest value that is there.
    var first: Key? {
        if isInline {
            if firstCount > 0 { return Key.load(state) }
            return tag > 0 ? Key.load(state + Key.byteCount) : nil
        }
        var found: Key?
        forEach { key, count in
            if count > 0 { found = key }
            return count <= 0
        }
        return found
    }

    /// The largest value that is there.
    var last: Key? {
        if isInline {
            if tag > 0 { return Key.load(state + Key.byteCount) }
            return firstCount > 0 ? Key.load(state) : nil
        }
        let tree = isTree ? Tree(block) : nil
        var place = (tree?.count ?? 1) - 1
        while place >= 0 {
            let leaf = tree?.leaf(place) ?? Leaf(block)
            var index = leaf.count - 1
            while index >= 0 {
                if leaf.counts[index] > 0 { return leaf.key(index) }
                index -= 1
            }
            place -= 1
        }
        return nil
    }

    /// The value at place `rank` (from 0) when all are laid out in order.
    func value(rank: Int64) -> Key? {
        var left = rank
        var found: Key?
        let tree = isTree ? Tree(block) : nil
        if let tree {
            for place in 0..<tree.count {
                let leaf = tree.leaf(place)
                guard leaf.sum > left else {
                    left -= leaf.sum
                    continue
                }
                for index in 0..<leaf.count {
                    left -= max(leaf.counts[index], 0)
                    if left < 0 { return leaf.key(index) }
                }
            }
            return last
        }
        forEach { key, count in
            left -= max(count, 0)
            if left < 0 { found = key }
            return left >= 0
        }
        return found ?? last
    }

    /// The first entry that is not before `key`.
    func entry(from key: Key) -> (key: Key, count: Int64)? {
        if isInline {
            if firstCount != 0, Key.compare(Key.load(state), key) >= 0 { return (Key.load(state), Int64(firstCount)) }
            if tag != 0, Key.compare(Key.load(state + Key.byteCount), key) >= 0 { return (Key.load(state + Key.byteCount), Int64(tag)) }
            return nil
        }
        let tree = isTree ? Tree(block) : nil
        var place = tree?.find(key) ?? 0
        var leaf = tree?.leaf(place) ?? Leaf(block)
        var index = leaf.find(key).index
        if index == leaf.count {
            place += 1
            guard let tree, place < tree.count else { return nil }
            leaf = tree.leaf(place)
            index = 0
        }
        return index < leaf.count ? (leaf.key(index), leaf.counts[index]) : nil
    }

    /// Adds all of another bag, or takes it away.
    func merge(_ other: Bag, subtracting: Bool, _ heap: inout StateHeap) {
        other.forEach { key, count in
            add(key, subtracting ? 0 &- count : count, &heap)
            return true
        }
    }

    // MARK: State

    /// Whether the entries fit into the row: then a snapshot's row holds them (but for texts).
    private var fitsInline: Bool {
        if isInline { return true }
        guard !isTree, entryCount <= 2 else { return false }
        let leaf = Leaf(block)
        return (0..<leaf.count).allSatisfy { Bag.inlineCounts.contains(leaf.counts[$0]) }
    }

    /// Makes a copy of the row's state (at `copy`) what a snapshot holds: no addresses.
    func writeState(_ copy: UnsafeMutableRawPointer, holdsKeys: Bool) {
        memset(copy, 0, Bag.stateByteCount)
        guard holdsKeys && fitsInline else { return Bag(copy).setTag(Bag.leafTag) }
        var index = 0
        forEach { key, count in
            key.store(copy + index * Key.byteCount)
            copy.storeBytes(of: Int32(truncatingIfNeeded: count), toByteOffset: 2 * Key.byteCount + 4 * index, as: Int32.self)
            index += 1
            return true
        }
    }

    /// The entries, where `writeState` did not keep them.
    func writeEntries(to writer: inout StateWriter, holdsKeys: Bool, _ write: (Key, inout StateWriter) -> Void) {
        if holdsKeys && fitsInline { return }
        writer.write(count: entryCount)
        forEach { key, count in
            write(key, &writer)
            writer.write(count)
            return true
        }
    }

    /// After a row has been read: checks what is inline, or reads the entries that are not.
    func readEntries(
        from reader: inout StateReader, _ heap: inout StateHeap, holdsKeys: Bool, _ read: (inout StateReader) throws(StateError) -> Key
    ) throws(StateError) {
        if isInline {
            let isOrdered = tag == 0 || (firstCount != 0 && Key.compare(Key.load(state), Key.load(state + Key.byteCount)) < 0)
            guard holdsKeys, isOrdered, Bag.inlineCounts.contains(Int64(firstCount)), Bag.inlineCounts.contains(Int64(tag)) else {
                memset(state, 0, Bag.stateByteCount)
                throw reader.failure("values out of order")
            }
            return
        }
        memset(state, 0, Bag.stateByteCount)
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let key = try read(&reader)
            let count: Int64 = try reader.read()
            add(key, count, &heap)
        }
    }
}
