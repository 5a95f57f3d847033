// AlertStream: the stream `alerts`, which every transition of every alert goes to, exactly once.
//
//   alert         VARCHAR                 the rule's name
//   instance      VARCHAR                 16 hexadecimal digits, a hash of the key's values: the same for a rule and a key for ever
//   keys          MAP<VARCHAR, VARCHAR>   the key's columns
//   transition    BIGINT                  1, 2, .. within an instance; what has been used is not used again, but some may be left out when an instance
//                                         that had been forgotten comes back
//   from_state    VARCHAR                 inactive, pending, firing
//   to_state      VARCHAR                 inactive, pending, firing, resolved; a resolved instance is inactive from then on
//   event_time    TIMESTAMP(3)            when, by the clock of the records; the stream's time attribute
//   processed_at  TIMESTAMP(3)            when, by the epoch's clock
//   severity, labels, annotations         the rule's, their templates filled
//   values        MAP<VARCHAR, VARCHAR>   the select list of the last evaluation of the key
//   cause         VARCHAR                 that row as a JSON object
//   reason        VARCHAR                 condition, condition ended, no data, data again, rule dropped, rule changed
//   notify        ARRAY<VARCHAR>          who is to be told
//   key           VARCHAR                 `<alert>/<instance>/<when the rule began>-<transition>`: never the same for two transitions; what receivers
//                                         outside recognise a repetition by
//
// An ordinary stream of one shard, made with the first alert, kept 30 days. It is read and joined like any other; only alerts write to it.

import Columns
import Planning
import Syntax

package enum AlertStream {
    package static let name = "alerts"

    /// Late rows are not expected beyond this: rules of several queries write here, each in its own event time.
    static let definition = """
        CREATE STREAM \(name) (\(AlertColumns.schema.fields.map { "\(Printer.quote($0.name)) \($0.type.name)" }.joined(separator: ", ")), \
        WATERMARK FOR \(AlertColumns.eventTime) AS \(AlertColumns.eventTime) - INTERVAL '1' MINUTE) RETAIN INTERVAL '30' DAY
        """
}

extension Engine {
    /// The stream `alerts`, made when it is not there; an error when something else has its name.
    func alertStream() throws -> CatalogObject {
        if object(named: AlertStream.name) == nil {
            guard let statement = try Parser.parseScript(AlertStream.definition).first?.statement, case .createRelation(let create) = statement.kind else {
                throw EngineError("the stream \(AlertStream.name) cannot be defined")
            }
            let relation = try withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
            try createRelation(relation, sql: AlertStream.definition)
        }
        guard let object = object(named: AlertStream.name), let relation = object.relation, relation.connector == "log",
            relation.physicalSchema.fields.map(\.name) == AlertColumns.schema.fields.map(\.name), relation.physicalSchema.types == AlertColumns.schema.types
        else {
            throw EngineError(
                "transitions of alerts go to a stream \"\(AlertStream.name)\", and there is something else of that name: drop it, or give it another name")
        }
        return object
    }
}
