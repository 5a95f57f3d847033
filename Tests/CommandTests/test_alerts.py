"""Alerts through the real program: killed while pending and firing, no transition is lost or given twice; tests of rules; a rule's end.

MILLRACE_ALERT_KILLS sets how often the program is killed (8), MILLRACE_ALERT_SEED the seed.
"""

import datetime
import json
import os
import random
import subprocess
import unittest

from support import MILLRACE, CommandTest

SETUP = """
CREATE STREAM m (host VARCHAR, cpu BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE ALERT hot AS SELECT host, cpu FROM m WHERE cpu > 60 KEY (host) FOR INTERVAL '2' SECOND KEEP FIRING FOR INTERVAL '1' SECOND;
CREATE ALERT hotter AS SELECT host, cpu FROM m WHERE cpu > 80 KEY (host) FOR INTERVAL '1' SECOND;
CREATE ALERT level AS SELECT host, cpu FROM m WHERE cpu > 90 RESOLVE WHEN cpu < 20 KEY (host);
CREATE ALERT busy AS SELECT host, COUNT(*) AS n FROM m GROUP BY host, TUMBLE(ts, INTERVAL '3' SECOND) HAVING COUNT(*) > 4;
"""
ALERTS = ["hot", "hotter", "level", "busy"]
START = datetime.datetime(2026, 1, 1)


def compared(row):
    return {name: value for name, value in row.items() if name not in ("processed_at", "key")}


class AlertTests(CommandTest):
    def transitions(self, text):
        rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return sorted((compared(row) for row in rows), key=lambda row: (row["instance"], row["transition"]))

    def ask(self, sql):
        return self.millrace("--data", self.data, "--format", "json", input=sql).stdout

    def perform(self, arguments, lines, kill_after):
        child = subprocess.Popen(
            [MILLRACE, *arguments, "--data", self.data], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)
        try:
            child.communicate("".join(lines).encode(), timeout=kill_after)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()

    def test_killed_while_pending_and_firing(self):
        seed = int(os.environ.get("MILLRACE_ALERT_SEED", "1"))
        choice = random.Random(seed)
        self.millrace("--data", self.data, input=SETUP)
        time = 0
        for _ in range(int(os.environ.get("MILLRACE_ALERT_KILLS", "8"))):
            lines = []
            for _ in range(400):
                time += choice.randrange(200)
                at = START + datetime.timedelta(milliseconds=max(0, time - choice.randrange(900)))
                row = {"host": choice.choice("abcde"), "cpu": choice.randrange(100), "ts": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]}
                lines.append(json.dumps(row) + "\n")
            self.perform(["put", "m"], lines, choice.choice([0.05, 0.2, 0.4, 0.8, 30]))
            if choice.random() < 0.5:
                self.perform(["run", "-", "--until-caught-up"], [], choice.choice([0.1, 0.3, 0.6]))
        self.perform(["run", "-", "--until-caught-up"], [], 60)
        keys = [json.loads(line)["key"] for line in self.ask('SELECT "key" FROM alerts;').splitlines()]
        self.assertEqual(len(set(keys)), len(keys))
        for name in ALERTS:
            live = self.transitions(self.ask(f"SELECT * FROM alerts WHERE alert = '{name}';"))
            replayed = self.transitions(self.ask(f"TEST ALERT {name};"))
            self.assertGreater(len(live), 10, f"seed {seed}, {name}")
            self.assertEqual(live, replayed, f"seed {seed}, {name}")
            for instance in {row["instance"] for row in live}:
                numbers = [row["transition"] for row in live if row["instance"] == instance]
                self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_rules_have_tests(self):
        self.write(
            "hot.sql",
            "CREATE STREAM m (host VARCHAR, cpu BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);\n"
            "CREATE ALERT hot AS SELECT host, cpu FROM m WHERE cpu > 60 KEY (host) FOR INTERVAL '2' SECOND\n"
            "ON NO DATA FOR INTERVAL '1' MINUTE RESOLVE WITH (severity = 'page', annotation.text = '{{ host }}: {{ cpu }} %');\n")
        self.write(
            "hot.test",
            "use hot.sql\n"
            "test it fires and falls silent\n"
            "given m\n"
            "    host | cpu | ts\n"
            "    a    | 70  | 10:00:01\n"
            "    b    | 10  | 10:00:01\n"
            "    a    | 80  | 10:00:04\n"
            "    b    | 10  | 10:00:05\n"
            "expect alerts in order\n"
            "    alert | from_state | to_state | event_time | severity\n"
            "    hot   | inactive   | pending  | 10:00:01   | page\n"
            "    hot   | pending    | firing   | 10:00:03   | page\n"
            "at 10:05:00\n"
            "expect alerts\n"
            "    to_state | reason\n"
            "    resolved | no data\n")
        result = self.millrace("test", self.path("hot.test"))
        self.assertIn("1", result.stdout + result.stderr)

    def test_mistakes_are_shown_with_their_place(self):
        setup = "CREATE STREAM m (host VARCHAR, cpu BIGINT);\n"
        for text, message, caret in [
            ("CREATE ALERT x AS SELECT host, cpu FROM m WHERE cpu > 1 KEY (hots);", 'column "hots" of KEY does not exist', "hots"),
            ("CREATE ALERT x AS SELECT host FROM m WHERE cpu > 1 WITH (severity = '{{ hst }}');", 'column "hst" of severity does not exist', "{{ hst }}"),
            ("CREATE ALERT x AS SELECT host FROM m WHERE cpu > 1 FOR '5 minutes';", "expected an interval", "'5 minutes'"),
        ]:
            result = self.millrace("--data", self.data, input=setup.replace("CREATE STREAM", "CREATE STREAM IF NOT EXISTS") + text, expect=1)
            self.assertIn(message, result.stderr)
            self.assertIn("^" * len(caret), result.stderr)


if __name__ == "__main__":
    unittest.main()
