// BitKernels: single bytes and bits of BYTES, and how many bits are set.

import Columns
import Planning

enum BitKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .getByte, .getBit:
            let isBit = request.function == .getBit
            return { call in
                let (bytes, number) = (call.operands[0].strings, call.operands[1].int64s)
                return call.int64s { row in
                    let source = bytes[row].bytes
                    guard let place = place(call, row, number[row], isBit ? source.count * 8 : source.count) else { return nil }
                    return isBit ? Int64(source[place >> 3] >> UInt8(place & 7) & 1) : Int64(source[place])
                }
            }
        case .setByte, .setBit:
            let isBit = request.function == .setBit
            return { call in
                let (bytes, number, value) = (call.operands[0].strings, call.operands[1].int64s, call.operands[2].int64s)
                return call.texts { row, writer in
                    let source = bytes[row].bytes
                    guard let place = place(call, row, number[row], isBit ? source.count * 8 : source.count) else { return false }
                    if isBit, value[row] != 0 && value[row] != 1 {
                        call.fail(row, "new bit must be 0 or 1")
                        return false
                    }
                    let target = writer.reserve(source.count)
                    for index in 0..<source.count { target[index] = source[index] }
                    if isBit {
                        let mask = UInt8(1) << UInt8(place & 7)
                        target[place >> 3] = value[row] == 1 ? target[place >> 3] | mask : target[place >> 3] & ~mask
                    } else {
                        target[place] = UInt8(truncatingIfNeeded: value[row])
                    }
                    writer.advance(source.count)
                    return true
                }
            }
        case .bitCount:
            if request.arguments.first == .bytes {
                return { call in
                    let a = call.operands[0].strings
                    return call.int64s { row in a[row].bytes.reduce(0) { $0 + Int64($1.nonzeroBitCount) } }
                }
            }
            let mask: Int64 =
                switch request.arguments.first {
                case .smallint: 0xFFFF
                case .integer: 0xFFFF_FFFF
                default: -1
                }
            return { call in
                let a = call.operands[0].int64s
                return call.int64s { Int64((a[$0] & mask).nonzeroBitCount) }
            }
        default: return nil
        }
    }

    @inline(__always)
    private static func place(_ call: KernelCall, _ row: Int, _ number: Int64, _ count: Int) -> Int? {
        if number >= 0 && number < Int64(count) { return Int(number) }
        call.fail(row, "index \(number) out of valid range, 0..\(count - 1)")
        return nil
    }
}
