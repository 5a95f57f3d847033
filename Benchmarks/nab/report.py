"""Every anomaly function on the Numenta Anomaly Benchmark, in one table (see nab.py for the scoring).

    python3 Benchmarks/nab/report.py [--data ../shared/nab] [--binary .build/release/millrace] [--function NAME] [--windows]

For each function: the score with one threshold for both groups, and with one for each group alone. A function that gives a signed score
counts by its size. `told once` asks of a score, as ANOMALY's does, that it be a quarter above the last that was told, which fades over 250
rows: the benchmark counts each row above the threshold, so that a raw score pays for saying the same thing often.
"""

import argparse
import os
import subprocess
import tempfile

import nab

# What is scored: expression over `a`, the result of the call.
CALLS = [
    ("anomaly", "anomaly(v)", "(a).score"),
    ("anomaly, grade", "anomaly(v)", "(a).grade"),
    ("random_cut_forest, grade", "random_cut_forest(v)", "(a).grade"),
    ("random_cut_forest, shingle 10, grade", "random_cut_forest(v, shingle => 10)", "(a).grade"),
    ("random_cut_forest, score", "random_cut_forest(v)", "(a).score"),
    ("zscore", "zscore(v)", "a"),
    ("mad_score", "mad_score(v)", "a"),
    ("ewma_score", "ewma_score(v)", "a"),
    ("holt_winters", "holt_winters(v)", "(a).score"),
    ("seasonal_esd", "seasonal_esd(v)", "(a).score"),
    ("change_point", "change_point(v)", "(a).probability"),
    ("relative_entropy", "relative_entropy(v)", "(a).score"),
    ("hotspots (low density)", "hotspots(v, radius => {radius})", "CASE WHEN (a).points = 0 THEN 1.0 ELSE 0.0 END"),
]


def scores_of(binary, path, call, expression, series):
    """One number or None for each row of a file, in its order, by the product."""
    values = sorted(series.values[:series.probation])
    spread = values[len(values) * 3 // 4] - values[len(values) // 4]
    call = call.replace("{radius}", repr(max(spread, 1e-9)))
    with tempfile.TemporaryDirectory() as folder:
        # Rows are numbered in an integer column beside the time, since times may repeat.
        copy = os.path.join(folder, "in.csv")
        with open(copy, "w") as out:
            out.write("n,ts,v\n")
            last = ""
            for number, (time, value) in enumerate(zip(series.times, series.values)):
                # Where a file's clock steps back (winter time) time stands still.
                last = max(last, time)
                out.write(f"{number},{last},{value!r}\n")
        script = os.path.join(folder, "run.sql")
        with open(script, "w") as out:
            out.write(f"""CREATE TABLE points (n BIGINT, ts TIMESTAMP(3), v DOUBLE) WITH (connector = 'file', path = '{copy}', format = 'csv');
SELECT n, {expression} AS score FROM (SELECT n, {call} OVER (ORDER BY ts) AS a FROM points) ORDER BY n;
""")
        done = subprocess.run([binary, "run", script, "--format", "csv"], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
    result = [None] * len(series.times)
    for line in done.stdout.split("\n")[1:]:
        if line:
            number, score = line.split(",")
            result[int(number)] = abs(float(score)) if score else None
    return result


def told_once(scores):
    told, ago, result = 0.0, 0, []
    for score in scores:
        ago += 1
        if score is not None and score > told * max(0, 1 - ago / 250) * 1.25:
            told, ago = score, 0
            result.append(score)
        else:
            result.append(0.0)
    return result


def main():
    parser = argparse.ArgumentParser()
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--data", default=os.environ.get("NAB_DIR", os.path.join(here, "..", "..", "..", "shared", "nab")))
    parser.add_argument("--binary", default=os.environ.get("MILLRACE", os.path.join(here, "..", "..", ".build", "release", "millrace")))
    parser.add_argument("--function", help="only those whose name begins so")
    parser.add_argument("--windows", action="store_true", help="also each file's windows found and false detections")
    given = parser.parse_args()
    everything = nab.load(given.data)
    groups = {group: [one for one in everything if one.name.startswith(group + "/")] for group in nab.GROUPS}
    print("| function | both groups | " + " | ".join(nab.GROUPS) + " | both, told once |")
    print("| --- | ---: |" + " ---: |" * (len(nab.GROUPS) + 1))
    for name, call, expression in CALLS:
        if given.function and not name.startswith(given.function):
            continue
        scores = {one.name: scores_of(given.binary, given.data, call, expression, one) for one in everything}
        both, threshold = nab.best_threshold(everything, scores)
        alone = [nab.best_threshold(members, scores)[0] for members in groups.values()]
        once, _ = nab.best_threshold(everything, {key: told_once(value) for key, value in scores.items()})
        print(f"| {name} | {both:.1f} | " + " | ".join(f"{score:.1f}" for score in alone) + f" | {once:.1f} |", flush=True)
        if given.windows and threshold is not None:
            for one in everything:
                rows = [row for row in range(one.probation, len(one.times)) if (scores[one.name][row] or 0) >= threshold]
                found = {one.worths[row][0] for row in rows} - {None}
                false = sum(one.worths[row][0] is None for row in rows)
                print(f"    {one.name}: {len(found)} of {len(one.windows)} windows, {false} rows outside")


if __name__ == "__main__":
    main()
