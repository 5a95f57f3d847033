// ScalarFunction: the scalar functions that evaluation knows, operators among them.
//
// One case is one computation on operands whose types are already right; the names people write, and the types they may pass, are
// in `FunctionTable`. Several names may lead to one case, and some names (coalesce, if, now, year) lead to no case at all but to
// another kind of BoundExpression.

/// What a `.call` does. Strict (NULL in, NULL out) unless `isStrict` says otherwise.
package enum ScalarFunction: String, Hashable, Sendable, CaseIterable {
    // Arithmetic. Operands: two integers of one type; two decimals, each with its own scale; two doubles or two reals; and the pairs of
    // date, time, timestamp, interval and number that `ExpressionTyping.binary` lists.
    case add, subtract, multiply, divide, remainder, negate
    case bitAnd, bitOr, bitXor, bitNot, shiftLeft, shiftRight

    // Comparison: operands of one type (decimals may differ in scale). The result is BOOLEAN.
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
    /// Not strict, never NULL.
    case isDistinct, isNotDistinct

    // Text.
    case concatOperator
    /// (text, pattern [, escape]): an escape is a text of at most one character; without one it is a backslash.
    case like, ilike, similarTo
    /// (text, pattern [, flags]).
    case regexpLike
    case regexpExtract, regexpReplace, regexpCount
    case upper, lower, initcap, charLength, octetLength
    case substring, left, right, overlay
    /// (needle, text), (text, needle), (needle, text [, from]).
    case position, strpos, locate
    case replace, translate, trimBoth, trimLeft, trimRight, padLeft, padRight, repeatText, reverse
    /// Not strict: pass over NULLs.
    case concat, concatWithSeparator
    case splitPart, splitIndex, startsWith, endsWith, ascii, chr, md5, toHex

    // Numbers.
    case abs, sign, ceil, floor, round, truncate
    case power, sqrt, cbrt, exp, ln, log10, log2, logBase
    case sin, cos, tan, cot, asin, acos, atan, atan2, sinh, cosh, tanh, degrees, radians
    case integerDivide, widthBucket
    /// Not strict: pass over NULLs.
    case greatest, least
    /// Not strict in its second operand.
    case nullIf

    // Time. The first operand of extract, dateTruncate, dateCeil, timestampAdd and timestampDiff is a constant text: the unit.
    case extract, dateTruncate, dateCeil, timestampAdd, timestampDiff
    case dateFormat, toChar, toTimestamp, toDate, epochToTimestamp, fromUnixTime, makeDate, makeTimestamp, lastDay

    // Arrays, maps and rows (see ExpressionTyping+Nested and FunctionTable+Nested).
    /// (array, bigint), (map, key): NULL where there is no such element.
    case element
    /// Not strict. The operands of makeMap are keys and values in turn.
    case makeArray, makeRow, makeMap
    case cardinality, arrayLength, arrayAppend, arrayPrepend, arrayCat, arrayRemove, arrayReplace, arrayPosition, arrayPositions, arrayContains
    case arrayContainsAll, arrayOverlaps, arrayDistinct, arraySort, arrayReverse, arrayMin, arrayMax, arraySum, arraySlice, arrayToString
    case arrayUnion, arrayExcept, arrayIntersect, arrayTrim, stringToArray, sequence
    case mapKeys, mapValues, mapEntries, mapFromArrays, mapFromEntries, mapContainsKey, stringToMap

    // JSON. Paths are texts, read when they are constants.
    case jsonGet, jsonGetText, jsonExtractPath, jsonExtractPathText
    case jsonValue, jsonQuery, jsonExists, jsonArrayLength, jsonTypeof, jsonObjectKeys, jsonArrayElements, jsonArrayElementsText, jsonEach
    case jsonEachText, jsonStripNulls, jsonValid, toJSON
    /// Not strict: a NULL is JSON's null.
    case jsonBuildObject, jsonBuildArray

    package var isStrict: Bool {
        switch self {
        case .isDistinct, .isNotDistinct, .concat, .concatWithSeparator, .greatest, .least, .nullIf: false
        case .makeArray, .makeRow, .makeMap, .jsonBuildObject, .jsonBuildArray, .arrayAppend, .arrayPrepend, .arrayCat, .arrayRemove,
            .arrayReplace, .arrayPosition, .arrayPositions, .arrayToString, .stringToArray:
            false
        default: true
        }
    }

    /// Whether a row can fail: then the right side of AND, the branches of CASE and the like are kept from rows that do not reach it.
    package var canFail: Bool {
        switch self {
        case .add, .subtract, .multiply, .divide, .remainder, .negate, .abs, .ceil, .floor, .round, .truncate, .sqrt, .ln, .log10, .log2,
            .logBase, .power, .exp, .integerDivide, .widthBucket, .chr, .padLeft, .padRight, .repeatText, .splitPart, .regexpLike,
            .regexpExtract, .regexpReplace, .regexpCount, .like, .ilike, .similarTo, .timestampAdd, .timestampDiff, .dateTruncate, .dateCeil,
            .toTimestamp, .toDate, .epochToTimestamp, .fromUnixTime, .makeDate, .makeTimestamp, .shiftLeft, .shiftRight, .substring,
            .dateFormat, .toChar, .asin, .acos, .overlay, .replace, .concat, .concatWithSeparator, .concatOperator, .lastDay, .extract:
            true
        case .makeMap, .arraySum, .sequence, .mapFromArrays, .mapFromEntries, .arrayToString, .arrayCat, .arrayAppend, .arrayPrepend,
            .jsonExtractPath, .jsonExtractPathText, .jsonValue, .jsonQuery, .jsonExists, .jsonObjectKeys, .jsonArrayElements,
            .jsonArrayElementsText, .jsonEach, .jsonEachText, .jsonArrayLength, .jsonBuildObject, .jsonBuildArray, .jsonStripNulls, .jsonGet, .jsonGetText:
            true
        default: false
        }
    }

    /// Whether a row costs enough that evaluating it for nothing is worse than gathering the rows that need it.
    package var isCostly: Bool {
        switch self {
        case .add, .subtract, .multiply, .divide, .remainder, .negate, .bitAnd, .bitOr, .bitXor, .bitNot, .shiftLeft, .shiftRight, .equal,
            .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isDistinct, .isNotDistinct, .abs, .sign, .ceil, .floor, .round,
            .truncate, .sqrt, .octetLength, .greatest, .least, .nullIf, .extract, .dateTruncate, .timestampAdd, .integerDivide, .startsWith,
            .endsWith:
            false
        default: true
        }
    }
}
