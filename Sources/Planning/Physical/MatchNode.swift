// MatchNode: MATCH_RECOGNIZE.

import Columns

package struct MatchNode: Hashable, Sendable {
    package var outputTypes: [SQLType]
    package init(outputTypes: [SQLType]) { self.outputTypes = outputTypes }
}
