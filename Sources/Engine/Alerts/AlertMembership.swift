// AlertMembership: as part of which running query an alert is evaluated, as the catalog keeps it.

import Planning

package struct AlertMembership: Hashable, Sendable {
    /// The number of the query's folder and of the producer in the frames of `alerts`: the id of the group's first rule, which may be gone.
    package var group: UInt64 = 0
    /// The rule looks at the epochs of its group behind this one; when it retires, it is these that it no longer looks at.
    package var afterEpoch: UInt64 = 0
    /// Why its instances are being ended, while they are.
    package var retirement: AlertReason?
    /// Rules with the same one can be in one group.
    package var signature = ""

    package init(group: UInt64 = 0, afterEpoch: UInt64 = 0, retirement: AlertReason? = nil, signature: String = "") {
        self.group = group
        self.afterEpoch = afterEpoch
        self.retirement = retirement
        self.signature = signature
    }

    /// `7:0:-:<signature>`.
    var text: String {
        let word = switch retirement {
        case .ruleDropped?: "dropped"
        case .ruleChanged?: "changed"
        default: "-"
        }
        return "\(group):\(afterEpoch):\(word):\(signature)"
    }

    init?(text: Substring) {
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        guard words.count == 4, let group = UInt64(words[0]), let afterEpoch = UInt64(words[1]) else { return nil }
        switch words[2] {
        case "-": retirement = nil
        case "dropped": retirement = .ruleDropped
        case "changed": retirement = .ruleChanged
        default: return nil
        }
        self.group = group
        self.afterEpoch = afterEpoch
        signature = String(words[3])
    }
}
