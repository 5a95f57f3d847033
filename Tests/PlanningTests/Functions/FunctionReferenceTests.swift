// grammar/FUNCTIONS.md is what the function table says. `MILLRACE_UPDATE=1` rewrites it.

import Glibc
import XCTest

@testable import Planning

final class FunctionReferencePlanningTests: XCTestCase {
    private var path: String {
        let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(4).joined(separator: "/") + "/grammar/FUNCTIONS.md"
    }

    func testReferenceIsCurrent() throws {
        let wanted = FunctionTable.markdown()
        if getenv("MILLRACE_UPDATE") != nil {
            try wanted.write(toFile: path, atomically: true, encoding: .utf8)
            return
        }
        let actual = try String(contentsOfFile: path, encoding: .utf8)
        XCTAssertEqual(actual, wanted, "run MILLRACE_UPDATE=1 swift test --filter FunctionReference")
    }

    func testNamesAreUnique() {
        let all = FunctionTable.definitions.flatMap(\.names)
        XCTAssertEqual(Set(all).count, all.count)
        XCTAssertGreaterThan(all.count, 100)
        XCTAssertTrue(all.allSatisfy { $0 == $0.lowercased() })
    }
}
