// NotificationStatement: who is told of alerts, and who is not: notifiers, silences, inhibitions, acknowledgement.

package indirect enum NotificationStatement: Hashable, Sendable {
    case createNotifier(CreateNotifier)
    case createInhibition(CreateInhibition)
    /// `SILENCE alerts FOR INTERVAL '2' HOUR [COMMENT 'why']`.
    case silence(AlertSelector, duration: Expression, comment: String?)
    /// `UNSILENCE 3, 4`: the digits as they were written.
    case unsilence([String], span: SourceSpan)
    /// `ACKNOWLEDGE alerts [INSTANCE 'fingerprint'] [COMMENT 'who looks at it']`.
    case acknowledge(AlertSelector, instance: String?, comment: String?)

    /// The words it begins with.
    package var name: String {
        switch self {
        case .createNotifier: "CREATE NOTIFIER"
        case .createInhibition: "CREATE INHIBITION"
        case .silence: "SILENCE"
        case .unsilence: "UNSILENCE"
        case .acknowledge: "ACKNOWLEDGE"
        }
    }
}

/// `CREATE [OR REPLACE] NOTIFIER [IF NOT EXISTS] name WITH (type = 'webhook', ..)`.
package struct CreateNotifier: Hashable, Sendable {
    package var name: QualifiedName
    package var orReplace: Bool
    package var ifNotExists: Bool
    package var options: [Option]

    package init(name: QualifiedName, orReplace: Bool, ifNotExists: Bool, options: [Option]) {
        self.name = name
        self.orReplace = orReplace
        self.ifNotExists = ifNotExists
        self.options = options
    }
}

/// `CREATE [OR REPLACE] INHIBITION [IF NOT EXISTS] name OF alerts BY alerts [EQUAL (label, ..)]`.
package struct CreateInhibition: Hashable, Sendable {
    package var name: QualifiedName
    package var orReplace: Bool
    package var ifNotExists: Bool
    /// Those that are kept quiet,
    package var target: AlertSelector
    /// while one of these fires
    package var source: AlertSelector
    /// with the same values of these labels.
    package var equal: [Identifier]

    package init(name: QualifiedName, orReplace: Bool, ifNotExists: Bool, target: AlertSelector, source: AlertSelector, equal: [Identifier]) {
        self.name = name
        self.orReplace = orReplace
        self.ifNotExists = ifNotExists
        self.target = target
        self.source = source
        self.equal = equal
    }
}

/// `[ALERT] name`, `WHERE label = 'value' AND ..`, or both: some instances of alerts.
package struct AlertSelector: Hashable, Sendable {
    package var alert: QualifiedName?
    package var matchers: [LabelMatcher]

    package init(alert: QualifiedName?, matchers: [LabelMatcher]) {
        self.alert = alert
        self.matchers = matchers
    }
}

/// `label = 'value'`. A label that an instance has not is the empty text, as in Prometheus.
package struct LabelMatcher: Hashable, Sendable {
    package enum Comparison: String, Hashable, Sendable { case equal = "=", unequal = "<>", like = "LIKE", unlike = "NOT LIKE", among = "IN", notAmong = "NOT IN" }

    package var label: Identifier
    package var comparison: Comparison
    /// One, and for IN one or more.
    package var values: [String]

    package init(label: Identifier, comparison: Comparison, values: [String]) {
        self.label = label
        self.comparison = comparison
        self.values = values
    }
}

extension NotificationStatement: SpanStripping {
    @inline(never)
    package func strippingSpans() -> NotificationStatement {
        switch self {
        case .createNotifier(var create):
            create.name = create.name.strippingSpans()
            create.options = create.options.strippingSpans()
            return .createNotifier(create)
        case .createInhibition(var create):
            create.name = create.name.strippingSpans()
            create.target = create.target.strippingSpans()
            create.source = create.source.strippingSpans()
            create.equal = create.equal.strippingSpans()
            return .createInhibition(create)
        case .silence(let selector, let duration, let comment):
            return .silence(selector.strippingSpans(), duration: duration.strippingSpans(), comment: comment)
        case .unsilence(let ids, _): return .unsilence(ids, span: .none)
        case .acknowledge(let selector, let instance, let comment):
            return .acknowledge(selector.strippingSpans(), instance: instance, comment: comment)
        }
    }
}

extension AlertSelector: SpanStripping {
    package func strippingSpans() -> AlertSelector { AlertSelector(alert: alert.strippingSpans(), matchers: matchers.strippingSpans()) }
}

extension LabelMatcher: SpanStripping {
    package func strippingSpans() -> LabelMatcher { LabelMatcher(label: label.strippingSpans(), comparison: comparison, values: values) }
}
