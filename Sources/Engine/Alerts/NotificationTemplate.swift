// NotificationTemplate: a notifier's own body: a text with `{{ name }}` in it, filled for each transition.
//
// Names are the columns of the stream `alerts`, and entries of its maps: `{{ labels.team }}`, `{{ values.cpu }}`. They are checked when the notifier is
// created; an entry that a transition has not is empty. A template that is JSON when it is filled with plain words is JSON: then texts are escaped as within
// a JSON string, and maps, lists and numbers are written as JSON, so that whatever an alert carries, the body stays JSON. Any other template is plain
// text, and nothing is escaped.

import Columns
import Syntax

package struct NotificationTemplate: Hashable, Sendable {
    private enum Piece: Hashable, Sendable {
        case text(String)
        case name(String)
    }

    static let names = [
        "alert", "annotations", "cause", "event_time", "from_state", "instance", "key", "keys", "labels", "notify", "processed_at", "reason", "severity",
        "to_state", "transition", "values",
    ]
    private static let maps = ["keys", "labels", "annotations", "values"]

    private var pieces: [Piece] = []
    package private(set) var isJSON = false

    package init(_ text: String, at span: SourceSpan) throws(SQLError) {
        var rest = text[...]
        while let open = Self.find("{{", in: rest) {
            pieces.append(.text(String(rest[..<open])))
            rest = rest[rest.index(open, offsetBy: 2)...]
            guard let close = Self.find("}}", in: rest) else {
                throw SQLError("the \"{{\" in the template is not closed", at: span, hint: "write {{ alert }}", code: SQLError.invalidParameter)
            }
            var name = rest[..<close]
            while name.first == " " { name.removeFirst() }
            while name.last == " " { name.removeLast() }
            try Self.check(String(name), at: span)
            pieces.append(.name(String(name)))
            rest = rest[rest.index(close, offsetBy: 2)...]
        }
        pieces.append(.text(String(rest)))
        var sample = AlertTransition()
        sample.alert = "a"
        isJSON = true
        isJSON = JSONBody.isJSON(render(sample))
    }

    private static func check(_ name: String, at span: SourceSpan) throws(SQLError) {
        if names.contains(name) { return }
        if let dot = name.firstIndex(of: "."), maps.contains(String(name[..<dot])), name.index(after: dot) < name.endIndex { return }
        throw SQLError(
            "a template has no \"\(name)\"", at: span,
            hint: NearestName.find(name, among: names).map { "did you mean {{ \($0) }}?" }
                ?? "it has \(names.joined(separator: ", ")), and entries such as {{ labels.team }}", code: SQLError.invalidParameter)
    }

    private static func find(_ mark: String, in text: Substring) -> Substring.Index? {
        var at = text.startIndex
        while at < text.endIndex {
            if text[at...].hasPrefix(mark) { return at }
            at = text.index(after: at)
        }
        return nil
    }

    package func render(_ transition: AlertTransition) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let part): text += part
            case .name(let name): text += value(name, transition)
            }
        }
        return text
    }

    private func value(_ name: String, _ transition: AlertTransition) -> String {
        func entries(_ entries: [AlertTransition.Entry]) -> String {
            var body = JSONBody()
            body.object(entries)
            return body.text
        }
        func written(_ text: String) -> String { isJSON ? JSONBody.escaped(text) : text }
        if let dot = name.firstIndex(of: ".") {
            let entry = String(name[name.index(after: dot)...])
            return written(transition.entries(String(name[..<dot])).last { $0.name == entry }?.value ?? "")
        }
        switch name {
        case "alert": return written(transition.alert)
        case "cause": return written(transition.cause)
        case "event_time": return AlertTransition.text(transition.eventMicroseconds)
        case "processed_at": return AlertTransition.text(transition.processedMicroseconds)
        case "from_state": return transition.from.rawValue
        case "to_state": return transition.to.rawValue
        case "instance": return written(transition.fingerprint)
        case "key": return written(transition.key)
        case "notify":
            var body = JSONBody()
            body.array(transition.notify)
            return body.text
        case "reason": return written(transition.reason)
        case "severity": return written(transition.severity)
        case "transition": return String(transition.number)
        default: return entries(transition.entries(name))
        }
    }
}

extension AlertTransition {
    func entries(_ map: String) -> [Entry] {
        switch map {
        case "keys": keys
        case "labels": labels
        case "annotations": annotations
        default: values
        }
    }

    /// ISO 8601, UTC.
    package static func text(_ microseconds: Int64) -> String { TextFormat.string(.integer(microseconds), type: .timestamp(precision: 3)) + "Z" }
}
