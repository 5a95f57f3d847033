// The functions of whole numbers, of digits, and of what a number is.

import Columns

extension FunctionTable {
    static let wholeNumbers: [FunctionDefinition] = [
        FunctionDefinition(
            "factorial", meaning: .call(.factorial), .number, "The product of the numbers from 1 to n, up to 33.",
            FunctionSignature([.bigint], .type(.decimal(precision: 38, scale: 0)))),
        FunctionDefinition(
            "gcd", "greatest_common_divisor", meaning: .call(.greatestCommonDivisor), .number, "The largest number that divides both.",
            FunctionSignature([.bigint, .bigint], .type(.bigint))),
        FunctionDefinition(
            "lcm", "least_common_multiple", meaning: .call(.leastCommonMultiple), .number, "The smallest number that both divide.",
            FunctionSignature([.bigint, .bigint], .type(.bigint))),
        FunctionDefinition(
            "scale", meaning: .call(.scale), .number, "How many digits the type has after the point.",
            FunctionSignature([.decimal], .type(.integer))),
        FunctionDefinition(
            "min_scale", meaning: .call(.minScale), .number, "How many digits after the point the value needs.",
            FunctionSignature([.decimal], .type(.integer))),
        FunctionDefinition(
            "isnan", meaning: .call(.isNotANumber), .number, "Whether it is NaN.", FunctionSignature([.double], .type(.boolean))),
        FunctionDefinition(
            "isinf", meaning: .call(.isInfinite), .number, "Whether it is an infinity.", FunctionSignature([.double], .type(.boolean))),
        FunctionDefinition(
            "isfinite", meaning: .call(.isFinite), .number,
            "Whether it is neither an infinity nor NaN. Dates, timestamps and intervals always are.",
            FunctionSignature([.double], .type(.boolean)), FunctionSignature([.date], .type(.boolean)),
            FunctionSignature([.timestamp], .type(.boolean)), FunctionSignature([.interval], .type(.boolean))),
        FunctionDefinition(
            "signbit", meaning: .call(.signBit), .number, "Whether the sign is minus, that of a zero too.",
            FunctionSignature([.double], .type(.boolean))),
        FunctionDefinition(
            "nanvl", meaning: .rewrite(.nanToOther), .number, "The second argument where the first is NaN.",
            FunctionSignature([.double, .double], .type(.double))),
        FunctionDefinition(
            "try_divide", meaning: .rewrite(.tryDivide), .number, "The quotient; NULL when the divisor is 0.",
            FunctionSignature([.number, .number], .rule("as of a / b") { types in types[0] })),
        FunctionDefinition(
            "conv", meaning: .call(.convertBase), .number,
            "A whole number, written in the base of the second argument (2 to 36), in the base of the third.",
            FunctionSignature([.text, .integer, .integer], .type(.text)), FunctionSignature([.bigint, .integer, .integer], .type(.text))),
        FunctionDefinition(
            "to_number", meaning: .call(.toNumber), .number, "The number that a text shows in a PostgreSQL pattern: `99G999D9S`.",
            FunctionSignature([.text, .text], .rule("decimal, its scale after the pattern") { _ in .decimal(precision: 38, scale: 0) })),
        bits("bitand", .bitAnd, "The bits that both have; also `a & b`."), bits("bitor", .bitOr, "The bits that either has; also `a | b`."),
        bits("bitxor", .bitXor, "The bits that one has; also `a # b`.", alias: "xor"),
        bits("shiftleft", .shiftLeft, "The bits moved up; also `a << n`."), bits("shiftright", .shiftRight, "The bits moved down, the sign kept; also `a >> n`."),
        FunctionDefinition(
            "bitnot", meaning: .call(.bitNot), .number, "The other bits.", FunctionSignature([.anyInteger], .argument(0))),
    ]

    private static func bits(_ name: String, _ rewrite: FunctionRewrite, _ doc: String, alias: String? = nil) -> FunctionDefinition {
        FunctionDefinition(
            alias.map { [name, $0] } ?? [name], meaning: .rewrite(rewrite), .number, doc,
            [FunctionSignature([.anyInteger, .anyInteger], .rule("the wider of the two") { types in types[0] })])
    }
}
