// SystemSampler: a row of this machine's load at every interval.
//
// The first sample only sets the counters that later ones are compared with, so rows begin one interval after the start. What is read comes through a
// closure, so that a test hands in fixture text; the real one reads /proc, which is no file system that a simulation could stand for.

import Columns
import Glibc
import Planning

/// The text of the five files.
package struct SystemText: Sendable {
    package var stat: [UInt8]
    package var meminfo: [UInt8]
    package var diskstats: [UInt8]
    package var netDev: [UInt8]
    package var loadavg: [UInt8]

    package init(stat: [UInt8], meminfo: [UInt8], diskstats: [UInt8], netDev: [UInt8], loadavg: [UInt8]) {
        self.stat = stat
        self.meminfo = meminfo
        self.diskstats = diskstats
        self.netDev = netDev
        self.loadavg = loadavg
    }

    /// This machine's, now. A file that cannot be read is empty; the parser says which are needed.
    package static func ofThisMachine() -> SystemText {
        SystemText(
            stat: read("/proc/stat"), meminfo: read("/proc/meminfo"), diskstats: read("/proc/diskstats"), netDev: read("/proc/net/dev"),
            loadavg: read("/proc/loadavg"))
    }

    /// Files under /proc have no size: read until the end, at most 4 MiB.
    private static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { _ = close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count < 4 << 20 {
            let count = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return bytes
    }
}

package final class SystemSampler: LiveFeeder {
    package let intervalMicroseconds: Int64
    private let columns: [(field: Field, type: SQLType)]
    private let text: () -> SystemText
    private var before: SystemSample?

    private enum Field: String, CaseIterable {
        case ts, cpu, cpu_user, cpu_system, cpu_iowait, memory_used, memory_available, memory_total, disk_read_bytes, disk_written_bytes
        case net_received_bytes, net_sent_bytes, load1, load5, load15, processes_running

        var type: SQLType {
            switch self {
            case .ts: .timestamp(precision: 3)
            case .cpu, .cpu_user, .cpu_system, .cpu_iowait, .load1, .load5, .load15: .double
            case .processes_running: .integer
            default: .bigint
            }
        }
    }

    package static let optionNames = ["interval"]

    package static var schema: Schema { Schema(Field.allCases.map { SQLType.Field(name: $0.rawValue, type: $0.type) }) }

    package init(
        _ relation: RelationDefinition, text: @escaping () -> SystemText = SystemText.ofThisMachine
    ) throws(ConnectorError) {
        let options = ConnectorOptions(relation)
        // Ticks of the CPU counters are 10 ms: below that there is nothing to see.
        intervalMicroseconds = try options.duration("interval", in: 10_000...86_400_000_000) ?? 1_000_000
        self.text = text
        var matched: [(field: Field, type: SQLType)] = []
        for column in relation.physicalSchema.fields {
            guard let field = Field(rawValue: column.name.lowercased()) else {
                let names = Field.allCases.map(\.rawValue)
                throw ConnectorError(
                    "\(options.place): there is no column '\(column.name)'" + Nearest.suggestion(for: column.name, among: names)
                        + "; the columns are " + names.joined(separator: ", "))
            }
            guard SystemSampler.suits(column.type, field.type) else {
                throw ConnectorError("\(options.place): column '\(column.name)' is declared \(column.type.name), but it is \(field.type.name)")
            }
            matched.append((field, column.type))
        }
        columns = matched
    }

    private static func suits(_ declared: SQLType, _ actual: SQLType) -> Bool {
        switch (declared, actual) {
        case (.timestamp, .timestamp), (.timestampTZ, .timestamp), (.integer, .integer), (.bigint, .integer), (.bigint, .bigint): true
        case (.double, .double): true
        default: false
        }
    }

    package func sample(nowMicroseconds: Int64) throws(ConnectorError) -> RowBatch? {
        let text = text()
        let now = try SystemSample.parse(
            stat: text.stat, meminfo: text.meminfo, diskstats: text.diskstats, netDev: text.netDev, loadavg: text.loadavg)
        defer { before = now }
        guard let before else { return nil }
        let usage = SystemUsage(from: before, to: now)
        let made = columns.map { field, type in
            Column.constant(SystemSampler.value(field, type, now, usage, nowMicroseconds), type: type, count: 1)
        }
        return RowBatch(count: 1, columns: made)
    }

    private static func value(_ field: Field, _ type: SQLType, _ now: SystemSample, _ usage: SystemUsage, _ microseconds: Int64) -> Value {
        switch field {
        case .ts: .integer(cut(microseconds, type))
        case .cpu: .double(usage.cpuPercent)
        case .cpu_user: .double(usage.cpuUserPercent)
        case .cpu_system: .double(usage.cpuSystemPercent)
        case .cpu_iowait: .double(usage.cpuWaitPercent)
        case .memory_used: .integer(max(now.memoryTotalBytes &- now.memoryAvailableBytes, 0))
        case .memory_available: .integer(now.memoryAvailableBytes)
        case .memory_total: .integer(now.memoryTotalBytes)
        case .disk_read_bytes: .integer(usage.diskReadBytes)
        case .disk_written_bytes: .integer(usage.diskWrittenBytes)
        case .net_received_bytes: .integer(usage.netReceivedBytes)
        case .net_sent_bytes: .integer(usage.netSentBytes)
        case .load1: .double(now.load1)
        case .load5: .double(now.load5)
        case .load15: .double(now.load15)
        case .processes_running: .integer(now.processesRunning)
        }
    }

    /// Times carry no more digits than their column.
    private static func cut(_ microseconds: Int64, _ type: SQLType) -> Int64 {
        let digits: Int
        switch type {
        case .timestamp(let precision), .timestampTZ(let precision): digits = min(max(precision, 0), 6)
        default: return microseconds
        }
        var unit: Int64 = 1
        for _ in digits..<6 { unit *= 10 }
        let remainder = microseconds % unit
        return microseconds &- (remainder < 0 ? remainder &+ unit : remainder)
    }
}
