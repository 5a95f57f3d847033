"""psycopg, asyncpg, SQLAlchemy and pgcli, unmodified. Each is skipped where it is not installed (PyPI)."""

import asyncio
import datetime
import decimal
import importlib.util
import json
import shutil
import subprocess
import threading
import time
import unittest

from served import ServedTest


def has(name):
    return importlib.util.find_spec(name) is not None


UTC = datetime.timezone.utc
# column, type, a value
TYPES = [
    ("b", "BOOLEAN", True), ("i2", "SMALLINT", -7), ("i4", "INT", 70_000), ("i8", "BIGINT", -(2**60)), ("r", "REAL", 1.5), ("d", "DOUBLE", 2.25),
    ("n", "DECIMAL(20, 6)", decimal.Decimal("-12345.678900")), ("s", "VARCHAR", "it's üñï"), ("x", "BYTES", b"\x00\xff\\"),
    ("dt", "DATE", datetime.date(2026, 11, 21)), ("tm", "TIME(6)", datetime.time(1, 2, 3, 4)),
    ("ts", "TIMESTAMP(6)", datetime.datetime(2026, 11, 21, 1, 2, 3, 456_789)),
    ("tz", "TIMESTAMP(6) WITH TIME ZONE", datetime.datetime(1999, 12, 31, 23, 59, 59, 1, UTC)),
    ("iv", "INTERVAL", datetime.timedelta(days=3, hours=4, microseconds=5)), ("ai", "INT ARRAY", [1, None, 3]), ("av", "VARCHAR ARRAY", ["a,b", '"', "", None]),
    ("an", "DECIMAL(10, 2) ARRAY", [decimal.Decimal("1.50")]), ("j", "JSON", {"k": [1, "x"]}),
]
DEFINITION = "CREATE STREAM everything (" + ", ".join(f"{name} {kind}" for name, kind, _ in TYPES) + ")"
NAMES = ", ".join(name for name, _, _ in TYPES)


@unittest.skipUnless(has("psycopg"), "psycopg is not installed (PyPI: psycopg[binary])")
class PsycopgTest(ServedTest):
    def setUp(self):
        super().setUp()
        import psycopg

        self.psycopg = psycopg
        self.connection = psycopg.connect(host="127.0.0.1", port=self.port, user="ann", dbname="millrace", autocommit=True)

    def tearDown(self):
        self.connection.close()
        super().tearDown()

    def test_types_both_ways(self):
        from psycopg.types.json import Json

        self.connection.execute(DEFINITION)
        values = [Json(value) if name == "j" else value for name, _, value in TYPES]
        marks = ", ".join(["%s"] * len(TYPES))
        binary_marks = ", ".join(["%b"] * len(TYPES))
        self.connection.execute(f"INSERT INTO everything VALUES ({marks})", values)
        self.connection.execute(f"INSERT INTO everything VALUES ({binary_marks})", values)
        self.connection.execute("INSERT INTO everything VALUES (" + ", ".join(["NULL"] * len(TYPES)) + ")")
        for binary in (False, True):
            rows = self.connection.cursor(binary=binary).execute(f"SELECT {NAMES} FROM everything").fetchall()
            self.assertEqual(len(rows), 3)
            for row in rows:
                if row[0] is None:
                    self.assertEqual(set(row), {None})
                    continue
                for (name, kind, value), got in zip(TYPES, row):
                    self.assertEqual(got, value, f"{kind}, binary {binary}")

    def test_parameters_take_their_types(self):
        execute = self.connection.execute
        execute("CREATE STREAM s (a INT, b VARCHAR, c DECIMAL(10, 2), t TIMESTAMP(3))")
        execute("INSERT INTO s VALUES (%s, %s, %s, %s)", (1, "x", decimal.Decimal("1.25"), datetime.datetime(2026, 1, 1)))
        self.assertEqual(execute("SELECT a + %s FROM s WHERE b = %s", (1, "x")).fetchall(), [(2,)])
        self.assertEqual(execute("SELECT a FROM s WHERE c > %s AND t >= %s LIMIT %s", (1, datetime.datetime(2025, 1, 1), 5)).fetchall(), [(1,)])
        self.assertEqual(execute("SELECT a FROM s WHERE a = ANY(%s)", ([1, 2],)).fetchall(), [(1,)])
        self.assertEqual(execute("SELECT %s, %s::int, coalesce(%s, 'z')", ("x", "5", None)).fetchone(), ("x", 5, "z"))
        self.assertEqual(execute("SELECT a FROM s WHERE a IN (%s, %s) AND b LIKE %s", (1, 2, "x%")).fetchall(), [(1,)])
        with self.assertRaises(self.psycopg.errors.InvalidTextRepresentation):
            execute("SELECT a FROM s WHERE a = %s::int", ("abc",))
        with self.assertRaises(self.psycopg.errors.UndefinedColumn) as caught:
            execute("SELECT nope FROM s WHERE a = %s", (1,))
        self.assertEqual(caught.exception.diag.statement_position, "8")

    def test_prepared_and_transactions(self):
        self.connection.execute("CREATE STREAM s (a INT)")
        for number in range(10):
            self.connection.execute("INSERT INTO s VALUES (%s)", (number,), prepare=True)
        self.assertEqual(self.connection.execute("SELECT sum(a) FROM s").fetchone(), (45,))
        self.connection.autocommit = False
        with self.connection.transaction():
            self.connection.execute("INSERT INTO s VALUES (100)")
        with self.assertRaises(self.psycopg.errors.InFailedSqlTransaction):
            try:
                self.connection.execute("SELECT wrong")
            except self.psycopg.Error:
                pass
            self.connection.execute("SELECT 1")
        self.connection.rollback()
        self.assertEqual(self.connection.execute("SELECT count(*) FROM s").fetchone(), (11,))

    def test_executemany_and_pipeline(self):
        self.connection.execute("CREATE STREAM s (a INT, b VARCHAR)")
        with self.connection.cursor() as cursor:
            cursor.executemany("INSERT INTO s VALUES (%s, %s)", [(number, str(number)) for number in range(50)])
        with self.connection.pipeline():
            cursors = [self.connection.execute("SELECT b FROM s WHERE a = %s", (number,)) for number in range(20)]
        self.assertEqual([cursor.fetchone()[0] for cursor in cursors], [str(number) for number in range(20)])

    def test_server_side_cursor_and_stream(self):
        self.connection.execute("CREATE STREAM s (a INT)")
        with self.connection.cursor().copy("COPY s FROM STDIN") as copy:
            for number in range(10_000):
                copy.write_row((number,))
        self.connection.autocommit = False
        with self.connection.cursor(name="c") as cursor:
            cursor.itersize = 1_000
            cursor.execute("SELECT a FROM s ORDER BY a")
            self.assertEqual(sum(row[0] for row in cursor), 49_995_000)
        self.connection.commit()
        self.connection.autocommit = True
        self.assertEqual(sum(1 for _ in self.connection.cursor().stream("SELECT a FROM s")), 10_000)

    def test_copy(self):
        self.connection.execute("CREATE STREAM s (a INT, b VARCHAR, t TIMESTAMP(3))")
        with self.connection.cursor().copy("COPY s (a, b, t) FROM STDIN") as copy:
            copy.write_row((1, "tab\there \\ back", datetime.datetime(2026, 1, 1)))
            copy.write_row((2, None, None))
        with self.connection.cursor().copy("COPY s TO STDOUT") as copy:
            copy.set_types(["int4", "text", "timestamp"])
            self.assertEqual(list(copy.rows()), [(1, "tab\there \\ back", datetime.datetime(2026, 1, 1)), (2, None, None)])
        with self.assertRaises(ValueError):
            with self.connection.cursor().copy("COPY s FROM STDIN") as copy:
                copy.write("5\tx\t\\N\n")
                raise ValueError("given up")
        self.assertEqual(self.connection.execute("SELECT 1").fetchone(), (1,))

    def test_a_slow_copy_is_seen_as_it_comes(self):
        self.connection.execute("CREATE STREAM s (a INT)")
        other = self.psycopg.connect(host="127.0.0.1", port=self.port, user="bob", autocommit=True)
        with self.connection.cursor().copy("COPY s FROM STDIN") as copy:
            copy.write("1\n2\n")
            self.connection.pgconn.flush()
            copy.write("3\n" * 100_000)
            self.wait_until(lambda: other.execute("SELECT count(*) FROM s").fetchone()[0] > 0, "the first rows")
        self.assertEqual(other.execute("SELECT count(*) FROM s").fetchone()[0], 100_002)
        other.close()

    def test_live_rows_and_cancel(self):
        self.connection.execute("CREATE STREAM s (a INT)")
        other = self.psycopg.connect(host="127.0.0.1", port=self.port, user="bob", autocommit=True)
        seen = []

        def read():
            try:
                for row in other.cursor().stream("SELECT STREAM a FROM s"):
                    seen.append(row[0])
            except self.psycopg.errors.QueryCanceled:
                seen.append("cancelled")

        thread = threading.Thread(target=read)
        thread.start()
        number = 0
        while not seen:
            number += 1
            self.connection.execute("INSERT INTO s VALUES (%s)", (number,))
            time.sleep(0.02)
        other.cancel()
        thread.join(timeout=20)
        self.assertEqual(seen[-1], "cancelled")
        self.assertEqual(other.execute("SELECT 1").fetchone(), (1,))
        other.close()

    def test_notices(self):
        notices = []
        self.connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        self.connection.execute("DROP STREAM IF EXISTS nothing")
        self.assertIn('stream "nothing" does not exist', notices)


@unittest.skipUnless(has("asyncpg"), "asyncpg is not installed (PyPI)")
class AsyncpgTest(ServedTest):
    def run_with(self, body):
        import asyncpg

        async def run():
            connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="ann", database="millrace", timeout=20)
            try:
                return await body(connection)
            finally:
                await connection.close(timeout=5)

        return asyncio.run(run())

    def check_types(self, types):
        async def body(connection):
            await connection.execute("CREATE STREAM everything (" + ", ".join(f"{name} {kind}" for name, kind, _ in types) + ")")
            values = [json.dumps(value) if name == "j" else value for name, _, value in types]
            marks = ", ".join(f"${index + 1}" for index in range(len(types)))
            await connection.execute(f"INSERT INTO everything VALUES ({marks})", *values)
            row = await connection.fetchrow("SELECT * FROM everything")
            for (name, kind, _), value, got in zip(types, values, row):
                if name == "j":
                    got, value = json.loads(got), json.loads(value)
                self.assertEqual(got, value, kind)

        self.run_with(body)

    def test_types_both_ways(self):
        self.check_types([entry for entry in TYPES if "ARRAY" not in entry[1]])

    def test_arrays_both_ways(self):
        import asyncpg

        # asyncpg looks array types up in pg_type.
        try:
            self.check_types([entry for entry in TYPES if "ARRAY" in entry[1]])
        except (asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError) as error:
            self.skipTest(f"pg_catalog is not there yet: {error}")

    def test_prepared_cursor_and_copy(self):
        async def body(connection):
            await connection.execute("CREATE STREAM s (a INT, b VARCHAR)")
            await connection.copy_to_table("s", source=self.rows_file(), format="csv")
            statement = await connection.prepare("SELECT a, b FROM s WHERE a >= $1 ORDER BY a")
            self.assertEqual([kind.name for kind in statement.get_parameters()], ["int4"])
            self.assertEqual([column.name for column in statement.get_attributes()], ["a", "b"])
            self.assertEqual(len(await statement.fetch(90)), 10)
            async with connection.transaction():
                got = [row["a"] async for row in connection.cursor("SELECT a FROM s ORDER BY a", prefetch=7)]
            self.assertEqual(got, list(range(100)))
            out = self.path("out.csv")
            await connection.copy_from_query("SELECT a, b FROM s WHERE a < 3 ORDER BY a", output=out, format="csv")
            with open(out) as file:
                self.assertEqual(file.read(), "0,r0\n1,r1\n2,r2\n")
            await connection.executemany("INSERT INTO s VALUES ($1, $2)", [(number, "m") for number in range(5)])
            self.assertEqual(await connection.fetchval("SELECT count(*) FROM s WHERE b = $1", "m"), 5)

        self.run_with(body)

    def rows_file(self):
        return self.write("rows.csv", "".join(f"{number},r{number}\n" for number in range(100)))

    def test_errors_and_time_out(self):
        import asyncpg

        async def body(connection):
            with self.assertRaises(asyncpg.UndefinedTableError):
                await connection.fetch("SELECT * FROM nothing")
            await connection.execute("CREATE STREAM s (a INT)")
            with self.assertRaises(asyncio.TimeoutError):
                await connection.fetch("SELECT STREAM a FROM s", timeout=0.3)
            self.assertEqual(await connection.fetchval("SELECT 41 + $1::int", 1), 42)

        self.run_with(body)


@unittest.skipUnless(has("sqlalchemy") and has("psycopg"), "SQLAlchemy or psycopg is not installed (PyPI)")
class SQLAlchemyTest(ServedTest):
    def test_core(self):
        import sqlalchemy as sa

        engine = sa.create_engine(f"postgresql+psycopg://ann@127.0.0.1:{self.port}/millrace", isolation_level="AUTOCOMMIT")
        # What the dialect asks at its first connection needs pg_catalog.
        try:
            connection = engine.connect()
        except sa.exc.DBAPIError as error:
            self.skipTest(f"pg_catalog is not there yet: {str(error).splitlines()[0]}")
        with connection:
            connection.execute(sa.text("CREATE STREAM s (a INT, b VARCHAR)"))
            table = sa.table("s", sa.column("a", sa.Integer), sa.column("b", sa.String))
            connection.execute(sa.insert(table), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
            rows = connection.execute(sa.select(table.c.a, sa.func.upper(table.c.b)).where(table.c.a > 1)).all()
            self.assertEqual(rows, [(2, "Y")])
        engine.dispose()


PGCLI = shutil.which("pgcli")


@unittest.skipUnless(PGCLI, "pgcli is not installed (PyPI)")
class PgcliTest(ServedTest):
    def test_it_starts_and_answers(self):
        done = subprocess.run(
            [PGCLI, "-h", "127.0.0.1", "-p", str(self.port), "-u", "ann", "--no-password", "--less-chatty", "millrace"], input="SELECT 40 + 2 AS answer;\n\\q\n",
            capture_output=True, text=True, timeout=60, cwd=self.folder, env={"HOME": self.folder, "PATH": "/usr/bin:/bin", "TERM": "dumb", "PAGER": "cat"},
        )
        self.assertIn("42", done.stdout, done.stderr)


if __name__ == "__main__":
    unittest.main()
