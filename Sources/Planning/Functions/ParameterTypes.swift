// ParameterTypes: of which type `$1`, `$2`, .. are, found from where they stand, as PostgreSQL does it.
//
// The statement is planned with a NULL in the place of each parameter. A NULL takes the type of what it meets (the column it is compared with or inserted
// into, the argument of a function), always by way of `ExpressionTyping.cast`; the first type that the NULL at a parameter's place is given is the
// parameter's. One that never meets anything is a text. What the client has declared stands: such a NULL has its type from the beginning.

import Columns
import Syntax

package final class ParameterTypes: @unchecked Sendable {
    // Safe to share: reached by the one thread that plans the statement.
    @TaskLocal static var current: ParameterTypes?

    /// By the byte at which a parameter stands, its number from 0.
    private var numbers: [Int: Int] = [:]
    private var types: [SQLType?]

    package init(_ places: [(number: Int, span: SourceSpan)], declared: [SQLType?]) {
        types = declared
        for place in places where place.number >= 1 && place.number <= declared.count { numbers[place.span.start] = place.number - 1 }
    }

    /// Runs `body`, which plans the statement, and notes the types.
    package func whileNoting<Result>(_ body: () throws -> Result) rethrows -> Result { try Self.$current.withValue(self, operation: body) }

    package var found: [SQLType] { types.map { $0 ?? .text } }

    /// Notes the type that a NULL at a place was given, when a statement is being planned for its parameters.
    package static func note(_ span: SourceSpan, _ type: SQLType) { current?.note(span, type) }

    func note(_ span: SourceSpan, _ type: SQLType) {
        guard type != .null, let number = numbers[span.start], types[number] == nil else { return }
        types[number] = type
    }
}
