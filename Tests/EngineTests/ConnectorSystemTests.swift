// The sampler's parser on text as kernels write it, and the rows that differences make.

import Columns
import Engine
import Planning
import XCTest

final class SystemConnectorTests: XCTestCase {
    private let stat = """
        cpu  1000 20 300 8000 100 5 15 0 7 0
        cpu0 500 10 150 4000 50 2 8 0 3 0
        intr 12345 1 2 3
        procs_running 3
        procs_blocked 0

        """
    private let meminfo = """
        MemTotal:       16000000 kB
        MemFree:         1000000 kB
        MemAvailable:    6000000 kB
        Buffers:            1000 kB

        """
    private let diskstats = """
           7       0 loop0 100 0 999999 0 0 0 999999 0 0 0 0
         259       0 nvme0n1 1000 0 2000 0 10 0 400 0 0 0 0 0 0 0
         259       1 nvme0n1p1 900 0 1999 0 10 0 400 0 0 0 0
           8       0 sda 1 0 10 0 1 0 20 0 0 0 0
           8       1 sda1 1 0 10 0 1 0 20 0 0 0 0
           8      16 sdaa 1 0 1 0 1 0 2 0 0 0 0
         253       0 dm-0 1 0 10 0 1 0 20 0 0 0 0

        """
    private let netDev = """
        Inter-|   Receive                                                |  Transmit
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
            lo:  777       7    0    0    0     0          0         0      777       7    0    0    0     0       0          0
          eth0:5000      50    0    0    0     0          0         0     3000      30    0    0    0     0       0          0
        wlan0: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0

        """
    private let loadavg = "0.42 1.31 2.20 2/412 31337\n"

    private func text(stat: String? = nil, diskstats: String? = nil, netDev: String? = nil) -> SystemText {
        SystemText(
            stat: Array((stat ?? self.stat).utf8), meminfo: Array(meminfo.utf8), diskstats: Array((diskstats ?? self.diskstats).utf8),
            netDev: Array((netDev ?? self.netDev).utf8), loadavg: Array(loadavg.utf8))
    }

    private func parse(_ text: SystemText) throws -> SystemSample {
        try SystemSample.parse(
            stat: text.stat, meminfo: text.meminfo, diskstats: text.diskstats, netDev: text.netDev, loadavg: text.loadavg)
    }

    func testParsesWhatTheKernelWrites() throws {
        let sample = try parse(text())
        XCTAssertEqual(sample.userTicks, 1_020)
        XCTAssertEqual(sample.systemTicks, 320)
        XCTAssertEqual(sample.idleTicks, 8_000)
        XCTAssertEqual(sample.waitTicks, 100)
        XCTAssertEqual(sample.totalTicks, 9_440)
        XCTAssertEqual(sample.processesRunning, 3)
        XCTAssertEqual(sample.memoryTotalBytes, 16_384_000_000)
        XCTAssertEqual(sample.memoryAvailableBytes, 6_144_000_000)
        XCTAssertEqual(sample.diskReadBytes, (2_000 + 10 + 1) * 512)
        XCTAssertEqual(sample.diskWrittenBytes, (400 + 20 + 2) * 512)
        XCTAssertEqual(sample.netReceivedBytes, 5_100)
        XCTAssertEqual(sample.netSentBytes, 3_200)
        XCTAssertEqual([sample.load1, sample.load5, sample.load15], [0.42, 1.31, 2.20])
    }

    func testNeverTrapsOnCutOrOddText() throws {
        let whole = [stat, meminfo, diskstats, netDev, loadavg].map { Array($0.utf8) }
        for file in 0..<5 {
            for length in 0..<whole[file].count {
                var cut = whole
                cut[file] = Array(whole[file].prefix(length))
                _ = try? SystemSample.parse(stat: cut[0], meminfo: cut[1], diskstats: cut[2], netDev: cut[3], loadavg: cut[4])
                cut[file] = whole[file]
                cut[file][length] = 0xFF
                _ = try? SystemSample.parse(stat: cut[0], meminfo: cut[1], diskstats: cut[2], netDev: cut[3], loadavg: cut[4])
            }
        }
        let huge = "cpu 99999999999999999999999 18446744073709551615 18446744073709551615 18446744073709551615 1 1 1 1\n"
        _ = try parse(text(stat: huge))
        XCTAssertThrowsError(try parse(text(stat: "")))
        XCTAssertThrowsError(try SystemSample.parse(stat: whole[0], meminfo: [], diskstats: [], netDev: [], loadavg: whole[4]))
    }

    func testRowsAreDifferences() throws {
        var schema = try XCTUnwrap(Connectors.fixedSchema(of: "system"))
        XCTAssertEqual(schema.count, 16)
        schema.fields.reverse()
        let relation = RelationDefinition(
            name: "machine", columns: schema.fields.map { ColumnDefinition(name: $0.name.uppercased(), type: $0.type) },
            options: ["interval": "500 ms"], connector: "system")
        let first = text()
        let second = text(
            stat: "cpu  1030 20 310 8050 110 5 15 0 7 0\nprocs_running 4\n",
            diskstats: "259 0 nvme0n1 1000 0 2008 0 10 0 1 0 0 0 0\n", netDev: "eth0: 6000 0 0 0 0 0 0 0 3500 0 0 0 0 0 0 0\n")
        var texts = [second, first]
        let sampler = try SystemSampler(relation, text: { texts.popLast() ?? second })
        XCTAssertEqual(sampler.intervalMicroseconds, 500_000)
        XCTAssertNil(try sampler.sample(nowMicroseconds: 1_000_000))
        let batch = try XCTUnwrap(try sampler.sample(nowMicroseconds: 1_500_789))
        XCTAssertEqual(batch.count, 1)
        let row = Dictionary(uniqueKeysWithValues: zip(schema.fields.map(\.name), batch.row(0)))
        XCTAssertEqual(row["ts"], .integer(1_500_000))
        XCTAssertEqual(row["cpu"], .double(40))
        XCTAssertEqual(row["cpu_user"], .double(30))
        XCTAssertEqual(row["cpu_system"], .double(10))
        XCTAssertEqual(row["cpu_iowait"], .double(10))
        XCTAssertEqual(row["memory_used"], .integer(10_240_000_000))
        // Other disks went away, so the sum fell: zero, not less than nothing.
        XCTAssertEqual(row["disk_written_bytes"], .integer(0))
        XCTAssertEqual(row["net_received_bytes"], .integer(900))
        XCTAssertEqual(row["net_sent_bytes"], .integer(300))
        XCTAssertEqual(row["processes_running"], .integer(4))
        XCTAssertEqual(row["load15"], .double(2.2))
    }

    func testThisMachine() throws {
        let sample = try parse(SystemText.ofThisMachine())
        XCTAssertGreaterThan(sample.totalTicks, 0)
        XCTAssertGreaterThan(sample.memoryTotalBytes, sample.memoryAvailableBytes)
    }

    func testErrors() {
        func failure(_ column: String, _ type: SQLType, _ options: [String: String]) -> String {
            do {
                try Connectors.validate(RelationDefinition(
                    name: "m", columns: [ColumnDefinition(name: column, type: type)], options: options, connector: "system"))
                return "none"
            } catch { return "\(error)" }
        }
        XCTAssertTrue(failure("cpu_usr", .double, [:]).contains("did you mean 'cpu_user'?"))
        XCTAssertTrue(failure("cpu", .bigint, [:]).contains("DOUBLE"))
        XCTAssertTrue(failure("cpu", .double, ["interval": "soon"]).contains("duration"))
        XCTAssertTrue(failure("cpu", .double, ["interval": "9223372036854775807 d"]).contains("duration"))
        XCTAssertTrue(failure("cpu", .double, ["intervall": "1 s"]).contains("did you mean 'interval'?"))
        XCTAssertEqual(failure("CPU", .double, ["interval": "1 s"]), "none")
    }
}
