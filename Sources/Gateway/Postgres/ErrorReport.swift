// ErrorReport: an error or a notice as PostgreSQL's clients show it: severity, SQLSTATE, message, detail, hint, and where in the statement.

import Engine
import Platform
import Syntax

struct ErrorReport: Error {
    enum Severity: String { case error = "ERROR", fatal = "FATAL", warning = "WARNING", notice = "NOTICE" }

    var severity = Severity.error
    var code: String
    var message: String
    var detail: String?
    var hint: String?
    /// In characters, from 1.
    var position: Int?

    init(_ severity: Severity = .error, _ code: String, _ message: String, detail: String? = nil, hint: String? = nil, position: Int? = nil) {
        self.severity = severity
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
    }

    init(_ error: SQLError, source: String) {
        self.init(.error, error.code, error.message, hint: error.hint)
        // A span of nothing at the beginning is no place.
        guard error.span.end > 0 || error.span.start > 0 else { return }
        position = String(decoding: source.utf8.prefix(error.span.start), as: UTF8.self).unicodeScalars.count + 1
    }

    /// Whatever a statement has thrown.
    init(_ error: any Error, source: String = "") {
        switch error {
        case let report as ErrorReport: self = report
        case let error as StatementError: self.init(error.error, source: error.source)
        case let error as SQLError: self.init(error, source: source)
        case let violation as ProtocolViolation: self.init(.error, violation.code, violation.message)
        case let error as EngineError:
            let isShortage = error.cause?.isShortage ?? false
            self.init(.error, isShortage ? "53100" : "58000", error.description)
        default: self.init(.error, "XX000", "\(error)")
        }
    }

    func write(_ letter: Unicode.Scalar, to writer: BackendWriter) {
        writer.message(letter) {
            func field(_ letter: Unicode.Scalar, _ text: String?) {
                guard let text else { return }
                writer.buffer.append(UInt8(ascii: letter))
                writer.string(text)
            }
            field("S", severity.rawValue)
            field("V", severity.rawValue)
            field("C", code)
            field("M", message)
            field("D", detail)
            field("H", hint)
            field("P", position.map(String.init))
            writer.buffer.append(0)
        }
    }
}
