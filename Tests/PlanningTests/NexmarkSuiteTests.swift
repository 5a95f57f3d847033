// The queries of the Nexmark suite as their authors wrote them (Benchmarks/nexmark), over one stream of nested events and three views: their plans as
// golden text, and that the rules that make them fast apply.

import Foundation
import Planning
import Syntax
import XCTest

final class NexmarkSuiteTests: XCTestCase {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Benchmarks/nexmark")

    private static let variables = [
        "TPS": "10000", "EVENTS_NUM": "100000", "PERSON_PROPORTION": "1", "AUCTION_PROPORTION": "3", "BID_PROPORTION": "46", "NEXMARK_TABLE": "datagen",
        "FLINK_HOME": "/flink",
    ]

    private static func text(_ name: String) -> String {
        var text = (try? String(contentsOf: folder.appendingPathComponent(name + ".sql"), encoding: .utf8)) ?? "no file \(name)"
        for (name, value) in variables { text = text.replacingOccurrences(of: "${\(name)}", with: value) }
        return text
    }

    private static func plan(_ name: String) -> String {
        let lines = GoldenTests.output(text("ddl_gen") + "\n;\n" + text("ddl_views") + "\n;\n" + text(name), kind: .physical)
            .components(separatedBy: "\n")
        // Definitions come first.
        return lines.drop { !$0.hasPrefix("== ") && !$0.hasPrefix("error") }.joined(separator: "\n")
    }

    func testPlans() throws {
        let file = try GoldenFile("nexmark_suite.txt")
        XCTAssertEqual(file.cases.count, 24)
        try file.check(Self.plan)
        for item in file.cases { XCTAssertFalse(item.expected.hasPrefix("error"), item.input) }
    }

    func testHotItems() {
        let plan = Self.plan("q5")
        XCTAssertTrue(plan.contains("(by window maximum)"), plan)
        XCTAssertEqual(plan.components(separatedBy: "HOP(").count, 2, "q5 counts its windows once")
        XCTAssertEqual(plan.components(separatedBy: "scan ").count, 2)
    }
}
