"""What many alerts on one stream cost: one rule beside a thousand, over 100,000 events a second.

    python3 Benchmarks/alert_bench.py [window|row] [1,1000]

The rules count the bids of each auction in windows of a second (`window`), or look at each bid's price (`row`). A figure is the processor time of the
whole server, generator included, in cores, over 20 seconds once every rule is there; without a rule nothing is read. It counts only when the rules keep
up: the rows that were read in that time, and those that wait at its end, stand beside it.
MILLRACE names the program, RATE the events a second.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

MILLRACE = os.environ.get("MILLRACE", os.path.join(os.path.dirname(__file__), "..", ".build", "release", "millrace"))
RATE = int(os.environ.get("RATE", "100000"))
SECONDS = 20
STREAM = f"""
CREATE STREAM bid (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND) WITH (connector = 'nexmark', event = 'bid', rate = '{RATE}', 'base-time' = 'now');
"""


def rule(kind, number):
    if kind == "window":
        return (
            f"CREATE ALERT a{number} AS SELECT auction, COUNT(*) AS n, MAX(price) AS top FROM bid "
            f"GROUP BY auction, TUMBLE(dateTime, INTERVAL '1' SECOND) HAVING COUNT(*) > {300 + 2 * number};")
    return (
        f"CREATE ALERT a{number} AS SELECT auction, price FROM bid WHERE price > {99_900_000 + 100 * number} KEY (auction) "
        "KEEP FIRING FOR INTERVAL '1' SECOND;")


def processor_seconds(process):
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, folder):
        errors = open(os.path.join(folder, "errors"), "w+")
        self.program = subprocess.Popen(
            [MILLRACE, "serve", "--data", os.path.join(folder, "data"), "--listen", "http://127.0.0.1:0", "--workers", "2"], stderr=errors)
        for _ in range(200):
            time.sleep(0.05)
            found = re.search(r"event=listening protocol=http address=(\S+)", open(errors.name).read())
            if found:
                break
        self.address = "http://" + found.group(1)

    def sql(self, text):
        return self.get("/v1/sql", text.encode())

    def get(self, path, data=None):
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data=data), timeout=600) as answer:
            return answer.read().decode()

    def total(self, name):
        """The sum of a metric over its labels."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.get("/metrics").splitlines() if re.match(name + r"[{ ]", line))


def measure(kind, count):
    folder = tempfile.mkdtemp(prefix="millrace-alerts-")
    server = Server(folder)
    try:
        begin = time.monotonic()
        server.sql(STREAM)
        for first in range(0, count, 50):
            server.sql("\n".join(rule(kind, number) for number in range(first, min(first + 50, count))))
        made = time.monotonic() - begin
        time.sleep(5)
        look = lambda: [server.total(name) for name in ("millrace_query_rows_in_total", "millrace_alert_transitions_total")]
        used, begin, before = processor_seconds(server.program.pid), time.monotonic(), look()
        time.sleep(SECONDS)
        seconds = time.monotonic() - begin
        cores = (processor_seconds(server.program.pid) - used) / seconds
        rows, transitions = [(after - earlier) / seconds for after, earlier in zip(look(), before)]
        behind = server.total("millrace_query_behind_rows")
        print(
            f"{kind:6} {count:5} rules  {cores:6.3f} cores  made in {made:5.1f} s  {rows:9,.0f} rows/s read, {behind:,.0f} wait  "
            f"{transitions:8,.0f} transitions/s", flush=True)
        return cores
    finally:
        server.program.terminate()
        server.program.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    kinds = [sys.argv[1]] if len(sys.argv) > 1 else ["window", "row"]
    counts = [int(part) for part in sys.argv[2].split(",")] if len(sys.argv) > 2 else [1, 1000]
    for kind in kinds:
        figures = [measure(kind, count) for count in counts]
        print(f"{kind:6} {counts[-1]} rules cost {figures[-1] / max(figures[0], 1e-9):.1f} x what {counts[0]} cost(s)", flush=True)
