"""The whole Nexmark suite in the official shape: one stream of nested events, the three views over it, every query as published.

The texts come from Benchmarks/nexmark. Against the agreed results: from a file and from the log, in order and shuffled within the watermark's
four seconds, with other numbers of threads, batches of one row, the optimizer off, and across restarts and kill -9. Queries without an agreed
result (q6, q10, q12, q13, q23) are computed naively. NEXMARK_ONLY="q3 q4" chooses queries.
"""

import collections
import concurrent.futures
import csv
import datetime
import json
import os
import random
import time
import unittest

import nexmark
from nexmark import suite
from support import CommandTest

AGREED = [name for name in suite.NAMES if nexmark.expected_path(name) is not None]
ONLY = os.environ.get("NEXMARK_ONLY", "").split()
FILE = {"connector": "file", "path": "events.jsonl", "format": "json"}


def chosen(names):
    return [name for name in names if not ONLY or name in ONLY]


def shuffled(lines, seed):
    """The lines moved by less than the watermark's 4 seconds. Bids of one auction at one price keep their order: a tie is broken by arrival."""
    moved = random.Random(seed)
    keys, ties = [], collections.defaultdict(list)
    for index, line in enumerate(lines):
        event = json.loads(line)
        body = event["bid"] or event["auction"] or event["person"]
        at = datetime.datetime.fromisoformat(body["dateTime"]).timestamp()
        keys.append((at + moved.uniform(0, 3.9), index))
        if event["bid"]:
            ties[(body["auction"], body["price"])].append(index)
    for indices in ties.values():
        if len(indices) > 1:
            times = sorted(keys[index][0] for index in indices)
            if times[-1] - times[0] < 8:
                for index, at in zip(indices, times):
                    keys[index] = (at, index)
    return [lines[index] for _, index in sorted(keys)]


def sentinels(count):
    """Events so far in the future that every window closes."""
    bids = [{"auction": -i, "bidder": -i, "price": 0, "channel": "sentinel", "url": "", "extra": ""} for i in range(1, count + 1)]
    return [
        json.dumps({"event_type": 2, "person": None, "auction": None, "bid": dict(bid, dateTime="2099-01-01T00:00:00.000")}) + "\n"
        for bid in bids
    ]


def ranked(result):
    """q19 with the ranks of a tie given out anew: which of two bids of one price comes first is for the engine to say."""
    ties = collections.defaultdict(list)
    for row in result.elements():
        ties[(row[0], row[2])].append(row)
    return collections.Counter(
        (*row[:-1], rank)
        for rows in ties.values()
        for row, rank in zip(sorted(row for row in rows), sorted(row[-1] for row in rows))
    )


@unittest.skipUnless(os.path.exists(nexmark.EVENTS), f"{nexmark.EVENTS} is not there")
class SuiteTest(CommandTest):
    results = {}

    @classmethod
    def setUpClass(cls):
        cls.lines = nexmark.event_lines()

    @classmethod
    def wanted(cls, name):
        """The agreed result, read once for all tests."""
        if name not in cls.results:
            result = nexmark.expected(name)
            cls.results[name] = ranked(result) if name == "q19" else result
        return cls.results[name]

    def assert_same(self, name, got, wanted):
        if name == "q19":
            got = ranked(got)
        if got == wanted:
            return
        missing, surplus = wanted - got, got - wanted
        self.fail(
            f"{name}: {sum(missing.values())} rows missing, {sum(surplus.values())} too many; "
            f"missing {list(missing)[:3]}, too many {list(surplus)[:3]}"
        )

    def sink(self, query, folder):
        return query.sink_definition({"connector": "file", "path": os.path.join(folder, f"{query.name}.jsonl"), "format": "json"})

    def folded(self, name, folder="."):
        with open(self.path(os.path.join(folder, f"{name}.jsonl"))) as file:
            result = nexmark.fold(file)
        for row in [row for row in result if nexmark.is_sentinel(row)]:
            del result[row]
        return result


def script(source, query, sink, settings=()):
    """Everything a query needs, in one script."""
    return ";\n".join([*settings, source, *suite.views("events"), *query.prelude, sink, query.insert]) + ";\n"


class FileTests(SuiteTest):
    """From a file of nested events to a file a query, two queries at a time."""

    def execute(self, lines, settings=(), arguments=(), names=None, folder="out"):
        """The folded results, by name; a query that fails gives its exception."""
        self.write("events.jsonl", "".join(lines))
        os.makedirs(self.path(folder), exist_ok=True)
        source = suite.events("events", FILE)

        def run(name):
            query = suite.Query(name)
            self.run_sql(script(source, query, self.sink(query, folder), settings), *arguments, timeout=600)
            return self.folded(name, folder)

        names = chosen(AGREED if names is None else names)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = {name: pool.submit(run, name) for name in names}
        return jobs

    def check(self, *arguments, **options):
        for name, job in self.execute(*arguments, **options).items():
            with self.subTest(query=name):
                self.assert_same(name, job.result(), self.wanted(name))

    def test_in_order(self):
        self.check(self.lines)

    def test_shuffled_within_the_watermark(self):
        self.check(shuffled(self.lines, seed=4), settings=["SET epoch_rows = 3000"])

    def test_workers(self):
        self.check(self.lines, settings=["SET epoch_rows = 5000"], arguments=["--workers", "3"])
        self.check(self.lines, settings=["SET epoch_rows = 7000"], arguments=["--workers", "1"])

    def test_batches_of_one_row(self):
        self.check(self.lines, settings=["SET batch_rows = 1"])

    def test_small_epochs_and_other_partitions(self):
        lines = self.lines[:10_000]
        small = self.execute(lines, settings=["SET epoch_rows = 50", "SET batch_rows = 7", "SET partitions = 7"])
        plain = self.execute(lines, folder="plain")
        for name in small:
            with self.subTest(query=name):
                wanted = plain[name].result()
                self.assert_same(name, small[name].result(), ranked(wanted) if name == "q19" else wanted)

    def test_without_the_optimizer(self):
        self.check(self.lines, settings=["SET optimizer = off"])

    def test_ties_are_broken_by_arrival(self):
        for job in self.execute(self.lines, names=["q19"]).values():
            arrival = {}
            for index, bid in enumerate(event["bid"] for event in map(json.loads, self.lines)):
                if bid:
                    arrival[(bid["auction"], bid["bidder"], bid["dateTime"])] = index
            order = collections.defaultdict(list)
            for row in job.result():
                order[(row[0], row[2])].append((row[-1], arrival[(row[0], row[1], row[5])]))
            ties = [sorted(rows) for rows in order.values() if len(rows) > 1]
            self.assertGreater(len(ties), 0)
            for rows in ties:
                self.assertEqual(rows, sorted(rows, key=lambda row: row[1]))

    def test_queries_without_an_agreed_result(self):
        """q6 and q23 recomputed; see below for q10, q12 and q13."""
        for name, job in self.execute(self.lines, names=["q6", "q23"]).items():
            with self.subTest(query=name):
                self.assert_same(name, job.result(), nexmark.naive_suite(name, map(json.loads, self.lines)))


class OwnWaysTests(SuiteTest):
    """Queries that read or write something of their own."""

    def run_query(self, name, variables=(), settings=(), lines=None):
        self.write("events.jsonl", "".join(self.lines if lines is None else lines))
        query = suite.Query(name)
        text = script(suite.events("events", FILE), query, self.sink(query, "."), settings)
        self.run_sql(text, *[word for key, value in variables for word in ("--set", f"{key}={value}")], timeout=300)
        return self.folded(name)

    @unittest.skipIf(ONLY and "q12" not in ONLY, "not chosen")
    def test_q12_counts_every_bid_in_some_window_of_the_clock(self):
        before = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        result = self.run_query("q12")
        totals = collections.Counter()
        for (bidder, count, start, end), times in result.items():
            self.assertEqual(times, 1)
            start, end = (datetime.datetime.fromisoformat(text) for text in (start, end))
            self.assertEqual(end - start, datetime.timedelta(seconds=10))
            self.assertEqual(start.second % 10, 0)
            self.assertLess(before - start, datetime.timedelta(seconds=10))
            totals[bidder] += count
        bids = (event["bid"] for event in map(json.loads, self.lines))
        self.assertEqual(totals, collections.Counter(bid["bidder"] for bid in bids if bid))

    @unittest.skipIf(ONLY and "q13" not in ONLY, "not chosen")
    def test_q13_looks_up_a_side_input(self):
        os.makedirs(self.path("data"))
        # The last digit of an auction's number mod 10,000 decides whether there is a row.
        side = {key: f"value {key}" for key in range(10_000) if key % 10 < 7}
        self.write("data/side_input.txt", "".join(f"{key},{value}\n" for key, value in side.items()))
        result = self.run_query("q13", [("FLINK_HOME", self.folder)])
        bids = [event["bid"] for event in map(json.loads, self.lines) if event["bid"]]
        wanted = collections.Counter(
            (bid["auction"], bid["bidder"], bid["price"], bid["dateTime"], side[bid["auction"] % 10_000])
            for bid in bids
            if bid["auction"] % 10_000 in side
        )
        self.assertGreater(len(wanted), 1_000)
        self.assert_same("q13", result, wanted)

    @unittest.skipIf(ONLY and "q10" not in ONLY, "not chosen")
    def test_q10_writes_partitioned_files(self):
        self.write("events.jsonl", "".join(self.lines))
        query = suite.Query("q10")
        text = script(suite.events("events", FILE), query, query.definition)
        self.run_sql(text, "--set", f"NEXMARK_DIR={self.folder}", "--set", "SUBMIT_TIME=now", timeout=300)
        root = self.path("data/output/now/bid")
        got = collections.Counter()
        for folder, _, names in os.walk(root):
            for name in (name for name in names if not name.startswith("_")):
                dt, hm = (part.split("=", 1)[1] for part in os.path.relpath(folder, root).split(os.sep))
                with open(os.path.join(folder, name), newline="") as file:
                    for row in csv.reader(file):
                        self.assertEqual(len(row), 5)
                        got[(*map(int, row[:3]), *row[3:])] += 1
                        self.assertEqual((row[3][:10], row[3][11:16]), (dt, hm.replace("%3A", ":")))
        bids = [event["bid"] for event in map(json.loads, self.lines) if event["bid"]]
        wanted = collections.Counter((b["auction"], b["bidder"], b["price"], b["dateTime"], b["extra"]) for b in bids)
        self.assert_same("q10", got, wanted)

    def test_as_published_from_the_generator_to_the_blackhole(self):
        """The files as they are, with nothing but their variables filled in."""
        os.makedirs(self.path("data"))
        self.write("data/side_input.txt", "".join(f"{key},v{key}\n" for key in range(10_000)))
        variables = dict(suite.VARIABLES, EVENTS_NUM="5000", FLINK_HOME=self.folder, NEXMARK_DIR=self.folder, SUBMIT_TIME="now")
        words = [word for key, value in variables.items() for word in ("--set", f"{key}={value}")]
        files = [os.path.join(suite.FOLDER, name) for name in ("ddl_gen.sql", "ddl_views.sql")]
        for name in chosen(suite.NAMES):
            with self.subTest(query=name):
                self.millrace("run", *files, os.path.join(suite.FOLDER, f"{name}.sql"), *words)


class LogTests(SuiteTest):
    """`put` into a stream of the log, every query as a saved one over it, results in files."""

    def prepare(self, lines, pieces=1):
        self.run_sql(";\n".join([suite.events("events", kind="STREAM"), *suite.views("events")]) + ";\n", "--data", self.data)
        self.put_lines(lines)

    def put_lines(self, lines):
        done = self.put("events", "".join(lines), timeout=300)
        self.assertIn(" 0 rejected", done.stderr)

    def queries(self, settings=(), again=False):
        text = list(settings)
        for name in chosen(AGREED):
            query = suite.Query(name)
            text += query.prelude + [self.sink(query, "."), f"CREATE QUERY {name} AS {query.insert}"]
        text = ";\n".join(text) + ";\n"
        if again:
            for kind in ("TABLE", "QUERY", "FUNCTION"):
                text = text.replace(f"CREATE {kind} ", f"CREATE {kind} IF NOT EXISTS ")
        return text

    def check(self):
        for name in chosen(AGREED):
            with self.subTest(query=name):
                self.assert_same(name, self.folded(name), self.wanted(name))

    def catch_up(self, *arguments):
        self.run_sql("", "--data", self.data, "--until-caught-up", *arguments, timeout=600)

    def test_queries_first_then_events_with_restarts(self):
        """Each piece is read by a new process, which goes on from the checkpoint of the one before."""
        self.prepare([])
        self.run_sql(self.queries(["SET epoch_rows = 2500"]), "--data", self.data, "--until-caught-up")
        pieces = random.Random(5)
        cuts = sorted(pieces.sample(range(len(self.lines)), 5))
        for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(self.lines)])):
            self.put_lines(self.lines[begin:end])
            self.catch_up("--workers", "13"[number % 2])
        self.put_lines(sentinels(4))
        self.catch_up()
        self.check()

    def test_three_shards(self):
        """The events come to the shards in turn, an epoch of the copying query to each."""
        self.write("source.jsonl", "".join(self.lines + sentinels(3_000)))
        source = suite.events("source", dict(FILE, path="source.jsonl"))
        stream = suite.events("events", kind="STREAM", clauses=" SHARDS 3")
        copy = "INSERT INTO events SELECT event_type, person, auction, bid FROM source"
        self.run_sql(";\n".join(["SET epoch_rows = 500", source, stream, *suite.views("events"), copy]) + ";\n", "--data", self.data)
        self.run_sql(self.queries(), "--data", self.data, "--until-caught-up", "--workers", "3", timeout=600)
        self.check()

    def test_kill_in_the_middle(self):
        """kill -9, again and again, while the queries work through the log; then to the end."""
        self.prepare(self.lines + sentinels(4))
        settings = ["SET epoch_rows = 1000", "SET checkpoint_interval = INTERVAL '0.05' SECOND"]
        queries = self.write("queries.sql", self.queries(settings, again=True))
        pause = random.Random(6)
        for _ in range(6):
            child = self.start("run", queries, "--data", self.data)
            time.sleep(pause.uniform(0.1, 1.0))
            child.kill()
            child.communicate()
        self.millrace("run", queries, "--data", self.data, "--until-caught-up", timeout=600)
        self.check()


if __name__ == "__main__":
    unittest.main()
