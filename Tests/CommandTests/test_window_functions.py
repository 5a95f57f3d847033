"""Window functions and rankings against DuckDB, which counts as the definition: random windows and frames over random rows, asked as a plain
SELECT and as a query that goes on (its changelog folded). Skipped where DuckDB is not installed."""

import collections
import datetime
import decimal
import json
import os
import random
import unittest

from support import CommandTest

try:
    import duckdb
except ImportError:
    duckdb = None

QUERIES = int(os.environ.get("WINDOW_QUERIES", "60"))
TABLE = """CREATE TABLE t (k VARCHAR, v BIGINT, d DOUBLE, id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH (connector = 'file', path = 'rows.jsonl', format = 'json');
"""


def rows(pick, count):
    """In a disorder that the watermark allows, with NULLs and ties."""
    start = datetime.datetime(2026, 1, 1)
    for number in range(count):
        second = max(0, number // 2 + pick.randint(-2, 2))
        yield {
            "k": pick.choice(["a", "b", "c", None]),
            "v": pick.choice([None, *range(12)]),
            "d": pick.choice([None, *(quarter / 4 for quarter in range(-6, 7))]),
            "id": number,
            "ts": (start + datetime.timedelta(seconds=second)).isoformat(timespec="milliseconds"),
        }


def frame(pick, order):
    """A frame that both understand, for an ORDER BY of these columns."""
    unit = pick.choice(["ROWS", "RANGE", "GROUPS", None])
    if unit is None or not order:
        return ""
    if unit == "RANGE" and order[0] == "ts":
        distance = f"INTERVAL '{pick.randint(0, 6)}' SECOND"
    else:
        distance = str(pick.randint(0, 4))
    single = len(order) == 1 and order[0] in ("ts", "v")
    near = ["CURRENT ROW"] if unit == "RANGE" and not single else [f"{distance} PRECEDING", "CURRENT ROW"]
    far = ["CURRENT ROW", "UNBOUNDED FOLLOWING"] if unit == "RANGE" and not single else ["CURRENT ROW", f"{distance} FOLLOWING", "UNBOUNDED FOLLOWING"]
    return f" {unit} BETWEEN {pick.choice(['UNBOUNDED PRECEDING', *near])} AND {pick.choice(far)}"


def call(pick):
    """A function, and whether it wants a total order to be the same everywhere, and whether it has a frame."""
    return pick.choice(
        [
            ("ROW_NUMBER()", True, False), ("RANK()", False, False), ("DENSE_RANK()", False, False), ("NTILE(3)", True, False),
            ("LAG(v)", True, False), ("LAG(id, 2, -1)", True, False), ("LEAD(v, 1)", True, False),
            ("FIRST_VALUE(v)", True, True), ("LAST_VALUE(id)", True, True), ("NTH_VALUE(id, 2)", True, True),
            ("count(*)", False, True), ("sum(v)", False, True), ("min(v)", False, True), ("max(d)", False, True), ("count(v)", False, True),
        ]
    )


def window(pick, order, framed):
    partition = pick.choice(["", "PARTITION BY k ", "PARTITION BY k, v "])
    cut = frame(pick, order) if framed else ""
    if cut.startswith(" ROWS") and order[-1] != "id":
        order = [*order, "id"]
    keys = ", ".join(column + pick.choice(["", " DESC"] if column != "ts" else [""]) for column in order)
    return f"{partition}{'ORDER BY ' + keys if order else ''}{cut}"


def query(pick):
    if pick.random() < 0.4:
        function = pick.choice(["ROW_NUMBER", "RANK", "DENSE_RANK"])
        order = pick.choice([["v", "id"], ["ts", "id"], ["d", "v", "id"]]) if function == "ROW_NUMBER" else [pick.choice(["v", "d", "ts"])]
        over = f"{function}() OVER ({window(pick, order, False)})"
        cut = pick.choice(["= 1", "<= 3", "< 3", "BETWEEN 2 AND 4"])
        if pick.random() < 0.5:
            return f"SELECT k, v, d, id FROM t QUALIFY {over} {cut}"
        return f"SELECT k, v, id, rn FROM (SELECT *, {over} AS rn FROM t) x WHERE rn {cut} AND id % 3 <> 1"
    items = []
    for number in range(pick.randint(1, 3)):
        text, total, framed = call(pick)
        order = pick.choice([["ts", "id"], ["v", "id"], ["id"]]) if total else pick.choice([["ts"], ["v"], ["ts", "v"], []])
        items.append(f"{text} OVER ({window(pick, order, framed)}) AS f{number}")
    return f"SELECT k, v, id, {', '.join(items)} FROM t"


def plain(value):
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float):
        return round(value, 9)
    return value


@unittest.skipIf(duckdb is None, "DuckDB is not installed")
class WindowFunctionTest(CommandTest):
    def folded(self, text):
        counts = collections.Counter()
        for line in text.splitlines():
            row = json.loads(line)
            sign = 1 if row.pop("op", "+I").startswith("+") else -1
            counts[tuple(plain(value) for value in row.values())] += sign
        self.assertTrue(all(count >= 0 for count in counts.values()), "a retraction of a row that is not there")
        return +counts

    def test_random_windows(self):
        pick = random.Random(2026)
        lines = [json.dumps(row) for row in rows(pick, 150)]
        self.write("rows.jsonl", "\n".join(lines) + "\n")
        with duckdb.connect() as connection:
            connection.execute("SET default_null_order = 'nulls_last_on_asc_first_on_desc'")
            connection.execute(
                f"CREATE TABLE t AS SELECT * FROM read_json('{self.path('rows.jsonl')}', format = 'newline_delimited',"
                " columns = {'k': 'VARCHAR', 'v': 'BIGINT', 'd': 'DOUBLE', 'id': 'BIGINT', 'ts': 'TIMESTAMP'})"
            )
            for _ in range(QUERIES):
                text = query(pick)
                wanted = collections.Counter(tuple(plain(value) for value in row) for row in connection.execute(text).fetchall())
                for ending in ("", " EMIT CHANGES"):
                    with self.subTest(query=text + ending):
                        self.write("query.sql", TABLE + text + ending + ";")
                        done = self.millrace("run", "query.sql", "--format", "json")
                        self.assertEqual(self.folded(done.stdout), wanted)


if __name__ == "__main__":
    unittest.main()
