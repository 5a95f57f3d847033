// MATCH_RECOGNIZE: plans, notices and what is said about wrong statements.

import Columns
import Planning
import Syntax
import XCTest

final class MatchGoldenTests: XCTestCase {
    func testPlans() throws { try GoldenFile("match_plans.txt").check { GoldenTests.output($0, kind: nil) } }

    func testErrors() throws {
        let file = try GoldenFile("match_errors.txt")
        try file.check { GoldenTests.output($0, kind: .physical) }
        for item in file.cases { XCTAssertTrue(item.expected.hasPrefix("error: "), "line \(item.line) is no error") }
    }

    /// The same columns with the optimiser and without; operands and measures of the types that they say.
    func testPlansAreWellFormed() throws {
        for item in try GoldenFile("match_plans.txt").cases {
            guard case .explain(_, let statement) = try Parser.parseStatement(item.input).kind, case .query(let query) = statement.kind else {
                return XCTFail("no query: \(item.input)")
            }
            var schemas: [Schema] = []
            for usesOptimizer in [true, false] {
                var options = PlannerOptions()
                options.usesOptimizer = usesOptimizer
                let planned = try Planner.plan(query, catalog: TestCatalog.standard, options: options).query
                try PlanChecker.check(planned.plan)
                try check(planned.plan)
                XCTAssertEqual(planned.plan.outputTypes, planned.schema.types, item.input)
                schemas.append(planned.schema)
            }
            XCTAssertEqual(schemas[0], schemas[1])
        }
    }

    private func check(_ plan: PhysicalPlan) throws {
        switch plan {
        case .match(let input, let node):
            XCTAssertEqual(node.inputTypes, input.outputTypes)
            for operand in node.operands + node.measureOperands {
                if let expression = operand.expression { try PlanChecker.check(expression, node.inputTypes) }
            }
            for measure in node.measures { try PlanChecker.check(measure, node.measureOperands.map(\.type)) }
            for definition in node.definitions { if let definition { try PlanChecker.check(definition, node.operands.map(\.type)) } }
        case .filter(let input, _), .project(let input, _), .aggregate(let input, _), .assignWindow(let input, _): try check(input)
        default: break
        }
    }
}
