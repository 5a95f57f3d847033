// Golden tests: statements to plans, wrong statements to errors as a person reads them, definitions to what is kept of them.

import Columns
import Planning
import Syntax
import XCTest

final class GoldenTests: XCTestCase {
    func testPlans() throws {
        let file = try GoldenFile("plans.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 100)
        try file.check { Self.output($0, kind: .physical) }
    }

    func testNexmark() throws { try GoldenFile("nexmark.txt").check { Self.output($0, kind: .physical) } }

    func testExplain() throws { try GoldenFile("explain.txt").check { Self.output($0, kind: nil) } }

    func testJoins() throws {
        let file = try GoldenFile("joins.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 40)
        try file.check { Self.output($0, kind: .physical) }
    }

    func testJoinErrors() throws {
        let file = try GoldenFile("join_errors.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 20)
        try file.check { Self.output($0, kind: .physical) }
        for item in file.cases { XCTAssertTrue(item.expected.hasPrefix("error: "), "line \(item.line) is no error") }
    }

    func testErrors() throws {
        let file = try GoldenFile("errors.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 60)
        try file.check { Self.output($0, kind: .physical) }
        for item in file.cases { XCTAssertTrue(item.expected.hasPrefix("error: "), "line \(item.line) is no error") }
    }

    /// What people who know Flink, PostgreSQL or Kinesis get wrong.
    func testMistakes() throws {
        let file = try GoldenFile("mistakes.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 200)
        XCTAssertEqual(Set(file.cases.map(\.input)).count, file.cases.count, "a statement twice")
        try file.check { Self.output($0, kind: .physical) }
        for item in file.cases { XCTAssertTrue(item.expected.hasPrefix("error: "), "line \(item.line) is no error") }
    }

    func testWindowFunctions() throws {
        let file = try GoldenFile("over.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 15)
        try file.check { Self.output($0, kind: .physical) }
    }

    func testWindowFunctionErrors() throws {
        let file = try GoldenFile("over_errors.txt")
        XCTAssertGreaterThanOrEqual(file.cases.count, 40)
        try file.check { Self.output($0, kind: .physical) }
        for item in file.cases { XCTAssertTrue(item.expected.hasPrefix("error: "), "line \(item.line) is no error") }
    }

    func testDefinitions() throws { try GoldenFile("definitions.txt").check { Self.output($0, kind: .physical) } }

    /// CREATE FUNCTION, calls of what it made, and what is wrong with either.
    func testFunctions() throws { try GoldenFile("functions.txt").check { Self.output($0, kind: .logical) } }

    /// Every plan has the types that it says it has, with the optimiser and without, and the same columns either way.
    func testPlansAreWellFormed() throws {
        for name in ["plans.txt", "nexmark.txt", "explain.txt", "joins.txt", "over.txt"] {
            for item in try GoldenFile(name).cases {
                var catalog = TestCatalog.standard
                for parsed in try Parser.parseScript(item.input) {
                    var statement = parsed.statement
                    if case .explain(_, let inner) = statement.kind { statement = inner }
                    var plans: [PlannedQuery] = []
                    for usesOptimizer in [true, false] {
                        var options = PlannerOptions()
                        options.usesOptimizer = usesOptimizer
                        switch statement.kind {
                        case .query(let query):
                            plans.append(try Planner.plan(query, catalog: catalog, options: options).query)
                        case .insert(let insert): plans.append(try Planner.plan(insert, catalog: catalog, options: options).query)
                        case .createRelation(let relation) where usesOptimizer: try catalog.define(relation)
                        case .createView(let view) where usesOptimizer: try catalog.define(view)
                        default: break
                        }
                    }
                    for planned in plans {
                        try PlanChecker.check(planned.plan)
                        XCTAssertEqual(planned.plan.outputTypes, planned.schema.types, item.input)
                    }
                    if plans.count == 2 {
                        XCTAssertEqual(plans[0].schema, plans[1].schema, item.input)
                        XCTAssertEqual(plans[0].changelog, plans[1].changelog, item.input)
                        XCTAssertEqual(plans[0].notices, plans[1].notices, item.input)
                    }
                }
            }
        }
    }

    /// What planning makes of a script: definitions go into the catalog, the rest is explained.
    static func output(_ source: String, kind: ExplainKind?, options: PlannerOptions = PlannerOptions()) -> String {
        do {
            var catalog = TestCatalog.standard
            var lines: [String] = []
            for parsed in try Parser.parseScript(source) {
                switch parsed.statement.kind {
                case .createRelation(let relation):
                    let definition = try Planner.define(relation, catalog: catalog)
                    catalog.add(definition)
                    lines += describe(definition)
                case .createView(let view):
                    let (definition, schema) = try Planner.define(view, catalog: catalog)
                    catalog.add(definition)
                    lines.append("view \(definition.name): " + describe(schema))
                case .createFunction(let function):
                    let made = try Planner.define(function, catalog: catalog)
                    catalog.add(made)
                    lines.append("function \(made.signature) \(made.result.name)")
                default:
                    lines += try Planner.explain(parsed.statement, kind: kind, catalog: catalog, options: options)
                    if case .query(let query) = parsed.statement.kind {
                        lines.append("columns: " + describe(try Planner.plan(query, catalog: catalog, options: options).query.schema))
                    }
                }
            }
            return lines.joined(separator: "\n")
        } catch { return Diagnostic.render(error, source: source) + "\ncode: \(error.code)" }
    }

    private static func describe(_ schema: Schema) -> String {
        schema.fields.map { "\($0.name) \($0.type.name)" }.joined(separator: ", ")
    }

    private static func describe(_ relation: RelationDefinition) -> [String] {
        var lines = ["\(relation.kind.rawValue) \(relation.name), connector \(relation.connector)"]
        for column in relation.columns {
            let computed = column.computed.map { " AS " + Printer.print($0) } ?? ""
            lines.append("  \(column.name) \(column.type.name)\(column.isNotNull ? " NOT NULL" : "")\(computed)")
        }
        if let watermark = relation.watermark {
            lines.append("  watermark for \(relation.columns[watermark.column].name): \(Printer.print(watermark.expression))")
        }
        if !relation.partitionBy.isEmpty {
            lines.append("  partition by " + relation.partitionBy.map { relation.columns[$0].name }.joined(separator: ", "))
        }
        if !relation.primaryKey.isEmpty {
            lines.append("  primary key " + relation.primaryKey.map { relation.columns[$0].name }.joined(separator: ", "))
        }
        if relation.shardCount != 1 { lines.append("  \(relation.shardCount) shards") }
        if let microseconds = relation.retainedMicrosecondsMax { lines.append("  retain \(microseconds) µs") }
        if let bytes = relation.retainedBytesMax { lines.append("  retain \(bytes) bytes") }
        for (key, value) in relation.options.sorted(by: { $0.key < $1.key }) { lines.append("  \(key) = \(value)") }
        return lines
    }
}
