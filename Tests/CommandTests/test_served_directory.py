"""The commands on a data directory that a server holds: they talk to it, by the directory's name or by its address, and never refuse because it runs."""

import json
import os
import time

from served import ServedTest
from support import Terminal

SHOP = """
CREATE STREAM sales (shop VARCHAR, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND);
CREATE STREAM takings (window_start TIMESTAMP(3), shop VARCHAR, sales BIGINT, total DECIMAL(38, 2));
CREATE QUERY takings AS
INSERT INTO takings
SELECT window_start, shop, count(*), sum(amount)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, shop;
"""
ROWS = """{"shop": "north", "amount": 9.99, "ts": "2026-01-01T10:00:01"}
{"shop": "north", "amount": "a lot", "ts": "2026-01-01T10:00:02"}
{"shop": "north", "amount": 20.01, "ts": "2026-01-01T10:00:09.500"}
{"shop": "south", "amount": 1.50, "ts": "2026-01-01T10:00:25"}
"""


class ServedDirectoryTests(ServedTest):
    def setUp(self):
        super().setUp()
        self.write("shop.sql", SHOP)

    @property
    def address(self):
        return self.addresses()["postgres"]

    def takings(self, *where):
        done = self.millrace("tail", "takings", *(where or ("--data", self.data)))
        return [(row["shop"], row["sales"]) for row in map(json.loads, done.stdout.splitlines())]

    def test_a_deployment_its_change_and_the_way_back(self):
        # By the name of the directory, which the server holds.
        done = self.millrace("deploy", "shop.sql", "--data", self.data, "--yes")
        self.assertIn(f"deployed to the server at {self.address}", done.stderr)
        done = self.put("sales", ROWS)
        self.assertIn("3 rows appended, 1 rejected", done.stderr)
        self.wait_until(lambda: self.takings() == [("north", 2)], "the first window")
        # By its address.
        done = self.millrace("deploy", "shop.sql", "--connect", self.address, "--yes")
        self.assertIn("Nothing to do", done.stderr)
        self.write("changed.sql", SHOP.replace("shop, count(*)", "upper(shop), count(*)"))
        done = self.millrace("diff", "changed.sql", "--connect", self.address, expect=1)
        self.assertIn("upper(shop)", done.stdout)
        done = self.millrace("deploy", "changed.sql", "--connect", self.address, "--yes")
        self.assertRegex(done.stdout, r"change +query takings .*\n +(keep|rebuild)")
        self.millrace("put", "sales", "--connect", self.address, input='{"shop": "west", "amount": 1, "ts": "2026-01-01T10:00:41"}\n')
        self.wait_until(lambda: self.takings() == [("north", 2), ("SOUTH", 1)], "the changed window")
        self.millrace("deploy", "shop.sql", "--data", self.data, "--yes")
        # A restart goes on where it stopped.
        self.stop_server()
        self.serve()
        self.millrace("put", "sales", "--data", self.data, "--format", "csv", input="shop,amount,ts\neast,1,2026-01-01T10:01:00\n")
        self.wait_until(lambda: self.takings() == [("north", 2), ("SOUTH", 1), ("west", 1)], "the window after the restart")
        self.stop_server()

    def test_mistakes_are_those_of_an_engine_of_ones_own(self):
        self.run_sql(SHOP, "--data", self.data)
        done = self.run_sql("SELECT 1 AS a;\n\nSELECT shpo FROM sales;", "--data", self.data, "--format", "csv", expect=1)
        self.assertEqual(done.stdout, "a\n1\n")
        self.assertIn("line 3, column 8", done.stderr)
        self.assertIn("^^^^", done.stderr)
        self.assertIn("did you mean", done.stderr)
        self.assertIn("salse", self.put("salse", ROWS, expect=1).stderr)
        self.write("broken.sql", SHOP.replace("sum(amount)", "sum(ammount)"))
        self.assertIn("broken.sql, line 6", self.millrace("deploy", "broken.sql", "--connect", self.address, "--yes", expect=1).stderr)
        self.write("lost.sql", SHOP.replace("shop VARCHAR,", "shop VARCHAR, clerk VARCHAR,", 1))
        self.put("sales", ROWS)
        self.assertIn("3 rows it holds lost", self.millrace("deploy", "lost.sql", "--data", self.data, "--yes", expect=1).stderr)

    def test_reading_and_status(self):
        self.run_sql(SHOP, "--data", self.data)
        self.put("sales", ROWS)
        for where in (("--data", self.data), ("--connect", self.address)):
            self.wait_until(lambda: self.takings(*where) == [("north", 2)], "the first window")
            status = json.loads(self.millrace("status", "--json", *where).stdout)
            self.assertEqual({stream["name"]: stream["rows"] for stream in status["streams"]}["sales"], 3)
            query = status["queries"][0]
            self.assertEqual((query["name"], query["state"], query["rows_in"]), ("takings", "running", 3))
            rows = self.rows("SELECT shop, amount, ts FROM sales ORDER BY ts LIMIT 1;", *where)
            self.assertEqual(rows, [{"shop": "north", "amount": 9.99, "ts": "2026-01-01T10:00:01.000"}])
        follower = self.start("tail", "sales", "--follow", "--connect", self.address)
        time.sleep(0.7)
        self.put("sales", '{"shop": "live", "amount": 1, "ts": "2026-01-01T10:02:00"}\n')
        self.assertEqual(json.loads(follower.stdout.readline())["shop"], "live")
        self.stop(follower)

    def test_a_live_changelog_keeps_its_kinds(self):
        self.run_sql("CREATE STREAM t (k INT);", "--data", self.data)
        self.put("t", '{"k": 1}\n{"k": 1}\n')
        done = self.run_sql(
            "SELECT STREAM k, count(*) AS n FROM t GROUP BY k START FROM TRIM_HORIZON LIMIT 1;", "--connect", self.address, "--format", "json"
        )
        self.assertIn('"op":"+I"', done.stdout)
        self.assertNotIn('{"op"', done.stdout)

    def test_the_prompt(self):
        self.run_sql(SHOP, "--data", self.data)
        done = self.millrace("--connect", self.address, input="\\dt\n\\d sales\n\\dq\nSELECT 6 * 7 AS answer;\n")
        for text in ("sales", "amount", "takings", "42"):
            self.assertIn(text, done.stdout)
        terminal = Terminal("--data", self.data, cwd=self.folder, environment={"MILLRACE_HISTORY": ""})
        self.addCleanup(terminal.close)
        terminal.expect(f"the server at {self.address}")
        terminal.expect("millrace=> ")
        terminal.type("select am\tfrom sal\t;\n")
        terminal.expect("amount")
        terminal.expect("(0 rows)")
        terminal.expect("millrace=> ")
        terminal.type("select stream shop from sales;\n")
        time.sleep(0.5)
        self.put("sales", '{"shop": "seen live", "amount": 1, "ts": "2026-01-01T10:02:00"}\n')
        terminal.expect("seen live")
        terminal.type("\x03")
        terminal.expect("cancelled")
        terminal.expect("millrace=> ")
        terminal.type("select 6 * 7 as answer;\n")
        terminal.expect("42")
        # Before the prompt is there the terminal itself would take it.
        terminal.expect("millrace=> ")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_a_server_that_was_killed_stands_in_nobodys_way(self):
        self.run_sql("CREATE STREAM t (k INT);", "--data", self.data)
        self.server.kill()
        self.server.wait()
        self.assertTrue(os.path.exists(os.path.join(self.data, "server")))
        self.put("t", '{"k": 1}\n')
        self.assertEqual(self.stream_rows("t"), 1)
