// ProcessFigures: what the system knows about this process, read from /proc. What cannot be read is 0.

import Glibc

struct ProcessFigures {
    var residentByteCount = 0
    var virtualByteCount = 0
    var cpuSeconds = 0.0
    var openDescriptorCount = 0
    var openDescriptorCountMax = 0
    var threadCount = 0
    /// Since 1970.
    var startSeconds: Double?

    static func read() -> ProcessFigures {
        var figures = ProcessFigures()
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        // The name of the program is in parentheses and may hold anything; the third field comes behind the last one.
        let stat = content("/proc/self/stat")
        let fields = stat.lastIndex(of: ")").map { stat[stat.index(after: $0)...].split(separator: " ") } ?? []
        func field(_ number: Int) -> Int { number - 3 < fields.count ? Int(fields[number - 3]) ?? 0 : 0 }
        figures.cpuSeconds = Double(field(14) + field(15)) / ticks
        figures.threadCount = field(20)
        figures.virtualByteCount = field(23)
        figures.residentByteCount = field(24) * max(1, sysconf(Int32(_SC_PAGESIZE)))
        let boot = content("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
        figures.startSeconds = boot.map { $0 + Double(field(22)) / ticks }
        if let folder = opendir("/proc/self/fd") {
            // The two names for folders, and the descriptor that reads this one.
            var count = -3
            while readdir(folder) != nil { count += 1 }
            closedir(folder)
            figures.openDescriptorCount = max(0, count)
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { figures.openDescriptorCountMax = Int(clamping: limit.rlim_cur) }
        return figures
    }

    private static func content(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < 1 << 20 {
            let count = block.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            bytes += block[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
