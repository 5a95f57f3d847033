// JSONShape: the keys of an object, and a guess at which comes next.
//
// Producers write the keys of a stream's objects in one order. Each key therefore remembers which key followed it last time, and the parser
// compares the input with that one (`"name":`, 16 bytes in two words) before it looks anything up. A guess that fails costs a hash
// look-up and corrects the memory. Keys that nobody wants, and spellings that differ in case, are learned as keys of their own
// (so many, and no more), so that they are guessed as well.

struct JSONKey {
    /// The first 16 bytes of `"name":`, and which of them count.
    var head: UInt64 = 0
    var tail: UInt64 = 0
    var headMask: UInt64 = 0
    var tailMask: UInt64 = 0
    /// `"name":`
    var pattern: UnsafeMutablePointer<UInt8>
    var patternCount: Int
    var slot: UnsafeMutablePointer<ColumnSlot>
    /// The key that is expected after this one.
    var next: UnsafeMutablePointer<JSONKey>

    var name: TextBytes { TextBytes(start: pattern + 1, count: patternCount - 3) }

    /// From now on no guess: what stands in the input is never these bytes.
    mutating func matchNothing() {
        headMask = 0
        head = 1
    }

    /// Whether the pattern is what stands at `p`. Reads 16 bytes, or up to the first difference.
    @inline(__always)
    func matches(_ p: UnsafePointer<UInt8>) -> Bool {
        let raw = UnsafeRawPointer(p)
        let a = (raw.loadUnaligned(as: UInt64.self) & headMask) ^ head
        let b = (raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self) & tailMask) ^ tail
        guard a | b == 0 else { return false }
        if patternCount <= 16 { return true }
        for index in 16..<patternCount where p[index] != pattern[index] { return false }
        return true
    }
}

struct JSONShape {
    /// The key that is expected first.
    var first: UnsafeMutablePointer<JSONKey>
    var fields: UnsafeMutablePointer<ColumnSlot>
    var fieldCount: Int
    fileprivate var table: UnsafeMutablePointer<UnsafeMutablePointer<JSONKey>?>
    fileprivate var tableCount: Int
    /// The keys of the fields, in order.
    fileprivate var fieldKeys: UnsafeMutablePointer<UnsafeMutablePointer<JSONKey>>
    /// Stands for a key that cannot be learned, until the next such key.
    fileprivate var scratch: UnsafeMutablePointer<JSONKey>
    fileprivate var keyCount = 0
    fileprivate var learnedCount = 0
}

/// Owns the shapes of a schema: that of the line, and one per ROW in it.
final class JSONShapes {
    let root: UnsafeMutablePointer<JSONShape>
    private var shapes: [UnsafeMutablePointer<JSONShape>] = []
    private var keys: [UnsafeMutablePointer<JSONKey>] = []
    private let ignored: UnsafeMutablePointer<ColumnSlot>

    private static let learnedCountMax = 256
    private static let learnedNameByteCountMax = 128

    init(schema: Schema, slots: ColumnSlots, changeKindKey: String?) {
        ignored = .allocate(capacity: 1)
        let none = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(EmptyBytes.pointer))
        ignored.initialize(
            to: ColumnSlot(
                kind: .ignored, index: -1, values: none, validity: none.assumingMemoryBound(to: UInt64.self), stride: 0,
                children: slots.slots))
        root = .allocate(capacity: 1)
        var names = schema.fields.map(\.name)
        if slots.changeSlot != nil { names.append(changeKindKey ?? "op") }
        initialize(root, names: names, fields: slots.slots)
        for index in 0..<slots.slotCount {
            guard case .row(let fields) = slots.types[index] else { continue }
            let shape = UnsafeMutablePointer<JSONShape>.allocate(capacity: 1)
            initialize(shape, names: fields.map(\.name), fields: slots.slots[index].children)
            slots.slots[index].shape = shape
        }
    }

    deinit {
        for shape in shapes {
            shape.pointee.table.deallocate()
            shape.pointee.fieldKeys.deallocate()
            shape.deallocate()
        }
        for key in keys {
            key.pointee.pattern.deallocate()
            key.deallocate()
        }
        ignored.deallocate()
    }

    private func initialize(_ shape: UnsafeMutablePointer<JSONShape>, names: [String], fields: UnsafeMutablePointer<ColumnSlot>) {
        shapes.append(shape)
        // A key that nothing matches stands first, so that there is always one to guess.
        let scratch = makeKey([], slot: ignored)
        scratch.pointee.matchNothing()
        let tableCount = 16
        shape.initialize(
            to: JSONShape(
                first: scratch, fields: fields, fieldCount: names.count, table: .allocate(capacity: tableCount),
                tableCount: tableCount, fieldKeys: .allocate(capacity: names.count), scratch: scratch))
        shape.pointee.table.initialize(repeating: nil, count: tableCount)
        var previous: UnsafeMutablePointer<JSONKey>?
        for (index, name) in names.enumerated() {
            let key = makeKey(Array(name.utf8), slot: fields + index)
            // Names that are written with escapes are found by look-up only.
            if name.utf8.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C }) { key.pointee.matchNothing() }
            (shape.pointee.fieldKeys + index).initialize(to: key)
            insert(key, into: shape)
            if let previous { previous.pointee.next = key } else { shape.pointee.first = key }
            previous = key
        }
        previous?.pointee.next = shape.pointee.first
    }

    private func makeKey(_ name: [UInt8], slot: UnsafeMutablePointer<ColumnSlot>) -> UnsafeMutablePointer<JSONKey> {
        let count = name.count + 3
        let pattern = UnsafeMutablePointer<UInt8>.allocate(capacity: max(count, 16))
        pattern.initialize(repeating: 0, count: max(count, 16))
        pattern[0] = 0x22
        for (index, byte) in name.enumerated() { pattern[index + 1] = byte }
        pattern[count - 2] = 0x22
        pattern[count - 1] = 0x3A
        let key = UnsafeMutablePointer<JSONKey>.allocate(capacity: 1)
        key.initialize(to: JSONKey(pattern: pattern, patternCount: count, slot: slot, next: key))
        let raw = UnsafeRawPointer(pattern)
        key.pointee.headMask = count >= 8 ? .max : (1 << UInt64(count * 8)) - 1
        key.pointee.tailMask = count >= 16 ? .max : count <= 8 ? 0 : (1 << UInt64((count - 8) * 8)) - 1
        key.pointee.head = raw.loadUnaligned(as: UInt64.self) & key.pointee.headMask
        key.pointee.tail = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self) & key.pointee.tailMask
        keys.append(key)
        return key
    }

    // MARK: Look-up

    /// The key of that name: exactly, else whatever its case, else one that stands for what nobody wants. `isPlain` says that the name
    /// stands in the input as it is, without escapes.
    func find(_ name: TextBytes, _ shape: UnsafeMutablePointer<JSONShape>, isPlain: Bool) -> UnsafeMutablePointer<JSONKey> {
        var position = JSONShapes.hash(name) & (shape.pointee.tableCount - 1)
        while let key = shape.pointee.table[position] {
            if key.pointee.name.count == name.count,
                key.pointee.name.elementsEqual(name)
            {
                return key
            }
            position = (position + 1) & (shape.pointee.tableCount - 1)
        }
        var slot = ignored
        for index in 0..<shape.pointee.fieldCount where equalsIgnoringCase(shape.pointee.fieldKeys[index].pointee.name, name) {
            slot = shape.pointee.fields + index
            break
        }
        guard isPlain, shape.pointee.learnedCount < JSONShapes.learnedCountMax, name.count <= JSONShapes.learnedNameByteCountMax else {
            let key = shape.pointee.scratch
            key.pointee.slot = slot
            key.pointee.next = shape.pointee.first
            return key
        }
        let key = makeKey(Array(name), slot: slot)
        key.pointee.next = shape.pointee.first
        insert(key, into: shape)
        shape.pointee.learnedCount += 1
        return key
    }

    private func equalsIgnoringCase(_ a: TextBytes, _ b: TextBytes) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<a.count where ASCII.lower(a[index]) != ASCII.lower(b[index]) { return false }
        return true
    }

    private static func hash(_ name: TextBytes) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash ^ (hash >> 32))
    }

    private func insert(_ key: UnsafeMutablePointer<JSONKey>, into shape: UnsafeMutablePointer<JSONShape>) {
        if (shape.pointee.keyCount + 1) * 2 > shape.pointee.tableCount {
            let old = shape.pointee.table
            let oldCount = shape.pointee.tableCount
            let count = oldCount * 2
            shape.pointee.table = .allocate(capacity: count)
            shape.pointee.table.initialize(repeating: nil, count: count)
            shape.pointee.tableCount = count
            for index in 0..<oldCount { if let key = old[index] { place(key, in: shape) } }
            old.deallocate()
        }
        place(key, in: shape)
        shape.pointee.keyCount += 1
    }

    /// The first of two keys of one name (columns `"a"` and `"a"`) is the one that is found.
    private func place(_ key: UnsafeMutablePointer<JSONKey>, in shape: UnsafeMutablePointer<JSONShape>) {
        let mask = shape.pointee.tableCount - 1
        var position = JSONShapes.hash(key.pointee.name) & mask
        while shape.pointee.table[position] != nil { position = (position + 1) & mask }
        shape.pointee.table[position] = key
    }
}
