// DeployedFiles: what files of definitions say: each object once, and settings with which queries are planned.

import Engine
import Syntax

struct DeployedFiles {
    /// In the order of the files.
    private(set) var definitions: [Definition] = []
    /// `SET` statements, in their order.
    private(set) var settings: [String] = []
    let paths: [String]

    init(_ paths: [String], values: [String: String]) throws {
        self.paths = paths
        var seen: [Definition.Key: Definition.Place] = [:]
        for path in paths {
            do {
                let script = try Script(path: path, values: values)
                for statement in script.statements {
                    let sql = DeployedFiles.text(statement.span, in: script.source)
                    let place = Definition.Place(path: script.name, source: script.source, span: statement.span)
                    if case .set = statement.statement.kind {
                        settings.append(sql)
                        continue
                    }
                    guard let definition = Definition(statement.statement, sql: sql, place: place) else {
                        throw place.error("a deployed file has definitions only", hint: "CREATE STREAM, TABLE, VIEW, FUNCTION and QUERY; `millrace run` executes other statements")
                    }
                    if case .createRelation(let create) = statement.statement.kind, case .query? = create.source {
                        throw place.error("CREATE .. AS SELECT cannot be deployed", hint: "define the stream with its columns, and a CREATE QUERY that writes it")
                    }
                    if let before = seen.updateValue(place, forKey: definition.key) {
                        throw place.error("\(definition.title) is defined twice, first in \(before.path), line \(before.line)")
                    }
                    definitions.append(definition)
                }
            } catch let error as EngineError {
                throw error
            } catch {
                throw ErrorInFile(error: error, path: path)
            }
        }
    }

    private static func text(_ span: SourceSpan, in source: String) -> String {
        let bytes = Array(source.utf8)
        return String(decoding: bytes[max(0, span.start)..<min(span.end, bytes.count)], as: UTF8.self)
    }
}

extension Definition.Place {
    func error(_ message: String, hint: String? = nil) -> StatementError {
        StatementError(error: SQLError(message, at: firstLine, hint: hint), source: source)
    }

    /// The caret stands under the statement's first line.
    private var firstLine: SourceSpan {
        let bytes = Array(source.utf8)
        let end = bytes[span.start..<span.end].firstIndex(of: UInt8(ascii: "\n")) ?? span.end
        return SourceSpan(start: span.start, end: end)
    }
}
