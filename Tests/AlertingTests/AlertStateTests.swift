import XCTest

@testable import Alerting

final class AlertStateTests: XCTestCase {
    func testNamesAreThoseOfTheStream() {
        XCTAssertEqual(AlertState.firing.rawValue, "firing")
    }
}
