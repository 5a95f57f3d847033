// RelationSummary: the streams, tables and views of an engine with their columns, for whoever shows them.

import Columns
import Planning

package struct RelationSummary: Sendable {
    package struct Column: Sendable {
        package var name: String
        /// As SQL writes it.
        package var type: String
        package var isNumeric: Bool
        package var isTime: Bool
    }

    package var name: String
    /// `STREAM`, `TABLE` or `VIEW`.
    package var kind: String
    /// nil for a view.
    package var connector: String?
    /// Whether its rows lie in the log, so that it can be tailed and appended to.
    package var isLog: Bool
    package var isChangelog: Bool
    package var eventTimeColumn: String?
    package var columns: [Column]
}

extension Engine {
    package func relationSummaries() -> [RelationSummary] {
        catalogObjects().compactMap { object in
            switch object.definition {
            case .relation(let relation):
                RelationSummary(
                    name: object.name, kind: object.kindName, connector: relation.connector, isLog: stream(of: object) != nil,
                    isChangelog: relation.isChangelog, eventTimeColumn: relation.watermark.map { relation.columns[$0.column].name },
                    columns: relation.columns.map { .init(name: $0.name, type: $0.type) })
            case .view(_, let schema):
                RelationSummary(
                    name: object.name, kind: object.kindName, connector: nil, isLog: false, isChangelog: false, eventTimeColumn: nil,
                    columns: schema.fields.map { .init(name: $0.name, type: $0.type) })
            case .query, .function, .alert, .notifier, .inhibition: nil
            }
        }
    }
}

extension RelationSummary.Column {
    init(name: String, type: SQLType) {
        self.init(name: name, type: type.name, isNumeric: type.isNumeric, isTime: type.isTimestamp || type == .date)
    }
}
