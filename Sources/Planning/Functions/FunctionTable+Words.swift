// Words of SQL that a name must not be, for functions that quote names.

import Syntax

extension FunctionTable {
    /// Of a word in lower case.
    package static func isReservedWord(_ word: String) -> Bool { Keyword(rawValue: word.uppercased())?.isReserved ?? false }
}
