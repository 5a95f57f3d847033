"""What anomaly functions cost through SQL, for bench.py: points a second on one core, rows of the log in, a result for each out, and bytes of state
a key. The processor's time counts, less that of a run that does nothing; so the figure is the same on a machine that is not idle.
"""

import json
import os
import shutil

from nexmark_bench import RUNS, machine, medians, millrace, say, script, show, suite

POINTS = int(os.environ.get("POINTS", "4000000"))
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".cache", f"points-{POINTS}")
FOREST = "random_cut_forest(x, shingle => 10, trees => 50, sample_size => 256)"
#: What `x` is. The deeper the trees, the dearer a point: on values over six decades nearly twice as deep as on even ones.
DECADES, EVEN, WAVE = "v", "k / 1000.0", "50 * sin(60 * extract(epoch FROM ts)) + k % 5"
#: Call, x, what that is, keys, one in how many of the points, aim in thousand points a second.
CALLS = [
    ("zscore(x)", DECADES, "over six decades", 100_000, 1, None),
    ("anomaly(x)", DECADES, "over six decades", 100_000, 1, 200),
    ("anomaly(x)", DECADES, "over six decades", 1_000, 1, None),
    (FOREST, WAVE, "a wave and noise", 1, 8, 60),
    (FOREST, WAVE, "a wave and noise", 10, 8, 60),
    (FOREST, EVEN, "even noise", 1, 8, 60),
    (FOREST, EVEN, "even noise", 10, 8, 60),
    (FOREST, DECADES, "over six decades", 1, 8, 60),
    (FOREST, DECADES, "over six decades", 10, 8, 60),
]


def prepare():
    """`points`: values that vary over decades, in the order of their times, of keys that come about equally often."""
    if os.path.exists(os.path.join(DATA, "complete")):
        return
    shutil.rmtree(DATA, ignore_errors=True)
    say(f"making {POINTS:,} points (once)")
    source = {"connector": "nexmark", "event": "bid", "events.num": -(-POINTS * 50 // 46) + 50, "seed": 1}
    millrace(
        script(
            "CREATE STREAM points (k BIGINT, v DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)",
            f"CREATE TABLE source (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3)) {suite.options(source)}",
            "INSERT INTO points SELECT (price * 48271 + bidder * 31 + auction) % 1000003, price / 100.0, dateTime FROM source",
            "DROP TABLE source"),
        data=DATA, timeout=3600)
    open(os.path.join(DATA, "complete"), "w").close()


def figure_anomaly():
    prepare()
    clear = script("DROP QUERY IF EXISTS measured", "DROP TABLE IF EXISTS sink")
    rows = []
    for call, value, kind, keys, part, aim in CALLS:
        run = lambda sql: millrace(sql, "--until-caught-up", data=DATA, timeout=3600)
        run(clear)
        run(script("CREATE TABLE sink (k BIGINT, a DOUBLE) WITH (connector = 'blackhole')"))
        idle = medians(lambda: run("")[0], 3)[1]
        wanted = f"WHERE k % {part} = 0" if part > 1 else ""
        select = f"SELECT k % {keys} AS k, {call} OVER (PARTITION BY k % {keys} ORDER BY ts) AS a FROM (SELECT k, ts, {value} AS x FROM points) AS points {wanted}"
        plan = millrace(script("EXPLAIN SELECT STREAM * FROM (" + select + ")"), data=DATA)[1]
        score = "a" if call.startswith("zscore") else "(a).score"

        def measure():
            run(script("DROP QUERY IF EXISTS measured"))
            return run(script("SET workers = 1", f"CREATE QUERY measured AS INSERT INTO sink SELECT k, {score} FROM ({select})"))[0]

        cpu = medians(measure)[1] - idle
        count = int(json.loads(millrace(script("SELECT count(*) AS n FROM points " + wanted), "--format", "json", data=DATA)[1])["n"])
        size = plan.split(" bytes")[0].split()[-1]
        rate = count / cpu / 1000
        rows.append([call, kind, f"{keys:,}", f"{int(size):,}", f"{rate:,.0f}", f"{aim}" if aim else "", "yes" if aim and rate >= aim else "no" if aim else ""])
        say("  ".join(rows[-1]))
        run(clear)
    print(f"anomaly functions over {POINTS:,} points of the log, one core of {machine()}, median of {RUNS}")
    show(["call", "values", "keys", "bytes a key", "thousand points/s", "aim", "reached"], rows)
