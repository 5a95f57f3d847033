"""`millrace deploy` and `millrace diff`: files of definitions and what runs."""

import glob
import json
import os
import pathlib

from support import ROOT, CommandTest, Terminal

QUERIES = os.path.join(ROOT, "queries")

STREAMS = """
CREATE STREAM IF NOT EXISTS sales (
    shop VARCHAR, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) PARTITION BY (shop);
"""
# Out of order on purpose: the query comes before what it reads and writes.
TAKINGS = """
CREATE QUERY takings AS
INSERT INTO takings
SELECT window_start, shop, count(*), sum(amount)
FROM TABLE(TUMBLE(TABLE real_sales, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, shop;

CREATE VIEW real_sales AS SELECT * FROM sales WHERE amount > 0;

CREATE STREAM takings (window_start TIMESTAMP(3), shop VARCHAR, sales BIGINT, total DECIMAL(38, 2));
"""
ROWS = """{"shop": "north", "amount": 9.99, "ts": "2026-01-01T10:00:01"}
{"shop": "south", "amount": 0.50, "ts": "2026-01-01T10:00:02"}
{"shop": "north", "amount": 20.01, "ts": "2026-01-01T10:00:09.500"}
{"shop": "south", "amount": 1.50, "ts": "2026-01-01T10:00:25"}
"""


class DeployTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("streams.sql", STREAMS)
        self.write("takings.sql", TAKINGS)

    def deploy(self, *arguments, expect=0, files=("streams.sql", "takings.sql")):
        return self.millrace("deploy", *files, "--data", self.data, *arguments, expect=expect)

    def diff(self, *arguments, expect=0, files=("streams.sql", "takings.sql")):
        return self.millrace("diff", *files, "--data", self.data, *arguments, expect=expect)

    def test_create_once_and_nothing_the_second_time(self):
        # A directory that is not there yet is compared like an empty one, and not made.
        done = self.deploy("--dry-run")
        self.assertEqual([line.split()[:3] for line in done.stdout.splitlines()][0], ["create", "stream", "sales"])
        self.assertIn("takings.sql, line 2", done.stdout)
        self.assertIn("dry run", done.stderr)
        self.assertEqual(self.diff(expect=1).stdout.count("(there is none)"), 4)
        self.assertFalse(os.path.exists(self.data))
        # Nobody to ask.
        done = self.deploy(expect=2)
        self.assertIn("--yes", done.stderr)
        self.assertEqual(self.status()["streams"], [])
        done = self.deploy("--yes")
        self.assertIn("4 definitions deployed", done.stderr)
        done = self.deploy("--yes")
        self.assertIn("Nothing to do", done.stderr)
        self.assertEqual(done.stdout, "keep     4 definitions\n")
        self.assertEqual(self.diff().stdout, "")
        self.put("sales", ROWS)
        self.assertEqual(sorted(row["shop"] for row in self.tail("takings")), ["north", "south"])

    def test_how_it_is_written_makes_no_difference(self):
        self.deploy("--yes")
        self.write("takings.sql", "-- a comment\n" + TAKINGS.replace("CREATE VIEW", "create or replace view").replace("SELECT * FROM", "select *\n from"))
        self.assertEqual(self.diff().stdout, "")
        self.assertIn("Nothing to do", self.deploy("--yes").stderr)

    def test_a_changed_query_says_what_it_keeps(self):
        self.deploy("--yes")
        self.put("sales", ROWS)
        self.write("takings.sql", TAKINGS.replace("SELECT window_start, shop, count(*)", "SELECT window_start, upper(shop), count(*)"))
        done = self.diff(expect=1)
        self.assertIn("--- query takings (runs)\n+++ query takings (takings.sql, line 2)\n@@ ", done.stdout)
        self.assertIn("\n-", done.stdout)
        self.assertRegex(done.stdout, r"(?i)\+.*upper\(shop\)")
        done = self.deploy("--dry-run")
        self.assertRegex(done.stdout, r"change +query takings +takings.sql, line 2\n +(keep|rebuild)")
        self.deploy("--yes")
        self.assertEqual(self.diff().stdout, "")
        self.put("sales", '{"shop": "east", "amount": 1, "ts": "2026-01-01T10:01:00"}\n')
        self.assertEqual(sorted(row["shop"] for row in self.tail("takings")), ["SOUTH", "north", "south"])

    def test_a_changed_view_changes_the_query_that_stands_on_it(self):
        self.deploy("--yes")
        self.put("sales", ROWS.splitlines(True)[0])
        self.write("takings.sql", TAKINGS.replace("amount > 0", "amount > 1"))
        done = self.deploy("--dry-run")
        self.assertRegex(done.stdout, r"change +view real_sales")
        self.assertRegex(done.stdout, r"change +query takings .*\n +because of view real_sales")
        self.deploy("--yes")
        self.assertEqual(self.diff().stdout, "")
        self.put("sales", "".join(ROWS.splitlines(True)[1:]))
        self.assertEqual([(row["shop"], row["sales"]) for row in self.tail("takings")], [("north", 2)])
        # It goes on like this after a restart.
        self.put("sales", '{"shop": "east", "amount": 0.5, "ts": "2026-01-01T10:01:00"}\n{"shop": "east", "amount": 5, "ts": "2026-01-01T10:02:00"}\n')
        self.assertEqual([(row["shop"], row["sales"]) for row in self.tail("takings")], [("north", 2), ("south", 1)])

    def test_a_changed_view_changes_the_alert_that_stands_on_it(self):
        alert = "\nCREATE ALERT much AS SELECT shop, amount FROM real_sales WHERE amount > 10 KEY (shop);\n"
        self.write("takings.sql", TAKINGS + alert)
        self.deploy("--yes")
        self.assertEqual(self.diff().stdout, "")
        done = self.run_sql("CREATE OR REPLACE VIEW real_sales AS SELECT * FROM sales WHERE amount > 1", "--data", self.data, expect=1)
        self.assertRegex(done.stderr, r'view "real_sales" is used by query takings')
        self.write("takings.sql", TAKINGS.replace("amount > 0", "amount > 20") + alert)
        done = self.deploy("--dry-run")
        self.assertRegex(done.stdout, r"rebuild +alert much .*\n +made anew because of view real_sales: what it has open is resolved")
        self.deploy("--yes")
        self.assertEqual(self.diff().stdout, "")
        self.assertIn("Nothing to do", self.deploy("--yes").stderr)
        # It looks at what the view says now.
        self.put("sales", "".join(json.dumps({"shop": shop, "amount": amount, "ts": f"2026-01-01T10:0{minute}:00"}) + "\n"
                                  for shop, amount, minute in [("north", 15, 1), ("south", 25, 2), ("east", 1, 3), ("east", 1, 9)]))
        self.run_sql("SELECT 1", "--data", self.data, "--until-caught-up")
        self.assertEqual([row["keys"] for row in self.tail("alerts")], [{"shop": "south"}])

    def test_what_would_lose_rows_is_refused(self):
        self.deploy("--yes")
        self.put("sales", ROWS)
        self.write("streams.sql", STREAMS.replace("shop VARCHAR,", "shop VARCHAR, clerk VARCHAR,"))
        done = self.deploy("--yes", expect=1)
        self.assertIn("stream sales would be replaced, and 4 rows it holds lost; it is used by query takings (--allow-data-loss)", done.stderr)
        self.assertIn("Nothing was changed.", done.stderr)
        self.assertEqual(self.stream_rows("sales"), 4)
        done = self.deploy("--yes", "--allow-data-loss")
        self.assertRegex(done.stdout, r"replace +stream sales .*\n +4 rows it holds are lost")
        self.assertRegex(done.stdout, r"rebuild +query takings .*\n +made anew because stream sales is replaced")
        self.assertEqual(self.stream_rows("sales"), 0)
        self.put("sales", ROWS)
        self.assertEqual(self.diff().stdout, "")

    def test_a_materialized_view(self):
        view = "CREATE MATERIALIZED VIEW per_shop AS SELECT shop, count(*) AS sales, sum(amount) AS total FROM sales GROUP BY shop;\n"
        files = ("streams.sql", "view.sql")
        self.write("view.sql", view)
        done = self.deploy("--yes", files=files)
        self.assertRegex(done.stdout, r"create +materialized view per_shop")
        self.assertEqual(self.diff(files=files).stdout, "")
        self.assertIn("Nothing to do", self.deploy("--yes", files=files).stderr)
        self.put("sales", ROWS)

        def shown():
            return self.rows("SELECT * FROM per_shop ORDER BY shop;", "--data", self.data)

        self.assertEqual([(row["shop"], row["sales"]) for row in shown()], [("north", 2), ("south", 2)])
        # Another definition is computed anew, and has to be allowed.
        self.write("view.sql", view.replace("FROM sales", "FROM sales WHERE amount > 1"))
        done = self.deploy("--yes", files=files, expect=1)
        self.assertIn("materialized view per_shop would be computed anew from what the log retains (--allow-rebuild)", done.stderr)
        self.assertEqual([(row["shop"], row["sales"]) for row in shown()], [("north", 2), ("south", 2)])
        done = self.deploy("--yes", "--allow-rebuild", files=files)
        self.assertRegex(done.stdout, r"rebuild +materialized view per_shop")
        self.run_sql("SHOW QUERIES;", "--data", self.data, "--until-caught-up")
        self.assertEqual([(row["shop"], row["sales"]) for row in shown()], [("north", 2), ("south", 1)])
        self.assertEqual(self.diff(files=files).stdout, "")
        # Pruned, it goes with the stream that keeps its rows.
        done = self.deploy("--yes", "--prune", "--allow-data-loss", files=("streams.sql",))
        self.assertRegex(done.stdout, r"drop +materialized view per_shop")
        self.assertEqual([stream["name"] for stream in self.status()["streams"]], ["sales"])

    def test_a_reader_that_would_break_is_named(self):
        self.deploy("--yes")
        self.millrace(
            "run", "--data", self.data, "--until-caught-up",
            input="CREATE STREAM amounts (amount DECIMAL(10, 2)); CREATE QUERY reader AS INSERT INTO amounts SELECT amount FROM sales;",
        )
        self.write("streams.sql", STREAMS.replace("amount DECIMAL", "price DECIMAL"))
        self.write("takings.sql", TAKINGS.replace("amount", "price"))
        done = self.deploy("--yes", "--allow-data-loss", expect=1)
        self.assertIn('query reader, which is in no file, would break: column "amount" does not exist', done.stderr)
        # Going, it breaks nothing.
        done = self.deploy("--yes", "--allow-data-loss", "--prune")
        self.assertRegex(done.stdout, r"drop +query reader")
        self.assertEqual([query["name"] for query in self.status()["queries"]], ["takings"])

    def test_rows_that_cannot_be_counted_are_not_dropped_either(self):
        self.deploy("--yes")
        self.run_sql("CREATE STREAM other (a INT); INSERT INTO other VALUES (1);", "--data", self.data)
        folder = max(pathlib.Path(self.data, "streams").iterdir())
        for file in folder.glob("stream.*"):
            file.write_bytes(b"\0" * 64)
        done = self.deploy("--yes", "--prune", expect=1)
        self.assertRegex(done.stderr, r"stream other would be dropped, and its rows, which cannot be counted, with it \(--allow-data-loss\)")
        self.assertIn("Nothing was changed.", done.stderr)
        self.assertTrue(any(folder.glob("shard-*/*.log")))

    def test_what_is_in_no_file_stays_unless_pruned(self):
        self.deploy("--yes")
        self.run_sql("CREATE STREAM other (a INT); INSERT INTO other VALUES (1);", "--data", self.data)
        done = self.deploy("--yes")
        self.assertIn("not in these files: stream other", done.stdout)
        self.assertIn("Nothing to do", done.stderr)
        self.assertIn("stream other", self.diff().stderr)
        self.assertIn("(--allow-data-loss)", self.deploy("--yes", "--prune", expect=1).stderr)
        self.diff("--prune", expect=1)
        self.deploy("--yes", "--prune", "--allow-data-loss")
        self.assertEqual({stream["name"] for stream in self.status()["streams"]}, {"sales", "takings"})

    def test_mistakes_are_found_before_the_first_change(self):
        cases = [
            (TAKINGS.replace("sum(amount)", "sum(ammount)"), ["takings.sql, line 4", "did you mean"]),
            (TAKINGS + "SELECT 1;", ["takings.sql, line 11", "definitions only"]),
            (TAKINGS + "CREATE VIEW Takings AS SELECT 1 AS a;", ["takings.sql, line 11", "defined twice", "line 10"]),
            (TAKINGS.replace("sales BIGINT", "sales BIGITN"), ["takings.sql, line 10"]),
            (TAKINGS + "CREATE TABLE f (a INT) WITH (connector = 'flie');", ["takings.sql, line 11", "did you mean"]),
            (TAKINGS + "CREATE STREAM x AS SELECT 1 AS a;", ["takings.sql, line 11", "cannot be deployed"]),
        ]
        for text, parts in cases:
            with self.subTest(text=text):
                self.write("takings.sql", text)
                done = self.deploy("--yes", expect=1)
                for part in parts:
                    self.assertIn(part, done.stderr)
                self.assertEqual(self.status()["streams"], [])

    def test_a_failure_midway_is_taken_back(self):
        self.deploy("--yes")
        self.put("sales", ROWS)
        before = self.run_sql("SHOW CREATE ALL;", "--data", self.data, "--format", "json").stdout
        # A file that is not there shows only when the query starts.
        self.write(
            "takings.sql",
            TAKINGS.replace("amount > 0", "amount > 1")
            + "CREATE TABLE f (shop VARCHAR) WITH (connector = 'file', path = 'nosuch.json'); CREATE STREAM g (shop VARCHAR);\n"
            + "CREATE QUERY zz AS INSERT INTO g SELECT shop FROM f;",
        )
        done = self.deploy("--yes", expect=1)
        self.assertIn("create query zz failed", done.stderr)
        self.assertIn("nosuch.json", done.stderr)
        self.assertIn("Everything is as it was.", done.stderr)
        after = self.run_sql("SHOW CREATE ALL;", "--data", self.data, "--format", "json").stdout
        names = lambda text: sorted(line.split('"definition"')[0] for line in text.splitlines())
        self.assertEqual(names(after), names(before))
        self.write("takings.sql", TAKINGS)
        self.assertEqual(self.diff().stdout, "")

    def test_somebody_is_asked(self):
        terminal = Terminal("deploy", "streams.sql", "--data", self.data, cwd=self.folder)
        self.addCleanup(terminal.close)
        terminal.expect("[y/N]")
        terminal.type("n\n")
        self.assertEqual(terminal.wait(), 1)
        terminal = Terminal("deploy", "streams.sql", "--data", self.data, cwd=self.folder)
        self.addCleanup(terminal.close)
        terminal.expect("[y/N]")
        terminal.type("y\n")
        terminal.expect("1 definition deployed")
        self.assertEqual(terminal.wait(), 0)

    def test_every_saved_query_deploys(self):
        files = sorted(glob.glob(os.path.join(QUERIES, "*.sql")))
        self.assertGreaterEqual(len(files), 15)
        arguments = ["--set", "requests_per_minute=100"]
        done = self.deploy("--yes", *arguments, files=files)
        self.assertIn("definitions deployed", done.stderr)
        # A directory that runs them all, and one that takes each with its sources alone.
        self.assertEqual({query["state"] for query in self.status()["queries"]}, {"stopped"})
        self.assertIn("Nothing to do", self.deploy("--yes", *arguments, files=files).stderr)
        self.assertEqual(self.diff(*arguments, files=files).stdout, "")
        sources = {name: os.path.join(QUERIES, name + ".sql") for name in ("feed", "shop", "operations")}
        for path in files:
            if path in sources.values():
                continue
            with self.subTest(path=path):
                with open(path) as file:
                    text = file.read()
                needed = [source for name, source in sources.items() if f"({name}.sql)" in text]
                self.assertEqual(len(needed), 1, path)
                self.millrace("deploy", *needed, path, "--data", self.path("alone"), "--dry-run", *arguments)
                self.millrace("deploy", *needed, path, "--data", self.path("alone-" + os.path.basename(path)), "--yes", *arguments)
