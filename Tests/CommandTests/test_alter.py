"""ALTER QUERY: another definition for a query that goes on; what fits of its state is kept, the rest is read from the log again."""

import json
import os
import random
import signal
import time

from support import CommandTest

STREAMS = """
    CREATE STREAM orders (id BIGINT, customer VARCHAR, amount BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) PARTITION BY customer SHARDS 2
    WITH (sync = 'none');
"""


def orders(first, last):
    """Two a second, of three customers."""
    return [
        {"id": i, "customer": "abc"[i * 7 % 3], "amount": i * 13 % 50, "ts": f"2026-01-01T00:{i // 120:02}:{i // 2 % 60:02}.{i % 2 * 5}00"}
        for i in range(first, last)
    ]


class AlterTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.run_sql(STREAMS, "--data", self.data)

    def put_orders(self, first, last):
        self.put("orders", "".join(json.dumps(row) + "\n" for row in orders(first, last)))

    def run_until_caught_up(self, sql, **options):
        return self.run_sql(sql, "--data", self.data, "--until-caught-up", **options)

    def explain(self, sql):
        done = self.run_sql("EXPLAIN " + sql, "--data", self.data, "--format", "csv")
        return done.stdout

    def folded(self, stream):
        counts = {}
        for row in self.tail(stream):
            change = 1 if row.pop("op", "+I") in ("+I", "+U") else -1
            key = json.dumps(row, sort_keys=True)
            counts[key] = counts.get(key, 0) + change
            self.assertGreaterEqual(counts[key], 0, f"{key} is taken back and was not there")
        return sorted(key for key, count in counts.items() for _ in range(count))

    def wanted(self, rows):
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    def per_window(self, rows, seconds, add=0):
        """The closed windows of a stream without delay."""
        def at(row):
            return int(row["ts"][14:16]) * 60 + int(row["ts"][17:19])
        end = max(at(row) for row in rows)
        windows = {}
        for row in rows:
            key = (at(row) // seconds * seconds, row["customer"])
            n, s = windows.get(key, (0, 0))
            windows[key] = (n + 1, s + row["amount"])
        return {key: value for key, value in windows.items() if key[0] + seconds <= end}

    WINDOWS = (
        "INSERT INTO sums SELECT window_start, customer, {n}, sum(amount) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '{size}' SECOND))"
        " GROUP BY window_start, window_end, customer"
    )

    def found_windows(self):
        return [(int(r["start"][14:16]) * 60 + int(r["start"][17:19]), r["customer"], r["n"], r["s"]) for r in self.tail("sums")]

    def test_a_window_keeps_its_state(self):
        self.run_until_caught_up(
            "CREATE STREAM sums (start TIMESTAMP(3), customer VARCHAR, n BIGINT, s BIGINT);"
            "CREATE QUERY q AS " + self.WINDOWS.format(n="count(*)", size=30))
        self.put_orders(0, 100)
        alter = "ALTER QUERY q AS " + self.WINDOWS.format(n="1000 + count(*)", size=30)
        self.run_until_caught_up("SELECT 1;")
        plan = self.explain(alter)
        self.assertIn("keep", plan)
        self.assertNotIn("rebuild", plan)
        self.assertNotIn("read again", plan)
        self.run_until_caught_up(alter)
        self.put_orders(100, 200)
        self.run_until_caught_up("SELECT 1;")
        self.put_orders(200, 260)
        self.run_until_caught_up("SELECT 1;")
        before = self.per_window(orders(0, 100), 30)
        after = {key: value for key, value in self.per_window(orders(0, 260), 30).items() if key not in before}
        self.assertTrue(before and after)
        wanted = [(w, c, n, s) for (w, c), (n, s) in before.items()] + [(w, c, 1000 + n, s) for (w, c), (n, s) in after.items()]
        self.assertEqual(sorted(self.found_windows()), sorted(wanted))
        self.assertIn("1000 +", self.run_sql("SHOW CREATE q;", "--data", self.data, "--format", "csv").stdout)

    def test_another_window_is_rebuilt_from_the_log(self):
        self.run_until_caught_up(
            "CREATE STREAM sums (start TIMESTAMP(3), customer VARCHAR, n BIGINT, s BIGINT);"
            "CREATE QUERY q AS " + self.WINDOWS.format(n="count(*)", size=10))
        self.put_orders(0, 130)
        self.run_until_caught_up("SELECT 1;")
        before = self.per_window(orders(0, 130), 10)
        alter = "ALTER QUERY q AS " + self.WINDOWS.format(n="count(*)", size=60)
        plan = self.explain(alter)
        self.assertIn("rebuild", plan)
        self.assertIn("drop", plan)
        self.assertIn("read again: orders, 130 rows", plan)
        self.run_until_caught_up(alter)
        self.put_orders(130, 400)
        self.run_until_caught_up("SELECT 1;")
        closed = self.per_window(orders(0, 130), 60)
        after = {key: value for key, value in self.per_window(orders(0, 400), 60).items() if key not in closed}
        self.assertIn((60, "a"), after)
        wanted = [(w, c, n, s) for (w, c), (n, s) in before.items()] + [(w, c, n, s) for (w, c), (n, s) in after.items()]
        self.assertEqual(sorted(self.found_windows()), sorted(wanted))

    TOTALS = "INSERT INTO totals SELECT customer, {value} FROM orders {where} GROUP BY customer {having}"

    def totals(self, rows, where=lambda row: True, having=lambda n: True, value=len):
        groups = {}
        for row in rows:
            if where(row):
                groups.setdefault(row["customer"], []).append(row["amount"])
        return self.wanted({"customer": c, "n": value(v)} for c, v in groups.items() if having(value(v)))

    def test_the_result_of_a_changelog_becomes_that_of_the_new_definition(self):
        self.run_until_caught_up(
            "CREATE STREAM totals (customer VARCHAR, n BIGINT); CREATE QUERY q AS "
            + self.TOTALS.format(value="count(*)", where="", having=""))
        self.put_orders(0, 100)
        self.run_until_caught_up("SELECT 1;")
        self.assertEqual(self.folded("totals"), self.totals(orders(0, 100)))
        # Another condition: rebuilt. Nothing new comes, and the result is the new one.
        alter = "ALTER QUERY q AS " + self.TOTALS.format(value="count(*)", where="WHERE amount > 25", having="")
        self.assertIn("differs between the old and the new result", self.explain(alter))
        self.run_until_caught_up(alter)
        self.assertEqual(self.folded("totals"), self.totals(orders(0, 100), where=lambda row: row["amount"] > 25))
        self.put_orders(100, 150)
        self.run_until_caught_up("SELECT 1;")
        self.assertEqual(self.folded("totals"), self.totals(orders(0, 150), where=lambda row: row["amount"] > 25))
        # A condition above: the state is kept, and the result is another one all the same.
        alter = "CREATE OR REPLACE QUERY q AS " + self.TOTALS.format(value="count(*)", where="WHERE amount > 25", having="HAVING count(*) > 24")
        done = self.run_until_caught_up(alter)
        self.assertIn("keep", done.stderr)
        self.assertEqual(
            self.folded("totals"), self.totals(orders(0, 150), where=lambda row: row["amount"] > 25, having=lambda n: n > 24))
        self.put_orders(150, 300)
        self.run_until_caught_up("SELECT 1;")
        self.assertEqual(
            self.folded("totals"), self.totals(orders(0, 300), where=lambda row: row["amount"] > 25, having=lambda n: n > 24))
        # The same again changes nothing.
        rows = len(self.tail("totals"))
        self.assertIn("nothing changes but its text", self.run_until_caught_up(alter.replace("SELECT", "SELECT /* again */")).stderr)
        self.assertEqual(len(self.tail("totals")), rows)

    def test_rows_in_a_file(self):
        self.run_until_caught_up(
            f"CREATE TABLE totals (customer VARCHAR, n BIGINT) WITH (connector = 'file', path = '{self.path('out.json')}', format = 'json');"
            "CREATE QUERY q AS " + self.TOTALS.format(value="count(*)", where="", having=""))
        self.put_orders(0, 90)
        self.run_until_caught_up("SELECT 1;")
        self.run_until_caught_up("ALTER QUERY q AS " + self.TOTALS.format(value="sum(amount)", where="", having=""))
        self.put_orders(90, 120)
        self.run_until_caught_up("SELECT 1;")
        counts = {}
        for row in self.read_json_lines("out.json"):
            change = 1 if row.pop("op", "+I") in ("+I", "+U") else -1
            key = json.dumps(row, sort_keys=True)
            counts[key] = counts.get(key, 0) + change
        self.assertEqual(sorted(k for k, c in counts.items() for _ in range(c)), self.totals(orders(0, 120), value=sum))

    def test_another_target_and_errors(self):
        self.run_until_caught_up(
            "CREATE STREAM totals (customer VARCHAR, n BIGINT); CREATE STREAM others (customer VARCHAR, n BIGINT);"
            "CREATE QUERY q AS " + self.TOTALS.format(value="count(*)", where="", having=""))
        self.put_orders(0, 60)
        self.run_until_caught_up("SELECT 1;")
        old = self.folded("totals")
        self.run_until_caught_up(
            "ALTER QUERY q AS " + self.TOTALS.format(value="count(*)", where="", having="").replace("INTO totals", "INTO others"))
        self.assertEqual(self.folded("totals"), old)
        self.assertEqual(self.folded("others"), self.totals(orders(0, 60)))
        failed = self.run_until_caught_up("ALTER QUERY p AS " + self.TOTALS.format(value="count(*)", where="", having=""), expect=1)
        self.assertIn('query "p" does not exist', failed.stderr)
        failed = self.run_until_caught_up("ALTER QUERY q AS INSERT INTO others SELECT customer FROM order", expect=1)
        self.assertIn("^", failed.stderr)
        self.put_orders(60, 70)
        self.run_until_caught_up("SELECT 1;")
        self.assertEqual(self.folded("others"), self.totals(orders(0, 70)))

    def test_killed_at_any_moment_it_is_the_old_or_the_new_one(self):
        self.run_until_caught_up(
            "CREATE STREAM totals (customer VARCHAR, n BIGINT); CREATE QUERY q AS "
            + self.TOTALS.format(value="count(*)", where="", having=""))
        count = 40
        self.put_orders(0, count)
        self.run_until_caught_up("SELECT 1;")
        definitions = ["count(*)", "sum(amount)"]
        values = [len, sum]
        # How long it takes here and now says when to kill: a fixed time would always come too early on a machine that is busy.
        began = time.monotonic()
        self.run_until_caught_up("ALTER QUERY q AS " + self.TOTALS.format(value=definitions[1], where="", having=""))
        seconds = time.monotonic() - began
        current = 1
        chosen = random.Random(5)
        seen = set()
        rounds = int(os.environ.get("MILLRACE_ALTER_KILLS", "12"))
        for round in range(3 * rounds):
            if round >= rounds and len(seen) == 2:
                break
            other = 1 - current
            child = self.start(
                "run", self.write("alter.sql", "ALTER QUERY q AS " + self.TOTALS.format(value=definitions[other], where="", having="")),
                "--data", self.data)
            time.sleep(chosen.random() * 1.5 * seconds)
            child.send_signal(signal.SIGKILL)
            child.wait()
            self.put_orders(count, count + 10)
            count += 10
            self.run_until_caught_up("SELECT 1;")
            text = self.run_sql("SHOW CREATE q;", "--data", self.data, "--format", "csv").stdout
            current = 1 if "sum(" in text else 0
            seen.add(current)
            self.assertEqual(self.folded("totals"), self.totals(orders(0, count), value=values[current]), f"round {round}")
            self.assertEqual(len(os.listdir(os.path.join(self.data, "queries"))), 1)
        self.assertEqual(seen, {0, 1})
