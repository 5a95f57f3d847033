// PlanReport: a deployment's plan for people, and what differs between files and what runs.
//
//     create   stream takings               shop.sql, line 9
//     change   query takings                shop.sql, line 12
//                keep    aggregate over TUMBLE(..)
//     keep     3 definitions
//     not in these files: stream old, query old

import Engine
import Syntax

enum PlanReport {
    static func text(_ plan: DeploymentPlan) -> String {
        var text = ""
        let shown = plan.items.filter { $0.action != .keep }
        let width = shown.map(\.definition.title.count).max() ?? 0
        for item in shown {
            let padding = String(repeating: " ", count: width - item.definition.title.count)
            let action = item.action.rawValue + String(repeating: " ", count: 9 - item.action.rawValue.count)
            let place = item.definition.place.map { "   \($0.path), line \($0.line)" } ?? "   in no file"
            text += "\(action)\(item.definition.title)\(padding)\(place)\n"
            for note in item.notes { text += "           \(note)\n" }
        }
        let kept = plan.items.filter { $0.action == .keep && $0.definition.place != nil }
        if !kept.isEmpty { text += "keep     \(kept.count == 1 ? kept[0].definition.title : "\(kept.count) definitions")\n" }
        let left = plan.unmentioned.filter { other in !plan.items.contains { $0.action == .drop && $0.definition.key == other.key } }
        if !left.isEmpty { text += "not in these files: \(left.map(\.title).joined(separator: ", "))\n" }
        return text
    }

    /// Unified, object by object; empty when there is no difference.
    static func difference(_ plan: DeploymentPlan) -> String {
        var text = ""
        for item in plan.items where item.action != .keep {
            let place = item.definition.place.map { "\($0.path), line \($0.line)" } ?? "in no file"
            let before = item.before.map(\.normal) ?? ""
            let after = item.action == .drop ? "" : item.before.map { item.definition.resolvingMoments(like: $0).normal } ?? item.definition.normal
            text += "--- \(item.definition.title)\(item.before == nil ? " (there is none)" : " (runs)")\n"
            text += "+++ \(item.definition.title) (\(place))\n"
            if before == after { text += " its text is the same, its plan changes \(item.notes.first ?? "")\n" } else { text += UnifiedDifference.lines(before, after) }
        }
        return text
    }
}

/// The lines of two texts, with those that were taken away and added, and three lines around them.
enum UnifiedDifference {
    private static let contextLines = 3

    static func lines(_ before: String, _ after: String) -> String {
        let old = before.isEmpty ? [] : before.split(separator: "\n", omittingEmptySubsequences: false)
        let new = after.isEmpty ? [] : after.split(separator: "\n", omittingEmptySubsequences: false)
        let width = new.count + 1
        var lengths = [Int32](repeating: 0, count: (old.count + 1) * width)
        for row in old.indices.reversed() {
            for column in new.indices.reversed() {
                lengths[row * width + column] =
                    old[row] == new[column]
                    ? lengths[(row + 1) * width + column + 1] + 1 : max(lengths[(row + 1) * width + column], lengths[row * width + column + 1])
            }
        }
        var marked: [(mark: String, text: Substring, old: Int, new: Int)] = []
        var (row, column) = (0, 0)
        while row < old.count || column < new.count {
            if row < old.count, column < new.count, old[row] == new[column] {
                marked.append((" ", old[row], row, column))
                row += 1
                column += 1
            } else if row < old.count, column == new.count || lengths[(row + 1) * width + column] >= lengths[row * width + column + 1] {
                marked.append(("-", old[row], row, column))
                row += 1
            } else {
                marked.append(("+", new[column], row, column))
                column += 1
            }
        }
        var text = ""
        var index = 0
        while let change = marked[index...].firstIndex(where: { $0.mark != " " }) {
            let first = max(index, change - contextLines)
            var last = change
            var next = change
            while next < marked.count, next - last <= contextLines * 2 {
                if marked[next].mark != " " { last = next }
                next += 1
            }
            let end = min(marked.count, last + 1 + contextLines)
            let hunk = marked[first..<end]
            let oldCount = hunk.count { $0.mark != "+" }
            let newCount = hunk.count { $0.mark != "-" }
            text += "@@ -\(oldCount == 0 ? 0 : marked[first].old + 1),\(oldCount) +\(newCount == 0 ? 0 : marked[first].new + 1),\(newCount) @@\n"
            for line in hunk { text += "\(line.mark)\(line.text)\n" }
            index = end
        }
        return text
    }
}
