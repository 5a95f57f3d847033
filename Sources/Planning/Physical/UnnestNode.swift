// UnnestNode: each row once per element of the arrays it holds.
//
// Output: the input's columns, then the elements (the fields of ROW elements one by one, keys and values of a MAP), then the ordinal
// when asked for.

import Columns

package struct UnnestNode: Hashable, Sendable {
    /// Over the input; arrays or maps, walked side by side, the shorter ones padded with NULL.
    package var arrays: [BoundExpression]
    package var withOrdinality: Bool
    /// LEFT JOIN UNNEST: a row without elements comes once, with NULLs.
    package var keepsEmpty: Bool
    /// What comes behind the input's columns.
    package var elementTypes: [SQLType]

    package init(arrays: [BoundExpression], withOrdinality: Bool, keepsEmpty: Bool, elementTypes: [SQLType]) {
        self.arrays = arrays
        self.withOrdinality = withOrdinality
        self.keepsEmpty = keepsEmpty
        self.elementTypes = elementTypes
    }
}
