// FloatingKernels: arithmetic of REAL and DOUBLE. REAL is computed in Double and rounded to Float, which for one operation is the same
// as computing in Float. As in PostgreSQL division by zero fails; overflow to infinity does not.

import Columns
import Planning

enum FloatingKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        guard request.type.isFloating, request.arguments.allSatisfy(\.isFloating) else { return nil }
        let isReal = request.type == .real
        switch request.function {
        case .add: return { call in binary(call, isReal) { $0 + $1 } }
        case .subtract: return { call in binary(call, isReal) { $0 - $1 } }
        case .multiply: return { call in binary(call, isReal) { $0 * $1 } }
        case .divide:
            return { call in
                let a = call.operands[0].doubles
                let b = call.operands[1].doubles
                return call.doubles { row in
                    if b[row] == 0 { call.fail(row, "division by zero"); return nil }
                    return isReal ? Double(Float(a[row] / b[row])) : a[row] / b[row]
                }
            }
        case .remainder:
            return { call in
                let a = call.operands[0].doubles
                let b = call.operands[1].doubles
                return call.doubles { row in
                    if b[row] == 0 { call.fail(row, "division by zero"); return nil }
                    return a[row].truncatingRemainder(dividingBy: b[row])
                }
            }
        case .negate:
            return { call in
                let a = call.operands[0].doubles
                return call.doubles { row in -a[row] }
            }
        case .abs:
            return { call in
                let a = call.operands[0].doubles
                return call.doubles { row in a[row].magnitude }
            }
        case .sign:
            return { call in
                let a = call.operands[0].doubles
                return call.doubles { row in a[row] > 0 ? 1 : a[row] < 0 ? -1 : a[row] }
            }
        default: return nil
        }
    }

    @inline(__always)
    private static func binary(_ call: KernelCall, _ isReal: Bool, _ operation: (Double, Double) -> Double) -> Column {
        let rows = call.rows
        let values = Buffer(byteCount: rows * 8)
        let target = values.base.assumingMemoryBound(to: Double.self)
        let a = call.operands[0].column.doubles
        let b = call.operands[1].column.doubles
        if call.operands[1].isConstant {
            let y = b[0]
            for row in 0..<rows { target[row] = operation(a[row], y) }
        } else if call.operands[0].isConstant {
            let x = a[0]
            for row in 0..<rows { target[row] = operation(x, b[row]) }
        } else {
            for row in 0..<rows { target[row] = operation(a[row], b[row]) }
        }
        if isReal { for row in 0..<rows { target[row] = Double(Float(target[row])) } }
        return Column(type: call.type, count: rows, values: values, validity: call.strictValidity())
    }
}
