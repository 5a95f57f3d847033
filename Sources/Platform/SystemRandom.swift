// SystemRandom: bytes that nobody can guess, from the system: for keys and nonces, never for data.

import Glibc

package enum SystemRandom {
    /// nil when the system has none to give.
    package static func bytes(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: max(count, 0))
        var start = 0
        while start < bytes.count {
            // The system gives at most so many at once.
            let piece = min(256, bytes.count - start)
            let status = bytes.withUnsafeMutableBytes { $0.baseAddress.map { getentropy($0 + start, piece) } ?? -1 }
            guard status == 0 else { return nil }
            start += piece
        }
        return bytes
    }
}
