import Platform
import Synchronization
import XCTest

final class WorkerPoolTests: XCTestCase {
    func testEveryIndexOnce() {
        for workers in 1...4 {
            let pool = WorkerPool(workerCount: workers)
            for count in [0, 1, 2, 7, 1_000] {
                for _ in 0..<20 {
                    let hits = (0..<count).map { _ in Counter() }
                    pool.run(count: count) { hits[$0].value.add(1, ordering: .relaxed) }
                    XCTAssertTrue(hits.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
                }
            }
        }
    }

    func testNestedAndConcurrentRunsWork() {
        let pool = WorkerPool(workerCount: 3, spinMicroseconds: 0)
        let total = Counter()
        let threads = (0..<4).compactMap { _ in
            JoinableThread {
                for _ in 0..<200 {
                    pool.run(count: 5) { _ in pool.run(count: 3) { _ in total.value.add(1, ordering: .relaxed) } }
                }
            }
        }
        for thread in threads { thread.join() }
        XCTAssertEqual(total.value.load(ordering: .relaxed), 4 * 200 * 15)
    }

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }
}
