"""put, tail and status."""

import json
import subprocess
import time

from support import CommandTest


class PutTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.run_sql("CREATE STREAM s (a BIGINT, b VARCHAR, ts TIMESTAMP(3)) SHARDS 2;", "--data", self.data)

    def test_json(self):
        done = self.put("s", '{"a":1,"b":"x","ts":"2026-01-01T00:00:00"}\n{"b":"é","a":2}\n{"a":3')
        self.assertEqual(done.stdout, "")
        self.assertIn("2 rows appended, 1 rejected", done.stderr)
        self.assertIn("s_errors", done.stderr)
        rows = sorted(self.tail("s"), key=lambda row: row["a"])
        self.assertEqual(
            rows, [{"a": 1, "b": "x", "ts": "2026-01-01T00:00:00.000"}, {"a": 2, "b": "é", "ts": None}]
        )
        self.assertEqual(len(self.tail("s_errors")), 1)

    def test_a_last_line_without_an_end_counts(self):
        self.put("s", '{"a":1}\n{"a":2}')
        self.assertEqual(len(self.tail("s")), 2)

    def test_csv(self):
        self.put("s", 'b,a,ts\n"x, y",1,2026-01-01 00:00:00\n,2,\n', "--format", "csv")
        rows = sorted(self.tail("s"), key=lambda row: row["a"])
        self.assertEqual([row["a"] for row in rows], [1, 2])
        self.assertEqual(rows[0]["b"], "x, y")

    def test_nothing(self):
        self.assertIn("0 rows appended, 0 rejected", self.put("s", "").stderr)

    def test_strict(self):
        self.put("s", "nonsense\n", expect=0)
        self.put("s", "nonsense\n", "--strict", expect=1)

    def test_unknown_stream(self):
        done = self.put("bids", "", expect=1)
        self.assertIn("bids", done.stderr)

    def test_many_rows_in_small_pieces(self):
        child = self.start("put", "s", "--data", self.data, stdin=subprocess.PIPE)
        text = "".join(json.dumps({"a": i, "b": "é" * (i % 50)}, ensure_ascii=False) + "\n" for i in range(5_000))
        for start in range(0, len(text), 7_919):
            child.stdin.write(text[start : start + 7_919])
            child.stdin.flush()
        _, errors = child.communicate(timeout=60)
        self.assertIn("5,000 rows appended, 0 rejected", errors)
        self.assertEqual(sorted(row["a"] for row in self.tail("s")), list(range(5_000)))

    def test_saved_queries_see_the_rows_before_put_returns(self):
        self.run_sql(
            "CREATE STREAM big (a BIGINT); CREATE QUERY q AS INSERT INTO big SELECT a FROM s WHERE a > 1;",
            "--data", self.data, "--until-caught-up",
        )
        self.put("s", '{"a":1}\n{"a":2}\n{"a":3}\n')
        self.assertEqual(sorted(row["a"] for row in self.tail("big")), [2, 3])


class TailTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.run_sql("CREATE STREAM s (a BIGINT);", "--data", self.data)
        self.put("s", "".join('{"a":%d}\n' % i for i in range(10)))

    def test_formats(self):
        self.assertEqual(self.millrace("tail", "s", "--data", self.data, "--format", "csv").stdout.splitlines()[:2], ["a", "0"])
        self.assertIn("(10 rows)", self.millrace("tail", "s", "--data", self.data, "--format", "table").stdout)

    def test_places(self):
        def first(*arguments):
            rows = self.tail("s", *arguments)
            return rows[0]["a"] if rows else None

        self.assertEqual(first(), 0)
        self.assertEqual(first("--from", "trim_horizon"), 0)
        self.assertIsNone(first("--from", "LATEST"))
        self.assertEqual(first("--from", "2020-01-01T00:00:00Z"), 0)
        self.assertIsNone(first("--from", "2099-01-01"))
        self.assertEqual(first("--from", "4"), 4)

    def test_follow(self):
        child = self.start("tail", "s", "--data", self.data, "--follow", "--from", "TRIM_HORIZON")
        lines = [json.loads(child.stdout.readline())["a"] for _ in range(10)]
        self.assertEqual(lines, list(range(10)))
        time.sleep(0.2)
        self.assertIsNone(child.poll())
        self.stop(child)

    def test_a_reader_that_goes_away_is_no_error(self):
        self.put("s", "".join('{"a":%d}\n' % i for i in range(50_000)))
        child = self.start("tail", "s", "--data", self.data)
        child.stdout.readline()
        child.stdout.close()
        self.assertEqual(child.wait(timeout=30), 0)

    def test_unknown_stream_and_directory(self):
        self.assertIn("nosuch", self.millrace("tail", "nosuch", "--data", self.data, expect=1).stderr)
        done = self.millrace("tail", "s", "--data", self.path("elsewhere"), expect=1)
        self.assertIn("No such file or directory", done.stderr)


class StatusTests(CommandTest):
    def test_json_and_text(self):
        self.run_sql(
            "CREATE STREAM s (a BIGINT) SHARDS 2; CREATE STREAM t (a BIGINT);"
            "CREATE QUERY q AS INSERT INTO t SELECT a FROM s; INSERT INTO s VALUES (1), (2), (3);",
            "--data", self.data, "--until-caught-up",
        )
        status = self.status()
        streams = {stream["name"]: stream for stream in status["streams"]}
        self.assertEqual(streams["s"]["rows"], 3)
        self.assertEqual(len(streams["s"]["shards"]), 2)
        self.assertEqual(streams["t"]["rows"], 3)
        text = self.millrace("status", "--data", self.data).stdout
        self.assertIn("Streams and tables", text)
        self.assertIn("Queries", text)
