"""psql, as people use it."""

import os
import signal
import subprocess
import threading
import time
import unittest

from served import PSQL, ServedTest

TYPES = """
CREATE STREAM everything (
  b BOOLEAN, i2 SMALLINT, i4 INT, i8 BIGINT, r REAL, d DOUBLE, n DECIMAL(12, 3), s VARCHAR, v VARCHAR(5), x BYTES, dt DATE, tm TIME(3),
  ts TIMESTAMP(3), tz TIMESTAMP(6) WITH TIME ZONE, iv INTERVAL, j JSON, ai INT ARRAY, rw ROW<a INT, b VARCHAR>, mp MAP<VARCHAR, INT>);
INSERT INTO everything VALUES (
  TRUE, 1, -2, 3000000000, 1.5, 2.25, 12.345, 'it''s', 'ab', X'00FF', DATE '2026-11-21', TIME '01:02:03.5', TIMESTAMP '2026-11-21 01:02:03.25',
  TIMESTAMP WITH TIME ZONE '2026-11-21 01:02:03+02:00', INTERVAL '1' DAY, CAST('{"k": [1]}' AS JSON), ARRAY[1, 2], ROW(7, 'q'), MAP['a', 1]);
"""
EXPECTED = (
    "t|1|-2|3000000000|1.5|2.25|12.345|it's|ab|\\x00ff|2026-11-21|01:02:03.5|2026-11-21 01:02:03.25|2026-11-20 23:02:03+00|1 day|"
    '{"k": [1]}|{1,2}|{"a":7,"b":"q"}|{"a":1}\n'
)


@unittest.skipUnless(PSQL, "psql is not installed (apt: postgresql-client)")
class PsqlTest(ServedTest):
    def test_statements(self):
        self.assertEqual(self.psql("SELECT 1 + 1, 'a' || 'b'; SELECT NULL, TRUE"), "2|ab\n|t\n")
        self.assertEqual(self.psql(""), "")
        self.assertEqual(self.psql(";;"), "")
        self.psql("CREATE STREAM s (a INT, b VARCHAR)")
        out = self.psql("INSERT INTO s VALUES (1, 'x'), (2, NULL);\nSELECT * FROM s ORDER BY a;", "-a")
        self.assertIn("1|x\n2|\n", out)
        done = subprocess.run(self.psql_command("-c", "INSERT INTO s VALUES (3, 'y')", "-c", "SHOW STREAMS", "-c", "DROP STREAM s"), capture_output=True, text=True)
        self.assertIn("INSERT 0 1", done.stdout)
        self.assertIn("DROP STREAM", done.stdout)

    def test_every_type(self):
        self.psql(TYPES)
        self.assertEqual(self.psql("SELECT * FROM everything"), EXPECTED)

    def test_errors_have_a_place(self):
        self.psql("SELECT 1;\nSELECT 1 + prise FROM (VALUES (1)) AS t(price);", expect=3)
        self.assertIn('column "prise" does not exist', self.errors)
        self.assertIn("LINE 1: SELECT 1 + prise FROM", self.errors)
        caret = [line for line in self.errors.splitlines() if line.strip() == "^"]
        self.assertEqual(caret[0].index("^"), "LINE 1: SELECT 1 + prise".index("prise"))
        self.assertIn('HINT:  did you mean "price"?', self.errors)
        # Characters, not bytes.
        self.psql("SELECT 'äöü', wrong;", expect=3)
        caret = [line for line in self.errors.splitlines() if line.strip() == "^"]
        self.assertEqual(caret[0].index("^"), "LINE 1: SELECT 'äöü', wrong".index("wrong"))
        for sql, code in [("SELEC 1", "42601"), ("SELECT * FROM nothing", "42P01"), ("SELECT nofunction(1)", "42883"), ("SELECT 1 / 0", "22")]:
            self.psql("\\set VERBOSITY verbose\n" + sql + ";", expect=3)
            self.assertIn(f"ERROR:  {code}", self.errors)

    def test_transactions(self):
        out = self.psql("CREATE STREAM s (a INT); BEGIN; INSERT INTO s VALUES (1); COMMIT; SELECT * FROM s;")
        self.assertEqual(out, "1\n")
        self.psql("BEGIN; INSERT INTO s VALUES (2); ROLLBACK;")
        self.assertIn("WARNING:  what this transaction has inserted and defined stays", self.errors)
        out = self.psql("BEGIN; SELECT wrong; SELECT 1; ROLLBACK; SELECT 5;", "-v", "ON_ERROR_STOP=0")
        self.assertIn("current transaction is aborted", self.errors)
        self.assertEqual(out, "5\n")
        out = subprocess.run(self.psql_command(), input="BEGIN;\nSELECT x;\nCOMMIT;\nEND;\n", capture_output=True, text=True)
        self.assertIn("ROLLBACK", out.stdout)

    def test_settings(self):
        out = self.psql("SET application_name = 'me'; SHOW application_name; RESET application_name; SHOW application_name; SHOW server_version;")
        self.assertTrue(out.startswith("me\npsql\n16.0"), out)
        self.psql("SET search_path TO a, b; SET extra_float_digits = 3; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET TIME ZONE 'UTC';")
        self.psql("SET client_encoding = 'LATIN1'", expect=3)
        self.psql("SET TimeZone = 'Europe/Berlin'")
        self.assertIn("times are shown in UTC", self.errors)
        self.psql("SET no_such_thing = 1", expect=3)
        self.assertIn("no_such_thing", self.errors)
        self.psql("SET statement_timeout = '300ms'; CREATE STREAM s (a INT); SELECT STREAM * FROM s;", expect=3)
        self.assertIn("canceling statement due to statement timeout", self.errors)

    def test_cursors(self):
        self.psql("CREATE STREAM s (a INT); INSERT INTO s SELECT * FROM (VALUES (1), (2), (3), (4), (5)) AS t(a)")
        out = self.psql("BEGIN; DECLARE c CURSOR FOR SELECT a FROM s ORDER BY a; FETCH 2 FROM c; MOVE 1 IN c; FETCH ALL FROM c; FETCH c; CLOSE c; COMMIT;")
        self.assertEqual(out, "1\n2\n4\n5\n")
        self.psql("BEGIN; DECLARE c CURSOR FOR SELECT 1; COMMIT; FETCH c;", expect=3)
        self.assertIn('cursor "c" does not exist', self.errors)
        # Over what arrives.
        out = self.psql("DECLARE live CURSOR FOR SELECT STREAM a FROM s; FETCH ALL FROM live; INSERT INTO s VALUES (6); FETCH ALL FROM live; CLOSE live")
        self.assertEqual(out, "6\n")
        # With psql's own cursor.
        self.assertEqual(self.psql("\\set FETCH_COUNT 2\nSELECT a FROM s ORDER BY a;"), "1\n2\n3\n4\n5\n6\n")

    def test_prepared(self):
        out = self.psql("PREPARE p (INT, VARCHAR) AS SELECT $1 + 1, upper($2); EXECUTE p (41, 'x'); EXECUTE p (1, NULL); DEALLOCATE p;")
        self.assertEqual(out, "42|X\n2|\n")
        self.psql("EXECUTE p (1)", expect=3)
        self.assertEqual(self.psql("DISCARD ALL; SELECT 1"), "1\n")

    def test_copy_both_ways(self):
        self.psql("CREATE STREAM s (a INT, b VARCHAR, t TIMESTAMP(3))")
        self.write("in.csv", 'a,b,t\n1,"x, ""y""\nz",2026-01-01 00:00:00\n2,,\n')
        self.write("in.txt", "3\ttab\\there\\\\\t2026-01-01 00:00:01\n4\t\\N\t\\N\n5\t\t\\N\n")
        out = subprocess.run(
            self.psql_command("-c", "\\copy s from in.csv csv header", "-c", "\\copy s from in.txt"), capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(out.stdout, "COPY 2\nCOPY 3\n", out.stderr)
        out = self.psql("\\copy (SELECT * FROM s ORDER BY a) to stdout csv header null 'NIL'")
        self.assertEqual(out, 'a,b,t\n1,"x, ""y""\nz",2026-01-01 00:00:00\n2,NIL,NIL\n3,tab\there\\,2026-01-01 00:00:01\n4,NIL,NIL\n5,"",NIL\n'.replace('5,"",', "5,,"))
        self.psql("\\copy s to 'out.txt'")
        self.psql("CREATE STREAM u (a INT, b VARCHAR, t TIMESTAMP(3))")
        self.psql("\\copy u from 'out.txt'")
        self.assertEqual(self.psql("SELECT * FROM u EXCEPT SELECT * FROM s"), "")
        self.assertEqual(self.psql("SELECT count(*), count(b), count(t) FROM u"), "5|3|2\n")
        # Columns by name; rows that cannot be read.
        self.write("some.csv", "9;abc\nx;def\n10;ghi\n")
        out = subprocess.run(
            self.psql_command("-c", "\\copy s (a, b) from some.csv with (format csv, delimiter ';')", "-c", "SELECT reason FROM s_errors"),
            capture_output=True, text=True, cwd=self.folder)
        self.assertIn("COPY 2", out.stdout)
        self.assertIn("1 rows were rejected: line 2", out.stderr)
        self.assertIn("is no valid INTEGER", out.stdout)

    def test_copy_that_fails(self):
        self.psql("COPY nothing FROM STDIN;\n1\n\\.\n", expect=3)
        self.assertIn('relation "nothing" does not exist', self.errors)
        self.psql("CREATE STREAM s (a INT); COPY s (b) FROM STDIN;\n1\n\\.\n", expect=3)
        self.psql("COPY s FROM '/etc/passwd'", expect=3)
        self.assertIn("COPY cannot read files of the server", self.errors)
        self.assertEqual(self.psql("COPY s FROM STDIN;\n1\n2\n\\.\nSELECT count(*) FROM s;"), "2\n")

    def interrupted(self, sql):
        """Starts psql on a statement without an end; it is interrupted after its first line."""
        child = subprocess.Popen(
            ["stdbuf", "-oL", *self.psql_command("-A", "-t", "-q", "-c", sql, "-c", "SELECT 'next'")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.children.append(child)
        first = []
        reader = threading.Thread(target=lambda: first.append(child.stdout.readline()))
        reader.start()
        number = 0
        while reader.is_alive():
            self.assertLess(number, 200, "no row has come")
            number += 1
            self.psql(f"INSERT INTO s VALUES ({number})")
            reader.join(0.1)
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=30)
        self.assertIn("canceling statement due to user request", errors)
        return first[0]

    def test_ctrl_c_ends_a_live_select(self):
        self.psql("CREATE STREAM s (a INT)")
        self.assertRegex(self.interrupted("COPY (SELECT STREAM a FROM s) TO STDOUT"), r"\d+\n")
        # psql shows the rows of a SELECT when it has them all; Ctrl-C ends it all the same.
        child = subprocess.Popen(
            self.psql_command("-A", "-t", "-q", "-c", "SELECT STREAM a FROM s", "-c", "SELECT 'next'"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.children.append(child)
        time.sleep(0.7)
        child.send_signal(signal.SIGINT)
        self.assertIn("canceling statement due to user request", child.communicate(timeout=30)[1])
        # Others are not disturbed, and the server is well.
        self.assertEqual(self.psql("SELECT count(*) > 0 FROM s"), "t\n")

    def test_a_changelog_names_its_changes(self):
        self.psql("CREATE STREAM s (k INT, a INT); INSERT INTO s VALUES (1, 1), (1, 2)")
        out = self.psql("SET statement_timeout = 1500; COPY (SELECT STREAM k, sum(a) FROM s GROUP BY k START FROM TRIM_HORIZON) TO STDOUT;", expect=3)
        self.assertTrue(out.startswith("+I\t1\t"), out + self.errors)

    def test_timing_and_meta(self):
        out = self.psql("\\timing on\nSELECT 1;\n\\conninfo\n")
        self.assertIn("Time:", out)


if __name__ == "__main__":
    unittest.main()
