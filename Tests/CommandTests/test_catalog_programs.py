"""What programs that know PostgreSQL ask of its catalog, asked by the programs themselves: psql, psycopg, asyncpg, SQLAlchemy, pgcli."""

import asyncio
import re
import shutil
import subprocess
import unittest

from support import CommandTest

SETUP = """
CREATE STREAM bid (auction BIGINT NOT NULL, price INT, url VARCHAR(20), tags VARCHAR ARRAY, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '4' SECOND, PRIMARY KEY (auction, ts) NOT ENFORCED);
CREATE VIEW big AS SELECT auction, price FROM bid WHERE price > 3;
CREATE MATERIALIZED VIEW best AS SELECT auction, max(price) AS price FROM bid GROUP BY auction;
CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN x * 2;
CREATE TABLE hole (k VARCHAR) WITH (connector = 'blackhole');
"""


def needs(module):
    try:
        __import__(module)
        return lambda test: test
    except ImportError:
        return unittest.skip(f"the Python package {module} is not installed")


class CatalogProgramTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.run_sql(SETUP, "--data", self.data)
        child = self.start("serve", "--data", self.data, "--listen", "postgres://127.0.0.1:0")
        self.port = None
        while self.port is None:
            line = child.stderr.readline()
            self.assertTrue(line, "the server has ended")
            if found := re.search(r"protocol=postgres address=127\.0\.0\.1:(\d+)", line):
                self.port = found.group(1)
        self.server = child

    def tearDown(self):
        if self.server.poll() is None:
            self.stop(self.server)
        super().tearDown()

    @property
    def url(self):
        return f"postgresql://ada@127.0.0.1:{self.port}/work"

    def psql(self, *commands):
        arguments = [part for command in commands for part in ("-c", command)]
        done = subprocess.run(["psql", "-X", "-A", "-P", "footer=off", "-d", self.url, *arguments], capture_output=True, text=True, timeout=60)
        # Where there is nothing of a kind, psql says so.
        nothing = "Did not find any"
        self.assertEqual((done.returncode, "" if done.stderr.startswith(nothing) else done.stderr), (0, ""), commands)
        return done.stdout

    @unittest.skipUnless(shutil.which("psql"), "psql is not installed")
    def test_psql(self):
        listed = self.psql(r"\d").splitlines()
        self.assertEqual(
            listed[2:],
            ["public|best|materialized view|ada", "public|bid|table|ada", "public|big|view|ada", "public|hole|foreign table|ada"],
        )
        self.assertEqual(
            self.psql(r"\pset footer on", r"\d bid").splitlines()[-7:],
            ["auction|bigint||not null|", "price|integer|||", "url|character varying(20)|||", "tags|text[]|||",
             "ts|timestamp(3) without time zone||not null|", "Indexes:", '    "bid_pkey" PRIMARY KEY, btree (auction, ts)'],
        )
        self.assertEqual(self.psql(r"\d BIG").splitlines()[2:], ["auction|bigint|||", "price|integer|||"])
        for command, expected in [
            (r"\dt", "public|bid|table|ada"), (r"\dv", "public|big|view|ada"), (r"\dm", "public|best|materialized view|ada"),
            (r"\dE", "public|hole|foreign table|ada"), (r"\di", "public|bid_pkey|index|ada|bid"), (r"\df", "public|twice|bigint|x bigint|func"),
            (r"\dn", "millrace|ada\npublic|ada"), (r"\l", "work|ada|UTF8"), (r"\du", "ada|Superuser"), (r"\conninfo", 'database "work" as user "ada"'),
            (r"\d+ bid", "WATERMARK AS"), (r"\d+ best", "max(price)"), (r"\sv big", "CREATE OR REPLACE VIEW public.big AS"), (r"\sf twice", "RETURN x * 2"),
            (r"\dconfig server_version_num", "160000"), (r"\dfS lower", "pg_catalog|lower"), (r"\daS count", "count"), (r"\dTS int4", "integer"),
            (r"\dS pg_am", 'amtype|"char"'), (r"\d hole", "Server: connectors"),
        ]:
            self.assertIn(expected, self.psql(command), command)
        for command in [r"\dT", r"\dx", r"\dp", r"\ds", r"\db", r"\dd", r"\dL", r"\do =", r"\dC", r"\dy", r"\dP", r"\des", r"\det", r"\dew", r"\dD", r"\dO",
                        r"\dg", r"\drds", r"\dt+", r"\dv+", r"\df+", r"\dn+", r"\l+", r"\dRp", r"\dRs", r"\dA", r"\dF", r"\dX", r"\z"]:
            self.psql(command)

    @needs("psycopg")
    def test_psycopg(self):
        import psycopg
        from psycopg.types import TypeInfo

        with psycopg.connect(self.url, autocommit=True) as connection:
            self.assertEqual(TypeInfo.fetch(connection, "int4").oid, 23)
            self.assertIsNone(TypeInfo.fetch(connection, "hstore"))
            for binary in (False, True):
                cursor = connection.cursor(binary=binary)
                row = cursor.execute(
                    "SELECT relname, relkind, 'bid'::regclass::oid = oid, relnatts, oid::regclass, ARRAY[relname], ARRAY[oid] = ARRAY[%s::oid] "
                    "FROM pg_class WHERE relname = %s", (1, "bid")).fetchone()
                self.assertEqual(row, ("bid", "r", True, 5, "bid", ["bid"], False))
        with psycopg.connect(self.url) as connection:
            # Within a transaction it asks between savepoints.
            self.assertEqual(connection.execute("SELECT count(*) FROM pg_namespace").fetchone(), (4,))
            self.assertEqual(TypeInfo.fetch(connection, "text").array_oid, 1009)
            with self.assertRaises(psycopg.Error), connection.transaction():
                connection.execute("SELECT nothing FROM pg_class")
            self.assertEqual(connection.execute("SELECT price FROM best WHERE auction = %s", (1,)).fetchall(), [])

    @needs("asyncpg")
    def test_asyncpg(self):
        import asyncpg
        from asyncpg import introspection

        async def ask():
            connection = await asyncpg.connect(self.url)
            number = await connection.fetchval("SELECT reltype FROM pg_class WHERE relname = $1", "big")
            rows = await connection.fetch(introspection.INTRO_LOOKUP_TYPES, [1007, number])
            found = {row["name"]: row for row in rows}
            self.assertEqual(found["_int4"]["elemtype"], 23)
            self.assertEqual((found["big"]["kind"], found["big"]["attrnames"], found["big"]["attrtypoids"]), (b"c", ["auction", "price"], [20, 23]))
            by_name = await connection.fetchrow(introspection.TYPE_BY_NAME, "int4", "pg_catalog")
            self.assertEqual(tuple(by_name), (23, 0, b"b"))
            self.assertEqual(await connection.fetchval("SELECT current_database()"), "work")
            await connection.close()

        asyncio.run(ask())

    @needs("sqlalchemy")
    @needs("psycopg")
    def test_sqlalchemy(self):
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))
        inspector = sqlalchemy.inspect(engine)
        self.assertEqual(sorted(inspector.get_table_names()), ["bid"])
        self.assertEqual(inspector.get_view_names(), ["big"])
        self.assertEqual(inspector.get_materialized_view_names(), ["best"])
        self.assertEqual(inspector.get_foreign_table_names(), ["hole"])
        columns = inspector.get_columns("bid")
        self.assertEqual(
            [(column["name"], str(column["type"]), column["nullable"]) for column in columns],
            [("auction", "BIGINT", False), ("price", "INTEGER", True), ("url", "VARCHAR(20)", True), ("tags", "ARRAY", True), ("ts", "TIMESTAMP", False)],
        )
        self.assertEqual(inspector.get_pk_constraint("bid")["constrained_columns"], ["auction", "ts"])
        for ask in (inspector.get_indexes, inspector.get_foreign_keys, inspector.get_unique_constraints, inspector.get_check_constraints):
            self.assertEqual(ask("bid"), [])
        self.assertTrue(inspector.has_table("bid"))
        self.assertFalse(inspector.has_table("nothing"))
        metadata = sqlalchemy.MetaData()
        metadata.reflect(engine, views=True)
        self.assertEqual(sorted(metadata.tables), ["best", "bid", "big"])
        engine.dispose()

    @needs("pgcli")
    def test_pgcli(self):
        from pgcli.pgexecute import PGExecute
        from pgspecial.main import PGSpecial

        executor = PGExecute("work", "ada", None, "127.0.0.1", self.port, None)
        self.assertEqual(executor.search_path(), ["pg_catalog", "public"])
        self.assertIn(("public", "bid"), list(executor.tables()))
        self.assertIn(("public", "best"), list(executor.views()))
        self.assertIn(("public", "bid", "price", "integer", False, None), [tuple(column) for column in executor.table_columns()])
        self.assertIn("twice", [function.func_name for function in executor.functions()])
        self.assertEqual(list(executor.foreignkeys()), [])
        list(executor.datatypes())
        self.assertEqual(list(executor.databases()), ["work"])
        self.assertIn("auction", executor.view_definition("big"))
        for command in (r"\d", r"\d bid", r"\dt", r"\df", r"\dn", r"\l", r"\du", r"\dv"):
            for result in executor.run(command, pgspecial=PGSpecial()):
                self.assertTrue(result[5], (command, result))
