// ScalarFunction: the scalar functions that evaluation knows.

/// What a `.call` does. Operators are functions too.
package enum ScalarFunction: String, Hashable, Sendable, CaseIterable {
    case add
}
