import XCTest

@testable import Anomaly

final class ZScoreTests: XCTestCase {
    func testDistanceFromTheMeanBefore() throws {
        let model = try ModelFunction.named("ZScore")!.make(1, [3])
        let state = UnsafeMutableRawPointer.allocate(byteCount: model.stateByteCount, alignment: 16)
        defer { state.deallocate() }
        model.start(state)
        var scores: [Double] = []
        for value in [1.0, 3, 5, .nan, 2, 9] {
            var point = value
            var score = 0.0
            model.step(state, timeMicroseconds: 0, values: &point, outputs: &score)
            scores.append(score)
        }
        XCTAssertTrue(scores[0].isNaN && scores[1].isNaN && scores[3].isNaN)
        XCTAssertEqual(scores[2], (5 - 2) / 2.0.squareRoot(), accuracy: 1e-12)
        // The mean of 1, 3, 5 is 3, their standard deviation 2; then 1 is forgotten.
        XCTAssertEqual(scores[4], -0.5, accuracy: 1e-12)
        XCTAssertEqual(scores[5], (9 - 10.0 / 3) / (7.0 / 3).squareRoot(), accuracy: 1e-12)
        XCTAssertTrue(model.isSound(state))
        state.storeBytes(of: 4, as: Int64.self)
        XCTAssertFalse(model.isSound(state))
    }
}
