"""Input that is broken in every way that files are: the good rows arrive, each bad one is kept with its reason, nothing grows."""

import json
import os
import re
import subprocess

from support import MILLRACE, CommandTest

LONG_LINE_BYTES = 100 << 20
RESIDENT_BYTES_MAX = 600 << 20


class BadInputTests(CommandTest):
    #: (line, what its reason must speak of)
    BAD_LINES = [
        (b"not json at all", ""),
        (b'{"a":1,"b":"no end}', ""),
        (b'{"a":"word"}', "a"),
        (b'{"a":1,"t":"yesterday"}', "t"),
        (b'{"a":99999999999999999999}', "a"),
        (b'{"a":1,"i":2147483648}', "i"),
        (b'{"a":1,"d":123456789.5}', "d"),
        (b'{"a":1.5}', "a"),
        (b'{"a":1,"b":"\xff\xfe"}', ""),
        (b'{"a":1,"b":"\\ud800"}', ""),
        (b'[1,2,3]', ""),
        (b'{"a":1}{"a":2}', ""),
        (b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", ""),
    ]

    def setUp(self):
        super().setUp()
        self.columns = "a BIGINT, b VARCHAR, i INT, d DECIMAL(6, 2), t TIMESTAMP(3)"

    def good(self, number):
        return b'{"a":%d,"b":"row %d","i":%d,"d":1.25,"t":"2026-01-01T00:00:00"}' % (number, number, number)

    def mixed(self):
        """Good and bad lines in turn, the last one cut."""
        lines = []
        for number, (bad, _) in enumerate(self.BAD_LINES):
            lines += [self.good(number), bad]
        return b"\n".join(lines) + b"\n" + self.good(1_000)[:20]

    def check_errors(self, errors):
        # Pieces of the input are decoded at the same time: the error stream is in no order, its places are.
        errors = sorted(errors, key=lambda error: int(re.search(r"(?:line|offset) (\d+)", error["origin"]).group(1)))
        self.assertEqual(len(errors), len(self.BAD_LINES) + 1)
        for error in errors:
            self.assertTrue(error["reason"], error)
            self.assertTrue(error["origin"], error)
        for (bad, word), error in zip(self.BAD_LINES, errors):
            self.assertIn(word, error["reason"])

    def test_put(self):
        self.run_sql(f"CREATE STREAM s ({self.columns});", "--data", self.data)
        done = self.put("s", self.mixed(), text=False)
        self.assertIn(b"%d rows appended, %d rejected" % (len(self.BAD_LINES), len(self.BAD_LINES) + 1), done.stderr)
        self.assertEqual([row["a"] for row in self.tail("s")], list(range(len(self.BAD_LINES))))
        self.check_errors(self.tail("s_errors"))

    def test_file_source(self):
        self.write("bad.jsonl", self.mixed())
        self.run_sql(
            f"""
            CREATE TABLE f ({self.columns}) WITH (connector = 'file', path = 'bad.jsonl', format = 'json');
            CREATE STREAM s ({self.columns});
            CREATE QUERY q AS INSERT INTO s SELECT * FROM f;
            """,
            "--data", self.data,
        )
        self.assertEqual([row["a"] for row in self.tail("s")], list(range(len(self.BAD_LINES))))
        self.check_errors(self.tail("q_errors"))

    def test_csv(self):
        self.run_sql("CREATE STREAM s (a BIGINT, b VARCHAR);", "--data", self.data)
        done = self.put("s", b'a,b\n1,x\ny,2\n3\n4,"open\n', "--format", "csv", text=False)
        self.assertIn(b"rejected", done.stderr)
        self.assertEqual([row["a"] for row in self.tail("s")][:1], [1])
        self.assertTrue(all(error["reason"] for error in self.tail("s_errors")))

    def feed_long_line(self, child):
        child.stdin.write(self.good(1) + b'\n{"a":2,"b":"')
        block = b"x" * (1 << 20)
        for _ in range(LONG_LINE_BYTES // len(block)):
            child.stdin.write(block)
        child.stdin.write(b'"}\n' + self.good(3) + b"\n")
        child.stdin.close()

    def test_a_line_of_100_megabytes(self):
        self.run_sql(f"CREATE STREAM s ({self.columns});", "--data", self.data)
        child = subprocess.Popen(
            [MILLRACE, "put", "s", "--data", self.data], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder
        )
        self.feed_long_line(child)
        errors = child.stderr.read()
        child.stderr.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(child.returncode, 0, errors)
        self.assertIn(b"2 rows appended, 1 rejected", errors)
        self.assertLess(usage.ru_maxrss << 10, RESIDENT_BYTES_MAX)
        self.assertEqual([row["a"] for row in self.tail("s")], [1, 3])
        self.assertEqual(len(self.tail("s_errors")), 1)

    def test_a_file_with_a_line_of_100_megabytes(self):
        with open(self.path("long.jsonl"), "wb") as file:
            file.write(self.good(1) + b'\n{"a":2,"b":"')
            for _ in range(LONG_LINE_BYTES >> 20):
                file.write(b"x" * (1 << 20))
            file.write(b'"}\n' + self.good(3) + b"\n")
        script = self.write(
            "long.sql",
            f"""
            CREATE TABLE f ({self.columns}) WITH (connector = 'file', path = 'long.jsonl', format = 'json');
            CREATE STREAM s ({self.columns});
            CREATE QUERY q AS INSERT INTO s SELECT * FROM f;
            """,
        )
        child = subprocess.Popen([MILLRACE, "run", script, "--data", self.data], cwd=self.folder)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(child.returncode, 0)
        self.assertLess(usage.ru_maxrss << 10, RESIDENT_BYTES_MAX)
        self.assertEqual([row["a"] for row in self.tail("s")], [1, 3])
        self.assertEqual(len(self.tail("q_errors")), 1)

    def test_late_rows_are_kept(self):
        self.run_sql(
            """
            CREATE STREAM s (a BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t);
            CREATE STREAM counts (start TIMESTAMP(3), n BIGINT);
            CREATE QUERY q AS INSERT INTO counts
                SELECT window_start, count(*) FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(t), INTERVAL '10' SECOND))
                GROUP BY window_start, window_end;
            """,
            "--data", self.data, "--until-caught-up",
        )
        for seconds in (1, 15, 2, 30):
            self.put("s", json.dumps({"a": seconds, "t": f"2026-01-01T00:00:{seconds:02}"}) + "\n")
        self.assertEqual(
            self.tail("counts"),
            [{"start": "2026-01-01T00:00:00.000", "n": 1}, {"start": "2026-01-01T00:00:10.000", "n": 1}],
        )
        errors = self.tail("q_errors")
        self.assertEqual([error["kind"] for error in errors], ["late"])

    def test_a_row_on_which_an_expression_fails(self):
        self.run_sql(
            """
            CREATE STREAM s (a BIGINT); CREATE STREAM r (x BIGINT);
            CREATE QUERY q AS INSERT INTO r SELECT 100 / a FROM s;
            """,
            "--data", self.data, "--until-caught-up",
        )
        self.put("s", '{"a":5}\n{"a":0}\n{"a":4}\n')
        self.assertEqual([row["x"] for row in self.tail("r")], [20, 25])
        self.assertIn("division by zero", self.tail("q_errors")[0]["reason"])
