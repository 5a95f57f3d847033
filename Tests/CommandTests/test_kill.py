"""kill -9 at random moments: nothing acknowledged is lost, every result is in its output once and only once.

A feeder is killed while it appends and while its queries run, again and again, over one data directory with a windowed aggregate, a join and a
top-N. What `put` said it had appended must be there; what the queries wrote must equal what is computed here from the rows in the log.

MILLRACE_KILLS sets how often (50; the long setting is 1,000), MILLRACE_KILL_SEED the seed, MILLRACE_KILL_GIB=1 also measures how long opening takes
after a kill over a log of that many GiB.
"""

import collections
import datetime
import json
import os
import random
import shutil
import subprocess
import time
import unittest

from support import MILLRACE, CommandTest

SETUP = """
CREATE STREAM t (id BIGINT, k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) PARTITION BY k SHARDS 2;
CREATE STREAM u (id BIGINT, name VARCHAR) PARTITION BY id SHARDS 2;
CREATE STREAM windows (starts TIMESTAMP(3), k BIGINT, n BIGINT, total BIGINT) PARTITION BY k SHARDS 3;
CREATE STREAM pairs (id BIGINT, v BIGINT, name VARCHAR) PARTITION BY id SHARDS 2;
CREATE STREAM best (k BIGINT, id BIGINT, v BIGINT);
CREATE STREAM by_k (k BIGINT, n BIGINT, total BIGINT);
CREATE QUERY q_windows AS INSERT INTO windows SELECT window_start, k, count(*), sum(v)
  FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
CREATE QUERY q_pairs AS INSERT INTO pairs SELECT t.id, t.v, u.name FROM t JOIN u ON t.id = u.id;
CREATE QUERY q_best AS INSERT INTO best SELECT k, id, v FROM (
  SELECT k, id, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS r FROM t) WHERE r <= 3;
CREATE QUERY q_by_k AS INSERT INTO by_k SELECT k, sum(n), sum(total) FROM windows GROUP BY k;
"""
KEYS = 10
START = datetime.datetime(2026, 1, 1)


def moment(milliseconds):
    return (START + datetime.timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def folded(rows):
    """The rows of a changelog that are left, each with how often."""
    counts = collections.Counter()
    for row in rows:
        sign = 1 if row.pop("op", "+I")[0] == "+" else -1
        counts[tuple(row.values())] += sign
    return +counts, [row for row, count in counts.items() if count < 0]


class KillTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("MILLRACE_KILL_SEED", "1"))
        self.random = random.Random(self.seed)
        self.time = 0
        self.next_id = 0
        self.acknowledged = {"t": set(), "u": set()}
        self.tried = {"t": {}, "u": {}}
        # Up to where every shard of t is known to have come.
        self.complete_until = None

    def batch(self):
        """Rows for t and for u. At the end of those for t, one of each key: every shard comes to the same time."""
        rows, others = {}, {}
        for _ in range(self.random.randrange(20, 120)):
            self.time += self.random.randrange(60)
            rows[self.next_id] = (self.random.randrange(KEYS), self.random.randrange(100), max(0, self.time - self.random.randrange(1_900)))
            if self.random.random() < 0.7:
                others[self.next_id] = f"name {self.next_id}"
            self.next_id += 1
        for key in range(KEYS):
            rows[self.next_id] = (key, self.random.randrange(100), self.time)
            self.next_id += 1
        return rows, others

    def feed(self, stream, lines, ids, kill_after):
        """Runs `put`; kills it after so many seconds. Returns whether it came to its end."""
        self.tried[stream].update(ids)
        child = subprocess.Popen(
            [MILLRACE, "put", stream, "--data", self.data], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)
        try:
            try:
                _, errors = child.communicate("".join(lines).encode(), timeout=kill_after)
            except subprocess.TimeoutExpired:
                child.kill()
                _, errors = child.communicate()
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
        if b" appended" in errors:
            self.acknowledged[stream].update(ids)
        elif child.returncode >= 0:
            self.fail(f"put {stream} ended with {child.returncode}: {errors.decode()}")
        return child.returncode == 0

    def catch_up(self, kill_after=None):
        child = subprocess.Popen(
            [MILLRACE, "run", "-", "--data", self.data, "--until-caught-up"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=self.folder)
        try:
            _, errors = child.communicate(b"", timeout=kill_after or 60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            if kill_after is None:
                raise
            return
        self.assertEqual(child.returncode, 0, errors.decode())
        self.assertNotIn(b"failed", errors)

    def check(self, number):
        where = f"seed {self.seed}, kill {number}"
        t = {row["id"]: row for row in self.once("t", where)}
        u = {row["id"]: row["name"] for row in self.once("u", where)}
        for stream, stored in (("t", t), ("u", u)):
            missing = self.acknowledged[stream] - stored.keys()
            self.assertFalse(missing, f"{where}: acknowledged rows of {stream} are gone: {sorted(missing)[:5]}")
            unknown = stored.keys() - self.tried[stream].keys()
            self.assertFalse(unknown, f"{where}: rows of {stream} that nobody appended: {sorted(unknown)[:5]}")
        for id, (k, v, time) in self.tried["t"].items():
            if id in t:
                self.assertEqual((t[id]["k"], t[id]["v"], t[id]["ts"]), (k, v, moment(time)), where)

        windows = collections.defaultdict(lambda: [0, 0])
        for id in t:
            k, v, time = self.tried["t"][id]
            window = windows[(time // 10_000 * 10_000, k)]
            window[0] += 1
            window[1] += v
        expected = {(moment(start), k, n, total): start + 10_000 for (start, k), (n, total) in windows.items()}
        found = collections.Counter(tuple(row.values()) for row in self.tail("windows"))
        self.assertFalse([row for row, count in found.items() if count > 1], f"{where}: windows that are there twice")
        self.assertFalse(found.keys() - expected.keys(), f"{where}: windows that are wrong")
        if self.complete_until is not None:
            due = {row for row, end in expected.items() if end <= self.complete_until - 2_000}
            self.assertFalse(due - found.keys(), f"{where}: windows that are missing")

        pairs = collections.Counter(tuple(row.values()) for row in self.tail("pairs"))
        self.assertEqual(pairs, collections.Counter((id, t[id]["v"], u[id]) for id in t.keys() & u.keys()), f"{where}: the join")

        best, negative = folded(self.tail("best"))
        by_key = collections.defaultdict(list)
        for id, row in t.items():
            by_key[row["k"]].append((-row["v"], id))
        wanted = collections.Counter((k, id, -v) for k, rows in by_key.items() for v, id in sorted(rows)[:3])
        self.assertFalse(negative, f"{where}: the top 3 take back what was not there")
        self.assertEqual(best, wanted, f"{where}: the top 3")

        by_k, negative = folded(self.tail("by_k"))
        sums = collections.defaultdict(lambda: [0, 0])
        for _, k, n, total in found:
            sums[k][0] += n
            sums[k][1] += total
        self.assertFalse(negative, where)
        self.assertEqual(by_k, collections.Counter((k, n, total) for k, (n, total) in sums.items()), f"{where}: the query over windows")

    def once(self, stream, where):
        rows = self.tail(stream)
        self.assertEqual(len(rows), len({row["id"] for row in rows}), f"{where}: rows of {stream} are there twice")
        return rows

    def test_killed_again_and_again(self):
        kills = int(os.environ.get("MILLRACE_KILLS", "50"))
        self.run_sql(SETUP, "--data", self.data, "--until-caught-up")
        # How long an undisturbed feeder takes, so that kills fall everywhere in its life.
        began = time.monotonic()
        self.feed_both(None)
        usual = (time.monotonic() - began) / 2
        killed = number = 0
        while killed < kills:
            number += 1
            killed += self.feed_both(lambda: self.random.uniform(0, usual * 1.2))
            if self.random.random() < 0.3:
                self.catch_up(kill_after=self.random.uniform(0.001, usual))
            if number % 2 == 0 or killed >= kills:
                self.catch_up()
                self.check(killed)
        self.assertGreater(len(self.acknowledged["t"]), 0, "no feeder ever came to its end")

    def feed_both(self, kill_after):
        """Returns how many of the two feeders were killed."""
        rows, others = self.batch()
        lines = [json.dumps({"id": id, "k": k, "v": v, "ts": moment(at)}) + "\n" for id, (k, v, at) in rows.items()]
        killed = 0
        if not self.feed("t", lines, rows, kill_after and kill_after()):
            killed += 1
        if rows.keys() <= self.acknowledged["t"]:
            self.complete_until = self.time
        lines = [json.dumps({"id": id, "name": name}) + "\n" for id, name in others.items()]
        if not self.feed("u", lines, others, kill_after and kill_after()):
            killed += 1
        return killed

    @unittest.skipUnless(os.environ.get("MILLRACE_KILL_GIB"), "MILLRACE_KILL_GIB is not set")
    def test_opening_after_a_kill_takes_no_longer_than_two_seconds_per_gib(self):
        wanted = float(os.environ["MILLRACE_KILL_GIB"])
        self.run_sql(
            "CREATE STREAM big (id BIGINT, k BIGINT, v BIGINT, s VARCHAR);"
            "CREATE STREAM sums (k BIGINT, n BIGINT, total BIGINT);"
            "CREATE QUERY q AS INSERT INTO sums SELECT k, count(*), sum(v) FROM big GROUP BY k;", "--data", self.data, "--until-caught-up")
        text = "".join(json.dumps({"id": i, "k": i % 100, "v": i, "s": f"{i:0100d}"}) + "\n" for i in range(200_000)).encode()
        child = subprocess.Popen(
            [MILLRACE, "put", "big", "--data", self.data], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        self.children.append(child)
        while self.log_bytes() < wanted * (1 << 30):
            child.stdin.write(text)
        child.kill()
        child.wait()
        size = self.log_bytes() / (1 << 30)
        began = time.monotonic()
        self.rows("SELECT count(*) AS n FROM sums;", "--data", self.data)
        took = time.monotonic() - began
        print(f"\nopened {size:.2f} GiB after a kill in {took:.2f} s: {took / size:.2f} s per GiB")
        self.assertLess(took, 2 * max(size, 1))

    def log_bytes(self):
        total = 0
        for folder, _, names in os.walk(os.path.join(self.data, "streams")):
            for name in names:
                try:
                    total += os.path.getsize(os.path.join(folder, name))
                except OSError:
                    pass
        return total
