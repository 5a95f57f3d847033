// AlertStatement: rules that watch a query, and what can be asked of them.

package indirect enum AlertStatement: Hashable, Sendable {
    case create(CreateAlert)
    /// `DROP ALERT [IF EXISTS] name, ..`.
    case drop(names: [QualifiedName], ifExists: Bool)
    /// `PAUSE ALERT name`, `RESUME ALERT name`.
    case pause(QualifiedName, isPaused: Bool)
    case describe(QualifiedName)
    /// `SHOW CREATE ALERT name`.
    case showCreate(QualifiedName)
    case test(TestAlert)

    func strippingSpans() -> AlertStatement {
        switch self {
        case .create(let create): .create(create.strippingSpans())
        case .drop(let names, let ifExists): .drop(names: names.strippingSpans(), ifExists: ifExists)
        case .pause(let name, let isPaused): .pause(name.strippingSpans(), isPaused: isPaused)
        case .describe(let name): .describe(name.strippingSpans())
        case .showCreate(let name): .showCreate(name.strippingSpans())
        case .test(let test): .test(test.strippingSpans())
        }
    }
}

/// `CREATE [OR REPLACE] ALERT [IF NOT EXISTS] name AS query clauses WITH (..)`.
package struct CreateAlert: Hashable, Sendable {
    /// `WHEN n OF m EVALUATIONS`: both integer literals.
    package struct Quorum: Hashable, Sendable {
        package var needed: Expression
        package var of: Expression

        package init(needed: Expression, of: Expression) {
            self.needed = needed
            self.of = of
        }
    }

    /// `ON NO DATA FOR INTERVAL .. FIRE | RESOLVE | KEEP`.
    package struct NoData: Hashable, Sendable {
        package enum Action: String, Hashable, Sendable, CaseIterable { case fire = "FIRE", resolve = "RESOLVE", keep = "KEEP" }

        package var interval: Expression
        package var action: Action

        package init(interval: Expression, action: Action) {
            self.interval = interval
            self.action = action
        }
    }

    package var name: QualifiedName
    package var orReplace = false
    package var ifNotExists = false
    package var query: Query
    /// `RESOLVE WHEN condition`.
    package var resolve: Expression?
    /// `KEY (a, b)`; nil when it is not written, so that it is found out.
    package var key: [Identifier]?
    /// `FOR INTERVAL ..`: how long the condition must hold.
    package var hold: Expression?
    /// `KEEP FIRING FOR INTERVAL ..`.
    package var keepFiring: Expression?
    package var quorum: Quorum?
    package var noData: NoData?
    package var options: [Option] = []

    package init(name: QualifiedName, query: Query) {
        self.name = name
        self.query = query
    }

    func strippingSpans() -> CreateAlert {
        var alert = self
        alert.name = name.strippingSpans()
        alert.query = query.strippingSpans()
        alert.resolve = resolve?.strippingSpans()
        alert.key = key?.strippingSpans()
        alert.hold = hold?.strippingSpans()
        alert.keepFiring = keepFiring?.strippingSpans()
        alert.quorum = quorum.map { Quorum(needed: $0.needed.strippingSpans(), of: $0.of.strippingSpans()) }
        alert.noData = noData.map { NoData(interval: $0.interval.strippingSpans(), action: $0.action) }
        alert.options = options.strippingSpans()
        return alert
    }
}

/// `TEST ALERT name | AS query clauses [FROM timestamp] [TO timestamp]`.
package struct TestAlert: Hashable, Sendable {
    package enum Subject: Hashable, Sendable {
        case name(QualifiedName)
        /// Its name is empty.
        case rule(CreateAlert)
    }

    package var subject: Subject
    package var from: Expression?
    package var to: Expression?

    package init(subject: Subject, from: Expression?, to: Expression?) {
        self.subject = subject
        self.from = from
        self.to = to
    }

    func strippingSpans() -> TestAlert {
        let subject: Subject = switch self.subject {
        case .name(let name): .name(name.strippingSpans())
        case .rule(let rule): .rule(rule.strippingSpans())
        }
        return TestAlert(subject: subject, from: from?.strippingSpans(), to: to?.strippingSpans())
    }
}
