"""CREATE FUNCTION through the command: kept in the data directory, used by views, computed columns and saved queries, refused where it must be."""

import json
import unittest

from support import CommandTest

COUNT_CHAR = "CREATE FUNCTION count_char(s VARCHAR, c VARCHAR) RETURNS BIGINT RETURN char_length(s) - char_length(replace(s, c, ''));\n"


class UserFunctions(CommandTest):
    def here(self, sql, **options):
        return self.millrace("run", "-", "--data", self.data, "--format", "json", input=sql, **options)

    def rows_here(self, sql):
        return [json.loads(line) for line in self.here(sql).stdout.splitlines()]

    def refused(self, sql):
        done = self.here(sql, expect=None)
        self.assertNotEqual(done.returncode, 0, sql)
        return done.stderr

    def test_functions_survive_a_restart(self):
        self.here(
            COUNT_CHAR
            + "CREATE FUNCTION shout(s VARCHAR) RETURNS VARCHAR AS $$ SELECT upper(s) || '!' $$ LANGUAGE SQL;\n"
            + "CREATE STREAM words (w VARCHAR, a_count AS count_char(w, 'a'));\n"
            + "CREATE VIEW loud AS SELECT shout(w) AS w, a_count FROM words;\n"
            + "INSERT INTO words VALUES ('banana'), ('cherry'), (NULL);\n"
        )
        # shout now calls a function that was made after the view.
        self.here(
            "CREATE FUNCTION mark() RETURNS VARCHAR RETURN '?';\n"
            "CREATE OR REPLACE FUNCTION shout(s VARCHAR) RETURNS VARCHAR RETURN upper(s) || mark();\n"
        )
        self.assertEqual(
            self.rows_here("SELECT * FROM loud ORDER BY a_count;"),
            [{"w": "CHERRY?", "a_count": 0}, {"w": "BANANA?", "a_count": 3}, {"w": None, "a_count": None}],
        )
        listed = self.rows_here("SHOW FUNCTIONS;")
        user = [row for row in listed if row["kind"] == "user"]
        self.assertEqual([row["name"] for row in user], ["count_char", "mark", "shout"])
        self.assertEqual(user[0]["signature"], "count_char(s VARCHAR, c VARCHAR)")
        self.assertGreater(len(listed), 250)
        self.assertIn("RETURN upper(s) || mark()", self.rows_here("SHOW CREATE FUNCTION shout;")[0]["definition"])

    def test_what_is_used_stays(self):
        self.here(
            COUNT_CHAR
            + "CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN 2 * x;\n"
            + "CREATE FUNCTION cs(s VARCHAR) RETURNS BIGINT RETURN twice(count_char(s, 'c'));\n"
            + "CREATE STREAM words (w VARCHAR);\nCREATE STREAM counted (w VARCHAR, n BIGINT);\n"
            + "CREATE VIEW v AS SELECT cs(w) AS n FROM words;\n"
        )
        self.assertIn('function "twice" is used by function cs', self.refused("DROP FUNCTION twice;"))
        self.assertIn('function "cs" is used by view v', self.refused("DROP FUNCTION cs;"))
        self.assertIn("so its types must stay", self.refused("CREATE OR REPLACE FUNCTION twice(x DOUBLE) RETURNS DOUBLE RETURN 2 * x;"))
        self.assertIn("calls itself", self.refused("CREATE OR REPLACE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN cs('c') + x;"))
        self.here("CREATE OR REPLACE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN 3 * x;")
        script = self.write("q.sql", "INSERT INTO words VALUES ('ccc'), ('abc');\nCREATE QUERY q AS INSERT INTO counted SELECT w, cs(w) FROM words;\n")
        child = self.start("run", script, "--data", self.data)
        self.wait_until(lambda: self.stream_rows("counted") == 2, "the query's rows")
        self.stop(child)
        self.assertIn('function "twice" is used by query q', self.refused("CREATE OR REPLACE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN x;"))
        self.assertIn("is used by", self.refused("DROP FUNCTION count_char;"))
        self.here("DROP QUERY q;\nDROP VIEW v;\nDROP FUNCTION cs, twice(BIGINT);\nDROP FUNCTION IF EXISTS cs;\nDROP FUNCTION count_char;")
        self.assertEqual([row for row in self.rows_here("SHOW FUNCTIONS;") if row["kind"] == "user"], [])

    def test_errors_show_the_place_and_the_remedy(self):
        error = self.refused("CREATE TEMPORARY FUNCTION count_char AS 'com.github.nexmark.flink.udf.CountChar';")
        self.assertIn("CREATE FUNCTION count_char(s VARCHAR, c VARCHAR) RETURNS BIGINT RETURN char_length(s) - char_length(replace(s, c, ''))", error)
        self.assertIn("^^^^", error)
        self.assertIn("function upper is built in", self.refused("CREATE FUNCTION upper(s VARCHAR) RETURNS VARCHAR RETURN s;"))
        self.assertIn("function sum is built in", self.refused("CREATE FUNCTION sum(s BIGINT) RETURNS BIGINT RETURN s;"))
        self.here(COUNT_CHAR)
        self.assertIn("already exists", self.refused(COUNT_CHAR))
        self.here(COUNT_CHAR.replace("CREATE FUNCTION", "CREATE FUNCTION IF NOT EXISTS"))
        self.assertIn('did you mean "count_char"?', self.refused("DROP FUNCTION count_chars;"))
        self.assertIn('did you mean "count_char"?', self.refused("SELECT count_chr('a', 'b');"))
        self.assertIn("is built in", self.refused("DROP FUNCTION upper;"))
        # A row that fails inside a body is shown with the call.
        self.here("CREATE FUNCTION inverse(x BIGINT) RETURNS BIGINT RETURN 1 / x;")
        self.assertIn("division by zero in inverse(1 - n)", self.refused("CREATE STREAM t (n BIGINT); INSERT INTO t VALUES (1); SELECT inverse(1 - n) FROM t;"))

    def test_nexmark_q14(self):
        lines = [{"price": price, "extra": extra} for price, extra in ((2000000, "cocoa"), (2000000, "xyz"), (1, "ccc"))]
        path = self.write("bid.json", "".join(json.dumps(line) + "\n" for line in lines))
        rows = self.rows_here(
            COUNT_CHAR + f"CREATE TABLE bid (price BIGINT, extra VARCHAR) WITH (connector = 'file', path = '{path}', format = 'json');\n"
            "SELECT 0.908 * price AS price, count_char(extra, 'c') AS c_counts FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;"
        )
        self.assertEqual([row["c_counts"] for row in rows], [2, 0])


if __name__ == "__main__":
    unittest.main()
