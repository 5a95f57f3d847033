// FunctionScope: the functions of CREATE FUNCTION, as the binder sees them while one statement is planned.
//
// Expressions are bound in many places (select lists, ON, computed columns, watermarks, views within views), each with a Scope of its own
// columns; functions are the same in all of them. So they are not handed from place to place: whoever enters the planner sets them for the
// length of the call, in a task-local value. One statement is planned on one thread, from begin to end.

import Columns
import Syntax

final class FunctionScope: @unchecked Sendable {
    // Safe to share: it is reached by one thread only, and dies with the call that made it.
    @TaskLocal static var current: FunctionScope?

    private let catalog: any Catalog
    /// The functions whose bodies are being bound, outermost first: one that comes again is recursive.
    private(set) var open: [String] = []
    /// In lower case, every function of the catalog that a name was resolved to.
    private(set) var used: Set<String> = []
    /// Nodes that bodies have become so far.
    private var nodeCount = 0

    /// A statement's expressions may grow to so many nodes by putting functions in: a function of a function that uses its argument
    /// twice doubles with each level.
    private static let nodeCountMax = 50_000

    init(_ catalog: any Catalog) { self.catalog = catalog }

    /// Runs `body` with the catalog's functions in reach; within another such call, with those that are there already.
    static func with<Result>(_ catalog: any Catalog, _ body: () throws(SQLError) -> Result) throws(SQLError) -> Result {
        if current != nil { return try body() }
        return try with(FunctionScope(catalog), body)
    }

    static func with<Result>(_ scope: FunctionScope, _ body: () throws(SQLError) -> Result) throws(SQLError) -> Result {
        let result: Swift.Result<Result, SQLError> = $current.withValue(scope) {
            do throws(SQLError) { return .success(try body()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    func find(_ name: String) -> UserFunction? {
        guard let function = catalog.function(named: name) else { return nil }
        used.insert(function.name.lowercased())
        return function
    }

    var names: [String] { catalog.functionNames }

    func enter(_ name: String) { open.append(name.lowercased()) }
    func leave() { open.removeLast() }

    func count(_ nodes: Int, at span: SourceSpan) throws(SQLError) {
        nodeCount += nodes
        guard nodeCount <= Self.nodeCountMax else {
            throw SQLError(
                "the functions of this statement become too large when they are put in, the limit is \(Self.nodeCountMax) operations", at: span,
                hint: "a subquery computes an argument once", code: SQLError.programLimitExceeded)
        }
    }
}
