// ModelFunction: what SQL has to know of an anomaly function: its name, its columns, its parameters and what it gives.

/// One result of a function. A function with one result gives a value, one with several a ROW of them.
package struct ModelOutput: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case double
        /// One number for each column of the point: an ARRAY<DOUBLE>.
        case doublePerColumn
        /// A whole number; NaN is NULL.
        case bigint
        /// 0 or 1; NaN is NULL.
        case boolean
    }

    package let name: String
    package let kind: Kind
    /// For the reference: what it says, with its unit.
    package let summary: String

    package init(_ name: String, _ kind: Kind, _ summary: String) {
        self.name = name
        self.kind = kind
        self.summary = summary
    }
}

/// A setting that a call may give by name: `RANDOM_CUT_FOREST(x, shingle => 10)`. It is a constant.
package struct ModelParameter: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case integer(ClosedRange<Int64>)
        case number(ClosedRange<Double>)
        /// An INTERVAL, in microseconds.
        case interval(ClosedRange<Int64>)
    }

    package let name: String
    package let kind: Kind
    /// What holds when it is not given; NaN: the model finds it by itself.
    package let standard: Double
    package let summary: String

    package init(_ name: String, _ kind: Kind, standard: Double, _ summary: String) {
        self.name = name
        self.kind = kind
        self.standard = standard
        self.summary = summary
    }
}

/// A mistake in a call that no single parameter's range tells, such as a season longer than what is remembered.
package struct ModelError: Error, Hashable, Sendable {
    /// The parameter at fault, when it is one.
    package let parameter: String?
    package let message: String

    package init(parameter: String? = nil, _ message: String) {
        self.parameter = parameter
        self.message = message
    }
}

package struct ModelFunction: Sendable {
    /// In lower case, as `zscore`.
    package let name: String
    /// How many columns a call may have.
    package let valueCount: ClosedRange<Int>
    package let parameters: [ModelParameter]
    package let outputs: [ModelOutput]
    package let summary: String
    /// Columns, then the parameters' values in their order, each within its range.
    package let make: @Sendable (_ valueCount: Int, _ parameters: [Double]) throws(ModelError) -> AnomalyModel

    package init(
        name: String, valueCount: ClosedRange<Int>, parameters: [ModelParameter], outputs: [ModelOutput],
        summary: String, make: @escaping @Sendable (_ valueCount: Int, _ parameters: [Double]) throws(ModelError) -> AnomalyModel
    ) {
        self.name = name
        self.valueCount = valueCount
        self.parameters = parameters
        self.outputs = outputs
        self.summary = summary
        self.make = make
    }

    package static let all: [ModelFunction] = [
        AnomalyScoreModel.function, RandomCutForestModel.function, ZScoreModel.function, MadScoreModel.function, EwmaScoreModel.function,
        HoltWintersModel.function, SeasonalEsdModel.function, ChangePointModel.function, RelativeEntropyModel.function,
        HotspotsModel.function,
    ]

    package static func named(_ name: String) -> ModelFunction? {
        let name = name.lowercased()
        return all.first { $0.name == name }
    }
}
