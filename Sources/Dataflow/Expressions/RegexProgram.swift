// RegexProgram: a pattern as instructions for the matcher, after Thompson (1968) and Pike: one thread per instruction at most, so that a
// text of n code points costs at most n × (instructions), whatever the pattern.
//
// Beside the instructions it knows what a match must contain: a run of plain characters that every match has (`required`), with
// the most code points that can stand before it in a match. Texts without it are refused by one memmem, and in the others
// the search begins shortly before its first occurrence.

import Glibc

struct RegexInstruction: Sendable {
    enum Code: UInt8, Sendable { case character, set, split, jump, save, assertion, match }

    var code: Code
    /// The code point; the class; the preferred branch; the target; the slot; the assertion.
    var a: Int32
    /// The other branch.
    var b: Int32 = 0
}

final class RegexProgram: Sendable {
    let instructions: [RegexInstruction]
    let classes: [RegexClass]
    /// Capturing groups, without the whole match.
    let groupCount: Int
    let required: [UInt8]
    /// Code points that can precede `required`; nil when there is no bound.
    let requiredOffsetMax: Int?
    /// Whether every match begins at the start of the text.
    let isAnchored: Bool

    /// Whether it asks for word or line boundaries, and for the end of the text.
    let hasBoundaries: Bool
    let hasEndAnchor: Bool

    static let instructionCountMax = 10_000

    init(_ pattern: String, flags: RegexFlags = RegexFlags()) throws(RegexError) {
        var parser = RegexParser(pattern, flags: flags)
        let tree = try parser.parse()
        var builder = Builder()
        try builder.emit(.save, 0)
        try builder.add(tree, depth: 0)
        try builder.emit(.save, 1)
        try builder.emit(.match, 0)
        instructions = builder.instructions
        classes = builder.classes
        groupCount = parser.groupCount
        let assertions = builder.instructions.filter { $0.code == .assertion }.map { RegexAssertion(rawValue: UInt8(truncatingIfNeeded: $0.a)) }
        hasEndAnchor = assertions.contains(.textEnd) || assertions.contains(.textEndOrLastBreak)
        hasBoundaries = assertions.contains { $0 != .textStart && $0 != .textEnd && $0 != .textEndOrLastBreak }
        let need = RegexProgram.requirement(tree)
        required = need.text
        requiredOffsetMax = need.offsetMax
        isAnchored = RegexProgram.beginsAtStart(tree)
    }

    // MARK: Analysis

    /// The longest run of plain characters that stands in the top sequence, and how much can come before it.
    private static func requirement(_ tree: RegexTree) -> (text: [UInt8], offsetMax: Int?) {
        let items: [RegexTree] = if case .sequence(let items) = tree { items } else { [tree] }
        var best: (text: [UInt8], offsetMax: Int?) = ([], nil)
        var run: [UInt8] = []
        var runOffset: Int?
        var before: Int? = 0
        for item in items {
            if case .character(let code) = item, let scalar = Unicode.Scalar(code) {
                if run.isEmpty { runOffset = before }
                run += Array(String(Character(scalar)).utf8)
            } else {
                if run.count > best.text.count { best = (run, runOffset) }
                run = []
            }
            before = before.flatMap { sum in lengthMax(item).map { sum + $0 } }
        }
        if run.count > best.text.count { best = (run, runOffset) }
        return best
    }

    /// The most code points a match has; nil without bound.
    private static func lengthMax(_ tree: RegexTree) -> Int? {
        switch tree {
        case .empty, .assertion: return 0
        case .character, .set: return 1
        case .group(let inner, _): return lengthMax(inner)
        case .sequence(let items):
            var sum = 0
            for item in items {
                guard let length = lengthMax(item) else { return nil }
                sum += length
            }
            return sum
        case .alternatives(let items):
            var longest = 0
            for item in items {
                guard let length = lengthMax(item) else { return nil }
                longest = max(longest, length)
            }
            return longest
        case .repeated(let inner, _, let maximum, _):
            guard let maximum, let length = lengthMax(inner) else { return nil }
            let (product, overflow) = length.multipliedReportingOverflow(by: maximum)
            return overflow ? nil : product
        }
    }

    private static func beginsAtStart(_ tree: RegexTree) -> Bool {
        switch tree {
        case .assertion(.textStart): true
        case .sequence(let items): items.first.map(beginsAtStart) ?? false
        case .group(let inner, _): beginsAtStart(inner)
        case .alternatives(let items): items.allSatisfy(beginsAtStart)
        case .repeated(let inner, let minimum, _, _): minimum > 0 && beginsAtStart(inner)
        default: false
        }
    }

    // MARK: Code

    private struct Builder {
        var instructions: [RegexInstruction] = []
        var classes: [RegexClass] = []
        private var classNumbers: [RegexClass: Int32] = [:]

        var here: Int32 { Int32(truncatingIfNeeded: instructions.count) }

        mutating func emit(_ code: RegexInstruction.Code, _ a: Int32, _ b: Int32 = 0) throws(RegexError) {
            guard instructions.count < RegexProgram.instructionCountMax else {
                throw RegexError(message: "invalid regular expression: it is too large (repetitions count as often as they repeat)")
            }
            instructions.append(RegexInstruction(code: code, a: a, b: b))
        }

        mutating func add(_ tree: RegexTree, depth: Int) throws(RegexError) {
            switch tree {
            case .empty: return
            case .character(let code): try emit(.character, Int32(bitPattern: code))
            case .set(let set):
                let number = classNumbers[set] ?? Int32(truncatingIfNeeded: classes.count)
                if classNumbers[set] == nil {
                    classNumbers[set] = number
                    classes.append(set)
                }
                try emit(.set, number)
            case .assertion(let assertion): try emit(.assertion, Int32(assertion.rawValue))
            case .sequence(let items): for item in items { try add(item, depth: depth + 1) }
            case .group(let inner, let number):
                try emit(.save, Int32(number * 2))
                try add(inner, depth: depth + 1)
                try emit(.save, Int32(number * 2 + 1))
            case .alternatives(let items):
                var exits: [Int] = []
                for (index, item) in items.enumerated() {
                    if index == items.count - 1 {
                        try add(item, depth: depth + 1)
                        break
                    }
                    let split = instructions.count
                    try emit(.split, here + 1)
                    try add(item, depth: depth + 1)
                    exits.append(instructions.count)
                    try emit(.jump, 0)
                    instructions[split].b = here
                }
                for exit in exits { instructions[exit].a = here }
            case .repeated(let inner, let minimum, let maximum, let isLazy):
                try addRepeated(inner, minimum, maximum, isLazy, depth)
            }
        }

        private mutating func addRepeated(_ inner: RegexTree, _ minimum: Int, _ maximum: Int?, _ isLazy: Bool, _ depth: Int) throws(RegexError) {
            for _ in 0..<minimum {
                let before = instructions.count
                try add(inner, depth: depth + 1)
                // What has no instructions needs none a thousand times either.
                if instructions.count == before { return }
            }
            guard let maximum else {
                // L: split(L + 1, end); inner; jump L
                let split = instructions.count
                try emit(.split, 0)
                try add(inner, depth: depth + 1)
                try emit(.jump, Int32(truncatingIfNeeded: split))
                setSplit(split, inside: Int32(truncatingIfNeeded: split + 1), outside: here, isLazy)
                return
            }
            var splits: [Int] = []
            for _ in minimum..<max(maximum, minimum) {
                splits.append(instructions.count)
                try emit(.split, 0)
                try add(inner, depth: depth + 1)
            }
            for split in splits { setSplit(split, inside: Int32(truncatingIfNeeded: split + 1), outside: here, isLazy) }
        }

        private mutating func setSplit(_ split: Int, inside: Int32, outside: Int32, _ isLazy: Bool) {
            instructions[split].a = isLazy ? outside : inside
            instructions[split].b = isLazy ? inside : outside
        }
    }
}
