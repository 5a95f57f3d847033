// BoundExpression: an expression whose names are column ordinals and whose types are known. All conversions are explicit: every
// operand already has the type that its function wants, so evaluation never looks for a cast.

import Columns
import Syntax

package struct BoundExpression: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        case constant(Value)
        /// An ordinal of the input batch.
        case column(Int)
        /// Strict unless the function's documentation says otherwise: NULL in, NULL out.
        case call(ScalarFunction, [BoundExpression])
        case cast(BoundExpression, CastMode)
        /// A field of a ROW, by its number.
        case field(BoundExpression, Int)
        /// Three-valued; the right operands are evaluated only on rows that the left ones leave open, so that
        /// `x <> 0 AND 1 / x > 2` does not fail.
        case and([BoundExpression])
        case or([BoundExpression])
        case not(BoundExpression)
        case isNull(BoundExpression, negated: Bool)
        /// Membership among constants of the operand's own type. A NULL among them makes a miss NULL.
        case inSet(BoundExpression, [Value], negated: Bool)
        /// Each result is evaluated only on the rows that reach it.
        case caseWhen([BoundBranch], otherwise: BoundExpression?)
        /// The first that is not NULL; later ones are evaluated only where needed.
        case coalesce([BoundExpression])
        /// The epoch's one reading of the clock, TIMESTAMPTZ(6).
        case epochClock
    }

    package var kind: Kind
    package var type: SQLType
    /// Where it stands in the statement.
    package var span: SourceSpan
    /// The expression as SQL, for the messages of rows that fail; empty where it cannot fail.
    package var text: String

    package init(_ kind: Kind, type: SQLType, span: SourceSpan = .none, text: String = "") {
        self.kind = kind
        self.type = type
        self.span = span
        self.text = text
    }

    package static func column(_ ordinal: Int, _ type: SQLType, span: SourceSpan = .none) -> BoundExpression {
        BoundExpression(.column(ordinal), type: type, span: span)
    }

    package static func constant(_ value: Value, _ type: SQLType, span: SourceSpan = .none) -> BoundExpression {
        BoundExpression(.constant(value), type: type, span: span)
    }
}

package struct BoundBranch: Hashable, Sendable {
    package var condition: BoundExpression
    package var result: BoundExpression

    package init(condition: BoundExpression, result: BoundExpression) {
        self.condition = condition
        self.result = result
    }
}

package enum CastMode: Hashable, Sendable {
    /// `CAST(x AS t)`: a text too long for VARCHAR(n) is cut; a fraction made an integer is truncated.
    case explicit
    /// Into a column by INSERT: a text too long is an error.
    case assignment
    /// `TRY_CAST`: what cannot be converted is NULL.
    case attempt
}
