"""Event time through the command: late rows, idle shards, rows that cannot be computed. Nothing is lost silently."""

import base64
import json
import subprocess
import time

from support import MILLRACE, CommandTest

STREAM = "CREATE STREAM t (k VARCHAR, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)"
OUT = "CREATE STREAM out (starts TIMESTAMP(3), n BIGINT);"
COUNT = (
    "CREATE QUERY q AS INSERT INTO out SELECT window_start, count(*) "
    "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;"
)


def row(second, key="a", value=1):
    return json.dumps({"k": key, "v": value, "ts": f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000"}) + "\n"


class TimeAndErrorTests(CommandTest):
    def rows_of(self, stream):
        done = self.millrace("tail", stream, "--data", self.data, expect=None)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def test_a_late_row_is_counted_and_kept(self):
        self.run_sql(STREAM + ";" + OUT + COUNT, "--data", self.data, "--until-caught-up")
        self.millrace("put", "t", "--data", self.data, input=row(1) + row(5) + row(25) + row(3) + row(26) + row(24) + row(45))
        # The row at second 3 belongs to a window that had closed at 24; the one at 24 to one that was still open.
        self.assertEqual([(line["starts"][17:19], line["n"]) for line in self.rows_of("out")], [("00", 2), ("20", 3)])
        late = self.rows_of("q_errors")
        self.assertEqual([line["kind"] for line in late], ["late"])
        self.assertIn("2026-01-01T00:00:03", late[0]["reason"])
        self.assertIn(b"00:00:03", base64.b64decode(late[0]["bytes"]))
        shown = self.run_sql("SHOW QUERIES;", "--data", self.data, "--format", "json").stdout
        self.assertEqual(json.loads(shown.splitlines()[0])["late"], 1)

    def test_a_row_that_cannot_be_computed_does_not_stop_the_query(self):
        self.run_sql(
            STREAM + "; CREATE STREAM out (q BIGINT NOT NULL);"
            "CREATE QUERY q AS INSERT INTO out SELECT CASE WHEN k = 'none' THEN NULL ELSE 100 / v END FROM t;",
            "--data", self.data, "--until-caught-up",
        )
        self.millrace("put", "t", "--data", self.data, input=row(1, value=5) + row(2, value=0) + row(3, "none") + row(4, value=20))
        self.assertEqual([line["q"] for line in self.rows_of("out")], [20, 5])
        reasons = [line["reason"] for line in self.rows_of("q_errors")]
        self.assertEqual(len(reasons), 2)
        self.assertIn("division by zero", reasons[0])
        self.assertIn("may not be NULL", reasons[1])

    def test_a_missing_event_time_is_a_bad_row(self):
        self.run_sql(STREAM + ";", "--data", self.data)
        self.millrace("put", "t", "--data", self.data, input='{"k":"a","v":1}\n' + row(1))
        self.assertEqual(len(self.rows_of("t")), 1)
        self.assertIn("ts", self.rows_of("t_errors")[0]["reason"])

    def shards(self, options):
        """Four shards of which only one gets rows, and a prompt that runs the query."""
        self.run_sql(STREAM + " PARTITION BY k SHARDS 4" + options + ";" + OUT, "--data", self.data)
        self.millrace("put", "t", "--data", self.data, input=row(1) + row(5) + row(25))
        return subprocess.Popen(
            [MILLRACE, "--data", self.data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder
        )

    def test_a_silent_shard_is_named(self):
        prompt = self.shards("")
        prompt.stdin.write(COUNT + "\n")
        prompt.stdin.flush()
        time.sleep(1.5)
        shown, _ = prompt.communicate("SHOW QUERIES;\nSELECT count(*) AS closed FROM out;\n", timeout=60)
        self.assertRegex(shown, r"t, shard \d(, \d){2}: no row yet")
        self.assertRegex(shown, r"closed *\n-+\n +0\n")

    def test_an_idle_shard_lets_time_go_on(self):
        prompt = self.shards(" WITH (idle_timeout = '300 ms')")
        prompt.stdin.write(COUNT + "\n")
        prompt.stdin.flush()
        self.wait_until(lambda: self.rows_of("out"), "a window that closes beside idle shards")
        prompt.communicate("\\q\n", timeout=60)
        self.assertEqual([line["n"] for line in self.rows_of("out")][:1], [2])

    def test_a_query_keeps_the_settings_it_was_planned_with(self):
        self.run_sql(STREAM + ";" + OUT + "SET partitions = 7; SET optimizer = off;" + COUNT, "--data", self.data, "--until-caught-up")
        self.put("t", row(1) + row(5))
        # Another process, with its own defaults, restores the state of seven partitions.
        self.put("t", row(25))
        self.assertEqual([line["n"] for line in self.rows_of("out")], [2])
        self.assertEqual(self.rows("SHOW QUERIES;", "--data", self.data)[0]["state"], "running")
