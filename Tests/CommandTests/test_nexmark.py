"""The Nexmark queries through the real binary: over files and over the log, under every way of running them, and through kill -9."""

import collections
import os
import random
import subprocess
import time
import unittest

import nexmark
from support import CommandTest


@unittest.skipUnless(os.path.exists(nexmark.EVENTS), f"{nexmark.EVENTS} is not there")
class NexmarkTest(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.bids = nexmark.split("bid")
        cls.results = {name: nexmark.expected(name) or nexmark.naive(name, cls.bids) for name in nexmark.QUERIES}

    def assert_same(self, name, got, wanted):
        if got == wanted:
            return
        missing, surplus = wanted - got, got - wanted
        self.fail(
            f"{name}: {sum(missing.values())} rows missing, {sum(surplus.values())} too many; "
            f"missing {list(missing)[:3]}, too many {list(surplus)[:3]}"
        )

    def folded(self, name):
        """What the query left in its file."""
        path = self.path(f"{name}.jsonl")
        with open(path) as file:
            return nexmark.fold(file)

    def tailed(self, name):
        """What the query left in its stream, without the rows that only move the watermark."""
        result = nexmark.fold(self.millrace("tail", name, "--data", self.data, timeout=300).stdout.splitlines())
        for row in [row for row in result if nexmark.is_sentinel(row)]:
            del result[row]
        return result

    @staticmethod
    def sinks(connector):
        sql = ""
        for name, (columns, _) in nexmark.QUERIES.items():
            options = f" WITH (connector = 'file', path = '{name}.jsonl', format = 'json')" if connector == "file" else ""
            kind = "TABLE" if connector == "file" else "STREAM"
            sql += f"CREATE {kind} {name} ({columns}){options};\n"
        return sql


class OracleTests(NexmarkTest):
    def test_the_naive_computation_gives_the_agreed_results(self):
        for name in nexmark.QUERIES:
            with self.subTest(query=name):
                self.assert_same(name, nexmark.naive(name, self.bids), self.results[name])

    def test_the_hopping_counts_are_those_behind_q5(self):
        highest = collections.defaultdict(int)
        for _, number, start, _ in self.results["q5_counts"]:
            highest[start] = max(highest[start], number)
        hottest = collections.Counter(
            (auction, number) for auction, number, start, _ in self.results["q5_counts"] if number == highest[start]
        )
        self.assert_same("q5", hottest, nexmark.expected("q5"))


class FileTests(NexmarkTest):
    """Connector `file` to connector `file`."""

    def execute(self, settings="", *arguments, bids=None, shards=1):
        self.write("bid.jsonl", nexmark.lines(self.bids if bids is None else bids))
        sql = settings + f"CREATE TABLE bid ({nexmark.BID}, {nexmark.WATERMARK}) SHARDS {shards} "
        sql += "WITH ('connector' = 'file', 'path' = 'bid.jsonl', 'format' = 'json');\n" + self.sinks("file")
        for name, (_, select) in nexmark.QUERIES.items():
            sql += f"INSERT INTO {name} {select};\n"
        self.run_sql(sql, *arguments, timeout=600)

    def check(self, bids=None):
        for name in nexmark.QUERIES:
            with self.subTest(query=name):
                wanted = self.results[name] if bids is None else nexmark.naive(name, bids)
                self.assert_same(name, self.folded(name), wanted)

    def test_file_to_file(self):
        self.execute()
        self.check()

    def test_workers(self):
        for workers in ("1", "3"):
            with self.subTest(workers=workers):
                self.execute("", "--workers", workers)
                self.check()

    def test_batches_of_one_row(self):
        bids = self.bids[:3_000]
        self.execute("SET batch_rows = 1;\n", bids=bids)
        self.check(bids)

    def test_small_epochs(self):
        bids = self.bids[:10_000]
        self.execute("SET epoch_rows = 100; SET batch_rows = 33; SET partitions = 7;\n", bids=bids)
        self.check(bids)

    def test_without_the_optimizer(self):
        bids = self.bids[:10_000]
        self.execute("SET optimizer = off;\n", bids=bids)
        self.check(bids)

    def test_persons_and_auctions_are_read_too(self):
        persons, auctions = nexmark.split("person"), nexmark.split("auction")
        self.write("person.jsonl", nexmark.lines(persons))
        self.write("auction.jsonl", nexmark.lines(auctions))
        rows = self.rows(
            f"""
            CREATE TABLE person ({nexmark.PERSON}) WITH (connector = 'file', path = 'person.jsonl', format = 'json');
            CREATE TABLE auction ({nexmark.AUCTION}) WITH (connector = 'file', path = 'auction.jsonl', format = 'json');
            SELECT 'person' AS what, count(*) AS n, count(DISTINCT id) AS d, max(emailAddress) AS m FROM person
            UNION ALL SELECT 'auction', count(*), count(DISTINCT id), max(itemName) FROM auction;
            """
        )
        wanted = [
            {"what": "person", "n": len(persons), "d": len({p["id"] for p in persons}), "m": max(p["emailAddress"] for p in persons)},
            {"what": "auction", "n": len(auctions), "d": len({a["id"] for a in auctions}), "m": max(a["itemName"] for a in auctions)},
        ]
        self.assertEqual(sorted(rows, key=str), sorted(wanted, key=str))


class LogTests(NexmarkTest):
    """`put` into a typed stream of the log, saved queries over it, results in other streams of the log."""

    def prepare(self, shards):
        self.run_sql(
            f"CREATE STREAM bid ({nexmark.BID}, {nexmark.WATERMARK}) PARTITION BY (auction) SHARDS {shards};\n" + self.sinks("log"),
            "--data", self.data,
        )

    def queries(self, settings=""):
        sql = settings
        for name, (_, select) in nexmark.QUERIES.items():
            sql += f"CREATE QUERY {name} AS INSERT INTO {name} {select};\n"
        return sql

    def put_bids(self, bids):
        done = self.put("bid", nexmark.lines(bids), timeout=600)
        self.assertIn(" 0 rejected", done.stderr)

    def check(self, bids=None):
        for name in nexmark.QUERIES:
            with self.subTest(query=name):
                wanted = self.results[name] if bids is None else nexmark.naive(name, bids)
                self.assert_same(name, self.tailed(name), wanted)

    def catch_up(self, *arguments):
        self.run_sql("", "--data", self.data, "--until-caught-up", *arguments, timeout=600)

    def test_queries_first_then_rows(self):
        for shards, workers in ((1, "1"), (4, "3")):
            with self.subTest(shards=shards, workers=workers):
                self.data_name = f"data-{shards}"
                self.prepare(shards)
                self.run_sql(self.queries(), "--data", self.data, "--until-caught-up", "--workers", workers)
                half = len(self.bids) // 2
                self.put_bids(self.bids[:half])
                self.put_bids(self.bids[half:])
                self.put_bids(nexmark.sentinels(self.bids[-1]))
                self.catch_up("--workers", workers)
                self.check()

    def test_rows_first_then_queries(self):
        self.prepare(4)
        self.put_bids(self.bids + nexmark.sentinels(self.bids[-1]))
        self.run_sql(self.queries(), "--data", self.data, "--until-caught-up", timeout=600)
        self.check()

    def test_batches_of_one_row(self):
        bids = self.bids[:3_000]
        self.prepare(4)
        self.put_bids(bids + nexmark.sentinels(bids[-1]))
        self.run_sql(self.queries("SET batch_rows = 1;\n"), "--data", self.data, "--until-caught-up", "--workers", "3", timeout=600)
        self.check(bids)

    def test_plain_select_gives_the_same(self):
        self.prepare(4)
        self.put_bids(self.bids)
        for name, (_, select) in nexmark.QUERIES.items():
            if name in ("q1", "q14", "q17"):
                continue  # Their sinks' column types are part of the result.
            with self.subTest(query=name):
                done = self.run_sql(select, "--data", self.data, "--format", "json", timeout=300)
                self.assert_same(name, nexmark.fold(done.stdout.splitlines()), self.results[name])

    def test_kill_in_the_middle(self):
        """kill -9, again and again, while the queries work through the log; then to the end."""
        self.prepare(4)
        self.put_bids(self.bids + nexmark.sentinels(self.bids[-1]))
        slow = "SET epoch_rows = 500; SET checkpoint_interval = INTERVAL '0.05' SECOND;\n"
        script = self.write("queries.sql", self.queries(slow).replace("CREATE QUERY", "CREATE QUERY IF NOT EXISTS"))
        pause = random.Random(2)
        for _ in range(8):
            child = self.start("run", script, "--data", self.data)
            time.sleep(pause.uniform(0.02, 0.5))
            child.kill()
            child.communicate()
        self.millrace("run", script, "--data", self.data, "--until-caught-up", timeout=600)
        self.check()

    @property
    def data(self):
        return self.path(getattr(self, "data_name", "data"))


class KilledGeneratorTests(CommandTest):
    """A query over the seeded generator, killed and restarted, against the same undisturbed."""

    SQL = """
        CREATE TABLE IF NOT EXISTS g (auction BIGINT, price BIGINT, dateTime TIMESTAMP(3),
            WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND)
            WITH (connector = 'nexmark', event = 'bid', 'events.num' = 1500000, 'first-event.rate' = 20000, seed = 7);
        CREATE STREAM IF NOT EXISTS counts (auction BIGINT, n BIGINT, total BIGINT, start TIMESTAMP(3));
        CREATE QUERY IF NOT EXISTS counting AS INSERT INTO counts
            SELECT auction, count(*), sum(price), window_start
            FROM TABLE(TUMBLE(TABLE g, DESCRIPTOR(dateTime), INTERVAL '1' SECOND)) GROUP BY auction, window_start, window_end;
        """

    def result(self, data):
        done = self.millrace("tail", "counts", "--data", data, timeout=300)
        return sorted(done.stdout.splitlines())

    def test_same_rows(self):
        script = self.write("g.sql", self.SQL)
        undisturbed = self.path("undisturbed")
        self.millrace("run", script, "--data", undisturbed, timeout=300)
        wanted = self.result(undisturbed)
        self.assertGreater(len(wanted), 10_000)
        pause = random.Random(3)
        for _ in range(6):
            child = self.start("run", script, "--data", self.data)
            time.sleep(pause.uniform(0.02, 0.4))
            child.kill()
            child.communicate()
        self.millrace("run", script, "--data", self.data, timeout=300)
        self.assertEqual(self.result(self.data), wanted)


class KilledPutTests(CommandTest):
    def test_what_is_there_is_a_prefix(self):
        self.run_sql("CREATE STREAM s (a BIGINT, pad VARCHAR);", "--data", self.data)
        child = self.start("put", "s", "--data", self.data, stdin=subprocess.PIPE)
        try:
            for block in range(200):
                child.stdin.write("".join('{"a":%d,"pad":"%s"}\n' % (block * 1_000 + i, "x" * 100) for i in range(1_000)))
                if block == 120:
                    child.kill()
        except BrokenPipeError:
            pass
        child.wait()
        rows = [row["a"] for row in self.tail("s")]
        self.assertEqual(rows, list(range(len(rows))))
        self.put("s", '{"a":-1}\n')
        self.assertEqual(self.tail("s")[-1]["a"], -1)
