// LogError: everything that can go wrong with the log, with what a person must know to act.

import Platform

/// A place where stored data is not what was written. Rows `sequences` cannot be read; everything else can.
package struct LogDamage: Hashable, Sendable, CustomStringConvertible {
    package let file: String
    /// Where in the file the damage begins, and how many bytes cannot be used.
    package let offset: Int
    package let byteCount: Int
    /// The rows that are lost with it; empty when only bookkeeping is.
    package let sequences: Range<UInt64>
    package let reason: String

    package var description: String {
        let rows = sequences.isEmpty ? "no rows" : "rows \(sequences.lowerBound)...\(sequences.upperBound - 1)"
        return "\(file), offset \(offset), \(byteCount) bytes: \(reason); \(rows) affected"
    }
}

/// A torn end that recovery cut off: never acknowledged under sync = always.
package struct LogTruncation: Hashable, Sendable, CustomStringConvertible {
    package let file: String
    package let offset: Int
    package let byteCount: Int
    package let reason: String

    package var description: String { "\(file): cut at offset \(offset), \(byteCount) bytes removed: \(reason)" }
}

package enum LogError: Error, Sendable, CustomStringConvertible {
    /// The system refused something.
    case file(FileError)
    /// A reader has come to damaged data.
    case damaged(LogDamage)
    /// A write or a sync of this shard failed before; nothing is appended until `reopen()` has succeeded.
    /// `cause` is the failed call, when one failed.
    case fenced(stream: String, shard: Int, reason: String, cause: FileError?)
    /// Retention has removed what was asked for.
    case expired(stream: String, shard: Int, requested: UInt64, oldest: UInt64)
    /// A frame was written under another version of the schema.
    case schemaVersion(file: String, offset: Int, found: UInt32, expected: UInt32)
    /// A row is too large for a frame.
    case rowTooLarge(byteCount: Int, byteCountMax: Int)
    /// The batch or the definition does not suit the stream.
    case mismatch(stream: String, reason: String)
    /// The folder or a file in it has a format that this program does not know.
    case format(path: String, reason: String)
    /// A file was written in a format that this program does not know; nothing of the folder is opened.
    case version(path: String, found: String, known: String)
    /// What a person asked to give up cannot be given up.
    case repair(stream: String, shard: Int, reason: String)
    /// Another process owns the folder.
    case held(path: String, owner: String)
    case unknownStream(String)
    case streamExists(String)
    case readOnly(path: String)
    case closed(stream: String)

    package var description: String {
        switch self {
        case .file(let error): error.description
        case .damaged(let damage): "damaged log: \(damage)"
        case .fenced(let stream, let shard, let reason, _):
            "stream \(stream), shard \(shard) takes no rows since a failure: \(reason)"
        case .expired(let stream, let shard, let requested, let oldest):
            "stream \(stream), shard \(shard): row \(requested) is no longer retained, the oldest is \(oldest)"
        case .schemaVersion(let file, let offset, let found, let expected):
            "\(file), offset \(offset): written with schema version \(found), the stream has \(expected)"
        case .rowTooLarge(let byteCount, let limit): "a row of \(byteCount) bytes is larger than the limit of \(limit)"
        case .mismatch(let stream, let reason): "stream \(stream): \(reason)"
        case .format(let path, let reason): "\(path): \(reason)"
        case .version(let path, let found, let known): "\(path) has format version \(found); this program reads \(known)"
        case .repair(let stream, let shard, let reason): "stream \(stream), shard \(shard): \(reason)"
        case .held(let path, let owner): "\(path) is \(owner)"
        case .unknownStream(let name): "there is no stream \(name)"
        case .streamExists(let name): "stream \(name) exists already"
        case .readOnly(let path): "\(path) is open for reading only"
        case .closed(let stream): "stream \(stream) is closed"
        }
    }
}

extension LogError {
    /// The failed call behind it, when there is one.
    package var fileError: FileError? {
        switch self {
        case .file(let error): error
        case .fenced(_, _, _, let cause): cause
        default: nil
        }
    }

    /// Whether something has run out that may come back: the same may succeed later.
    package var isShortage: Bool { fileError?.isShortage ?? false }

    /// Whether the damaged data lies under a version that this program does not know, which is no damage.
    var isUnknownVersion: Bool { if case .version = self { true } else { false } }
}

/// Runs file operations under the log's error type.
@inline(__always)
func onDisk<Result>(_ body: () throws(FileError) -> Result) throws(LogError) -> Result {
    do throws(FileError) { return try body() } catch { throw .file(error) }
}
