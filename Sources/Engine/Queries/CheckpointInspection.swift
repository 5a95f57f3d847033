// CheckpointInspection: `millrace checkpoint verify`. Reads every checkpoint of every saved query with all the pieces of its state, reports
// each fault with file and offset, and changes nothing. Works beside a process that holds the directory: what that one replaces meanwhile is
// not looked at.

import Platform

package enum CheckpointInspection {
    package struct Report: Sendable {
        /// One a line, with file and offset.
        package var faults: [String] = []
        package var notes: [String] = []
        package var summary = ""
    }

    package static func verify(_ directory: String, fileSystem: any FileSystem = PosixFileSystem()) throws -> Report {
        var report = Report()
        guard fileSystem.exists(directory) else { throw EngineError("there is no data directory \(directory)") }
        let folder = directory + "/queries"
        let names = fileSystem.exists(folder) ? try fileSystem.list(folder) : []
        var checkpointCount = 0
        var byteCount = 0
        for name in names where (name.utf8.first.map { (0x30...0x39).contains($0) } ?? false) {
            let found = try CheckpointStore(directory: folder + "/" + name, fileSystem: fileSystem).inspect()
            checkpointCount += found.checkpointCount
            byteCount += found.byteCount
            report.faults += found.faults.map(\.description)
            report.notes += found.notes
        }
        let faults = report.faults.isEmpty ? "no fault" : report.faults.count == 1 ? "1 fault" : "\(report.faults.count) faults"
        report.summary = "\(checkpointCount) checkpoints of \(names.count) queries, \(byteCount) bytes: \(faults)"
        return report
    }
}

extension CheckpointStore {
    struct Inspection {
        var checkpointCount = 0
        var byteCount = 0
        var faults: [CheckpointDamage] = []
        var notes: [String] = []
    }

    func inspect() throws(FileError) -> Inspection {
        var found = Inspection()
        var needed: Set<UInt64> = []
        for epoch in try epochs() {
            var faults: [CheckpointDamage] = []
            var byteCount = 0
            var files: Set<UInt64> = []
            do throws(CheckpointDamage) {
                let manifest = try manifest(epoch)
                files = manifest.files
                manifest.tree.forEach { byteCount += $0.byteCount }
                faults = CheckpointPieces(manifest, self).allDamage()
            } catch {
                faults = [error]
            }
            // Replaced while it was read.
            if !faults.isEmpty, try !epochs().contains(epoch) { continue }
            found.checkpointCount += 1
            found.byteCount += byteCount
            found.faults += faults.filter { !found.faults.contains($0) }
            needed.formUnion(files)
        }
        for name in try fileNames() {
            if let epoch = CheckpointStore.epoch(name, after: "state-"), needed.contains(epoch) { continue }
            if name.hasPrefix("state-") || name.hasSuffix(".new") {
                found.notes.append("\(path(name)) belongs to no checkpoint; the next one removes it")
            }
        }
        return found
    }
}
