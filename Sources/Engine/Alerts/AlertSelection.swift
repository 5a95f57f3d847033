// AlertSelection: which instances a selector means, by name and labels.
//
// A label that an instance has not is the empty text (Prometheus). Names of labels are compared as they stand; the name of an alert without regard
// to case, as names are everywhere.

import Syntax

extension AlertSelector {
    package func selects(_ transition: AlertTransition) -> Bool { selects(alert: transition.alert, labels: transition.labelSet) }

    package func selects(alert name: String, labels: [String: String]) -> Bool {
        if let alert, alert.last.name.lowercased() != name.lowercased() { return false }
        return matchers.allSatisfy { $0.matches(labels[$0.label.name] ?? "") }
    }
}

extension LabelMatcher {
    package func matches(_ text: String) -> Bool {
        switch comparison {
        case .equal: text == values.first
        case .unequal: text != values.first
        case .like: LabelMatcher.isLike(text, values.first ?? "")
        case .unlike: !LabelMatcher.isLike(text, values.first ?? "")
        case .among: values.contains(text)
        case .notAmong: !values.contains(text)
        }
    }

    /// `%` any text, `_` any character, a backslash takes the next one as it stands. Goes back to the last `%` only: at most length times length steps.
    static func isLike(_ text: String, _ pattern: String) -> Bool {
        enum Part: Equatable { case any, one, letter(Unicode.Scalar) }
        var parts: [Part] = []
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            switch (isEscaped, scalar) {
            case (false, "\\"):
                isEscaped = true
                continue
            case (false, "%"): parts.append(.any)
            case (false, "_"): parts.append(.one)
            default: parts.append(.letter(scalar))
            }
            isEscaped = false
        }
        if isEscaped { parts.append(.letter("\\")) }
        let letters = Array(text.unicodeScalars)
        var (at, part) = (0, 0)
        var retry: (at: Int, part: Int)?
        while at < letters.count {
            if part < parts.count, parts[part] == .any {
                retry = (at, part)
                part += 1
            } else if part < parts.count, parts[part] == .one || parts[part] == .letter(letters[at]) {
                at += 1
                part += 1
            } else if let last = retry {
                retry = (last.at + 1, last.part)
                (at, part) = (last.at + 1, last.part + 1)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .any }
    }
}

/// While an alert of `source` fires, those of `target` with equal values of some labels are not told.
package struct InhibitionRule: Hashable, Sendable {
    package var name: String
    package var target: AlertSelector
    package var source: AlertSelector
    package var equal: [String]

    package init(name: String, target: AlertSelector, source: AlertSelector, equal: [String]) {
        self.name = name
        self.target = target
        self.source = source
        self.equal = equal
    }

    package init(_ create: CreateInhibition) {
        self.init(name: create.name.last.name, target: create.target, source: create.source, equal: create.equal.map(\.name))
    }

    /// Whether a firing instance keeps another quiet. One that is both source and target is kept quiet by none that is both (Alertmanager), so nothing
    /// keeps itself quiet.
    package func inhibits(_ quiet: AlertTransition, by firing: AlertTransition) -> Bool {
        let (quietLabels, firingLabels) = (quiet.labelSet, firing.labelSet)
        guard target.selects(alert: quiet.alert, labels: quietLabels), source.selects(alert: firing.alert, labels: firingLabels) else { return false }
        guard equal.allSatisfy({ (quietLabels[$0] ?? "") == (firingLabels[$0] ?? "") }) else { return false }
        let isQuietBoth = source.selects(alert: quiet.alert, labels: quietLabels)
        let isFiringBoth = target.selects(alert: firing.alert, labels: firingLabels)
        return !(isQuietBoth && isFiringBoth)
    }
}
