// Hostile bytes for everything that reads bytes: no trap, no run over a second, no more than 256 MiB, nothing but an error for bad input.
//
// MILLRACE_FUZZ multiplies the number of runs (60: about a million altogether), MILLRACE_FUZZ_SEED takes another seed. When a run ends the process,
// $TMPDIR/millrace-fuzz-<target>-<pid> holds the input: 8 bytes of length, then the bytes. What was found is kept in Corpus/<target> and is run
// every time, and damaged further.

import XCTest

final class FuzzTests: XCTestCase {
    func testJSON() { FuzzRunner.run(JSONTarget()) }
    func testCSV() { FuzzRunner.run(CSVTarget()) }
    func testSegments() throws { FuzzRunner.run(try SegmentTarget()) }
    func testEpochLogs() throws { FuzzRunner.run(try EpochLogTarget()) }
    func testCheckpoints() throws { for query in CheckpointTarget.queries { FuzzRunner.run(try CheckpointTarget(query)) } }
    func testCatalogs() throws { FuzzRunner.run(try CatalogTarget()) }
    func testQueries() throws { FuzzRunner.run(try QueryTarget()) }
    func testPut() throws { FuzzRunner.run(try PutTarget()) }
}
