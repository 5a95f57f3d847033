// QueryRestart: when a query that has failed is begun again from its checkpoint and epoch log, and how long it waits before.
//
// - Something has run out (room on the disk, open files, memory): again and again until it is there, waiting a tenth of a second at first and two
//   seconds at most.
// - Any other call that failed: a few times, in case the disk was only hindered; then it is the query's end.
// - Everything else (damage, SQL): never. Waiting heals none of it.

import Platform
import ShardLog

extension FileError {
    /// The failed call behind an error, when there is one.
    static func behind(_ error: any Error) -> FileError? {
        switch error {
        case let error as FileError: error
        case let error as LogError: error.fileError
        case let error as ConnectorError: error.cause
        case let error as EngineError: error.cause
        default: nil
        }
    }
}

struct QueryRestart {
    private var failures = 0
    private var delayMilliseconds = QueryRestart.delayMillisecondsMin
    private var lastNanoseconds: UInt64 = 0

    private static let delayMillisecondsMin = 100
    private static let delayMillisecondsMax = 2_000
    private static let failuresMax = 5
    /// A query that has run for so long since the last failure begins to count anew.
    private static let forgetNanoseconds: UInt64 = 60_000_000_000

    /// How long to wait before the query is begun again; nil when it is not.
    mutating func delay(after error: any Error, nowNanoseconds: UInt64) -> Int? {
        guard let cause = FileError.behind(error) else { return nil }
        if nowNanoseconds &- lastNanoseconds > QueryRestart.forgetNanoseconds {
            failures = 0
            delayMilliseconds = QueryRestart.delayMillisecondsMin
        }
        lastNanoseconds = nowNanoseconds
        if !cause.isShortage {
            failures += 1
            if failures > QueryRestart.failuresMax { return nil }
        }
        defer { delayMilliseconds = min(delayMilliseconds * 2, QueryRestart.delayMillisecondsMax) }
        return delayMilliseconds
    }
}
