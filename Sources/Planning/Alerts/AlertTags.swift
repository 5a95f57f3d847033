// AlertTags: the tags of columns that rules have added, so that each is written once.
//
// A tag is all that an expression is, as text (`AlertNode.tags`). To write it takes many times as long as to bind the expression, and a group is planned anew
// for each rule that comes or goes: a thousand rules with conditions of their own were half a million texts. Equal expressions have equal texts, so what is
// known is looked up instead. The whole group is still bound each time: what a rule's condition is depends on the others' through the aggregates and
// subqueries that they share, and a plan put together from pieces would have to be the same as the one that the next start makes.

package final class AlertTags: @unchecked Sendable {
    // Safe to share: whoever plans holds the catalog's lock.
    private var texts: [BoundExpression: String] = [:]
    /// A text has about a thousand bytes. When there are more of them, all are forgotten: those of rules that are gone with the others.
    private static let countMax = 1 << 14
    /// How many had to be written.
    package private(set) var writtenCount = 0

    package init() {}

    func text(of expression: BoundExpression) -> String {
        if let text = texts[expression] { return text }
        let text = Self.write(expression)
        if texts.count >= Self.countMax { texts.removeAll() }
        texts[expression] = text
        writtenCount += 1
        return text
    }

    static func write(_ expression: BoundExpression) -> String { PhysicalPlan.withoutSpelling(String(reflecting: expression)) }
}
