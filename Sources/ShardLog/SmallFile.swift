// SmallFile: small files that are read and replaced as a whole: a draft beside the file, synced, takes its name.

import Columns
import Platform

package enum SmallFile {
    package static func read(_ path: String, _ system: any FileSystem, byteCountMax: Int) throws(FileError) -> [UInt8] {
        let file = try system.open(path, .read)
        let size = min(try file.size(), byteCountMax)
        let buffer = Buffer(byteCount: size)
        let count = try file.read(into: UnsafeMutableRawBufferPointer(start: buffer.base, count: size), at: 0)
        return withExtendedLifetime(buffer) { Array(UnsafeRawBufferPointer(start: buffer.base, count: count)) }
    }

    /// Replaces a file as a whole, durably.
    package static func replace(_ path: String, with bytes: [UInt8], in folder: String, _ system: any FileSystem) throws(FileError) {
        try put(path, bytes, system)
        try system.synchronizeDirectory(folder)
    }

    /// The same, durable with the next sync of the folder.
    static func put(_ path: String, _ bytes: [UInt8], _ system: any FileSystem) throws(FileError) {
        let draft = try system.open(path + ".tmp", .truncate)
        let buffer = bytes.withUnsafeBytes { Buffer(copying: $0) }
        try draft.write(UnsafeRawBufferPointer(start: buffer.base, count: bytes.count), at: 0)
        try draft.synchronize()
        try system.rename(path + ".tmp", to: path)
    }
}
