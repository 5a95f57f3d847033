"""A steady stream through 20 saved queries: memory, open files and disk stay flat.

Windows open and close, keys come and go, retention removes what is old, checkpoints follow one another. What is sampled over the second half of
the run is fitted with a line, and what the line would add in another run of that length must be small.

MILLRACE_SOAK=1 runs ten minutes, MILLRACE_SOAK=<seconds> as long as it says; without it, ten seconds.
"""

import json
import os
import subprocess
import threading
import time
import unittest

from support import MILLRACE, CommandTest

RATE = 5_000
SLICE = 0.05


def setup(retained_seconds):
    kept = f"RETAIN INTERVAL '{retained_seconds}' SECOND WITH (segment_size = '65536')"
    lines = [
        "SET state_ttl = '2 s';",
        "CREATE STREAM s (k BIGINT, v BIGINT, name VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) PARTITION BY k SHARDS 2 "
        + kept + ";",
    ]

    def query(columns, sql):
        number = len(lines)
        lines.append(f"CREATE STREAM o{number} ({columns}) {kept}; CREATE QUERY q{number} AS INSERT INTO o{number} {sql};")

    def window(kind, *lengths):
        spans = ", ".join(f"INTERVAL '{length}' SECOND" for length in lengths)
        return f"TABLE({kind}(TABLE s, DESCRIPTOR(ts), {spans}))"

    windows = [("TUMBLE", 1), ("TUMBLE", 2), ("HOP", 1, 3), ("CUMULATE", 1, 3)]
    for call in ("count(*)", "max(v)", "count(DISTINCT v)"):
        for kind in windows:
            query("starts TIMESTAMP(3), k BIGINT, n BIGINT",
                  f"SELECT window_start, k, {call} FROM {window(*kind)} GROUP BY window_start, window_end, k")
    query("starts TIMESTAMP(3), k BIGINT, n BIGINT",
          "SELECT SESSION_START(ts, INTERVAL '1' SECOND), k % 50, count(*) FROM s GROUP BY SESSION(ts, INTERVAL '1' SECOND), k % 50")
    query("k BIGINT, v BIGINT", "SELECT k, v * 2 FROM s WHERE v % 10 = 0")
    query("k BIGINT, n BIGINT, total BIGINT", "SELECT k, count(*), sum(v) FROM s GROUP BY k")
    query("k BIGINT, a BIGINT, b BIGINT",
          "SELECT a.k, a.v, b.v FROM s a JOIN s b ON a.k = b.k AND a.v = 7 AND b.v = 8 AND a.ts BETWEEN b.ts - INTERVAL '1' SECOND AND b.ts")
    query("starts TIMESTAMP(3), k BIGINT, n BIGINT",
          "SELECT window_start, k, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC, k) AS r FROM ("
          f"SELECT window_start, window_end, k, sum(v) AS n FROM {window('TUMBLE', 1)} GROUP BY window_start, window_end, k)) WHERE r <= 3")
    query("k BIGINT, name VARCHAR", "SELECT DISTINCT k, name FROM s WHERE v < 5")
    query("k BIGINT, v BIGINT, total BIGINT",
          "SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW) FROM s WHERE v < 20")
    query("starts TIMESTAMP(3), n BIGINT", "SELECT starts, sum(n) FROM o2 GROUP BY starts")
    return "\n".join(lines)


def slope(samples):
    """Of a line through (time, value)."""
    n = len(samples)
    mean_t = sum(t for t, _ in samples) / n
    mean_v = sum(v for _, v in samples) / n
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return sum((t - mean_t) * (v - mean_v) for t, v in samples) / spread, mean_v


class SoakTests(CommandTest):
    def test_memory_files_and_disk_stay_flat(self):
        word = os.environ.get("MILLRACE_SOAK", "10")
        seconds = 600 if word == "1" else float(word)
        is_long = seconds >= 120
        sql = setup(20 if is_long else 2)
        self.assertEqual(sql.count("CREATE QUERY"), 20)
        self.run_sql(sql, "--data", self.data, "--until-caught-up")
        child = subprocess.Popen(
            [MILLRACE, "put", "s", "--data", self.data], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)
        self.children.append(child)
        messages = []
        threading.Thread(target=lambda: messages.append(child.stderr.read()), daemon=True).start()
        memory, files, disk = [], [], []
        start = time.monotonic()
        next_sample = start
        sent = 0
        while (now := time.monotonic()) - start < seconds:
            due = int((now - start) * RATE)
            wall = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall)) + f".{int(wall % 1 * 1000):03d}"
            # A key lives for some seconds: 200 at a time.
            base = int(now - start) * 40
            child.stdin.write("".join(
                f'{{"k":{base + row * 7919 % 200},"v":{row * 31 % 97},"name":"name {row % 300}","ts":"{stamp}"}}\n' for row in range(sent, due)).encode())
            child.stdin.flush()
            sent = due
            if now >= next_sample:
                next_sample = now + (1 if is_long else 0.2)
                self.assertIsNone(child.poll(), messages)
                memory.append((now - start, self.resident(child.pid)))
                files.append((now - start, len(os.listdir(f"/proc/{child.pid}/fd"))))
                disk.append((now - start, self.disk_bytes()))
            time.sleep(SLICE)
        child.stdin.close()
        self.assertEqual(child.wait(timeout=120), 0, messages)
        status = self.status()
        failed = [query for query in status["queries"] if query.get("state") == "failed"]
        self.assertEqual(failed, [])
        for what, samples, allowed in (
            ("resident memory (bytes)", memory, (0.1 if is_long else 0.5, 32 << 20)), ("open files", files, (0.1, 24)), ("disk (bytes)", disk, (0.2 if is_long else 0.6, 4 << 20))):
            half = samples[len(samples) // 2 :]
            rise, mean = slope(half)
            added = rise * seconds / 2
            print(f"\nsoak, {seconds:.0f} s, {sent:,} rows: {what}: mean {mean:,.0f}, {added:+,.0f} over the second half", end="")
            if is_long:
                print(": " + " ".join(f"{value:,}" for _, value in samples[:: max(1, len(samples) // 24)]), end="")
            self.assertLess(added, allowed[0] * mean + allowed[1], f"{what} grows: {[round(value) for _, value in half[::max(1, len(half) // 12)]]}")
        print()

    def resident(self, pid):
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def disk_bytes(self):
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                try:
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
                except OSError:
                    pass
        return total
