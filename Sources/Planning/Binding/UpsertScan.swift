// UpsertScan: a stream in which a row replaces the one of the same PRIMARY KEY, read as the relation that it describes.
//
// The scan gives every row with `$deleted` behind its columns: true for deletes, and for rows before an update. An aggregation keeps the last row of each key, in order of arrival; a filter leaves out the keys whose last row
// deletes them. So the relation's own changes come out, with the row that was replaced taken back. The key of a deleted row is
// remembered: nothing says that it will not come again.
//
// Event time does not survive this: a row that is replaced is taken back whenever that happens. The stream's watermark is not used, but
// where versions are looked up by event time (an as-of join): there the rows are read as they came, a delete being a version that says that there is none.

import Columns
import Syntax

enum UpsertScan {
    /// The stream as its rows came.
    static func versions(_ relation: RelationDefinition) -> RelationDefinition {
        guard relation.isUpsert else { return relation }
        var raw = relation
        raw.options[RelationDefinition.versionsOption] = "true"
        return raw
    }

    /// Output: the physical columns.
    static func plan(_ relation: RelationDefinition, mode: RunMode, span: SourceSpan) throws(SQLError) -> LogicalPlan {
        let fields = relation.scanSchema.fields
        let physical = relation.physicalColumns
        let keys = relation.primaryKey.compactMap { column in physical.firstIndex(of: column) }
        let values = fields.indices.filter { !keys.contains($0) }
        let scan = LogicalPlan.scan(LogicalScan(relation: relation, columns: Array(fields.indices)))
        let row = BoundExpression(
            .call(.makeRow, values.map { .column($0, fields[$0].type) }), type: .row(values.map { fields[$0] }), span: span, text: relation.name)
        let last = LogicalAggregateCall(
            function: .lastValue, arguments: [row], isDistinct: false, resultType: row.type, text: "last row of \(relation.name)", span: span)
        let latest = LogicalPlan.aggregate(
            scan,
            LogicalAggregate(
                keys: keys.map { LogicalColumn(expression: .column($0, fields[$0].type), name: fields[$0].name) }, window: nil, calls: [last],
                emit: nil, isDistinct: false, allowedLatenessMicroseconds: 0, span: span))
        func value(_ ordinal: Int) -> BoundExpression {
            if let key = keys.firstIndex(of: ordinal) { return .column(key, fields[ordinal].type) }
            let place = values.firstIndex(of: ordinal) ?? 0
            return BoundExpression(.field(.column(keys.count, row.type), place), type: fields[ordinal].type, span: span)
        }
        let isPresent = BoundExpression(.not(value(fields.count - 1)), type: .boolean, span: span)
        return .project(
            .filter(latest, isPresent),
            (0..<fields.count - 1).map { LogicalColumn(expression: value($0), name: fields[$0].name) })
    }
}
