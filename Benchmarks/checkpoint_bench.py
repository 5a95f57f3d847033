"""What checkpoints cost, for bench.py: throughput of a saved query with a checkpoint every second against none but the last, what lies on the disk
afterwards, and how long the query takes to stand there again when the directory is opened.

The rows are those of the cost of keys (nexmark_bench.py). All times are of `millrace run --until-caught-up` less those of a run that does nothing.
"""

import os

from nexmark_bench import KEYED_ROWS, KEYS_DATA, RUNS, THREADS, machine, medians, millrace, prepare_keys, say, script, show

KEYS = [1_000_000, 10_000_000]


def run(sql):
    return millrace(sql, "--until-caught-up", data=KEYS_DATA)[0]


def checkpoint_bytes():
    total = 0
    for root, _, names in os.walk(os.path.join(KEYS_DATA, "queries")):
        total += sum(os.path.getsize(os.path.join(root, name)) for name in names)
    return total


def figure_checkpoints():
    prepare_keys()
    clear = script("DROP QUERY IF EXISTS measured", "DROP TABLE IF EXISTS sink")
    rows = []
    for keys in KEYS:
        run(clear)
        run(script("CREATE TABLE sink (k BIGINT, n BIGINT, total BIGINT, highest BIGINT) WITH (connector = 'blackhole')"))
        idle_wall, idle_cpu = medians(lambda: run(""), 5)

        def query(interval):
            def measure():
                run(script("DROP QUERY IF EXISTS measured"))
                return run(script(
                    f"SET checkpoint_interval = INTERVAL '{interval}' SECOND",
                    f"CREATE QUERY measured AS INSERT INTO sink SELECT k % {keys}, count(*), sum(v), max(v) FROM keyed GROUP BY k % {keys}"))

            wall, cpu = medians(measure)
            return KEYED_ROWS / (wall - idle_wall) / 1e6, KEYED_ROWS / (cpu - idle_cpu) * THREADS / 1e6

        none, none_cpu = query(100_000)
        with_them, with_them_cpu = query(1)
        size = checkpoint_bytes()
        restart = medians(lambda: run(""), RUNS)[0] - idle_wall
        rows.append(
            [
                f"{keys:,} keys", f"{none:,.2f}", f"{with_them:,.2f}", f"{(with_them / none - 1) * 100:+.1f} %",
                f"{(with_them_cpu / none_cpu - 1) * 100:+.1f} %", f"{size / 2**20:,.0f}", f"{restart:.2f}",
            ])
        say("  ".join(rows[-1]))
    run(clear)
    print(f"count, sum, max of {KEYED_ROWS:,} rows of the log by key, {THREADS} threads of {machine()}, median of {RUNS}")
    show(["state", "M rows/s", "a checkpoint every second", "", "by CPU", "MiB on disk", "seconds to open"], rows)
