// PlotExpectation: what an anomaly function says beside a value, found by the names of the result's columns: `expected`, the range `low` to `high`, and
// `grade`. They may also be the fields of one ROW, as in `SELECT ts, v, anomaly(v) OVER w FROM t`.

import Columns

struct PlotExpectation {
    /// A column, or a field of one that is a ROW.
    private struct Source {
        var column: Int
        var field: Int?
    }

    struct Reading {
        var low: Double?
        var high: Double?
        var expected: Double?
        /// Above 0: the value is unusual.
        var isMarked: Bool
    }

    private var low: Source?
    private var high: Source?
    private var expected: Source?
    private var grade: Source?

    /// Names of columns that say something about a value rather than being one.
    static let names: Set<String> = ["expected", "low", "high", "grade", "score"]

    init(schema: Schema) {
        func find(_ name: String) -> Source? {
            for (column, field) in schema.fields.enumerated() where field.name.lowercased() == name && field.type.isNumeric {
                return Source(column: column)
            }
            for (column, field) in schema.fields.enumerated() {
                guard case .row(let fields) = field.type else { continue }
                if let place = fields.firstIndex(where: { $0.name.lowercased() == name && $0.type.isNumeric }) {
                    return Source(column: column, field: place)
                }
            }
            return nil
        }
        low = find("low")
        high = find("high")
        if low == nil || high == nil { (low, high) = (nil, nil) }
        expected = find("expected")
        grade = find("grade")
    }

    var isEmpty: Bool { low == nil && expected == nil && grade == nil }

    /// What stands under the drawing.
    var legend: String {
        [low != nil ? "░ expected range" : expected != nil ? "┄ expected" : nil, grade != nil ? "● grade above 0" : nil].compactMap { $0 }
            .joined(separator: "   ")
    }

    func read(_ batch: RowBatch, _ row: Int) -> Reading {
        func number(_ source: Source?) -> Double? {
            guard let source else { return nil }
            let column = source.field.map { batch.columns[source.column].children[$0] } ?? batch.columns[source.column]
            guard let number = Plot.number(column.value(at: row), column.type), number.isFinite else { return nil }
            return number
        }
        return Reading(low: number(low), high: number(high), expected: number(expected), isMarked: (number(grade) ?? 0) > 0)
    }
}
