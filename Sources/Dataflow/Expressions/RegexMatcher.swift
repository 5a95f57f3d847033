// RegexMatcher: runs a program over a text (Pike's algorithm): the threads of one position in order of preference, each with its captures;
// all step over one code point together. A thread that reaches the match cuts off those it is preferred to. The first start wins,
// then the preference of the pattern: what a backtracking engine would find, without backtracking.
//
// It owns its working memory, so one is made per batch and used for every row. Before it runs the threads it asks the lazy automaton
// (`RegexAutomaton`), which for ASCII text knows in a few nanoseconds per byte whether there is a match at all. Patterns that never
// have two threads do without them (`RegexOnePass`).

import Columns

final class RegexMatcher {
    let program: RegexProgram
    private let slotCount: Int
    /// Of the last match: byte offsets, two per group, -1 where a group took no part.
    let slots: UnsafeMutablePointer<Int>

    private let lists: (ThreadList, ThreadList)
    private let work: UnsafeMutablePointer<Int>
    private let stack: UnsafeMutablePointer<Entry>
    private let instructions: UnsafeMutablePointer<RegexInstruction>
    private let classes: UnsafeMutablePointer<RegexClass>
    private let automaton: RegexAutomaton?
    private let onePass: RegexOnePass?

    /// A thread to add, or (restore) a slot to put back once everything behind a save has been added.
    private struct Entry {
        var instruction: Int32
        var slot: Int32
        var value: Int
    }

    /// A set of instructions in the order in which they were added (Briggs and Torczon 1993): no clearing.
    private struct ThreadList {
        let dense: UnsafeMutablePointer<Int32>
        let sparse: UnsafeMutablePointer<Int32>
        /// slotCount per thread, in the order of `dense`.
        let captures: UnsafeMutablePointer<Int>
        var count = 0

        init(_ instructions: Int, _ slots: Int) {
            dense = .allocate(capacity: instructions)
            sparse = .allocate(capacity: instructions)
            captures = .allocate(capacity: instructions * slots)
            dense.initialize(repeating: 0, count: instructions)
            sparse.initialize(repeating: 0, count: instructions)
            captures.initialize(repeating: -1, count: instructions * slots)
        }

        func deallocate() {
            dense.deallocate()
            sparse.deallocate()
            captures.deallocate()
        }

        @inline(__always)
        func contains(_ instruction: Int32) -> Bool {
            let place = Int(sparse[Int(instruction)])
            return place < count && dense[place] == instruction
        }
    }

    /// `groups`: how many of them to follow; nil for all, 0 for only where the match is.
    init(_ program: RegexProgram, groups: Int? = nil, triesOnePass: Bool = true) {
        self.program = program
        let count = program.instructions.count
        slotCount = 2 * ((groups ?? program.groupCount) + 1)
        slots = .allocate(capacity: 2 * (program.groupCount + 1))
        slots.initialize(repeating: -1, count: 2 * (program.groupCount + 1))
        work = .allocate(capacity: slotCount)
        work.initialize(repeating: -1, count: slotCount)
        // At most one entry per split or save that was newly added, each of which is added once per position.
        stack = .allocate(capacity: 2 * count + 2)
        instructions = .allocate(capacity: count)
        instructions.initialize(from: program.instructions, count: count)
        classes = .allocate(capacity: max(program.classes.count, 1))
        classes.initialize(from: program.classes, count: program.classes.count)
        lists = (ThreadList(count, slotCount), ThreadList(count, slotCount))
        onePass = program.hasBoundaries || !triesOnePass ? nil : RegexOnePass(program, slotCount: slotCount)
        automaton = program.hasBoundaries ? nil : RegexAutomaton(program)
    }

    deinit {
        lists.0.deallocate()
        lists.1.deallocate()
        slots.deallocate()
        work.deallocate()
        stack.deallocate()
        instructions.deallocate()
        classes.deinitialize(count: program.classes.count)
        classes.deallocate()
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
        if let onePass {
            switch onePass.find(bytes, from: first, slots: slots) {
            case .found: return true
            case .notFound: return false
            case .unknown(let begin): return run(bytes, from: begin, anyWill: anyWill)
            }
        }
        if let automaton, let verdict = automaton.matches(bytes, from: first) {
            if !verdict || anyWill { return verdict }
        }
        return run(bytes, from: first, anyWill: anyWill)
    }

    private func run(_ bytes: Bytes, from start: Int, anyWill: Bool) -> Bool {
        let slotCount = slotCount
        let isAnchored = program.isAnchored
        // Own copies: a property of the object would be checked for exclusive access at every use.
        var (current, next) = lists
        current.count = 0
        var isFound = false
        var position = start
        for slot in 0..<slotCount { work[slot] = -1 }
        while true {
            if !isFound && (position == start || !isAnchored) { add(&current, 0, bytes, position) }
            if current.count == 0 {
                if isFound || isAnchored || position >= bytes.count { break }
            }
            let isEnd = position >= bytes.count
            var size = 0
            var code = UInt32.max
            if !isEnd {
                size = Text.size(bytes, position)
                code = bytes[position] < 0x80 ? UInt32(bytes[position]) : Text.scalar(bytes, position).value
            }
            next.count = 0
            var index = 0
            step: while index < current.count {
                let pc = Int(current.dense[index])
                let instruction = instructions[pc]
                switch instruction.code {
                case .character, .set:
                    let isHit =
                        !isEnd
                        && (instruction.code == .character
                            ? UInt32(bitPattern: instruction.a) == code : classes[Int(instruction.a)].contains(code))
                    if isHit {
                        for slot in 0..<slotCount { work[slot] = current.captures[index &* slotCount &+ slot] }
                        add(&next, Int32(truncatingIfNeeded: pc &+ 1), bytes, position &+ size)
                    }
                case .match:
                    for slot in 0..<slotCount { slots[slot] = current.captures[index &* slotCount &+ slot] }
                    isFound = true
                    if anyWill { return true }
                    break step
                default: break
                }
                index &+= 1
            }
            swap(&current, &next)
            if isEnd { break }
            position &+= size
            for slot in 0..<slotCount { work[slot] = -1 }
        }
        return isFound
    }

    /// Adds the thread at `start` and all that it reaches without reading, most preferred first. `work` holds its captures.
    @inline(__always)
    private func add(_ list: inout ThreadList, _ start: Int32, _ bytes: Bytes, _ position: Int) {
        var depth = 1
        stack[0] = Entry(instruction: start, slot: -1, value: 0)
        while depth > 0 {
            depth &-= 1
            let entry = stack[depth]
            if entry.slot >= 0 {
                work[Int(entry.slot)] = entry.value
                continue
            }
            var pc = entry.instruction
            follow: while !list.contains(pc) {
                let place = list.count
                list.dense[place] = pc
                list.sparse[Int(pc)] = Int32(truncatingIfNeeded: place)
                list.count = place &+ 1
                let instruction = instructions[Int(pc)]
                switch instruction.code {
                case .jump: pc = instruction.a
                case .split:
                    stack[depth] = Entry(instruction: instruction.b, slot: -1, value: 0)
                    depth &+= 1
                    pc = instruction.a
                case .save:
                    if Int(instruction.a) < slotCount {
                        stack[depth] = Entry(instruction: 0, slot: instruction.a, value: work[Int(instruction.a)])
                        depth &+= 1
                        work[Int(instruction.a)] = position
                    }
                    pc &+= 1
                case .assertion:
                    guard let assertion = RegexAssertion(rawValue: UInt8(truncatingIfNeeded: instruction.a)),
                        RegexMatcher.holds(assertion, bytes, position)
                    else { break follow }
                    pc &+= 1
                case .character, .set, .match:
                    for slot in 0..<slotCount { list.captures[place &* slotCount &+ slot] = work[slot] }
                    break follow
                }
            }
        }
    }

    private static func holds(_ assertion: RegexAssertion, _ bytes: Bytes, _ position: Int) -> Bool {
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

    private static func isWord(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x5F
    }
}
