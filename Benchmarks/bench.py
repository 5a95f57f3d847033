"""Six measurements, Millrace beside DuckDB on the same rows, in one table; then the Nexmark suite and the cost of keys (nexmark_bench.py),
of checkpoints (checkpoint_bench.py) and of anomaly functions (anomaly_bench.py).

    make bench                       everything
    make bench FIGURES="1 4"         some of it
    make bench FIGURES=nexmark       the suite
    BIDS=2000000 RUNS=3 make bench

The rows are made once by Millrace's Nexmark generator and kept in Benchmarks/.cache: as a durable stream of Millrace's log, as JSON lines, and
as a table of DuckDB. Every time is the median of RUNS runs. Ours is the wall time of `millrace run` less that of a run that does nothing, so
start-up is left out but planning, recovery of the directory and closing are not; DuckDB's is that of the statement alone.
"""

import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

import duckdb

import anomaly_bench
import checkpoint_bench
import nexmark_bench

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, ".build", "release", "millrace"))
BIDS = int(os.environ.get("BIDS", "20000000"))
RUNS = int(os.environ.get("RUNS", "5"))
THREADS = os.cpu_count() or 1
#: Rows of the JSON file of measurement 4.
JSON_BIDS = min(BIDS, 5_000_000)
CACHE = os.path.join(ROOT, "Benchmarks", ".cache", str(BIDS))
DATA = os.path.join(CACHE, "log")
JSON = os.path.join(CACHE, "bids.jsonl")
DUCK = os.path.join(CACHE, "bids.duckdb")
#: The generator's bids are 46 of 50 events.
EVENTS = BIDS * 50 // 46

BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR"
JSON_BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3)"
WATERMARK = "WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND"
RATE = 100_000

DISTINCT = (
    "SELECT {day}, count(DISTINCT auction), count(DISTINCT bidder), count(DISTINCT channel) FROM {table} GROUP BY {day}"
)


def say(text):
    print(text, file=sys.stderr, flush=True)


def millrace(sql, *arguments, data=DATA):
    """Runs a script; its wall time in seconds."""
    start = time.perf_counter()
    done = subprocess.run([MILLRACE, "run", "-", "--data", data, *arguments], input=sql, text=True, capture_output=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"millrace failed:\n{sql}\n{done.stderr}")
    return seconds


def median(measure, runs=RUNS):
    measure()  # Once to fill the page cache.
    return statistics.median(measure() for _ in range(runs))


# The rows


def generator(columns, events):
    return (
        f"CREATE TABLE g ({columns}) WITH (connector = 'nexmark', event = 'bid', 'events.num' = {events}, "
        f"'first-event.rate' = {RATE}, seed = 1);"
    )


def prepare():
    if os.path.exists(os.path.join(CACHE, "complete")):
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    os.makedirs(CACHE)
    say(f"making {BIDS:,} bids in the log (once)")
    millrace(
        f"CREATE STREAM bid ({BID}, {WATERMARK}) PARTITION BY (auction) SHARDS {THREADS};"
        + generator(BID, EVENTS)
        + "INSERT INTO bid SELECT * FROM g; DROP TABLE g;"
    )
    say("exporting them to JSON lines for DuckDB (once)")
    path = os.path.join(CACHE, "all.jsonl")
    with open(path, "wb") as file:
        subprocess.run([MILLRACE, "tail", "bid", "--data", DATA], stdout=file, check=True)
    say("reading them into DuckDB's own table (once)")
    connection = duckdb.connect(DUCK)
    connection.execute(f"CREATE TABLE bid AS SELECT * FROM read_json('{path}', format = 'newline_delimited')")
    rows = connection.execute("SELECT count(*) FROM bid").fetchone()[0]
    connection.close()
    if rows < BIDS * 0.999:
        raise SystemExit(f"DuckDB holds {rows:,} of {BIDS:,} rows")
    with open(path, "rb") as whole, open(JSON, "wb") as part:
        for _ in range(JSON_BIDS):
            part.write(whole.readline())
    os.remove(path)
    open(os.path.join(CACHE, "complete"), "w").close()


def duck():
    connection = duckdb.connect(DUCK, read_only=True)
    connection.execute(f"SET threads = {THREADS}")
    return connection


def duck_rows():
    with duck() as connection:
        return connection.execute("SELECT count(*) FROM bid").fetchone()[0]


# Ours: log to blackhole


def ours(columns, select):
    """Seconds to run a query over the whole stream into a blackhole."""

    def once(body):
        # The saved query of the run before goes first, so that each begins at the oldest row.
        return millrace(body, "--until-caught-up")

    def measure():
        seconds = once(
            f"CREATE TABLE sink ({columns}) WITH (connector = 'blackhole'); CREATE QUERY measured AS INSERT INTO sink {select};"
        )
        once("DROP QUERY measured; DROP TABLE sink;")
        return seconds

    return median(measure) - median(lambda: once(""))


def theirs(select):
    with duck() as connection:

        def measure():
            start = time.perf_counter()
            connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {select}")
            return time.perf_counter() - start

        return median(measure)


def tumble(size="INTERVAL '10' SECOND", table="TUMBLE(TABLE bid, DESCRIPTOR(dateTime), {size})"):
    return (
        "auction BIGINT, start TIMESTAMP(3), n BIGINT, total BIGINT, highest BIGINT",
        f"SELECT auction, window_start, count(*), sum(price), max(price) FROM TABLE({table.format(size=size)}) "
        "GROUP BY auction, window_start, window_end",
    )


# The measurements


def figure_1(table):
    rows = duck_rows()
    mine = rows / ours(*tumble()) / 1e6
    peer = rows / theirs(
        "SELECT auction, time_bucket(INTERVAL 10 SECOND, dateTime::TIMESTAMP) AS start, count(*), sum(price), max(price) "
        "FROM bid GROUP BY ALL"
    ) / 1e6
    plain = rows / theirs("SELECT auction, count(*), sum(price), max(price) FROM bid GROUP BY ALL") / 1e6
    table.add("1 tumbling count, sum, max per auction", "M rows/s", mine, peer, 1.5)
    table.add("1 ... DuckDB without the window", "M rows/s", mine, plain, 1.5)
    return mine


def figure_2(table):
    rows = duck_rows()
    mine = rows / ours("auction BIGINT, price BIGINT", "SELECT auction, price FROM bid WHERE auction % 123 = 0") / 1e6
    peer = rows / theirs("SELECT auction, price FROM bid WHERE auction % 123 = 0") / 1e6
    table.add("2 filter and projection", "M rows/s", mine, peer, 0.5)
    mine = rows / ours(
        "`day` VARCHAR, a BIGINT, b BIGINT, c BIGINT", DISTINCT.format(day="DATE_FORMAT(dateTime, 'yyyy-MM-dd')", table="bid")
    ) / 1e6
    peer = rows / theirs(DISTINCT.format(day="strftime(dateTime::TIMESTAMP, '%Y-%m-%d')", table="bid")) / 1e6
    table.add("2 three distinct counts per day", "M rows/s", mine, peer, 0.7)


def figure_3(table):
    rows = duck_rows()
    # Without a key the results are few, so that what is measured is the cost of a row.
    columns = "start TIMESTAMP(3), n BIGINT, total BIGINT, highest BIGINT"
    select = "SELECT window_start, count(*), sum(price), max(price) FROM TABLE({}) GROUP BY window_start, window_end"
    tumbling = ours(columns, select.format("TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)"))
    hopping = ours(columns, select.format("HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '0.1' SECOND, INTERVAL '10' SECOND)"))
    table.add("3 HOP 10 s every 100 ms against TUMBLE 10 s", "ns/row", hopping / rows * 1e9, tumbling / rows * 1e9, 1.3, lower=True)


def figure_4(table):
    size = os.path.getsize(JSON)
    folder = os.path.join(CACHE, "put")

    def put():
        shutil.rmtree(folder, ignore_errors=True)
        millrace(f"CREATE STREAM bid ({JSON_BID}, {WATERMARK}) PARTITION BY (auction) SHARDS {THREADS};", data=folder)
        start = time.perf_counter()
        with open(JSON, "rb") as file:
            subprocess.run([MILLRACE, "put", "bid", "--data", folder], stdin=file, check=True, capture_output=True)
        return time.perf_counter() - start

    columns = "{auction: 'BIGINT', bidder: 'BIGINT', price: 'BIGINT', channel: 'VARCHAR', url: 'VARCHAR', dateTime: 'TIMESTAMP'}"

    def read_json():
        path = os.path.join(CACHE, "put.duckdb")
        if os.path.exists(path):
            os.remove(path)
        with duckdb.connect(path) as connection:
            connection.execute(f"SET threads = {THREADS}")
            start = time.perf_counter()
            connection.execute(
                f"CREATE TABLE t AS SELECT * FROM read_json('{JSON}', format = 'newline_delimited', columns = {columns})"
            )
            connection.execute("CHECKPOINT")
            return time.perf_counter() - start

    mine, peer = median(put), median(read_json)
    table.add("4 JSON lines, `put` (synced)", "M rows/s", JSON_BIDS / mine / 1e6, JSON_BIDS / peer / 1e6, 2.0)
    table.add("4 ... the same in bytes", "MB/s", size / mine / 1e6, size / peer / 1e6, 2.0)
    shutil.rmtree(folder, ignore_errors=True)


def figure_5(table):
    """Needs the hidden command `bench-latency` (see Benchmarks/README.md). Synced always, and with the query's journal: exactly once."""
    folder = os.path.join(CACHE, "latency")
    for rate, goals in ((10_000, {"p99_ms": 5.0}), (50_000, {"p50_ms": 2.0, "p99_ms": 10.0}), (100_000, {"p99_ms": 5.0})):
        shutil.rmtree(folder, ignore_errors=True)
        done = subprocess.run(
            [MILLRACE, "bench-latency", "--data", folder, "--rate", str(rate), "--seconds", "10"], capture_output=True, text=True
        )
        shutil.rmtree(folder, ignore_errors=True)
        if done.returncode != 0:
            say("5 is left out: " + done.stderr.strip().splitlines()[0])
            return
        figures = dict(word.split("=") for word in done.stdout.split())
        for key, name in (("p50_ms", "p50"), ("p99_ms", "p99"), ("p999_ms", "p99.9")):
            table.add(f"5 append to result at {rate:,} rows/s, {name}", "ms", float(figures[key]), None, goals.get(key), lower=True)


def resident(sql, *arguments):
    """Bytes resident while a script runs, every few milliseconds."""
    child = subprocess.Popen([MILLRACE, *arguments], stdin=subprocess.PIPE, text=True)
    samples = []

    def watch():
        while child.poll() is None:
            try:
                with open(f"/proc/{child.pid}/statm") as file:
                    samples.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            except (OSError, IndexError):
                return
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    child.communicate(sql)
    watcher.join()
    if child.returncode != 0:
        raise SystemExit("the memory run failed")
    return [sample for sample in samples if sample] or [0]


def figure_6(table):
    """Resident memory over 50 million events, and the first row of a one-row script."""
    folder = os.path.join(CACHE, "memory")
    shutil.rmtree(folder, ignore_errors=True)
    sql = generator(BID + ", " + WATERMARK, 50_000_000) + (
        "CREATE TABLE sink (k BIGINT, start TIMESTAMP(3), n BIGINT, highest BIGINT) WITH (connector = 'blackhole');"
        "INSERT INTO sink SELECT k, window_start, count(*), max(price) FROM TABLE(TUMBLE("
        "TABLE keyed, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;"
    )
    sql = sql.replace("CREATE TABLE sink", "CREATE VIEW keyed AS SELECT auction % 10000 AS k, price, dateTime FROM g; CREATE TABLE sink")
    samples = resident(sql, "run", "-", "--data", folder)
    shutil.rmtree(folder, ignore_errors=True)
    tail = samples[len(samples) // 2 :]
    table.add("6 resident memory, 50 M events, 10,000 keys, highest", "MiB", max(samples) / 2**20, None, 1024, lower=True)
    table.add("6 ... growth over the second half", "MiB", (tail[-1] - tail[0]) / 2**20, None, 64, lower=True)

    # The same over the durable log, whose mapped pages count as resident while they are read.
    columns, select = tumble()
    samples = resident(
        f"CREATE TABLE sink ({columns}) WITH (connector = 'blackhole'); CREATE QUERY measured AS INSERT INTO sink {select};",
        "run", "-", "--data", DATA, "--until-caught-up",
    )
    millrace("DROP QUERY measured; DROP TABLE sink;", "--until-caught-up")
    table.add(f"6 resident memory, measurement 1 over the log of {BIDS:,} bids", "MiB", max(samples) / 2**20, None, 1024, lower=True)

    def first_row():
        start = time.perf_counter()
        subprocess.run([MILLRACE, "run", "-"], input="SELECT 1 AS one;", text=True, capture_output=True, check=True)
        return time.perf_counter() - start

    table.add("6 first row of a one-row script", "ms", median(first_row, 11) * 1e3, None, 100, lower=True)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, unit, mine, peer, aim, lower=False):
        """`aim` is a ratio to the peer, or, without one, the figure itself; None where there is none."""
        value = mine if peer is None else mine / peer
        reached = aim is None or (value <= aim if lower else value >= aim)
        self.rows.append(
            (
                what, unit, f"{mine:,.2f}", "" if peer is None else f"{peer:,.2f}", "" if peer is None else f"{value:.2f}",
                "" if aim is None else ("<= " if lower else ">= ") + f"{aim:g}", "" if aim is None else "yes" if reached else "NO",
            )
        )
        say("  ".join(self.rows[-1]))

    def show(self):
        header = ("measurement", "unit", "ours", "DuckDB", "ratio", "aim", "reached")
        widths = [max(len(row[i]) for row in [header, *self.rows]) for i in range(len(header))]

        def line(row):
            return "  ".join(cell.ljust(width) if i in (0, 1) else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths)))

        print(f"{BIDS:,} bids, {THREADS} threads, median of {RUNS} runs, DuckDB {duckdb.__version__}")
        print(line(header))
        print(line(["-" * width for width in widths]))
        for row in self.rows:
            print(line(row))
        print("In row 3 the column DuckDB is our own TUMBLE.")


def main():
    figures = {"1": figure_1, "2": figure_2, "3": figure_3, "4": figure_4, "5": figure_5, "6": figure_6}
    others = {"nexmark": nexmark_bench.figure_nexmark, "keys": nexmark_bench.figure_keys, "checkpoints": checkpoint_bench.figure_checkpoints, "anomaly": anomaly_bench.figure_anomaly}
    chosen = sys.argv[1:] or [*figures, *others]
    unknown = [name for name in chosen if name not in figures and name not in others]
    if unknown:
        raise SystemExit(f"there is no measurement {unknown[0]}; there are {', '.join([*figures, *others])}")
    if any(name in figures for name in chosen):
        prepare()
        table = Table()
        for name in (name for name in chosen if name in figures):
            say(f"measurement {name}")
            figures[name](table)
        table.show()
    for name in (name for name in chosen if name in others):
        say(f"measurement {name}")
        others[name]()


if __name__ == "__main__":
    main()
