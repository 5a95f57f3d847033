// LogInspection: looking for damage in a data directory, and giving damaged rows up: what `millrace log` does.

import Platform
import ShardLog

package enum LogInspection {
    package struct VerifyReport: Sendable {
        /// A line per fault, with file, offset and rows.
        package var faults: [String] = []
        /// What is unusual and no fault.
        package var notes: [String] = []
        package var summary = ""
    }

    package struct RepairReport: Sendable {
        package var lines: [String] = []
        /// Whether nothing is left to give up.
        package var isDone: Bool
    }

    /// Reads everything and changes nothing; `stream` nil: all streams, the catalog and the epoch logs.
    package static func verify(
        _ directory: String, stream: String?, fileSystem: any FileSystem = PosixFileSystem()
    ) throws(EngineError) -> VerifyReport {
        var report = VerifyReport()
        let holder = LockOwner.read(directory, fileSystem)
        do {
            let found = try LogVerifier.verify(directory, fileSystem, stream: stream, isBeingWritten: holder != nil)
            report.faults = found.faults.map(\.description)
            report.notes = found.torn.map(\.description)
            if let holder { report.notes.append("\(directory) is held by \(holder); what is being written at this moment is not looked at") }
            if found.givenUpRowCount > 0 { report.notes.append("\(found.givenUpRowCount) rows have been given up") }
            if stream == nil {
                report.faults += try StoredCatalog.verify(directory: directory, fileSystem: fileSystem)
                let queries = directory + "/queries"
                if holder == nil, fileSystem.exists(queries) {
                    for query in try fileSystem.list(queries) {
                        report.faults += try EpochLog.verify(directory: queries + "/" + query, fileSystem: fileSystem)
                    }
                }
            }
            let faults = report.faults.count == 1 ? "1 fault" : "\(report.faults.count) faults"
            report.summary = "\(found.streamCount) streams, \(found.fileCount) files, \(found.byteCount) bytes, \(found.rowCount) rows: \(faults)"
        } catch let error as EngineError {
            throw error
        } catch {
            throw EngineError("\(error)", cause: FileError.behind(error))
        }
        return report
    }

    /// Gives up rows of a shard; without any, says what is lost. Needs the directory for itself.
    package static func repair(
        _ directory: String, stream name: String, shard index: Int, giveUp: [ClosedRange<UInt64>], owner: String,
        fileSystem: any FileSystem = PosixFileSystem(), clock: any Clock = SystemClock()
    ) throws(EngineError) -> RepairReport {
        do {
            guard fileSystem.exists(directory + "/format") else { throw EngineError("\(directory) is no data directory of millrace") }
            let log = try LogDirectory(directory, fileSystem, clock, owner: owner, syncThreadCount: 1)
            for failure in log.recovery.failures where failure.reason.contains(name) {
                throw EngineError("\(failure.path) cannot be opened: \(failure.reason)")
            }
            guard let stream = log.streams.first(where: { $0.name.lowercased() == name.lowercased() }) else {
                throw EngineError("there is no stream \"\(name)\"" + Nearest.suggestion(for: name, among: log.streams.map(\.name)))
            }
            guard stream.shards.indices.contains(index) else {
                throw EngineError("stream \(stream.name) has no shard \(index); its shards are 0 to \(stream.shards.count - 1)")
            }
            let shard = stream.shards[index]
            var report = RepairReport(isDone: true)
            for range in giveUp {
                let rows = range.lowerBound..<range.upperBound + 1
                let lost = try readableRowCount(stream, shard, rows)
                try shard.giveUp(rows, nowMicroseconds: clock.nowMicroseconds())
                report.lines.append(
                    "rows \(range.lowerBound)..\(range.upperBound) of stream \(stream.name), shard \(index), are given up"
                        + (lost > 0 ? ", \(lost) of them whole" : ""))
            }
            // What has no rows is bookkeeping, and nothing that could be given up.
            for damage in try shard.verify() where !damage.sequences.isEmpty {
                report.isDone = false
                report.lines.append("\(damage)")
                report.lines.append("  to give them up: --give-up \(damage.sequences.lowerBound)..\(damage.sequences.upperBound - 1)")
            }
            if shard.isFenced {
                report.isDone = false
                let end = shard.endSequence
                report.lines.append(
                    "the shard takes no rows: \(shard.fault.map { "\($0)" } ?? "")\n  row \(end) is the first that nothing is known of; to go on behind the last one that was ever used: --give-up \(end)..LAST")
            }
            if report.lines.isEmpty { report.lines.append("nothing is damaged in stream \(stream.name), shard \(index)") }
            try log.close()
            return report
        } catch let error as EngineError {
            throw error
        } catch {
            throw EngineError("\(error)", cause: FileError.behind(error))
        }
    }

    /// How many of some rows can still be read, and would be lost with the others.
    private static func readableRowCount(_ stream: LogStream, _ shard: Shard, _ rows: Range<UInt64>) throws -> UInt64 {
        var count: UInt64 = 0
        let reader = stream.reader(shard: shard.index)
        let columns = Array(stream.schema.fields.indices)
        for info in shard.frames(in: rows) {
            let wanted = Range(uncheckedBounds: (max(info.firstSequence, rows.lowerBound), min(info.endSequence, rows.upperBound)))
            do throws(LogError) {
                var next = wanted.lowerBound
                while next < wanted.upperBound, let part = try reader.read(from: next, to: wanted.upperBound, rowLimit: 65_536, columns: columns) {
                    count &+= UInt64(part.batch.count)
                    next = part.nextSequence
                }
            } catch {
                guard case .damaged = error else { throw error }
            }
        }
        return count
    }
}
