"""Aggregates against DuckDB on random rows: the statistical family, percentiles, collections, grouping sets. Skipped without duckdb."""

import json
import math
import random
import unittest

from support import CommandTest

try:
    import duckdb
except ImportError:
    duckdb = None

NUMBERS = [
    "stddev_samp(x)", "stddev_pop(x)", "var_samp(x)", "var_pop(x)", "skewness(x)", "kurtosis(x)", "covar_samp(y, x)", "covar_pop(y, x)",
    "corr(y, x)", "regr_count(y, x)", "regr_avgx(y, x)", "regr_avgy(y, x)", "regr_sxx(y, x)", "regr_syy(y, x)", "regr_sxy(y, x)",
    "regr_slope(y, x)", "regr_intercept(y, x)", "regr_r2(y, x)", "median(x)", "quantile_cont(x, 0.1)", "quantile_cont(y, 0.93)",
    "percentile_cont(0.3) WITHIN GROUP (ORDER BY x DESC)", "percentile_disc(0.6) WITHIN GROUP (ORDER BY x)", "quantile_disc(n, 0.25)",
    "sum(x)", "avg(x)", "min(x)", "max(y)", "count(DISTINCT n)", "sum(DISTINCT n)", "bit_and(n)", "bit_or(n)", "bit_xor(n)",
    "arg_min(x, id)", "arg_max(n, id)", "count_if(x > 0)", "first(x ORDER BY id) FILTER (WHERE x IS NOT NULL)",
    "last(n ORDER BY id) FILTER (WHERE n IS NOT NULL)", "product(z)", "avg(n) FILTER (WHERE x > 0)",
]


@unittest.skipIf(duckdb is None, "needs duckdb")
class AggregatesAgainstDuckDB(CommandTest):
    def setUp(self):
        super().setUp()
        source = random.Random(11)
        rows = []
        for number in range(4000):
            def maybe(value):
                return None if source.random() < 0.08 else value

            rows.append(
                {
                    "id": number, "k": maybe(source.choice("abcd")), "n": maybe(source.randrange(-50, 50)),
                    "x": maybe(round(source.gauss(3, 20), 3)), "y": maybe(round(source.expovariate(0.1), 4)), "z": source.choice([1.5, -0.75, 1.25]),
                    "s": maybe(source.choice(["", "p", "quote'", "é", "long text"])),
                }
            )
        self.source = self.write("rows.json", "".join(json.dumps(row) + "\n" for row in rows))
        self.table = (
            "CREATE TABLE t (id BIGINT, k VARCHAR, n BIGINT, x DOUBLE, y DOUBLE, z DOUBLE, s VARCHAR) "
            f"WITH (connector = 'file', path = '{self.source}', format = 'json');\n"
        )
        self.duck = duckdb.connect()
        self.duck.execute("SET default_null_order = 'nulls_last_on_asc_first_on_desc'")
        self.duck.execute(
            f"CREATE TABLE t AS SELECT * FROM read_json('{self.source}', format = 'newline_delimited', columns = "
            "{id: 'BIGINT', k: 'VARCHAR', n: 'BIGINT', x: 'DOUBLE', y: 'DOUBLE', z: 'DOUBLE', s: 'VARCHAR'})"
        )

    def same(self, ours, theirs, label):
        if isinstance(theirs, (list, tuple)):
            self.assertEqual(len(ours), len(theirs), label)
            for a, b in zip(ours, theirs):
                self.same(a, b, label)
        elif theirs is None or isinstance(theirs, str):
            self.assertEqual(ours, theirs, label)
        else:
            self.assertIsNotNone(ours, label)
            self.assertTrue(math.isclose(float(ours), float(theirs), rel_tol=1e-6, abs_tol=1e-9), f"{label}: {ours} is not {theirs}")

    def compare(self, query):
        cursor = self.duck.execute(query)
        names = [column[0] for column in cursor.description]
        theirs = cursor.fetchall()
        ours = [[row[name] for name in names] for row in self.rows(self.table + query + ";")]
        self.assertEqual(len(ours), len(theirs), query)
        for a, b in zip(ours, theirs):
            self.same(a, list(b), query)

    def test_numbers(self):
        for start in range(0, len(NUMBERS), 8):
            items = ", ".join(f"{text} AS c{index}" for index, text in enumerate(NUMBERS[start:start + 8]))
            self.compare(f"SELECT k, {items} FROM t GROUP BY k ORDER BY k")
            self.compare(f"SELECT {items} FROM t WHERE id < 3")

    def test_collections(self):
        self.compare("SELECT k, array_agg(n ORDER BY x, id) AS a, string_agg(s, '|' ORDER BY id DESC) AS b FROM t GROUP BY k ORDER BY k")
        self.compare("SELECT k, array_agg(DISTINCT n ORDER BY n DESC) AS a, string_agg(DISTINCT s, ',' ORDER BY s) AS b FROM t GROUP BY k ORDER BY k")

    def test_grouping_sets(self):
        for sets in ["ROLLUP (k, n % 3)", "CUBE (k, n % 3)", "GROUPING SETS ((k), (n % 3), ())", "k, ROLLUP (n % 3, n % 2)"]:
            self.compare(
                f"SELECT k, n % 3 AS r, GROUPING(k) AS g, count(*) AS c, sum(n) AS s FROM t WHERE n >= 0 GROUP BY {sets} "
                "HAVING count(*) > 5 ORDER BY 1, 2, 3, 4, 5"
            )

    def test_estimates(self):
        row = self.rows(self.table + "SELECT approx_count_distinct(id) AS c, approx_percentile(y, 0.9) AS p, percentile_disc(0.9) WITHIN GROUP (ORDER BY y) AS e FROM t;")[0]
        self.assertLess(abs(row["c"] - 4000), 4000 * 0.06)
        self.assertLess(abs(row["p"] - row["e"]), row["e"] / 256)


if __name__ == "__main__":
    unittest.main()
