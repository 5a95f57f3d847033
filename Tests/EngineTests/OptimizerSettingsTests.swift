// Which rules of the optimiser run is a setting of the session, and is kept with a saved query.

import Planning
import Syntax
import XCTest

@testable import Engine

final class OptimizerSettingsTests: XCTestCase {
    private func set(_ settings: inout SessionSettings, _ sql: String) throws {
        guard case .set(let name, let value) = try XCTUnwrap(try Parser.parseScript(sql).first).statement.kind else { return XCTFail(sql) }
        try settings.set(name, to: value)
    }

    func testRulesAreSwitched() throws {
        var settings = SessionSettings(EngineOptions())
        XCTAssertEqual(settings.optimizerRules, OptimizerRule.standard)
        XCTAssertFalse(OptimizerRule.standard.contains(.splitDistinct))
        XCTAssertFalse(OptimizerRule.standard.contains(.joinOrder), "it makes rows late that were not")
        try set(&settings, "SET optimizer_off = 'Shared Plans, filter  push-down'")
        XCTAssertEqual(settings.optimizerRules, OptimizerRule.standard.subtracting([.sharedPlans, .filterPushDown]))
        try set(&settings, "SET optimizer_on = 'split distinct'")
        XCTAssertTrue(settings.optimizerRules.contains(.splitDistinct))
        XCTAssertEqual(settings.text(of: "optimizer_off"), "'filter push-down, shared plans'")
        XCTAssertEqual(settings.text(of: "optimizer_on"), "'split distinct'")
        try set(&settings, "SET optimizer_on = ''")
        XCTAssertFalse(settings.optimizerRules.contains(.splitDistinct))
        XCTAssertFalse(settings.optimizerRules.contains(.sharedPlans))
        try set(&settings, "SET optimizer_off = ''")
        XCTAssertEqual(settings.optimizerRules, OptimizerRule.standard)
        try set(&settings, "SET optimizer = off")
        XCTAssertEqual(settings.optimizerRules, [])
    }

    func testUnknownRule() throws {
        var settings = SessionSettings(EngineOptions())
        XCTAssertThrowsError(try set(&settings, "SET optimizer_off = 'shard plans'")) { error in
            XCTAssertEqual((error as? SQLError)?.message, "the optimiser has no rule \"shard plans\"")
            XCTAssertEqual((error as? SQLError)?.hint, "did you mean \"shared plans\"?")
        }
        XCTAssertEqual(settings.optimizerRules, OptimizerRule.standard)
    }

    func testSavedQueriesKeepThem() throws {
        for rules in [
            OptimizerRule.standard, [], Set(OptimizerRule.allCases), OptimizerRule.standard.subtracting([.joinOrder]), [.splitDistinct, .constantFolding],
        ] {
            var settings = QuerySettings()
            settings.optimizerRules = rules
            settings.stateTTLMicroseconds = 5
            let restored = try XCTUnwrap(QuerySettings(text: Substring(settings.text)), settings.text)
            XCTAssertEqual(restored, settings, settings.text)
        }
        XCTAssertEqual(QuerySettings(text: "4:1:0")?.optimizerRules, OptimizerRule.standard)
        // Written by another version.
        XCTAssertEqual(QuerySettings(text: "4:1:0:3,99")?.optimizerRules, OptimizerRule.standard.subtracting([.filterPushDown]))
        XCTAssertNil(QuerySettings(text: "4:1"))
    }
}
