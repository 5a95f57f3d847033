// MatchStepper: one row against the partial matches of its key.
//
// All beginnings are followed at the same time, each row is looked at once and nothing is ever tried again. Within a group the threads
// stand in order of preference; one that completes the pattern becomes the group's match and ends all that stand behind it. When no
// thread is left, the match is decided. Groups are decided in the order of their first rows, because where one ends may say where
// the next can begin.
//
// Two threads at the same position of the pattern whose registers agree, as far as conditions further on can read them, have the same
// future: the less preferred one is dropped. So a pattern whose conditions look at rows a fixed distance away has at most as many
// threads per group as it has positions. After AFTER MATCH SKIP PAST LAST ROW (and without WITHIN) this holds across groups as well:
// if the later group's thread completes, so does the earlier one's, and its match covers the later beginning. (Except where a group
// before both has a match that covers the earlier beginning and not the later one: then the earlier group may go without the later.)
// Such patterns cost the same for every row, however long a match is. Others are stopped at `partialMatchesMax` threads per key: rows that would
// make more are reported, and begin no match.

import Columns
import Planning

final class MatchStepper {
    let plan: MatchPlan
    let stride: Int
    let report = MatchReport()
    // Exclusive access need not be checked in the loops over threads: nothing here is called back while it runs.
    @exclusivity(unchecked) private(set) var isOverLimit = false
    private let automaton: MatchAutomaton
    private let registerCount: Int
    /// The automaton's lists, and the first targets, as plain memory.
    private let variables: UnsafeMutablePointer<Int32>
    private let codes: UnsafeMutablePointer<Int32>
    private let starts: UnsafeMutablePointer<Int32>
    private let targets: UnsafeMutablePointer<Int32>
    private let accepts: UnsafeMutablePointer<Bool>
    private let live: UnsafeMutablePointer<UInt64>
    private let firstTargets: UnsafeMutablePointer<Int32>
    private let firstCount: Int
    private let firstOfPartitionTargets: UnsafeMutablePointer<Int32>
    private let firstOfPartitionCount: Int
    private let within: Int64?
    private let hasTests: Bool
    private let sharesStarts: Bool
    private let hasEnd: Bool
    @exclusivity(unchecked) private var scratch = WordBuffer()
    private let initial: WordBuffer
    private var runs: [MatchRun] = []

    /// Threads already there: by position without registers, else in a table of (stamp << 32 | thread + 1).
    private let seen: UnsafeMutablePointer<UInt32>
    private let seenThreads: UnsafeMutablePointer<Int32>
    @exclusivity(unchecked) private var table: UnsafeMutablePointer<UInt64>
    @exclusivity(unchecked) private var tableCount: Int
    @exclusivity(unchecked) private var entryCount = 0
    /// Whether a group looked at before, in this row, has a match that ends before the row. Only where beginnings are shared.
    @exclusivity(unchecked) private var hasOldMatches = false
    @exclusivity(unchecked) private var stamp: UInt32 = 0

    /// The row at hand, and for each variable whether it passes the part of the condition that needs no more than that.
    struct Row {
        let cells: MatchCells
        let bits: UnsafePointer<UnsafePointer<UInt8>?>
        let index: Int
        let position: Int64
        let time: Int64
    }

    init(_ plan: MatchPlan) {
        self.plan = plan
        automaton = plan.automaton
        registerCount = plan.registerCount
        stride = KeyMatches.threadWords + plan.registerCount
        sharesStarts = plan.node.skip == .pastLastRow && plan.node.withinMicroseconds == nil
        hasEnd = plan.automaton.targets.contains(MatchAutomaton.end)
        let words = KeyMatches.threadWords + plan.registerCount
        let beginning = WordBuffer(capacity: words)
        for word in 0..<words { beginning.base[word] = -1 }
        for register in plan.registers {
            if case .aggregate(let aggregate) = register.kind { aggregate.reset(beginning.base + KeyMatches.threadWords + register.word) }
        }
        initial = beginning
        seen = Self.copy([UInt32](repeating: 0, count: plan.automaton.count))
        seenThreads = Self.copy([Int32](repeating: 0, count: plan.automaton.count))
        tableCount = plan.registerCount > 0 ? 64 : 1
        table = Self.copy([UInt64](repeating: 0, count: 64))
        variables = Self.copy(plan.automaton.variables)
        codes = Self.copy(plan.codes)
        starts = Self.copy(plan.automaton.starts)
        targets = Self.copy(plan.automaton.targets)
        accepts = Self.copy(plan.automaton.accepts)
        live = Self.copy(plan.liveRegisters)
        firstTargets = Self.copy(plan.automaton.first.targets)
        firstCount = plan.automaton.first.targets.count
        firstOfPartitionTargets = Self.copy(plan.automaton.firstOfPartition.targets)
        firstOfPartitionCount = plan.automaton.firstOfPartition.targets.count
        within = plan.node.withinMicroseconds
        hasTests = plan.tests.contains { $0 != nil }
    }

    deinit {
        seen.deallocate()
        seenThreads.deallocate()
        table.deallocate()
        variables.deallocate()
        codes.deallocate()
        starts.deallocate()
        targets.deallocate()
        accepts.deallocate()
        live.deallocate()
        firstTargets.deallocate()
        firstOfPartitionTargets.deallocate()
    }

    private static func copy<Element>(_ values: [Element]) -> UnsafeMutablePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(values.count, 1))
        for (index, value) in values.enumerated() { (memory + index).initialize(to: value) }
        return memory
    }

    // MARK: A row

    /// Moves every thread over the row, and begins a match at it where one may.
    func step(_ key: KeyMatches, _ row: Row) {
        isOverLimit = false
        hasOldMatches = false
        forgetSeen()
        if !key.groups.isEmpty { advance(key, row) } else { key.threads.count = 0 }
        if row.position >= key.nextStart { begin(key, row) }
        if !plan.registers.isEmpty || key.nodeCount > 0 { key.cleanNodes(threadStride: stride) }
    }

    private func advance(_ key: KeyMatches, _ row: Row) {
        scratch.count = 0
        let source = key.threads
        let targets = targets
        var anyDead = false
        for index in key.groups.indices {
            var group = key.groups[index]
            let (start, count) = (group.threadStart, group.threadCount)
            group.threadStart = scratch.count / stride
            if count > 0, within.map({ !Self.isOver(group.startTime, row.time, within: $0) }) ?? true {
                if !sharesStarts { forgetSeen() }
                for thread in start..<start + count {
                    let from = source.base + thread * stride
                    let position = Int(from[0])
                    let range = Int(starts[position])..<Int(starts[position + 1])
                    if !extend(key, &group, from, range, targets, row, into: scratch) { break }
                }
            }
            group.threadCount = scratch.count / stride - group.threadStart
            if group.threadCount == 0 && !group.hasMatch { anyDead = true }
            if sharesStarts && group.hasMatch && group.end < row.position { hasOldMatches = true }
            key.groups[index] = group
        }
        key.threads = scratch
        scratch = source
        if anyDead { key.groups.removeAll { $0.threadCount == 0 && !$0.hasMatch } }
    }

    private func begin(_ key: KeyMatches, _ row: Row) {
        let isFirst = row.position == 0
        let acceptsEmpty = isFirst ? automaton.firstOfPartition.accepts : automaton.first.accepts
        let list = isFirst ? firstOfPartitionTargets : firstTargets
        let count = isFirst ? firstOfPartitionCount : firstCount
        var group = MatchGroup(start: row.position, startTime: row.time)
        if !acceptsEmpty {
            // Most rows begin nothing.
            var isPossible = false
            for index in 0..<count {
                guard let bits = row.bits[Int(variables[Int(list[index])])] else {
                    isPossible = true
                    break
                }
                if bits[row.index] != 0 {
                    isPossible = true
                    break
                }
            }
            if !isPossible { return }
        }
        if key.groups.count >= plan.partialMatchesMax {
            isOverLimit = true
            return
        }
        if acceptsEmpty { group.end = row.position - 1 }
        group.threadStart = key.threads.count / stride
        if !sharesStarts { forgetSeen() }
        _ = extend(key, &group, nil, 0..<count, list, row, into: key.threads)
        group.threadCount = key.threads.count / stride - group.threadStart
        if group.threadCount > 0 || group.hasMatch { key.groups.append(group) }
    }

    /// Maps the row to each of the targets that it suits, in order; false when that completes the pattern.
    private func extend(
        _ key: KeyMatches, _ group: inout MatchGroup, _ from: UnsafePointer<Int64>?, _ range: Range<Int>, _ list: UnsafePointer<Int32>, _ row: Row,
        into threads: WordBuffer
    ) -> Bool {
        // The history, with the last run closed: made when the first target needs it.
        var closed = Int64(-1)
        var isClosed = from == nil
        let fromCode = from.map { codes[Int($0[0])] } ?? -1
        for index in range {
            let target = Int(list[index])
            if target < 0 { continue }
            let variable = Int(variables[target])
            if let bits = row.bits[variable], bits[row.index] == 0 { continue }
            if registerCount == 0 && seen[target] == stamp && standsFor(key, Int(seenThreads[target]), group) { continue }
            threads.reserve(stride)
            let thread = threads.base + threads.count
            thread[0] = Int64(target)
            let registers = thread + KeyMatches.threadWords
            if registerCount > 0 {
                let old = (from ?? UnsafePointer(initial.base)) + KeyMatches.threadWords
                for word in 0..<registerCount { registers[word] = old[word] }
                apply(variable, registers, row)
                if isKnown(key, thread, threads, group) { continue }
            }
            if hasTests, let test = plan.tests[variable] {
                let candidate = MatchCandidate(cells: row.cells, position: row.position, registers: registers)
                if test.holds(candidate, report) != true { continue }
            }
            if threads.count / stride >= plan.partialMatchesMax {
                isOverLimit = true
                return true
            }
            let code = codes[target]
            if let from, code == fromCode {
                thread[1] = from[1]
                thread[2] = from[2]
            } else {
                if !isClosed, let from {
                    if key.nodeCount >= plan.historyRunsMax {
                        isOverLimit = true
                        return true
                    }
                    closed = key.addNode(parent: from[2], code: fromCode, first: from[1])
                    isClosed = true
                }
                thread[1] = row.position
                thread[2] = closed
            }
            // A thread that nothing can follow is done with, and is not remembered: another will stand in its place.
            let goesOn = starts[target] != starts[target + 1] || !accepts[target]
            if goesOn { remember(thread, target, threads) }
            if accepts[target] {
                group.end = row.position
                group.code = code
                group.runFirst = thread[1]
                group.node = thread[2]
            }
            if goesOn { threads.count += stride }
            if accepts[target] { return false }
        }
        return true
    }

    private func apply(_ variable: Int, _ registers: UnsafeMutablePointer<Int64>, _ row: Row) {
        for register in plan.registers {
            let words = registers + register.word
            switch register.kind {
            case .first(let isMember, let count):
                guard isMember[variable] else { continue }
                var word = 0
                while word < count && words[word] >= 0 { word += 1 }
                if word < count { words[word] = row.position }
            case .last(let isMember, let count):
                guard isMember[variable] else { continue }
                var word = count - 1
                while word > 0 {
                    words[word] = words[word - 1]
                    word -= 1
                }
                words[0] = row.position
            case .aggregate(let aggregate):
                if aggregate.isMember[variable] { aggregate.add(words, row.cells, row.position) }
            }
        }
    }

    // MARK: Threads with the same future

    private func forgetSeen() {
        entryCount = 0
        if stamp == .max {
            for index in 0..<automaton.count { seen[index] = 0 }
            for index in 0..<tableCount { table[index] = 0 }
            stamp = 0
        }
        stamp += 1
    }

    @inline(__always)
    private func hash(_ thread: UnsafePointer<Int64>) -> UInt64 {
        var hash = KeyHash.int64(thread[0])
        let live = live[Int(thread[0])]
        for word in 0..<registerCount where isLive(live, word) {
            hash = KeyHash.combine(hash, UInt64(bitPattern: thread[KeyMatches.threadWords + word]))
        }
        return hash
    }

    @inline(__always)
    private func isLive(_ live: UInt64, _ word: Int) -> Bool { word >= 64 || live & (1 << UInt64(word)) != 0 }

    /// Whether the thread already there may stand for one of `group`: it is of the same group, or of one that does not go before the
    /// matches of both are decided.
    private func standsFor(_ key: KeyMatches, _ thread: Int, _ group: MatchGroup) -> Bool {
        if !hasOldMatches || thread >= group.threadStart { return true }
        var owner = group.start
        for other in key.groups where other.start < group.start && other.threadStart <= thread { owner = other.start }
        for other in key.groups where other.start < owner && other.hasMatch {
            if other.end >= owner && other.end < group.start { return false }
        }
        return true
    }

    private func isKnown(_ key: KeyMatches, _ thread: UnsafePointer<Int64>, _ threads: WordBuffer, _ group: MatchGroup) -> Bool {
        let live = live[Int(thread[0])]
        let mask = tableCount - 1
        var place = Int(truncatingIfNeeded: hash(thread)) & mask
        while table[place] >> 32 == UInt64(stamp) {
            let other = threads.base + (Int(table[place] & 0xFFFF_FFFF) - 1) * stride
            var same = other[0] == thread[0]
            var word = 0
            while same && word < registerCount {
                if isLive(live, word) { same = other[KeyMatches.threadWords + word] == thread[KeyMatches.threadWords + word] }
                word += 1
            }
            if same && standsFor(key, Int(table[place] & 0xFFFF_FFFF) - 1, group) { return true }
            place = (place + 1) & mask
        }
        return false
    }

    /// Notes the thread that is about to be appended.
    private func remember(_ thread: UnsafePointer<Int64>, _ target: Int, _ threads: WordBuffer) {
        guard registerCount > 0 else {
            seen[target] = stamp
            seenThreads[target] = Int32(truncatingIfNeeded: threads.count / stride)
            return
        }
        if (entryCount + 1) * 2 > tableCount { growTable(threads) }
        enter(hash(thread), threads.count / stride)
        entryCount += 1
    }

    private func enter(_ hash: UInt64, _ index: Int) {
        let mask = tableCount - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while table[place] >> 32 == UInt64(stamp) { place = (place + 1) & mask }
        table[place] = UInt64(stamp) << 32 | UInt64(index + 1)
    }

    private func growTable(_ threads: WordBuffer) {
        let (old, oldCount) = (table, tableCount)
        tableCount = oldCount * 4
        table = Self.copy([UInt64](repeating: 0, count: tableCount))
        for place in 0..<oldCount where old[place] >> 32 == UInt64(stamp) {
            let index = Int(old[place] & 0xFFFF_FFFF) - 1
            enter(hash(UnsafePointer(threads.base + index * stride)), index)
        }
        old.deallocate()
    }

    // MARK: Time and the end

    static func isOver(_ start: Int64, _ time: Int64, within: Int64) -> Bool {
        let (end, overflow) = start.addingReportingOverflow(within)
        return !overflow && time >= end
    }

    /// Ends the threads that no later row can complete in time: such a row comes at `watermark` or after it.
    func expire(_ key: KeyMatches, watermark: Int64) {
        guard let within else { return }
        for index in key.groups.indices where Self.isOver(key.groups[index].startTime, watermark, within: within) {
            key.groups[index].threadCount = 0
        }
        key.groups.removeAll { $0.threadCount == 0 && !$0.hasMatch }
    }

    /// No row follows: `$` holds, and nothing else can come.
    func finish(_ key: KeyMatches) {
        for index in key.groups.indices {
            var group = key.groups[index]
            search: for thread in group.threadStart..<group.threadStart + group.threadCount where hasEnd {
                let words = key.threads.base + thread * stride
                let position = Int(words[0])
                for target in Int(starts[position])..<Int(starts[position + 1]) where targets[target] == MatchAutomaton.end {
                    group.end = key.next - 1
                    group.code = codes[position]
                    group.runFirst = words[1]
                    group.node = words[2]
                    break search
                }
            }
            group.threadCount = 0
            key.groups[index] = group
        }
        key.groups.removeAll { !$0.hasMatch }
    }

    // MARK: Decided matches

    /// Gives out what is decided.
    func resolve(_ key: KeyMatches, _ cells: MatchCells, _ emitter: MatchEmitter) {
        while true {
            let bound = key.groups.first?.start ?? key.next
            if plan.showsUnmatched {
                while key.frontier < bound {
                    if key.frontier > key.covered { emitter.emitUnmatched(key.frontier, cells) }
                    key.frontier += 1
                }
            } else {
                key.frontier = max(key.frontier, bound)
            }
            guard let group = key.groups.first, group.threadCount == 0 else { return }
            key.matchCount &+= 1
            key.runs(of: group, into: &runs)
            emitter.emit(group, runs, number: key.matchCount, cells)
            key.covered = max(key.covered, group.end)
            let next = nextStart(group, emitter)
            key.nextStart = max(key.nextStart, next)
            key.frontier = max(key.frontier, next)
            var dropped = 0
            while dropped < key.groups.count && key.groups[dropped].start < next { dropped += 1 }
            key.groups.removeFirst(dropped)
        }
    }

    private func nextStart(_ group: MatchGroup, _ emitter: MatchEmitter) -> Int64 {
        guard group.end >= group.start else { return group.start + 1 }
        let found: Int64?
        let isFirst: Bool
        let members: [Int]
        switch plan.node.skip {
        case .pastLastRow: return group.end + 1
        case .nextRow: return group.start + 1
        case .first(let variables):
            (isFirst, members) = (true, variables)
            found = runs.first { variables.contains($0.variable) }?.first
        case .last(let variables):
            (isFirst, members) = (false, variables)
            found = runs.last { variables.contains($0.variable) }?.last
        }
        if let found, found > group.start { return found }
        let name = members.map { plan.node.variables[$0] }.joined(separator: ", ")
        emitter.fail(
            found == nil
                ? "AFTER MATCH SKIP leads to no row: the match has none of \(name); skipped to the next row"
                : "AFTER MATCH SKIP leads to the first row of the match, which would be found again; skipped to the next row",
            "AFTER MATCH SKIP TO \(isFirst ? "FIRST" : "LAST") \(name)", group.start)
        return group.start + 1
    }
}
