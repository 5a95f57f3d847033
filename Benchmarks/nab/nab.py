"""nab: the scoring of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015, arXiv 1510.03336), application profile "standard".

A detection inside a labelled window earns what the scaled sigmoid gives at its place in the window (1 at the window's begin, 0 at its end);
only the best detection in a window counts. A window without one costs 1. A detection outside costs 0.11 times the sigmoid at its distance
behind the last window, in widths of that window (full cost beyond three, or where no window went before). The first 15 % of a file's rows,
of at most 5000, are not scored. One threshold for all files of the set is chosen to make the sum largest, as the benchmark does; the sum
is then put on a scale on which detecting nothing is 0 and detecting each window at its first row, and nothing else, is 100.
"""

import csv
import json
import math
import os

TP_WEIGHT, FP_WEIGHT, FN_WEIGHT = 1.0, 0.11, 1.0
GROUPS = ["realKnownCause", "realAWSCloudwatch"]


def scaled_sigmoid(position):
    """1 far left of 0, 0 at 0, -1 to the right; beyond 3 exactly -1."""
    if position > 3.0:
        return -1.0
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def probation_rows(rows):
    return min(math.floor(0.15 * rows), int(0.15 * 5000))


class Series:
    """A file of the benchmark: times as text, values, and its windows as (first row, last row)."""

    def __init__(self, name, times, values, windows):
        self.name, self.times, self.values, self.windows = name, times, values, windows
        self.worths = row_worths(len(times), windows)
        self.probation = probation_rows(len(times))


def row_worths(rows, windows):
    """For each row (number of its window or None, what a detection there is worth)."""
    worths = []
    at, previous = 0, None
    for row in range(rows):
        if at < len(windows) and windows[at][0] <= row:
            first, last = windows[at]
            width = last - first + 1
            worths.append((at, TP_WEIGHT * scaled_sigmoid(-(last - row + 1) / width) / scaled_sigmoid(-1.0)))
            if row == last:
                previous = windows[at]
                at += 1
        elif previous is None:
            worths.append((None, -FP_WEIGHT))
        else:
            first, last = previous
            worths.append((None, FP_WEIGHT * scaled_sigmoid((row - last) / max(1, last - first))))
    return worths


def load(root, groups=GROUPS):
    """All files of the groups, in order of their names."""
    with open(os.path.join(root, "windows.json")) as file:
        labels = json.load(file)
    result = []
    for group in groups:
        for name in sorted(os.listdir(os.path.join(root, group))):
            if not name.endswith(".csv"):
                continue
            key = f"{group}/{name}"
            with open(os.path.join(root, key), newline="") as file:
                rows = list(csv.reader(file))[1:]
            times = [row[0] for row in rows]
            windows = []
            for begin, end in labels.get(key, []):
                windows.append((times.index(begin.split(".")[0]), times.index(end.split(".")[0])))
            result.append(Series(key, times, [float(row[1]) for row in rows], sorted(windows)))
    return result


def raw_score(series, scores, threshold):
    """The sum of one file at a threshold: a row is a detection where its score is at least that."""
    best = [-FN_WEIGHT] * len(series.windows)
    total = 0.0
    for row in range(series.probation, len(scores)):
        if scores[row] is None or not scores[row] >= threshold:
            continue
        window, worth = series.worths[row]
        if window is None:
            total += worth
        else:
            best[window] = max(best[window], worth)
    return total + sum(best)


def normalised(total, windows):
    return 100.0 * (total + FN_WEIGHT * windows) / ((TP_WEIGHT + FN_WEIGHT) * windows) if windows else 0.0


def best_threshold(set_of_series, scores_by_name):
    """(score on the scale of 0 to 100, threshold) at the threshold that is best for the whole set; None: detect nothing."""
    points = []
    windows = 0
    for series in set_of_series:
        scores = scores_by_name[series.name]
        if len(scores) != len(series.times):
            raise ValueError(f"{series.name}: {len(scores)} scores for {len(series.times)} rows")
        windows += len(series.windows)
        for row in range(series.probation, len(scores)):
            score = scores[row]
            if score is not None and score == score:
                window, worth = series.worths[row]
                points.append((score, worth, None if window is None else (series.name, window)))
    points.sort(key=lambda point: -point[0])
    best, threshold = -FN_WEIGHT * windows, None
    total, best_in = best, {}
    for index, (score, worth, window) in enumerate(points):
        if window is None:
            total += worth
        else:
            old = best_in.get(window, -FN_WEIGHT)
            if worth > old:
                total += worth - old
                best_in[window] = worth
        # A threshold takes all rows of one score, or none.
        if total > best and (index + 1 == len(points) or points[index + 1][0] != score):
            best, threshold = total, score
    return normalised(best, windows), threshold


def score_at(set_of_series, scores_by_name, threshold):
    windows = sum(len(series.windows) for series in set_of_series)
    if threshold is None:
        return 0.0
    return normalised(sum(raw_score(series, scores_by_name[series.name], threshold) for series in set_of_series), windows)
