// What a relation's options say about reading changes, for the decoders.

import Columns
import Planning

extension DecodingOptions {
    mutating func readChanges(of relation: RelationDefinition) {
        isDebezium = relation.isDebezium
        isUpsert = relation.isUpsert
        changeKindKey = relation.readsChangeKinds ? "op" : nil
        let physical = relation.physicalColumns
        columnsOfKey = Set(relation.primaryKey.compactMap { column in physical.firstIndex(of: column) })
    }
}
