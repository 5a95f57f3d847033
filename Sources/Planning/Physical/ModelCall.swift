// ModelCall: a call of an anomaly function (`zscore(x, points => 20) OVER (..)`): which model, with which settings.
//
// It is compared and is part of a plan's signature: the state of a model with other settings, or of another layout, is not taken over.

import Anomaly
import Columns

package struct ModelCall: Hashable, Sendable {
    /// As in `ModelFunction.name`.
    package var function: String
    package var valueCount: Int
    /// The parameters' values in their order, as bits: what the model finds by itself is NaN, which no NaN equals.
    package var parameterBits: [UInt64]
    /// Of the state of one key.
    package var stateByteCount: Int

    package init(function: String, valueCount: Int, parameters: [Double], stateByteCount: Int) {
        self.function = function
        self.valueCount = valueCount
        parameterBits = parameters.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern }
        self.stateByteCount = stateByteCount
    }

    package var parameters: [Double] { parameterBits.map { Double(bitPattern: $0) } }

    /// `points 20`, for EXPLAIN.
    package var settings: String {
        guard let function = ModelFunction.named(function), function.parameters.count == parameterBits.count else { return "" }
        return zip(function.parameters, parameters).map { "\($0.name) \($0.text($1))" }.joined(separator: ", ")
    }
}

extension ModelParameter {
    /// A value of this parameter as a person writes it.
    package func text(_ value: Double) -> String {
        if value.isNaN { return "found by itself" }
        switch kind {
        case .integer: return Int64(exactly: value).map { String($0) } ?? String(value)
        case .number: return ModelParameter.plain(value)
        case .interval: return Int64(exactly: value.rounded()).map { ExpressionText.duration($0) } ?? String(value)
        }
    }

    /// `2...10000` as `between 2 and 10000`.
    package var rangeText: String {
        switch kind {
        case .integer(let range): "between \(range.lowerBound) and \(range.upperBound)"
        case .number(let range): "between \(ModelParameter.plain(range.lowerBound)) and \(ModelParameter.plain(range.upperBound))"
        case .interval(let range): "between \(ExpressionText.duration(range.lowerBound)) and \(ExpressionText.duration(range.upperBound))"
        }
    }

    private static func plain(_ value: Double) -> String { Int64(exactly: value).map { String($0) } ?? String(value) }
}

extension ModelFunction {
    package static var names: [String] { all.map(\.name) }

    package var outputTypes: [SQLType] {
        outputs.map { output in
            switch output.kind {
            case .double: .double
            case .doublePerColumn: .array(.double)
            case .bigint: .bigint
            case .boolean: .boolean
            }
        }
    }

    /// What a call gives: the one output, or a row of several.
    package var resultType: SQLType {
        let types = outputTypes
        return types.count == 1 ? types[0] : .row(zip(outputs, types).map { SQLType.Field(name: $0.name, type: $1) })
    }

    /// `zscore(x, points => 100)`: how a call looks, for hints.
    package var usage: String {
        let values = valueCount.upperBound == 1 ? ["x"] : valueCount.lowerBound < 2 ? ["x", ".."] : ["x", "y", ".."]
        return "\(name)(\(values.joined(separator: ", ")))"
    }
}
