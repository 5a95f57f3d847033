"""pg_catalog, information_schema and millrace: what programs that know PostgreSQL ask, and that the answers are PostgreSQL's."""

import json

from support import CommandTest

SETUP = """
CREATE STREAM bid (auction BIGINT NOT NULL, price INT, url VARCHAR(20), amount DECIMAL(10, 2), tags VARCHAR ARRAY,
    ts TIMESTAMP(3), day AS DATE_FORMAT(ts, 'yyyy-MM-dd'), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND, PRIMARY KEY (auction, ts) NOT ENFORCED);
CREATE TABLE hole (k VARCHAR) WITH (connector = 'blackhole');
CREATE VIEW big AS SELECT auction, price FROM bid WHERE price > 3;
CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN x * 2;
CREATE STREAM "Mixed" (a INT);
"""


class CatalogTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.run_sql(SETUP, "--data", self.data)

    def ask(self, sql):
        return [tuple(row.values()) for row in self.rows(sql, "--data", self.data)]

    def test_relations_have_their_kinds(self):
        found = self.ask(
            """SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND n.nspname NOT IN ('information_schema', 'millrace')
               AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2"""
        )
        self.assertEqual(
            found,
            [
                ("public", "Mixed", "r"),
                ("public", "bid", "r"),
                ("public", "bid_pkey", "i"),
                ("public", "big", "v"),
                ("public", "hole", "f"),
            ],
        )

    def test_a_name_is_found_without_regard_to_case(self):
        for pattern in ("^(mixed)$", "^(MIXED)$"):
            self.assertEqual(
                self.ask(f"SELECT relname FROM pg_class WHERE relname OPERATOR(pg_catalog.~) '{pattern}' COLLATE pg_catalog.default"), [("Mixed",)]
            )

    def test_columns_have_postgresql_types(self):
        found = self.ask(
            """SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
                 (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
                  WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef)
               FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'bid'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
        )
        self.assertEqual([row[:2] for row in found], [
            ("auction", "bigint"), ("price", "integer"), ("url", "character varying(20)"), ("amount", "numeric(10,2)"), ("tags", "text[]"),
            ("ts", "timestamp(3) without time zone"), ("day", "text"),
        ])
        self.assertEqual([row[0] for row in found if row[2]], ["auction", "ts"])
        self.assertIn("date_format", [row[3] for row in found if row[3]][0].lower())

    def test_numbers_last(self):
        before = self.ask("SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 2")
        self.run_sql("CREATE STREAM another (a INT); DROP STREAM \"Mixed\"", "--data", self.data)
        after = dict((name, oid) for oid, name in self.ask("SELECT oid, relname FROM pg_class WHERE relnamespace = 2200"))
        for oid, name in before:
            if name != "Mixed":
                self.assertEqual(after[name], oid)
        self.assertEqual(self.ask("SELECT 'bid'::regclass::oid = (SELECT oid FROM pg_class WHERE relname = 'bid')"), [(True,)])

    def test_keys_show_as_constraints(self):
        self.assertEqual(
            self.ask(
                """SELECT con.conname, pg_get_constraintdef(con.oid), i.indisprimary,
                     (SELECT array_agg(a.attname ORDER BY k.n) FROM unnest(con.conkey) WITH ORDINALITY AS k(num, n)
                      JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.num)
                   FROM pg_constraint con JOIN pg_index i ON i.indexrelid = con.conindid WHERE con.conrelid = to_regclass('public.bid')"""
            ),
            [("bid_pkey", "PRIMARY KEY (auction, ts)", True, ["auction", "ts"])],
        )

    def test_information_schema(self):
        self.assertEqual(
            self.ask("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"),
            [("Mixed", "BASE TABLE"), ("bid", "BASE TABLE"), ("big", "VIEW"), ("hole", "FOREIGN")],
        )
        self.assertEqual(
            self.ask(
                """SELECT column_name, data_type, is_nullable, numeric_precision, numeric_scale FROM information_schema.columns
                   WHERE table_name = 'bid' AND data_type <> 'text' ORDER BY ordinal_position"""
            ),
            [
                ("auction", "bigint", "NO", 64, 0), ("price", "integer", "YES", 32, 0), ("url", "character varying", "YES", None, None),
                ("amount", "numeric", "YES", 10, 2), ("tags", "ARRAY", "YES", None, None),
                ("ts", "timestamp without time zone", "NO", None, None),
            ],
        )
        self.assertEqual(
            self.ask("SELECT constraint_name, column_name FROM information_schema.key_column_usage ORDER BY ordinal_position"),
            [("bid_pkey", "auction"), ("bid_pkey", "ts")],
        )
        self.assertIn(("twice",), self.ask("SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'public'"))

    def test_everything_has_its_columns(self):
        """Every system relation can be read, and no column is of a type that cannot be shown."""
        names = self.ask("SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> 'public'")
        self.assertGreater(len(names), 130)
        script = "".join(f'SELECT * FROM {schema}."{name}" LIMIT 3;\n' for schema, name in names)
        self.run_sql(script, "--format", "json", "--data", self.data)

    def test_subqueries_and_recursion(self):
        self.assertEqual(
            self.ask("WITH RECURSIVE t(n, depth) AS (SELECT 1, 0 UNION ALL SELECT n * 2, depth + 1 FROM t WHERE depth < 5) SELECT max(n), count(*) FROM t"),
            [(32, 6)],
        )
        self.assertEqual(
            self.ask(
                """SELECT t.typname, (WITH RECURSIVE up(oid, depth) AS (SELECT t.oid, 0 UNION ALL SELECT e.typelem, up.depth + 1
                     FROM pg_type e, up WHERE e.oid = up.oid AND e.typelem <> 0) SELECT max(depth) FROM up)
                   FROM pg_type t WHERE t.typname IN ('_int4', 'int4') ORDER BY 1"""
            ),
            [("_int4", 1), ("int4", 0)],
        )
        self.assertEqual(self.ask("SELECT ARRAY(SELECT nspname FROM pg_namespace WHERE nspname LIKE 'p%' ORDER BY 1)"), [(["pg_catalog", "public"],)])
        self.assertEqual(self.ask("SELECT relname FROM pg_class WHERE relkind = ANY(ARRAY['v', 'm']) AND relname = ANY('{big,bid}')"), [("big",)])
        self.assertEqual(
            self.ask("SELECT c.relname, a.n FROM pg_class c, LATERAL (SELECT count(*) AS n FROM pg_attribute WHERE attrelid = c.oid) a WHERE c.relname = 'big'"),
            [("big", 2)],
        )
        self.assertEqual(self.ask("SELECT generate_series(1, 3) AS i, unnest(ARRAY['a', 'b'])"), [(1, "a"), (2, "b"), (3, None)])
        self.assertEqual(
            self.ask("SELECT (information_schema._pg_expandarray(conkey)).n, pg_get_userbyid(10) FROM pg_constraint"), [(1, "millrace"), (2, "millrace")]
        )
        self.assertEqual(
            self.ask("SELECT relkind, count(*), string_agg(relname, ',' ORDER BY relname DESC) FROM pg_class WHERE relnamespace = 2200 GROUP BY 1 HAVING count(*) > 1"),
            [("r", 2, "bid,Mixed")],
        )

    def test_functions_about_the_session(self):
        self.assertEqual(
            self.ask("SELECT current_user, current_database(), current_schema(), current_schemas(true), pg_is_in_recovery()"),
            [("millrace", "millrace", "public", ["pg_catalog", "public"], False)],
        )
        self.assertEqual(self.ask("SELECT current_setting('server_encoding'), set_config('search_path', '', false)"), [("UTF8", "")])
        self.assertTrue(self.ask("SELECT version()")[0][0].startswith("PostgreSQL "))
        self.assertEqual(self.ask("SELECT 'int4'::regtype::text AS a, 'timestamp'::regtype::oid AS b, 23::regtype AS c"), [("integer", 1114, "integer")])
        self.assertEqual(self.ask("SELECT to_regclass('nothing'), to_regtype('text')"), [(None, "text")])

    def test_a_system_relation_joins_a_stream(self):
        self.put("Mixed", '{"a": 1}\n{"a": 2}\n{"a": 2}\n')
        self.assertEqual(
            self.ask('SELECT c.relname, count(*) FROM "Mixed" m JOIN pg_catalog.pg_attribute a ON a.attnum = m.a JOIN pg_class c ON c.oid = a.attrelid '
                     "WHERE c.relname = 'big' GROUP BY c.relname"),
            [("big", 3)],
        )
        done = self.run_sql("INSERT INTO hole SELECT relname FROM pg_class", "--data", self.data, expect=1)
        self.assertIn("cannot be read by a query that goes on", done.stderr)

    def test_the_engine_tells_about_itself(self):
        self.put("Mixed", '{"a": 1}\n{"a": "x"}\n')
        self.assertEqual(
            self.ask("SELECT name, rows, error_rows FROM millrace.streams WHERE name = 'Mixed'"), [("Mixed", 1, 1)]
        )
        self.assertEqual(self.ask("SELECT stream, shard, \"end\", fault FROM millrace.shards WHERE stream = 'bid'"), [("bid", 0, 0, None)])

    def test_mistakes_are_told_as_postgresql_tells_them(self):
        for sql, expected in [
            ("SELECT relnme FROM pg_class", 'column "relnme" does not exist'),
            ("SELECT * FROM pg_catalog.pg_clas", 'relation "pg_catalog.pg_clas" does not exist'),
            ("SELECT 'nothing'::regclass", 'relation "nothing" does not exist'),
            ("SELECT oid FROM pg_class c, pg_type t", 'column reference "oid" is ambiguous'),
            ("SELECT (SELECT oid FROM pg_class)", "more than one row returned"),
            ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t", "rows at any step"),
            ("SELECT generate_series(1, 100000000)", "rows at any step"),
            ("SELECT row_number() OVER (ORDER BY oid) FROM pg_class", "not supported in queries of the catalog"),
            ("CREATE STREAM x (a REGCLASS)", "only known in queries of pg_catalog"),
            ("WITH RECURSIVE t AS (SELECT a FROM \"Mixed\" UNION ALL SELECT a FROM t) SELECT * FROM t", "over streams and tables is not supported"),
        ]:
            done = self.run_sql(sql, "--data", self.data, expect=1)
            self.assertIn(expected, done.stderr, sql)

    def test_a_join_behind_a_comma_sees_its_own_columns(self):
        self.assertEqual(
            self.ask(
                """SELECT c.relname, c2.relname, con.conname FROM pg_class c, pg_class c2, pg_index i
                     LEFT JOIN pg_constraint con ON (con.conrelid = i.indrelid AND con.conindid = i.indexrelid)
                   WHERE c.oid = i.indrelid AND i.indexrelid = c2.oid""".replace("c2.relname", "c2.relname AS i")
            ),
            [("bid", "bid_pkey", "bid_pkey")],
        )
