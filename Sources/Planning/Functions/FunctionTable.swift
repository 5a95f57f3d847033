// FunctionTable: every scalar function that SQL can call by name. Typing, `SHOW FUNCTIONS`, completion at the prompt and
// grammar/FUNCTIONS.md all read this one table.

import Columns

package enum FunctionCategory: String, Hashable, Sendable, CaseIterable {
    case conditional = "Conditional", text = "Text", encoding = "Encodings, digests and bits", regex = "Regular expressions"
    case number = "Numbers", time = "Date and time", array = "Arrays", map = "Maps", json = "JSON"
    case other = "Other"
}

package struct FunctionDefinition: Sendable {
    /// What a call becomes.
    package enum Meaning: Hashable, Sendable {
        case call(ScalarFunction)
        /// A call with a constant text put before the arguments: the unit of `hour(ts)`.
        case field(ScalarFunction, String)
        case coalesce
        /// `if(condition, then, else)`.
        case condition
        /// The epoch's clock, as this type.
        case clock(SQLType)
        /// Seconds since 1970 by the epoch's clock.
        case clockSeconds
        /// The name of the argument's type.
        case typeName
        case constant(Value)
        /// An expression over other functions and operators.
        case rewrite(FunctionRewrite)
    }

    /// The first is the one shown; all in lower case.
    package var names: [String]
    package var meaning: Meaning
    package var signatures: [FunctionSignature]
    package var category: FunctionCategory
    /// One line for people.
    package var doc: String

    package var canFail: Bool {
        switch meaning {
        case .call(let function), .field(let function, _): function.canFail
        case .rewrite(let rewrite): rewrite.canFail
        default: false
        }
    }

    /// Same value for same arguments, whenever it is called; the others hold still within an epoch.
    package var isImmutable: Bool {
        switch meaning {
        case .clock, .clockSeconds: false
        case .rewrite(let rewrite): rewrite != .age
        default: true
        }
    }

    init(_ names: [String], meaning: Meaning, _ category: FunctionCategory, _ doc: String, _ signatures: [FunctionSignature]) {
        self.names = names
        self.meaning = meaning
        self.signatures = signatures
        self.category = category
        self.doc = doc
    }

    init(
        _ names: String..., meaning: Meaning, _ category: FunctionCategory, _ doc: String, _ signatures: FunctionSignature...
    ) {
        self.names = names
        self.meaning = meaning
        self.signatures = signatures
        self.category = category
        self.doc = doc
    }
}

package enum FunctionTable {
    package static let definitions: [FunctionDefinition] =
        conditionals + texts + encodings + regexes + numbers + wholeNumbers + times + calendars + arrays + maps + json

    /// By lower-case name.
    private static let byName: [String: Int] = {
        var index: [String: Int] = [:]
        for (position, definition) in definitions.enumerated() {
            for name in definition.names { index[name] = position }
        }
        return index
    }()

    package static func find(_ name: String) -> FunctionDefinition? { byName[name.lowercased()].map { definitions[$0] } }

    /// All names, sorted.
    package static let names: [String] = byName.keys.sorted()

    // MARK: Conditional

    private static let conditionals: [FunctionDefinition] = [
        FunctionDefinition(
            "coalesce", "ifnull", "nvl", meaning: .coalesce, .conditional, "The first argument that is not NULL.",
            FunctionSignature([.common], isVariadic: true, .common)),
        FunctionDefinition(
            "nullif", meaning: .call(.nullIf), .conditional, "NULL when both are equal, otherwise the first.",
            FunctionSignature([.common, .common], .argument(0))),
        FunctionDefinition(
            "if", "iif", meaning: .condition, .conditional, "The second argument where the first is true, otherwise the third (or NULL).",
            FunctionSignature([.boolean, .common, .common], required: 2, .common)),
        FunctionDefinition(
            "greatest", meaning: .call(.greatest), .conditional, "The largest argument; NULLs are passed over.",
            FunctionSignature([.common], isVariadic: true, .common)),
        FunctionDefinition(
            "least", meaning: .call(.least), .conditional, "The smallest argument; NULLs are passed over.",
            FunctionSignature([.common], isVariadic: true, .common)),
        FunctionDefinition(
            "nvl2", meaning: .rewrite(.nvl2), .conditional, "The second argument where the first is not NULL, otherwise the third.",
            FunctionSignature([.any, .common, .common], .common)),
        FunctionDefinition(
            "decode", meaning: .rewrite(.decode), .conditional,
            "Compares the first argument with each search value and gives the result behind the one it equals (NULL equals NULL), or the last argument. Of two arguments: the bytes that a text encodes (`hex`, `base64`, `escape`), or the text that bytes hold in a character set.",
            FunctionSignature([.bytes, .text], .type(.text)), FunctionSignature([.text, .text], .type(.bytes)),
            FunctionSignature([.any, .any, .any, .any], required: 3, isVariadic: true, .rule("common type of the results") { _ in .text })),
        FunctionDefinition(
            "elt", meaning: .rewrite(.elt), .conditional, "The argument with that number, from 1; NULL when there is none.",
            FunctionSignature([.bigint, .common], isVariadic: true, .common)),
        FunctionDefinition(
            "nullifzero", meaning: .rewrite(.nullIfZero), .conditional, "NULL where the number is 0.",
            FunctionSignature([.number], .argument(0))),
        FunctionDefinition(
            "zeroifnull", meaning: .rewrite(.zeroIfNull), .conditional, "0 where the number is NULL.",
            FunctionSignature([.number], .argument(0))),
        FunctionDefinition(
            "num_nulls", meaning: .call(.countNulls), .conditional, "How many arguments are NULL.",
            FunctionSignature([.any], isVariadic: true, .type(.integer))),
        FunctionDefinition(
            "num_nonnulls", meaning: .call(.countNonNulls), .conditional, "How many arguments are not NULL.",
            FunctionSignature([.any], isVariadic: true, .type(.integer))),
        FunctionDefinition(
            "typeof", "pg_typeof", meaning: .typeName, .other, "The name of the argument's type.",
            FunctionSignature([.any], .type(.text))),
    ]

    // MARK: Regular expressions

    private static let regexes: [FunctionDefinition] = [
        FunctionDefinition(
            "regexp_like", "regexp", "rlike", meaning: .call(.regexpLike), .regex,
            "Whether the text contains a match; flags: i (ignore case), m (^ and $ at lines), s (. matches a line break), x (spaces are ignored).",
            FunctionSignature([.text, .text, .text], required: 2, .type(.boolean))),
        FunctionDefinition(
            "regexp_extract", meaning: .call(.regexpExtract), .regex,
            "A group of the first match (0, the default, is the whole of it); NULL without a match.",
            FunctionSignature([.text, .text, .integer], required: 2, .type(.text))),
        FunctionDefinition(
            "regexp_replace", meaning: .call(.regexpReplace), .regex,
            "Every match replaced; `\\1` and `$1` stand for groups. With flags, only the first unless they contain g.",
            FunctionSignature([.text, .text, .text, .text], required: 3, .type(.text))),
        FunctionDefinition(
            "regexp_count", meaning: .call(.regexpCount), .regex, "How many matches there are, from a position (1) on; flags as in regexp_like.",
            FunctionSignature([.text, .text, .integer, .text], required: 2, .type(.integer))),
        FunctionDefinition(
            "regexp_instr", meaning: .call(.regexpInstr), .regex,
            "Where the n-th match (1) at or after a position (1) begins, 0 without one; with 1 as fifth argument, where it is over. Then flags, and the group that is meant.",
            FunctionSignature([.text, .text, .integer, .integer, .integer, .text, .integer], required: 2, .type(.integer))),
        FunctionDefinition(
            "regexp_substr", meaning: .call(.regexpSubstr), .regex,
            "The n-th match (1) at or after a position (1), NULL without one. Then flags, and the group that is meant.",
            FunctionSignature([.text, .text, .integer, .integer, .text, .integer], required: 2, .type(.text))),
        FunctionDefinition(
            "regexp_full_match", meaning: .call(.regexpFullMatch), .regex, "Whether the whole text is a match.",
            FunctionSignature([.text, .text, .text], required: 2, .type(.boolean))),
    ]
}
