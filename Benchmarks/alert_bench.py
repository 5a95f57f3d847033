"""What many alerts on one stream cost: one rule beside a thousand, over 100,000 events a second.

    python3 Benchmarks/alert_bench.py [window|row] [1,1000]

The rules count the bids of each auction in windows of a second (`window`), or look at each bid's price (`row`). A figure is the processor time of the
whole program, generator included, in cores, over 20 seconds once every rule is there; without a rule nothing is read.
MILLRACE names the program, RATE the events a second.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

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
        f"CREATE ALERT a{number} AS SELECT auction, price FROM bid WHERE price > {5_000_000 + 100_000 * number} KEY (auction) "
        "KEEP FIRING FOR INTERVAL '1' SECOND;")


def processor_seconds(process):
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(kind, count):
    folder = tempfile.mkdtemp(prefix="millrace-alerts-")
    data = os.path.join(folder, "data")
    try:
        program = subprocess.Popen(
            [MILLRACE, "run", "-", "--data", data, "--workers", "2", "--format", "csv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        begin = time.monotonic()
        program.stdin.write(STREAM + "\n".join(rule(kind, number) for number in range(count)) + "\nSELECT 'ready' AS word;")
        program.stdin.close()
        for line in program.stdout:
            if "ready" in line:
                break
        made = time.monotonic() - begin
        time.sleep(5)
        used, begin = processor_seconds(program.pid), time.monotonic()
        time.sleep(SECONDS)
        cores = (processor_seconds(program.pid) - used) / (time.monotonic() - begin)
        program.terminate()
        program.wait()
        asked = subprocess.run(
            [MILLRACE, "--data", data, "--format", "csv"], input="SELECT COUNT(*) AS n FROM alerts;", capture_output=True, text=True)
        transitions = asked.stdout.split()[-1] if asked.stdout.split() else "?"
        print(f"{kind:6} {count:5} rules  {cores:6.3f} cores  made in {made:5.1f} s  {transitions} transitions", flush=True)
        return cores
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    kinds = [sys.argv[1]] if len(sys.argv) > 1 else ["window", "row"]
    counts = [int(part) for part in sys.argv[2].split(",")] if len(sys.argv) > 2 else [1, 1000]
    for kind in kinds:
        figures = [measure(kind, count) for count in counts]
        print(f"{kind:6} {counts[-1]} rules cost {figures[-1] / max(figures[0], 1e-9):.1f} x what {counts[0]} cost(s)", flush=True)
