// The edges of functions: what fails a row, what hostile arguments do, what comes out at the borders. Every case runs folded and as columns.

import Columns
import XCTest

@testable import Dataflow

final class FunctionEdgeExpressionTests: XCTestCase {
    private func check(_ cases: [(String, String)], line: UInt = #line) {
        for (sql, expected) in cases { XCTAssertEqual(Evaluate.show(sql), expected, sql, line: line) }
    }

    func testEncodings() {
        check([
            ("unhex('caf')", "! an odd number of hexadecimal digits: \"caf\""), ("unhex('zz')", "! invalid hexadecimal digit in \"zz\""), ("unhex('')", "\\x"),
            ("decode('ca fe', 'hex')", "\\xcafe"), ("decode('a', 'rot13')", "! unrecognized encoding: \"rot13\"; there are hex, base64 and escape"),
            ("decode('YQ', 'base64')", "! invalid base64: \"YQ\""), ("decode('YQ==', 'base64')", "\\x61"), ("decode('\\08', 'escape')", "! invalid escape in \"\\08\""),
            ("from_base64('/w==')", "! the base64 holds bytes that are no text in UTF-8"), ("from_base64('\\x61')", "! invalid base64: \"\\x61\""),
            ("encode('ü', 'US-ASCII')", "! the character set has no character U+FC"), ("encode('ü', 'latin1')", "\\xfc"), ("encode('ü', 'UTF-16')", "\\xfeff00fc"),
            ("decode(X'FC', 'ISO-8859-1')", "ü"), ("decode(X'00D8', 'UTF-16LE')", "! the bytes are no text in this character set"),
            ("convert_from(X'FF', 'UTF-8')", "! the bytes are no text in this character set"), ("convert_to('a', 'KOI8')", "! unknown character set \"KOI8\"; there are UTF-8, UTF-16, UTF-16BE, UTF-16LE, ISO-8859-1 and US-ASCII"),
            ("url_decode('%4')", "! invalid percent encoding: \"%4\""), ("url_decode('%FF')", "! invalid percent encoding: \"%FF\""), ("url_decode('%zz')", "! invalid percent encoding: \"%zz\""),
            ("parse_url('http://u:p@example.com:80/a/b?x=1&y=2#r', 'HOST')", "example.com"), ("parse_url('http://u:p@example.com:80/a/b?x=1&y=2#r', 'QUERY', 'y')", "2"),
            ("parse_url('http://u:p@example.com:80/a/b?x=1&y=2#r', 'USERINFO')", "u:p"), ("parse_url('http://u:p@example.com:80/a/b?x=1&y=2#r', 'FILE')", "/a/b?x=1&y=2"),
            ("parse_url('http://example.com', 'REF')", "NULL"), ("parse_url('nothing', 'HOST')", "NULL"), ("parse_url('http://[::1]:80/', 'HOST')", "[::1]"), ("parse_url('a:', 'PATH')", ""),
            ("parse_url('http://h?xy=1&x=2', 'QUERY', 'x')", "2"), ("parse_url('http://h', 'path')", "NULL"),
            ("get_byte(X'CAFE', 2)", "! index 2 out of valid range, 0..1"), ("get_bit(X'', 0)", "! index 0 out of valid range, 0..-1"), ("set_bit(X'00', 0, 2)", "! new bit must be 0 or 1"),
            ("get_bit(X'CAFE', -9223372036854775808)", "! index -9223372036854775808 out of valid range, 0..15"), ("set_byte(X'00', 0, -1)", "\\xff"),
            ("hex(-1)", "FFFFFFFF"), ("bin(0)", "0"), ("to_oct(-1)", "37777777777"), ("bit_count(CAST(-1 AS SMALLINT))", "16"), ("bit_count(-1)", "32"), ("bit_count(X'FF01')", "9"),
            ("sha1('')", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("sha256(X'616263')", "\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("sha512('abc')", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
            ("sha2('abc', 100)", "error: the length of a SHA-2 must be a constant: 224, 256, 384 or 512"), ("crc32('123456789')", "3421780262"), ("crc32c('123456789')", "3808858755"),
        ])
    }

    func testTexts() {
        check([
            ("levenshtein('', 'abc')", "3"), ("levenshtein(repeat('a', 1001), '')", "! levenshtein takes texts of up to 1000 characters"), ("hamming('a', 'ab')", "! hamming takes two texts of the same length"),
            ("soundex('')", ""), ("soundex('Ashcraft')", "A226"), ("difference('', '')", "4"), ("is_digit('')", "false"), ("is_alpha('é')", "true"), ("is_decimal('1e400')", "false"), ("is_decimal('Infinity')", "false"),
            ("quote_literal('a\\b''c')", "E'a\\\\b''c'"), ("quote_literal(NULL)", "NULL"), ("quote_ident('select')", "\"select\""), ("quote_ident('')", "\"\""), ("quote_ident('1a')", "\"1a\""), ("quote_ident('a\"b')", "\"a\"\"b\""),
            ("format('%s')", "! too few arguments for format()"), ("format('%')", "! unterminated format() type specifier"), ("format('%d', 1)", "! unrecognized format() type specifier \"d\"; there are s, I and L"),
            ("format('%0$s', 1)", "! format specifies argument 0, but arguments are numbered from 1"), ("format('%I', NULL)", "! null values cannot be formatted as an SQL identifier"), ("format('%s|%L', NULL, NULL)", "|NULL"),
            ("format('%999999999999s', 'a')", "! the text would be longer than 16777216 bytes"), ("format('%2$s %s', 'a', 'b', 'c')", "b c"), ("format('%-5s|%5s|', 'é', 'é')", "é    |    é|"), ("format(NULL, 'a')", "NULL"),
            ("format('%*s|', -4, 'a')", "a   |"), ("format('%*s', 'x', 'a')", "! the width of format() is no whole number"), ("substring_index('a.b.c', '.', -2147483648)", "a.b.c"), ("substring_index('a.b.c', '.', -2)", "b.c"),
            ("substring_index('a.b', '.', 0)", ""), ("substring_index('a.b', '', 1)", ""), ("elt(0, 'a')", "NULL"), ("elt(2, 'a', 'b')", "b"), ("space(-1)", ""), ("conv('zz', 36, 2)", "10100001111"), ("conv('9', 8, 10)", "! \"9\" is no whole number in base 8"),
            ("conv('1', 1, 10)", "! a base must be between 2 and 36"), ("regexp_instr('abc', 'b', 0)", "! the start of a search must be greater than zero, not 0"), ("regexp_instr('abc', 'b', 1, 0)", "! the number of the match must be greater than zero, not 0"),
            ("regexp_instr('abc', 'b', 9223372036854775807)", "error: function regexp_instr(varchar, varchar, bigint) does not exist"), ("regexp_instr('abc', 'b', 2147483647)", "0"), ("regexp_substr('abc', '(b)', 1, 1, '', 2)", "NULL"),
            ("regexp_substr('abc', '(x)?b', 1, 1, '', 1)", "NULL"), ("regexp_count('aaa', 'a', 2)", "2"), ("regexp_count('éa', 'a', 2)", "1"), ("regexp_full_match('ab', 'a|ab')", "true"), ("regexp_full_match('ab', 'a')", "false"),
            ("regexp_full_match('ab', 'a)(b')", "error: invalid regular expression: it has an unmatched ) at character 2"), ("regexp_full_match('a', 'a # c', 'x')", "true"),
        ])
    }

    func testNumbers() {
        check([
            ("factorial(-1)", "! factorial of a negative number is undefined"), ("factorial(33)", "8683317618811886495518194401280000000"), ("factorial(34)", "! value overflows numeric format: 34! has more than 38 digits"), ("factorial(0)", "1"),
            ("gcd(-9223372036854775808, 0)", "! bigint out of range"), ("gcd(0, 0)", "0"), ("lcm(9223372036854775807, 2)", "! bigint out of range"), ("lcm(0, 5)", "0"), ("lcm(-4, 6)", "12"),
            ("acosh(0.5)", "! input is out of range"), ("atanh(1.5)", "! input is out of range"), ("log1p(-1)", "! input is out of range"), ("gamma(0)", "! value out of range: overflow"), ("gamma(-1)", "! value out of range: overflow"), ("gamma(172)", "! value out of range: overflow"),
            ("expm1(1000)", "! value out of range: overflow"), ("sind(CAST('Infinity' AS DOUBLE))", "! input is out of range"), ("tand(45)", "1"), ("cosd(60)", "0.5"), ("cosd(90)", "0"), ("tand(90)", "Infinity"), ("even(-2.1)", "-4"), ("even(0)", "0"),
            ("to_char(1485, '999')", " ###"), ("to_char(-0.1, '99.99')", "  -.10"), ("to_char(12, 'FM9990999.9')", "0012."), ("to_char(1, 'EEEE')", "error: the number pattern is not valid: EEEE and RN are not supported"),
            ("to_char(1, '9.9.9')", "error: the number pattern is not valid: there is more than one point"), ("to_char(1e300, '999')", "! the number has too many digits for the pattern"), ("to_char(CAST('NaN' AS DOUBLE), '9')", "! the number has too many digits for the pattern"),
            ("to_number('x', '999')", "! \"x\" does not suit the number pattern"), ("to_number('', '999')", "! \"\" does not suit the number pattern"), ("to_number('12,454.8-', '99G999D9S')", "-12454.8"), ("to_number('<1>', '9PR')", "-1"),
            ("try_divide(1, 0)", "NULL"), ("try_divide(1.5, 0.5)", "3.000000"), ("nanvl(CAST('NaN' AS DOUBLE), 1)", "1"), ("shiftleft(1, 33)", "2"), ("trim_scale(1.50)", "error: function trim_scale is not supported: all values of a DECIMAL column have one scale"),
        ])
    }

    func testTimes() {
        check([
            ("age(TIMESTAMP '2024-02-29 00:00:00', TIMESTAMP '2024-03-31 00:00:00')", "-1 mons -2 days"), ("make_time(24, 0, 0)", "! time field value out of range: 24:0:0.0"), ("make_time(23, 59, 59.9999999)", "23:59:59.999999"),
            ("make_interval(0, 0, 0, 0, 0, 0, 1e300)", "! interval out of range"), ("make_interval(2147483647, 2147483647, 2147483647, 2147483647)", "! interval out of range"), ("make_interval()", "00:00:00"),
            ("date_bin(INTERVAL '1' MONTH, TIMESTAMP '2026-05-17 13:45:00')", "! timestamps cannot be binned into intervals containing months or years"), ("date_bin(INTERVAL '0' SECOND, TIMESTAMP '2026-05-17 13:45:00')", "! stride must be greater than zero"),
            ("date_bin(INTERVAL '7' DAY, TIMESTAMP '0001-01-01 00:00:00')", "! timestamp(3) out of range"), ("next_day(DATE '2026-05-17', 'Sun')", "2026-05-24"), ("next_day(DATE '2026-05-17', 'x')", "! \"x\" is no day of the week"), ("next_day(DATE '9999-12-31', 'Mon')", "! date out of range"),
            ("timestamp_seconds(9223372036854775807)", "! timestamp(0) out of range"), ("timestamp_millis(-1)", "1969-12-31T23:59:59.999"), ("date_add(DATE '2026-05-17', 9223372036854775807)", "! date out of range"), ("to_years(9223372036854775807)", "! interval out of range"),
            ("add_months(DATE '2026-01-31', 9223372036854775807)", "! date out of range"), ("datediff('week', TIMESTAMP '2026-05-17 00:00:00', TIMESTAMP '2026-05-18 00:00:00')", "1"), ("datediff('fortnight', now(), now())", "error: \"fortnight\" is no unit of time"),
            ("months_between(DATE '2026-02-28', DATE '2026-01-31')", "1"), ("justify_interval(INTERVAL '1' MONTH - INTERVAL '1' HOUR)", "29 days 23:00:00"), ("convert_tz('2026-05-17 13:45:12', 'Mars', 'UTC')", "error: the time zone is not known"),
            ("uuid()", "error: function uuid is not supported: its value would be another one when an epoch is run again after a crash"), ("decode(NULL, NULL, 'same', 'other')", "same"), ("decode(1, 2, 'two')", "NULL"), ("num_nulls()", "error: function num_nulls() does not exist"),
        ])
    }

    /// An operand that stands twice is one node, and comes to the same on rows gathered for a branch.
    func testPartsAreShared() throws {
        let binder = TestBinder(names: ["s", "n"], types: [.text, .integer])
        let between = try ExpressionCompiler.compile(binder.bind("upper(s) BETWEEN 'B' AND 'D'"))
        let sides = try XCTUnwrap(between as? ConnectiveNode).operands.compactMap { ($0 as? CallNode)?.arguments.first as? SharedNode }
        XCTAssertEqual(sides.count, 2)
        XCTAssertTrue(sides.count == 2 && sides[0] === sides[1])
        let once = try ExpressionCompiler.compile(binder.bind("upper(s) || lower(s)"))
        XCTAssertFalse((once as? CallNode)?.arguments.contains { $0 is SharedNode } ?? true)

        // The second branch asks for 12 / n on the rows that the first leaves; the rows with 0 must fail once, those before them not at all.
        let sql = "CASE WHEN n = 0 THEN 'none' WHEN 12 / n = 3 THEN 'three' WHEN 12 / n = 4 THEN 'four' ELSE CAST(12 / n AS VARCHAR) END"
        let compiled = try CompiledExpression.compile(binder.bind(sql))
        let values: [Int64] = [0, 3, 4, 1, 0, 12, 4]
        let batch = RowBatch.make(values.map { [.string("x"), .integer($0)] }, types: [.text, .integer])
        let context = EvaluationContext(clockMicroseconds: 0)
        let column = compiled.evaluate(batch, context)
        XCTAssertEqual(context.takeFailures(), [])
        XCTAssertEqual((0..<7).map { column.value(at: $0) }, ["none", "four", "three", "12", "none", "1", "three"].map { .string($0) })

        let failing = try CompiledExpression.compile(binder.bind("12 / n BETWEEN 1 AND 4"))
        let result = failing.evaluate(batch, context)
        XCTAssertEqual(context.takeFailures().map(\.row), [0, 4])
        XCTAssertEqual([1, 2, 3, 5, 6].map { result.value(at: $0) }, [true, true, false, true, true].map { .boolean($0) })
    }
}
