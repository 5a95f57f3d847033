// RegexClass: a set of code points: sorted, disjoint ranges, and a bitmap for the ASCII ones, which are asked for most.

struct RegexClass: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<UInt32>]
    private(set) var asciiLow: UInt64 = 0
    private(set) var asciiHigh: UInt64 = 0

    static let scalarMax: UInt32 = 0x10FFFF

    init(_ unsorted: [ClosedRange<UInt32>], isNegated: Bool = false, ignoresCase: Bool = false) {
        var merged = RegexClass.merge(ignoresCase ? RegexClass.folded(unsorted) : unsorted)
        if isNegated {
            var rest: [ClosedRange<UInt32>] = []
            var next: UInt32 = 0
            for range in merged {
                if range.lowerBound > next { rest.append(next...range.lowerBound - 1) }
                next = range.upperBound + 1
            }
            if next <= RegexClass.scalarMax { rest.append(next...RegexClass.scalarMax) }
            merged = rest
        }
        ranges = merged
        for range in merged where range.lowerBound < 128 {
            for code in range.lowerBound...min(range.upperBound, 127) {
                if code < 64 { asciiLow |= 1 << UInt64(code) } else { asciiHigh |= 1 << UInt64(code - 64) }
            }
        }
    }

    @inline(__always)
    func contains(_ code: UInt32) -> Bool {
        if code < 64 { return asciiLow >> UInt64(code) & 1 != 0 }
        if code < 128 { return asciiHigh >> UInt64(code - 64) & 1 != 0 }
        return containsWide(code)
    }

    private func containsWide(_ code: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < code { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(code)
    }

    private static func merge(_ unsorted: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        for range in unsorted.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound + 1 {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }

    /// With the other case of every letter; of ranges too large to walk only the ASCII part.
    private static func folded(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result = ranges
        for range in ranges {
            let upper = range.upperBound - range.lowerBound > 2000 ? min(range.upperBound, 127) : range.upperBound
            guard range.lowerBound <= upper else { continue }
            for code in range.lowerBound...upper {
                for variant in variants(code) where variant != code { result.append(variant...variant) }
            }
        }
        return result
    }

    /// A code point in lower and in upper case, as far as each is one code point.
    static func variants(_ code: UInt32) -> [UInt32] {
        guard let scalar = Unicode.Scalar(code) else { return [code] }
        var result = [code]
        for mapped in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
            let scalars = Array(mapped.unicodeScalars)
            if scalars.count == 1, !result.contains(scalars[0].value) { result.append(scalars[0].value) }
        }
        return result
    }

    // MARK: Named classes

    static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
    static let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
    static let space: [ClosedRange<UInt32>] = [0x09...0x0D, 0x20...0x20]

    static func complement(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] { RegexClass(ranges, isNegated: true).ranges }

    /// POSIX names, also Java's `\p{...}`: ASCII, but for `alpha`, `upper`, `lower` and `L`, which take Latin-1 letters too.
    static func named(_ name: String) -> [ClosedRange<UInt32>]? {
        switch name.lowercased() {
        case "alpha", "l", "isalphabetic", "alphabetic", "letter":
            [0x41...0x5A, 0x61...0x7A, 0xAA...0xAA, 0xB5...0xB5, 0xBA...0xBA, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2C1, 0x370...0x3FF, 0x400...0x52F]
        case "digit", "nd", "isdigit", "n": digits
        case "alnum": [0x30...0x39, 0x41...0x5A, 0x61...0x7A]
        case "upper", "lu", "isuppercase": [0x41...0x5A, 0xC0...0xD6, 0xD8...0xDE]
        case "lower", "ll", "islowercase": [0x61...0x7A, 0xDF...0xF6, 0xF8...0xFF]
        case "space", "iswhite_space", "z", "zs": space
        case "blank": [0x09...0x09, 0x20...0x20]
        case "punct", "p", "ispunctuation": [0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E]
        case "cntrl", "cc": [0x00...0x1F, 0x7F...0x7F]
        case "print": [0x20...0x7E]
        case "graph": [0x21...0x7E]
        case "xdigit": [0x30...0x39, 0x41...0x46, 0x61...0x66]
        case "word": word
        case "ascii": [0x00...0x7F]
        default: nil
        }
    }
}
