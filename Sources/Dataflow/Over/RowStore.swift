// RowStore: rows of one width that come and go, at addresses that do not change. Slabs are filled in order; freed places are chained
// through their first word and used again, the last one first. Texts lie in an arena that is rewritten when half of it is garbage.

import CMillrace
import Columns
import Glibc
import Platform

final class RowStore: @unchecked Sendable {
    // Safe to share: one task at a time works on a partition's store.
    let width: Int
    let strings: [Int]
    private let stride: Int
    private var slabs: [UnsafeMutableRawPointer] = []
    private var used = 0
    private var slabRows = 0
    private var free: UnsafeMutableRawPointer?
    private var slabBytes = 0
    private(set) var count = 0
    private(set) var arena = ByteArena()

    init(width: Int, strings: [Int]) {
        self.width = width
        self.strings = strings
        stride = max((width + 7) & ~7, 8)
    }

    deinit { for slab in slabs { StateMemory.shared.free(slab) } }

    var byteCount: Int { slabBytes + arena.byteCount }

    private func place() -> UnsafeMutableRawPointer {
        count += 1
        if let place = free {
            free = place.load(as: UnsafeMutableRawPointer?.self)
            return place
        }
        if used == slabRows {
            // Slabs grow with the store, so that a small one stays small.
            slabRows = min(max(slabRows * 2, 8), max((4 << 20) / stride, 8))
            let size = slabRows * stride
            let slab = StateMemory.shared.allocate(size)
            if let slab, size > 2 << 20 { millrace_advise_large(slab, size) }
            slabs.append(slab ?? Buffer(byteCount: .max).base)
            slabBytes += size
            used = 0
        }
        used += 1
        return slabs[slabs.count - 1] + (used - 1) * stride
    }

    /// A copy of a row, its texts in the arena.
    func keep(_ row: UnsafeRawPointer) -> UnsafeMutableRawPointer {
        let target = place()
        memcpy(target, row, width)
        for offset in strings {
            target.storeBytes(
                of: arena.copy(row.loadUnaligned(fromByteOffset: offset, as: StringView.self)), toByteOffset: offset, as: StringView.self)
        }
        return target
    }

    /// Copies of `n` rows, which may lie anywhere: they and their texts are fetched ahead.
    @inline(__always)
    func keep(count n: Int, _ row: (Int) -> UnsafeRawPointer, kept: (Int, UnsafeMutableRawPointer) -> Void) {
        // In a local while it is written to: a property would be checked for exclusive access at every text.
        var texts = ByteArena()
        swap(&texts, &arena)
        defer { swap(&texts, &arena) }
        let width = width
        let strings = strings
        for index in 0..<n {
            if index &+ 12 < n { Prefetch.row(row(index &+ 12), width: width) }
            if index &+ 6 < n { Prefetch.texts(row(index &+ 6), strings) }
            let source = row(index)
            let target = place()
            memcpy(target, source, width)
            for offset in strings {
                let view = source.loadUnaligned(fromByteOffset: offset, as: StringView.self)
                target.storeBytes(of: texts.copy(view), toByteOffset: offset, as: StringView.self)
            }
            kept(index, target)
        }
    }

    func release(_ row: UnsafeMutableRawPointer) {
        for offset in strings { arena.garbageByteCount += row.loadUnaligned(fromByteOffset: offset, as: StringView.self).count }
        row.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = row
        count -= 1
    }

    /// Rewrites the arena when it is worth it; `each` calls its argument with every row that is in use.
    func compactIfNeeded(_ each: ((UnsafeMutableRawPointer) -> Void) -> Void) {
        guard arena.wantsCompaction else { return }
        var fresh = ByteArena()
        let strings = strings
        each { row in
            for offset in strings {
                let view = row.loadUnaligned(fromByteOffset: offset, as: StringView.self)
                row.storeBytes(of: fresh.copy(view), toByteOffset: offset, as: StringView.self)
            }
        }
        arena = fresh
    }

    func removeAll() {
        for slab in slabs { StateMemory.shared.free(slab) }
        slabs.removeAll()
        used = 0
        slabRows = 0
        slabBytes = 0
        free = nil
        count = 0
        arena.removeAll()
    }

    func write(_ row: UnsafeRawPointer, to writer: inout StateWriter) {
        RankLayout.write(row, width: width, strings: strings, to: &writer)
    }

    func read(from reader: inout StateReader) throws(StateError) -> UnsafeMutableRawPointer {
        let target = place()
        memset(target, 0, width)
        try RankLayout.read(into: target, width: width, strings: strings, arena: &arena, from: &reader)
        return target
    }
}

/// Brings packed rows into the cache before they are copied.
enum Prefetch {
    @inline(__always)
    static func row(_ row: UnsafeRawPointer, width: Int) {
        var offset = 0
        while offset < width {
            millrace_prefetch(row + offset)
            offset &+= 64
        }
    }

    /// The beginnings of a row's texts; the row should be there.
    @inline(__always)
    static func texts(_ row: UnsafeRawPointer, _ strings: [Int]) {
        for offset in strings {
            let view = row.loadUnaligned(fromByteOffset: offset, as: StringView.self)
            millrace_prefetch(view.pointer)
            if view.count > 64 { millrace_prefetch(view.pointer + 64) }
        }
    }
}
