"""A text plot of ANOMALY on one file of the benchmark: value, range of what would not be rare, where something was told, labelled windows.

    python3 Benchmarks/nab/plot.py realKnownCause/nyc_taxi.csv [--from ROW] [--to ROW] [--data ../shared/nab] [--binary ...]
"""

import argparse
import os

import nab
import report

WIDTH, HEIGHT = 100, 14


def main():
    parser = argparse.ArgumentParser()
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("file")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", dest="end", type=int)
    parser.add_argument("--data", default=os.environ.get("NAB_DIR", os.path.join(here, "..", "..", "..", "shared", "nab")))
    parser.add_argument("--binary", default=os.environ.get("MILLRACE", os.path.join(here, "..", "..", ".build", "release", "millrace")))
    given = parser.parse_args()
    series = next(one for one in nab.load(given.data) if one.name == given.file)
    ask = lambda field: report.scores_of(given.binary, given.data, "anomaly(v)", f"(a).{field}", series)
    low, high, grade = ask("low"), ask("high"), ask("grade")
    end = given.end or len(series.times)
    rows = range(given.first, end)
    print("\n".join(plot(rows, series.values, low, high, grade, series.windows)))


def plot(rows, values, low, high, grade, windows):
    cells = [[row for row in rows if (row - rows[0]) * WIDTH // len(rows) == column] for column in range(WIDTH)]
    least = min(values[row] for row in rows)
    most = max(values[row] for row in rows)
    scale = lambda value: min(HEIGHT - 1, max(0, round((value - least) / ((most - least) or 1) * (HEIGHT - 1))))
    lines = [[" "] * WIDTH for _ in range(HEIGHT)]
    marks = [" "] * WIDTH
    labels = [" "] * WIDTH
    for column, members in enumerate(cells):
        if not members:
            continue
        middle = members[len(members) // 2]
        if low[middle] is not None:
            for at in range(scale(low[middle]), scale(high[middle]) + 1):
                lines[at][column] = "░"
        for at in range(scale(min(values[row] for row in members)), scale(max(values[row] for row in members)) + 1):
            lines[at][column] = "█"
        if any((grade[row] or 0) > 0.4 for row in members):
            marks[column] = "▲"
        if any(first <= row <= last for row in members for first, last in windows):
            labels[column] = "="
    result = []
    for at in reversed(range(HEIGHT)):
        edge = f"{most:>10.4g} " if at == HEIGHT - 1 else f"{least:>10.4g} " if at == 0 else " " * 11
        result.append((edge + "".join(lines[at])).rstrip())
    return result + ["     grade " + "".join(marks).rstrip(), "    labels " + "".join(labels).rstrip()]


if __name__ == "__main__":
    main()
