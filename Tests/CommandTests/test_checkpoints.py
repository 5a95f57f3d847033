"""Checkpoints of a saved query: written while it runs, verified, damaged, passed over."""

import json
import os
import time

from support import CommandTest

EVENTS = 300_000

SETUP = f"""
    SET checkpoint_interval = INTERVAL '0.2' SECOND;
    CREATE TABLE generated (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3))
    WITH (connector = 'nexmark', event = 'bid', 'events.num' = '{EVENTS}', rate = '200000', 'first-event.rate' = '200000', seed = '7',
    'base-time' = '2026-01-01 00:00:00');
    CREATE STREAM counts (k BIGINT, n BIGINT, s BIGINT);
    CREATE QUERY counting AS INSERT INTO counts SELECT price % 5000, count(*), sum(price) FROM generated GROUP BY price % 5000;
"""


class CheckpointTests(CommandTest):
    def files(self, prefix):
        for root, _, names in os.walk(os.path.join(self.data, "queries")):
            for name in sorted(names):
                if name.startswith(prefix):
                    yield os.path.join(root, name)

    def verify(self):
        return self.millrace("checkpoint", "verify", "--data", self.data, expect=None)

    def totals(self):
        folded = {}
        for line in self.millrace("tail", "counts", "--data", self.data).stdout.splitlines():
            row = json.loads(line)
            kind = row.pop("op", "+I")
            key = (row["k"], row["n"], row["s"])
            folded[key] = folded.get(key, 0) + (1 if kind in ("+I", "+U") else -1)
        self.assertTrue(all(count in (0, 1) for count in folded.values()))
        return sorted(key for key, count in folded.items() if count)

    def test_verify_and_restart_from_a_damaged_one(self):
        child = self.start("run", self.write("setup.sql", SETUP), "--data", self.data)
        self.wait_until(lambda: len(list(self.files("checkpoint-"))) == 2 or child.poll() is not None, "two checkpoints")
        # Beside the running query: what is being replaced is not looked at.
        beside = self.verify()
        self.assertEqual((beside.returncode, beside.stdout), (0, ""), beside.stderr)
        time.sleep(0.3)
        child.kill()
        child.wait()
        clean = self.verify()
        self.assertEqual(clean.returncode, 0, clean.stdout)
        self.assertIn("checkpoints of 1 queries", clean.stderr)
        newest = list(self.files("checkpoint-"))[-1]
        size = os.path.getsize(newest)
        with open(newest, "r+b") as file:
            file.seek(size // 2)
            byte = file.read(1)
            file.seek(size // 2)
            file.write(bytes([byte[0] ^ 1]))
        damaged = self.verify()
        self.assertEqual(damaged.returncode, 1)
        self.assertIn(newest + ", byte ", damaged.stdout)
        again = self.run_sql("SELECT 1;", "--data", self.data, "--until-caught-up")
        self.assertIn(os.path.basename(newest), again.stderr)
        self.assertIn("the one before it is used", again.stderr)
        self.run_sql("SELECT 1;", "--data", self.data, "--until-caught-up")
        self.assertEqual(self.verify().returncode, 0)
        totals = self.totals()
        self.assertEqual(sum(n for _, n, _ in totals), EVENTS * 46 // 50)

    def test_words(self):
        self.assertEqual(self.millrace("checkpoint", "repair", "--data", self.data, expect=None).returncode, 2)
        self.assertEqual(self.millrace("checkpoint", "verify", "--data", self.data, expect=None).returncode, 1)
