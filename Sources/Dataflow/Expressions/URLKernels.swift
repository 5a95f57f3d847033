// URLKernels: application/x-www-form-urlencoded, and the parts of a URL (RFC 3986) as java.net.URL names them.

import Columns
import Planning

enum URLKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .urlEncode:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in
                    let bytes = a[row].bytes
                    if bytes.count > TextKernels.byteCountMax / 3 { return TextKernels.tooLong(call, row) }
                    for byte in bytes {
                        switch byte {
                        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2A, 0x5F: writer.append(byte)
                        case 0x20: writer.append(0x2B)
                        default:
                            writer.append(0x25)
                            writer.append(upper(byte >> 4))
                            writer.append(upper(byte & 15))
                        }
                    }
                    return true
                }
            }
        case .urlDecode:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in
                    let bytes = a[row].bytes
                    guard decode(bytes, &writer) else {
                        call.fail(row, "invalid percent encoding: \"\(TextError.excerpt(bytes))\"")
                        return false
                    }
                    return true
                }
            }
        case .parseURL:
            return { call in
                let (url, part) = (call.operands[0].strings, call.operands[1].strings)
                let key = call.operands.count > 2 ? call.operands[2].strings : nil
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    let view = url[row]
                    guard let parts = Parts(view.bytes), let range = parts.range(part[row].string, key: key.map { $0[row].bytes }) else { return false }
                    writer.share(StringView(view.pointer + range.lowerBound, count: range.count))
                    return true
                }
            }
        default: return nil
        }
    }

    private static func upper(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 &+ digit : 0x37 &+ digit }

    private static func decode(_ bytes: Bytes, _ writer: inout TextWriter) -> Bool {
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case 0x2B: writer.append(0x20)
            case 0x25:
                guard index + 2 < bytes.count, let high = EncodingKernels.hexadecimalValue(bytes[index + 1]),
                    let low = EncodingKernels.hexadecimalValue(bytes[index + 2])
                else { return false }
                writer.append(high << 4 | low)
                index += 2
            default: writer.append(bytes[index])
            }
            index += 1
        }
        return UTF8Text.isValid(writer.written.bytes)
    }

    /// Where the parts of a URL stand in its bytes; nil for what has no scheme.
    private struct Parts {
        let bytes: Bytes
        var scheme: Range<Int>
        var authority: Range<Int>?
        var path: Range<Int>
        var query: Range<Int>?
        var fragment: Range<Int>?

        init?(_ bytes: Bytes) {
            guard let colon = bytes.firstIndex(of: 0x3A), colon > 0,
                bytes[..<colon].allSatisfy({ ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E })
            else { return nil }
            self.bytes = bytes
            scheme = 0..<colon
            var start = colon + 1
            var end = bytes.count
            if let hash = bytes[start...].firstIndex(of: 0x23) {
                fragment = hash + 1..<end
                end = hash
            }
            if let mark = bytes[start..<end].firstIndex(of: 0x3F) {
                query = mark + 1..<end
                end = mark
            }
            if start + 1 < end, bytes[start] == 0x2F, bytes[start + 1] == 0x2F {
                let stop = bytes[(start + 2)..<end].firstIndex(of: 0x2F) ?? end
                authority = start + 2..<stop
                start = stop
            }
            path = start..<end
        }

        func range(_ name: String, key: Bytes?) -> Range<Int>? {
            switch name {
            case "PROTOCOL": return scheme
            case "AUTHORITY": return authority
            case "USERINFO":
                guard let authority, let sign = bytes[authority].lastIndex(of: 0x40) else { return nil }
                return authority.lowerBound..<sign
            case "HOST":
                guard let authority else { return nil }
                let start = bytes[authority].lastIndex(of: 0x40).map { $0 + 1 } ?? authority.lowerBound
                if start < authority.upperBound, bytes[start] == 0x5B, let close = bytes[start..<authority.upperBound].firstIndex(of: 0x5D) {
                    return start..<close + 1
                }
                return start..<(bytes[start..<authority.upperBound].firstIndex(of: 0x3A) ?? authority.upperBound)
            case "PATH": return path
            case "FILE": return path.lowerBound..<(query?.upperBound ?? path.upperBound)
            case "REF": return fragment
            case "QUERY":
                guard let query, let key else { return key == nil ? query : nil }
                var start = query.lowerBound
                while start <= query.upperBound {
                    let end = bytes[start..<query.upperBound].firstIndex(of: 0x26) ?? query.upperBound
                    let pair = Bytes(rebasing: bytes[start..<end])
                    if pair.count > key.count, pair[key.count] == 0x3D, Text.hasPrefix(pair, key) { return start + key.count + 1..<end }
                    start = end + 1
                }
                return nil
            default: return nil
            }
        }
    }
}
