"""The Nexmark suite and the cost of keys, for bench.py: Millrace's durable log to a blackhole, beside DuckDB's batch query and Flink's figures.

The events (NEXMARK_EVENTS of them, all three kinds nested in one stream, as the suite has them) are made once by our generator and kept in
Benchmarks/.cache, in the log and as three tables of DuckDB. Every query is the published text of Benchmarks/nexmark, with its own blackhole.
A figure is events of all kinds per second: of the wall time of `millrace run` less that of a run that does nothing, median of RUNS runs; so
start-up is left out, but planning and reading are not. It is a plain INSERT, whose state ends with it; Flink's figures were taken without
checkpoints, too. DuckDB's is that of the statement alone, over tables of one kind each. QUERIES="q3 q4" chooses queries.

Beside it stands what the processor time of the same runs (user and system, less that of a run that does nothing) allows: events a second of
processor time, times the threads. On a machine that does nothing else the two are close, and the second can be higher, where a query does not keep
all threads busy; where others share the cores, the wall time says more about them than about the query.
"""

import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import duckdb

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "Benchmarks", "nexmark"))
import suite  # noqa: E402

MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, ".build", "release", "millrace"))
EVENTS = int(os.environ.get("NEXMARK_EVENTS", "10000000"))
#: Events per second of event time.
RATE = int(os.environ.get("NEXMARK_RATE", "100000"))
RUNS = int(os.environ.get("RUNS", "3"))
THREADS = os.cpu_count() or 1
SECONDS_MAX = 300

CACHE = os.path.join(ROOT, "Benchmarks", ".cache", f"nexmark-{EVENTS}-{RATE}")
DATA = os.path.join(CACHE, "log")
DUCK = os.path.join(CACHE, "events.duckdb")
SIDE_INPUT = os.path.join(CACHE, "data", "side_input.txt")

#: Apache Flink 2.3 on a machine of this kind, both cores, everything in its favour: thousand events a second.
FLINK = dict(
    q0=1506, q1=1799, q2=2174, q3=1208, q4=282, q5=318, q7=195, q8=703, q9=164, q11=459, q12=911, q14=2252, q15=512, q16=70, q17=475,
    q18=225, q19=334, q20=275, q21=417, q22=1247,
)
#: The aims, as multiples of Flink's figure.
MEAN_MIN, SINGLE_MIN = 25, 8


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failure(Exception):
    pass


def children_cpu():
    """Seconds of processor time of the processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def millrace(sql, *arguments, data=DATA, timeout=SECONDS_MAX):
    """Runs a script; ((its wall time, its processor time) in seconds, what it printed)."""
    start, cpu = time.perf_counter(), children_cpu()
    try:
        done = subprocess.run(
            [MILLRACE, "run", "-", "--data", data, *arguments], input=sql, text=True, capture_output=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"took more than {timeout} s") from None
    seconds = (time.perf_counter() - start, children_cpu() - cpu)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())
    return seconds, done.stdout


def median(measure, runs=None):
    measure()  # Once to fill the page cache.
    return statistics.median(measure() for _ in range(runs or RUNS))


def medians(measure, runs=None):
    """Of wall time and of processor time, each for itself."""
    measure()
    walls, cpus = zip(*(measure() for _ in range(runs or RUNS)))
    return statistics.median(walls), statistics.median(cpus)


def script(*statements):
    return "".join(f"{statement};\n" for statement in statements)


# The events


def prepare():
    if os.path.exists(os.path.join(CACHE, "complete")):
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    os.makedirs(os.path.dirname(SIDE_INPUT))
    with open(SIDE_INPUT, "w") as file:
        file.writelines(f"{key},value {key}\n" for key in range(10_000))
    say(f"making {EVENTS:,} events in the log (once)")
    generator = {"connector": "nexmark", "events.num": EVENTS, "first-event.rate": RATE, "next-event.rate": RATE, "seed": 1}
    millrace(
        script(
            suite.events("datagen", generator),
            suite.events("events", kind="STREAM", clauses=f" SHARDS {THREADS}"),
            *suite.views("events"),
            "INSERT INTO events SELECT event_type, person, auction, bid FROM datagen",
            "DROP TABLE datagen",
        ),
        timeout=3600,
    )
    duck_tables()
    open(os.path.join(CACHE, "complete"), "w").close()


def duck_tables():
    """The same events as three tables of DuckDB, by way of JSON lines."""
    say("reading them into DuckDB's own tables (once)")
    path = os.path.join(CACHE, "events.jsonl")
    with open(path, "wb") as file:
        subprocess.run([MILLRACE, "tail", "events", "--data", DATA], stdout=file, check=True)
    with duckdb.connect(DUCK) as connection:
        connection.execute("SET enable_progress_bar = false")
        suite.load_duckdb(connection, path)
        connection.execute(f"CREATE TABLE side_input AS SELECT * FROM read_csv('{SIDE_INPUT}', header = false, names = ['key', 'value'])")
        rows = sum(connection.execute(f"SELECT count(*) FROM {kind}").fetchone()[0] for kind in ("person", "auction", "bid"))
    os.remove(path)
    if rows != EVENTS:
        raise SystemExit(f"DuckDB holds {rows:,} of {EVENTS:,} events")


# One query


def ours(name):
    """Thousand events a second: of wall time, and of processor time times the threads."""
    query = suite.Query(name)
    definition = query.definition if name != "q10" else query.sink_definition({"connector": "blackhole"})
    clear = [f"DROP TABLE IF EXISTS {query.sink}"]
    for statement in reversed(query.prelude):
        words = statement.split("(")[0].split()
        clear.append(f"DROP {words[1]} IF EXISTS {words[2]}")

    def measure():
        return millrace(script(query.insert), "--until-caught-up", "--set", f"FLINK_HOME={CACHE}")[0]

    millrace(script(*clear, *query.prelude, definition), "--set", f"FLINK_HOME={CACHE}")
    try:
        wall, cpu = medians(measure)
        idle_wall, idle_cpu = nothing()
        return EVENTS / (wall - idle_wall) / 1e3, EVENTS / (cpu - idle_cpu) * THREADS / 1e3
    finally:
        millrace(script(*clear))


_nothing = []


def nothing():
    """Wall time and processor time of a run that does nothing."""
    if not _nothing:
        _nothing.append(medians(lambda: millrace("", "--until-caught-up")[0], 7))
    return _nothing[0]


def duck(name):
    """Thousand events a second, or None where DuckDB has no such query."""
    select = suite.duckdb_select(name)
    if select is None:
        return None
    with duckdb.connect(DUCK, read_only=True) as connection:
        connection.execute(f"SET threads = {THREADS}")
        connection.execute("SET enable_progress_bar = false")

        def measure():
            start = time.perf_counter()
            connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {select}")
            return time.perf_counter() - start

        return EVENTS / median(measure) / 1e3


def machine():
    """The processor's name."""
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "an unknown processor")


def show(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))
    sys.stdout.flush()


def figure_nexmark():
    prepare()
    names = os.environ.get("QUERIES", "").split() or suite.NAMES
    rows, ratios, by_cpu, failures = [], {}, {}, {}
    number = lambda value, places=0: "-" if value is None else f"{value:,.{places}f}"
    over = lambda value, peer: value / peer if value and peer else None
    for name in names:
        flink = FLINK.get(name)
        try:
            mine, cpu = ours(name)
        except Failure as failure:
            mine, cpu, failures[name] = None, None, str(failure).splitlines()
        peer = None if os.environ.get("DUCKDB") == "no" else duck(name)
        if mine and flink:
            ratios[name], by_cpu[name] = mine / flink, cpu / flink
        reached = "" if flink is None else "yes" if ratios.get(name, 0) >= SINGLE_MIN else "NO"
        rows.append(
            [
                name, number(mine), number(cpu), number(peer), number(flink), number(over(mine, peer), 2), number(over(mine, flink), 1),
                number(over(cpu, flink), 1), reached,
            ]
        )
        say("  ".join(rows[-1]))
    print(f"Nexmark, {EVENTS:,} events at {RATE:,}/s of event time, {THREADS} threads of {machine()}, median of {RUNS}; thousand events a second")
    show(["query", "ours", "by CPU time", "DuckDB", "Flink", "/ DuckDB", "/ Flink", "by CPU time", f">= {SINGLE_MIN}"], rows)
    for what, values in (("wall time", ratios), ("CPU time", by_cpu)):
        if not values:
            continue
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in values.values()))
        least = min(values, key=values.get)
        print(
            f"by {what} against Flink over {len(values)} queries: geometric mean {mean:.1f} (aim {MEAN_MIN}), "
            f"least {values[least]:.1f} in {least} (aim {SINGLE_MIN})"
        )
    for name, lines in failures.items():
        print(f"{name} failed: {lines[0] if lines else ''}")


# What keys cost

#: Rows of the stream whose keys are counted, and of the larger side of the join.
KEYED_ROWS = int(os.environ.get("KEYED_ROWS", "20000000"))
KEYS = [10_000, 100_000, 1_000_000, 10_000_000]
KEYS_DATA = os.path.join(ROOT, "Benchmarks", ".cache", f"keys-{KEYED_ROWS}")


def prepare_keys():
    """`keyed`: every key 0 ..< 10 million equally often, far from in order; `dimension`: every key once.

    Both come from the generator's auctions, whose numbers count up from 1,000; 3 of 50 events are auctions.
    """
    if os.path.exists(os.path.join(KEYS_DATA, "complete")):
        return
    shutil.rmtree(KEYS_DATA, ignore_errors=True)
    say(f"making {KEYED_ROWS:,} keyed rows (once)")
    most = max(KEYS)

    def copy(stream, rows):
        source = {"connector": "nexmark", "event": "auction", "events.num": -(-rows * 50 // 3), "seed": 1}
        return [
            f"CREATE STREAM {stream} (k BIGINT, v BIGINT) SHARDS {THREADS}",
            f"CREATE TABLE source (id BIGINT, reserve BIGINT) {suite.options(source)}",
            f"INSERT INTO {stream} SELECT (id - 1000) * 48271 % {most}, reserve FROM source WHERE id < {rows + 1000}",
            "DROP TABLE source",
        ]

    millrace(script(*copy("keyed", KEYED_ROWS), *copy("dimension", most)), data=KEYS_DATA, timeout=3600)
    open(os.path.join(KEYS_DATA, "complete"), "w").close()


def keyed_query(columns, select):
    """(seconds, seconds of processor time on each thread, bytes of state) of a query over the keyed rows.

    The times are of a plain INSERT, the state is that of a saved query.
    """
    sink = f"CREATE TABLE IF NOT EXISTS sink ({columns}) WITH (connector = 'blackhole')"
    clear = script("DROP QUERY IF EXISTS measured", "DROP TABLE IF EXISTS sink")
    run = lambda sql, *arguments: millrace(sql, "--until-caught-up", *arguments, data=KEYS_DATA)
    run(clear)
    try:
        idle_wall, idle_cpu = medians(lambda: run("")[0], 5)
        wall, cpu = medians(lambda: run(script(sink, f"INSERT INTO sink {select}"))[0])
        run(script(f"CREATE QUERY measured AS INSERT INTO sink {select}"))
        # The statement waits for a query's recovery, but not for ever.
        _, output = run("SHOW QUERIES;" * 30, "--format", "json")
        return wall - idle_wall, (cpu - idle_cpu) / THREADS, max(json.loads(line)["state_bytes"] for line in output.splitlines())
    finally:
        run(clear)


def figure_keys():
    """Throughput and state from the fewest to the most keys, each with what is left of the throughput with the fewest."""
    prepare_keys()
    rows = []

    def add(what, keys, columns, select, rows_read, kept, unit):
        try:
            wall, cpu, size = keyed_query(columns, select)
        except Failure as failure:
            rows.append([f"{what}, {keys:,} keys", "-", "-", "-", "-", str(failure).splitlines()[0]])
            return None
        rows.append(
            [
                f"{what}, {keys:,} keys", f"{rows_read / wall / 1e6:,.2f}", f"{rows_read / cpu / 1e6:,.2f}", f"{cpu / rows_read * THREADS * 1e9:,.0f}",
                f"{size / 2**20:,.0f}", f"{size / kept:,.0f} a {unit}",
            ]
        )
        say("  ".join(rows[-1]))

    for keys in KEYS:
        add(
            "count, sum, max", keys, "k BIGINT, n BIGINT, total BIGINT, highest BIGINT",
            f"SELECT k % {keys}, count(*), sum(v), max(v) FROM keyed GROUP BY k % {keys}", KEYED_ROWS, keys, "group",
        )
    for keys in KEYS:
        add(
            "join", keys, "k BIGINT, v BIGINT, w BIGINT",
            f"SELECT L.k, L.v, R.v FROM keyed AS L JOIN dimension AS R ON L.k % {keys} = R.k WHERE R.k < {keys}",
            KEYED_ROWS + max(KEYS), KEYED_ROWS + keys, "row kept",
        )
    print(
        f"{KEYED_ROWS:,} rows of the log, {THREADS} threads of {machine()}, median of {RUNS}; the smaller side of the join has {max(KEYS):,} rows; "
        "the state is that of a saved query, when it has read them"
    )
    show(["what grows", "M rows/s", "by CPU time", "ns/row CPU", "state MiB", "bytes"], rows)
