// Functions and operators by example: SQL, and what it gives. Every case runs folded and as columns.

import XCTest

@testable import Dataflow

final class FunctionCasesExpressionTests: XCTestCase {
    private func check(_ cases: [(String, String)], line: UInt = #line) {
        for (sql, expected) in cases {
            XCTAssertEqual(Evaluate.show(sql), expected, sql, line: line)
        }
    }

    func testArithmetic() {
        check([
            ("1 + 2", "3"), ("7 / 2", "3"), ("-7 / 2", "-3"), ("-7 % 3", "-1"), ("7 % -3", "1"), ("2147483647 + 1", "! integer out of range"),
            ("2147483648 + 1", "2147483649"), ("9223372036854775807 + 1", "! bigint out of range"), ("1 / 0", "! division by zero"),
            ("1 % 0", "! division by zero"), ("-2147483648", "-2147483648"), ("-2147483648 / -1", "! integer out of range"),
            ("-9223372036854775808", "-9223372036854775808"), ("5 % -1", "0"), ("1.5 + 1", "2.5"), ("0.908 * 12893878", "11707641.224"),
            ("1.0 / 3", "0.333333333333"), ("1e0 / 0", "! division by zero"), ("1.5e0 + 1", "2.5"), ("5.5 % 2", "1.5"), ("mod(7, 3)", "1"),
            ("div(7.5, 2)", "3.0000000000000"), ("div(-7, 2)", "-3"), ("2 ^ 10", "1024"), ("- (1 + 2)", "-3"), ("3 & 5", "1"), ("3 | 5", "7"), ("3 # 5", "6"),
            ("1 << 4", "16"), ("-16 >> 2", "-4"), ("1 + NULL", "NULL"), ("1 + '2'", "3"), ("46341 * 46341", "! integer out of range"),
            ("CAST(3000000000 AS BIGINT) * 4000000000", "! bigint out of range"),
        ])
    }

    func testComparison() {
        check([
            ("1 < 2", "true"), ("1.50 = 1.5", "true"), ("1 = 1.0", "true"), ("'a' < 'b'", "true"), ("NULL = 1", "NULL"), ("1 = '1'", "true"),
            ("9007199254740993 > 9007199254740992.5", "true"), ("1e0 = 1", "true"), ("TRUE > FALSE", "true"),
            ("DATE '2026-01-02' > DATE '2026-01-01'", "true"), ("TIMESTAMP '2026-01-01 00:00:00' = DATE '2026-01-01'", "true"),
            ("DATE '2026-01-02' = '2026-01-02'", "true"), ("INTERVAL '1' MONTH = INTERVAL '30' DAY", "true"),
            ("1 IS DISTINCT FROM NULL", "true"), ("NULL IS DISTINCT FROM NULL", "false"), ("1 IS NOT DISTINCT FROM 1", "true"),
            ("2 BETWEEN 1 AND 3", "true"), ("2 NOT BETWEEN 3 AND 1", "true"), ("2 BETWEEN SYMMETRIC 3 AND 1", "true"),
            ("1 IN (1, 2)", "true"), ("3 IN (1, NULL)", "NULL"), ("3 NOT IN (1, 2)", "true"), ("1 IN (1.0, 2.5)", "true"), ("2 IN (2.5)", "false"),
            ("'b' IN ('a', 'b')", "true"), ("NULL IN (1)", "NULL"), ("1 = 'x'", "error: invalid input syntax for type INTEGER: \"x\""),
            ("CASE WHEN 1 = 2 THEN 'a' WHEN NULL THEN 'b' ELSE 'c' END", "c"), ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b"),
            ("CASE WHEN FALSE THEN 1 END", "NULL"), ("CASE WHEN TRUE THEN 1 ELSE 2.5 END", "1.0"),
        ])
    }

    func testConditional() {
        check([
            ("coalesce(NULL, 2, 3)", "2"), ("nullif(1, 1)", "NULL"), ("nullif(1, 2)", "1"), ("nullif(1, NULL)", "1"), ("nullif(0, NULL)", "0"),
            ("ifnull(NULL, 'x')", "x"), ("if(1 > 0, 'y', 'n')", "y"), ("if(NULL, 1)", "NULL"), ("greatest(1, NULL, 3)", "3"), ("least(1, NULL, 3)", "1"),
            ("greatest(NULL, NULL)", "NULL"), ("greatest('a', 'c', 'b')", "c"), ("least(1, 2.5)", "1.0"), ("typeof(1 + 1.5)", "DECIMAL(12, 1)"),
            ("1 IS NULL", "false"), ("NULL IS NULL", "true"), ("(1 = NULL) IS UNKNOWN", "true"), ("(1 = 1) IS TRUE", "true"), ("(1 = NULL) IS NOT TRUE", "true"),
            ("TRUE AND NULL", "NULL"), ("FALSE AND NULL", "false"), ("TRUE OR NULL", "true"), ("NOT NULL", "NULL"),
        ])
    }

    func testText() {
        check([
            ("upper('aé1')", "AÉ1"), ("lower('ABCé')", "abcé"), ("lower('ÀB')", "àb"), ("initcap('hello wORLD-x')", "Hello World-X"), ("char_length('aé€😀')", "4"), ("octet_length('aé')", "3"),
            ("substring('hello', 2, 3)", "ell"), ("substring('hello' FROM 2)", "ello"), ("substring('hello', -3, 2)", "ll"), ("substring('hello', 0, 3)", "he"),
            ("substring('héllo', 2, 2)", "él"), ("substring('hello', 10)", ""), ("substring('hello', 2, -1)", "! negative substring length not allowed"),
            ("substring('hello', 2, 2147483647)", "ello"), ("left('héllo', 2)", "hé"), ("left('hello', -2)", "hel"), ("right('héllo', 4)", "éllo"), ("right('hello', -2)", "llo"),
            ("left('abc', -5)", ""), ("right('abc', 10)", "abc"), ("overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4)", "Thomas"),
            ("position('lo' IN 'héllo')", "4"), ("strpos('hello', 'l')", "3"), ("instr('hello', 'z')", "0"), ("locate('l', 'hello', 4)", "4"),
            ("position('' IN 'abc')", "1"), ("replace('a.b.c', '.', '--')", "a--b--c"), ("replace('abc', '', 'x')", "abc"), ("translate('12345', '143', 'ax')", "a2x5"),
            ("trim('  x ')", "x"), ("btrim('xyxabcyx', 'xy')", "abc"), ("ltrim('  x ')", "x "), ("rtrim('xaa', 'a')", "x"), ("trim(BOTH 'é' FROM 'éaé')", "a"), ("trim('')", ""),
            ("lpad('hi', 5, 'xy')", "xyxhi"), ("rpad('hi', 5)", "hi   "), ("lpad('hello', 2)", "he"), ("repeat('ab', 3)", "ababab"), ("repeat('ab', -1)", ""),
            ("repeat('ab', 2000000000)", "! the text would be longer than 16777216 bytes"), ("reverse('aé€b')", "b€éa"),
            ("concat('a', NULL, 1, 2.50)", "a12.50"), ("'a' || 1", "a1"), ("'a' || NULL", "NULL"), ("concat_ws('-', 'a', NULL, 'b')", "a-b"), ("concat_ws(NULL, 'a')", "NULL"),
            ("split_part('a,b,c', ',', 2)", "b"), ("split_part('a,b,c', ',', -1)", "c"), ("split_part('a,b', ',', 5)", ""), ("split_part('a', ',', 0)", "! field position must not be zero"),
            ("split_index('https://www.nexmark.com/ab/cd', '/', 3)", "ab"), ("split_index('a/b', '/', 2)", "NULL"), ("split_index('a/b', '/', -1)", "NULL"),
            ("starts_with('hello', 'he')", "true"), ("ends_with('hello', 'lo')", "true"), ("ends_with('o', 'lo')", "false"), ("ascii('€')", "8364"), ("ascii('')", "0"), ("chr(8364)", "€"),
            ("chr(0)", "! 0 is no character's code point"), ("md5('abc')", "900150983cd24fb0d6963f7d28e17f72"), ("to_hex(255)", "ff"), ("to_hex(-1)", "ffffffff"), ("to_hex(0)", "0"),
            ("char_length('hello') - char_length(replace('hello', 'l', ''))", "2"),
        ])
    }

    func testPatterns() {
        check([
            ("'hello' LIKE 'h%o'", "true"), ("'hello' LIKE 'h_l%'", "true"), ("'hello' LIKE 'hell'", "false"), ("'100%' LIKE '100\\%'", "true"), ("'a%b' LIKE 'a!%b' ESCAPE '!'", "true"),
            ("'HeLLo' ILIKE 'hE%O'", "true"), ("'ÀB' ILIKE 'àb'", "true"), ("'abc' LIKE 'abc\\'", "error: LIKE pattern must not end with escape character"), ("'é' LIKE '_'", "true"), ("'xé' LIKE '%_'", "true"),
            ("'abc' SIMILAR TO '%(b|d)%'", "true"), ("'abc' SIMILAR TO '(b|c)%'", "false"), ("'a.c' SIMILAR TO 'a.c'", "true"), ("'abc' SIMILAR TO 'a.c'", "false"), ("'abc' NOT LIKE '%z%'", "true"),
            ("regexp_extract('a=1&channel_id=77&x', '(&|^)channel_id=([^&]*)', 2)", "77"), ("regexp_extract('channel_id=x', '(&|^)channel_id=([^&]*)', 2)", "x"), ("regexp_extract('xchannel_id=x', '(&|^)channel_id=([^&]*)', 2)", "NULL"),
            ("regexp_extract('abc', 'b')", "b"), ("regexp_extract('abc', '(b)', 2)", "! the regular expression has no group 2"), ("regexp_replace('a1b22', '[0-9]+', '#')", "a#b#"), ("regexp_replace('a1b22', '([0-9])', '<\\1>', '')", "a<1>b22"),
            ("regexp_replace('a1b22', '(\\d)', '<$1>')", "a<1>b<2><2>"), ("regexp_count('a1b22', '\\d')", "3"), ("regexp_like('Abc', '^a', 'i')", "true"), ("'foo bar' ~ '\\bbar$'", "true"), ("'foo' !~ 'o{3}'", "true"), ("'FOO' ~* 'o{2}'", "true"),
            ("regexp_like('x', '(')", "error: invalid regular expression: it has a group without end"), ("regexp_like('aa', '(a)\\1')", "error: invalid regular expression: it refers back to a group at character 5, which is not supported"),
            ("regexp_replace('abc', '', '-')", "-a-b-c-"), ("regexp_count('', '')", "1"),
        ])
    }

    func testNumbers() {
        check([
            ("abs(-5)", "5"), ("abs(-2.5)", "2.5"), ("sign(-2.5)", "-1.0"), ("ceil(1.2)", "2"), ("ceil(-1.2)", "-1"), ("floor(-1.2)", "-2"), ("floor(1.9e0)", "1"), ("round(2.5)", "3"), ("round(-2.5)", "-3"),
            ("round(1.2345, 2)", "1.2300"), ("round(1.005e0, 1)", "1"), ("round(1234, -2)", "1200"), ("round(1250, -2)", "1300"), ("trunc(1.29, 1)", "1.20"), ("trunc(-1.9)", "-1"), ("power(2, 0.5)", "1.4142135623730951"), ("sqrt(16)", "4"),
            ("sqrt(-1)", "! cannot take square root of a negative number"), ("ln(0)", "! cannot take logarithm of zero"), ("log(100)", "2"), ("log(2, 8)", "3"), ("exp(0)", "1"), ("pi()", "3.141592653589793"), ("degrees(pi())", "180"),
            ("atan2(1, 1)", "0.7853981633974483"), ("width_bucket(5.35, 0.024, 10.06, 5)", "3"), ("cbrt(27)", "3"), ("exp(1000)", "! value out of range: overflow"), ("log2(8)", "3"), ("asin(2)", "! input is out of range"), ("power(0, -1)", "! zero raised to a negative power is undefined"),
            ("round(99999.5)", "100000"), ("abs(-9223372036854775808)", "! bigint out of range"),
        ])
    }

    func testCasts() {
        check([
            ("CAST('12' AS INT)", "12"), ("CAST(1.9 AS INT)", "1"), ("CAST(-1.9 AS INT)", "-1"), ("CAST(1.9e0 AS BIGINT)", "1"), ("CAST(3000000000 AS INT)", "! value 3000000000 is out of range for type INTEGER"), ("TRY_CAST('x' AS INT)", "NULL"),
            ("TRY_CAST(3000000000 AS INT)", "NULL"), ("CAST(1.25 AS DECIMAL(3,1))", "1.3"), ("CAST(123.4 AS DECIMAL(3,1))", "! value 123.4 is out of range for type DECIMAL(3, 1)"), ("CAST('abcdef' AS VARCHAR(3))", "abc"), ("CAST(TRUE AS VARCHAR)", "true"), ("CAST(1 AS BOOLEAN)", "true"),
            ("CAST(DATE '2026-02-03' AS TIMESTAMP(3))", "2026-02-03T00:00:00.000"), ("CAST(TIMESTAMP '2026-02-03 04:05:06.789' AS DATE)", "2026-02-03"), ("CAST(TIMESTAMP '1969-12-31 23:59:59' AS DATE)", "1969-12-31"),
            ("CAST(TIMESTAMP '2026-02-03 04:05:06.789' AS TIMESTAMP(0))", "2026-02-03T04:05:06"), ("CAST('2026-02-03 04:05:06' AS TIMESTAMP(3))", "2026-02-03T04:05:06.000"), ("CAST(TIMESTAMP '2026-02-03 04:05:06' AS TIME)", "04:05:06"), ("CAST(1 AS DATE)", "error: cannot cast type integer to date"),
            ("CAST('nope' AS INT)", "error: invalid input syntax for type INTEGER: \"nope\""), ("CAST('1' || 'x' AS INT)", "! invalid input syntax for type INTEGER: \"1x\""), ("TRY_CAST('1' || 'x' AS INT)", "NULL"), ("CAST(16777217 AS REAL)", "1.6777216e+07"), ("CAST(0.1 AS DOUBLE)", "0.1"), ("CAST(0.1e0 AS DECIMAL(5,3))", "0.100"),
            ("CAST(NULL AS INT)", "NULL"), ("CAST(12345 AS VARCHAR(3))", "! value too long for type VARCHAR(3): \"12345\""),
        ])
    }

    func testTime() {
        let ts = "TIMESTAMP '2026-08-05 14:03:09.123'"
        check([
            ("hour(\(ts))", "14"), ("minute(\(ts))", "3"), ("second(\(ts))", "9"), ("EXTRACT(SECOND FROM \(ts))", "9.123000"), ("EXTRACT(YEAR FROM DATE '2026-08-05')", "2026"), ("quarter(\(ts))", "3"), ("week(\(ts))", "32"), ("dayofweek(\(ts))", "4"), ("EXTRACT(DOW FROM \(ts))", "3"), ("dayofyear(\(ts))", "217"),
            ("EXTRACT(EPOCH FROM \(ts))", "1785938589.123000"), ("date_part('month', \(ts))", "8"), ("EXTRACT(MILLISECOND FROM \(ts))", "9123"), ("hour(TIMESTAMP '1969-12-31 23:00:00')", "23"), ("date_trunc('hour', \(ts))", "2026-08-05T14:00:00.000"), ("date_trunc('week', \(ts))", "2026-08-03T00:00:00.000"), ("date_trunc('quarter', DATE '2026-08-05')", "2026-07-01"),
            ("FLOOR(\(ts) TO HOUR)", "2026-08-05T14:00:00.000"), ("CEIL(\(ts) TO DAY)", "2026-08-06T00:00:00.000"), ("date_format(\(ts), 'yyyy-MM-dd')", "2026-08-05"), ("date_format(\(ts), 'HH:mm')", "14:03"), ("date_format(\(ts), 'yyyy-MM-dd''T''HH:mm:ss.SSS EEE MMM h a')", "2026-08-05T14:03:09.123 Wed Aug 2 PM"),
            ("date_format(\(ts), 'b')", "error: the date pattern \"b\" has an unknown letter: b"), ("to_char(\(ts), 'YYYY-MM-DD HH24:MI:SS.MS Mon FMDay')", "2026-08-05 14:03:09.123 Aug Wednesday"), ("to_timestamp('05/08/2026 14:03', 'dd/MM/yyyy HH:mm')", "2026-08-05T14:03:00.000"), ("to_timestamp('20260805140309123', 'yyyyMMddHHmmssSSS')", "2026-08-05T14:03:09.123"), ("to_timestamp('x', 'yyyy')", "! \"x\" does not suit the date pattern"),
            ("to_timestamp(1.5)", "1970-01-01T00:00:01.500000Z"), ("to_timestamp_ltz(1500, 3)", "1970-01-01T00:00:01.500Z"), ("to_date('2026-08-05')", "2026-08-05"), ("to_date('050826', 'ddMMyy')", "2026-08-05"), ("unix_timestamp(TIMESTAMP '1970-01-01 00:01:00')", "60"), ("unix_timestamp('1970-01-02', 'yyyy-MM-dd')", "86400"), ("from_unixtime(60)", "1970-01-01 00:01:00"),
            ("timestampadd(MONTH, 1, TIMESTAMP '2026-01-31 10:00:00')", "2026-02-28T10:00:00.000"), ("timestampadd(DAY, 1, DATE '2026-01-31')", "2026-02-01"), ("timestampdiff(DAY, TIMESTAMP '2026-01-01 12:00:00', TIMESTAMP '2026-01-03 11:00:00')", "1"), ("timestampdiff(MONTH, TIMESTAMP '2026-01-31 00:00:00', TIMESTAMP '2026-02-28 00:00:00')", "0"),
            ("\(ts) + INTERVAL '1' HOUR", "2026-08-05T15:03:09.123"), ("\(ts) - INTERVAL '1' MONTH", "2026-07-05T14:03:09.123"), ("\(ts) - TIMESTAMP '2026-08-05 14:03:08.123'", "00:00:01"), ("DATE '2026-01-01' + 31", "2026-02-01"), ("DATE '2026-02-01' - DATE '2026-01-01'", "31"), ("INTERVAL '1' HOUR * 2", "02:00:00"), ("INTERVAL '1' HOUR / 2", "00:30:00"), ("2 * INTERVAL '1' DAY", "2 days"),
            ("DATE '2026-01-01' + INTERVAL '1' HOUR", "2026-01-01T01:00:00.000000"), ("TIME '23:30:00' + INTERVAL '1' HOUR", "00:30:00"), ("make_date(2026, 2, 29)", "! date field value out of range: 2026-2-29"), ("make_timestamp(2026, 2, 3, 4, 5, 6.5)", "2026-02-03T04:05:06.500000"), ("last_day(DATE '2024-02-10')", "2024-02-29"),
            ("TIMESTAMP '9999-12-31 23:00:00' + INTERVAL '2' HOUR", "! timestamp(3) out of range"), ("now()", "2026-11-21T10:20:30.123456Z"), ("CURRENT_DATE", "2026-11-21"), ("LOCALTIMESTAMP", "2026-11-21T10:20:30.123456"), ("\(ts) AT TIME ZONE '+02:00'", "2026-08-05T12:03:09.123Z"), ("date_trunc('fortnight', \(ts))", "error: \"fortnight\" is no unit of time"),
            ("unix_timestamp()", "1795256430"),
        ])
    }

    func testNexmark() {
        func q14(_ hour: Int) -> String {
            let ts = "TIMESTAMP '2026-01-01 \(hour < 10 ? "0" : "")\(hour):00:00'"
            return
                "CASE WHEN HOUR(\(ts)) >= 8 AND HOUR(\(ts)) <= 18 THEN 'dayTime' WHEN HOUR(\(ts)) <= 6 OR HOUR(\(ts)) >= 20 THEN 'nightTime' ELSE 'otherTime' END"
        }
        check([
            (q14(8), "dayTime"), (q14(18), "dayTime"), (q14(6), "nightTime"), (q14(23), "nightTime"), (q14(7), "otherTime"), (q14(19), "otherTime"),
            ("typeof(0.908 * CAST(1 AS BIGINT))", "DECIMAL(23, 3)"),
            ("SPLIT_INDEX('https://www.nexmark.com/a/b/c/item.htm?query=1', '/', 3)", "a"),
            ("CASE WHEN lower('Apple') = 'apple' THEN '0' ELSE REGEXP_EXTRACT('u?x=1&channel_id=5', '(&|^)channel_id=([^&]*)', 2) END", "0"),
        ])
    }

    func testErrors() {
        check([
            ("uper('x')", "error: function uper does not exist"), ("upper(1)", "error: function upper(integer) does not exist"), ("1 + TRUE", "error: operator does not exist: integer + boolean"),
            ("NOT 1", "error: argument of NOT must be boolean, not integer"), ("CASE WHEN TRUE THEN 1 ELSE DATE '2026-01-01' END", "error: CASE results cannot be of types integer and date at once"),
            ("DATE '2026-13-01'", "error: value \"2026-13-01\" is out of range for type DATE"), ("CAST(1 AS DECIMAL(39, 0))", "error: DECIMAL precision 39 must be between 1 and 38"), ("CAST('a' AS TIMESTAMP(9))", "error: TIMESTAMP precision 9 must be between 0 and 6"),
            ("1 -> 2", "error: operator does not exist: integer -> integer"), ("'a' < 1 + 1", "error: invalid input syntax for type INTEGER: \"a\""), ("upper('a', 'b')", "error: function upper(varchar, varchar) does not exist"),
        ])
    }
}
