// Parser: text to statements.

package struct ParsedStatement: Sendable {
    package var statement: Statement
    /// The statement's own text, without the semicolon; spans are offsets into the whole source.
    package var span: SourceSpan
}

package enum Parser {
    /// Splits and parses a script. Stops at the first error.
    package static func parseScript(_ source: String) throws(SQLError) -> [ParsedStatement] { [] }
}
