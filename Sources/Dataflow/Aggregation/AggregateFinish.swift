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
        switch call.form {
        case .sums: break
        default: return finishHeld(call, rows, n, &failures)
        }
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
        case .count, .regrCount: for row in 0..<n { int64s[row] = valued(row) }
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
                let sum = Moments.square(rows[row] + call.main, rows[row] + call.more[0], count: count)
                let variance = sum / Double(isSample ? count - 1 : count)
                doubles[row] = isRoot ? variance.squareRoot() : variance
            }
        case .skewness, .kurtosis, .covarPop, .covarSamp, .corr, .regrAvgx, .regrAvgy, .regrSxx, .regrSyy, .regrSxy, .regrSlope,
            .regrIntercept, .regrR2:
            for row in 0..<n {
                if let value = GroupLayout.statistic(call, rows[row], count: valued(row)) { doubles[row] = value } else { setNull(row) }
            }
        case .product:
            for row in 0..<n {
                guard valued(row) > 0 else {
                    setNull(row)
                    continue
                }
                if let value = DoubleProduct.value(rows[row] + call.main) { doubles[row] = value } else { fail(row, "DOUBLE out of range") }
            }
        case .bitAnd, .bitOr, .bitXor:
            for row in 0..<n { if valued(row) > 0 { int64s[row] = word(row, call.main) } else { setNull(row) } }
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
        case .minBy, .maxBy, .arrayAgg, .stringAgg, .mode, .percentileCont, .percentileDisc, .histogram, .approxPercentile,
            .approxCountDistinct, .approxTopK:
            // Always held in another form than sums.
            for row in 0..<n { setNull(row) }
        }
        return Column(type: call.resultType, count: n, values: values, validity: bits)

        func finishAverage() {
            if call.argumentType == .interval { return finishIntervalAverage() }
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

        /// Months that do not divide become days, 30 to the month, as in PostgreSQL.
        func finishIntervalAverage() {
            for row in 0..<n {
                let count = Int128(valued(row))
                guard count > 0 else {
                    setNull(row)
                    continue
                }
                let months = rows[row].loadUnaligned(fromByteOffset: call.main, as: Int128.self)
                let microseconds = rows[row].loadUnaligned(fromByteOffset: call.main + 16, as: Int128.self)
                let rest = (months % count) &* 2_592_000_000_000 &+ microseconds
                let half = rest < 0 ? -(count / 2) : count / 2
                if let months = Int64(exactly: months / count), let rest = Int64(exactly: (rest &+ half) / count) {
                    put(IntervalValue(months: months, microseconds: rest).packed, row)
                } else {
                    fail(row, "INTERVAL out of range")
                }
            }
        }
    }

    /// A number of the statistical family; nil for NULL. `more` holds, for one argument: Σx², Σx³, Σx⁴; for y and x: Σx, Σy², Σx², Σxy.
    private static func statistic(_ call: Call, _ row: UnsafeRawPointer, count: Int64) -> Double? {
        guard count > 0 else { return nil }
        let n = Double(count)
        func at(_ index: Int) -> UnsafeRawPointer { row + call.more[index] }
        let first = row + call.main
        switch call.function {
        case .skewness:
            guard count > 2 else { return nil }
            let square = Moments.square(first, at(0), count: count)
            let cube = Moments.cube(first, at(0), at(1), count: count)
            guard square != 0 else { return nil }
            let variance = square / n
            return (n * (n - 1)).squareRoot() / (n - 2) * (cube / n) / (variance * variance.squareRoot())
        case .kurtosis:
            guard count > 3 else { return nil }
            let square = Moments.square(first, at(0), count: count)
            let fourth = Moments.fourth(first, at(0), at(1), at(2), count: count)
            guard square != 0 else { return nil }
            let variance = square / n
            return (n - 1) * ((n + 1) * (fourth / n) / (variance * variance) - 3 * (n - 1)) / ((n - 2) * (n - 3))
        default: break
        }
        func syy() -> Double { Moments.square(first, at(1), count: count) }
        func sxx() -> Double { Moments.square(at(0), at(2), count: count) }
        func sxy() -> Double { Moments.product(first, at(0), at(3), count: count) }
        switch call.function {
        case .covarPop: return sxy() / n
        case .covarSamp: return count > 1 ? sxy() / (n - 1) : nil
        case .corr:
            let product = sxx() * syy()
            let (x, y) = (sxx(), syy())
            if x == 0 || y == 0 { return nil }
            let result = product.isNormal ? sxy() / product.squareRoot() : sxy() / x.squareRoot() / y.squareRoot()
            return result.isNaN ? result : min(max(result, -1), 1)
        case .regrAvgx: return DoubleSum.value(at(0)).map { $0 / n } ?? .infinity
        case .regrAvgy: return DoubleSum.value(first).map { $0 / n } ?? .infinity
        case .regrSxx: return sxx()
        case .regrSyy: return syy()
        case .regrSxy: return sxy()
        case .regrSlope:
            let x = sxx()
            return x == 0 ? nil : sxy() / x
        case .regrIntercept:
            let x = sxx()
            guard x != 0, let sumX = DoubleSum.value(at(0)), let sumY = DoubleSum.value(first) else { return nil }
            return (sumY - sumX * (sxy() / x)) / n
        case .regrR2:
            let x = sxx()
            let y = syy()
            if x == 0 { return nil }
            return y == 0 ? 1 : sxy() / x * sxy() / y
        default: return nil
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
}
