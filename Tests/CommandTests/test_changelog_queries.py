"""Queries over inputs that are changelogs: what comes out, added up, is what the same query gives over the rows that are left."""

import json
import random
import unittest

from support import CommandTest

QUERIES = [
    "SELECT k, v, w FROM t WHERE v > 3",
    "SELECT k, count(*) AS n, sum(v) AS s, min(v) AS lo, max(w) AS hi, count(DISTINCT w) AS d FROM t GROUP BY k",
    "SELECT k, array_agg(v ORDER BY v, w) AS a, string_agg(w, '|' ORDER BY w, v) AS g, json_agg(v ORDER BY v) AS j FROM t GROUP BY k",
    "SELECT k, CAST(stddev_pop(v) AS DECIMAL(12, 6)) AS sd, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) AS p, mode() WITHIN GROUP (ORDER BY w) AS m FROM t GROUP BY k",
    "SELECT k, GROUPING(k) AS g, count(*) AS n FROM t GROUP BY ROLLUP (k)",
    "SELECT DISTINCT k, w FROM t",
    "SELECT n, count(*) AS groups FROM (SELECT k, count(*) AS n FROM t GROUP BY k) GROUP BY n",
    "SELECT k, n FROM (SELECT k, count(*) AS n FROM t GROUP BY k HAVING count(*) > 2)",
    "SELECT a.k, a.v, b.w FROM t AS a JOIN t AS b ON a.v = b.v AND a.k < b.k",
    "SELECT a.k, a.v, b.k AS other FROM t AS a LEFT JOIN (SELECT * FROM t WHERE w = 'x') AS b ON a.v = b.v",
    "SELECT a.k AS ak, b.k AS bk, a.v FROM (SELECT * FROM t WHERE v < 5) AS a FULL JOIN (SELECT * FROM t WHERE v > 3) AS b ON a.v = b.v",
    "SELECT k, v FROM t WHERE v IN (SELECT max(v) FROM t GROUP BY k)",
    "SELECT k, v FROM t AS o WHERE NOT EXISTS (SELECT 1 FROM t AS i WHERE i.v = o.v AND i.w = 'y')",
    "SELECT k, v, rn FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, w) AS rn FROM t) WHERE rn <= 2",
    "SELECT k, v FROM (SELECT k, v, RANK() OVER (ORDER BY v) AS r FROM t) WHERE r <= 3",
    "SELECT v FROM t WHERE w = 'x' EXCEPT SELECT v FROM t WHERE w = 'y'",
    "SELECT v FROM t WHERE w = 'x' INTERSECT ALL SELECT v FROM t WHERE w = 'y'",
    "SELECT k, v FROM t UNION ALL SELECT w, v FROM t",
    "SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY v, w ROWS UNBOUNDED PRECEDING) AS s FROM t",
    "SELECT k, (SELECT count(*) FROM t AS i WHERE i.k = o.k) AS n FROM t AS o WHERE v = 4",
    "SELECT k, min_by(w, v) IS NOT NULL AS has, bool_or(v > 8) AS b, covar_pop(DISTINCT v, v) >= 0 AS c FROM t GROUP BY k",
]


class ChangelogQueries(CommandTest):
    def changes(self, source, count):
        """Random events as (op rows, Debezium events, upsert rows, rows that are left)."""
        kept, op, debezium, upsert = {}, [], [], []
        for number in range(count):
            key = source.randrange(12)
            row = {"id": key, "k": source.choice("abc"), "v": source.randrange(10), "w": source.choice("xyz")}
            if key not in kept:
                op.append({**row, "op": "+I"})
                debezium.append({"before": None, "after": row, "op": "c"})
                upsert.append(row)
                kept[key] = row
            elif source.random() < 0.35:
                old = kept.pop(key)
                op.append({**old, "op": "-D"})
                debezium.append({"payload": {"before": old, "after": None, "op": "d"}})
                upsert.append({"id": key, "op": "D"})
            else:
                op += [{**kept[key], "op": "-U"}, {**row, "op": "+U"}]
                debezium.append({"before": kept[key], "after": row, "op": "u"})
                upsert.append({**row, "op": "U"})
                kept[key] = row
        return {"op": op, "debezium": debezium, "upsert": upsert}, list(kept.values())

    def fold(self, rows):
        kept = {}
        for row in rows:
            addition = row.pop("op", "+I") in ("+I", "+U")
            text = json.dumps(row, sort_keys=True)
            kept[text] = kept.get(text, 0) + (1 if addition else -1)
        self.assertEqual([text for text, count in kept.items() if count < 0], [])
        return sorted(text for text, count in kept.items() for _ in range(count))

    def test_changelogs_give_what_the_rows_give(self):
        columns = "id BIGINT, k VARCHAR, v BIGINT, w VARCHAR"
        options = {
            "op": "changelog = 'op'", "debezium": "format = 'debezium-json'", "upsert": "changelog = 'upsert'",
        }
        for seed in range(3):
            source = random.Random(seed)
            inputs, left = self.changes(source, 60 + 40 * seed)
            # Long lines, so that an epoch is a few of them.
            padding = "x" * 400
            self.write("left.json", "".join(json.dumps(row) + "\n" for row in left))
            bounded = f"CREATE TABLE t ({columns}) WITH (connector = 'file', path = 'left.json');\n"
            expected = [self.fold(self.rows(bounded + query + ";")) for query in QUERIES]
            self.assertGreater(sum(map(len, expected)), 80)
            for kind, rows in inputs.items():
                self.write(f"{kind}.json", "".join(json.dumps({**row, "padding": padding}) + "\n" for row in rows))
                key = ", PRIMARY KEY (id) NOT ENFORCED" if kind == "upsert" else ""
                for settings in ["", "SET epoch_rows = 3; SET batch_rows = 2; SET workers = 3;"]:
                    script = settings + f"CREATE TABLE t ({columns}{key}) WITH (connector = 'file', path = '{kind}.json', {options[kind]});\n"
                    for number, query in enumerate(QUERIES):
                        script += f"CREATE TABLE o{number} WITH (connector = 'file', path = 'out{number}.json', format = 'json') AS {query};\n"
                    self.run_sql(script)
                    for number, query in enumerate(QUERIES):
                        self.assertEqual(
                            self.fold(self.read_json_lines(f"out{number}.json")), expected[number], f"seed {seed}, {kind}, {settings} {query}")


if __name__ == "__main__":
    unittest.main()
