"""`millrace test`: tests of queries, on simulated time; and that every file of queries/ passes its own."""

import glob
import os
import re

from support import ROOT, CommandTest

QUERIES = os.path.join(ROOT, "queries")

SHOP = """
CREATE STREAM sales (shop VARCHAR, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND);
CREATE STREAM takings (window_start TIMESTAMP(3), shop VARCHAR, sales BIGINT, total DECIMAL(38, 2));
CREATE QUERY takings AS
INSERT INTO takings
SELECT window_start, shop, count(*), sum(amount)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, shop;
"""


class QueryFileTests(CommandTest):
    def test_every_query_has_a_test_and_passes_it(self):
        queries = {os.path.basename(path)[:-4] for path in glob.glob(os.path.join(QUERIES, "*.sql"))}
        tests = {os.path.basename(path)[:-5] for path in glob.glob(os.path.join(QUERIES, "*.test"))}
        sources = {"feed", "shop", "operations"}
        self.assertEqual(queries - sources - tests, set())
        self.assertGreaterEqual(len(tests), 12)
        done = self.millrace("test", QUERIES, "--set", "requests_per_minute=3")
        passed = set(re.findall(r"^ok    .*/(\w+)\.test:", done.stdout, re.M))
        self.assertEqual(passed, tests)
        self.assertIn("all passed", done.stdout)

    def test_every_query_says_what_it_answers(self):
        for path in glob.glob(os.path.join(QUERIES, "*.sql")):
            with open(path) as file:
                text = file.read()
            self.assertTrue(text.startswith("-- "), path)
            self.assertRegex(text, "(?i)sample input", path)
            if os.path.basename(path) not in ("feed.sql", "shop.sql", "operations.sql"):
                self.assertRegex(text, "(?i)expected output", path)
                self.assertIn("?", text.split("\n\n")[0], path)


class TestCommandTests(CommandTest):
    def check(self, test, expect=0, *arguments, shop=SHOP):
        self.write("shop.sql", shop)
        self.write("shop.test", test)
        return self.millrace("test", "shop.test", *arguments, expect=expect)

    def test_time_moves_by_the_rows_and_by_hand(self):
        done = self.check(
            """
use shop.sql

test a window closes when the watermark passes its end
given sales
    shop  | amount | ts
    north | 9.99   | 10:00:01
    north | 20.01  | 10:00:09.500
    south | 1      | 10:00:13.999
expect nothing in takings
given sales
    shop  | amount | ts
    south | 1      | 10:00:14
expect takings
    window_start | shop  | sales | total
    10:00:00     | north | 2     | 30.00
end
expect takings
    shop  | total
    south | 2.00

test the clock stands where it is put
at 10:00:00
given sales
    {"shop": "north", "amount": 1, "ts": "2025-12-31T00:00:00"}
query
    SELECT CAST(now() AS TIMESTAMP(0)) AS t, count(*) AS rows FROM sales
expect
    t                   | rows
    2026-01-01T10:00:00 | 1
"""
        )
        self.assertRegex(done.stdout, r"ok    shop.test: a window closes when the watermark passes its end \(\d+\.\d+ ms\)")
        self.assertIn("2 tests in 1 file, all passed", done.stdout)

    def test_the_difference_is_readable(self):
        done = self.check(
            """
use shop.sql
test wrong
given sales
    shop  | amount | ts
    north | 9.99   | 10:00:01
    west  | 1.00   | 10:00:01
    south | 5.00   | 10:00:02
end
expect takings
    window_start | shop  | sales | total
    10:00:00     | north | 1     | 9.98
    10:00:00     | west  | 1     | 1
    10:00:00     | east  | 7     | 7
""",
            1,
        )
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        self.assertEqual(
            lines[:8],
            [
                "FAIL  shop.test: wrong",
                "      takings, line 10: 3 rows expected, 3 found",
                "        window_start            | shop  | sales | total",
                "      - 10:00:00                | north | 1     | 9.98",
                "      + 2026-01-01T10:00:00.000 | north | 1     | 9.99",
                "      - 10:00:00                | east  | 7     | 7",
                "      + 2026-01-01T10:00:00.000 | south | 1     | 5.00",
                "      1 row is as expected",
            ],
        )
        self.assertIn("1 test in 1 file, 1 failed", lines[8])

    def test_order_changes_and_rounding(self):
        self.check(
            """
sql
    CREATE STREAM t (k VARCHAR, v DOUBLE);
    CREATE STREAM sums (k VARCHAR, total DOUBLE);
    CREATE QUERY sums AS INSERT INTO sums SELECT k, sum(v) FROM t GROUP BY k;
test a changelog
given t
    k | v
    a | 0.1
given t
    k | v
    a | 0.2
    b | 0.333333333
expect sums changes
    op | k | total
    +I | a | 0.1
    -U | a | 0.1
    +U | a | 0.3
    +I | b | 0.33
expect sums
    k   | total
    'b' | 0.3
    a   | *
test in order
given t
    k | v
    b | 1
    a | 2
expect t in order
    k | v
    b | 1
    a | 2
expect sums in order
    k
    b
    a
"""
        )
        done = self.check(
            "sql\n    CREATE STREAM t (k VARCHAR);\ntest order\ngiven t\n  k\n  b\n  a\n  c\nexpect t in order\n  k\n  a\n  b\n  c\n", 1
        )
        # One of the two stands in the wrong place, the others are shown around it.
        self.assertRegex(done.stdout, r"(?s)- \w\n.*  c\n")

    def test_nothing_is_passed_over(self):
        done = self.check(
            """
use shop.sql
test a late row
given sales
    shop  | amount | ts
    north | 9.99   | 10:00:01
    north | 9.99   | 10:01:00
    north | 9.99   | 10:00:02
test rows behind the last expect
given sales
    shop  | amount | ts
    north | 9.99   | 10:00:01
expect nothing in takings
end
""".replace("test rows", "expect takings\n    shop\n    north\ntest rows"),
            1,
        )
        self.assertIn("takings_errors, at the end: no error expected, 1 found", done.stdout)
        self.assertIn("late", done.stdout)
        self.assertIn("takings, behind the last expect of it, 1 found", done.stdout)
        done = self.check(
            "use shop.sql\ntest a late row is expected\ngiven sales\n  shop | amount | ts\n  n | 1 | 10:00:01\n  n | 1 | 10:01:00\n  n | 1 | 10:00:02\n"
            "expect takings\n  sales\n  1\nexpect takings_errors\n  kind | origin\n  late | takings\n"
        )

    def test_connectors_are_replaced(self):
        self.check(
            """
sql
    CREATE TABLE cities (shop VARCHAR, city VARCHAR) WITH (connector = 'file', path = '/nowhere/cities.csv', format = 'csv');
    CREATE TABLE report (city VARCHAR, amount BIGINT) WITH (connector = 'file', path = '/nowhere/report.json');
    CREATE STREAM sales (shop VARCHAR, amount BIGINT);
    CREATE QUERY report AS INSERT INTO report SELECT c.city, s.amount FROM sales AS s JOIN cities AS c ON c.shop = s.shop;
test a join with a file
given cities
    shop  | city
    north | Oslo
given sales
    shop  | amount
    north | 3
    south | 4
expect report
    city | amount
    Oslo | 3
"""
        )

    def test_mistakes_have_their_place(self):
        cases = [
            ("test a\ngivn sales\n  a\n  1\n", ["line 2, column 1", "did you mean given?"]),
            ("test a\ngiven sales\n", ["line 2", "needs indented lines"]),
            ("use shop.sql\ntest a\ngiven salse\n  a\n  1\n", ["line 3", "did you mean sales?"]),
            ("use shop.sql\ntest a\ngiven sales\n  shpo | ts\n  a | 10:00:00\n", ["line 4, column 3", "did you mean shop?"]),
            ("use shop.sql\ntest a\ngiven sales\n  shop | ts\n  a\n", ["line 5", "1 cell", "2 columns"]),
            ("use shop.sql\ntest a\ngiven sales\n  shop | ts\n  a | noon\n", ["line 5, column 7", "TIMESTAMP(3)"]),
            ("use shop.sql\ntest a\ngiven sales\n  shop | ts\n  a | 10:00:00\n", ["this test expects nothing"]),
            ("use nosuch.sql\ntest a\nexpect nothing in x\n", ["line 1", "nosuch.sql"]),
            ("test a\nsql\n  CREATE STREAM s (a INT);\n  CREATE STREEM t (a INT);\nexpect nothing in s\n", ["line 4, column 10", "STREAM"]),
            ("use shop.sql\ntest a\nquery\n  SELECT STREAM * FROM sales\nexpect\n  shop\n", ["line 4", "one SELECT that ends"]),
            ("-- nothing\n", ["there is no test"]),
            ("use shop.sql\ntest a\nend\ngiven sales\n  shop\n  a\n", ["line 4", "behind `end`"]),
        ]
        for text, parts in cases:
            with self.subTest(text=text):
                done = self.check(text, 1)
                for part in parts:
                    self.assertIn(part, done.stdout + done.stderr)
        self.write("broken.sql", "CREATE STREAM s (a INT);\nCREATE QUERY q AS INSERT INTO s SELECT b FROM s;\n")
        self.write("broken.test", "use broken.sql\ntest a\nexpect nothing in s\n")
        done = self.millrace("test", "broken.test", expect=1)
        self.assertIn("broken.sql, line 2, column 40", done.stderr)

    def test_variables_choice_and_usage(self):
        self.write("v.sql", "CREATE STREAM s (a INT);\nCREATE STREAM big (a INT);\nCREATE QUERY q AS INSERT INTO big SELECT a FROM s WHERE a > ${limit};\n")
        self.write("v.test", "use v.sql\ntest one\ngiven s\n  a\n  1\n  9\nexpect big\n  a\n  9\ntest two\nexpect nothing in big\n")
        self.millrace("test", "v.test", "--set", "limit=5")
        self.assertIn("${limit}", self.millrace("test", "v.test", expect=1).stderr)
        done = self.millrace("test", "v.test", "--set", "limit=5", "--only", "TWO")
        self.assertIn("1 test in 1 file", done.stdout)
        self.millrace("test", expect=2)
        self.millrace("test", "nosuch.test", expect=1)
