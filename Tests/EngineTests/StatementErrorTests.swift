// Wrong statements that only the engine can tell: options of connectors, settings, names that are taken or gone. Each with its message, caret and
// hint as in `statement_errors.txt`, whose format is that of the planner's golden files; `MILLRACE_UPDATE=1` writes it anew.

import Foundation
import Platform
import Syntax
import XCTest

@testable import Engine

final class StatementErrorTests: XCTestCase {
    private static let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("statement_errors.txt")

    private static let setup = """
        CREATE STREAM t (k VARCHAR, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND);
        CREATE VIEW big AS SELECT * FROM t WHERE v > 100;
        CREATE TABLE hole (k VARCHAR) WITH (connector = 'blackhole');
        CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN x * 2;
        CREATE VIEW doubled AS SELECT twice(v) AS w FROM t;
        CREATE QUERY copy AS INSERT INTO hole SELECT k FROM t;
        """

    private static func output(_ sql: String) throws -> String {
        let directory = NSTemporaryDirectory() + "millrace-statement-errors-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var options = EngineOptions()
        options.startsQueries = false
        let engine = try Engine(directory: directory, options: options, clock: ManualClock(startingAtMicroseconds: 1), fileSystem: PosixFileSystem())
        defer { try? engine.close() }
        let session = engine.makeSession()
        for statement in try Parser.parseScript(setup) { _ = try session.execute(statement, source: setup) }
        do {
            for statement in try Parser.parseScript(sql) { _ = try session.execute(statement, source: sql) }
        } catch let error as StatementError {
            return Diagnostic.render(error.error, source: error.source) + "\ncode: \(error.error.code)"
        } catch let error as SQLError {
            return Diagnostic.render(error, source: sql) + "\ncode: \(error.code)"
        } catch {
            return "error: \(error)".replacingOccurrences(of: directory, with: "DATA")
        }
        return "no error"
    }

    func testEveryMessageIsAsWritten() throws {
        var cases: [(sql: String, expected: String)] = []
        for item in try String(contentsOf: Self.url, encoding: .utf8).components(separatedBy: "====\n") where !item.isEmpty {
            let parts = item.components(separatedBy: "----\n")
            cases.append((parts[0].trimmingCharacters(in: .newlines), parts.count > 1 ? parts[1].trimmingCharacters(in: .newlines) : ""))
        }
        XCTAssertGreaterThanOrEqual(cases.count, 40)
        var written = ""
        let updates = ProcessInfo.processInfo.environment["MILLRACE_UPDATE"] != nil
        for item in cases {
            let actual = try Self.output(item.sql)
            written += "\(item.sql)\n----\n\(actual)\n====\n"
            XCTAssertNotEqual(actual, "no error", item.sql)
            if !updates { XCTAssertEqual(actual, item.expected, item.sql) }
        }
        if updates { try written.write(to: Self.url, atomically: true, encoding: .utf8) }
    }
}
