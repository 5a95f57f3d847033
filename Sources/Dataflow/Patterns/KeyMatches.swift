// KeyMatches: what is known of one key: rows that something may still want, and the partial matches.
//
// Rows have positions, counted from 0 per key; a row is looked at once, in order. The rows kept are those from the first row of the
// oldest partial match on (and as many before it as PREV reaches), packed one behind the other.
//
// The fields that the loops over threads touch are not checked for exclusive access: one task works on a key, and nothing is called back.
//
// A group is all partial matches that begin at one row, in order of preference: threads. A thread is a position of the pattern that the
// last row was mapped to, with the history that led there: runs of consecutive rows mapped alike, of which the last is in the thread
// and the others in a chain of nodes that threads share. A group also has the best complete match so far: threads that are left
// are preferred to it.
//
//   thread  [position][first row of its last run][node of the runs before, or -1][registers...]
//   node    [parent, or -1][code][first row of the run]

import Columns
import Glibc

struct MatchGroup {
    var start: Int64
    var startTime: Int64
    /// Index of its first thread, and how many there are.
    var threadStart = 0
    var threadCount = 0
    /// The last row of the best complete match, `start - 1` for one without rows; `none` when there is none.
    var end = MatchGroup.none
    /// Its last run and the node before.
    var code: Int32 = 0
    var runFirst: Int64 = 0
    var node: Int64 = -1

    static let none = Int64.min
    var hasMatch: Bool { end != MatchGroup.none }
}

final class KeyMatches {
    static let threadWords = 3
    static let nodeWords = 3

    // MARK: Rows
    private(set) var rows: UnsafeMutableRawPointer
    private var rowCapacity = 0
    private(set) var rowCount = 0
    /// The position of the first row kept.
    private(set) var firstKept: Int64 = 0
    /// The position that the next row will have.
    @exclusivity(unchecked) var next: Int64 = 0

    // MARK: Matches
    @exclusivity(unchecked) var groups: [MatchGroup] = []
    @exclusivity(unchecked) var threads = WordBuffer()
    let nodes = WordBuffer()
    /// Nodes that were left when the chain was last cleaned.
    @exclusivity(unchecked) var nodesKept = 0
    /// No match may begin before.
    @exclusivity(unchecked) var nextStart: Int64 = 0
    /// Every row before is decided: in a match, or in none.
    @exclusivity(unchecked) var frontier: Int64 = 0
    /// The last row that a match has taken.
    @exclusivity(unchecked) var covered: Int64 = -1
    var matchCount: Int64 = 0
    /// The time at which it stands in the timers; .max when it does not.
    var timer = Int64.max
    var isWaiting = false

    init() { rows = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 16) }
    deinit { rows.deallocate() }

    var nodeCount: Int { nodes.count / KeyMatches.nodeWords }
    var byteCount: Int { 200 + threads.byteCount + nodes.byteCount + groups.capacity * MemoryLayout<MatchGroup>.stride }
    func rowBytes(width: Int) -> Int { rowCapacity * width }

    /// Nothing that another row could change, and nothing that must be remembered.
    var isIdle: Bool { groups.isEmpty && rowCount == 0 }

    func recycle() {
        rowCount = 0
        firstKept = 0
        next = 0
        groups.removeAll(keepingCapacity: true)
        threads.count = 0
        nodes.count = 0
        nodesKept = 0
        nextStart = 0
        frontier = 0
        covered = -1
        matchCount = 0
        timer = .max
        isWaiting = false
    }

    // MARK: Rows

    /// Lets go of the rows before `position`.
    func drop(before position: Int64, layout: PackedLayout, arena: inout ByteArena) {
        let count = Int(max(min(position - firstKept, Int64(rowCount)), 0))
        guard count > 0 else { return }
        for row in 0..<count {
            for offset in layout.stringOffsets {
                arena.garbageByteCount += (rows + row * layout.width).loadUnaligned(fromByteOffset: offset, as: StringView.self).count
            }
        }
        memmove(rows, rows + count * layout.width, (rowCount - count) * layout.width)
        rowCount -= count
        firstKept += Int64(count)
    }

    /// When no row is kept: where the next one to be kept stands.
    func restart(at position: Int64) { if rowCount == 0 { firstKept = position } }

    /// Keeps the row at hand that has position `firstKept + rowCount`.
    func keep(_ cells: MatchCells, row: Int, layout: PackedLayout, arena: inout ByteArena) {
        let target = makeRow(width: layout.width)
        cells.pack(row: row, columnCount: layout.types.count, into: target)
        for offset in layout.stringOffsets {
            target.storeBytes(of: arena.copy(target.loadUnaligned(fromByteOffset: offset, as: StringView.self)), toByteOffset: offset, as: StringView.self)
        }
    }

    private func makeRow(width: Int) -> UnsafeMutableRawPointer {
        if rowCount == rowCapacity {
            let capacity = max(rowCapacity * 2, 4)
            let larger = UnsafeMutableRawPointer.allocate(byteCount: max(capacity * width, 8), alignment: 16)
            memcpy(larger, rows, rowCount * width)
            rows.deallocate()
            rows = larger
            rowCapacity = capacity
        }
        rowCount += 1
        return rows + (rowCount - 1) * width
    }

    /// Moves the texts of the rows into another arena.
    func moveTexts(layout: PackedLayout, to arena: inout ByteArena) {
        for row in 0..<rowCount {
            let base = rows + row * layout.width
            for offset in layout.stringOffsets {
                base.storeBytes(of: arena.copy(base.loadUnaligned(fromByteOffset: offset, as: StringView.self)), toByteOffset: offset, as: StringView.self)
            }
        }
    }

    // MARK: Histories

    func addNode(parent: Int64, code: Int32, first: Int64) -> Int64 {
        nodes.reserve(KeyMatches.nodeWords)
        let node = nodes.base + nodes.count
        node[0] = parent
        node[1] = Int64(code)
        node[2] = first
        nodes.count += KeyMatches.nodeWords
        return Int64(nodeCount - 1)
    }

    /// Forgets the nodes that nothing leads to, once there are twice as many as the last time. Parents stand before children.
    func cleanNodes(threadStride: Int) {
        guard nodeCount > 64, nodeCount > nodesKept * 2 else { return }
        var map = [Int64](repeating: 0, count: nodeCount)
        func mark(_ node: Int64) { if node >= 0 { map[Int(node)] = 1 } }
        for group in groups {
            if group.hasMatch { mark(group.node) }
            for index in group.threadStart..<group.threadStart + group.threadCount { mark(threads.base[index * threadStride + 2]) }
        }
        for node in stride(from: nodeCount - 1, through: 0, by: -1) where map[node] == 1 {
            mark(nodes.base[node * KeyMatches.nodeWords])
        }
        var kept = 0
        for node in 0..<nodeCount {
            guard map[node] == 1 else { continue }
            let source = nodes.base + node * KeyMatches.nodeWords
            let target = nodes.base + kept * KeyMatches.nodeWords
            let parent = source[0]
            target[0] = parent < 0 ? -1 : map[Int(parent)]
            target[1] = source[1]
            target[2] = source[2]
            map[node] = Int64(kept)
            kept += 1
        }
        nodes.count = kept * KeyMatches.nodeWords
        nodesKept = kept
        for index in groups.indices {
            if groups[index].hasMatch, groups[index].node >= 0 { groups[index].node = map[Int(groups[index].node)] }
            for thread in groups[index].threadStart..<groups[index].threadStart + groups[index].threadCount {
                let word = threads.base + thread * threadStride + 2
                if word.pointee >= 0 { word.pointee = map[Int(word.pointee)] }
            }
        }
    }

    /// The runs of a complete match, first to last.
    func runs(of group: MatchGroup, into runs: inout [MatchRun]) {
        runs.removeAll(keepingCapacity: true)
        guard group.end >= group.start else { return }
        var last = group.end
        runs.append(MatchRun(code: group.code, first: group.runFirst, last: last))
        last = group.runFirst - 1
        var node = group.node
        while node >= 0 {
            let words = nodes.base + Int(node) * KeyMatches.nodeWords
            runs.append(MatchRun(code: Int32(truncatingIfNeeded: words[1]), first: words[2], last: last))
            last = words[2] - 1
            node = words[0]
        }
        runs.reverse()
    }

    // MARK: State

    func write(to writer: inout StateWriter, layout: PackedLayout, threadStride: Int) {
        for value in [firstKept, next, nextStart, frontier, covered, matchCount] { writer.write(value) }
        writer.write(count: rowCount)
        for row in 0..<rowCount {
            let base = rows + row * layout.width
            var offset = 0
            for string in layout.stringOffsets {
                writer.write(raw: UnsafeRawBufferPointer(start: base + offset, count: string - offset))
                writer.write(bytes: UnsafeRawBufferPointer(base.loadUnaligned(fromByteOffset: string, as: StringView.self).bytes))
                offset = string + 16
            }
            writer.write(raw: UnsafeRawBufferPointer(start: base + offset, count: layout.width - offset))
        }
        writer.write(count: nodeCount)
        for word in 0..<nodes.count { writer.write(nodes.base[word]) }
        writer.write(count: nodesKept)
        writer.write(count: groups.count)
        for group in groups {
            for value in [group.start, group.startTime, group.end, Int64(group.code), group.runFirst, group.node] { writer.write(value) }
            writer.write(count: group.threadCount)
            for word in 0..<group.threadCount * threadStride { writer.write(threads.base[group.threadStart * threadStride + word]) }
        }
    }

    /// Every number is checked: a position must be of a row that is kept, a node's parent must stand before it.
    func read(from reader: inout StateReader, plan: MatchPlan, threadStride: Int, arena: inout ByteArena) throws(StateError) {
        let layout = plan.layout
        firstKept = try reader.read()
        next = try reader.read()
        nextStart = try reader.read()
        frontier = try reader.read()
        covered = try reader.read()
        matchCount = try reader.read()
        let count = try reader.readCount(bytesEach: max(layout.width - layout.stringOffsets.count * 8, 1))
        let limit = Int64.max / 4
        guard firstKept >= 0, next >= firstKept, next < limit, next - firstKept == Int64(count), nextStart >= 0, nextStart <= next,
            frontier >= (plan.showsUnmatched ? firstKept : 0), frontier <= next, covered >= -1, covered < next, matchCount >= 0, matchCount < limit
        else { throw reader.failure("a partial match of rows that are not there") }
        for _ in 0..<count {
            let base = makeRow(width: layout.width)
            memset(base, 0, layout.width)
            for string in layout.stringOffsets { base.storeBytes(of: .empty, toByteOffset: string, as: StringView.self) }
            var offset = 0
            for string in layout.stringOffsets {
                try reader.read(into: UnsafeMutableRawBufferPointer(start: base + offset, count: string - offset))
                let text = try reader.readBytes()
                text.withUnsafeBufferPointer { bytes in
                    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
                    base.storeBytes(of: arena.copy(StringView(start, count: bytes.count)), toByteOffset: string, as: StringView.self)
                }
                offset = string + 16
            }
            try reader.read(into: UnsafeMutableRawBufferPointer(start: base + offset, count: layout.width - offset))
        }
        let variables = Int64(plan.node.variables.count)
        // The first row of each history. Nodes that nothing leads to may stand there, and may tell of rows that are gone.
        var beginnings: [Int64] = []
        let nodeTotal = try reader.readCount(bytesEach: 24)
        for node in 0..<nodeTotal {
            let parent: Int64 = try reader.read()
            let code: Int64 = try reader.read()
            let first: Int64 = try reader.read()
            guard parent >= -1, parent < Int64(node), code >= 0, code < variables * 2, first >= 0, first < next else {
                throw reader.failure("a history that is not one")
            }
            // Runs follow one another.
            guard parent < 0 || nodes.base[Int(parent) * 3 + 2] < first else { throw reader.failure("a history that is not one") }
            beginnings.append(parent < 0 ? first : beginnings[Int(parent)])
            _ = addNode(parent: parent, code: Int32(truncatingIfNeeded: code), first: first)
        }
        nodesKept = try reader.readCount(bytesEach: 0)
        let groupCount = try reader.readCount(bytesEach: 56)
        var lastStart = Int64(-1)
        for _ in 0..<groupCount {
            var group = MatchGroup(start: try reader.read(), startTime: try reader.read())
            group.end = try reader.read()
            let code: Int64 = try reader.read()
            group.runFirst = try reader.read()
            group.node = try reader.read()
            guard group.start > lastStart, group.start >= firstKept, group.start < next, code >= 0, code < max(variables * 2, 1) else {
                throw reader.failure("a partial match of rows that are not there")
            }
            lastStart = group.start
            group.code = Int32(truncatingIfNeeded: code)
            if group.hasMatch {
                guard group.end >= group.start - 1, group.end < next else { throw reader.failure("a match of rows that are not there") }
                if group.end >= group.start { try check(group.runFirst, group.node, start: group.start, end: group.end, beginnings, reader) }
            }
            group.threadStart = threads.count / threadStride
            group.threadCount = try reader.readCount(bytesEach: threadStride * 8)
            threads.reserve(group.threadCount * threadStride)
            for _ in 0..<group.threadCount {
                let thread = threads.base + threads.count
                for word in 0..<threadStride { thread[word] = try reader.read() }
                guard thread[0] >= 0, thread[0] < Int64(plan.automaton.count) else { throw reader.failure("a place outside of the pattern") }
                try check(thread[1], thread[2], start: group.start, end: next - 1, beginnings, reader)
                for register in plan.registers {
                    let words: Range<Int>
                    switch register.kind {
                    case .first(_, let count), .last(_, let count): words = register.word..<register.word + count
                    case .aggregate(let aggregate):
                        guard aggregate.kind == .least || aggregate.kind == .greatest else { continue }
                        words = register.word..<register.word + 1
                    }
                    for word in words {
                        let row = thread[KeyMatches.threadWords + word]
                        guard row >= -1, row < next else { throw reader.failure("a row that is not there") }
                    }
                }
                threads.count += threadStride
            }
            groups.append(group)
        }
    }

    /// Runs from `start` to `end` without holes.
    private func check(_ runFirst: Int64, _ node: Int64, start: Int64, end: Int64, _ beginnings: [Int64], _ reader: StateReader)
        throws(StateError)
    {
        guard runFirst >= start, runFirst <= end, node >= -1, node < Int64(nodeCount) else { throw reader.failure("a history that is not one") }
        let isWhole = node < 0
            ? runFirst == start : beginnings[Int(node)] == start && nodes.base[Int(node) * KeyMatches.nodeWords + 2] < runFirst
        guard isWhole else { throw reader.failure("a history that is not one") }
    }
}

/// Consecutive rows of a match that are mapped alike.
struct MatchRun {
    var code: Int32
    var first: Int64
    var last: Int64

    var variable: Int { Int(code >> 1) }
    var isExcluded: Bool { code & 1 != 0 }
}
