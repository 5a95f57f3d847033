// SourceSpan and Diagnostic: where in the text something stands, and what is to be said about it.

/// A half-open range of UTF-8 byte offsets in a statement's source text.
package struct SourceSpan: Hashable, Sendable {
    package var start: Int
    package var end: Int

    package init(start: Int, end: Int) {
        self.start = start
        self.end = end
    }

    /// The smallest span that covers both.
    package func union(_ other: SourceSpan) -> SourceSpan {
        SourceSpan(start: min(start, other.start), end: max(end, other.end))
    }

    package static let none = SourceSpan(start: 0, end: 0)
}

/// An error in a statement that a person can act on. Thrown by the parser and the binder alike.
package struct SQLError: Error, Hashable, Sendable {
    /// One sentence without a final stop, lower case, as in PostgreSQL: `column "prise" does not exist`.
    package var message: String
    package var span: SourceSpan
    /// What to do about it: `did you mean "price"?`
    package var hint: String?
    /// PostgreSQL's five-character SQLSTATE.
    package var code: String

    package init(_ message: String, at span: SourceSpan, hint: String? = nil, code: String = SQLError.syntaxError) {
        self.message = message
        self.span = span
        self.hint = hint
        self.code = code
    }

    package static let syntaxError = "42601"
    package static let undefinedColumn = "42703"
    package static let undefinedTable = "42P01"
    package static let undefinedFunction = "42883"
    package static let undefinedObject = "42704"
    package static let duplicateObject = "42710"
    package static let ambiguousColumn = "42702"
    package static let datatypeMismatch = "42804"
    package static let groupingError = "42803"
    package static let windowingError = "42P20"
    package static let invalidParameter = "22023"
    package static let featureNotSupported = "0A000"
    package static let programLimitExceeded = "54000"
    package static let invalidTextRepresentation = "22P02"
    package static let numericOutOfRange = "22003"
}
