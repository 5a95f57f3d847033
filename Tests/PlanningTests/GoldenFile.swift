// GoldenFile: cases of input and expected output in one text file under Golden/.
//
//     -- a heading, ignored
//     SELECT 1
//     ----
//     what comes out
//     ====
//
// With MILLRACE_UPDATE_GOLDEN=1 in the environment a test writes what came out in place of what was expected.

import Foundation
import XCTest

struct GoldenFile {
    struct Case {
        var input: String
        var expected: String
        /// Of the input's first line.
        var line: Int
    }

    let url: URL
    var cases: [Case] = []

    init(_ name: String) throws {
        url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
        var input: [String] = []
        var expected: [String]?
        var start = 1
        let text = try String(contentsOf: url, encoding: .utf8)
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).enumerated() {
            if line == "----" {
                expected = []
            } else if line == "====" {
                cases.append(
                    Case(input: input.joined(separator: "\n"), expected: (expected ?? []).joined(separator: "\n"), line: start))
                (input, expected, start) = ([], nil, index + 2)
            } else if expected != nil {
                expected?.append(line)
            } else {
                input.append(line)
            }
        }
    }

    func check(_ output: (String) -> String, file: StaticString = #filePath, line: UInt = #line) throws {
        var updated = ""
        for item in cases {
            let actual = output(item.input)
            updated += "\(item.input)\n----\n\(actual)\n====\n"
            if actual != item.expected, !isUpdating {
                XCTFail("\(url.lastPathComponent):\(item.line)\n\(item.input)\n--- expected\n\(item.expected)\n--- came out\n\(actual)", file: file, line: line)
            }
        }
        if isUpdating { try updated.write(to: url, atomically: true, encoding: .utf8) }
    }

    private var isUpdating: Bool { ProcessInfo.processInfo.environment["MILLRACE_UPDATE_GOLDEN"] == "1" }
}
