import XCTest

@testable import Anomaly

final class ZScoreTests: XCTestCase {
    func testDistanceFromTheMeanBefore() throws {
        let runner = try ModelRunner("ZScore", ["points": 3])
        let scores = [1.0, 3, 5, .nan, 2, 9].map { runner.step($0)[0] }
        XCTAssertTrue(scores[0].isNaN && scores[1].isNaN && scores[3].isNaN)
        XCTAssertEqual(scores[2], (5 - 2) / 2.0.squareRoot(), accuracy: 1e-12)
        // The mean of 1, 3, 5 is 3, their standard deviation 2; then 1 is forgotten.
        XCTAssertEqual(scores[4], -0.5, accuracy: 1e-12)
        XCTAssertEqual(scores[5], (9 - 10.0 / 3) / (7.0 / 3).squareRoot(), accuracy: 1e-12)
        XCTAssertTrue(runner.model.isSound(runner.state))
        runner.state.storeBytes(of: 4, as: Int64.self)
        XCTAssertFalse(runner.model.isSound(runner.state))
    }

    func testASeriesThatNeverVaried() throws {
        let runner = try ModelRunner("zscore")
        for _ in 0..<10 { runner.step(7) }
        XCTAssertEqual(runner.step(7)[0], 0)
        XCTAssertEqual(runner.step(7.5)[0], 1e9)
        XCTAssertLessThan(runner.step(6)[0], -3)
    }
}
