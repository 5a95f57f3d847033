// The functions of arrays, maps and JSON.

import Columns

extension FunctionTable {
    static let arrays: [FunctionDefinition] = [
        FunctionDefinition(
            "cardinality", meaning: .call(.cardinality), .array, "How many elements an array, or entries a map, has.",
            FunctionSignature([.array], .type(.bigint)), FunctionSignature([.map], .type(.bigint))),
        array(["array_length", "array_upper"], .arrayLength, "How many elements; NULL for none. The second argument, the dimension, is 1.", [.array, .bigint], .type(.bigint)),
        array(["array_append"], .arrayAppend, "The array with a value behind it.", [.array, .element], .argument(0)),
        FunctionDefinition(
            "array_prepend", meaning: .call(.arrayPrepend), .array, "The array with a value before it; the value may also stand second, as in Flink.",
            FunctionSignature([.element, .array], .argument(1)), FunctionSignature([.array, .element], .argument(0))),
        array(["array_cat", "array_concat"], .arrayCat, "The elements of both; a NULL array has none.", [.array, .array], .argument(0)),
        array(["array_remove"], .arrayRemove, "Without the elements that equal the value.", [.array, .element], .argument(0)),
        array(["array_replace"], .arrayReplace, "Every element that equals the second argument replaced by the third.", [.array, .element, .element], .argument(0)),
        array(
            ["array_position"], .arrayPosition, "Where the value first stands, from a position on; NULL when it does not.",
            [.array, .element, .bigint], required: 2, .type(.bigint)),
        array(["array_positions"], .arrayPositions, "Everywhere the value stands.", [.array, .element], .type(.array(.bigint))),
        array(["array_contains"], .arrayContains, "Whether the value is among the elements.", [.array, .element], .type(.boolean)),
        array(["array_contains_all"], .arrayContainsAll, "Whether every element of the second array is in the first.", [.array, .array], .type(.boolean)),
        array(["arrays_overlap", "array_overlap"], .arrayOverlaps, "Whether the arrays have an element in common.", [.array, .array], .type(.boolean)),
        array(
            ["any_element"], .anyElement, "Whether a comparison (a constant such as `'='`) with any element holds: what `x = ANY (array)` becomes.",
            [.element, .text, .array], .type(.boolean)),
        array(
            ["all_elements"], .allElements, "Whether a comparison with every element holds: what `x <> ALL (array)` becomes.", [.element, .text, .array],
            .type(.boolean)),
        array(["array_distinct"], .arrayDistinct, "Each value once, where it first stood.", [.array], .argument(0)),
        array(
            ["array_sort", "sort_array"], .arraySort,
            "In order; with FALSE in descending order. NULLs come first ascending and last descending, unless the third argument says whether they come first.",
            [.array, .boolean, .boolean], required: 1, .argument(0)),
        array(["array_reverse"], .arrayReverse, "From the last element to the first.", [.array], .argument(0)),
        array(["array_min"], .arrayMin, "The smallest element; NULLs are passed over.", [.array], elementType),
        array(["array_max"], .arrayMax, "The largest element; NULLs are passed over.", [.array], elementType),
        array(
            ["array_sum"], .arraySum, "The sum of the elements; NULLs are passed over.", [.array],
            .rule("bigint; decimal or double of such") { types in
                guard let element = types.first?.element else { return .bigint }
                if case .decimal(_, let scale) = element { return .decimal(precision: SQLType.decimalPrecisionMax, scale: scale) }
                return element.isFloating ? .double : .bigint
            }),
        array(
            ["array_slice"], .arraySlice, "From one position to another, both counted from 1 (from the end when negative) and included.",
            [.array, .bigint, .bigint], required: 2, .argument(0)),
        array(["trim_array"], .arrayTrim, "Without the last n elements.", [.array, .bigint], .argument(0)),
        array(
            ["array_to_string", "array_join"], .arrayToString, "The elements as text with a delimiter between them; NULLs are left out, or shown as the third argument.",
            [.array, .text, .text], required: 2, .type(.text)),
        array(
            ["string_to_array", "split"], .stringToArray,
            "The parts between delimiters (NULL: each character); parts that equal the third argument are NULL.", [.text, .text, .text],
            required: 2, .type(.array(.text))),
        array(
            ["regexp_extract_all"], .regexpExtractAll,
            "A group of every match, the first one unless another is named; the whole match when the pattern has none.", [.text, .text, .integer],
            required: 2, .type(.array(.text))),
        array(
            ["regexp_match"], .regexpMatch, "The groups of the first match, or the whole of it when there are none; NULL without a match. Then flags.",
            [.text, .text, .text], required: 2, .type(.array(.text))),
        array(
            ["regexp_split_to_array", "regexp_split"], .regexpSplit, "The parts of the text between matches. Then flags.", [.text, .text, .text],
            required: 2, .type(.array(.text))),
        array(["array_union"], .arrayUnion, "What is in either array, each value once.", [.array, .array], .argument(0)),
        array(["array_intersect"], .arrayIntersect, "What is in both arrays, each value once.", [.array, .array], .argument(0)),
        array(["array_except"], .arrayExcept, "What is in the first array and not in the second, each value once.", [.array, .array], .argument(0)),
        FunctionDefinition(
            "element_at", meaning: .call(.element), .array, "An element by its position from 1, or a map's value by its key; NULL where there is none.",
            FunctionSignature([.array, .bigint], elementType),
            FunctionSignature([.map, .mapKey], .rule("the map's value type") { if case .map(_, let value)? = $0.first { value } else { .text } })),
        FunctionDefinition(
            "sequence", meaning: .call(.sequence), .array, "The values from one to another, both included, by steps, as an array. As rows: FROM generate_series(...).",
            FunctionSignature([.bigint, .bigint, .bigint], required: 2, .type(.array(.bigint))),
            FunctionSignature([.timestamp, .timestamp, .interval], .rule("array of argument 1") { .array($0.first ?? .bigint) })),
    ]

    static let maps: [FunctionDefinition] = [
        map(["map_keys"], .mapKeys, "The keys of a map.", [.map], .rule("array of the keys' type") { .array(part($0, 0)) }),
        map(["map_values"], .mapValues, "The values of a map.", [.map], .rule("array of the values' type") { .array(part($0, 1)) }),
        map(
            ["map_entries"], .mapEntries, "The entries of a map as rows of key and value.", [.map],
            .rule("array of ROW<key, value>") { .array($0.first?.element ?? .text) }),
        map(
            ["map_from_arrays"], .mapFromArrays, "A map of an array of keys and one of values.", [.array, .any],
            .rule("map") { .map($0.first?.element ?? .text, $0.count > 1 ? $0[1].element ?? .text : .text) }),
        map(
            ["map_from_entries"], .mapFromEntries, "A map of an array of rows of key and value.", [.array],
            .rule("map") { types in
                guard case .row(let fields)? = types.first?.element, fields.count == 2 else { return .map(.text, .text) }
                return .map(fields[0].type, fields[1].type)
            }),
        FunctionDefinition(
            "map_union", meaning: .call(.mapUnion), .map, "The entries of both maps, which are of one type; of a key in both the second one's value.",
            FunctionSignature([.map, .map], .argument(0))),
        map(["map_contains_key"], .mapContainsKey, "Whether the map has the key.", [.map, .mapKey], .type(.boolean)),
        map(
            ["str_to_map"], .stringToMap, "A map out of a text such as `k1=v1,k2=v2`; the arguments after it are what stands between pairs, and within one.",
            [.text, .text, .text], required: 1, .type(.map(.text, .text))),
    ]

    static let json: [FunctionDefinition] = [
        FunctionDefinition(
            "json_value", meaning: .call(.jsonValue), .json, "The scalar that a path (`$.a.b[0]`) leads to, as text; NULL when it leads to none, to several, or to no scalar. `RETURNING type`, `{NULL | ERROR | DEFAULT x} ON EMPTY`, and the same `ON ERROR`.",
            FunctionSignature([.any, .text], .type(.text))),
        FunctionDefinition(
            "json_query", "jsonb_path_query_first", meaning: .call(.jsonQuery), .json, "The JSON value that a path leads to; NULL when it leads to none or to several. `RETURNING type`, `WITH [CONDITIONAL] WRAPPER`, `{NULL | ERROR | EMPTY ARRAY | EMPTY OBJECT | DEFAULT x} ON EMPTY`, and the same `ON ERROR`.",
            FunctionSignature([.any, .text], .type(.json))),
        FunctionDefinition(
            "json_exists", "jsonb_path_exists", meaning: .call(.jsonExists), .json, "Whether a path leads to anything. `{TRUE | FALSE | UNKNOWN | ERROR} ON ERROR`.", FunctionSignature([.any, .text], .type(.boolean))),
        jsonFunction(
            ["json_extract_path", "jsonb_extract_path"], .jsonExtractPath, "The value at the end of a row of keys (and of positions from 0).", [.json, .text],
            isVariadic: true, .type(.json)),
        jsonFunction(
            ["json_extract_path_text", "jsonb_extract_path_text"], .jsonExtractPathText, "The same as text.", [.json, .text], isVariadic: true, .type(.text)),
        jsonFunction(["json_array_length", "jsonb_array_length"], .jsonArrayLength, "How many elements a JSON array has.", [.json], .type(.bigint)),
        jsonFunction(["json_typeof", "jsonb_typeof"], .jsonTypeof, "object, array, string, number, boolean or null.", [.json], .type(.text)),
        jsonFunction(["json_object_keys", "jsonb_object_keys"], .jsonObjectKeys, "The keys of a JSON object, as an array.", [.json], .type(.array(.text))),
        jsonFunction(
            ["json_array_elements", "jsonb_array_elements"], .jsonArrayElements, "The elements of a JSON array, as an array; in FROM as rows.", [.json],
            .type(.array(.json))),
        jsonFunction(
            ["json_array_elements_text", "jsonb_array_elements_text"], .jsonArrayElementsText, "The elements of a JSON array as texts.", [.json],
            .type(.array(.text))),
        jsonFunction(["json_each", "jsonb_each"], .jsonEach, "The members of a JSON object, as a map; in FROM as rows.", [.json], .type(.map(.text, .json))),
        jsonFunction(
            ["json_each_text", "jsonb_each_text"], .jsonEachText, "The members of a JSON object with their values as texts.", [.json], .type(.map(.text, .text))),
        jsonFunction(["json_strip_nulls", "jsonb_strip_nulls"], .jsonStripNulls, "Without members that are null, at any depth.", [.json], .type(.json)),
        jsonFunction(
            ["json_build_object", "jsonb_build_object", "json_object"], .jsonBuildObject,
            "A JSON object of keys and values in turn; of json_object also `KEY k VALUE v`, `{NULL | ABSENT} ON NULL` and `RETURNING type`.", [.any], required: 0,
            isVariadic: true, .type(.json)),
        jsonFunction(
            ["json_build_array", "jsonb_build_array"], .jsonBuildArray, "A JSON array of the arguments.", [.any], required: 0, isVariadic: true,
            .type(.json)),
        jsonFunction(
            ["json_array"], .jsonSparseArray, "A JSON array of the arguments that are not NULL; with `NULL ON NULL` of all. `RETURNING type`.", [.any],
            required: 0, isVariadic: true, .type(.json)),
        jsonFunction(["to_json", "to_jsonb", "json_string", "row_to_json", "array_to_json"], .toJSON, "Any value as JSON: rows and maps as objects, arrays as arrays.", [.any], .type(.json)),
        FunctionDefinition(
            "json_valid", "is_json", meaning: .call(.jsonValid), .json,
            "Whether a text is JSON; with VALUE, SCALAR, OBJECT or ARRAY as second argument, JSON of that kind: what `x IS JSON OBJECT` becomes.",
            FunctionSignature([.text, .text], required: 1, .type(.boolean)), FunctionSignature([.json, .text], required: 1, .type(.boolean))),
        FunctionDefinition(
            "jsonb_path_query_array", meaning: .rewrite(.jsonPathArray), .json, "All values that a path leads to, as a JSON array.",
            FunctionSignature([.any, .text], .type(.json))),
        FunctionDefinition(
            "json_quote", meaning: .rewrite(.jsonQuote), .json, "The text as a JSON string.", FunctionSignature([.text], .type(.text))),
        FunctionDefinition(
            "json_unquote", meaning: .rewrite(.jsonUnquote), .json, "What a JSON string says; any other text as it is.",
            FunctionSignature([.text], .type(.text))),
        jsonFunction(["json_contains", "jsonb_contains"], .jsonContains, "Whether the second JSON value is contained in the first: `a @> b`.", [.json, .json], .type(.boolean)),
    ]

    private static let elementType = FunctionSignature.Result.rule("the element type") { $0.first?.element ?? .text }

    private static func part(_ types: [SQLType], _ index: Int) -> SQLType {
        guard case .map(let key, let value)? = types.first else { return .text }
        return index == 0 ? key : value
    }

    private static func array(
        _ names: [String], _ function: ScalarFunction, _ doc: String, _ arguments: [FunctionSignature.Argument], required: Int? = nil,
        _ result: FunctionSignature.Result
    ) -> FunctionDefinition {
        FunctionDefinition(names, meaning: .call(function), .array, doc, [FunctionSignature(arguments, required: required, result)])
    }

    private static func map(
        _ names: [String], _ function: ScalarFunction, _ doc: String, _ arguments: [FunctionSignature.Argument], required: Int? = nil,
        _ result: FunctionSignature.Result
    ) -> FunctionDefinition {
        FunctionDefinition(names, meaning: .call(function), .map, doc, [FunctionSignature(arguments, required: required, result)])
    }

    private static func jsonFunction(
        _ names: [String], _ function: ScalarFunction, _ doc: String, _ arguments: [FunctionSignature.Argument], required: Int? = nil,
        isVariadic: Bool = false, _ result: FunctionSignature.Result
    ) -> FunctionDefinition {
        FunctionDefinition(
            names, meaning: .call(function), .json, doc, [FunctionSignature(arguments, required: required, isVariadic: isVariadic, result)])
    }
}
