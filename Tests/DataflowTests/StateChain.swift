// StateChain: a graph's state kept as checkpoints keep it: captures of what changed, one upon the other, in memory.

import Columns
import Platform
import XCTest

@testable import Dataflow

struct StateChain {
    private(set) var tree: StateTree<Buffer>?
    /// Of the last capture.
    private(set) var capturedByteCount = 0

    mutating func capture(_ graph: DataflowGraph, pool: WorkerPool, all: Bool = false) {
        let capture = graph.capture(all: all, pool: pool)
        capturedByteCount = capture.byteCount
        tree = StateTree<Buffer>.applying(capture, to: tree) { bytes in bytes.withUnsafeBytes { Buffer(copying: $0) } }
    }

    func restore(_ graph: DataflowGraph, pool: WorkerPool) throws { try graph.restore(from: XCTUnwrap(tree), pool: pool) }

    /// After an epoch: now and then nothing, now and then a capture only, and now and then a new graph in the place of the old one, from the
    /// captures or from a snapshot.
    mutating func step(_ graph: inout DataflowGraph, epoch: Int, pool: WorkerPool, make: () throws -> DataflowGraph, _ note: @autoclosure () -> String)
        throws
    {
        switch epoch % 5 {
        case 1: return
        case 2: return capture(graph, pool: pool)
        default: break
        }
        var writer = StateWriter()
        graph.snapshot(into: &writer)
        let fresh = try make()
        if epoch % 5 == 3 {
            var reader = StateReader(writer.bytes)
            try fresh.restore(from: &reader)
            XCTAssertEqual(reader.remaining, 0)
        } else {
            capture(graph, pool: pool)
            try restore(fresh, pool: pool)
        }
        graph = fresh
        var again = StateWriter()
        graph.snapshot(into: &again)
        XCTAssertEqual(again.bytes, writer.bytes, "a restored graph writes the same state \(note())")
    }
}
