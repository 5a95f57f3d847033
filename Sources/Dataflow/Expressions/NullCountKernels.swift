// NullCountKernels: num_nulls and num_nonnulls, of operands of any types.

import Columns
import Planning

enum NullCountKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        let countsNulls = request.function == .countNulls
        return { call in
            let operands = call.operands
            return call.int64s(strict: false) { row in
                var count: Int64 = 0
                for operand in operands where operand.isNull(row) == countsNulls { count += 1 }
                return count
            }
        }
    }
}
