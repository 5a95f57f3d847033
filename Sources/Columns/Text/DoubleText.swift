// DoubleText: floating point ⇄ text, correctly rounded in and shortest round-trip out.
//
// In: up to 19 significant digits and a decimal exponent are collected. When the digits are below 2^53 and the power of ten is
// exact in a Double (|exponent| <= 22), one multiplication or division is correctly rounded (Clinger, "How to read floating
// point numbers accurately", PLDI 1990). Anything else goes to the C library's strtod on a bounded copy: digits past the 780th
// can change a result only by being there at all (no halfway point of Doubles has more than 767), so they become one '1'.
// Out: the shortest digits that read back as the same number, in PostgreSQL's notation: positional for decimal exponents from -4 to
// 14 (to 5 for REAL), otherwise `1e+20`; `NaN`, `Infinity`, `-Infinity`.

import Glibc

package enum DoubleText {
    private static let digitsMax = 780

    private nonisolated(unsafe) static let exactPowers: UnsafePointer<Double> = {
        // Never written after this line, so sharing it is safe.
        let table = UnsafeMutablePointer<Double>.allocate(capacity: 23)
        var power = 1.0
        for exponent in 0...22 {
            table[exponent] = power
            power *= 10
        }
        return UnsafePointer(table)
    }()

    /// A number, NaN or [+-]Infinity, spaces around allowed. Numbers too large for a Double are out of range; those too
    /// small become zero.
    package static func parse(_ text: TextBytes) throws(TextError) -> Double {
        let text = ASCII.trimmed(text)
        guard let base = text.baseAddress, text.count > 0 else { throw .invalid }
        let end = text.count
        var index = 0
        let negative = base[0] == 0x2D
        if negative || base[0] == 0x2B { index = 1 }
        let unsignedStart = index

        var digits: UInt64 = 0
        var significant = 0
        var sawDigit = false
        var exponent = 0
        var inFraction = false
        while index < end {
            let byte = base[index]
            if byte &- 0x30 < 10 {
                sawDigit = true
                if significant > 0 || byte != 0x30 {
                    significant &+= 1
                    if significant <= 19 { digits = digits &* 10 &+ UInt64(byte &- 0x30) } else { exponent &+= 1 }
                }
                if inFraction { exponent &-= 1 }
            } else if byte == 0x2E && !inFraction {
                inFraction = true
            } else {
                break
            }
            index &+= 1
        }
        guard sawDigit else { return try parseWord(TextBytes(start: base + unsignedStart, count: end - unsignedStart), negative) }
        let mantissaEnd = index
        var writtenExponent = 0
        if index < end {
            guard base[index] | 0x20 == 0x65 else { throw .invalid }
            index &+= 1
            var exponentNegative = false
            if index < end && (base[index] == 0x2D || base[index] == 0x2B) {
                exponentNegative = base[index] == 0x2D
                index &+= 1
            }
            guard index < end else { throw .invalid }
            while index < end {
                guard base[index] &- 0x30 < 10 else { throw .invalid }
                if writtenExponent < 1_000_000 { writtenExponent = writtenExponent &* 10 &+ Int(base[index] &- 0x30) }
                index &+= 1
            }
            if exponentNegative { writtenExponent = 0 &- writtenExponent }
        }
        if digits == 0 { return negative ? -0.0 : 0 }
        let power = exponent &+ writtenExponent
        if significant <= 19 && digits <= 1 << 53 && power >= -22 && power <= 22 {
            let value = power < 0 ? Double(digits) / exactPowers[0 &- power] : Double(digits) * exactPowers[power]
            return negative ? -value : value
        }
        let value = slowValue(TextBytes(start: base + unsignedStart, count: mantissaEnd - unsignedStart), writtenExponent)
        guard value.isFinite else { throw .outOfRange }
        return negative ? -value : value
    }

    private static func parseWord(_ text: TextBytes, _ negative: Bool) throws(TextError) -> Double {
        if ASCII.equals(text, "nan") && !negative { return .nan }
        if ASCII.equals(text, "infinity") || ASCII.equals(text, "inf") { return negative ? -.infinity : .infinity }
        throw .invalid
    }

    /// The value of checked mantissa digits (with or without a point) times a power of ten, by strtod. Written as an integer of at
    /// most 781 digits and an exponent: no decimal point, so that no locale can matter.
    @inline(never)
    private static func slowValue(_ mantissa: TextBytes, _ writtenExponent: Int) -> Double {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: digitsMax + 32) { copy -> Double in
            guard let start = copy.baseAddress else { return .nan }
            var used = 0
            var power = writtenExponent
            var inFraction = false
            var droppedNonZero = false
            for byte in mantissa {
                if byte == 0x2E {
                    inFraction = true
                    continue
                }
                if inFraction { power &-= 1 }
                if used == 0 && byte == 0x30 { continue }
                if used < digitsMax {
                    copy[used] = CChar(byte)
                    used &+= 1
                } else {
                    power &+= 1
                    droppedNonZero = droppedNonZero || byte != 0x30
                }
            }
            if droppedNonZero {
                copy[used] = 0x31
                used &+= 1
                power &-= 1
            }
            copy[used] = 0x65
            used &+= 1
            if power < 0 {
                copy[used] = 0x2D
                used &+= 1
            }
            let digits = UnsafeMutableRawPointer(start + used).assumingMemoryBound(to: UInt8.self)
            used &+= IntegerText.write(UInt64(power.magnitude), digits)
            copy[used] = 0
            return strtod(start, nil)
        }
    }

    /// Parsed and rounded to REAL.
    package static func parseReal(_ text: TextBytes) throws(TextError) -> Double {
        let value = try parse(text)
        return try real(value)
    }

    /// A Double rounded to REAL; out of range when a finite number is too large for it.
    package static func real(_ value: Double) throws(TextError) -> Double {
        let rounded = Double(Float(value))
        if rounded.isInfinite && value.isFinite { throw .outOfRange }
        return rounded
    }

    /// No number is longer.
    package static let byteCountMax = 32

    /// Writes at `target`, which has room for `byteCountMax` bytes; returns how many bytes.
    package static func write(_ value: Double, isReal: Bool = false, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        if !value.isFinite { return writeWord(value, target) }
        // Whole numbers below 10^15 (10^6 for REAL) need no search for the shortest digits.
        if value.magnitude < (isReal ? 1e6 : 1e15), value == value.rounded(.towardZero), !(value == 0 && value.sign == .minus) {
            return IntegerText.write(Int64(value), target)
        }
        var description = isReal ? Float(value).description : value.description
        return description.withUTF8 { rewrite($0, positionalBelow: isReal ? 6 : 15, target) }
    }

    private static func writeWord(_ value: Double, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        let word: StaticString = value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
        target.update(from: word.utf8Start, count: word.utf8CodeUnitCount)
        return word.utf8CodeUnitCount
    }

    /// Swift's notation (`1.5`, `100.0`, `1.5e-07`) into PostgreSQL's, keeping the digits.
    private static func rewrite(_ source: TextBytes, positionalBelow: Int, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 40) { digits -> Int in
            var used = 0
            var written = 0
            var index = 0
            if source.count > 0 && source[0] == 0x2D {
                target[0] = 0x2D
                written = 1
                index = 1
            }
            // value = 0.d1d2d3... × 10^point
            var point = 0
            var inFraction = false
            while index < source.count, source[index] | 0x20 != 0x65 {
                let byte = source[index]
                index += 1
                if byte == 0x2E {
                    inFraction = true
                } else if used == 0 && byte == 0x30 {
                    if inFraction { point -= 1 }
                } else if used < 40 {
                    digits[used] = byte
                    used += 1
                    if !inFraction { point += 1 }
                }
            }
            if index < source.count {
                var exponent = 0
                var negative = false
                for byte in source[(index + 1)...] {
                    if byte == 0x2D { negative = true } else if byte != 0x2B { exponent = exponent &* 10 &+ Int(byte &- 0x30) }
                }
                point += negative ? -exponent : exponent
            }
            while used > 0 && digits[used - 1] == 0x30 { used -= 1 }
            func put(_ byte: UInt8) {
                target[written] = byte
                written += 1
            }
            if used == 0 {
                put(0x30)
                return written
            }
            let exponent = point - 1
            if exponent >= -4 && exponent < positionalBelow {
                if point <= 0 {
                    put(0x30)
                    put(0x2E)
                    for _ in 0..<(-point) { put(0x30) }
                }
                for index in 0..<max(used, point) {
                    if index == point && point > 0 { put(0x2E) }
                    put(index < used ? digits[index] : 0x30)
                }
                return written
            }
            put(digits[0])
            if used > 1 {
                put(0x2E)
                for index in 1..<used { put(digits[index]) }
            }
            put(0x65)
            put(exponent < 0 ? 0x2D : 0x2B)
            if exponent.magnitude < 10 { put(0x30) }
            written += IntegerText.write(UInt64(exponent.magnitude), target + written)
            return written
        }
    }

    package static func append(_ value: Double, isReal: Bool = false, to buffer: ByteBuffer) {
        buffer.advance(by: write(value, isReal: isReal, buffer.reserve(byteCountMax)))
    }
}
