// DigestKernels: MD5, SHA and CRC of texts and bytes. A digest of bytes is bytes, of a text its hexadecimal digits.

import Columns
import Planning
import Platform

enum DigestKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .md5:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in
                    MD5.appendHexadecimal(of: a[row].bytes, to: &writer)
                    return true
                }
            }
        case .sha1: return digest(request) { SHA1.hash($0) }
        case .sha224: return digest(request) { SHA2.hash($0, .bits224) }
        case .sha256: return digest(request) { SHA2.hash($0, .bits256) }
        case .sha384: return digest(request) { SHA2.hash($0, .bits384) }
        case .sha512: return digest(request) { SHA2.hash($0, .bits512) }
        case .crc32:
            return { call in
                let a = call.operands[0].strings
                return call.int64s { Int64(CRC32.checksum(UnsafeRawBufferPointer(a[$0].bytes))) }
            }
        case .crc32c:
            return { call in
                let a = call.operands[0].strings
                return call.int64s { Int64(CRC32C.checksum(UnsafeRawBufferPointer(a[$0].bytes))) }
            }
        default: return nil
        }
    }

    private static func digest(_ request: KernelRequest, _ hash: @escaping @Sendable (UnsafeRawBufferPointer) -> [UInt8]) -> Kernel {
        let isBytes = request.type == .bytes
        return { call in
            let a = call.operands[0].strings
            return call.texts { row, writer in
                for byte in hash(UnsafeRawBufferPointer(a[row].bytes)) {
                    if isBytes {
                        writer.append(byte)
                    } else {
                        writer.append(Text.hexadecimal(byte >> 4))
                        writer.append(Text.hexadecimal(byte & 15))
                    }
                }
                return true
            }
        }
    }
}
