// AlertAction: what a person has done about alerts, as a row of the stream `alert_actions`.
//
//   at          TIMESTAMP(3)   when, by the clock of the engine
//   action      VARCHAR        silence, unsilence, acknowledge
//   id          BIGINT         of a silence: 1, 2, ..; what UNSILENCE names
//   alert       VARCHAR        of an acknowledgement: the alert, the instance, and the transition with which it began to fire
//   instance    VARCHAR
//   transition  BIGINT
//   selector    VARCHAR        of a silence: which instances, as SILENCE takes it
//   until       TIMESTAMP(3)   of a silence: when it ends by itself
//   comment     VARCHAR
//   author      VARCHAR        the user of the connection
//
// The stream is the memory of silences and acknowledgements (AlertBoard folds it), and their history for whoever asks later. It is made with the first of
// them and kept for ever: a row is a hundred bytes, written by a person.

import Columns
import Syntax

package struct AlertAction: Hashable, Sendable {
    package enum Kind: String, Sendable { case silence, unsilence, acknowledge }

    package var atMicroseconds: Int64 = 0
    package var kind: Kind
    package var id: Int64 = 0
    package var alert = ""
    package var fingerprint = ""
    package var transition: Int64 = 0
    package var selector = ""
    package var untilMicroseconds: Int64 = 0
    package var comment = ""
    package var author = ""

    package init(_ kind: Kind) { self.kind = kind }

    package static let streamName = "alert_actions"
    static let definition = """
        CREATE STREAM \(streamName) (at TIMESTAMP(3), action VARCHAR, id BIGINT, alert VARCHAR, instance VARCHAR, transition BIGINT, selector VARCHAR, \
        until TIMESTAMP(3), comment VARCHAR, author VARCHAR)
        """
    private static let types: [SQLType] = [
        .timestamp(precision: 3), .text, .bigint, .text, .text, .bigint, .text, .timestamp(precision: 3), .text, .text,
    ]

    static func batch(_ actions: [AlertAction]) -> RowBatch {
        func number(_ number: Int64) -> Value { number == 0 ? .null : .integer(number) }
        func text(_ text: String) -> Value { text.isEmpty ? .null : .string(text) }
        let rows = actions.map { action in
            [
                Value.integer(action.atMicroseconds), .string(action.kind.rawValue), number(action.id), text(action.alert), text(action.fingerprint),
                number(action.transition), text(action.selector), number(action.untilMicroseconds), text(action.comment), text(action.author),
            ]
        }
        return RowBatch.make(rows, types: types)
    }

    /// nil for a row that is none of these.
    package init?(_ batch: RowBatch, row: Int) {
        guard batch.columns.count == Self.types.count else { return nil }
        func text(_ index: Int) -> String { if case .string(let text) = batch.columns[index].value(at: row) { text } else { "" } }
        func number(_ index: Int) -> Int64 { if case .integer(let number) = batch.columns[index].value(at: row) { number } else { 0 } }
        guard let kind = Kind(rawValue: text(1)) else { return nil }
        self.init(kind)
        atMicroseconds = number(0)
        id = number(2)
        alert = text(3)
        fingerprint = text(4)
        transition = number(5)
        selector = text(6)
        untilMicroseconds = number(7)
        comment = text(8)
        author = text(9)
    }
}
