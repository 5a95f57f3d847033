"""Backups of a running engine, restored and run to the end: each result once, as if nothing had happened."""

import json
import os
import time

from support import CommandTest

EVENTS = 160_000

SETUP = f"""
    CREATE TABLE generated (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3))
    WITH (connector = 'nexmark', event = 'bid', 'events.num' = '{EVENTS}', rate = '60000', 'first-event.rate' = '20000', seed = '7',
    'base-time' = '2026-01-01 00:00:00');
    CREATE STREAM bids (auction BIGINT, bidder BIGINT, price BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
    PARTITION BY bidder SHARDS 2;
    CREATE STREAM counts (starts TIMESTAMP(3), bidder BIGINT, n BIGINT, s BIGINT) PARTITION BY bidder SHARDS 2;
    CREATE STREAM totals (bidder BIGINT, windows BIGINT, n BIGINT);
    CREATE QUERY totalling AS INSERT INTO totals SELECT bidder, count(*), sum(n) FROM counts GROUP BY bidder;
    CREATE QUERY counting AS INSERT INTO counts SELECT window_start, bidder % 20, count(*), sum(price)
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, bidder % 20;
    CREATE QUERY feeding AS INSERT INTO bids SELECT auction, bidder, price, dateTime FROM generated;
"""


class BackupTests(CommandTest):
    def select(self, sql, data):
        return [json.loads(line) for line in self.run_sql(sql, "--format", "json", "--data", data).stdout.splitlines()]

    def finish(self, data):
        """Opens the directory, lets its queries come to the end, and gives what the streams hold."""
        self.run_sql("SELECT 1;", "--data", data, "--until-caught-up")
        bids = self.select("SELECT count(*) AS n, count(DISTINCT (auction, bidder, price, ts)) AS d FROM bids", data)[0]["n"]
        counts = self.select("SELECT starts, bidder, n, s FROM counts ORDER BY starts, bidder", data)
        wanted = self.select(
            "SELECT date_trunc('second', ts) AS starts, bidder % 20 AS bidder, count(*) AS n, sum(price) AS s FROM bids"
            " GROUP BY date_trunc('second', ts), bidder % 20 ORDER BY starts, bidder", data)
        # The last second is open: its stream could go on.
        last = max(row["starts"] for row in wanted)
        before = max(row["starts"] for row in counts)
        self.assertEqual(counts, [row for row in wanted if row["starts"] <= before])
        self.assertLess(before, last)
        totals = {}
        for row in self.tail_of("totals", data):
            kind = row.pop("op", "+I")
            key = json.dumps(row, sort_keys=True)
            totals[key] = totals.get(key, 0) + (1 if kind in ("+I", "+U") else -1)
        folded = sorted(key for key, count in totals.items() for _ in range(count))
        self.assertTrue(all(count >= 0 for count in totals.values()), totals)
        by_bidder = {}
        for row in counts:
            windows, n = by_bidder.get(row["bidder"], (0, 0))
            by_bidder[row["bidder"]] = (windows + 1, n + row["n"])
        self.assertEqual(
            folded, sorted(json.dumps({"bidder": b, "windows": w, "n": n}, sort_keys=True) for b, (w, n) in by_bidder.items()))
        return bids, counts

    def tail_of(self, stream, data):
        done = self.millrace("tail", stream, "--data", data)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_backups_of_a_running_engine_are_each_one_state(self):
        child = self.start("run", self.write("setup.sql", "SET checkpoint_interval = INTERVAL '0.3' SECOND;" + SETUP), "--data", self.data)
        self.wait_until(lambda: self.stream_rows("counts") > 0 or child.poll() is not None, "counts")
        rows = []
        for number in range(3):
            rows.append(self.stream_rows("bids"))
            self.assertIn("backed up", self.millrace("backup", self.path(f"backup-{number}"), "--data", self.data).stdout)
            time.sleep(0.3)
        self.assertIsNone(child.poll(), "the engine ended before the backups were taken")
        child.kill()
        child.wait()
        bids, counts = self.finish(self.data)
        self.assertEqual(bids, EVENTS * 46 // 50)
        for number in range(3):
            data = self.path(f"restored-{number}")
            self.millrace("restore", self.path(f"backup-{number}"), "--data", data)
            kept = self.select("SELECT count(*) AS n FROM bids", data)[0]["n"]
            self.assertGreaterEqual(kept, rows[number], "what was there before the backup is in it")
            again, found = self.finish(data)
            self.assertEqual(again, bids)
            self.assertEqual(found, counts)

    def test_refusals(self):
        self.run_sql("CREATE STREAM s (a BIGINT); INSERT INTO s VALUES (1), (2);", "--data", self.data)
        self.millrace("backup", self.path("b"), "--data", self.data)
        self.assertIn("is not empty", self.millrace("backup", self.path("b"), "--data", self.data, expect=1).stderr)
        self.assertIn("is not empty", self.millrace("restore", self.path("b"), "--data", self.data, expect=1).stderr)
        self.assertIn("is no backup", self.millrace("restore", self.folder, "--data", self.path("x"), expect=1).stderr)
        # One byte of one file: found, and nothing is left that opens.
        victim = next(
            os.path.join(folder, name) for folder, _, names in os.walk(self.path("b")) for name in names if name.endswith(".log"))
        with open(victim, "r+b") as file:
            file.seek(os.path.getsize(victim) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        failed = self.millrace("restore", self.path("b"), "--data", self.path("y"), expect=1)
        self.assertIn("the backup is damaged", failed.stderr)
        self.assertIn(os.path.basename(victim), failed.stderr)
        self.assertIn("not a data directory", self.millrace("status", "--data", self.path("y"), expect=1).stderr)

    def test_queries_in_a_circle_are_refused(self):
        self.run_sql(
            "CREATE STREAM s (a BIGINT); CREATE STREAM t (a BIGINT); INSERT INTO s VALUES (1);"
            "CREATE QUERY one AS INSERT INTO t SELECT a + 1 FROM s WHERE a < 10; CREATE QUERY two AS INSERT INTO s SELECT a FROM t;",
            "--data", self.data, "--until-caught-up")
        self.assertIn("in a circle", self.millrace("backup", self.path("b"), "--data", self.data, expect=1).stderr)
