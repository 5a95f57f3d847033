// SystemSample: the kernel's own figures, parsed from the text of five files under /proc.
//
// Parsing is a pure function over bytes: fields are found by name or position, numbers are checked, and what is missing or no number makes an
// error that names the file. Counters that only rise (CPU time, bytes of disks and networks) become per-interval figures by
// the difference of two samples; a counter that fell (a device went away) counts from zero.

/// Everything one moment gives.
package struct SystemSample: Equatable, Sendable {
    // CPU time since boot, in clock ticks, over all CPUs.
    package var userTicks: UInt64 = 0
    package var systemTicks: UInt64 = 0
    package var waitTicks: UInt64 = 0
    package var idleTicks: UInt64 = 0
    package var totalTicks: UInt64 = 0
    package var processesRunning: Int64 = 0
    package var memoryTotalBytes: Int64 = 0
    package var memoryAvailableBytes: Int64 = 0
    // Since boot, over all whole disks and over all interfaces but loopback.
    package var diskReadBytes: UInt64 = 0
    package var diskWrittenBytes: UInt64 = 0
    package var netReceivedBytes: UInt64 = 0
    package var netSentBytes: UInt64 = 0
    package var load1 = 0.0
    package var load5 = 0.0
    package var load15 = 0.0

    package init() {}

    /// The sector of /proc/diskstats, whatever the device's own.
    private static let sectorByteCount: UInt64 = 512

    package static func parse(
        stat: [UInt8], meminfo: [UInt8], diskstats: [UInt8], netDev: [UInt8], loadavg: [UInt8]
    ) throws(ConnectorError) -> SystemSample {
        var sample = SystemSample()
        try sample.readStat(stat)
        try sample.readMeminfo(meminfo)
        sample.readDiskstats(diskstats)
        sample.readNetDev(netDev)
        try sample.readLoadavg(loadavg)
        return sample
    }

    // MARK: Files

    /// `cpu  user nice system idle iowait irq softirq steal guest guest_nice` (guest time is within user time already), and
    /// `procs_running N`.
    private mutating func readStat(_ bytes: [UInt8]) throws(ConnectorError) {
        var hasCPU = false
        for line in SystemSample.lines(bytes) {
            let words = SystemSample.words(line)
            guard let name = words.first else { continue }
            if SystemSample.equals(name, "cpu") {
                let ticks = words.dropFirst().prefix(8).map { SystemSample.number($0) ?? 0 }
                guard ticks.count >= 4 else { break }
                func tick(_ index: Int) -> UInt64 { index < ticks.count ? ticks[index] : 0 }
                userTicks = tick(0) &+ tick(1)
                systemTicks = tick(2) &+ tick(5) &+ tick(6)
                idleTicks = tick(3)
                waitTicks = tick(4)
                totalTicks = ticks.reduce(0, &+)
                hasCPU = true
            } else if SystemSample.equals(name, "procs_running"), words.count > 1 {
                processesRunning = Int64(clamping: SystemSample.number(words[1]) ?? 0)
            }
        }
        guard hasCPU else { throw ConnectorError("system: /proc/stat has no line 'cpu' with at least four numbers") }
    }

    /// `MemTotal:  16316412 kB`.
    private mutating func readMeminfo(_ bytes: [UInt8]) throws(ConnectorError) {
        var total: UInt64?
        var available: UInt64?
        var free: UInt64?
        for line in SystemSample.lines(bytes) {
            let words = SystemSample.words(line)
            guard words.count >= 2 else { continue }
            if SystemSample.equals(words[0], "MemTotal:") { total = SystemSample.number(words[1]) }
            if SystemSample.equals(words[0], "MemAvailable:") { available = SystemSample.number(words[1]) }
            if SystemSample.equals(words[0], "MemFree:") { free = SystemSample.number(words[1]) }
        }
        // Kernels before 3.14 have no MemAvailable.
        guard let total, let left = available ?? free else {
            throw ConnectorError("system: /proc/meminfo has no MemTotal or no MemAvailable")
        }
        memoryTotalBytes = SystemSample.scaled(total, by: 1_024)
        memoryAvailableBytes = SystemSample.scaled(left, by: 1_024)
    }

    /// `major minor name reads merged sectors ms writes merged sectors ...`. Partitions, loop, ram and mapped devices are left out: their
    /// bytes are those of a disk that is counted.
    private mutating func readDiskstats(_ bytes: [UInt8]) {
        var disks: [ArraySlice<UInt8>] = []
        for line in SystemSample.lines(bytes) {
            let words = SystemSample.words(line)
            guard words.count >= 10, let read = SystemSample.number(words[5]), let written = SystemSample.number(words[9]) else { continue }
            let name = words[2]
            if ["loop", "ram", "dm-", "md", "zram", "sr", "fd"].contains(where: { name.starts(with: $0.utf8) }) { continue }
            // The kernel lists a disk before its partitions.
            if disks.contains(where: { SystemSample.isPartition(name, of: $0) }) { continue }
            disks.append(name)
            diskReadBytes &+= read &* SystemSample.sectorByteCount
            diskWrittenBytes &+= written &* SystemSample.sectorByteCount
        }
    }

    /// sda1 of sda; nvme0n1p2 of nvme0n1.
    private static func isPartition(_ name: ArraySlice<UInt8>, of disk: ArraySlice<UInt8>) -> Bool {
        guard name.count > disk.count, name.starts(with: disk), let last = disk.last else { return false }
        var rest = name.dropFirst(disk.count)
        if isDigit(last) {
            guard rest.first == UInt8(ascii: "p") else { return false }
            rest = rest.dropFirst()
        }
        return !rest.isEmpty && rest.allSatisfy(isDigit)
    }

    /// `  eth0: bytes packets errs drop fifo frame compressed multicast bytes ...`.
    private mutating func readNetDev(_ bytes: [UInt8]) {
        for line in SystemSample.lines(bytes) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), let name = SystemSample.words(line[..<colon]).first else { continue }
            if SystemSample.equals(name, "lo") { continue }
            let words = SystemSample.words(line[(colon + 1)...])
            guard words.count >= 9, let received = SystemSample.number(words[0]), let sent = SystemSample.number(words[8]) else { continue }
            netReceivedBytes &+= received
            netSentBytes &+= sent
        }
    }

    /// `0.42 0.31 0.20 2/412 31337`.
    private mutating func readLoadavg(_ bytes: [UInt8]) throws(ConnectorError) {
        let loads = SystemSample.words(bytes[...]).prefix(3).compactMap { Double(String(decoding: $0, as: UTF8.self)) }
        guard loads.count == 3, loads.allSatisfy(\.isFinite) else { throw ConnectorError("system: /proc/loadavg does not begin with three numbers") }
        load1 = loads[0]
        load5 = loads[1]
        load15 = loads[2]
    }

    // MARK: Bytes

    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "\n")) }

    private static func words(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\n") }
    }

    private static func equals(_ word: ArraySlice<UInt8>, _ name: String) -> Bool { word.elementsEqual(name.utf8) }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    /// Nil for what is no number or does not fit.
    private static func number(_ word: ArraySlice<UInt8>) -> UInt64? { UInt64(String(decoding: word, as: UTF8.self)) }

    private static func scaled(_ value: UInt64, by unit: UInt64) -> Int64 {
        let (product, overflow) = value.multipliedReportingOverflow(by: unit)
        return overflow ? .max : Int64(clamping: product)
    }
}

/// What the difference of two samples says.
package struct SystemUsage: Equatable, Sendable {
    package var cpuPercent = 0.0
    package var cpuUserPercent = 0.0
    package var cpuSystemPercent = 0.0
    package var cpuWaitPercent = 0.0
    package var diskReadBytes: Int64 = 0
    package var diskWrittenBytes: Int64 = 0
    package var netReceivedBytes: Int64 = 0
    package var netSentBytes: Int64 = 0

    package init(from before: SystemSample, to now: SystemSample) {
        func rise(_ field: KeyPath<SystemSample, UInt64>) -> UInt64 {
            now[keyPath: field] >= before[keyPath: field] ? now[keyPath: field] &- before[keyPath: field] : 0
        }
        let total = rise(\.totalTicks)
        if total > 0 {
            func percent(_ ticks: UInt64) -> Double { min(Double(ticks) / Double(total) * 100, 100) }
            cpuUserPercent = percent(rise(\.userTicks))
            cpuSystemPercent = percent(rise(\.systemTicks))
            cpuWaitPercent = percent(rise(\.waitTicks))
            let unused = rise(\.idleTicks) &+ rise(\.waitTicks)
            cpuPercent = percent(total > unused ? total &- unused : 0)
        }
        diskReadBytes = Int64(clamping: rise(\.diskReadBytes))
        diskWrittenBytes = Int64(clamping: rise(\.diskWrittenBytes))
        netReceivedBytes = Int64(clamping: rise(\.netReceivedBytes))
        netSentBytes = Int64(clamping: rise(\.netSentBytes))
    }
}
