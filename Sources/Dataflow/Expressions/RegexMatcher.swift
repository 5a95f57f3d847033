// RegexMatcher: runs a program over a text (Pike's algorithm): the threads of one position in order of preference, each with its captures;
// all step over one code point together. A thread that reaches the match cuts off those it is preferred to. The first start wins,
// then the preference of the pattern: what a backtracking engine would find, without backtracking.
//
// It owns its working memory, so one is made per batch and used for every row.

import Columns

final class RegexMatcher {
    let program: RegexProgram
    private let slotCount: Int
    /// Of the last match: byte offsets, two per group, -1 where a group took no part.
    private(set) var slots: [Int]

    private var current: ThreadList
    private var next: ThreadList
    private var stack: [Entry] = []

    /// A thread to add, or (restore) a slot to put back once everything behind a save has been added.
    private struct Entry {
        var instruction: Int32
        var slot: Int32
        var value: Int
    }

    private struct ThreadList {
        var dense: [Int32]
        var sparse: [Int32]
        /// slotCount per thread, in the order of `dense`.
        var captures: [Int]
        var count = 0

        init(_ instructions: Int, _ slots: Int) {
            dense = Array(repeating: 0, count: instructions)
            sparse = Array(repeating: 0, count: instructions)
            captures = Array(repeating: -1, count: instructions * slots)
        }

        @inline(__always)
        func contains(_ instruction: Int32) -> Bool {
            let place = Int(sparse[Int(instruction)])
            return place < count && dense[place] == instruction
        }
    }

    /// `capturing` false: only whether and, in slots 0 and 1, where.
    init(_ program: RegexProgram, groups: Int? = nil) {
        self.program = program
        slotCount = 2 * ((groups ?? program.groupCount) + 1)
        slots = Array(repeating: -1, count: slotCount)
        current = ThreadList(program.instructions.count, slotCount)
        next = ThreadList(program.instructions.count, slotCount)
    }

    /// The first match that begins at or after `start`; its place is in `slots`. With `anyWill` only whether there is one, found as
    /// early as possible.
    func find(_ bytes: Bytes, from start: Int = 0, anyWill: Bool = false) -> Bool {
        if program.isAnchored && start > 0 { return false }
        var first = start
        if !program.required.isEmpty {
            let hit = program.required.withUnsafeBufferPointer { Text.find($0, in: bytes, from: start) }
            guard let hit else { return false }
            if let offset = program.requiredOffsetMax, !program.isAnchored {
                // A code point has at most four bytes; step back to where one begins.
                first = max(start, hit - offset * 4)
                while first > start && bytes[first] & 0xC0 == 0x80 { first -= 1 }
            }
        }
        return run(bytes, from: first, anyWill: anyWill)
    }

    private func run(_ bytes: Bytes, from start: Int, anyWill: Bool) -> Bool {
        current.count = 0
        var isFound = false
        var position = start
        var work = Array(repeating: -1, count: slotCount)
        while true {
            if !isFound && (position == start || !program.isAnchored) {
                add(&current, 0, bytes, position, &work)
            }
            if current.count == 0 {
                if isFound || program.isAnchored || position >= bytes.count { break }
            }
            let isEnd = position >= bytes.count
            let size = isEnd ? 0 : Text.size(bytes, position)
            let code = isEnd ? UInt32.max : size == 1 && bytes[position] < 0x80 ? UInt32(bytes[position]) : Text.scalar(bytes, position).value
            next.count = 0
            var index = 0
            step: while index < current.count {
                let pc = Int(current.dense[index])
                let instruction = program.instructions[pc]
                switch instruction.code {
                case .character, .set:
                    let isHit =
                        !isEnd
                        && (instruction.code == .character
                            ? UInt32(bitPattern: instruction.a) == code : program.classes[Int(instruction.a)].contains(code))
                    if isHit {
                        for slot in 0..<slotCount { work[slot] = current.captures[index * slotCount + slot] }
                        add(&next, Int32(truncatingIfNeeded: pc + 1), bytes, position + size, &work)
                    }
                case .match:
                    for slot in 0..<slotCount { slots[slot] = current.captures[index * slotCount + slot] }
                    isFound = true
                    if anyWill { return true }
                    break step
                default: break
                }
                index += 1
            }
            swap(&current, &next)
            if isEnd { break }
            position += size
            for slot in 0..<slotCount { work[slot] = -1 }
        }
        return isFound
    }

    /// Adds the thread at `start` and all that it reaches without reading, most preferred first. `work` holds its captures.
    private func add(_ list: inout ThreadList, _ start: Int32, _ bytes: Bytes, _ position: Int, _ work: inout [Int]) {
        stack.removeAll(keepingCapacity: true)
        stack.append(Entry(instruction: start, slot: -1, value: 0))
        while let entry = stack.popLast() {
            if entry.slot >= 0 {
                work[Int(entry.slot)] = entry.value
                continue
            }
            var pc = entry.instruction
            while !list.contains(pc) {
                let place = list.count
                list.dense[place] = pc
                list.sparse[Int(pc)] = Int32(truncatingIfNeeded: place)
                list.count += 1
                let instruction = program.instructions[Int(pc)]
                switch instruction.code {
                case .jump: pc = instruction.a
                case .split:
                    stack.append(Entry(instruction: instruction.b, slot: -1, value: 0))
                    pc = instruction.a
                case .save:
                    if Int(instruction.a) < slotCount {
                        stack.append(Entry(instruction: 0, slot: instruction.a, value: work[Int(instruction.a)]))
                        work[Int(instruction.a)] = position
                    }
                    pc += 1
                case .assertion:
                    guard let assertion = RegexAssertion(rawValue: UInt8(truncatingIfNeeded: instruction.a)), holds(assertion, bytes, position) else {
                        pc = list.dense[place]
                        continue
                    }
                    pc += 1
                case .character, .set, .match:
                    for slot in 0..<slotCount { list.captures[place * slotCount + slot] = work[slot] }
                    pc = list.dense[place]
                }
            }
        }
    }

    private func holds(_ assertion: RegexAssertion, _ bytes: Bytes, _ position: Int) -> Bool {
        switch assertion {
        case .textStart: return position == 0
        case .textEnd: return position == bytes.count
        case .textEndOrLastBreak: return position == bytes.count || (position == bytes.count - 1 && bytes[position] == 0x0A)
        case .lineStart: return position == 0 || bytes[position - 1] == 0x0A
        case .lineEnd: return position == bytes.count || bytes[position] == 0x0A
        case .wordBoundary, .notWordBoundary:
            let before = position > 0 && isWord(bytes[position - 1])
            let after = position < bytes.count && isWord(bytes[position])
            return (before != after) == (assertion == .wordBoundary)
        }
    }

    private func isWord(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x5F
    }
}
