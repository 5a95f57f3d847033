// ExpressionTyping: from operands with known types to a typed expression: overload resolution, implicit casts, result types. The binder
// resolves names and calls these; every conversion comes back as an explicit `.cast`.

import Columns
import Syntax

package enum ExpressionTyping {
    /// A scalar function by name (any case). Unknown names and unsuitable arguments are errors with the nearest name or the
    /// signatures that exist as a hint. `text` is the call as SQL.
    package static func call(
        _ name: Identifier, _ arguments: [BoundExpression], span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        throw SQLError("function \(name.name) does not exist", at: name.span, code: SQLError.undefinedFunction)
    }

    package static func binary(
        _ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan,
        text: String
    ) throws(SQLError) -> BoundExpression {
        throw SQLError("operator does not exist", at: operatorSpan, code: SQLError.undefinedFunction)
    }

    package static func unary(_ operation: UnaryOperator, _ operand: BoundExpression, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        throw SQLError("operator does not exist", at: span, code: SQLError.undefinedFunction)
    }

    /// LIKE, ILIKE, SIMILAR TO; not negated (the binder wraps `.not`).
    package static func like(
        _ operand: BoundExpression, pattern: BoundExpression, escape: BoundExpression?, kind: LikeKind, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        throw SQLError("LIKE is not there yet", at: span, code: SQLError.featureNotSupported)
    }

    /// The expression as another type; itself when it already has it. Constants are folded (a text constant becomes the typed value
    /// at once, and an invalid one is an error here, with its place). Throws when the mode does not allow the conversion:
    /// assignment allows numbers among themselves, dates and timestamps among themselves, anything to text, NULL to all.
    package static func cast(
        _ operand: BoundExpression, to type: SQLType, mode: CastMode, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        var copy = operand
        copy.type = type
        return copy
    }

    /// The type to which all of these convert without loss, as for CASE, COALESCE, UNION, IN and VALUES; nil when there is none. NULL
    /// suits every type. An untyped text constant takes the type of the others.
    package static func commonType(_ types: [SQLType]) -> SQLType? { types.first }

    /// A literal as written.
    package static func literal(_ literal: Literal, span: SourceSpan) throws(SQLError) -> BoundExpression {
        throw SQLError("literal is not there yet", at: span)
    }

    /// The type a type name stands for.
    package static func type(_ name: TypeName) throws(SQLError) -> SQLType {
        throw SQLError("type is not there yet", at: name.span)
    }

    /// An INTERVAL constant in microseconds, as windows and watermarks want it; nil for anything else or when it has months.
    package static func constantMicroseconds(_ expression: BoundExpression) -> Int64? { nil }

    /// The names that a call could have meant: for suggestions and for completion at the prompt; sorted.
    package static var functionNames: [String] { [] }
}
