// Session: executes statements, one after the other, for one user.
//
// A session owns settings and nothing else; streams, tables, views and saved queries belong to the engine and are seen by every
// session. Each family of statements has its own file beside this one.

import Columns
import Dataflow
import Planning
import Platform
import Syntax

package final class Session {
    let engine: Engine
    var settings: SessionSettings
    /// For whom it speaks.
    package var identity = SessionIdentity()
    private let defaults: SessionSettings
    private(set) var notices: [String] = []
    /// The statement being executed, for errors that come while its rows are pulled.
    private(set) var place = StatementPlace(source: "", span: .none)

    init(engine: Engine) {
        self.engine = engine
        defaults = SessionSettings(engine.options)
        settings = defaults
    }

    package func setting(_ name: String) -> String? { settings.text(of: name) }

    /// What the last statement wants people to know; empties the list.
    package func takeNotices() -> [String] {
        defer { notices = [] }
        return notices
    }

    func note(_ text: String) { notices.append(text) }

    /// Executes a statement of `source`. Throws a StatementError (with its place) or an EngineError.
    package func execute(_ statement: ParsedStatement, source: String) throws -> StatementResult {
        place = StatementPlace(source: source, span: statement.span)
        return try locating(source) { try perform(statement.statement, text: Session.text(of: statement.span, in: source)) }
    }

    /// Gives every error of `body` its place in the source.
    func locating<Result>(_ source: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as SQLError {
            throw StatementError(error: error, source: source)
        } catch let error as ExpressionFailure {
            throw place.located(error)
        } catch let error as EngineError {
            throw error
        } catch let error as StatementError {
            throw error
        } catch {
            throw EngineError("\(error)")
        }
    }

    private func perform(_ statement: Statement, text: String) throws -> StatementResult {
        switch statement.kind {
        case .query(let query): return try select(query)
        case .insert(let insert): return try self.insert(insert, text: text)
        case .createRelation(let create): return try createRelation(create, text: text)
        case .createView(let create): return try createView(create, text: text)
        case .createQuery(let create): return try createQuery(create, text: text)
        case .alterQuery(let create): return try alterQuery(create, text: text)
        case .alterStream(let alter): return try alterStream(alter)
        case .createFunction(let create): return try createFunction(create, text: text)
        case .drop(.function, let names, let ifExists): return try dropFunctions(names, ifExists: ifExists)
        case .drop(let kind, let names, let ifExists) where kind == .notifier || kind == .inhibition:
            return try dropNotifications(kind, names, ifExists: ifExists)
        case .notification(let inner): return try perform(inner)
        case .drop(let kind, let names, let ifExists): return try drop(kind, names, ifExists: ifExists)
        case .show(let kind): return .rows(try show(kind))
        case .describe(let name): return .rows(try describe(name))
        case .describeQuery(let name): return .rows(try describeQuery(name))
        case .pause(let kind, let name, let isPaused): return try pause(kind, name, isPaused: isPaused)
        case .explainAnalyze(.query(let name)): return .rows(Session.plan(try analyze(name)))
        case .explainAnalyze(.statement(let inner)): return .rows(Session.plan(try analyze(inner)))
        case .explainWatermark(let name): return .rows(Session.plan(try explainWatermark(name)))
        case .explain(let kind, let inner):
            if case .alterQuery(let create) = inner.kind, kind == nil { return .rows(Session.plan(try explainAlter(create))) }
            let lines = try engine.withCatalog { catalog throws(SQLError) in
                try Planner.explain(inner, kind: kind, catalog: catalog, options: plannerOptions)
            }
            return .rows(Session.plan(lines))
        case .alert(let alert): return try self.alert(alert, text: text)
        case .set(let name, _) where SessionSettings.isWithoutMeaning(name.name):
            note("setting \(name.name) has no meaning here")
            return .done(tag: "SET")
        case .reset(let name) where SessionSettings.isWithoutMeaning(name.name): return .done(tag: "RESET")
        case .set(let name, let value):
            try settings.set(name, to: value)
            return .done(tag: "SET")
        case .reset(let name):
            try settings.reset(name, to: defaults)
            return .done(tag: "RESET")
        case .connection(.showSetting(let name)):
            guard let text = settings.text(of: name.name) else { throw SessionSettings.unknown(name) }
            return .rows(Cursor(schema: Session.textSchema([name.name.lowercased()]), rows: [[.string(text)]]))
        case .connection(let inner): throw inner.needsConnection(at: statement.span)
        }
    }

    private static func plan(_ lines: [String]) -> Cursor {
        Cursor(schema: Schema([.init(name: "plan", type: .text)]), rows: lines.map { [.string($0)] })
    }

    var plannerOptions: PlannerOptions {
        var options = PlannerOptions()
        options.rules = settings.optimizerRules
        options.evaluate = { (try? CompiledExpression.compile($0))?.constantValue }
        options.allowedLatenessMicroseconds = settings.allowedLatenessMicroseconds
        options.stateTTLMicroseconds = settings.stateTTLMicroseconds == 0 ? nil : settings.stateTTLMicroseconds
        return options
    }

    var runnerSettings: RunnerSettings {
        var runner = RunnerSettings()
        runner.batchRows = settings.batchRows
        runner.epochRowsMax = settings.epochRowsMax
        runner.checkpointIntervalMicroseconds = settings.checkpointIntervalMicroseconds
        runner.partitionCount = settings.partitionCount
        return runner
    }

    static func text(of span: SourceSpan, in source: String) -> String {
        let bytes = Array(source.utf8)
        let start = max(0, min(span.start, bytes.count))
        let end = max(start, min(span.end, bytes.count))
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }
}

/// Where a statement stands.
struct StatementPlace: Sendable {
    var source: String
    var span: SourceSpan

    func located(_ failure: ExpressionFailure) -> StatementError {
        StatementError(error: failure.located(in: source, within: span), source: source)
    }
}

/// A row of a plain SELECT on which an expression failed.
struct ExpressionFailure: Error {
    var message: String
    var expression: String

    /// With its place, where the expression stands in the statement as it is printed; else at the statement's begin.
    func located(in source: String, within span: SourceSpan) -> SQLError {
        let text = Array(source.utf8)
        let wanted = Array(expression.utf8)
        var place = SourceSpan(start: span.start, end: min(span.end, span.start + 6))
        if !wanted.isEmpty, wanted.count <= text.count {
            let last = min(span.end, text.count) - wanted.count
            if span.start <= last, let start = (span.start...last).first(where: { text[$0..<$0 + wanted.count].elementsEqual(wanted) }) {
                place = SourceSpan(start: start, end: start + wanted.count)
            }
        }
        return SQLError(
            expression.isEmpty ? message : "\(message) in \(expression)", at: place, hint: "TRY_CAST and NULLIF give NULL instead",
            code: SQLError.numericOutOfRange)
    }
}
