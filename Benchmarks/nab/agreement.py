"""Agreement of RANDOM_CUT_FOREST with the Python package rrcf (Bartos, Mullapudi, Troutman, JOSS 2019) on the same streams.

rrcf's score is the collusive displacement of a point after it was inserted; ours is the expectation of the same number over all ways to
insert it. Both forests keep points alike: each takes every point and lets go of one drawn evenly (which points a forest keeps is the
caller's choice in rrcf). Compared are, for each series, the rank correlation of the scores, and how many planted anomalies score above all
but two of the ordinary points. What is noise, rrcf against itself with another seed shows.

rrcf 0.4.4 does not insert as the paper has it: a leaf's box is one row, so that `_insert_point_cut` overwrites its lower corner with the
upper one, finds no sides, and cuts between a leaf and a point always in the first column, at the larger value; points equal to the cut then
lie on the wrong side. Trees that it builds at once (from an array) are right and differ from those that it grows. So the comparison is made
with the package as it is, and with that one method given a box of two rows; the latter has to agree to within noise.

    python3 Benchmarks/nab/agreement.py [--rows 800] [MILLRACE]

Needs numpy and rrcf (pip install rrcf numpy); says so and ends with 77 where they are missing.
"""

import argparse
import concurrent.futures
import csv
import itertools
import os
import statistics
import subprocess
import sys
import tempfile

SHINGLE, TREES, SAMPLE, WARM, SEEDS = 4, 50, 256, 300, 4


def streams(rows, numpy):
    """Name, values, rows of planted anomalies."""
    random = numpy.random.default_rng(1)
    t = numpy.arange(rows)
    spots = numpy.sort(random.choice(numpy.arange(WARM + 50, rows - 10), 12, replace=False))
    wave = 50 * numpy.sin(2 * numpy.pi * t / 40) + random.normal(0, 2, rows)
    spiked = wave.copy()
    spiked[spots] += 80
    yield "sine with spikes", spiked, spots
    noise = random.normal(0, 1, rows)
    noise[spots] += 7 * numpy.sign(random.normal(0, 1, len(spots)))
    yield "noise with outliers", noise, spots
    jumps = random.normal(0, 1, rows) + numpy.where((t // 200) % 2 == 1, 6, 0)
    yield "levels", jumps, numpy.arange(200, rows, 200)[1:]


def corrected():
    """rrcf's tree with a leaf's box of two rows."""
    import numpy
    import rrcf

    class Tree(rrcf.RCTree):
        def _insert_point_cut(self, point, bbox):
            return super()._insert_point_cut(point, bbox if len(bbox) > 1 else numpy.vstack([bbox, bbox]))
    return Tree


def rrcf_scores(values, seed, is_corrected):
    import numpy
    import rrcf
    if not hasattr(numpy, "bool"):
        numpy.bool = bool
    tree_class = corrected() if is_corrected else rrcf.RCTree
    numpy.random.seed(seed)
    forest = [tree_class(random_state=seed * 1000 + index) for index in range(TREES)]
    members = [[] for _ in forest]
    scores = numpy.full(len(values), numpy.nan)
    for index, point in enumerate(rrcf.shingle(values, size=SHINGLE)):
        total = 0.0
        for tree, kept in zip(forest, members):
            tree.insert_point(point, index=index)
            total += tree.codisp(index)
            if len(kept) < SAMPLE:
                kept.append(index)
            else:
                place = numpy.random.randint(SAMPLE)
                tree.forget_point(kept[place])
                kept[place] = index
        scores[index + SHINGLE - 1] = total / TREES
    return scores


def our_scores(values, binary, numpy, seed=0):
    """By the product: a script over a CSV file. With this time_decay every point enters every tree."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.csv")
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["n", "v"])
            out.writerows([index, repr(float(value))] for index, value in enumerate(values))
        script = os.path.join(folder, "run.sql")
        with open(script, "w") as file:
            file.write(f"""CREATE TABLE points (n BIGINT, v DOUBLE) WITH (connector = 'file', path = '{path}', format = 'csv');
SELECT (random_cut_forest(v, shingle => {SHINGLE}, trees => {TREES}, sample_size => {SAMPLE}, time_decay => {1 / SAMPLE}, seed => {seed})
        OVER (ORDER BY n)).score AS score FROM points ORDER BY n;
""")
        text = subprocess.run([binary, "run", script, "--format", "csv"], check=True, capture_output=True, text=True).stdout
    rows = text.split("\n")[1:len(values) + 1]
    return numpy.array([float(row) if row else numpy.nan for row in rows])


def rank_correlation(a, b, numpy):
    def ranks(values):
        order = numpy.argsort(values, kind="stable")
        result = numpy.empty(len(values))
        result[order] = numpy.arange(len(values))
        return result
    return float(numpy.corrcoef(ranks(a), ranks(b))[0, 1])


def hits(scores, spots, numpy):
    """Of the planted rows, those among as many rows of the highest scores; a shingle tells for as many rows as it has."""
    usable = numpy.where(numpy.isnan(scores), -1, scores)
    usable[:WARM] = -1
    found = 0
    for spot in spots:
        near = usable[spot:spot + SHINGLE].max()
        others = numpy.delete(usable, numpy.concatenate([numpy.arange(s, min(s + SHINGLE, len(usable))) for s in spots]))
        found += near > numpy.sort(others)[-3]
    return int(found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default=os.environ.get("MILLRACE", ".build/release/millrace"))
    parser.add_argument("--rows", type=int, default=800)
    given = parser.parse_args()
    try:
        import numpy
        import rrcf
    except ImportError as missing:
        print(f"skipped: {missing} (pip install rrcf numpy)")
        sys.exit(77)
    if not hasattr(numpy, "bool"):
        numpy.bool = bool
    good = True
    print("| series | planted | rank correlation, ours with rrcf | rrcf with rrcf | ours with corrected | corrected with corrected | found: ours | rrcf |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, values, spots in streams(given.rows, numpy):
        ours = our_scores(values, given.binary, numpy)
        part = slice(WARM, None)
        row = []
        for is_corrected in (False, True):
            with concurrent.futures.ProcessPoolExecutor() as pool:
                theirs = list(pool.map(rrcf_scores, [values] * SEEDS, range(1, SEEDS + 1), [is_corrected] * SEEDS))
            # Any two forests of the package say little: over some 500 rows, of which neighbours go together, their correlation is known to 0.05.
            row.append(statistics.mean(rank_correlation(ours[part], other[part], numpy) for other in theirs))
            row.append(statistics.mean(rank_correlation(a[part], b[part], numpy) for a, b in itertools.combinations(theirs, 2)))
            found, others = hits(ours, spots, numpy), hits(theirs[0], spots, numpy)
            good = good and abs(found - others) <= 1
        print(f"| {name} | {len(spots)} | {row[0]:.3f} | {row[1]:.3f} | {row[2]:.3f} | {row[3]:.3f} | {found} | {others} |", flush=True)
        good = good and row[2] > row[3] - 0.03
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
