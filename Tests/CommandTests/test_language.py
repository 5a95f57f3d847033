"""Statements as people of Flink and PostgreSQL write them: what they give, and what is said where there is nothing."""

import json
import unittest

from support import CommandTest

ROWS = [
    {"id": 1, "k": "a", "price": 10, "name": "Alpha", "ts": "2026-01-01T00:00:01", "tags": ["p", "q"]},
    {"id": 2, "k": "b", "price": 20, "name": "beta", "ts": "2026-01-01T00:00:03", "tags": ["q"]},
    {"id": 3, "k": "a", "price": 30, "name": None, "ts": "2026-01-01T00:00:12", "tags": []},
    {"id": 4, "k": "c", "price": None, "name": "Gamma ray", "ts": "2026-01-01T00:00:25", "tags": None},
]


class Language(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("bid.json", "".join(json.dumps(row) + "\n" for row in ROWS))
        self.setup = (
            "CREATE TABLE bid (id BIGINT, k VARCHAR, price BIGINT, name VARCHAR, ts TIMESTAMP(3), tags ARRAY<VARCHAR>, "
            "WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH (connector = 'file', path = 'bid.json', format = 'json');\n"
            "CREATE TABLE sink (k VARCHAR, n BIGINT) WITH (connector = 'print');\n"
        )

    def gives(self, sql, *rows):
        self.assertEqual([list(row.values()) for row in self.rows(self.setup + sql + ";")], [list(row) for row in rows], sql)

    def fails(self, sql, *parts):
        said = self.run_sql(self.setup + sql + ";", expect=1).stderr
        for part in parts:
            self.assertIn(part, said, sql)

    def test_queries(self):
        self.gives("SELECT DISTINCT ON (k) k, price FROM bid ORDER BY k, price DESC", ["a", 30], ["b", 20], ["c", None])
        self.gives("SELECT k, count(price) FROM bid GROUP BY ALL ORDER BY 1", ["a", 2], ["b", 1], ["c", 0])
        self.gives("SELECT count(*) FROM bid WHERE 'p' = ANY (tags)", [1])
        self.gives("SELECT id FROM bid WHERE k = ANY ('{a,c}') AND k <> ALL (ARRAY['c'])", [1], [3])
        self.gives("SELECT (ts, INTERVAL '5' SECOND) OVERLAPS (TIMESTAMP '2026-01-01 00:00:05', INTERVAL '1' SECOND) FROM bid", [True], [True], [False], [False])
        self.gives("SELECT (DATE '2026-01-01', DATE '2026-01-02') OVERLAPS (DATE '2026-01-02', DATE '2026-01-03')", [False])
        self.gives("SELECT FIRST_VALUE(name IGNORE NULLS), LAST_VALUE(name) IGNORE NULLS FROM bid", ["Alpha", "Gamma ray"])
        self.gives("SELECT k, w FROM bid, LATERAL TABLE(SPLIT(name, ' ')) AS t(w)", ["a", "Alpha"], ["b", "beta"], ["c", "Gamma"], ["c", "ray"])
        self.gives("SELECT k, GROUPING(k), count(*) FROM bid WHERE price > 99 GROUP BY ROLLUP (k)", [None, 1, 0])
        self.gives("SELECT CURRENT_TIMESTAMP(0) <= NOW(), typeof(LOCALTIMESTAMP(2))", [True, "TIMESTAMP(2)"])
        self.gives("SELECT round(avg(n)::numeric, 2), '1.25'::numeric AS b, CAST(3 AS DECIMAL) AS c FROM (VALUES (0.5e0), (1e0)) AS t (n)", [0.75, 1.25, 3])
        self.gives("SELECT ~5, make_interval(days => 1, hours => 2)", [-6, "1 day 02:00:00"])
        self.gives("SELECT regexp_match('ab12', '([a-z]+)(\\d+)'), REGEXP_EXTRACT_ALL('a1b2', '[0-9]')", [["ab", "12"], ["1", "2"]])
        self.assertEqual([row["id"] for row in self.rows(self.setup + "TABLE bid;")], [1, 2, 3, 4])

    def test_statements_of_flink(self):
        both = ["BEGIN STATEMENT SET; INSERT INTO sink SELECT k, id FROM bid; INSERT INTO sink SELECT k, price FROM bid; END"]
        both.append("EXECUTE STATEMENT SET BEGIN INSERT INTO sink SELECT k, id FROM bid; INSERT INTO sink SELECT k, price FROM bid; END")
        for sql in both:
            self.gives(sql, *([row["k"], row["id"]] for row in ROWS), *([row["k"], row["price"]] for row in ROWS))
        self.gives("SET 'execution.runtime-mode' = 'streaming'; RESET; CREATE TEMPORARY VIEW v AS SELECT k FROM bid; SELECT count(*) FROM v", [4])
        self.assertIn("emit", json.dumps(self.rows(self.setup + "EXPLAIN CHANGELOG_MODE, ESTIMATED_COST INSERT INTO sink SELECT k, count(*) FROM bid GROUP BY k;")))
        self.gives("SHOW COLUMNS FROM sink", ["k", "VARCHAR", "yes", ""], ["n", "BIGINT", "yes", ""])
        self.gives("CREATE TABLE c WITH ('connector' = 'print') AS SELECT k, price * 2 AS twice FROM bid WHERE price > 15", ["b", 40], ["a", 60])
        self.gives("CREATE STREAM c AS SELECT k, count(*) AS n FROM bid GROUP BY k; SELECT k, n FROM c WHERE k = 'a'", ["a", 2, "+I"])
        self.gives("CREATE TABLE c LIKE bid; SELECT count(*) FROM c", [4])
        self.gives("CREATE TABLE c WITH (connector = 'print') LIKE sink; INSERT INTO c VALUES ('x', 1)", ["x", 1])
        self.gives("CREATE STREAM c LIKE bid (EXCLUDING ALL); INSERT INTO c SELECT * FROM bid; SELECT count(*) FROM c", [4])
        self.gives("CREATE TABLE m (id INT COMMENT 'x', CONSTRAINT p PRIMARY KEY (id) NOT ENFORCED) COMMENT 'y' WITH ('connector' = 'blackhole'); DESCRIBE m",
            ["id", "INTEGER", "yes", "PRIMARY KEY"])

    def test_derived_streams_survive_what_they_came_from(self):
        self.run_sql(self.setup + "CREATE STREAM c AS SELECT k, tags, count(*) AS n FROM bid GROUP BY k, tags; DROP TABLE bid;", "--data", self.data)
        self.assertEqual(len(self.rows("SELECT * FROM c", "--data", self.data)), 4)

    def test_refusals(self):
        self.fails("UPDATE bid SET k = 'a'", "UPDATE is not supported", "changelog = 'upsert'")
        self.fails("ALTER TABLE bid RENAME TO b", "ALTER is not supported", "CREATE OR REPLACE")
        self.fails("USE CATALOG x", "USE is not supported", "--data DIR")
        self.fails("SHOW DATABASES", "there are no databases here")
        self.fails("CREATE CATALOG c WITH ('type' = 'x')", "CREATE CATALOG is not supported")
        self.fails("CREATE TABLE m (id INT, x VARCHAR METADATA) WITH ('connector' = 'blackhole')", "METADATA columns are not supported")
        self.fails("SELECT unnest(tags) FROM bid", "it gives rows, and stands in FROM", "CROSS JOIN UNNEST")
        self.fails("SELECT collect(k) FROM bid", "there are no multisets", "histogram(x)")
        self.fails("SELECT price > 1 && price < 5 FROM bid", "conditions are joined by AND")
        self.fails("SELECT (1, 2) OVERLAPS (3, 4, 5)", "OVERLAPS compares two pairs")
        self.fails("SELECT '[1]' IS JSON WITH UNIQUE KEYS", "WITH UNIQUE KEYS is not supported yet")
        self.fails("SELECT JSON_VALUE('[1]', '$.a' ERROR ON EMPTY)", "the JSON path leads nowhere")
        self.fails("SELECT JSON_VALUE('x', '$' ERROR ON ERROR)", "the text is no JSON")
        self.fails("CREATE TABLE c LIKE nobody", 'relation "nobody" does not exist')


if __name__ == "__main__":
    unittest.main()
