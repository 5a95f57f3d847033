"""Anomaly functions from the outside: saved queries over kill -9 and restart, alteration, checkpoints, `millrace test`, drawings, completion."""

import json
import math
import os
import random
import signal
import unittest

from support import CommandTest

STREAMS = """
CREATE STREAM load (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE STREAM scores (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), z DOUBLE);
"""
QUERY = """
CREATE QUERY scoring AS INSERT INTO scores
SELECT host, cpu, ts, zscore(cpu, points => 30) OVER (PARTITION BY host ORDER BY ts) AS z FROM load;
"""


def points(count, hosts=5, start=0):
    chance = random.Random(start)
    for number in range(start, start + count):
        second = number // hosts
        yield {
            "host": f"h{number % hosts}",
            "cpu": round(chance.gauss(50, 3) if number % 97 else 95, 3),
            "ts": f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{number % 7:03}",
        }


def zscores(rows, window):
    """What ZSCORE says, computed from its definition."""
    kept, result = {}, []
    for row in rows:
        before = kept.setdefault(row["host"], [])
        score = None
        if len(before) >= 2:
            mean = sum(before) / len(before)
            deviation = math.sqrt(sum((x - mean) ** 2 for x in before) / (len(before) - 1))
            score = (row["cpu"] - mean) / deviation if deviation > 0 else (0 if row["cpu"] == mean else None)
        result.append((row["host"], row["ts"], score))
        before.append(row["cpu"])
        del before[:-window]
    return result


class AnomalyTests(CommandTest):
    def scores(self):
        return self.tail("scores", "--from", "TRIM_HORIZON", "--no-follow")

    def deploy(self, data):
        self.millrace("deploy", self.write("scoring.sql", "-- Which host is busier than it was?\n" + STREAMS + QUERY), "--yes", "--data", data)

    def put_points(self, rows):
        self.put("load", "".join(json.dumps(row) + "\n" for row in rows))

    def check(self, rows, window=30):
        """Rows that the watermark has passed, each once, with the scores of the definition."""
        wanted = {(host, ts): score for host, ts, score in zscores(rows, window)}
        got = self.scores()
        self.assertEqual(len(got), len({(row["host"], row["ts"]) for row in got}), "each row once")
        for row in got:
            score = wanted[(row["host"], row["ts"])]
            if score is None:
                self.assertIsNone(row["z"])
            else:
                self.assertAlmostEqual(row["z"], score, places=6)
        return len(got)

    def test_scores_over_kill_and_restart(self):
        self.deploy(self.data)
        rows = list(points(3000))
        for number, part in enumerate((rows[:1000], rows[1000:2000], rows[2000:])):
            self.put_points(part)
            child = self.start("tail", "load", "--from", "LATEST", "--follow", "--data", self.data)
            self.wait_until(lambda: self.stream_rows("scores") > number * 1000 + 900, "scores")
            child.send_signal(signal.SIGKILL if number < 2 else signal.SIGTERM)
            child.wait(30)
            child.stdout.close()
            child.stderr.close()
        count = self.check(rows)
        self.assertGreater(count, 2900)
        # A second data directory without any interruption gives the same bits.
        interrupted = self.scores()
        other = self.path("other")
        self.deploy(other)
        self.millrace("put", "load", "--data", other, input="".join(json.dumps(row) + "\n" for row in rows))
        child = self.start("tail", "load", "--from", "LATEST", "--follow", "--data", other)
        rows_of = lambda: [json.loads(line) for line in self.millrace("tail", "scores", "--no-follow", "--from", "TRIM_HORIZON", "--data", other).stdout.splitlines()]
        self.wait_until(lambda: len(rows_of()) >= count, "scores of the other")
        self.stop(child)
        key = lambda row: (row["host"], row["ts"])
        self.assertEqual(sorted(rows_of(), key=key), sorted(interrupted, key=key))

    def test_other_parameters_begin_anew(self):
        self.deploy(self.data)
        alter = "EXPLAIN ALTER QUERY scoring AS INSERT INTO scores SELECT host, cpu, ts, %s OVER (PARTITION BY host ORDER BY ts) AS z FROM load;"
        other = self.run_sql(alter % "zscore(cpu, points => 20)", "--data", self.data).stdout
        same = self.run_sql(alter % "ZSCORE(cpu, points => 30)", "--data", self.data).stdout
        self.assertNotEqual(other, same)

    def test_a_plain_select_and_its_drawing(self):
        self.run_sql(STREAMS, "--data", self.data)
        self.put_points(points(500, hosts=1))
        found = self.rows("SELECT ts, cpu, zscore(cpu) OVER (ORDER BY ts) AS z FROM load QUALIFY z > 8 ORDER BY ts", "--data", self.data)
        self.assertTrue(found)
        self.assertTrue(all(row["cpu"] == 95 for row in found))
        drawn = self.millrace(
            "--data", self.data, expect=0,
            input="""select ts, cpu, (cpu - z * 3) as expected, cpu - z * 3 - 9 as low, cpu - z * 3 + 9 as high, case when z > 6 then 1 else 0 end as grade
                from (select ts, cpu, zscore(cpu) over (order by ts) as z from load limit 100);\n\\plot\n""").stdout
        lines = drawn[drawn.rindex("cpu\n"):].splitlines()
        self.assertIn("░", "".join(lines[1:-3]))
        self.assertIn("●", "".join(lines[1:-3]))
        self.assertIn("expected range", lines[-1])

    def test_an_alert_and_a_view_over_grades(self):
        said = "(SELECT host, cpu, ts, anomaly(cpu) OVER (PARTITION BY host ORDER BY ts) AS said FROM load)"
        script = self.write("rules.sql", f"""-- Which host does something unusual?
CREATE STREAM load (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE ALERT unusual AS SELECT host, cpu, (said).grade AS grade FROM {said} WHERE (said).grade > 0 WITH (severity = 'warning');
CREATE MATERIALIZED VIEW worst AS SELECT host, max((said).grade) AS grade FROM {said} GROUP BY host;
""")
        self.millrace("deploy", script, "--yes", "--data", self.data)
        chance = random.Random(1)
        self.put_points(
            {
                "host": f"h{n % 2}", "cpu": 96.0 if n in (500, 501, 502) else round(chance.gauss(30, 2), 2),
                "ts": f"2026-01-01T10:{n // 120:02}:{n // 2 % 60:02}.{n % 2:03}",
            }
            for n in range(600))
        child = self.start("tail", "load", "--from", "LATEST", "--follow", "--data", self.data)
        self.wait_until(lambda: self.stream_rows("alerts") >= 4, "transitions")
        self.stop(child)
        transitions = self.tail("alerts", "--from", "TRIM_HORIZON", "--no-follow")
        for host in ("h0", "h1"):
            of_host = [row for row in transitions if row["keys"]["host"] == host]
            self.assertIn("firing", of_host[0]["to_state"])
            self.assertTrue(of_host[0]["event_time"].startswith("2026-01-01T10:04:1"), of_host[0])
            self.assertEqual(of_host[0]["values"]["cpu"], "96")
            self.assertEqual(of_host[-1]["to_state"], "resolved")
        worst = self.rows("SELECT host, grade FROM worst ORDER BY host", "--data", self.data)
        self.assertEqual([row["host"] for row in worst], ["h0", "h1"])
        self.assertTrue(all(0 < row["grade"] <= 1 for row in worst))

    def test_queries_have_tests(self):
        self.write("scoring.sql", "-- Which host is busier than it was?\n" + STREAMS + QUERY)
        path = self.write("scoring.test", """use scoring.sql
test a jump is seen
given load
    host | cpu | ts
    a    | 1   | 10:00:00
    a    | 2   | 10:00:01
    b    | 7   | 10:00:01
    a    | 3   | 10:00:02
    a    | 9   | 10:00:03
end
expect scores
    host | ts       | z
    a    | 10:00:00 | NULL
    a    | 10:00:01 | NULL
    b    | 10:00:01 | NULL
    a    | 10:00:02 | 2.12
    a    | 10:00:03 | 7.00
""")
        self.millrace("test", path)

    def test_functions_are_shown(self):
        shown = self.rows("SHOW FUNCTIONS")
        self.assertTrue(any(row["name"] == "zscore" and "points => 100" in row["signature"] for row in shown))
        explained = self.run_sql(STREAMS + "EXPLAIN SELECT STREAM zscore(cpu, points => 10) OVER (PARTITION BY host ORDER BY ts) FROM load;").stdout
        self.assertIn("points 10", explained)
        self.assertIn("96 bytes", explained)


if __name__ == "__main__":
    unittest.main()
