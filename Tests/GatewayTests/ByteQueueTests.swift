// ByteQueue against an array, on random work.

import Platform
import XCTest

@testable import Gateway

final class ByteQueueTests: XCTestCase {
    func testAgainstAnArray() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<50 {
            var queue = ByteQueue()
            var model: [UInt8] = []
            for _ in 0..<400 {
                if random.below(2) == 0 {
                    let more = (0..<random.below(900)).map { _ in UInt8(random.below(256)) }
                    queue.append(more)
                    model += more
                } else {
                    let count = random.below(1_000)
                    XCTAssertEqual(queue.take(count), Array(model.prefix(count)))
                    model.removeFirst(min(count, model.count))
                }
                XCTAssertEqual(queue.count, model.count)
                XCTAssertEqual(queue.isEmpty, model.isEmpty)
                let place = random.below(1_000)
                XCTAssertEqual(queue[place], place < model.count ? model[place] : nil)
                XCTAssertEqual(queue.withUnsafeBytes { Array($0) }, model)
            }
        }
    }
}
