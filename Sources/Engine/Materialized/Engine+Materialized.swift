// The materialized views of an engine: their tables, and what a SELECT reads of them.

import Columns
import Planning
import ShardLog

extension Engine {
    /// The view's table, made from the log at its first use.
    func materializedTable(of object: CatalogObject) -> MaterializedTable? {
        guard let relation = object.relation, relation.isMaterializedView, let stream = stream(of: object) else { return nil }
        return withMaterializedTables { tables in
            if let table = tables[object.id] { return table }
            let table = MaterializedTable(stream, key: relation.materializedKey)
            tables[object.id] = table
            return table
        }
    }

    /// The rows of a view after one epoch, as far as the filter above the scan can be true for them.
    func snapshotSource(_ node: ScanNode, filter: BoundExpression?) throws -> any ReplayableSource {
        guard let object = object(named: node.relation.name) else { throw EngineError("there is no materialized view \(node.relation.name)") }
        try checkReadable(object)
        guard let table = materializedTable(of: object) else { throw EngineError("there is no materialized view \(node.relation.name)") }
        let bounds = MaterializedBounds.of(filter, key: node.relation.materializedKey) { ordinal in
            guard node.columns.indices.contains(ordinal), node.columns[ordinal].fields.isEmpty else { return nil }
            return node.columns[ordinal].column
        }
        return MemorySource(try table.snapshot().batch(bounds))
    }

    /// Follows the log, so that who looks need not wait for much.
    func followMaterializedViews() {
        for table in withMaterializedTables({ tables in tables.sorted { $0.key < $1.key }.map(\.value) }) {
            // What cannot be read is said to whoever reads it.
            do { try table.catchUp() } catch { continue }
        }
    }
}

extension RelationDefinition {
    /// The columns by which rows of a materialized view are found; none when every column together is the key.
    var materializedKey: [Int] {
        (options[RelationDefinition.materializedOption] ?? "").split(separator: ",").compactMap { Int($0) }.filter(columns.indices.contains)
    }
}
