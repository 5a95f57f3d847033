// TestCommand: `millrace test FILE...`: tests for queries.

import Engine
import Glibc
import Platform
import Syntax

struct TestCommand {
    private let paths: [String]
    private let values: [String: String]
    private let filter: String?

    init(_ arguments: ParsedArguments) throws(UsageError) {
        paths = arguments.positionals
        values = try arguments.assignments("--set")
        filter = arguments.value("--only")?.lowercased()
    }

    func run() throws -> ExitCode {
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        let isColoured = Console.outputIsTerminal && getenv("NO_COLOR") == nil
        var testCount = 0
        var failedCount = 0
        var fileCount = 0
        for path in try paths.flatMap(TestCommand.files) where !Signals.stopRequested {
            fileCount += 1
            let file: TestFile
            do {
                file = try TestFile(path: path)
            } catch {
                Console.report(error, in: path)
                failedCount += 1
                continue
            }
            for test in file.tests where !Signals.stopRequested {
                if let filter, !test.name.lowercased().contains(filter) { continue }
                testCount += 1
                let began = clock.monotonicNanoseconds()
                do {
                    try TestRunner(file, values: values, isColoured: isColoured).run(test)
                    let time = Duration.milliseconds(clock.monotonicNanoseconds() - began)
                    Console.standardOutput.write("ok    \(path): \(test.name) (\(time))\n")
                } catch {
                    failedCount += 1
                    Console.standardOutput.write("FAIL  \(path): \(test.name)\n")
                    if let failure = error as? TestFailure {
                        Console.standardOutput.write(failure.lines.map { "      \($0)\n" }.joined())
                    } else if let problem = error as? ErrorInFile {
                        Console.report(problem.error, in: problem.path)
                    } else {
                        Console.report(error, in: path)
                    }
                }
            }
        }
        let time = Duration.milliseconds(clock.monotonicNanoseconds() - start)
        let outcome = failedCount == 0 ? "all passed" : "\(failedCount) failed"
        Console.standardOutput.write("\(Count.text(testCount, "test")) in \(Count.text(fileCount, "file")), \(outcome) (\(time))\n")
        if testCount == 0, failedCount == 0 {
            Console.note("millrace: no test was found")
            return .failure
        }
        return failedCount == 0 ? .success : .failure
    }

    /// A folder stands for the files in it whose name ends with `.test`.
    private static func files(_ path: String) throws -> [String] {
        var information = stat()
        guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR else { return [path] }
        return try PosixFileSystem().list(path).filter { $0.hasSuffix(".test") }.sorted().map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }
    }
}
