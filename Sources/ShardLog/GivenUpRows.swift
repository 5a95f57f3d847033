// GivenUpRows: rows of a shard that a person has given up (`millrace log repair`), in the file `given-up` beside its segments.
//
// Nothing of the segments is changed: the damaged bytes stay where they are, and so does what is whole around them. Readers go on behind the rows
// given up, which count as rows that are gone, like expired ones; the shard takes rows again behind them.
//
// The file: magic (8 bytes), CRC32C of the rest (4), version (4), identity (8), count (8), then a first row and the row after the last one (8 each) per
// range, rising and apart. It is replaced as a whole.

import Platform

struct GivenUpRows: Hashable {
    /// Rising and apart.
    private(set) var ranges: [Range<UInt64>] = []

    static let magic: UInt64 = 0x3155_5647_4C4C_494D  // "MILLGVU1"
    static let version: UInt32 = 1
    static let fileName = "given-up"
    private static let countMax = 65_536

    var isEmpty: Bool { ranges.isEmpty }
    var rowCount: UInt64 { ranges.reduce(0) { $0 &+ ($1.upperBound - $1.lowerBound) } }
    var end: UInt64 { ranges.last?.upperBound ?? 0 }

    mutating func add(_ range: Range<UInt64>) {
        var merged: [Range<UInt64>] = []
        for next in (ranges + [range]).filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, last.upperBound >= next.lowerBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, next.upperBound)
            } else {
                merged.append(next)
            }
        }
        ranges = merged
    }

    /// The first row at or after `sequence` that has not been given up.
    func next(from sequence: UInt64) -> UInt64 {
        ranges.first { $0.contains(sequence) }?.upperBound ?? sequence
    }

    /// Where the rows that can be read from `sequence` on end, at most `limit`.
    func gap(after sequence: UInt64, limit: UInt64) -> UInt64 {
        guard let range = ranges.first(where: { $0.upperBound > sequence }) else { return limit }
        return min(limit, max(range.lowerBound, sequence))
    }

    func rowCount(in range: Range<UInt64>) -> UInt64 {
        ranges.reduce(0) { $0 &+ ($1.overlaps(range) ? min($1.upperBound, range.upperBound) - max($1.lowerBound, range.lowerBound) : 0) }
    }

    func covers(_ range: Range<UInt64>) -> Bool {
        !range.isEmpty && ranges.contains { $0.lowerBound <= range.lowerBound && $0.upperBound >= range.upperBound }
    }

    // MARK: Disk

    /// What was given up, and what is wrong with the file. A damaged file gives up nothing: readers come to the damage again.
    static func read(in directory: String, identity: UInt64, _ system: any FileSystem) throws(LogError) -> (rows: GivenUpRows, fault: String?) {
        let path = directory + "/" + fileName
        guard system.exists(path) else { return (GivenUpRows(), nil) }
        let bytes = try onDisk { () throws(FileError) in try SmallFile.read(path, system, byteCountMax: 32 + 16 * countMax) }
        var reader = ByteReader(bytes)
        guard let magic = reader.number(UInt64.self), magic == GivenUpRows.magic, let crc = reader.number(UInt32.self), bytes.count >= 32,
            bytes.withUnsafeBytes({ CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[12...])) }) == crc
        else { return (GivenUpRows(), "the list of rows given up is damaged") }
        let found = reader.number(UInt32.self) ?? 0
        guard found == version else { throw .version(path: path, found: "\(found)", known: "version \(version)") }
        guard reader.number(UInt64.self) == identity, let count = reader.number(UInt64.self), count <= UInt64(countMax) else {
            return (GivenUpRows(), "a list of rows given up of another shard")
        }
        var rows = GivenUpRows()
        for _ in 0..<count {
            guard let first = reader.number(UInt64.self), let end = reader.number(UInt64.self), first < end else {
                return (GivenUpRows(), "the list of rows given up cannot be understood")
            }
            rows.add(first..<end)
        }
        return (rows, nil)
    }

    func write(in directory: String, identity: UInt64, _ system: any FileSystem) throws(LogError) {
        var body = ByteWriter()
        body.put(GivenUpRows.version)
        body.put(identity)
        body.put(UInt64(ranges.count))
        for range in ranges {
            body.put(range.lowerBound)
            body.put(range.upperBound)
        }
        var file = ByteWriter()
        file.put(GivenUpRows.magic)
        file.put(body.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        let bytes = file.bytes + body.bytes
        try onDisk { () throws(FileError) in
            try SmallFile.replace(directory + "/" + GivenUpRows.fileName, with: bytes, in: directory, system)
        }
    }
}
