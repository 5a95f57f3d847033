// ExpressionCompiler: a bound expression to nodes with their kernels. The types are looked at here, once; constants are computed here.

import Columns
import Planning

enum ExpressionCompiler {
    /// Statements are limited in nesting when they are parsed; this is for trees from elsewhere.
    private static let depthMax = 1000

    static func compile(_ expression: BoundExpression) throws(ExpressionError) -> ExpressionNode {
        guard isAtMost(depthMax, expression) else { throw ExpressionError("expression is nested too deeply", expression: expression.text) }
        var parts = SharedParts()
        let numbered = parts.add(expression)
        let shared = Shared(parts)
        return try node(expression, numbered, shared)
    }

    /// The nodes of the parts that stand more than once.
    private final class Shared {
        let parts: SharedParts
        var nodes: [Int: ExpressionNode] = [:]

        init(_ parts: SharedParts) { self.parts = parts }
    }

    private static func isAtMost(_ levels: Int, _ expression: BoundExpression) -> Bool {
        levels > 0 && expression.children.allSatisfy { isAtMost(levels - 1, $0) }
    }

    private static func nodes(_ expressions: [BoundExpression], _ part: SharedParts.Numbered, _ shared: Shared) throws(ExpressionError)
        -> [ExpressionNode]
    {
        var result: [ExpressionNode] = []
        for (expression, child) in zip(expressions, part.children) { result.append(try node(expression, child, shared)) }
        return result
    }

    /// The operands of AND and OR in the order in which they are asked. Where none can fail the result is the same in any order, and those that
    /// cost most are asked last, of the rows that are still open.
    private static func cheapFirst(_ nodes: [ExpressionNode], _ operands: [BoundExpression]) -> [ExpressionNode] {
        guard !nodes.contains(where: \.canFail) else { return nodes }
        let costs = zip(nodes, operands).map { $0.isCostly ? hasPattern($1) ? 2 : 1 : 0 }
        return nodes.indices.sorted { (costs[$0], $0) < (costs[$1], $1) }.map { nodes[$0] }
    }

    /// Whether it searches in texts or reads JSON.
    private static func hasPattern(_ expression: BoundExpression) -> Bool {
        if case .call(let function, _) = expression.kind {
            switch function {
            case .similarTo, .regexpLike, .regexpExtract, .regexpReplace, .regexpCount, .regexpInstr, .regexpSubstr, .regexpFullMatch, .jsonGet,
                .jsonGetText, .jsonExtractPath, .jsonExtractPathText, .jsonValue, .jsonQuery, .jsonExists:
                return true
            default: break
            }
        }
        return expression.children.contains(where: hasPattern)
    }

    private static func node(_ expression: BoundExpression, _ part: SharedParts.Numbered, _ shared: Shared) throws(ExpressionError)
        -> ExpressionNode
    {
        guard shared.parts.isShared(part) else { return try single(expression, part, shared) }
        if let known = shared.nodes[part.number] { return known }
        let made = try single(expression, part, shared)
        let node = made is ConstantNode ? made : SharedNode(made)
        shared.nodes[part.number] = node
        return node
    }

    private static func single(_ expression: BoundExpression, _ part: SharedParts.Numbered, _ shared: Shared) throws(ExpressionError)
        -> ExpressionNode
    {
        let type = expression.type
        switch expression.kind {
        case .constant(let value): return ConstantNode(value, type: type)
        case .column(let ordinal): return ColumnNode(ordinal, type: type)
        case .epochClock: return ClockNode(type: type)
        case .field(let operand, let index):
            return folded(FieldNode(try node(operand, part.children[0], shared), index, type: type), expression)
        case .and(let operands): return ConnectiveNode(cheapFirst(try nodes(operands, part, shared), operands), isAnd: true)
        case .or(let operands): return ConnectiveNode(cheapFirst(try nodes(operands, part, shared), operands), isAnd: false)
        case .not(let operand): return folded(NotNode(try node(operand, part.children[0], shared)), expression)
        case .isNull(let operand, let isNegated):
            return folded(NullTestNode(try node(operand, part.children[0], shared), isNegated: isNegated), expression)
        case .inSet(let operand, let values, let isNegated):
            return folded(SetNode(try node(operand, part.children[0], shared), values, isNegated: isNegated), expression)
        case .caseWhen(let branches, let otherwise):
            var compiled: [(condition: ExpressionNode, result: ExpressionNode)] = []
            for (index, branch) in branches.enumerated() {
                let condition = try node(branch.condition, part.children[index * 2], shared)
                compiled.append((condition, try node(branch.result, part.children[index * 2 + 1], shared)))
            }
            var last: ExpressionNode?
            if let otherwise { last = try node(otherwise, part.children[branches.count * 2], shared) }
            return CaseNode(compiled, otherwise: last, type: type)
        case .coalesce(let operands): return CoalesceNode(try nodes(operands, part, shared), type: type)
        case .cast(let operand, let mode):
            let child = try node(operand, part.children[0], shared)
            if CastKernels.isRetype(operand.type, to: type) { return folded(RetypeNode(child, type: type), expression) }
            guard let kernel = CastKernels.kernel(from: operand.type, to: type, mode: mode) else {
                throw ExpressionError("cannot cast type \(operand.type.name) to \(type.name)", expression: expression.text)
            }
            let call = CallNode(
                type: type, arguments: [child], isStrict: true, canFail: mode != .attempt && CastKernels.canFail(operand.type, to: type),
                isCostly: operand.type.isText || type.isText, text: expression.text, kernel: kernel)
            return folded(call, expression)
        case .call(let function, let operands):
            if let node = try fused(function, operands, expression, part, shared) { return node }
            let arguments = try nodes(operands, part, shared)
            let description = KernelRequest(
                function: function, arguments: operands.map(\.type),
                constants: arguments.map { ($0 as? ConstantNode)?.operand }, type: type, text: expression.text)
            guard let kernel = try KernelTable.kernel(description) else {
                let types = operands.map { $0.type.name }.joined(separator: ", ")
                throw ExpressionError("\(function.rawValue)(\(types)) cannot be evaluated", expression: expression.text)
            }
            let call = CallNode(
                type: type, arguments: arguments, isStrict: function.isStrict, canFail: function.canFail && KernelTable.canFail(description),
                isCostly: function.isCostly, text: expression.text, kernel: kernel)
            return folded(call, expression)
        }
    }

    /// The value instead of the node when the operands are constants.
    private static func folded(_ node: ExpressionNode, _ expression: BoundExpression) -> ExpressionNode {
        let children: [ExpressionNode] =
            switch node {
            case let call as CallNode: call.arguments
            case let not as NotNode: [not.operand]
            case let test as NullTestNode: [test.operand]
            case let set as SetNode: [set.operand]
            case let retype as RetypeNode: [retype.operand]
            case let field as FieldNode: [field.operand]
            default: []
            }
        guard !children.isEmpty || node is CallNode, children.allSatisfy({ $0 is ConstantNode }) else { return node }
        let context = EvaluationContext(clockMicroseconds: 0)
        let input = EvaluationInput(RowBatch(count: 1, columns: []), context)
        let result = node.evaluate(input).expanded(1)
        if let failure = context.takeFailures().first {
            return FailingNode(type: expression.type, message: failure.message, text: failure.expression)
        }
        return ConstantNode(result.retyped(expression.type), type: expression.type)
    }

    /// Combinations of operations that one kernel does better: `x % constant = 0` without a remainder, and letters counted without taking
    /// them out.
    private static func fused(
        _ function: ScalarFunction, _ operands: [BoundExpression], _ expression: BoundExpression, _ part: SharedParts.Numbered, _ shared: Shared
    ) throws(ExpressionError) -> ExpressionNode? {
        if let node = try occurrences(function, operands, expression, part, shared) { return node }
        guard function == .equal || function == .notEqual, operands.count == 2,
            case .call(.remainder, let parts) = operands[0].kind, parts.count == 2, operands[0].type.isInteger,
            case .constant(.integer(let divisor)) = parts[1].kind, case .constant(.integer(0)) = operands[1].kind, divisor != 0, divisor != .min
        else { return nil }
        let child = try node(parts[0], part.children[0].children[0], shared)
        let test = DivisibilityTest(divisor: divisor, isNegated: function == .notEqual)
        let call = CallNode(
            type: .boolean, arguments: [child], isStrict: true, canFail: false, isCostly: false, text: expression.text,
            kernel: { test.apply($0) })
        return folded(call, expression)
    }

    /// `char_length(x) - char_length(replace(x, 'constant', ''))`.
    private static func occurrences(
        _ function: ScalarFunction, _ operands: [BoundExpression], _ expression: BoundExpression, _ part: SharedParts.Numbered, _ shared: Shared
    ) throws(ExpressionError) -> ExpressionNode? {
        guard function == .subtract, operands.count == 2, case .call(.charLength, let whole) = operands[0].kind,
            case .call(.charLength, let rest) = operands[1].kind, whole.count == 1, rest.count == 1, whole[0].type.isText,
            case .call(.replace, let parts) = rest[0].kind, parts.count == 3, case .constant(.string(let needle)) = parts[1].kind,
            case .constant(.string("")) = parts[2].kind,
            part.children[0].children[0].number == part.children[1].children[0].children[0].number,
            let count = OccurrenceCount(of: needle)
        else { return nil }
        let call = CallNode(
            type: expression.type, arguments: [try node(whole[0], part.children[0].children[0], shared)], isStrict: true, canFail: false,
            isCostly: true, text: expression.text, kernel: { count.apply($0) })
        return folded(call, expression)
    }
}

/// What a kernel is chosen by.
struct KernelRequest {
    let function: ScalarFunction
    let arguments: [SQLType]
    /// For each argument its value, when it is constant.
    let constants: [Operand?]
    let type: SQLType
    let text: String

    /// The constant text at `index`; nil when it is no constant or NULL.
    func text(_ index: Int) -> [UInt8]? {
        guard index < constants.count, let operand = constants[index], !operand.column.isNull(0), operand.column.layout == .string else {
            return nil
        }
        return Array(operand.column.strings[0].bytes)
    }

    func unit(_ index: Int) -> TimeUnit? { text(index).flatMap { TimeUnit(rawValue: String(decoding: $0, as: UTF8.self)) } }
}

enum KernelTable {
    /// The kernel of a function on operands of these types; nil when there is none.
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        switch request.function {
        case .add, .subtract, .multiply, .divide, .remainder, .negate, .abs, .sign:
            if let kernel = IntegerKernels.kernel(request) { return kernel }
            if let kernel = FloatingKernels.kernel(request) { return kernel }
            if let kernel = DecimalKernels.kernel(request) { return kernel }
            return TimeArithmetic.kernel(request)
        case .bitAnd, .bitOr, .bitXor, .bitNot, .shiftLeft, .shiftRight: return IntegerKernels.bits(request)
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isDistinct, .isNotDistinct, .greatest, .least, .nullIf:
            return ComparisonKernels.kernel(request)
        case .ceil, .floor, .round, .truncate, .integerDivide: return RoundingKernels.kernel(request)
        case .power, .sqrt, .cbrt, .exp, .ln, .log10, .log2, .logBase, .sin, .cos, .tan, .cot, .asin, .acos, .atan, .atan2, .sinh, .cosh,
            .tanh, .degrees, .radians, .widthBucket:
            return MathKernels.kernel(request)
        case .asinh, .acosh, .atanh, .sinDegrees, .cosDegrees, .tanDegrees, .cotDegrees, .asinDegrees, .acosDegrees, .atanDegrees,
            .atan2Degrees, .sec, .csc, .log1p, .expm1, .erf, .erfc, .gamma, .logGamma, .hypotenuse, .even, .isNotANumber, .isInfinite,
            .isFinite, .signBit:
            return SpecialMathKernels.kernel(request)
        case .factorial, .greatestCommonDivisor, .leastCommonMultiple, .convertBase, .scale, .minScale: return WholeNumberKernels.kernel(request)
        case .numberToChar, .toNumber: return try NumberTextKernels.kernel(request)
        case .countNulls, .countNonNulls: return NullCountKernels.kernel(request)
        case .like, .ilike, .similarTo, .regexpLike, .regexpExtract, .regexpReplace: return try PatternKernels.kernel(request)
        case .regexpCount, .regexpInstr, .regexpSubstr, .regexpFullMatch: return try MatchKernels.kernel(request)
        case .regexpExtractAll, .regexpMatch, .regexpSplit: return try MatchListKernels.kernel(request)
        case .concatOperator, .upper, .lower, .initcap, .charLength, .octetLength, .substring, .left, .right, .overlay, .position, .strpos,
            .locate, .replace, .translate, .trimBoth, .trimLeft, .trimRight, .padLeft, .padRight, .repeatText, .reverse, .concat,
            .concatWithSeparator, .splitPart, .splitIndex, .startsWith, .endsWith, .ascii, .chr, .contains, .substringIndex:
            if let kernel = TextKernels.kernel(request) { return kernel }
            return TextPartKernels.kernel(request)
        case .levenshtein, .hamming, .soundex, .difference, .isDigits, .isLetters, .isNumber: return WordKernels.kernel(request)
        case .quoteLiteral, .quoteNullable, .quoteIdentifier, .format: return QuotingKernels.kernel(request)
        case .md5, .sha1, .sha224, .sha256, .sha384, .sha512, .crc32, .crc32c: return DigestKernels.kernel(request)
        case .toHex, .toUpperHex, .toOctal, .toBinary, .unhex, .encodeBytes, .decodeBytes, .textToBytes, .bytesToText, .toBase64, .fromBase64:
            return EncodingKernels.kernel(request)
        case .urlEncode, .urlDecode, .parseURL: return URLKernels.kernel(request)
        case .getByte, .setByte, .getBit, .setBit, .bitCount: return BitKernels.kernel(request)
        case .extract, .dateTruncate, .dateCeil, .timestampAdd, .timestampDiff, .makeDate, .makeTimestamp, .lastDay:
            return TimeKernels.kernel(request)
        case .age, .makeTime, .makeInterval, .dateBin, .justifyDays, .justifyInterval, .monthsBetween, .nextDay, .epochUnits,
            .timestampFromUnits, .unitBoundaries:
            return CalendarKernels.kernel(request)
        case .dateFormat, .toChar, .toTimestamp, .toDate, .epochToTimestamp, .fromUnixTime: return try TimeTextKernels.kernel(request)
        case .element, .makeArray, .makeRow, .makeMap: return NestedKernels.kernel(request)
        case .cardinality, .arrayLength, .arrayAppend, .arrayPrepend, .arrayCat, .arrayRemove, .arrayReplace, .arrayPosition, .arrayPositions,
            .arrayContains, .arrayContainsAll, .arrayOverlaps, .arrayDistinct, .arraySort, .arrayReverse, .arrayMin, .arrayMax, .arraySum,
            .anyElement, .allElements, .arraySlice, .arrayToString, .arrayUnion, .arrayExcept, .arrayIntersect, .arrayTrim, .stringToArray, .sequence:
            return ArrayKernels.kernel(request)
        case .mapKeys, .mapValues, .mapEntries, .mapFromArrays, .mapFromEntries, .mapContainsKey, .stringToMap, .mapUnion: return MapKernels.kernel(request)
        case .jsonGet, .jsonGetText, .jsonExtractPath, .jsonExtractPathText, .jsonValue, .jsonQuery, .jsonExists, .jsonArrayLength, .jsonTypeof,
            .jsonObjectKeys, .jsonArrayElements, .jsonArrayElementsText, .jsonEach, .jsonEachText, .jsonStripNulls, .jsonValid, .toJSON,
            .jsonBuildObject, .jsonBuildArray, .jsonSparseObject, .jsonSparseArray, .jsonObjectOfEntries, .jsonQueryWrapped, .jsonOutcome, .jsonContains:
            return try JSONKernels.kernel(request)
        }
    }

    /// Whether it can fail with operands of these types and constants; asked only of functions of which some can.
    static func canFail(_ request: KernelRequest) -> Bool {
        switch request.function {
        case .add, .subtract, .multiply, .negate, .abs: return !request.type.isFloating
        case .floor, .ceil, .round, .truncate: return request.type.isDecimal || request.arguments.count > 1
        case .extract: return request.arguments.last == .interval || request.arguments.last.map { if case .time = $0 { true } else { false } } ?? false
        case .dateTruncate: return false
        case .like, .ilike, .similarTo, .regexpLike, .regexpExtract, .regexpReplace: return request.text(1) == nil
        case .regexpCount, .regexpInstr, .regexpSubstr, .regexpFullMatch: return request.text(1) == nil || request.arguments.count > 2
        case .dateFormat, .toChar: return request.text(1) == nil
        case .remainder, .divide:
            // By a constant other than 0 and -1 it cannot, among integers.
            guard request.type.isInteger, let divisor = request.constants[1], !divisor.column.isNull(0) else { return true }
            return divisor.column.int64s[0] == 0 || divisor.column.int64s[0] == -1
        default: return true
        }
    }
}
