// APIError: what a client of the HTTP interface is told when something cannot be done: a status, and a JSON object with SQLSTATE, message, place and
// hint. Also how errors of the engine become such.

import Columns
import Engine
import Syntax

package struct APIError: Error, Sendable {
    package var status: Int
    /// SQLSTATE, as PostgreSQL clients would see it.
    package var code: String
    package var message: String
    package var hint: String?
    package var line: Int?
    package var column: Int?
    /// The line with a caret under the text, for people.
    package var caret: String?
    package var headers: [(name: String, value: String)] = []

    package init(_ status: Int, _ code: String, _ message: String, hint: String? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
    }

    package static let internalError = "XX000"
    package static let connectionFailure = "08006"
    package static let protocolViolation = "08P01"

    package init(_ failure: HTTPFailure) { self.init(failure.status, Self.protocolViolation, failure.message) }

    /// Whatever has been thrown below.
    package init(_ error: any Error, status: Int = 500) {
        switch error {
        case let error as APIError: self = error
        case let error as HTTPFailure: self.init(error)
        case let error as StatementError: self.init(error.error, source: error.source)
        case let error as SQLError: self.init(error, source: nil)
        case let error as EngineError:
            self.init(error.cause?.isShortage == true ? 507 : status, error.cause?.isShortage == true ? "53100" : Self.internalError, error.description)
        default: self.init(status, Self.internalError, "\(error)")
        }
    }

    private init(_ error: SQLError, source: String?) {
        self.init(error.code == SQLError.featureNotSupported ? 501 : 400, error.code, error.message, hint: error.hint)
        guard let source else { return }
        let place = SourceLocation(offset: error.span.start, in: source)
        line = place.line
        column = place.column
        caret = Diagnostic.render(error, source: source)
    }

    /// `{"error":{...}}`
    package func append(to json: inout JSONWriter) {
        json.object {
            $0.object("error") {
                $0.member("code", code)
                $0.member("message", message)
                if let line { $0.member("line", line) }
                if let column { $0.member("column", column) }
                if let hint { $0.member("hint", hint) }
                if let caret { $0.member("text", caret) }
            }
        }
    }
}
