// AggregateFinish: from accumulators to result columns.
//
// A result that does not fit its type (a sum beyond BIGINT, a decimal beyond 38 digits, a sum of doubles beyond the largest) is NULL and a
// failure is reported with the group's key. Averages of exact numbers are rounded half away from zero.

import Columns
import Glibc
import Planning

/// A result that could not be made: which of the rows, by which aggregate.
struct FinishFailure {
    var row: Int
    var text: String
    var message: String
}

extension GroupLayout {
    /// The result columns of the given group rows, one per aggregate.
    func finish(_ rows: UnsafePointer<UnsafeRawPointer>, count n: Int, failures: inout [FinishFailure]) -> [Column] {
        calls.map { finish($0, rows, n, &failures) }
    }

    private func finish(_ call: Call, _ rows: UnsafePointer<UnsafeRawPointer>, _ n: Int, _ failures: inout [FinishFailure]) -> Column {
        @inline(__always) func word(_ row: Int, _ offset: Int) -> Int64 { rows[row].load(fromByteOffset: offset, as: Int64.self) }
        @inline(__always) func valued(_ row: Int) -> Int64 {
            word(row, call.rows) &- (call.nulls >= 0 ? word(row, call.nulls) : 0)
        }
        var bits: Buffer?
        func setNull(_ row: Int) {
            let bitmap = bits ?? Bitmap.allValid(n)
            bits = bitmap
            bitmap.base.assumingMemoryBound(to: UInt64.self)[row >> 6] &= ~(1 << UInt64(row & 63))
        }
        func fail(_ row: Int, _ message: String) {
            setNull(row)
            failures.append(FinishFailure(row: row, text: call.text, message: message))
        }
        let values = Buffer.zeroed(byteCount: n * call.resultType.layout.stride)
        let int64s = values.base.assumingMemoryBound(to: Int64.self)
        let doubles = values.base.assumingMemoryBound(to: Double.self)
        func put(_ value: Int128, _ row: Int) { values.base.storeBytes(of: value, toByteOffset: row * 16, as: Int128.self) }

        switch call.function {
        case .countRows: for row in 0..<n { int64s[row] = word(row, call.rows) }
        case .count: for row in 0..<n { int64s[row] = valued(row) }
        case .sum:
            let isWide = call.resultType.layout == .int128
            let isInterval = call.argumentType == .interval
            switch call.argumentType.layout {
            case .int64:
                for row in 0..<n {
                    guard valued(row) > 0 else {
                        setNull(row)
                        continue
                    }
                    let sum = rows[row].loadUnaligned(fromByteOffset: call.main, as: Int128.self)
                    if isWide {
                        put(sum, row)
                    } else if let fits = Int64(exactly: sum) {
                        int64s[row] = fits
                    } else {
                        fail(row, "BIGINT out of range")
                    }
                }
            case .double:
                for row in 0..<n {
                    guard valued(row) > 0 else {
                        setNull(row)
                        continue
                    }
                    guard let sum = DoubleSum.value(rows[row] + call.main) else {
                        fail(row, "DOUBLE out of range")
                        continue
                    }
                    doubles[row] = sum
                }
            default:
                for row in 0..<n {
                    guard valued(row) > 0 else {
                        setNull(row)
                        continue
                    }
                    if isInterval {
                        let months = rows[row].loadUnaligned(fromByteOffset: call.main, as: Int128.self)
                        let microseconds = rows[row].loadUnaligned(fromByteOffset: call.main + 16, as: Int128.self)
                        if let months = Int64(exactly: months), let microseconds = Int64(exactly: microseconds) {
                            put(IntervalValue(months: months, microseconds: microseconds).packed, row)
                        } else {
                            fail(row, "INTERVAL out of range")
                        }
                    } else if let sum = WideSum(rows[row] + call.main).int128, WideSum.fitsDecimal(sum) {
                        put(sum, row)
                    } else {
                        fail(row, "DECIMAL out of range")
                    }
                }
            }
        case .avg: finishAverage()
        case .varSamp, .varPop, .stddevSamp, .stddevPop:
            let isSample = call.function == .varSamp || call.function == .stddevSamp
            let isRoot = call.function == .stddevSamp || call.function == .stddevPop
            for row in 0..<n {
                let count = valued(row)
                guard count >= (isSample ? 2 : 1) else {
                    setNull(row)
                    continue
                }
                let variance = DoubleSum.variance(rows[row] + call.main, rows[row] + call.second, count: count, isSample: isSample)
                doubles[row] = isRoot ? variance.squareRoot() : variance
            }
        case .min, .max:
            for row in 0..<n where valued(row) <= 0 { setNull(row) }
            switch call.argumentType.layout {
            case .int64: for row in 0..<n where valued(row) > 0 { int64s[row] = word(row, call.main) }
            case .double: for row in 0..<n where valued(row) > 0 { doubles[row] = DoubleOrder.value(word(row, call.main)) }
            case .bool: for row in 0..<n where valued(row) > 0 { values.base.storeBytes(of: word(row, call.main) != 0 ? 1 : 0, toByteOffset: row, as: UInt8.self) }
            case .string: return PackedLayout.gather(call.resultType, from: rows, count: n, offset: call.main + 8, validity: bits)
            default: for row in 0..<n where valued(row) > 0 { memcpy(values.base + row * 16, rows[row] + call.main, 16) }
            }
        case .firstValue, .lastValue:
            for row in 0..<n where valued(row) <= 0 { setNull(row) }
            return PackedLayout.gather(call.resultType, from: rows, count: n, offset: call.main + 8, validity: bits)
        case .boolAnd, .boolOr:
            for row in 0..<n {
                let count = valued(row)
                guard count > 0 else {
                    setNull(row)
                    continue
                }
                let trues = word(row, call.main)
                values.base.storeBytes(of: (call.function == .boolAnd ? trues == count : trues > 0) ? 1 : 0, toByteOffset: row, as: UInt8.self)
            }
        }
        return Column(type: call.resultType, count: n, values: values, validity: bits)

        func finishAverage() {
            let isDouble = call.argumentType.layout == .double
            let isInteger = call.argumentType.layout == .int64
            var argumentScale = 0
            if case .decimal(_, let scale) = call.argumentType { argumentScale = scale }
            var resultScale = argumentScale
            if case .decimal(_, let scale) = call.resultType { resultScale = scale }
            let digits = max(resultScale - argumentScale, 0)
            for row in 0..<n {
                let count = valued(row)
                guard count > 0 else {
                    setNull(row)
                    continue
                }
                let state = rows[row] + call.main
                if isDouble {
                    if let sum = DoubleSum.value(state) { doubles[row] = sum / Double(count) } else { fail(row, "DOUBLE out of range") }
                    continue
                }
                let sum: WideSum
                if isInteger {
                    let narrow = state.loadUnaligned(as: Int128.self)
                    sum = WideSum(low: UInt128(bitPattern: narrow), high: narrow < 0 ? -1 : 0)
                } else {
                    sum = WideSum(state)
                }
                if let average = sum.average(count: count, digits: digits), WideSum.fitsDecimal(average) {
                    put(average, row)
                } else {
                    fail(row, "DECIMAL out of range")
                }
            }
        }
    }
}

/// 192 bits, two's complement.
struct WideSum {
    var low: UInt128
    var high: Int64

    init(low: UInt128, high: Int64) {
        self.low = low
        self.high = high
    }

    init(_ state: UnsafeRawPointer) {
        low = state.loadUnaligned(as: UInt128.self)
        high = state.load(fromByteOffset: 16, as: Int64.self)
    }

    /// Itself when it fits.
    var int128: Int128? {
        let value = Int128(bitPattern: low)
        return high == (value < 0 ? -1 : 0) ? value : nil
    }

    static let decimalMax: Int128 = (0..<38).reduce(1) { product, _ in product * 10 } - 1

    static func fitsDecimal(_ value: Int128) -> Bool { value >= -decimalMax && value <= decimalMax }

    /// sum / count with `digits` more digits behind the point, rounded half away from zero.
    func average(count: Int64, digits: Int) -> Int128? {
        guard count > 0 else { return nil }
        let isNegative = high < 0
        var magnitudeLow = low
        var magnitudeHigh = UInt64(bitPattern: high)
        if isNegative {
            magnitudeLow = ~low &+ 1
            magnitudeHigh = ~magnitudeHigh &+ (magnitudeLow == 0 ? 1 : 0)
        }
        let divisor = UInt128(UInt64(count))
        let upper = UInt128(magnitudeHigh)
        guard upper / divisor == 0 else { return nil }
        var (quotient, remainder) = divisor.dividingFullWidth((upper % divisor, magnitudeLow))
        for _ in 0..<digits {
            // The remainder is below 2^63: ten times it fits.
            let next = (remainder &* 10).quotientAndRemainder(dividingBy: divisor)
            let shifted = quotient.multipliedReportingOverflow(by: 10)
            guard !shifted.overflow else { return nil }
            quotient = shifted.partialValue &+ next.quotient
            remainder = next.remainder
        }
        if remainder &* 2 >= divisor { quotient &+= 1 }
        guard let value = Int128(exactly: quotient) else { return nil }
        return isNegative ? -value : value
    }
}

extension DoubleSum {
    /// The sum; nil when finite terms added up to more than a double holds.
    static func value(_ state: UnsafeRawPointer) -> Double? {
        let infinities = state.load(fromByteOffset: 16, as: UInt64.self)
        let plus = infinities & 0xFFFF_FFFF != 0
        let minus = infinities >> 32 != 0
        if state.load(fromByteOffset: 24, as: Int64.self) != 0 || (plus && minus) { return .nan }
        if plus { return .infinity }
        if minus { return -.infinity }
        let high = state.load(as: Double.self)
        guard high.isFinite else { return nil }
        return high + state.load(fromByteOffset: 8, as: Double.self)
    }

    /// (Σx² - (Σx)²/n) / n or (n - 1), in doubled precision so that the difference keeps its digits.
    static func variance(_ sum: UnsafeRawPointer, _ squares: UnsafeRawPointer, count: Int64, isSample: Bool) -> Double {
        guard let total = value(sum), value(squares) != nil, total.isFinite else { return .nan }
        let n = Double(count)
        let high = sum.load(as: Double.self)
        let low = sum.load(fromByteOffset: 8, as: Double.self)
        // mean = (high + low) / n as two doubles, then Σx² - sum * mean, each product with its error.
        let mean = (high + low) / n
        let (product, productError) = twoProduct(mean, n)
        let meanLow = ((high - product) - productError + low) / n
        let (main, mainError) = twoProduct(high, mean)
        let cross = mainError + high * meanLow + low * mean
        let squaresHigh = squares.load(as: Double.self)
        let squaresLow = squares.load(fromByteOffset: 8, as: Double.self)
        let difference = (squaresHigh - main) + (squaresLow - cross)
        return max(difference, 0) / (isSample ? n - 1 : n)
    }

    private static func twoProduct(_ a: Double, _ b: Double) -> (Double, Double) {
        let product = a * b
        let error = (-product).addingProduct(a, b)
        return (product, error.isFinite ? error : 0)
    }
}
