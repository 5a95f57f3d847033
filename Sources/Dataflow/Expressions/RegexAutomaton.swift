// RegexAutomaton: a deterministic automaton over ASCII bytes, made state by state as texts ask for them. It answers one question,
// whether a match begins at or after a position, with one table look-up per byte.
//
// A state is the set of instructions that threads wait at, all starts included. Of the anchors it knows the start of the text (the
// first state of a search there differs) and its end (asked of the last state); programs with word or line boundaries do
// without. At a byte beyond ASCII it gives no answer, and when a hostile pattern makes too many states it gives up for good.

import Columns

final class RegexAutomaton {
    private let program: RegexProgram
    /// 128 entries per state: the next state, or -1 where it is not yet known.
    private var table: UnsafeMutablePointer<Int32>
    private var capacity = 16
    private var stateCount = 0
    private var members: [[Int32]] = []
    private var numbers: [[Int32]: Int32] = [:]
    /// Per state: whether a match has been reached; whether one is reached if the text ends here (1: yes, 0: no, -1: not yet asked).
    private var isMatch: UnsafeMutablePointer<UInt8>
    private var startOfText: Int32 = -1
    private var startElsewhere: Int32 = -1
    private var hasGivenUp = false

    private static let stateCountMax = 512
    /// Programs beyond this make states that cost more than they save.
    private static let instructionCountMax = 500

    init?(_ program: RegexProgram) {
        guard program.instructions.count <= RegexAutomaton.instructionCountMax else { return nil }
        self.program = program
        table = .allocate(capacity: capacity * 128)
        isMatch = .allocate(capacity: capacity)
    }

    deinit {
        table.deallocate()
        isMatch.deallocate()
    }

    /// nil: no answer.
    func matches(_ bytes: Bytes, from start: Int) -> Bool? {
        // In an empty text the start is the end, which states do not know.
        if hasGivenUp || bytes.count == 0 { return nil }
        var state: Int32
        if start == 0 {
            if startOfText < 0 { startOfText = make(closure([0], isStart: true)) }
            state = startOfText
        } else {
            if startElsewhere < 0 { startElsewhere = make(closure([0], isStart: false)) }
            state = startElsewhere
        }
        var position = start
        while position < bytes.count {
            if state < 0 { return nil }
            if isMatch[Int(state)] != 0 { return true }
            let byte = bytes[position]
            if byte >= 0x80 { return nil }
            // A last line break may count as the end for `$`: leave that to the threads.
            if byte == 0x0A && position == bytes.count &- 1 && program.hasEndAnchor { return nil }
            let known = table[Int(state) &* 128 &+ Int(byte)]
            state = known >= 0 ? known : step(state, byte)
            position &+= 1
        }
        if state < 0 { return nil }
        return isMatch[Int(state)] != 0 || endsInMatch(state)
    }

    /// Whether the anchors at the end of the text lead to the match.
    private func endsInMatch(_ state: Int32) -> Bool {
        guard program.hasEndAnchor else { return false }
        var seen: Set<Int32> = []
        var open = members[Int(state)].filter { program.instructions[Int($0)].code == .assertion }
        while let pc = open.popLast() {
            guard seen.insert(pc).inserted else { continue }
            let instruction = program.instructions[Int(pc)]
            switch instruction.code {
            case .match: return true
            case .jump: open.append(instruction.a)
            case .split: open += [instruction.a, instruction.b]
            case .save: open.append(pc + 1)
            case .assertion:
                let assertion = RegexAssertion(rawValue: UInt8(truncatingIfNeeded: instruction.a))
                if assertion == .textEnd || assertion == .textEndOrLastBreak { open.append(pc + 1) }
            case .character, .set: break
            }
        }
        return false
    }

    private func step(_ state: Int32, _ byte: UInt8) -> Int32 {
        var reached: [Int32] = []
        for pc in members[Int(state)] {
            let instruction = program.instructions[Int(pc)]
            switch instruction.code {
            case .character: if instruction.a == Int32(byte) { reached.append(pc + 1) }
            case .set: if program.classes[Int(instruction.a)].contains(UInt32(byte)) { reached.append(pc + 1) }
            default: break
            }
        }
        if !program.isAnchored { reached.append(0) }
        let next = make(closure(reached, isStart: false))
        if next >= 0 { table[Int(state) * 128 + Int(byte)] = next }
        return next
    }

    /// What can be reached without reading: instructions that read, the match, and anchors at the end, which wait for it. Sorted.
    private func closure(_ start: [Int32], isStart: Bool) -> [Int32] {
        var seen: Set<Int32> = []
        var result: [Int32] = []
        var open = start
        while let pc = open.popLast() {
            guard seen.insert(pc).inserted else { continue }
            let instruction = program.instructions[Int(pc)]
            switch instruction.code {
            case .character, .set, .match: result.append(pc)
            case .jump: open.append(instruction.a)
            case .split: open += [instruction.a, instruction.b]
            case .save: open.append(pc + 1)
            case .assertion:
                if instruction.a == Int32(RegexAssertion.textStart.rawValue) {
                    if isStart { open.append(pc + 1) }
                } else {
                    result.append(pc)
                }
            }
        }
        return result.sorted()
    }

    private func make(_ set: [Int32]) -> Int32 {
        if let known = numbers[set] { return known }
        guard stateCount < RegexAutomaton.stateCountMax else {
            hasGivenUp = true
            return -1
        }
        if stateCount == capacity {
            let larger = UnsafeMutablePointer<Int32>.allocate(capacity: capacity * 2 * 128)
            larger.update(from: table, count: stateCount * 128)
            table.deallocate()
            table = larger
            let flags = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
            flags.update(from: isMatch, count: stateCount)
            isMatch.deallocate()
            isMatch = flags
            capacity *= 2
        }
        let number = Int32(truncatingIfNeeded: stateCount)
        (table + stateCount * 128).initialize(repeating: -1, count: 128)
        isMatch[stateCount] = set.contains { program.instructions[Int($0)].code == .match } ? 1 : 0
        members.append(set)
        numbers[set] = number
        stateCount += 1
        return number
    }
}
