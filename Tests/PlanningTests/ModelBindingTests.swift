// Calls of every anomaly function there is: what they give, and that the same call is made once.

import Anomaly
import Columns
import Planning
import Syntax
import XCTest

final class ModelBindingTests: XCTestCase {
    private func plan(_ sql: String) throws -> PlannedQuery {
        try Planner.plan(try Parser.parseQuery(sql), mode: .continuous, catalog: TestCatalog.standard, options: PlannerOptions()).query
    }

    private func overs(_ plan: PhysicalPlan) -> [OverNode] {
        var nodes = plan.inputs.flatMap(overs)
        if case .over(_, let node) = plan { nodes.append(node) }
        return nodes
    }

    func testEveryFunctionGivesWhatItSays() throws {
        XCTAssertGreaterThan(ModelFunction.all.count, 0)
        XCTAssertEqual(Set(ModelFunction.names).count, ModelFunction.all.count)
        for function in ModelFunction.all {
            XCTAssertEqual(function.name, function.name.lowercased())
            XCTAssertEqual(Set(function.outputs.map(\.name)).count, function.outputs.count, function.name)
            let columns = Array(repeating: "price", count: max(function.valueCount.lowerBound, 1)).joined(separator: ", ")
            let found = try plan("SELECT STREAM \(function.name)(\(columns)) OVER (PARTITION BY auction ORDER BY dateTime) AS a FROM bid")
            XCTAssertEqual(found.schema.types, [function.resultType])
            XCTAssertEqual(found.changelog, .appendOnly)
            let node = try XCTUnwrap(overs(found.plan).first)
            guard case .model(let model) = node.calls.first?.function else { return XCTFail("no model") }
            XCTAssertEqual(model.function, function.name)
            XCTAssertEqual(model.parameterBits.count, function.parameters.count)
            XCTAssertGreaterThan(model.stateByteCount, 0)
            // Written out, the standard is the same.
            for (parameter, bits) in zip(function.parameters, model.parameterBits) where !parameter.standard.isNaN {
                XCTAssertEqual(bits, parameter.standard.bitPattern, "\(function.name) \(parameter.name)")
                guard case .interval = parameter.kind else {
                    let written = try plan(
                        "SELECT STREAM \(function.name)(\(columns), \(parameter.name) => \(parameter.text(parameter.standard))) OVER (PARTITION BY auction ORDER BY dateTime) AS a FROM bid")
                    XCTAssertEqual(overs(written.plan).first?.calls.first?.function, node.calls.first?.function)
                    continue
                }
            }
        }
    }

    func testTheSameCallIsMadeOnce() throws {
        let found = try plan(
            """
            SELECT STREAM (anomaly(price) OVER w).score, (ANOMALY(price) OVER w).grade, (anomaly(bid.price) OVER (PARTITION BY auction ORDER BY dateTime)).expected
            FROM bid WINDOW w AS (PARTITION BY auction ORDER BY dateTime) QUALIFY (anomaly(price) OVER w).grade > 0
            """)
        let nodes = overs(found.plan)
        XCTAssertEqual(nodes.count, 1)
        XCTAssertEqual(nodes.first?.calls.count, 1)
        XCTAssertEqual(found.schema.types, [.double, .double, .double])
    }

    func testFieldsAreKnown() throws {
        XCTAssertThrowsError(try plan("SELECT STREAM (anomaly(price) OVER (ORDER BY dateTime)).scor FROM bid")) { error in
            let error = error as? SQLError
            XCTAssertEqual(error?.code, SQLError.undefinedColumn)
            XCTAssertTrue(error?.hint?.contains("score") ?? false, "\(String(describing: error))")
        }
    }

    /// Other window functions over the same window have an operator of their own.
    func testModelsShareNoOperatorWithOthers() throws {
        let nodes = overs(
            try plan("SELECT STREAM lag(price) OVER w, zscore(price) OVER w, zscore(price, points => 7) OVER w, count(*) OVER w FROM bid WINDOW w AS (ORDER BY dateTime)").plan)
        XCTAssertEqual(nodes.map { $0.calls.count }.sorted(), [2, 2])
        for node in nodes { XCTAssertEqual(Set(node.calls.map(\.function.isModel)).count, 1) }
    }

    /// Keys that rest are let go of only when somebody says so.
    func testTimeToLive() throws {
        let sql = "SELECT STREAM zscore(price) OVER (PARTITION BY auction ORDER BY dateTime) FROM bid"
        let kept = try plan(sql)
        XCTAssertNil(overs(kept.plan).first?.stateTTLMicroseconds)
        XCTAssertTrue(kept.notices.contains { $0.contains("grows with the number of keys") && $0.contains("bytes each") }, "\(kept.notices)")
        var options = PlannerOptions()
        options.stateTTLMicroseconds = 60_000_000
        let bounded = try Planner.plan(try Parser.parseQuery(sql), mode: .continuous, catalog: TestCatalog.standard, options: options).query
        XCTAssertEqual(overs(bounded.plan).first?.stateTTLMicroseconds, 60_000_000)
        XCTAssertEqual(bounded.notices, [])
    }
}
