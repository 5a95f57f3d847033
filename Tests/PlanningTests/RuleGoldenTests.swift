// Every rule of the optimiser on plans that it changes: the first line of a case names the rule, and what comes out is the plan with it and the
// plan without it, all other rules as they are.

import Columns
import Planning
import Syntax
import XCTest

final class RuleGoldenTests: XCTestCase {
    func testEveryRule() throws {
        let file = try GoldenFile("rules.txt")
        try file.check(Self.output)
        var seen: Set<OptimizerRule> = []
        for item in file.cases {
            let rule = try XCTUnwrap(Self.rule(item.input), "line \(item.line) names no rule")
            seen.insert(rule)
            let parts = item.expected.components(separatedBy: "without \(rule.rawValue):\n")
            XCTAssertEqual(parts.count, 2, "line \(item.line)")
            // Off is off: the rule is in the list of those that changed something when it may run, and only then.
            XCTAssertTrue(Self.rulesLine(parts[0]).contains(rule.rawValue), "line \(item.line): the rule changes nothing")
            XCTAssertFalse(Self.rulesLine(parts[1]).contains(rule.rawValue), "line \(item.line): switched off, and it ran")
            XCTAssertNotEqual(Self.plan(parts[0]), Self.plan(parts[1]), "line \(item.line)")
        }
        XCTAssertEqual(seen, Set(OptimizerRule.allCases), "a rule has no case")
    }

    /// With and without any one rule a query has the same columns, takes rows back or not, and makes a plan that holds together.
    func testPlansHoldWithoutEachRule() throws {
        for name in ["rules.txt", "plans.txt", "nexmark.txt", "joins.txt", "over.txt"] {
            for item in try GoldenFile(name).cases {
                var catalog = TestCatalog.standard
                for parsed in try Parser.parseScript(item.input) {
                    var statement = parsed.statement
                    if case .explain(_, let inner) = statement.kind { statement = inner }
                    if case .createRelation(let relation) = statement.kind { try catalog.define(relation) }
                    if case .createView(let view) = statement.kind { try catalog.define(view) }
                    var first: PlannedQuery?
                    for left in [nil] + OptimizerRule.allCases.map(Optional.some) {
                        var options = PlannerOptions()
                        options.rules = Set(OptimizerRule.allCases)
                        if let left { options.rules.remove(left) }
                        let planned: PlannedQuery
                        switch statement.kind {
                        case .query(let query): planned = try Planner.plan(query, catalog: catalog, options: options).query
                        case .insert(let insert): planned = try Planner.plan(insert, catalog: catalog, options: options).query
                        default: continue
                        }
                        try PlanChecker.check(planned.plan)
                        XCTAssertEqual(planned.plan.outputTypes, planned.schema.types, item.input)
                        if let first {
                            XCTAssertEqual(first.schema, planned.schema, item.input)
                            XCTAssertEqual(first.changelog, planned.changelog, item.input)
                        }
                        first = first ?? planned
                    }
                }
            }
        }
    }

    static func rule(_ input: String) -> OptimizerRule? {
        guard let line = input.split(separator: "\n").first, line.hasPrefix("-- ") else { return nil }
        return OptimizerRule(rawValue: String(line.dropFirst(3)))
    }

    private static func output(_ input: String) -> String {
        guard let rule = rule(input) else { return "no rule is named" }
        // The operator graph merges projections in any case.
        let kind = rule == .mergeProjections ? ExplainKind.logical : .physical
        var parts: [String] = []
        for isOn in [true, false] {
            var options = PlannerOptions()
            if isOn { options.rules.insert(rule) } else { options.rules.remove(rule) }
            parts.append("\(isOn ? "with" : "without") \(rule.rawValue):\n" + GoldenTests.output(input, kind: kind, options: options))
        }
        return parts.joined(separator: "\n\n")
    }

    private static func rulesLine(_ text: String) -> String {
        text.split(separator: "\n").first { $0.hasPrefix("rules: ") }.map(String.init) ?? ""
    }

    private static func plan(_ text: String) -> [Substring] {
        text.split(separator: "\n").filter { !$0.hasPrefix("rules: ") && !$0.hasPrefix("with") }
    }
}
