// WindowGrid: where windows and slices begin and end. Pure arithmetic on event times, in microseconds, saturating at the ends of Int64.
//
// Windows that share an alignment cut time into slices: pieces that belong to exactly the same windows. State is kept per slice.
//
//   TUMBLE    a slice is a window
//   HOP       two slices per slide (paired windows: Krishnamurthy, Wu, Franklin 2006): windows begin at k * slide and end at
//             k * slide + (size mod slide); one when the size is a multiple of the slide
//   CUMULATE  a slice is a step
//
// Every time belongs to the slice [start, end) that contains it, however near to the ends of Int64 it is.

import Planning

package struct WindowGrid: Sendable {
    package enum Kind: Sendable { case tumble, hop, cumulate }

    let kind: Kind
    let size: Int64
    /// Slide of a HOP, step of a CUMULATE, the size of a TUMBLE.
    let step: Int64
    let offset: Int64
    /// Where a HOP's windows end within a slide; 0 when at its start.
    private let remainder: Int64

    /// nil for sessions and for shapes with a length that is not positive.
    package init?(_ shape: WindowShape) {
        switch shape {
        case .tumble(let size, let offset):
            kind = .tumble
            self.size = size
            step = size
            self.offset = offset
        case .hop(let size, let slide, let offset):
            kind = .hop
            self.size = size
            step = slide
            self.offset = offset
        case .cumulate(let size, let step, let offset):
            kind = .cumulate
            self.size = size
            self.step = step
            self.offset = offset
            guard step > 0, size % step == 0 else { return nil }
        case .session: return nil
        }
        guard size > 0, step > 0 else { return nil }
        remainder = kind == .hop ? size % step : 0
    }

    @inline(__always)
    static func add(_ a: Int64, _ b: Int64) -> Int64 {
        let sum = a.addingReportingOverflow(b)
        return sum.overflow ? (b < 0 ? .min : .max) : sum.partialValue
    }

    @inline(__always)
    static func subtract(_ a: Int64, _ b: Int64) -> Int64 {
        let difference = a.subtractingReportingOverflow(b)
        return difference.overflow ? (b < 0 ? .max : .min) : difference.partialValue
    }

    /// The largest multiple of `unit` (plus the offset) at or before `time`.
    package func floor(_ time: Int64, _ unit: Int64) -> Int64 {
        let base = Int128(time) - Int128(offset)
        var multiple = base - base % Int128(unit)
        if multiple > base { multiple -= Int128(unit) }
        return Int64(clamping: multiple + Int128(offset))
    }

    /// The slice that contains `time`.
    package func slice(_ time: Int64) -> (start: Int64, end: Int64) {
        let start = floor(time, step)
        let next = WindowGrid.add(start, step)
        guard remainder > 0 else { return (start, next) }
        let cut = WindowGrid.add(start, remainder)
        return time < cut ? (start, cut) : (cut, next)
    }

    /// Whether any window contains times of the slice that begins here; a HOP whose slide is longer than its size leaves gaps.
    package func isCovered(sliceStart start: Int64) -> Bool {
        kind != .hop || step <= size || start < WindowGrid.add(floor(start, step), size)
    }

    /// The end of the first window that contains the slice.
    package func firstEnd(sliceStart start: Int64) -> Int64 {
        switch kind {
        case .tumble, .cumulate: return WindowGrid.add(floor(start, step), step)
        case .hop:
            let base = floor(start, step)
            if step >= size { return WindowGrid.add(base, size) }
            guard remainder > 0 else { return WindowGrid.add(base, step) }
            let cut = WindowGrid.add(base, remainder)
            return start < cut ? cut : WindowGrid.add(cut, step)
        }
    }

    /// The end of the last window that contains the slice.
    package func lastEnd(sliceStart start: Int64) -> Int64 { WindowGrid.add(floor(start, kind == .cumulate ? size : step), size) }

    /// The window that ends at `end`.
    package func start(windowEnd end: Int64) -> Int64 {
        kind == .cumulate ? floor(WindowGrid.subtract(end, 1), size) : WindowGrid.subtract(end, size)
    }

    /// The end of the first window that ends after `time`.
    package func nextEnd(after time: Int64) -> Int64 {
        let shifted = kind == .hop ? remainder : 0
        return WindowGrid.add(WindowGrid.add(floor(WindowGrid.subtract(time, shifted), step), shifted), step)
    }

    /// The windows that contain `time`, the earliest first.
    package func windows(containing time: Int64, _ body: (_ start: Int64, _ end: Int64) -> Void) {
        switch kind {
        case .tumble:
            let start = floor(time, size)
            body(start, WindowGrid.add(start, size))
        case .hop:
            let last = floor(time, step)
            // The number of windows that begin after time - size, at or before time.
            let span = Int128(time) - Int128(last)
            guard span < Int128(size) else { return }
            var back = (Int128(size) - 1 - span) / Int128(step)
            while back >= 0 {
                let start = Int64(clamping: Int128(last) - back * Int128(step))
                body(start, WindowGrid.add(start, size))
                back -= 1
            }
        case .cumulate:
            let start = floor(time, size)
            var end = WindowGrid.add(floor(time, step), step)
            let last = WindowGrid.add(start, size)
            while end < last {
                body(start, end)
                end = WindowGrid.add(end, step)
            }
            body(start, last)
        }
    }
}
