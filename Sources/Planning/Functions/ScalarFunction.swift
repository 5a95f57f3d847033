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
    case contains, substringIndex, levenshtein, hamming, soundex, difference, isDigits, isLetters, isNumber
    case quoteLiteral, quoteIdentifier
    /// Not strict: NULL becomes the word NULL; a pattern (first operand) of NULL gives NULL.
    case quoteNullable, format
    /// (text, pattern [, start [, flags]]); instr and substr: (text, pattern [, start [, n [, end option] [, flags [, group]]]]).
    case regexpInstr, regexpSubstr, regexpFullMatch

    // Bytes and encodings. A digest is bytes of bytes, hexadecimal text of text.
    case toUpperHex, toOctal, toBinary, unhex, encodeBytes, decodeBytes, textToBytes, bytesToText, toBase64, fromBase64
    case urlEncode, urlDecode, parseURL, sha1, sha224, sha256, sha384, sha512, crc32, crc32c
    case getByte, setByte, getBit, setBit, bitCount

    // Numbers.
    case abs, sign, ceil, floor, round, truncate
    case power, sqrt, cbrt, exp, ln, log10, log2, logBase
    case sin, cos, tan, cot, asin, acos, atan, atan2, sinh, cosh, tanh, degrees, radians
    case asinh, acosh, atanh, sinDegrees, cosDegrees, tanDegrees, cotDegrees, asinDegrees, acosDegrees, atanDegrees, atan2Degrees, sec, csc
    case log1p, expm1, erf, erfc, gamma, logGamma, hypotenuse, even
    case integerDivide, widthBucket, factorial, greatestCommonDivisor, leastCommonMultiple, convertBase
    case scale, minScale, isNotANumber, isInfinite, isFinite, signBit
    /// (number, pattern), (text, pattern): PostgreSQL's patterns.
    case numberToChar, toNumber
    /// Not strict: pass over NULLs.
    case greatest, least
    /// Not strict in its second operand.
    case nullIf
    /// Not strict: how many operands are NULL, or are not.
    case countNulls, countNonNulls

    // Time. The first operand of extract, dateTruncate, dateCeil, timestampAdd and timestampDiff is a constant text: the unit.
    case extract, dateTruncate, dateCeil, timestampAdd, timestampDiff
    case dateFormat, toChar, toTimestamp, toDate, epochToTimestamp, fromUnixTime, makeDate, makeTimestamp, lastDay
    case age, makeTime, makeInterval, dateBin, justifyDays, justifyInterval, monthsBetween, nextDay
    /// (unit, ts), (unit, integer), (unit, from, to): the unit is a constant text.
    case epochUnits, timestampFromUnits, unitBoundaries

    // Arrays, maps and rows (see ExpressionTyping+Nested and FunctionTable+Nested).
    /// (array, bigint), (map, key): NULL where there is no such element.
    case element
    /// Not strict. The operands of makeMap are keys and values in turn.
    case makeArray, makeRow, makeMap
    case cardinality, arrayLength, arrayAppend, arrayPrepend, arrayCat, arrayRemove, arrayReplace, arrayPosition, arrayPositions, arrayContains
    case arrayContainsAll, arrayOverlaps, arrayDistinct, arraySort, arrayReverse, arrayMin, arrayMax, arraySum, arraySlice, arrayToString
    case arrayUnion, arrayExcept, arrayIntersect, arrayTrim, stringToArray, sequence
    case mapKeys, mapValues, mapEntries, mapFromArrays, mapFromEntries, mapContainsKey, stringToMap, mapUnion

    // JSON. Paths are texts, read when they are constants.
    case jsonGet, jsonGetText, jsonExtractPath, jsonExtractPathText
    case jsonValue, jsonQuery, jsonExists, jsonArrayLength, jsonTypeof, jsonObjectKeys, jsonArrayElements, jsonArrayElementsText, jsonEach
    case jsonEachText, jsonStripNulls, jsonValid, toJSON
    /// Not strict: a NULL is JSON's null.
    case jsonBuildObject, jsonBuildArray
    /// The same without what is NULL.
    case jsonSparseObject, jsonSparseArray
    /// (array of ROW<key, value>): an object; of a key that comes again the last value.
    case jsonObjectOfEntries
    /// (json, path, 'CONDITIONAL' | 'UNCONDITIONAL'): what the path leads to as an array; a single container as it is when conditional.
    case jsonQueryWrapped
    /// (json, path, what for, what fails): 'ok', 'empty' or 'error'. What for: value, query, wrapped, exists; what fails a row: a list of
    /// the other two.
    case jsonOutcome
    /// `a @> b` of JSON.
    case jsonContains
    /// Not strict: (value, comparison, array): `value = ANY (array)`, `value = ALL (array)`.
    case anyElement, allElements
    /// (text, pattern [, group]); (text, pattern [, flags]).
    case regexpExtractAll, regexpMatch, regexpSplit

    package var isStrict: Bool {
        switch self {
        case .isDistinct, .isNotDistinct, .concat, .concatWithSeparator, .greatest, .least, .nullIf, .countNulls, .countNonNulls, .quoteNullable,
            .format, .makeArray, .makeRow, .makeMap, .jsonBuildObject, .jsonBuildArray, .jsonSparseObject, .jsonSparseArray, .anyElement, .allElements, .arrayAppend, .arrayPrepend, .arrayCat, .arrayRemove,
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
            .dateFormat, .toChar, .asin, .acos, .overlay, .replace, .concat, .concatWithSeparator, .concatOperator, .lastDay, .extract, .format,
            .regexpInstr, .regexpSubstr, .regexpFullMatch, .unhex, .encodeBytes, .decodeBytes, .textToBytes, .bytesToText, .fromBase64, .urlDecode, .getByte, .setByte, .getBit,
            .setBit, .acosh, .atanh, .sinDegrees, .cosDegrees, .tanDegrees, .cotDegrees, .asinDegrees, .acosDegrees, .log1p, .expm1,
            .gamma, .logGamma, .factorial, .greatestCommonDivisor, .leastCommonMultiple, .convertBase, .numberToChar, .toNumber, .makeTime,
            .makeInterval, .dateBin, .justifyDays, .justifyInterval, .nextDay, .timestampFromUnits, .unitBoundaries, .hamming, .levenshtein,
            .quoteLiteral, .quoteIdentifier, .quoteNullable, .urlEncode, .toBase64, .toHex, .toUpperHex:
            true
        case .makeMap, .arrayTrim, .arraySum, .sequence, .mapFromArrays, .mapFromEntries, .arrayToString, .arrayCat, .arrayAppend, .arrayPrepend,
            .jsonExtractPath, .jsonExtractPathText, .jsonValue, .jsonQuery, .jsonExists, .jsonObjectKeys, .jsonArrayElements,
            .jsonArrayElementsText, .jsonEach, .jsonEachText, .jsonArrayLength, .jsonBuildObject, .jsonBuildArray, .jsonStripNulls, .jsonGet, .jsonGetText,
            .jsonSparseObject, .jsonSparseArray, .jsonObjectOfEntries, .jsonQueryWrapped, .jsonOutcome,
            .regexpExtractAll, .regexpMatch, .regexpSplit:
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
            .endsWith, .isNotANumber, .isInfinite, .isFinite, .signBit, .epochUnits, .countNulls, .countNonNulls, .bitCount:
            false
        default: true
        }
    }
}
