// RegexOnePass: the matcher for patterns in which the next byte always decides how to go on, such as `(&|^)channel_id=([^&]*)`: of the
// threads of Pike's algorithm never more than one survives a byte. Then a match and its groups are found with one table look-up per byte.
//
// A state is what can be reached without reading from behind one instruction, in order of preference, up to the first match: what comes after that
// is cut off by it. The pattern is refused when two instructions of a state read the same byte, and when it asks for anything about its
// surroundings but the start of the text. All captures that are set between two bytes get one position, so a transition carries them as a
// set of slots.
//
// Starts are tried one after the other, first from those bytes that can begin a match. Each start costs what it reads, which for a hostile
// pattern would be the square of the text; so the bytes read are counted, and a search that has read several times the text is handed
// back with the start it has come to. Bytes beyond ASCII are handed back as well.

import Columns

final class RegexOnePass {
    enum Outcome {
        case found, notFound
        /// Search on from this start in another way.
        case unknown(from: Int)
    }

    private static let statesMax = 64
    private static let instructionsMax = 200
    /// Slots that fit into the set.
    private static let slotsMax = 32

    /// 128 entries per state: the next state, or -1.
    private let next: UnsafeMutablePointer<Int32>
    /// 128 entries per state: the slots that are set before the byte is read.
    private let saves: UnsafeMutablePointer<UInt32>
    /// Per state: the slots that are set when the match ends here; noMatch when it cannot.
    private let matchSaves: UnsafeMutablePointer<UInt32>
    private let slotCount: Int
    private let isAnchored: Bool
    private let startOfText: Int
    private let startElsewhere: Int
    private let working: UnsafeMutablePointer<Int>

    private static let noMatch = UInt32.max

    /// nil when the pattern is not of this kind. `slotCount`: how many slots are asked for.
    init?(_ program: RegexProgram, slotCount: Int) {
        guard program.instructions.count <= RegexOnePass.instructionsMax, slotCount < RegexOnePass.slotsMax,
            let states = RegexOnePass.states(program, slotCount: slotCount)
        else { return nil }
        self.slotCount = slotCount
        isAnchored = program.isAnchored
        startOfText = 0
        startElsewhere = states.startElsewhere
        next = .allocate(capacity: states.all.count * 128)
        saves = .allocate(capacity: states.all.count * 128)
        matchSaves = .allocate(capacity: states.all.count)
        working = .allocate(capacity: slotCount)
        for (number, state) in states.all.enumerated() {
            for byte in 0..<128 {
                (next + number * 128 + byte).initialize(to: state.next[byte])
                (saves + number * 128 + byte).initialize(to: state.saves[byte])
            }
            (matchSaves + number).initialize(to: state.match ?? RegexOnePass.noMatch)
        }
        working.initialize(repeating: -1, count: slotCount)
    }

    deinit {
        next.deallocate()
        saves.deallocate()
        matchSaves.deallocate()
        working.deallocate()
    }

    // MARK: Building

    private struct State {
        var next = [Int32](repeating: -1, count: 128)
        var saves = [UInt32](repeating: 0, count: 128)
        var match: UInt32?
    }

    /// The states, that of a start at the text's first byte before all others; nil when the pattern is not of this kind.
    private static func states(_ program: RegexProgram, slotCount: Int) -> (all: [State], startElsewhere: Int)? {
        var all: [State] = []
        var numbers: [Int32: Int] = [:]
        var open: [(start: Int32, number: Int)] = []
        func number(behind start: Int32) -> Int? {
            if let known = numbers[start] { return known }
            guard all.count < statesMax else { return nil }
            numbers[start] = all.count
            open.append((start, all.count))
            all.append(State())
            return all.count - 1
        }
        all.append(State())
        guard let startElsewhere = number(behind: 0) else { return nil }
        open.append((0, 0))
        while let (start, place) = open.popLast() {
            var state = State()
            var seen: Set<Int32> = []
            // Most preferred last.
            var stack: [(pc: Int32, saves: UInt32)] = [(start, 0)]
            walk: while let (pc, saves) = stack.popLast() {
                guard seen.insert(pc).inserted else { continue }
                let instruction = program.instructions[Int(pc)]
                switch instruction.code {
                case .jump: stack.append((instruction.a, saves))
                case .split:
                    stack.append((instruction.b, saves))
                    stack.append((instruction.a, saves))
                case .save:
                    let slot = instruction.a >= 0 && Int(instruction.a) < slotCount ? UInt32(1) << UInt32(instruction.a) : 0
                    stack.append((pc + 1, saves | slot))
                case .assertion:
                    guard instruction.a == Int32(RegexAssertion.textStart.rawValue) else { return nil }
                    if place == 0 { stack.append((pc + 1, saves)) }
                case .match:
                    state.match = saves
                    break walk
                case .character, .set:
                    guard let target = number(behind: pc + 1) else { return nil }
                    for byte in 0..<128 {
                        let reads =
                            instruction.code == .character
                            ? instruction.a == Int32(byte) : program.classes[Int(instruction.a)].contains(UInt32(byte))
                        guard reads else { continue }
                        guard state.next[byte] < 0 else { return nil }
                        state.next[byte] = Int32(truncatingIfNeeded: target)
                        state.saves[byte] = saves
                    }
                }
            }
            all[place] = state
        }
        return (all, startElsewhere)
    }

    // MARK: Searching

    /// The first match that begins at or after `start`; its place is left in `slots`.
    func find(_ bytes: Bytes, from start: Int, slots: UnsafeMutablePointer<Int>) -> Outcome {
        var budget = 8 &* bytes.count &+ 64
        var begin = start
        while begin <= bytes.count {
            let first = begin == 0 ? startOfText : startElsewhere
            if matchSaves[first] == RegexOnePass.noMatch {
                // Bytes that begin nothing.
                if begin == bytes.count { return .notFound }
                let byte = bytes[begin]
                if byte >= 0x80 { return .unknown(from: begin) }
                if next[first &* 128 &+ Int(byte)] < 0 {
                    if isAnchored { return .notFound }
                    begin &+= 1
                    continue
                }
            }
            var state = first
            var position = begin
            // The end of the longest match so far, and what it sets there: written to `slots` when a capture moves on, and at the end.
            var found = -1
            var ending = RegexOnePass.noMatch
            var isWritten = false
            for slot in 0..<slotCount { working[slot] = -1 }
            while true {
                let saved = matchSaves[state]
                if saved != RegexOnePass.noMatch {
                    found = position
                    ending = saved
                    isWritten = false
                }
                guard position < bytes.count else { break }
                let byte = bytes[position]
                if byte >= 0x80 { return .unknown(from: begin) }
                let place = state &* 128 &+ Int(byte)
                let target = next[place]
                guard target >= 0 else { break }
                var set = saves[place]
                if set != 0 {
                    if found >= 0 && !isWritten {
                        write(found, ending, slots)
                        isWritten = true
                    }
                    repeat {
                        working[set.trailingZeroBitCount] = position
                        set &= set &- 1
                    } while set != 0
                }
                state = Int(target)
                position &+= 1
            }
            if found >= 0 {
                if !isWritten { write(found, ending, slots) }
                return .found
            }
            if isAnchored { return .notFound }
            budget &-= position &- begin &+ 1
            begin &+= 1
            if budget < 0 { return .unknown(from: begin) }
        }
        return .notFound
    }

    /// The captures of a match that ends at `position` and sets the slots in `ending` there.
    @inline(__always)
    private func write(_ position: Int, _ ending: UInt32, _ slots: UnsafeMutablePointer<Int>) {
        for slot in 0..<slotCount { slots[slot] = ending >> UInt32(slot) & 1 != 0 ? position : working[slot] }
    }
}
