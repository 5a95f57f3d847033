// What the tests of notifiers are made of: transitions as a rule would write them, and a world that fails from a seed.

import Engine
import Platform
import Syntax

@testable import Alerting

enum Make {
    static func transition(
        _ alert: String, _ host: String, _ number: Int64, _ to: AlertTransition.State, at seconds: Int64, severity: String = "warning", labels: [String: String] = [:]
    ) -> AlertTransition {
        var transition = AlertTransition()
        transition.alert = alert
        transition.fingerprint = "f-\(host)"
        transition.keys = [.init("host", host)]
        transition.number = number
        transition.from = to == .firing ? .pending : .firing
        transition.to = to
        transition.eventMicroseconds = seconds * 1_000_000
        transition.processedMicroseconds = seconds * 1_000_000
        transition.severity = severity
        transition.labels = labels.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
        transition.values = [.init("cpu", "\(number)")]
        transition.key = "\(alert)/f-\(host)/\(number)"
        return transition
    }

    static func definition(_ options: String) throws -> NotifierDefinition {
        guard case .notification(.createNotifier(let create)) = try Parser.parseStatement("CREATE NOTIFIER ops WITH (\(options))").kind else {
            throw EngineError("no notifier")
        }
        return try NotifierDefinition(create)
    }

    static func selector(_ text: String) throws -> AlertSelector {
        guard let selector = AlertBoard.selector(text) else { throw EngineError("no selector: \(text)") }
        return selector
    }

    static func silence(_ id: Int64, _ selector: String, from: Int64, until: Int64) -> AlertAction {
        var action = AlertAction(.silence)
        action.id = id
        action.selector = selector
        action.atMicroseconds = from * 1_000_000
        action.untilMicroseconds = until * 1_000_000
        return action
    }
}
