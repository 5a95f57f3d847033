import Platform
import XCTest

final class HashTests: XCTestCase {
    func testMD5Vectors() {
        // RFC 1321, appendix A.5.
        let vectors = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"), ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
            (String(repeating: "1234567890", count: 8), "57edf4a22be3c955ac49da2e2107b67a"),
        ]
        for (text, digest) in vectors { XCTAssertEqual(MD5.hash(text), UInt128(digest, radix: 16), text) }
    }

    func testMD5AroundBlockSizes() {
        // From Python's hashlib, of n bytes "x".
        let vectors = [
            (55, "04364420e25c512fd958a70738aa8f72"), (56, "668a72d5ba17f08e62dabcafad6db14b"),
            (64, "c1bb4f81d892b2d57947682aeb252456"), (119, "ab347a5f68c8a443cfcddc633f12c24f"),
        ]
        for (count, digest) in vectors { XCTAssertEqual(MD5.hash(String(repeating: "x", count: count)), UInt128(digest, radix: 16), "\(count)") }
    }

    func testCRC32CVectors() {
        // RFC 3720, appendix B.4.
        func crc(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32C.checksum($0) } }
        XCTAssertEqual(crc([UInt8](repeating: 0, count: 32)), 0x8A91_36AA)
        XCTAssertEqual(crc([UInt8](repeating: 0xFF, count: 32)), 0x62A8_AB43)
        XCTAssertEqual(crc(Array(0..<32)), 0x46DD_794E)
        XCTAssertEqual(crc(Array("123456789".utf8)), 0xE306_9283)
    }

    func testCRC32CHardwareEqualsPortableAtAllLengths() {
        var random = SeededRandom(seed: 1)
        let bytes = (0..<40_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        bytes.withUnsafeBytes { all in
            for count in Array(0..<900) + [4_095 * 3, 4_096 * 3, 12_289, 24_600, 39_999] {
                let start = random.below(40_000 - count)
                let part = UnsafeRawBufferPointer(rebasing: all[start..<start + count])
                XCTAssertEqual(CRC32C.checksum(part), CRC32C.portable(part), "\(count)")
                XCTAssertEqual(CRC32C.checksum(part, seed: 77), CRC32C.portable(part, seed: 77), "\(count)")
            }
        }
    }

    func testHash64SpreadsAndDependsOnEveryByte() {
        var seen = Set<UInt64>()
        for count in 0..<80 {
            var bytes = [UInt8](repeating: 7, count: count)
            XCTAssertTrue(seen.insert(bytes.withUnsafeBytes { Hash64.hash($0) }).inserted, "\(count)")
            for index in 0..<count {
                bytes[index] ^= 1
                XCTAssertTrue(seen.insert(bytes.withUnsafeBytes { Hash64.hash($0) }).inserted, "\(count) \(index)")
                bytes[index] ^= 1
            }
        }
        var low = Set<UInt64>()
        for value in 0..<4_096 { low.insert(Hash64.hash(Int64(value)) & 4_095) }
        XCTAssertGreaterThan(low.count, 2_400)  // 1 - 1/e of 4,096 is 2,589
    }
}
