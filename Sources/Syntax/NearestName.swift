// NearestName: which known name somebody probably meant.
//
// The distance is Damerau-Levenshtein's (insert, delete, replace, swap two neighbours; each costs one), restricted to edits that
// do not overlap. A name of one letter has no neighbours, one of up to four letters those at distance 1, a longer one those at
// distance 2: a hint that is wrong is worse than none.

package enum NearestName {
    /// The name nearest to `name`, without regard to case; the first of several equally near. nil when none is near, or when
    /// `name` itself is among them.
    package static func find(_ name: String, among candidates: [String]) -> String? {
        let wanted = Array(name.lowercased().unicodeScalars)
        var limit = wanted.count < 2 ? 0 : wanted.count < 5 ? 1 : 2
        var best: String?
        for candidate in candidates {
            let other = Array(candidate.lowercased().unicodeScalars)
            guard abs(other.count - wanted.count) <= limit, limit > 0 else { continue }
            let distance = distance(wanted, other)
            if distance == 0 { return nil }
            if distance <= limit {
                best = candidate
                limit = distance - 1
            }
        }
        return best
    }

    /// The number of edits between two words, in time proportional to the product of their lengths.
    static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        if left.isEmpty || right.isEmpty { return max(left.count, right.count) }
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in 1...left.count {
            var current = [Int](repeating: row, count: right.count + 1)
            for column in 1...right.count {
                let isSame = left[row - 1] == right[column - 1]
                var cost = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (isSame ? 0 : 1))
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    cost = min(cost, beforeLast[column - 2] + 1)
                }
                current[column] = cost
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
