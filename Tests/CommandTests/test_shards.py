"""Shards are split and merged while a saved query reads one stream and writes another."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from support import MILLRACE


class ShardTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-shards-")
        self.data = os.path.join(self.folder, "data")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run_sql(self, sql, *options, expect=0):
        path = os.path.join(self.folder, "statements.sql")
        with open(path, "w") as file:
            file.write(sql)
        done = subprocess.run(
            [MILLRACE, "run", path, "--data", self.data, "--until-caught-up", *options], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def put(self, first, count):
        rows = "".join(
            json.dumps({"k": n % 17, "v": n, "ts": "2026-01-01T00:%02d:%02d" % (n // 60 % 60, n % 60)}) + "\n" for n in range(first, first + count)
        )
        done = subprocess.run([MILLRACE, "put", "s", "--data", self.data], input=rows, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def tail(self, stream):
        done = subprocess.run(
            [MILLRACE, "tail", stream, "--data", self.data, "--no-follow"], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_queries_go_on_over_splits_and_merges(self):
        self.run_sql(
            """
            CREATE STREAM s (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) PARTITION BY (k);
            CREATE STREAM copies (k BIGINT, v BIGINT) PARTITION BY (k);
            CREATE STREAM minutes (start TIMESTAMP(3), n BIGINT, total BIGINT);
            CREATE QUERY copies AS INSERT INTO copies SELECT k, v FROM s;
            CREATE QUERY minutes AS INSERT INTO minutes
            SELECT window_start, count(*), sum(v) FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
            """
        )
        changes = [
            "ALTER STREAM s SPLIT SHARD 0;",
            "ALTER STREAM copies SPLIT SHARD 0; ALTER STREAM s SPLIT SHARD 1 AT '1000';",
            "ALTER STREAM s MERGE SHARDS 3, 4; ALTER STREAM copies MERGE SHARDS 1, 2;",
            "",
        ]
        count = 300
        for number, change in enumerate(changes):
            self.put(number * count, count)
            self.run_sql(change)
        total = count * len(changes)
        copies = self.tail("copies")
        self.assertEqual(sorted(row["v"] for row in copies), list(range(total)))
        for key in range(17):
            mine = [row["v"] for row in copies if row["k"] == key]
            self.assertEqual(mine, sorted(mine), "the rows of a key are in order")
        # Every minute but the last, which the watermark has not passed. The shard below 1000 had no rows and held event time back; it was merged again.
        minutes = {row["start"]: (row["n"], row["total"]) for row in self.tail("minutes")}
        wanted = {}
        for n in range(total - 60):
            start = "2026-01-01T00:%02d:00.000" % (n // 60)
            before = wanted.get(start, (0, 0))
            wanted[start] = (before[0] + 1, before[1] + n)
        self.assertEqual(minutes, wanted)
        status = json.loads(
            subprocess.run([MILLRACE, "status", "--json", "--data", self.data], capture_output=True, text=True, timeout=60).stdout
        )
        shards = {stream["name"]: [shard["closed"] for shard in stream["shards"]] for stream in status["streams"]}
        self.assertEqual(shards["s"], [True, True, False, True, True, False])
        self.assertEqual(shards["copies"], [True, True, True, False])
        shown = self.run_sql("SHOW STREAMS;", "--format", "csv").stdout
        self.assertIn("s,log,2,1200,", shown)

    def test_what_makes_no_sense_is_refused(self):
        self.run_sql("CREATE STREAM s (k BIGINT) PARTITION BY (k); CREATE STREAM c (id BIGINT) WITH (changelog = 'op');")
        for sql, words in [
            ("ALTER STREAM s SPLIT SHARD 1;", "there is no shard 1"),
            ("ALTER STREAM s MERGE SHARDS 0, 0;", "with itself"),
            ("ALTER STREAM s SPLIT SHARD 0 AT '0';", "behind the first"),
            ("ALTER STREAM s SPLIT SHARD 0 AT 'x';", "not a hash key"),
            ("ALTER STREAM s SPLIT SHARD 0 AT '340282366920938463463374607431768211456';", "not a hash key"),
            ("ALTER STREAM s SPLIT SHARD 99999999999999999999;", "no shard with this number"),
            ("ALTER STREAM c SPLIT SHARD 0;", "several shards"),
            ("ALTER STREAM nothing SPLIT SHARD 0;", "does not exist"),
            ("ALTER STREAM s SPLIT 0;", "expected SHARD"),
            ("ALTER STREAM s ADD COLUMN x BIGINT;", "ALTER is not supported"),
        ]:
            self.assertIn(words, self.run_sql(sql, expect=1).stderr, sql)


if __name__ == "__main__":
    unittest.main()
