// Mutation tests: whatever text comes, planning answers with a plan or an error. The statements of the golden files, with tokens
// swapped, dropped, doubled and taken from elsewhere, from a seed.

import Columns
import Planning
import Syntax
import XCTest

final class MutationTests: XCTestCase {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    func testMutatedStatementsNeverCrash() throws {
        var statements: [String] = []
        for name in ["plans.txt", "nexmark.txt", "errors.txt", "definitions.txt", "explain.txt"] {
            statements += try GoldenFile(name).cases.map(\.input)
        }
        let words = statements.map { $0.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init) }
        let all = words.flatMap { $0 } + ["99999999999999999999", "-1", "NULL", "''", "9223372036854775807", "1e308", "*", "()"]
        var generator = Generator(state: 42)
        let rounds = Int(ProcessInfo.processInfo.environment["MILLRACE_FUZZ_ROUNDS"] ?? "") ?? 20_000
        var bound = 0
        for _ in 0..<rounds {
            guard var tokens = words.randomElement(using: &generator), !tokens.isEmpty else { continue }
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !tokens.isEmpty {
                let place = Int.random(in: 0..<tokens.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: tokens.remove(at: place)
                case 1: tokens[place] = all.randomElement(using: &generator) ?? "1"
                case 2: tokens.insert(all.randomElement(using: &generator) ?? "1", at: place)
                case 3: tokens.swapAt(place, Int.random(in: 0..<tokens.count, using: &generator))
                default: tokens.insert(tokens[place], at: place)
                }
            }
            let source = tokens.joined(separator: " ")
            guard let parsed = try? Parser.parseScript(source) else { continue }
            for statement in parsed.map(\.statement) { if plan(statement) { bound += 1 } }
        }
        XCTAssertGreaterThan(bound, rounds / 100, "hardly any mutation still binds")
    }

    /// Both modes, with and without the optimiser; plans must be well-formed.
    private func plan(_ statement: Statement) -> Bool {
        var isBound = false
        for usesOptimizer in [true, false] {
            var options = PlannerOptions()
            options.usesOptimizer = usesOptimizer
            do {
                switch statement.kind {
                case .query(let query):
                    for mode in [nil, RunMode.continuous] {
                        let planned = try Planner.plan(query, mode: mode, catalog: TestCatalog.standard, options: options).query
                        try PlanChecker.check(planned.plan)
                        XCTAssertEqual(planned.plan.outputTypes, planned.schema.types, Printer.print(statement))
                        isBound = true
                    }
                case .insert(let insert):
                    let planned = try Planner.plan(insert, catalog: TestCatalog.standard, options: options)
                    try PlanChecker.check(planned.query.plan)
                    isBound = true
                case .createRelation(let relation): _ = try Planner.define(relation, catalog: TestCatalog.standard)
                case .createView(let view): _ = try Planner.define(view, catalog: TestCatalog.standard)
                default: _ = try Planner.explain(statement, kind: nil, catalog: TestCatalog.standard, options: options)
                }
            } catch let problem as PlanProblem {
                XCTFail("\(problem.message)\n\(Printer.print(statement))")
            } catch {}
        }
        return isBound
    }
}
