// AnomalyModel: a model that learns from a series of points and says of each how unusual it is.
//
// A model object holds the settings of one call and nothing that changes; all keys of all partitions share it. What it has learnt of one
// key is its state: `stateByteCount` bytes at an address of at least 16-byte alignment, trivially copyable (numbers, and indices into
// itself, never an address), so that whoever keeps it can save it, restore it and copy it as bytes. The same points from the same state
// give the same bits of output, on every machine and at every restart: no clock, no randomness but the call's seed.
//
// A NULL is NaN, coming in and going out. Times are microseconds, or the row's number where rows have no time.

package class AnomalyModel: @unchecked Sendable {
    /// How many columns a point has.
    package let valueCount: Int
    /// How many numbers come out for a point: those of the function's outputs in order, one for each column where an output is per column.
    package let outputCount: Int
    /// A multiple of 16.
    package let stateByteCount: Int

    package init(valueCount: Int, outputCount: Int, stateByteCount: Int) {
        self.valueCount = valueCount
        self.outputCount = outputCount
        self.stateByteCount = (stateByteCount &+ 15) & ~15
    }

    /// Makes the state of a new key; the bytes may hold anything before.
    package func start(_ state: UnsafeMutableRawPointer) {
        state.initializeMemory(as: UInt8.self, repeating: 0, count: stateByteCount)
    }

    /// Takes one point, `valueCount` numbers, and writes `outputCount` numbers. Times do not fall within a key.
    package func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        for index in 0..<outputCount { outputs[index] = .nan }
    }

    /// Whether bytes that were read from a file are a state of this model: every index within its bounds. Values need not make sense.
    package func isSound(_ state: UnsafeRawPointer) -> Bool { true }
}
