"""The scorer of Benchmarks/nab, on cases small enough to compute by hand; and what the program makes of the benchmark's files.

`MILLRACE_NAB=1` scores ANOMALY and RANDOM_CUT_FOREST on all files (a minute with a release build); without it three files are looked at.
"""

import math
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Benchmarks", "nab"))
import nab
import report
import support


def sigmoid(position):
    """As the paper writes it: (A_TP - A_FP) / (1 + e^(5 y)) - 1 with A_TP = 1, A_FP = -1."""
    return 2 / (1 + math.exp(5 * position)) - 1


def series(rows, windows):
    return nab.Series("s", [str(row) for row in range(rows)], [0.0] * rows, windows)


class NabScorerTests(unittest.TestCase):
    def detect(self, rows, windows, *at):
        one = series(rows, windows)
        scores = [1.0 if row in at else 0.0 for row in range(rows)]
        return nab.raw_score(one, scores, 1.0)

    def test_values_of_the_sigmoid(self):
        self.assertAlmostEqual(nab.scaled_sigmoid(-1), 0.98661430)
        self.assertAlmostEqual(nab.scaled_sigmoid(0), 0)
        self.assertAlmostEqual(nab.scaled_sigmoid(1), -0.98661430)
        self.assertEqual(nab.scaled_sigmoid(3.0001), -1)

    def test_probation_is_15_percent_of_at_most_5000_rows(self):
        self.assertEqual([nab.probation_rows(rows) for rows in (7, 100, 4032, 5000, 22695)], [1, 15, 604, 750, 750])

    def test_first_row_of_a_window_is_worth_1_and_the_last_nearly_nothing(self):
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40), 1)
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 49), sigmoid(-0.1) / sigmoid(-1))
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 45), sigmoid(-0.5) / sigmoid(-1))

    def test_only_the_best_detection_of_a_window_counts(self):
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 44, 41, 48), sigmoid(-0.9) / sigmoid(-1))

    def test_a_missed_window_costs_1(self):
        self.assertAlmostEqual(self.detect(100, [(40, 49)]), -1)
        self.assertAlmostEqual(self.detect(100, [(40, 49), (80, 89)], 80), 0)

    def test_false_detections(self):
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 20), 1 - 0.11)
        # One row behind a window of ten rows: a ninth of its width.
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 50), 1 + 0.11 * sigmoid(1 / 9))
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 58), 1 + 0.11 * sigmoid(1))
        # Three widths behind and farther.
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 90), 1 - 0.11)
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 90, 91), 1 - 0.22)

    def test_probation_is_not_scored(self):
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 3, 14), 1)
        self.assertAlmostEqual(self.detect(100, [(40, 49)], 40, 15), 1 - 0.11)

    def test_a_window_that_begins_in_probation_counts_from_there(self):
        self.assertAlmostEqual(self.detect(100, [(10, 19)], 12), -1)
        self.assertAlmostEqual(self.detect(100, [(10, 19)], 15), sigmoid(-0.5) / sigmoid(-1))

    def test_scale_of_nothing_and_of_all(self):
        one = series(100, [(40, 49), (80, 89)])
        self.assertEqual(nab.best_threshold([one], {"s": [0.5] * 100})[0], 0)
        perfect = [1.0 if row in (40, 80) else 0.0 for row in range(100)]
        self.assertAlmostEqual(nab.best_threshold([one], {"s": perfect})[0], 100)
        self.assertEqual(nab.best_threshold([one], {"s": perfect})[1], 1.0)

    def test_threshold_is_one_for_the_whole_set(self):
        a, b = series(100, [(40, 49)]), series(100, [(40, 49)])
        b.name = "b"
        # At 0.9 file a's window; at 0.5 also b's window and 4 false ones in each: +1 - 8 * 0.11 > 0, so 0.5 is better by 2 - 0.88.
        scores_a = [0.9 if row == 40 else 0.5 if 16 <= row < 20 else 0 for row in range(100)]
        scores_b = [0.5 if row == 40 or 16 <= row < 20 else 0 for row in range(100)]
        score, threshold = nab.best_threshold([a, b], {"s": scores_a, "b": scores_b})
        self.assertEqual(threshold, 0.5)
        self.assertAlmostEqual(score, 100 * (2 - 0.88 + 2) / 4)
        self.assertAlmostEqual(nab.score_at([a, b], {"s": scores_a, "b": scores_b}, 0.9), 100 * (1 - 1 + 2) / 4)

    def test_the_sweep_equals_scoring_at_each_threshold(self):
        numbers = [(row * 7919 + 13) % 101 / 101 for row in range(200)]
        one = series(200, [(50, 69), (120, 139)])
        score, threshold = nab.best_threshold([one], {"s": numbers})
        by_hand = max(nab.score_at([one], {"s": numbers}, value) for value in set(numbers))
        self.assertAlmostEqual(score, max(by_hand, 0))

    def test_null_is_no_detection_and_a_missing_row_is_an_error(self):
        one = series(100, [(40, 49)])
        self.assertEqual(nab.best_threshold([one], {"s": [None] * 99 + [float("nan")]}), (0.0, None))
        with self.assertRaises(ValueError):
            nab.best_threshold([one], {"s": [0.0] * 99})


DATA = os.environ.get("NAB_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "nab"))


@unittest.skipUnless(os.path.exists(os.path.join(DATA, "windows.json")), "no benchmark files (NAB_DIR)")
class NabFileTests(unittest.TestCase):
    def scores(self, series, call="anomaly(v)", expression="(a).score"):
        return report.scores_of(support.MILLRACE, DATA, call, expression, series)

    def test_anomaly_finds_the_labelled_windows_of_three_files(self):
        wanted = {
            "realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv": 2, "realAWSCloudwatch/rds_cpu_utilization_e47b3b.csv": 2,
            "realKnownCause/nyc_taxi.csv": 5,
        }
        for series in nab.load(DATA):
            if series.name not in wanted:
                continue
            scores = self.scores(series)
            rows = [row for row in range(series.probation, len(scores)) if scores[row] > 2.9]
            found = {series.worths[row][0] for row in rows} - {None}
            self.assertEqual(len(found), wanted.pop(series.name), series.name)
            self.assertLessEqual(sum(series.worths[row][0] is None for row in rows), 5, series.name)
        self.assertEqual(wanted, {})

    @unittest.skipUnless(os.environ.get("MILLRACE_NAB"), "MILLRACE_NAB=1 scores all files")
    def test_scores_of_the_whole_set(self):
        everything = nab.load(DATA)
        for call, expression, least in [("anomaly(v)", "(a).score", 70), ("random_cut_forest(v)", "(a).grade", 55)]:
            scores = {series.name: self.scores(series, call, expression) for series in everything}
            self.assertGreaterEqual(nab.best_threshold(everything, scores)[0], least, call)
            for group in nab.GROUPS:
                members = [series for series in everything if series.name.startswith(group)]
                self.assertGreaterEqual(nab.best_threshold(members, scores)[0], least, f"{call} {group}")


if __name__ == "__main__":
    unittest.main()
