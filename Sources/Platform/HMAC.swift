// HMAC-SHA-256 (RFC 2104) and the key derivation made of it (PBKDF2, RFC 8018): what proves that somebody knows a password.

package enum HMAC {
    private static let blockByteCount = 64

    package static func sha256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > blockByteCount ? hash(key) : key
        block += [UInt8](repeating: 0, count: blockByteCount - block.count)
        return hash(block.map { $0 ^ 0x5C } + hash(block.map { $0 ^ 0x36 } + message))
    }

    /// One block of PBKDF2's output, 32 bytes.
    package static func derivedKey(password: [UInt8], salt: [UInt8], iterationCount: Int) -> [UInt8] {
        var last = sha256(key: password, salt + [0, 0, 0, 1])
        var result = last
        for _ in 1..<max(iterationCount, 1) {
            last = sha256(key: password, last)
            for index in result.indices { result[index] ^= last[index] }
        }
        return result
    }

    package static func hash(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { SHA2.hash($0, .bits256) } }

    /// Compares without telling by the time it takes where the first difference is.
    package static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        var difference: UInt8 = 0
        for index in one.indices { difference |= one[index] ^ other[index] }
        return difference == 0
    }
}
