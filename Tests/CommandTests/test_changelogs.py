"""Streams and files that are changelogs: Debezium's change events, `op`, upserts; in and out, and what is refused."""

import json
import unittest

from support import CommandTest


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


class Changelogs(CommandTest):
    def fold(self, rows):
        """What a file of rows with `op` adds up to."""
        kept = []
        for row in rows:
            op = row.pop("op")
            if op in ("+I", "+U"):
                kept.append(row)
            else:
                self.assertIn(row, kept)
                kept.remove(row)
        return sorted(kept, key=json.dumps)

    def test_debezium_is_right_at_every_epoch(self):
        events = [
            {"before": None, "after": {"id": 1, "k": "a", "v": 5}, "op": "c"},
            {"payload": {"before": None, "after": {"id": 2, "k": "a", "v": 7}, "op": "r"}},
            {"before": {"id": 1, "k": "a", "v": 5}, "after": {"id": 1, "k": "b", "v": 6}, "op": "u"},
            None,
            {"payload": {"before": {"id": 2, "k": "a", "v": 7}, "after": None, "op": "d"}},
            {"before": None, "after": {"id": 3, "k": "b", "v": 1}, "op": "c"},
        ]
        totals = [{"a": (1, 5)}, {"a": (2, 12)}, {"a": (1, 7), "b": (1, 6)}, {"a": (1, 7), "b": (1, 6)}, {"b": (1, 6)}, {"b": (2, 7)}]
        for count, expected in enumerate(totals, start=1):
            self.write("in.json", lines(*events[:count]))
            self.run_sql(
                """
                SET epoch_rows = 1; SET batch_rows = 1;
                CREATE TABLE t (id BIGINT, k VARCHAR, v BIGINT) WITH (connector = 'filesystem', path = 'in.json', format = 'debezium-json');
                CREATE TABLE o (k VARCHAR, n BIGINT, s BIGINT) WITH (connector = 'file', path = 'out.json');
                INSERT INTO o SELECT k, count(*), sum(v) FROM t GROUP BY k;
                """
            )
            folded = self.fold(self.read_json_lines("out.json"))
            self.assertEqual({row["k"]: (row["n"], row["s"]) for row in folded}, expected, f"{count} events")

    def test_bad_events_go_to_the_error_stream(self):
        self.run_sql("CREATE STREAM t (id BIGINT, v BIGINT) WITH (format = 'debezium-json')", "--data", self.data)
        self.put("t", lines({"after": {"id": 1}, "op": "c"}, {"after": {"id": 2}, "op": "u"}, {"id": 3}, {"after": {"id": "x"}, "op": "c"}))
        self.assertEqual([(row["id"], row["op"]) for row in self.tail("t", "--no-follow", "--from", "TRIM_HORIZON")], [(1, "+I")])
        reasons = [row["reason"] for row in self.rows("SELECT reason FROM t_errors", "--data", self.data)]
        self.assertEqual(len(reasons), 3)
        self.assertTrue(reasons[0].startswith('the row "before" the change is missing'), reasons)
        self.assertEqual(reasons[1], 'a change event needs an "op"')
        self.assertIn('column "after.id"', reasons[2])

    def test_change_events_out_and_in_again(self):
        self.write("in.json", lines(*({"k": "ab"[n % 5 == 0], "padding": "x" * 300} for n in range(300))))
        self.run_sql(
            """
            SET epoch_rows = 50; SET batch_rows = 10;
            CREATE TABLE t (k VARCHAR) WITH (connector = 'file', path = 'in.json');
            CREATE TABLE o (k VARCHAR, n BIGINT) WITH (connector = 'file', path = 'out.json', format = 'debezium-json');
            INSERT INTO o SELECT k, count(*) FROM t GROUP BY k;
            """
        )
        events = self.read_json_lines("out.json")
        self.assertGreater(len(events), 6)
        kept = []
        for event in events:
            self.assertEqual(sorted(event), ["after", "before", "op"])
            if event["op"] == "c":
                self.assertIsNone(event["before"])
                kept.append(event["after"])
            else:
                self.assertEqual((event["op"], event["after"]), ("d", None))
                kept.remove(event["before"])
        self.assertEqual(sorted(kept, key=json.dumps), [{"k": "a", "n": 240}, {"k": "b", "n": 60}])
        self.run_sql(
            """
            CREATE TABLE t (k VARCHAR, n BIGINT) WITH (connector = 'file', path = 'out.json', format = 'debezium-json');
            CREATE TABLE o (n BIGINT, ks BIGINT) WITH (connector = 'file', path = 'again.json');
            INSERT INTO o SELECT n, count(*) FROM t GROUP BY n;
            """
        )
        self.assertEqual(self.fold(self.read_json_lines("again.json")), [{"n": 240, "ks": 1}, {"n": 60, "ks": 1}])

    def test_upsert_stream(self):
        self.run_sql(
            "CREATE STREAM t (id BIGINT, v BIGINT NOT NULL, PRIMARY KEY (id) NOT ENFORCED) WITH (changelog = 'upsert') SHARDS 3;", "--data", self.data)
        self.put("t", lines({"id": 1, "v": 10}, {"id": 2, "v": 20}, {"id": 1, "v": 11}))
        self.put("t", lines({"id": 2, "op": "D"}, {"id": 9, "op": "D"}, {"id": 3, "v": 5, "op": "U"}, {"id": 4}))
        self.run_sql("INSERT INTO t VALUES (3, 6)", "--data", self.data)
        self.assertEqual(
            self.rows("SELECT id, v FROM t ORDER BY id", "--data", self.data), [{"id": 1, "v": 11}, {"id": 3, "v": 6}])
        self.assertEqual(self.rows("SELECT count(*) AS n, sum(v) AS s FROM t", "--data", self.data), [{"n": 2, "s": 17}])
        self.assertEqual(len(self.rows("SELECT * FROM t_errors", "--data", self.data)), 1)

    def test_what_leaves_a_query_leaves_its_upsert_stream(self):
        self.write("in.json", lines(*({"k": "abc"[n % 7 % 3], "padding": "x" * 300} for n in range(200))))
        self.run_sql(
            """
            SET epoch_rows = 20; SET batch_rows = 10;
            CREATE TABLE t (k VARCHAR) WITH (connector = 'file', path = 'in.json');
            CREATE TABLE o (k VARCHAR, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (connector = 'file', path = 'out.json', changelog = 'upsert');
            INSERT INTO o SELECT k, count(*) FROM t GROUP BY k HAVING count(*) < 60;
            """
        )
        counts = {k: sum("abc"[n % 7 % 3] == k for n in range(200)) for k in "abc"}
        self.assertEqual(
            self.rows(
                "CREATE TABLE o (k VARCHAR, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (connector = 'file', path = 'out.json', changelog = 'upsert');"
                "SELECT k, n FROM o ORDER BY k;"),
            [{"k": k, "n": n} for k, n in counts.items() if n < 60])

    def test_upserts_are_right_at_every_epoch(self):
        rows = [("a", 1), ("b", 2), ("a", 5), ("b", None), ("b", None), ("c", 5), ("a", 2)]
        kept = {}
        for count, (k, v) in enumerate(rows, start=1):
            kept.pop(k, None)
            if v is not None:
                kept[k] = v
            self.write("in.json", lines(*({"k": k, "v": v} if v is not None else {"k": k, "op": "D"} for k, v in rows[:count])))
            self.run_sql(
                """
                SET epoch_rows = 1; SET batch_rows = 1;
                CREATE TABLE t (k VARCHAR, v BIGINT NOT NULL, PRIMARY KEY (k) NOT ENFORCED)
                    WITH (connector = 'file', path = 'in.json', changelog = 'upsert');
                CREATE TABLE o (v BIGINT, n BIGINT) WITH (connector = 'file', path = 'out.json');
                INSERT INTO o SELECT v, count(*) FROM t GROUP BY v;
                """
            )
            expected = [{"v": v, "n": list(kept.values()).count(v)} for v in set(kept.values())]
            self.assertEqual(self.fold(self.read_json_lines("out.json")), sorted(expected, key=json.dumps), f"{count} rows")

    def test_versions_of_an_upsert_stream(self):
        self.write(
            "rates.json",
            lines(
                {"c": "EUR", "rate": 10, "ts": "2026-01-01T00:00:00"}, {"c": "USD", "rate": 20, "ts": "2026-01-01T00:00:00"},
                {"c": "EUR", "rate": 11, "ts": "2026-01-01T00:00:10"}, {"c": "USD", "op": "D", "ts": "2026-01-01T00:00:12"},
                {"c": "USD", "rate": 22, "ts": "2026-01-01T00:00:20"},
            ),
        )
        self.write(
            "orders.json",
            lines(*({"id": n, "c": c, "at": f"2026-01-01T00:00:{second:02}"} for n, (c, second) in enumerate(
                [("EUR", 5), ("EUR", 10), ("USD", 11), ("USD", 12), ("USD", 19), ("USD", 21), ("GBP", 22)]))),
        )
        tables = """
            CREATE TABLE rates (c VARCHAR, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (c) NOT ENFORCED)
                WITH (connector = 'file', path = 'rates.json', changelog = 'upsert');
            CREATE TABLE orders (id INT, c VARCHAR, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH (connector = 'file', path = 'orders.json');
            CREATE TABLE o (id INT, rate INT) WITH (connector = 'file', path = 'out.json');
            """
        query = "SELECT o.id, r.rate FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.c = r.c"
        expected = [(0, 10), (1, 11), (2, 20), (3, None), (4, None), (5, 22), (6, None)]
        for settings in ["", "SET epoch_rows = 1; SET batch_rows = 1;"]:
            self.run_sql(settings + tables + f"INSERT INTO o {query};")
            self.assertEqual(sorted((row["id"], row["rate"]) for row in self.read_json_lines("out.json")), expected)
        self.assertEqual(sorted((row["id"], row["rate"]) for row in self.rows(tables + query + ";")), expected)
        # As it is now.
        self.assertEqual(self.rows(tables + "SELECT c, rate FROM rates ORDER BY c;"), [{"c": "EUR", "rate": 11}, {"c": "USD", "rate": 22}])

    def test_refusals(self):
        def error(sql):
            return self.run_sql(sql, expect=1).stderr

        source = "CREATE STREAM t (k VARCHAR, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (format = 'debezium-json');\n"
        said = error(source + "CREATE STREAM o (k VARCHAR) WITH (changelog = 'append'); INSERT INTO o SELECT k FROM t;")
        self.assertIn("takes no updates, and the query takes rows back", said)
        self.assertIn("changelog = 'append'", said)
        self.assertIn("needs a PRIMARY KEY", error("CREATE STREAM t (k VARCHAR) WITH (changelog = 'upsert');"))
        self.assertIn(
            "would lie in several shards",
            error("CREATE STREAM t (k VARCHAR, v INT, PRIMARY KEY (k)) PARTITION BY v WITH (changelog = 'upsert');"))
        self.assertIn("where their order is lost", error("CREATE STREAM t (k VARCHAR) WITH (changelog = 'op') SHARDS 2;"))
        self.assertIn("contradicts", error("CREATE STREAM t (k VARCHAR) WITH (format = 'debezium-json', changelog = 'append');"))
        self.assertIn("is 'op', 'upsert' or 'append'", error("CREATE STREAM t (k VARCHAR) WITH (changelog = 'ob');"))
        self.assertIn("expected 'json', 'csv' or 'debezium-json'", error("CREATE STREAM t (k VARCHAR) WITH (format = 'avro');"))
        said = error("CREATE STREAM u (k VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (k)) WITH (changelog = 'upsert');\n"
            "SELECT STREAM window_start, count(*) FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;")
        self.assertIn("windows over the rows of an upsert stream are not supported yet", said)


if __name__ == "__main__":
    unittest.main()
