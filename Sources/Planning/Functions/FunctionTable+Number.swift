// The functions of numbers.

import Columns

extension FunctionTable {
    static let numbers: [FunctionDefinition] = [
        FunctionDefinition(
            "abs", meaning: .call(.abs), .number, "Without its sign.", FunctionSignature([.number], .argument(0))),
        FunctionDefinition(
            "sign", meaning: .call(.sign), .number, "-1, 0 or 1.", FunctionSignature([.number], .argument(0))),
        FunctionDefinition(
            "ceil", "ceiling", meaning: .call(.ceil), .number, "The smallest whole number that is not less; of a time, the start of the next unit.",
            FunctionSignature([.number], wholeNumber), FunctionSignature([.timestamp, .unit], .argument(0)),
            FunctionSignature([.date, .unit], .argument(0))),
        FunctionDefinition(
            "floor", meaning: .call(.floor), .number, "The largest whole number that is not greater; of a time, the start of the unit.",
            FunctionSignature([.number], wholeNumber), FunctionSignature([.timestamp, .unit], .argument(0)),
            FunctionSignature([.date, .unit], .argument(0))),
        FunctionDefinition(
            "round", meaning: .call(.round), .number, "Rounded to n digits after the point (0), halves away from zero.",
            FunctionSignature([.number], wholeNumber), FunctionSignature([.number, .integer], .argument(0))),
        FunctionDefinition(
            "trunc", "truncate", meaning: .call(.truncate), .number, "Cut after n digits behind the point (0).",
            FunctionSignature([.number], wholeNumber), FunctionSignature([.number, .integer], .argument(0))),
        FunctionDefinition(
            "mod", meaning: .call(.remainder), .number, "The remainder, with the sign of the first argument; also `a % b`.",
            FunctionSignature([.common, .common], .common)),
        FunctionDefinition(
            "div", meaning: .call(.integerDivide), .number, "The whole part of the quotient.",
            FunctionSignature([.common, .common], .common)),
        double("power", "pow", .power, "The first argument to the power of the second; also `a ^ b`.", 2),
        double("sqrt", nil, .sqrt, "The square root.", 1),
        double("cbrt", nil, .cbrt, "The cube root.", 1),
        double("exp", nil, .exp, "e to that power.", 1),
        double("ln", nil, .ln, "The natural logarithm.", 1),
        double("log10", nil, .log10, "The logarithm to base 10.", 1),
        double("log2", nil, .log2, "The logarithm to base 2.", 1),
        double("log", nil, .logBase, "The logarithm to base 10, or of the second argument to the base of the first.", 2, required: 1),
        double("sin", nil, .sin, "The sine of an angle in radians.", 1),
        double("cos", nil, .cos, "The cosine.", 1),
        double("tan", nil, .tan, "The tangent.", 1),
        double("cot", nil, .cot, "The cotangent.", 1),
        double("asin", nil, .asin, "The arc sine.", 1),
        double("acos", nil, .acos, "The arc cosine.", 1),
        double("atan", nil, .atan, "The arc tangent.", 1),
        double("atan2", nil, .atan2, "The angle of the point (second argument, first argument).", 2),
        double("sinh", nil, .sinh, "The hyperbolic sine.", 1),
        double("cosh", nil, .cosh, "The hyperbolic cosine.", 1),
        double("tanh", nil, .tanh, "The hyperbolic tangent.", 1),
        double("asinh", nil, .asinh, "The inverse hyperbolic sine.", 1),
        double("acosh", nil, .acosh, "The inverse hyperbolic cosine.", 1),
        double("atanh", nil, .atanh, "The inverse hyperbolic tangent.", 1),
        double("sec", nil, .sec, "The secant.", 1),
        double("csc", nil, .csc, "The cosecant.", 1),
        double("sind", nil, .sinDegrees, "The sine of an angle in degrees, exact at multiples of 30.", 1),
        double("cosd", nil, .cosDegrees, "The cosine of an angle in degrees.", 1),
        double("tand", nil, .tanDegrees, "The tangent of an angle in degrees.", 1),
        double("cotd", nil, .cotDegrees, "The cotangent of an angle in degrees.", 1),
        double("asind", nil, .asinDegrees, "The arc sine in degrees.", 1),
        double("acosd", nil, .acosDegrees, "The arc cosine in degrees.", 1),
        double("atand", nil, .atanDegrees, "The arc tangent in degrees.", 1),
        double("atan2d", nil, .atan2Degrees, "The angle of the point (second argument, first argument) in degrees.", 2),
        double("log1p", nil, .log1p, "The natural logarithm of 1 + x, exact near 0.", 1),
        double("expm1", nil, .expm1, "e to that power, less 1, exact near 0.", 1),
        double("erf", nil, .erf, "The error function.", 1),
        double("erfc", nil, .erfc, "1 less the error function.", 1),
        double("gamma", nil, .gamma, "The gamma function: of a whole number n the factorial of n - 1.", 1),
        double("lgamma", nil, .logGamma, "The logarithm of the absolute value of the gamma function.", 1),
        double("hypot", nil, .hypotenuse, "The length of the hypotenuse: the root of the sum of both squares.", 2),
        double("even", nil, .even, "The next even whole number away from zero.", 1),
        double("degrees", nil, .degrees, "Radians as degrees.", 1),
        double("radians", nil, .radians, "Degrees as radians.", 1),
        FunctionDefinition(
            "pi", meaning: .constant(.double(Double.pi)), .number, "3.14159...", FunctionSignature([], .type(.double))),
        FunctionDefinition(
            "e", meaning: .constant(.double(2.718281828459045)), .number, "2.71828...", FunctionSignature([], .type(.double))),
        FunctionDefinition(
            "width_bucket", meaning: .call(.widthBucket), .number,
            "The number of the bucket (of so many equal ones between low and high) a value falls into; 0 below, count + 1 above.",
            FunctionSignature([.double, .double, .double, .integer], .type(.integer))),
    ]

    /// A decimal loses its fraction, everything else keeps its type.
    private static let wholeNumber = FunctionSignature.Result.rule("as argument 1, whole") { types in
        if case .decimal(let precision, let scale) = types[0] {
            return .decimal(precision: Swift.min(SQLType.decimalPrecisionMax, Swift.max(1, precision - scale + (scale > 0 ? 1 : 0))), scale: 0)
        }
        return types[0]
    }

    private static func double(_ name: String, _ alias: String?, _ function: ScalarFunction, _ doc: String, _ count: Int, required: Int? = nil)
        -> FunctionDefinition
    {
        FunctionDefinition(
            alias.map { [name, $0] } ?? [name], meaning: .call(function), .number, doc,
            [FunctionSignature(Array(repeating: .double, count: count), required: required, .type(.double))])
    }
}
