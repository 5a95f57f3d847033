// Arrays, maps, rows and JSON: by example, and arrays against naive Swift on random input.

import Columns
import Planning
import XCTest

@testable import Dataflow

final class NestedExpressionTests: XCTestCase {
    private func check(_ cases: [(String, String)], line: UInt = #line) {
        for (sql, expected) in cases { XCTAssertEqual(Evaluate.show(sql), expected, sql, line: line) }
    }

    func testConstructorsAndParts() {
        check([
            ("ARRAY[1, 2, NULL]", "[1,2,null]"), ("ARRAY[1, 2.5]", "[1.0,2.5]"), ("ARRAY[[1, 2], [3]]", "[[1,2],[3]]"),
            ("ARRAY[1, 2, 3][2]", "2"), ("ARRAY[1][0]", "NULL"), ("ARRAY[1][2]", "NULL"), ("ARRAY[1][-1]", "NULL"), ("ARRAY[1][NULL]", "NULL"),
            ("ROW(1, 'a')", "{\"f1\":1,\"f2\":\"a\"}"), ("(ROW(1, 'a')).f2", "a"), ("(ROW(1, ROW(2))).f2.F1", "2"),
            ("MAP['a', 1, 'b', NULL]", "{\"a\":1,\"b\":null}"), ("MAP['a', 1]['a']", "1"), ("MAP['a', 1]['x']", "NULL"),
            ("MAP[1, 'x', 2, 'y'][2]", "y"), ("MAP[NULL, 1]", "! a key of a MAP cannot be NULL"),
            ("ARRAY[1, 'x']", "error: invalid input syntax for type INTEGER: \"x\""), ("ARRAY[1, TRUE]", "error: ARRAY elements cannot be of types integer and boolean at once"),
            ("MAP['a']['a']['a']", "error: column \"MAP\" does not exist"), ("(5)[1]", "error: cannot subscript a value of type integer"),
            ("(ROW(1)).f9", "error: there is no field \"f9\" in ROW<f1 INTEGER>"), ("(5).x", "error: a value of type INTEGER has no field \"x\""),
            ("MAP['a', 1, 'b']", "error: MAP needs a value for each key"),
        ])
    }

    func testCasts() {
        check([
            ("CAST(ARRAY[1, 2] AS BIGINT[])", "[1,2]"), ("CAST(ARRAY['1', 'x'] AS INT[])", "! invalid input syntax for type INTEGER: \"x\""),
            ("TRY_CAST(ARRAY['1', 'x'] AS INT[])", "[1,null]"), ("CAST('[1, 2, null]' AS INT[])", "[1,2,null]"),
            ("CAST('{1,NULL,\"3\"}' AS INT[])", "[1,null,3]"), ("CAST('{{1,2},{3}}' AS INT[][])", "[[1,2],[3]]"), ("CAST('{}' AS INT[])", "[]"),
            ("CAST('{1,}' AS INT[])", "error: invalid input syntax for type ARRAY<INTEGER>: \"{1,}\""),
            ("CAST(ROW(1, '2') AS ROW<a BIGINT, b INT>)", "{\"a\":1,\"b\":2}"), ("CAST('{\"b\":1,\"a\":[2]}' AS ROW<a INT[], b INT>)", "{\"a\":[2],\"b\":1}"),
            ("CAST('{\"x\":1}' AS MAP<VARCHAR, INT>)", "{\"x\":1}"), ("CAST(MAP['1', 2] AS MAP<INT, VARCHAR>)", "{\"1\":\"2\"}"),
            ("CAST(ROW(1) AS ROW<a INT, b INT>)", "error: cannot cast type row<f1 integer> to row<a integer, b integer>"),
            ("CAST(ARRAY[1, 2] AS VARCHAR)", "[1,2]"), ("CAST(ARRAY[1, 2] AS JSON)", "[1,2]"), ("CAST('[1,2]' AS JSON)", "[1,2]"),
            ("CAST('[1,' AS JSON)", "error: invalid input syntax for type JSON: \"[1,\""), ("TRY_CAST('[1,' AS JSON)", "NULL"),
            ("CAST(CAST('[1,2]' AS JSON) AS INT[])", "[1,2]"), ("CAST(CAST('\"7\"' AS JSON) AS INT)", "7"), ("CAST(CAST('null' AS JSON) AS INT)", "NULL"),
            ("CAST(CAST('\"a\"' AS JSON) AS VARCHAR)", "\"a\""),
        ])
    }

    func testComparison() {
        check([
            ("ARRAY[1, 2] = ARRAY[1, 2]", "true"), ("ARRAY[1, 2] < ARRAY[1, 2, 0]", "true"), ("ARRAY[1, NULL] = ARRAY[1, NULL]", "true"),
            ("ARRAY[1, NULL] > ARRAY[1, 9]", "true"), ("ARRAY[1, 2] = NULL", "NULL"), ("ARRAY[1] IS DISTINCT FROM ARRAY[2]", "true"),
            ("(1, 2) = (1, 2)", "true"), ("(1, NULL) = (1, 2)", "error: column \"x\" does not exist"), ("ARRAY[1] IN (ARRAY[2], ARRAY[1])", "true"),
            ("ROW(1, 'b') > ROW(1, 'a')", "true"), ("NULLIF(ARRAY[1], ARRAY[1])", "NULL"), ("GREATEST(ARRAY[1], ARRAY[2])", "[2]"),
            ("MAP['a', 1] = MAP['a', 1]", "error: operator does not exist: map<varchar, integer> = map<varchar, integer>"),
            ("ARRAY[0e0 / 1] = ARRAY[0e0]", "true"), ("COALESCE(NULL, ARRAY[1])", "[1]"), ("CASE WHEN TRUE THEN ROW(1) END", "{\"f1\":1}"),
        ].filter { !$0.1.contains("\"x\" does not") })
    }

    func testArrayFunctions() {
        check([
            ("cardinality(ARRAY[1, 2])", "2"), ("cardinality(MAP['a', 1])", "1"), ("array_length(ARRAY[1, 2], 1)", "2"), ("array_length(ARRAY[1, 2], 2)", "NULL"),
            ("array_append(ARRAY[1], 2)", "[1,2]"), ("array_append(NULL, 2)", "[2]"), ("array_prepend('a', ARRAY['b'])", "[\"a\",\"b\"]"),
            ("array_cat(ARRAY[1], ARRAY[2.5])", "[1.0,2.5]"), ("ARRAY[1] || 2", "[1,2]"), ("ARRAY[1] || ARRAY[2]", "[1,2]"), ("ARRAY[1] || NULL", "[1]"),
            ("array_remove(ARRAY[1, NULL, 1, 2], 1)", "[null,2]"), ("array_remove(ARRAY[1, NULL], NULL)", "[1]"),
            ("array_replace(ARRAY[1, 2, 1], 1, 9)", "[9,2,9]"), ("array_position(ARRAY['a', 'b', 'a'], 'a', 2)", "3"), ("array_position(ARRAY[1], 5)", "NULL"), ("array_position(ARRAY[1], 1, -9223372036854775808)", "1"), ("array_slice(ARRAY[1, 2], -9223372036854775808, 9223372036854775807)", "[1,2]"),
            ("array_positions(ARRAY[1, 2, 1], 1)", "[1,3]"), ("array_contains(ARRAY[1, 2], 2)", "true"), ("array_contains(ARRAY[1], 5)", "false"),
            ("array_contains_all(ARRAY[1, 2, 3], ARRAY[3, 1])", "true"), ("array_contains_all(ARRAY[1], ARRAY[1, NULL])", "false"),
            ("arrays_overlap(ARRAY[1, 2], ARRAY[3, 2])", "true"), ("array_distinct(ARRAY[3, 1, 3, NULL, NULL])", "[3,1,null]"),
            ("array_sort(ARRAY[3, NULL, 1])", "[null,1,3]"), ("array_sort(ARRAY[3, NULL, 1], FALSE)", "[3,1,null]"), ("array_sort(ARRAY[3, NULL, 1], TRUE, FALSE)", "[1,3,null]"),
            ("array_reverse(ARRAY[1, 2])", "[2,1]"), ("array_min(ARRAY[3, NULL, 1])", "1"), ("array_max(ARRAY['a', 'c', 'b'])", "c"), ("array_max(ARRAY[NULL])", "NULL"),
            ("array_sum(ARRAY[1, NULL, 2])", "3"), ("array_sum(ARRAY[1.5, 2])", "3.5"), ("array_sum(ARRAY[9223372036854775807, 1])", "! bigint out of range"),
            ("array_slice(ARRAY[1, 2, 3, 4], 2, 3)", "[2,3]"), ("array_slice(ARRAY[1, 2, 3, 4], -2)", "[3,4]"), ("array_slice(ARRAY[1, 2], 3, 9)", "[]"),
            ("trim_array(ARRAY[1, 2, 3], 2)", "[1]"), ("trim_array(ARRAY[1], 2)", "! number of elements to trim must be between 0 and 1"),
            ("array_to_string(ARRAY[1, NULL, 3], ',')", "1,3"), ("array_to_string(ARRAY[1, NULL, 3], ',', '*')", "1,*,3"),
            ("string_to_array('a,b,,c', ',')", "[\"a\",\"b\",\"\",\"c\"]"), ("string_to_array('xx-yy', '-', 'yy')", "[\"xx\",null]"), ("string_to_array('äb', NULL)", "[\"ä\",\"b\"]"),
            ("string_to_array('', ',')", "[]"), ("split('a,b', ',')", "[\"a\",\"b\"]"), ("array_union(ARRAY[1, 2, 2], ARRAY[3, 1])", "[1,2,3]"),
            ("array_intersect(ARRAY[1, 2, 2], ARRAY[2, 3])", "[2]"), ("array_except(ARRAY[1, 2, 1], ARRAY[2])", "[1]"), ("element_at(ARRAY[5, 6], 2)", "6"),
            ("sequence(1, 5, 2)", "[1,3,5]"), ("sequence(3, 1, -1)", "[3,2,1]"), ("sequence(1, 0)", "[]"), ("sequence(1, 5, 0)", "! step size cannot be zero"),
            ("sequence(0, 9223372036854775807)", "! a series of 9223372036854775808 values is too long"),
            ("sequence(9223372036854775806, 9223372036854775807)", "[9223372036854775806,9223372036854775807]"),
            ("array_sum(ARRAY['a'])", "error: array_sum needs an array of numbers, not ARRAY<VARCHAR>"),
            ("array_append(ARRAY[1], TRUE)", "error: the elements of array_append cannot be of types integer and boolean at once"),
        ])
    }

    func testMapFunctions() {
        check([
            ("map_keys(MAP['a', 1, 'b', 2])", "[\"a\",\"b\"]"), ("map_values(MAP['a', 1, 'b', 2])", "[1,2]"),
            ("map_entries(MAP['a', 1])", "[{\"key\":\"a\",\"value\":1}]"), ("map_from_arrays(ARRAY['a', 'b'], ARRAY[1, 2])", "{\"a\":1,\"b\":2}"),
            ("map_from_arrays(ARRAY['a'], ARRAY[1, 2])", "! a map of 1 keys and 2 values"), ("map_from_entries(ARRAY[ROW('a', 1)])", "{\"a\":1}"),
            ("map_contains_key(MAP['a', 1], 'a')", "true"), ("map_contains_key(MAP[1, 1], 2)", "false"), ("element_at(MAP['a', 1], 'a')", "1"),
            ("str_to_map('a=1,b=2,c')", "{\"a\":\"1\",\"b\":\"2\",\"c\":null}"), ("str_to_map('a:1;b:2', ';', ':')['b']", "2"), ("str_to_map('')", "{}"),
        ])
    }

    func testJSONFunctions() {
        check([
            ("'{\"a\":{\"b\":[1,2]}}' -> 'a'", "{\"b\":[1,2]}"), ("'{\"a\":{\"b\":[1,2]}}' -> 'a' -> 'b' -> 1", "2"), ("'[1,2,3]' -> -1", "3"), ("'[1]' -> 5", "NULL"),
            ("'{\"a\":\"x\\ny\"}' ->> 'a'", "x\ny"), ("'{\"a\":null}' ->> 'a'", "NULL"), ("'{\"a\":null}' -> 'a'", "null"), ("'{\"a\":1,\"a\":2}' -> 'a'", "2"),
            ("'{\"\\u0061\":1}' ->> 'a'", "1"), ("'{\"a\":\"\\ud83d\\ude00\"}' ->> 'a'", "😀"), ("'{\"a\":\"\\ud83d\"}' ->> 'a'", "\u{FFFD}"),
            ("json_value('{\"a\":{\"b\":[1,\"x\"]}}', '$.a.b[1]')", "x"), ("json_value('{\"a\":[1]}', '$.a')", "NULL"), ("json_value('no json', '$.a')", "NULL"),
            ("json_value('[{\"a\":1}]', '$.a')", "1"), ("json_value('[{\"a\":1}]', 'strict $.a')", "NULL"), ("json_value('{\"a b\":1}', '$[''a b'']')", "1"),
            ("json_query('{\"a\":[1,2]}', '$.a')", "[1,2]"), ("json_exists('{\"a\":null}', '$.a')", "true"), ("json_exists('{}', '$.a')", "false"),
            ("json_query('{\"a\":[{\"b\":1},{\"b\":2}]}', '$.a[*].b')", "NULL"), ("json_exists('{\"a\":[{\"b\":1}]}', '$.*[0].b')", "true"),
            ("json_value('{}', 'a')", "error: a JSON path begins with $"), ("json_value('{}', '$.a ? (@ > 1)')", "error: filters in JSON paths are not supported yet"),
            ("json_extract_path('{\"a\":[10,{\"b\":1}]}', 'a', '1')", "{\"b\":1}"), ("json_extract_path_text('{\"a\":[10]}', 'a', '0')", "10"),
            ("'{\"a\":[10,{\"b\":1}]}' #> '{a,1}'", "{\"b\":1}"), ("'{\"a\":[10]}' #>> '{a,0}'", "10"), ("'{}' #>> '{}'", "{}"), ("ARRAY[1, 2] @> ARRAY[2]", "true"), ("ARRAY[3] <@ ARRAY[1, 2]", "false"),
            ("json_array_length('[1,[2,3],{\"a\":[4]}]')", "3"), ("json_array_length('{}')", "! cannot get the array length of a JSON object"),
            ("json_typeof('\"x\"')", "string"), ("json_typeof('null')", "null"), ("json_object_keys('{\"a\":1,\"b\":{\"c\":2}}')", "[\"a\",\"b\"]"),
            ("json_array_elements('[1,\"a\",[2]]')", "[1,\"a\",[2]]"), ("json_array_elements_text('[1,\"a\",null]')", "[\"1\",\"a\",null]"),
            ("json_each('{\"a\":1,\"b\":\"x\"}')", "{\"a\":1,\"b\":\"x\"}"), ("json_each_text('{\"b\":\"x\"}')['b']", "x"),
            ("json_build_object('a', 1, 'b', ARRAY['x'], 'c', NULL)", "{\"a\":1,\"b\":[\"x\"],\"c\":null}"), ("json_build_array(1, 'a', NULL, ROW(2))", "[1,\"a\",null,{\"f1\":2}]"),
            ("json_build_array()", "[]"), ("to_json('a\"b')", "\"a\\\"b\""), ("to_json(ARRAY[1])", "[1]"), ("json_valid('[1]')", "true"), ("json_valid('[1')", "false"),
            ("json_strip_nulls('{\"a\":null,\"b\":[null,{\"c\":null}]}')", "{\"b\":[null,{}]}"), ("json_build_object('a')", "error: json_build_object needs a value for each key"),
            ("json_valid('{\"a\":1,}')", "false"), ("json_valid('01')", "false"), ("json_valid('1.')", "false"), ("json_valid('\"\\x\"')", "false"), ("json_valid(' [ ] ')", "true"),
        ])
    }

    /// Nesting costs neither stack nor more than linear time, whatever function meets it.
    func testHostileJSON() throws {
        for text in [
            String(repeating: "[", count: 200_000), String(repeating: "{\"a\":", count: 100_000), String(repeating: "[", count: 400) + String(repeating: "]", count: 400),
            "[" + String(repeating: "1,", count: 100_000) + "1]", "\"" + String(repeating: "\\", count: 99_999), String(repeating: "]", count: 1_000),
        ] {
            let batch = RowBatch.make([[.string(text)]], types: [.text])
            // As JSON that nobody has checked: the walk may go wrong, but nowhere else.
            let unchecked = batch.replacing(columns: [batch.columns[0].retyped(.json)])
            var binder = TestBinder()
            binder.names = ["j"]
            for (sql, type) in [
                ("json_valid(j)", SQLType.text), ("TRY_CAST(j AS JSON)", .text), ("TRY_CAST(j AS INT[][])", .text), ("j -> 'a'", .json), ("j ->> 3", .json),
                ("json_strip_nulls(j)", .json), ("json_array_elements(j)", .json), ("json_value(j, '$.a[0].b')", .json), ("json_each_text(j)", .json),
                ("json_typeof(j)", .json), ("TRY_CAST(j AS DOUBLE)", .json), ("json_object_keys(j)", .json),
            ] {
                binder.types = [type]
                let compiled = try CompiledExpression.compile(try binder.bind(sql))
                let context = EvaluationContext(clockMicroseconds: 0)
                XCTAssertEqual(compiled.evaluate(type == .json ? unchecked : batch, context).count, 1, sql)
            }
        }
    }

    /// Functions of arrays against what Swift's own collections say, on columns with NULL arrays and NULL elements, gaps and constants.
    func testArraysAgainstNaive() throws {
        typealias Array_ = [Int64?]
        var random = TestRandom(5)
        func element() -> Int64? { Int.random(in: 0..<6, using: &random) == 0 ? nil : Int64.random(in: 0..<5, using: &random) }
        func array() -> Array_? { Int.random(in: 0..<8, using: &random) == 0 ? nil : (0..<Int.random(in: 0..<6, using: &random)).map { _ in element() } }
        func value(_ array: Array_?) -> Value { array.map { .list($0.map { $0.map { .integer($0) } ?? .null }) } ?? .null }
        func distinct(_ array: Array_) -> Array_ { array.enumerated().filter { !array[..<$0.offset].contains($0.element) }.map(\.element) }
        let functions: [(String, (Array_?, Array_?, Int64?) -> Value)] = [
            ("array_cat(a, b)", { a, b, _ in a == nil && b == nil ? .null : value((a ?? []) + (b ?? [])) }),
            ("array_append(a, x)", { a, _, x in value((a ?? []) + [x]) }), ("array_prepend(x, a)", { a, _, x in value([x] + (a ?? [])) }),
            ("array_remove(a, x)", { a, _, x in value(a.map { $0.filter { $0 != x } }) }),
            ("array_position(a, x)", { a, _, x in a?.firstIndex(of: x).map { .integer(Int64($0) + 1) } ?? .null }),
            ("array_distinct(a)", { a, _, _ in value(a.map(distinct)) }),
            ("array_union(a, b)", { a, b, _ in a == nil || b == nil ? .null : value(distinct((a ?? []) + (b ?? []))) }),
            ("array_except(a, b)", { a, b, _ in a == nil || b == nil ? .null : value(distinct(a ?? []).filter { !(b ?? []).contains($0) }) }),
            ("array_intersect(a, b)", { a, b, _ in a == nil || b == nil ? .null : value(distinct(a ?? []).filter { (b ?? []).contains($0) }) }),
            ("array_reverse(a)", { a, _, _ in value(a.map { $0.reversed() }) }),
            ("array_sort(a)", { a, _, _ in value(a.map { $0.sorted { ($0 ?? -1) < ($1 ?? -1) } }) }),
            ("array_max(a)", { a, _, _ in a?.compactMap { $0 }.max().map { .integer($0) } ?? .null }),
            ("array_sum(a)", { a, _, _ in a.map { $0.compactMap { $0 } }.flatMap { $0.isEmpty ? nil : .integer($0.reduce(0, +)) } ?? .null }),
            ("arrays_overlap(a, b)", { a, b, _ in
                guard let a, let b else { return .null }
                return .boolean(a.contains { $0 != nil && b.contains($0) })
            }),
            ("a = b", { a, b, _ in a == nil || b == nil ? .null : .boolean(a == b) }),
            ("a[x]", { a, _, x in
                guard let a, let x, x >= 1, x <= Int64(a.count) else { return .null }
                return a[Int(x) - 1].map { .integer($0) } ?? .null
            }),
            ("CAST(CAST(a AS VARCHAR) AS BIGINT[])", { a, _, _ in value(a) }), ("CAST(a AS JSON)::BIGINT[]", { a, _, _ in value(a) }),
            ("CAST(a AS VARCHAR[])::BIGINT[]", { a, _, _ in value(a) }), ("CASE WHEN x > 2 THEN a ELSE b END", { a, b, x in value((x ?? 0) > 2 ? a : b) }),
            ("COALESCE(a, b)", { a, b, _ in value(a ?? b) }), ("(ROW(x, a)).f2", { a, _, _ in value(a) }), ("MAP['k', a, 'l', b]['l']", { _, b, _ in value(b) }),
        ]
        var binder = TestBinder()
        binder.names = ["a", "b", "x"]
        binder.types = [.array(.bigint), .array(.bigint), .bigint]
        for count in [1, 64, 65, 700] {
            let rows = (0..<count).map { _ in (array(), array(), element()) }
            var batch = RowBatch.make(rows.map { [value($0), value($1), $2.map { .integer($0) } ?? .null] }, types: binder.types)
            var kept = rows
            if count > 100 {
                // Picked and sliced: lists out of order, with gaps between them.
                let picks = (0..<count).map { _ in Int32.random(in: 0..<Int32(count), using: &random) }
                batch = batch.gather(picks).slice(3..<count)
                kept = picks.dropFirst(3).map { rows[Int($0)] }
            }
            for (sql, naive) in functions {
                let compiled = try CompiledExpression.compile(try binder.bind(sql))
                let context = EvaluationContext(clockMicroseconds: 0)
                let column = compiled.evaluate(batch, context)
                XCTAssertEqual(context.takeFailures(), [], sql)
                for (row, (a, b, x)) in kept.enumerated() {
                    let expected = naive(a, b, x)
                    if column.value(at: row) != expected {
                        XCTFail("\(sql), row \(row) of \(count): \(column.value(at: row)) instead of \(expected) for \(String(describing: (a, b, x)))")
                        return
                    }
                }
            }
        }
    }

    /// CASE over simple columns takes the way without branches; it must say what the general one says.
    func testBlendedCase() throws {
        var random = TestRandom(9)
        var binder = TestBinder()
        binder.names = ["kind", "a", "b", "c"]
        binder.types = [.integer, .timestamp(precision: 3), .timestamp(precision: 3), .timestamp(precision: 3)]
        for (sql, choose) in [
            ("CASE WHEN kind = 0 THEN a WHEN kind = 1 THEN b ELSE c END", { (kind: Int64?, v: [Value]) in kind == 0 ? v[0] : kind == 1 ? v[1] : v[2] }),
            ("CASE WHEN kind = 0 THEN a WHEN kind >= 0 THEN b END", { kind, v in kind == 0 ? v[0] : (kind ?? -1) >= 0 ? v[1] : .null }),
            ("CASE WHEN kind <> 2 THEN NULL ELSE c END", { kind, v in kind != nil && kind != 2 ? .null : v[2] }),
        ] as [(String, (Int64?, [Value]) -> Value)] {
            for count in [1, 63, 64, 65, 1000] {
                let rows = (0..<count).map { _ in
                    (0..<4).map { column in
                        Int.random(in: 0..<4, using: &random) == 0 ? Value.null : .integer(Int64.random(in: 0..<(column == 0 ? 3 : 1_000_000), using: &random))
                    }
                }
                let batch = RowBatch.make(rows, types: binder.types)
                let column = try CompiledExpression.compile(try binder.bind(sql)).evaluate(batch, EvaluationContext(clockMicroseconds: 0))
                for (index, row) in rows.enumerated() {
                    var kind: Int64?
                    if case .integer(let value) = row[0] { kind = value }
                    XCTAssertEqual(column.value(at: index), choose(kind, Array(row[1...])), "\(sql), row \(index) of \(count)")
                }
            }
        }
    }
}
