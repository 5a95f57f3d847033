"""Materialized views: looked up by SELECT, read as changelogs, kept through restarts; and PAUSE, RESUME, DESCRIBE and EXPLAIN of queries that run."""

import json
import time

from support import CommandTest

SETUP = """
CREATE STREAM bid (auction BIGINT, price BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE MATERIALIZED VIEW best AS SELECT auction, count(*) AS bids, max(price) AS price FROM bid GROUP BY auction;
"""


def bid(auction, price, second=0):
    return json.dumps({"auction": auction, "price": price, "ts": f"2026-01-01T00:00:{second:02d}"}) + "\n"


class MaterializedViewTests(CommandTest):
    def ask(self, sql, *arguments):
        return [tuple(row.values()) for row in self.rows(sql, "--data", self.data, *arguments)]

    def deploy(self, sql):
        """Executes statements among which saved queries are, which would go on; leaves them to whoever opens the directory next."""
        child = self.start("run", self.write("deploy.sql", sql + "\nSHOW QUERIES;"), "--data", self.data)
        self.wait_until(lambda: child.poll() is not None or "rows_in" in child.stdout.readline(), "the statements", timeout=20)
        self.stop(child)

    def settle(self, sql, expected):
        """Opens the directory until the saved queries have come so far."""
        def look():
            return self.ask(sql) == expected
        self.wait_until(look, f"{expected} from {sql}", timeout=30)

    def test_rows_are_those_that_hold(self):
        self.run_sql(SETUP, "--data", self.data)
        self.put("bid", bid(1, 10) + bid(2, 5) + bid(1, 30) + bid(3, 7))
        self.settle("SELECT * FROM best ORDER BY auction", [(1, 2, 30), (2, 1, 5), (3, 1, 7)])
        self.assertEqual(self.ask("SELECT price FROM best WHERE auction = 1"), [(30,)])
        self.assertEqual(self.ask("SELECT auction FROM best WHERE auction IN (3, 1, 3, 9) ORDER BY 1"), [(1,), (3,)])
        self.assertEqual(self.ask("SELECT auction FROM best WHERE auction > 1 AND auction <= 3 ORDER BY 1"), [(2,), (3,)])
        self.assertEqual(self.ask("SELECT sum(bids), count(*) FROM best"), [(4, 3)])
        self.put("bid", bid(2, 50))
        self.settle("SELECT bids, price FROM best WHERE auction = 2", [(2, 50)])
        self.assertEqual(self.ask("SELECT relkind FROM pg_class WHERE relname = 'best'"), [("m",)])
        self.assertEqual(self.ask("SELECT matviewname FROM pg_matviews"), [("best",)])
        self.assertEqual([row[0] for row in self.ask("SHOW MATERIALIZED VIEWS")], ["best"])

    def test_another_query_reads_the_changelog(self):
        self.deploy(
            SETUP + "CREATE STREAM sums (n BIGINT, total BIGINT);"
            "CREATE QUERY summed AS INSERT INTO sums SELECT count(*), sum(price) FROM best;")
        self.put("bid", bid(1, 10) + bid(1, 30) + bid(2, 5))
        self.wait_until(
            lambda: self.ask("SELECT 1") and [row["total"] for row in self.tail("sums")][-1:] == [35], "the sum of the best prices", timeout=30)
        done = self.run_sql("DROP MATERIALIZED VIEW best", "--data", self.data, expect=1)
        self.assertIn('"best" is used by query summed', done.stderr)
        self.run_sql("DROP QUERY summed; DROP MATERIALIZED VIEW best; DROP STREAM bid", "--data", self.data)

    def test_what_is_refused(self):
        self.run_sql(SETUP, "--data", self.data)
        for sql, expected in [
            ("INSERT INTO best VALUES (1, 2, 3)", "its own query alone writes it"),
            ("DROP QUERY best", "is a materialized view"),
            ("DROP STREAM best", "is a materialized view"),
            ("DROP STREAM bid", "is used by query best"),
            ("CREATE MATERIALIZED VIEW best AS SELECT 1 AS one FROM bid", "already exists"),
            ("ALTER QUERY best AS INSERT INTO best SELECT auction, 1, 2 FROM bid", "cannot be altered yet"),
            ("CREATE MATERIALIZED VIEW v AS SELECT auction, auction FROM bid", "specified more than once"),
            ("CREATE STREAM s (a INT) WITH ('$materialized' = '')", "no option"),
            ("REFRESH MATERIALIZED VIEW best", "kept up to date by itself"),
        ]:
            done = self.run_sql(sql, "--data", self.data, expect=1)
            self.assertIn(expected, done.stderr, sql)
        self.run_sql("CREATE OR REPLACE MATERIALIZED VIEW best AS SELECT auction, min(price) AS low FROM bid GROUP BY auction", "--data", self.data)
        self.put("bid", bid(1, 10) + bid(1, 30))
        self.settle("SELECT * FROM best", [(1, 10)])

    def test_pause_and_resume_last(self):
        self.run_sql(SETUP, "--data", self.data)
        self.put("bid", bid(1, 10))
        self.settle("SELECT bids FROM best", [(1,)])
        self.run_sql("PAUSE MATERIALIZED VIEW best", "--data", self.data)
        self.put("bid", bid(1, 20))
        time.sleep(0.3)
        self.assertEqual(self.ask("SELECT bids FROM best"), [(1,)])
        self.assertEqual([row["state"] for row in self.rows("SHOW QUERIES", "--data", self.data)], ["paused"])
        described = dict((row["property"], row["value"]) for row in self.rows("DESCRIBE QUERY best", "--data", self.data))
        self.assertEqual((described["state"], described["kind"], described["inputs"]), ("paused", "materialized view", "bid"))
        done = self.run_sql("DROP STREAM bid", "--data", self.data, expect=1)
        self.assertIn("used by query best", done.stderr)
        self.run_sql("RESUME QUERY best", "--data", self.data)
        self.settle("SELECT bids FROM best", [(2,)])
        self.assertEqual([row["state"] for row in self.rows("SHOW QUERIES", "--data", self.data)], ["running"])

    def test_explain_of_what_runs(self):
        self.deploy(
            SETUP + "CREATE STREAM counts (window_end TIMESTAMP(3), n BIGINT); CREATE QUERY counted AS INSERT INTO counts "
            "SELECT window_end, count(*) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;")
        self.put("bid", bid(1, 10, 1) + bid(2, 20, 12))
        def lines(sql):
            return [row["plan"] for row in self.rows(sql, "--data", self.data)]
        analyzed = self.wait_until(lambda: (found := lines("EXPLAIN ANALYZE counted")) and any("2 in, 1 out" in line for line in found) and found,
                                   "figures of the query")
        text = "\n".join(analyzed)
        self.assertIn("-> scan bid", text)
        self.assertRegex(text, r"rows in, \d+ out, \d+\.\d{3} ms")
        watermark = "\n".join(lines("EXPLAIN WATERMARK counted"))
        self.assertIn("shard 0: watermark 2026-01-01T00:00:11.000; holds it", watermark)
        self.assertIn("the tumble windows that end at 2026-01-01T00:00:20.000 close when the watermark gets there, in 9.0 s of event time", watermark)
        bounded = "\n".join(lines("EXPLAIN ANALYZE SELECT auction, count(*) FROM bid GROUP BY auction"))
        self.assertIn("rows: 2 in, 2 out", bounded)
        done = self.run_sql("EXPLAIN ANALYZE SELECT STREAM * FROM bid", "--data", self.data, expect=1)
        self.assertIn("has no end", done.stderr)
