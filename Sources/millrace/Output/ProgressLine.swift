// ProgressLine: how far long work is, on one line of standard error that is rewritten in place. Only on a terminal, and only when
// the work has gone on for half a second.
//
//     12,345,678 rows, 4,210,000 rows/s, watermark 2026-11-20T23:45:00.000, 1,234 behind

import Columns
import Engine
import Platform

struct ProgressLine {
    static let intervalMilliseconds = 200
    private static let quietNanoseconds: UInt64 = 500_000_000

    private let clock = SystemClock()
    private let startNanoseconds: UInt64
    private var lastRows: Int64 = 0
    private var lastNanoseconds: UInt64
    private var rate: Double = 0

    init() {
        startNanoseconds = clock.monotonicNanoseconds()
        lastNanoseconds = startNanoseconds
    }

    /// Whether a line would be seen, and the work is long enough to speak of.
    private var isDue: Bool {
        Console.errorIsTerminal && clock.monotonicNanoseconds() - startNanoseconds >= Self.quietNanoseconds
    }

    /// The sum of what several queries do, with the furthest behind of their watermarks.
    mutating func show(_ queries: [QueryProgress]) {
        guard isDue else { return }
        measure(rows: queries.reduce(0) { $0 + $1.rowsIn })
        var parts = [line]
        let watermark = queries.map(\.watermark).min() ?? .min
        if watermark == .max {
            parts.append("watermark at the end of time")
        } else if watermark > .min {
            parts.append("watermark \(TimeOfDay.text(microseconds: watermark))")
        }
        let behind = queries.reduce(0) { $0 + $1.behind }
        if behind > 0 { parts.append("\(Count.text(behind)) behind") }
        Console.showProgress(parts.joined(separator: ", "))
    }

    mutating func show(rows: Int64, bytes: Int64) {
        guard isDue else { return }
        measure(rows: rows)
        Console.showProgress("\(line), \(Count.text(bytes >> 20)) MiB")
    }

    /// What has come of a live result.
    mutating func showLive(rows: Int64, watermark: Int64) {
        guard isDue else { return }
        measure(rows: rows)
        let time = watermark > .min && watermark < .max ? ", watermark \(TimeOfDay.text(microseconds: watermark))" : ""
        Console.showProgress("\(line)\(time), Ctrl-C ends")
    }

    func showWaiting() {
        guard isDue else { return }
        let seconds = (clock.monotonicNanoseconds() - startNanoseconds) / 1_000_000_000
        Console.showProgress("running for \(seconds) s, Ctrl-C cancels")
    }

    private var line: String { "\(Count.text(lastRows)) rows, \(Count.text(Int64(rate))) rows/s" }

    private mutating func measure(rows: Int64) {
        let now = clock.monotonicNanoseconds()
        guard now > lastNanoseconds else { return }
        let current = Double(rows - lastRows) * 1e9 / Double(now - lastNanoseconds)
        // Smoothed, so that the figure can be read.
        rate = rate == 0 ? current : rate * 0.7 + current * 0.3
        lastRows = rows
        lastNanoseconds = now
    }
}

/// Numbers as people read them.
enum Count {
    /// With thousands separated: `12,345,678`.
    static func text(_ number: some BinaryInteger) -> String {
        let digits = Array(String(number).utf8)
        let isNegative = digits.first == UInt8(ascii: "-")
        let significant = isNegative ? Array(digits.dropFirst()) : digits
        var result: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        for (index, digit) in significant.enumerated() {
            if index > 0, (significant.count - index) % 3 == 0 { result.append(UInt8(ascii: ",")) }
            result.append(digit)
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// `1 row`, `2 rows`.
    static func text(_ number: some BinaryInteger, _ noun: String) -> String { "\(text(number)) \(noun)\(number == 1 ? "" : "s")" }
}

/// Points in time as people read them.
enum TimeOfDay {
    static func text(microseconds: Int64, digits: Int = 3) -> String {
        let buffer = ByteBuffer()
        TimestampText.append(microseconds, precision: digits, isInstant: false, to: buffer)
        return buffer.string
    }
}
