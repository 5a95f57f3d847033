import Glibc
import Platform
import XCTest

final class FileSystemTests: XCTestCase {
    private func withEverySystem(_ body: (any FileSystem, String) throws -> Void) throws {
        try body(SimulatedFileSystem(seed: 1), "/base")
        let path = "/tmp/millrace-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { try? PosixFileSystem().removeTree(path) }
        try body(PosixFileSystem(), path)
    }

    func testFilesAndNames() throws {
        try withEverySystem { system, base in
            try system.createDirectory(base + "/a/b")
            try system.createDirectory(base + "/a/b")
            let file = try system.open(base + "/a/b/file", .readWrite)
            try Array("hello".utf8).withUnsafeBytes { try file.write($0, at: 0) }
            try Array("wörld".utf8).withUnsafeBytes { part in try file.write(gathering: [part, part], at: 5) }
            try file.synchronize()
            XCTAssertEqual(try file.size(), 17)
            var bytes = [UInt8](repeating: 0, count: 100)
            XCTAssertEqual(try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 5) }, 12)
            XCTAssertEqual(String(decoding: bytes[..<12], as: UTF8.self), "wörldwörld")
            let map = try file.map(byteCount: 17)
            XCTAssertEqual(map.bytes[0], UInt8(ascii: "h"))
            try map.bringIn(map.bytes)
            XCTAssertThrowsError(try file.map(byteCount: 18))
            try file.truncate(to: 4)
            XCTAssertEqual(try file.size(), 4)
            try system.rename(base + "/a/b/file", to: base + "/a/b/other")
            XCTAssertEqual(try system.list(base + "/a/b"), ["other"])
            XCTAssertTrue(system.exists(base + "/a/b/other"))
            XCTAssertThrowsError(try system.open(base + "/a/b/file", .read)) {
                XCTAssertEqual(($0 as? FileError)?.code, ENOENT)
                XCTAssertTrue("\($0)".contains("No such file"), "\($0)")
            }
            try system.synchronizeDirectory(base + "/a/b")
            try system.remove(base + "/a/b/other")
            XCTAssertThrowsError(try system.remove(base + "/a/b/other"))
            try system.removeTree(base + "/a")
            XCTAssertFalse(system.exists(base + "/a/b"))
            XCTAssertGreaterThan(try system.freeByteCount(at: base), 0)
        }
    }

    func testManyPartsInOneWrite() throws {
        try withEverySystem { system, base in
            try system.createDirectory(base)
            let file = try system.open(base + "/f", .truncate)
            let bytes = (0..<3_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try bytes.withUnsafeBytes { all in
                try file.write(gathering: (0..<1_500).map { UnsafeRawBufferPointer(rebasing: all[$0 * 2..<$0 * 2 + 2]) }, at: 10)
            }
            var back = [UInt8](repeating: 1, count: 3_010)
            XCTAssertEqual(try back.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }, 3_010)
            XCTAssertEqual(Array(back[10...]), bytes)
        }
    }

    func testDirectoryLockNamesItsHolder() throws {
        try withEverySystem { system, base in
            try system.createDirectory(base)
            var held: (any DirectoryLock)? = try system.lockDirectory(base, owner: "first of us")
            XCTAssertThrowsError(try system.lockDirectory(base, owner: "second")) {
                XCTAssertTrue("\($0)".contains("first of us") && "\($0)".contains("pid"), "\($0)")
            }
            XCTAssertNotNil(held)
            held = nil
            _ = try system.lockDirectory(base, owner: "third")
        }
    }

    func testCrashKeepsWhatWasSynced() throws {
        for seed in 0..<100 as Range<UInt64> {
            let system = SimulatedFileSystem(seed: seed)
            try system.createDirectory("/d")
            try system.synchronizeDirectory("/")
            let file = try system.open("/d/f", .readWrite)
            try [UInt8](repeating: 1, count: 2_000).withUnsafeBytes { try file.write($0, at: 0) }
            try file.synchronize()
            try system.synchronizeDirectory("/d")
            try [UInt8](repeating: 2, count: 2_000).withUnsafeBytes { try file.write($0, at: 2_000) }
            _ = try system.open("/d/unsynced", .readWrite)
            system.crash()
            let bytes = try XCTUnwrap(system.contents("/d/f"))
            XCTAssertEqual(Array(bytes.prefix(2_000)), [UInt8](repeating: 1, count: 2_000))
            XCTAssertTrue(bytes.dropFirst(2_000).allSatisfy { $0 == 0 || $0 == 2 })
            XCTAssertThrowsError(try file.synchronize())
        }
    }

    func testCrashForgetsUnsyncedNamesSometimes() throws {
        var kept = 0
        for seed in 0..<100 as Range<UInt64> {
            let system = SimulatedFileSystem(seed: seed)
            let file = try system.open("/f", .readWrite)
            try file.synchronize()
            system.crash()
            if system.exists("/f") { kept += 1 }
        }
        XCTAssertTrue((20...80).contains(kept), "\(kept)")
    }

    func testFailuresAndFullDisk() throws {
        let system = SimulatedFileSystem(seed: 3)
        let file = try system.open("/f", .readWrite)
        system.failOperation(system.operationCount, code: ENOSPC)
        XCTAssertThrowsError(try [1].withUnsafeBytes { try file.write($0, at: 0) }) { XCTAssertTrue(($0 as? FileError)?.isOutOfSpace == true) }
        try [1].withUnsafeBytes { try file.write($0, at: 0) }
        system.setCapacity(byteCount: 10_000)
        XCTAssertThrowsError(try [UInt8](repeating: 1, count: 20_000).withUnsafeBytes { try file.write($0, at: 0) })
        system.setCapacity(byteCount: .max)
        try [UInt8](repeating: 1, count: 20_000).withUnsafeBytes { try file.write($0, at: 0) }
        // A failed sync never turns into a later success.
        system.failOperation(system.operationCount)
        XCTAssertThrowsError(try file.synchronize())
        try file.synchronize()
        try system.synchronizeDirectory("/")
        system.crash()
        XCTAssertEqual(system.contents("/f"), [])
    }

    func testTheSameSeedGivesTheSameTrace() throws {
        func run(_ seed: UInt64) throws -> (UInt64, [UInt8]?) {
            let system = SimulatedFileSystem(seed: seed)
            let file = try system.open("/f", .readWrite)
            try system.synchronizeDirectory("/")
            for index in 0..<20 { try [UInt8](repeating: UInt8(index), count: 700).withUnsafeBytes { try file.write($0, at: index * 700) } }
            system.crash()
            return (system.traceHash, system.contents("/f"))
        }
        let (first, second, other) = try (run(5), run(5), run(6))
        XCTAssertEqual(first.0, second.0)
        XCTAssertEqual(first.1, second.1)
        XCTAssertNotEqual(first.1, other.1)
    }
}
