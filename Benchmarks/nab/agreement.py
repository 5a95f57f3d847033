"""Agreement of RANDOM_CUT_FOREST with the Python package rrcf (Bartos, Mullapudi, Troutman, JOSS 2019) on the same streams.

rrcf's score is the collusive displacement of a point in trees that keep the last `sample_size` points, each in every tree; ours is the
expectation of the same number over a sample of the past. Compared are, per series: the rank correlation of the scores, and the hits among
the planted anomalies when as many points are called as were planted. What is noise shows rrcf against itself, with another seed.

    python3 Benchmarks/nab/agreement.py [--rows 1200] [MILLRACE]

Needs numpy and rrcf (pip install rrcf numpy); says so and ends with 77 where they are missing.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile

SHINGLE, TREES, SAMPLE, WARM = 4, 50, 256, 300


def streams(rows, numpy):
    """Name, values, rows of planted anomalies."""
    random = numpy.random.default_rng(1)
    t = numpy.arange(rows)
    spots = numpy.sort(random.choice(numpy.arange(WARM + 50, rows - 10), 12, replace=False))
    wave = 50 * numpy.sin(2 * numpy.pi * t / 40) + random.normal(0, 2, rows)
    spiked = wave.copy()
    spiked[spots] += 80
    yield "sine with spikes", spiked, spots
    flat = wave.copy()
    begins = spots[::3]
    for begin in begins:
        flat[begin:begin + 6] = 20 + random.normal(0, 1, len(flat[begin:begin + 6]))
    yield "sine with flat stretches", flat, numpy.concatenate([numpy.arange(b, b + 6) for b in begins])
    noise = random.normal(0, 1, rows)
    noise[spots] += 7 * numpy.sign(random.normal(0, 1, len(spots)))
    yield "noise with outliers", noise, spots
    jumps = random.normal(0, 1, rows) + numpy.where((t // 200) % 2 == 1, 6, 0)
    yield "levels", jumps, numpy.arange(200, rows, 200)[1:]


def rrcf_scores(values, seed, rrcf, numpy):
    numpy.random.seed(seed)
    forest = [rrcf.RCTree(random_state=seed * 1000 + index) for index in range(TREES)]
    scores = numpy.full(len(values), numpy.nan)
    for index, point in enumerate(rrcf.shingle(values, size=SHINGLE)):
        total = 0.0
        for tree in forest:
            if len(tree.leaves) > SAMPLE:
                tree.forget_point(index - SAMPLE - 1)
            tree.insert_point(point, index=index)
            total += tree.codisp(index)
        scores[index + SHINGLE - 1] = total / TREES
    return scores


def our_scores(values, binary, numpy, seed=0):
    """By the product: a script over a CSV file. time_decay is such that points live as long, on average, as rrcf's window."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.csv")
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["n", "v"])
            out.writerows([index, repr(float(value))] for index, value in enumerate(values))
        script = os.path.join(folder, "run.sql")
        with open(script, "w") as file:
            file.write(f"""CREATE TABLE points (n BIGINT, v DOUBLE) WITH (connector = 'file', path = '{path}', format = 'csv');
SELECT (random_cut_forest(v, shingle => {SHINGLE}, trees => {TREES}, sample_size => {SAMPLE}, time_decay => {2 / SAMPLE}, seed => {seed})
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
    parser.add_argument("--rows", type=int, default=1200)
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
    print("| series | planted | rank correlation, ours with rrcf | rrcf with rrcf | found: ours | rrcf |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, values, spots in streams(given.rows, numpy):
        one, other = rrcf_scores(values, 1, rrcf, numpy), rrcf_scores(values, 2, rrcf, numpy)
        ours = our_scores(values, given.binary, numpy)
        part = slice(WARM, None)
        agree, noise = rank_correlation(ours[part], one[part], numpy), rank_correlation(one[part], other[part], numpy)
        found, theirs = hits(ours, spots, numpy), hits(one, spots, numpy)
        print(f"| {name} | {len(spots)} | {agree:.3f} | {noise:.3f} | {found} | {theirs} |")
        good = good and agree > 0.75 and found >= theirs - 1
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
