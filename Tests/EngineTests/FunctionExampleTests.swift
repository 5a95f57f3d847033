// Every function of the table has an example in the reference, and the example is true.

import Columns
import Planning
import Platform
import Syntax
import XCTest

@testable import Engine

final class FunctionExampleTests: XCTestCase {
    func testEveryFunctionHasAnExample() {
        let names = Set(FunctionTable.definitions.map { $0.names[0] })
        XCTAssertEqual(names.subtracting(FunctionTable.reference.keys), [])
        XCTAssertEqual(Set(FunctionTable.reference.keys).subtracting(names), [])
        XCTAssertGreaterThanOrEqual(FunctionTable.definitions.count, 200)
        // What is said to fail must be kept from rows that do not reach it.
        for definition in FunctionTable.definitions where !(FunctionTable.reference[definition.names[0]]?.fails ?? "").isEmpty {
            XCTAssertTrue(definition.canFail, "\(definition.names[0]) fails, but the table says that it cannot")
        }
    }

    func testExamplesAreTrue() throws {
        let directory = try Engine.temporaryDirectory()
        defer { Engine.removeDirectory(directory) }
        var options = EngineOptions()
        options.isEphemeral = true
        let engine = try Engine(directory: directory, options: options, clock: ManualClock(startingAtMicroseconds: 1), fileSystem: PosixFileSystem())
        defer { try? engine.close() }
        let session = engine.makeSession()
        for (name, entry) in FunctionTable.reference.sorted(by: { $0.key < $1.key }) {
            let source = "SELECT CAST(\(entry.call) AS VARCHAR)"
            do {
                guard let statement = try Parser.parseScript(source).first else { return XCTFail(source) }
                guard case .rows(let cursor) = try session.execute(statement, source: source) else { return XCTFail(source) }
                var shown: [String] = []
                while case .rows(let batch) = try cursor.next(timeoutMilliseconds: 10_000) {
                    for row in 0..<batch.count {
                        if case .string(let text) = batch.columns[0].value(at: row) { shown.append(text) } else { shown.append("NULL") }
                    }
                }
                XCTAssertEqual(shown, [entry.result], "\(name): \(entry.call)")
            } catch {
                XCTFail("\(name): \(entry.call): \(error)")
            }
        }
    }
}
