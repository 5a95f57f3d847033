// Printer+Notification: statements about who is told of alerts.

extension Printer {
    @inline(never)
    static func notification(_ statement: NotificationStatement) -> String {
        switch statement {
        case .createNotifier(let create):
            return self.create("NOTIFIER", create.name, orReplace: create.orReplace, ifNotExists: create.ifNotExists)
                + (create.options.isEmpty ? " WITH ()" : " WITH (\n\(options(create.options))\n)")
        case .createInhibition(let create):
            return self.create("INHIBITION", create.name, orReplace: create.orReplace, ifNotExists: create.ifNotExists) + " OF \(selector(create.target)) BY "
                + selector(create.source) + (create.equal.isEmpty ? "" : " EQUAL (\(names(create.equal)))")
        case .silence(let selector, let duration, let text):
            return "SILENCE \(self.selector(selector)) FOR \(expression(duration))" + comment(text)
        case .unsilence(let ids, _): return "UNSILENCE " + ids.joined(separator: ", ")
        case .acknowledge(let selector, let instance, let text):
            return "ACKNOWLEDGE \(self.selector(selector))" + (instance.map { " INSTANCE \(string($0))" } ?? "") + comment(text)
        }
    }

    private static func comment(_ text: String?) -> String { text.map { " COMMENT \(string($0))" } ?? "" }

    /// As SILENCE takes it.
    package static func selector(_ selector: AlertSelector) -> String {
        // The word goes before the name: so one that is called ALERT, or like a clause, is read back as a name.
        var parts = selector.alert.map { ["ALERT " + qualified($0)] } ?? []
        if !selector.matchers.isEmpty { parts.append("WHERE " + selector.matchers.map(matcher).joined(separator: " AND ")) }
        return parts.joined(separator: " ")
    }

    private static func matcher(_ matcher: LabelMatcher) -> String {
        let values = matcher.values.map { string($0) }.joined(separator: ", ")
        let isList = matcher.comparison == .among || matcher.comparison == .notAmong
        return "\(quote(matcher.label.name)) \(matcher.comparison.rawValue) " + (isList ? "(\(values))" : values)
    }
}
