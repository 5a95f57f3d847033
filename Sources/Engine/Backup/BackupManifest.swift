// BackupManifest: every file of a backup with its length and checksum, as text:
//
//     millrace backup 1
//     taken <microseconds since 1970>
//     file <length in bytes> <CRC32C, decimal> <path below the backup>
//     ...
//     crc <CRC32C of all before it, decimal>
//
// It is written when everything else is on the disk, so a folder without one is no backup.

import Platform

package struct BackupManifest: Sendable {
    package struct Entry: Hashable, Sendable {
        package var path: String
        package var byteCount: Int
        package var checksum: UInt32
    }

    package var takenMicroseconds: Int64
    package var entries: [Entry] = []

    package static let fileName = "backup.manifest"
    private static let firstLine = "millrace backup 1"

    package init(takenMicroseconds: Int64) { self.takenMicroseconds = takenMicroseconds }

    package var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }

    func encoded() -> [UInt8] {
        var text = "\(BackupManifest.firstLine)\ntaken \(takenMicroseconds)\n"
        for entry in entries { text += "file \(entry.byteCount) \(entry.checksum) \(entry.path)\n" }
        let crc = Array(text.utf8).withUnsafeBytes { CRC32C.checksum($0) }
        return Array((text + "crc \(crc)\n").utf8)
    }

    /// `path` for the error message.
    static func decode(_ bytes: [UInt8], path: String) throws(EngineError) -> BackupManifest {
        var lines = bytes.split(separator: 10, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard lines.first == firstLine else {
            throw EngineError("\(path) is not the manifest of a backup that this program reads (it begins with '\(lines.first?.prefix(64) ?? "")', not '\(firstLine)')")
        }
        guard lines.popLast() == "", let last = lines.popLast()?.split(separator: " "), last.count == 2, last[0] == "crc",
            let crc = UInt32(last[1]),
            bytes.dropLast(last[1].utf8.count + 5).withUnsafeBytes({ CRC32C.checksum($0) }) == crc
        else { throw EngineError("\(path) is damaged") }
        let taken = lines.count > 1 ? lines[1].split(separator: " ") : []
        guard taken.count == 2, taken[0] == "taken", let time = Int64(taken[1]) else { throw EngineError("\(path) is damaged") }
        var manifest = BackupManifest(takenMicroseconds: time)
        for line in lines.dropFirst(2) {
            let words = line.split(separator: " ", maxSplits: 3)
            guard words.count == 4, words[0] == "file", let length = Int(words[1]), length >= 0, let checksum = UInt32(words[2]) else {
                throw EngineError("\(path) is damaged")
            }
            // Nothing outside the directory that is restored to.
            let parts = words[3].split(separator: "/", omittingEmptySubsequences: false)
            guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else { throw EngineError("\(path) names the file \(words[3])") }
            manifest.entries.append(Entry(path: String(words[3]), byteCount: length, checksum: checksum))
        }
        return manifest
    }
}
