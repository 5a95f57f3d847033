// MetricsWriter: Prometheus' text format, version 0.0.4.
//
// Samples of one name must stand together, below what says what they are; the samples come by stream and query. So families are declared first, in the
// order of the document, and each gathers its samples.

import Columns
import Engine

package struct MetricsWriter {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package struct Family: Sendable {
        package let name: String
        let kind: Kind
        let help: String

        package init(_ name: String, _ kind: Kind, _ help: String) {
            self.name = name
            self.kind = kind
            self.help = help
        }
    }

    package typealias Labels = [(name: String, value: String)]

    private let families: [Family]
    private let places: [String: Int]
    private let samples: [ByteBuffer]

    package init(_ families: [Family]) {
        self.families = families
        places = Dictionary(families.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        samples = families.map { _ in ByteBuffer(capacity: 256) }
    }

    package func add(_ family: Family, _ value: some BinaryInteger) { line(family, "", [], String(value)) }

    package func add(_ family: Family, _ value: Double) { line(family, "", [], Self.text(value)) }

    package func add(_ family: Family, _ labels: Labels, _ value: some BinaryInteger) { line(family, "", labels, String(value)) }

    package func add(_ family: Family, _ labels: Labels, _ value: Double) { line(family, "", labels, Self.text(value)) }

    package func add(_ family: Family, _ labels: Labels, _ histogram: DurationHistogram) {
        var total: UInt64 = 0
        for (bound, count) in zip(DurationHistogram.boundsMicroseconds, histogram.counts) {
            total &+= count
            line(family, "_bucket", labels + [("le", Self.text(Double(bound) / 1e6))], String(total))
        }
        line(family, "_bucket", labels + [("le", "+Inf")], String(histogram.count))
        line(family, "_sum", labels, Self.text(Double(histogram.sumMicroseconds) / 1e6))
        line(family, "_count", labels, String(histogram.count))
    }

    /// Families without samples are left out.
    package func document() -> ByteBuffer {
        let out = ByteBuffer(capacity: 16 << 10)
        for (family, lines) in zip(families, samples) where !lines.isEmpty {
            out.append("# HELP \(family.name) \(Self.escaped(family.help, quotes: false))\n# TYPE \(family.name) \(family.kind.rawValue)\n")
            out.append(lines)
        }
        return out
    }

    private func line(_ family: Family, _ suffix: String, _ labels: Labels, _ value: String) {
        guard let place = places[family.name] else { return }
        let out = samples[place]
        out.append(family.name)
        out.append(suffix)
        if !labels.isEmpty {
            out.append(0x7B)
            for (index, label) in labels.enumerated() {
                if index > 0 { out.append(0x2C) }
                out.append("\(label.name)=\"\(Self.escaped(label.value, quotes: true))\"")
            }
            out.append(0x7D)
        }
        out.append(0x20)
        out.append(value)
        out.append(0x0A)
    }

    private static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Whole numbers without a fraction: a bound reads `1`, not `1.0`.
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
