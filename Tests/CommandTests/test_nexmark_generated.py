"""The Nexmark suite over events of our own generator, beside DuckDB's batch queries. Needs the Python package duckdb; nothing outside the project."""

import collections
import datetime
import decimal
import os
import unittest

import nexmark
from nexmark import suite
from support import CommandTest

try:
    import duckdb
except ImportError:
    duckdb = None

ONLY = os.environ.get("NEXMARK_ONLY", "").split()
#: At 500 events a second no two events have one time, so that nothing depends on how a tie is broken.
EVENTS = 6_000
RATE = 500


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds")
    return str(value) if isinstance(value, decimal.Decimal) else value


@unittest.skipIf(duckdb is None, "the Python package duckdb is not installed")
class GeneratedTests(CommandTest):
    def test_the_suite_gives_what_duckdb_gives(self):
        generator = {"connector": "nexmark", "events.num": EVENTS, "first-event.rate": RATE, "seed": 11}
        self.run_sql(suite.events("datagen", generator) + ";\n" + suite.copy_to_file("datagen", "events.jsonl") + ";\n")
        os.makedirs(self.path("data"))
        side = self.write("data/side_input.txt", "".join(f"{key},value {key}\n" for key in range(0, 10_000, 2)))
        database = duckdb.connect()
        self.addCleanup(database.close)
        suite.load_duckdb(database, self.path("events.jsonl"))
        database.execute(f"CREATE TABLE side_input AS SELECT * FROM read_csv('{side}', header = false, names = ['key', 'value'])")
        for name in suite.NAMES:
            select = suite.duckdb_select(name)
            if select is None or (ONLY and name not in ONLY):
                continue
            with self.subTest(query=name):
                query = suite.Query(name)
                sink = query.sink_definition({"connector": "file", "path": f"{name}.jsonl", "format": "json"})
                script = [suite.events("events", generator), *suite.views("events"), *query.prelude, sink, query.insert]
                self.run_sql(";\n".join(script) + ";\n", "--set", f"FLINK_HOME={self.folder}", "--workers", "2")
                with open(self.path(f"{name}.jsonl")) as file:
                    got = nexmark.fold(file)
                wanted = collections.Counter(tuple(map(plain, row)) for row in database.execute(select).fetchall())
                self.assertGreater(len(wanted), 0)
                self.assertEqual(sum(got.values()), sum(wanted.values()))
                self.assertEqual((list((got - wanted).items())[:3], list((wanted - got).items())[:3]), ([], []))


if __name__ == "__main__":
    unittest.main()
