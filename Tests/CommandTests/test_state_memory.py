"""State beyond the memory budget lies in a file: the results are the same, and the process stays small."""

import json
import os
import time

from support import CommandTest

EVENTS = int(os.environ.get("MILLRACE_STATE_MEMORY_EVENTS", "800000"))


class StateMemoryTests(CommandTest):
    def run_and_measure(self, script, *arguments):
        """How many MiB the process held at most, as far as a look every few milliseconds tells. The peak that wait4 gives is that of the test's own
        process where that was larger."""
        child = self.start("run", script, *arguments)
        highest = 0
        while child.poll() is None:
            try:
                with open(f"/proc/{child.pid}/status") as file:
                    highest = max([highest] + [int(line.split()[1]) for line in file if line.startswith("VmRSS")])
            except OSError:
                pass
            time.sleep(0.005)
        self.assertEqual(child.returncode, 0, child.stderr.read())
        return highest / 1024

    def script(self, query, columns):
        return self.write("script.sql", f"""
            CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, url VARCHAR, dateTime TIMESTAMP(3)) WITH (connector = 'nexmark', event = 'bid',
            'events.num' = '{EVENTS}', seed = '3', 'base-time' = '2026-01-01 00:00:00');
            CREATE TABLE out ({columns}) WITH (connector = 'file', path = '{self.path("out.json")}', format = 'json');
            INSERT INTO out {query};
        """)

    def folded(self):
        rows = {}
        for row in self.read_json_lines("out.json"):
            change = 1 if row.pop("op", "+I") in ("+I", "+U") else -1
            key = json.dumps(row, sort_keys=True)
            rows[key] = rows.get(key, 0) + change
        return {key: count for key, count in rows.items() if count}

    def compare(self, query, columns):
        script = self.script(query, columns)
        free = self.run_and_measure(script)
        wanted = self.folded()
        limited = self.run_and_measure(script, "--state-memory", "1M")
        self.assertEqual(self.folded(), wanted)
        self.assertTrue(wanted)
        return free, limited

    def test_aggregation(self):
        # One group for each bid: what is held is far beyond the budget, and what comes out is one row.
        free, limited = self.compare(
            "SELECT count(*) AS n, sum(c) AS s, max(c) AS m FROM (SELECT auction, bidder, price, count(*) AS c FROM bid GROUP BY auction, bidder, price)",
            "n BIGINT, s BIGINT, m BIGINT")
        print(f"aggregation: {free:.0f} MiB free, {limited:.0f} MiB with 1 MiB for state")
        self.assertLess(limited, free)

    def test_join_with_texts(self):
        self.compare(
            "SELECT count(*) AS n, max(a.url) AS m FROM bid a JOIN bid b ON a.auction = b.auction AND a.bidder = b.bidder AND a.price < b.price",
            "n BIGINT, m VARCHAR")

    def test_ranking(self):
        self.compare(
            "SELECT bidder, price, url FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY price DESC, auction, url) AS r FROM bid)"
            " WHERE r <= 2", "bidder BIGINT, price BIGINT, url VARCHAR")

    def test_sizes(self):
        done = self.millrace("run", "-", "--state-memory", "lots", input="SELECT 1;", expect=2)
        self.assertIn("takes a size such as 512M", done.stderr)
