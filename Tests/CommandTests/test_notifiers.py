"""Who is told of alerts: webhooks, commands and streams, silences and acknowledgements, retries, dead letters, kill -9."""

import json
import os
import random
import signal
import unittest

from alert_support import ALERTS, Receiver, lines, now, signature, transition
from http_support import HTTPTest
from support import CommandTest, Terminal

# Transitions that are told while the server is killed again and again; 500 and 50 for a long evening.
TRANSITIONS = int(os.environ.get("MILLRACE_NOTIFIER_TRANSITIONS", "60"))
KILLS = int(os.environ.get("MILLRACE_NOTIFIER_KILLS", "4"))


class ReceiverTest(HTTPTest):
    def receiver(self, **options):
        receiver = Receiver(**options)
        self.addCleanup(receiver.close)
        return receiver

    def raise_alerts(self, rows):
        answer = json.loads(self.ask("POST", "/v1/streams/alerts", body=lines(rows), headers={"Content-Type": "application/x-ndjson"}))
        self.assertEqual((answer["rows"], answer["rejected"]), (len(rows), 0), answer)

    def told(self, receiver, keys, timeout=20):
        self.wait_until(lambda: set(keys) <= set(receiver.keys()), f"{keys}, there is {receiver.keys()}", timeout=timeout)

    def has_stream(self, name):
        # One that is being made has no rows yet.
        return any(row["name"] == name and row["rows"] is not None for row in self.sql("SHOW STREAMS"))

    def kill(self, child):
        child.send_signal(signal.SIGKILL)
        child.wait()
        # What it said of its addresses is not true any more.
        os.remove(os.path.join(self.data, "server"))

    def outcomes(self):
        """The outcomes of each transition, by alert and number."""
        found = {}
        if self.has_stream("alert_deliveries"):
            for row in self.sql("SELECT alert, transition, outcome FROM alert_deliveries"):
                found.setdefault((row["alert"], row["transition"]), []).append(row["outcome"])
        return found


class NotifierTest(ReceiverTest):
    def setUp(self):
        super().setUp()
        self.serve()
        self.sql(ALERTS)

    def test_a_webhook_is_told_signed_and_once(self):
        receiver = self.receiver()
        self.sql(f"CREATE NOTIFIER ops WITH (type = webhook, url = '{receiver.url}', secret = 'quiet', 'header.X-Team' = 'db')")
        rows = [transition("load", "a", 1, "firing", severity="critical", labels={"team": "db"}), transition("load", "a", 2, "resolved", severity="critical", labels={"team": "db"})]
        self.raise_alerts(rows)
        self.told(receiver, [row["key"] for row in rows])
        self.assertEqual(receiver.keys(), [row["key"] for row in rows])
        first = receiver.taken[0]
        self.assertEqual(first["headers"]["X-Millrace-Signature"], signature("quiet", first["body"]))
        self.assertEqual(first["headers"]["X-Team"], "db")
        body = json.loads(first["body"])
        self.assertEqual((body["status"], body["notifier"], body["key"]), ("firing", "ops", rows[0]["key"]))
        self.assertEqual(body["alerts"][0]["labels"], {"alertname": "load", "host": "a", "severity": "critical", "team": "db"})
        self.assertEqual(json.loads(receiver.taken[1]["body"])["alerts"][0]["status"], "resolved")
        # The secret is shown to nobody.
        for sql in ["SHOW CREATE NOTIFIER ops", "SHOW CREATE ALL", "SHOW NOTIFIERS", "SELECT * FROM millrace.notifiers"]:
            shown = json.dumps(self.sql(sql))
            self.assertIn("ops", shown)
            self.assertNotIn("quiet", shown, sql)
        state = self.wait_until(lambda: [row for row in self.sql("SHOW NOTIFIERS") if row["delivered"] == 2], "the figures")[0]
        self.assertEqual((state["state"], state["failed"], state["waiting"]), ("idle", 0, 0))

    def test_a_template_is_filled_and_stays_json(self):
        receiver = self.receiver()
        self.sql(f"""CREATE NOTIFIER chat WITH (type = webhook, url = '{receiver.url}',
            template = '{{"text": "{{{{ alert }}}} on {{{{ keys.host }}}} is {{{{ to_state }}}}: {{{{ annotations.summary }}}}", "values": {{{{ values }}}}}}')""")
        self.raise_alerts([transition("load", 'a"b', 1, "firing")])
        self.told(receiver, [transition("load", 'a"b', 1, "firing")["key"]])
        self.assertEqual(
            json.loads(receiver.taken[0]["body"]), {"text": 'load on a"b is firing: load of a"b', "values": {"host": 'a"b', "cpu": "0.97"}})

    def test_errors_name_the_place(self):
        for sql, message in [
            ("CREATE NOTIFIER x WITH (type = webhook)", "option 'url' is missing"),
            ("CREATE NOTIFIER x WITH (type = pager, url = 'http://h/')", "expected 'alertmanager', 'webhook', 'command' or 'stream'"),
            ("CREATE NOTIFIER x WITH (type = webhook, url = 'https://h/')", "HTTPS, which is not supported yet"),
            ("CREATE NOTIFIER x WITH (type = webhook, url = 'http://h/', templat = 'a')", "has no option 'templat'"),
            ("CREATE NOTIFIER x WITH (type = webhook, url = 'http://h/', template = '{{ aler }}')", "a template has no"),
            ("CREATE NOTIFIER x WITH (type = webhook, url = 'http://h/', timeout = 'soon')", "a duration such as"),
            ("CREATE NOTIFIER x WITH (type = command, command = 'true')", "commands are not allowed here"),
            ("CREATE NOTIFIER x WITH (type = stream, stream = 'nothing')", "does not exist"),
            ("DROP NOTIFIER x", "does not exist"),
            ("UNSILENCE 7", "there is no silence 7"),
            ("ACKNOWLEDGE load", "nothing that fires"),
            ("SILENCE load FOR INTERVAL '-1' HOUR", "a positive interval"),
            ("SILENCE load", "expected"),
        ]:
            answer = self.lines(sql, expect=None)
            self.assertIn(message, answer[-1].get("error", {}).get("message", ""), answer)
            self.assertIn("line", answer[-1]["error"], sql)

    def test_silences_inhibition_and_acknowledgement(self):
        receiver = self.receiver()
        self.sql(f"""CREATE NOTIFIER ops WITH (type = webhook, url = '{receiver.url}');
            CREATE INHIBITION down OF WHERE severity = 'warning' BY host_down EQUAL (host)""")
        silence = self.sql("SILENCE load WHERE host = 'a' FOR INTERVAL '1' HOUR COMMENT 'works'")[0]
        self.assertEqual((silence["id"], silence["alerts"]), (1, 0))
        self.raise_alerts([transition("load", "a", 1, "firing"), transition("host_down", "c", 1, "firing", severity="critical")])
        self.raise_alerts([transition("load", "b", 1, "firing"), transition("load", "c", 1, "firing")])
        told = [transition("load", "b", 1, "firing")["key"], transition("host_down", "c", 1, "firing")["key"]]
        self.told(receiver, told)
        shown = {(row["alert"], json.loads(row["keys"])["host"]): row for row in self.sql("SHOW ALERTS")}
        self.assertEqual(shown["load", "a"]["silenced_by"], "1")
        self.assertEqual(shown["load", "c"]["silenced_by"], "inhibition down")
        self.assertEqual({row["state"] for row in shown.values()}, {"firing"})
        self.wait_until(lambda: self.outcomes().get(("load", 1), []).count("inhibited") == 1, "the outcome")
        self.assertEqual(sorted(self.outcomes()["load", 1]), ["delivered", "inhibited", "silenced"])
        # What is acknowledged is not told when the silence ends; what is not, is.
        self.sql("ACKNOWLEDGE load WHERE host = 'c' COMMENT 'mine'")
        self.raise_alerts([transition("host_down", "c", 2, "resolved", severity="critical")])
        self.sql("UNSILENCE 1")
        self.told(receiver, [transition("load", "a", 1, "firing")["key"], transition("host_down", "c", 2, "resolved")["key"]])
        self.assertNotIn(transition("load", "c", 1, "firing")["key"], receiver.keys())
        self.assertEqual([row["state"] for row in self.sql("SHOW SILENCES")], ["ended"])
        self.assertIn("mine", [row for row in self.sql("SHOW ALERTS") if json.loads(row["keys"])["host"] == "c" and row["alert"] == "load"][0]["acknowledged_by"])
        self.assertEqual(len(receiver.keys()), len(set(receiver.keys())))

    def test_a_silence_ends_by_itself(self):
        receiver = self.receiver()
        self.sql(f"CREATE NOTIFIER ops WITH (type = webhook, url = '{receiver.url}'); SILENCE WHERE host LIKE 'a%' FOR INTERVAL '1.5' SECOND")
        row = transition("load", "a1", 1, "firing")
        self.raise_alerts([row])
        self.wait_until(lambda: "silenced" in self.outcomes().get(("load", 1), []), "the outcome")
        self.assertEqual(receiver.keys(), [])
        self.told(receiver, [row["key"]])

    def test_a_dead_receiver_holds_nothing_up_and_letters_die(self):
        dead, refusing, alive = self.receiver(), self.receiver(status=422), self.receiver()
        port = dead.port
        dead.close()
        dead.close = lambda: None
        self.sql(f"""CREATE NOTIFIER dead WITH (type = webhook, url = 'http://127.0.0.1:{port}/', retry_min = '20 ms', max_attempts = 3);
            CREATE NOTIFIER refusing WITH (type = webhook, url = '{refusing.url}');
            CREATE NOTIFIER alive WITH (type = webhook, url = '{alive.url}');
            CREATE NOTIFIER picky WITH (type = webhook, url = '{alive.url}/picky', match = 'severity=critical');
            CREATE STREAM copy (alert VARCHAR, to_state VARCHAR, labels MAP<VARCHAR, VARCHAR>, "key" VARCHAR);
            CREATE NOTIFIER copies WITH (type = stream, stream = copy)""")
        rows = [transition("load", "a", 1, "firing"), transition("only", "a", 1, "firing", notify=["alive"])]
        self.raise_alerts(rows)
        self.told(alive, [row["key"] for row in rows])
        self.assertEqual([entry["path"] for entry in alive.taken], ["/hook", "/hook"])
        letters = self.wait_until(
            lambda: self.has_stream("alert_dead_letters") and [
                row for row in [self.sql("SELECT * FROM alert_dead_letters")] if len(row) == 2], "two dead letters")[0]
        self.assertEqual({(row["notifier"], row["attempts"], row["status"]) for row in letters}, {("dead", 3, None), ("refusing", 1, 422)})
        self.assertEqual({row["key"] for row in letters}, {rows[0]["key"]})
        self.wait_until(lambda: self.sql("SELECT * FROM copy"), "the copy")
        self.assertEqual([(row["alert"], row["to_state"], row["key"]) for row in self.sql("SELECT * FROM copy")], [("load", "firing", rows[0]["key"])])

    def test_a_new_notifier_is_told_what_fires_and_a_changed_one_goes_on(self):
        first, second = self.receiver(), self.receiver()
        rows = [transition("load", "a", 1, "firing"), transition("load", "b", 1, "firing"), transition("load", "b", 2, "resolved")]
        self.raise_alerts(rows)
        self.sql(f"CREATE NOTIFIER late WITH (type = webhook, url = '{first.url}')")
        self.told(first, [rows[0]["key"]])
        self.sql(f"CREATE OR REPLACE NOTIFIER late WITH (type = webhook, url = '{second.url}')")
        self.raise_alerts([transition("load", "a", 2, "resolved")])
        self.told(second, [transition("load", "a", 2, "resolved")["key"]])
        self.assertEqual(first.keys() + second.keys(), [rows[0]["key"], transition("load", "a", 2, "resolved")["key"]])
        self.sql("DROP NOTIFIER late")
        self.assertEqual(self.sql("SHOW NOTIFIERS"), [])
        self.wait_until(lambda: not [name for name in os.listdir(os.path.join(self.data, "alerting"))], "the outbox to go")

    def test_the_http_side(self):
        self.raise_alerts([transition("load", "a", 1, "firing"), transition("load", "b", 1, "firing")])
        alerts = self.get("/v1/alerts")["alerts"]
        self.assertEqual(sorted((one["alert"], one["keys"]["host"], one["state"]) for one in alerts), [("load", "a", "firing"), ("load", "b", "firing")])
        silence = json.loads(self.ask("POST", "/v1/silences", json.dumps({"alert": "load", "labels": {"host": "a"}, "seconds": 60, "comment": "x"}), expect=201))
        self.assertEqual((silence["id"], silence["alerts"]), (1, 1))
        self.assertEqual([one["silenced_by"] for one in self.get("/v1/alerts")["alerts"] if one["keys"]["host"] == "a"], [[1]])
        self.ask("POST", "/v1/acknowledgements", json.dumps({"alert": "load", "labels": {"host": "b"}, "comment": "me"}), expect=201)
        self.assertEqual([one["acknowledged_by"] for one in self.get("/v1/alerts")["alerts"] if one["keys"]["host"] == "b"], ["http"])
        metrics = self.ask("GET", "/metrics").decode()
        self.assertIn('millrace_alerts{state="firing"} 2', metrics)
        self.assertIn("millrace_silences 1", metrics)
        self.assertIn("millrace_silences_invalid 0", metrics)
        self.ask("POST", "/v1/streams/alert_actions", json.dumps({"at": "2026-01-01T00:00:00", "action": "silence", "id": 2, "selector": "no selector at all", "until": "2999-01-01T00:00:00"}) + "\n", headers={"Content-Type": "application/x-ndjson"})
        wrong = self.get("/v1/silences")["silences"][0]
        self.assertEqual((wrong["id"], wrong["state"], wrong["selector"]), (2, "invalid", "no selector at all"))
        self.assertIn("its selector cannot be read", wrong["fault"])
        self.assertEqual([one["id"] for one in self.get("/v1/alerts")["silences"]], [1, 2])
        self.assertIn("millrace_silences_invalid 1", self.ask("GET", "/metrics").decode())
        self.ask("DELETE", "/v1/silences/2")
        self.ask("DELETE", "/v1/silences/1")
        self.assertEqual([one["state"] for one in self.get("/v1/silences")["silences"]], ["ended", "ended"])
        for path, body in [("/v1/silences", "{}"), ("/v1/silences", '{"seconds": 5}'), ("/v1/silences", '{"alert": "a", "seconds": 1.5}'), ("/v1/acknowledgements", '{"alert": 3}')]:
            self.ask("POST", path, body, expect=400)
        self.ask("DELETE", "/v1/silences/9", expect=404)
        # A page from elsewhere may not.
        self.ask("POST", "/v1/silences", '{"alert": "a", "seconds": 9}', headers={"Origin": "http://evil.example"}, expect=403)


class CommandNotifierTest(ReceiverTest):
    def text(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def test_commands_run_when_they_are_allowed(self):
        self.serve("--allow-commands")
        self.sql(ALERTS)
        self.sql(f"CREATE NOTIFIER shell WITH (type = command, command = 'cat > {self.folder}/got; echo $MILLRACE_ALERT_KEY $MILLRACE_ALERT_STATUS > {self.folder}/said')")
        self.sql("CREATE NOTIFIER failing WITH (type = command, command = 'echo it is broken >&2; exit 3', max_attempts = 2, retry_min = '10 ms')")
        self.sql("CREATE NOTIFIER slow WITH (type = command, command = 'sleep 60', max_attempts = 1, timeout = '100 ms')")
        row = transition("load", "a", 1, "firing")
        self.raise_alerts([row])
        self.wait_until(lambda: os.path.exists(self.path("said")) and self.text("said").endswith("\n"), "the command")
        self.assertEqual(self.text("said"), f"{row['key']} firing\n")
        self.assertEqual(json.loads(self.text("got"))["alerts"][0]["alert"], "load")
        letters = self.wait_until(
            lambda: self.has_stream("alert_dead_letters") and [
                rows for rows in [self.sql("SELECT * FROM alert_dead_letters")] if len(rows) == 2], "dead letters")[0]
        reasons = {one["notifier"]: one["reason"] for one in letters}
        self.assertEqual(reasons["failing"], "the command ended with 3: it is broken")
        self.assertIn("did not end within 100 ms", reasons["slow"])


class KillTest(ReceiverTest):
    def test_nothing_is_lost_when_the_server_is_killed_between_deliveries(self):
        """Receivers that fail at random; kill -9 in the middle; every transition arrives, in the order of its instance, always under one key."""
        dice = random.Random(7)
        single, grouped = self.receiver(trouble=0.4, seed=3), self.receiver(trouble=0.4, seed=4)
        child = self.serve()
        self.sql(ALERTS)
        retries = "retry_min = '10 ms', retry_max = '100 ms'"
        self.sql(f"""CREATE NOTIFIER single WITH (type = webhook, url = '{single.url}', {retries});
            CREATE NOTIFIER grouped WITH (type = webhook, url = '{grouped.url}', group_by = 'alertname', group_wait = '0', group_interval = '0', {retries})""")
        numbers, rows = {}, []
        for _ in range(TRANSITIONS):
            key = (f"alert{dice.randrange(2)}", f"h{dice.randrange(3)}")
            numbers[key] = numbers.get(key, 0) + 1
            rows.append(transition(*key, numbers[key], "firing" if numbers[key] % 2 else "resolved"))
        share = max(1, len(rows) // (KILLS + 1))
        for start in range(0, len(rows), share):
            self.raise_alerts(rows[start:start + share])
            if start + share < len(rows):
                before = len(single.seen) + dice.randrange(8)
                self.wait_until(lambda: len(single.seen) >= before or set(row["key"] for row in rows[:start + share]) <= set(single.keys()), "some attempts")
                self.kill(child)
                child = self.serve()
        expected = {row["key"] for row in rows}
        self.told(single, expected, timeout=60)
        members = lambda entry: [one["key"] for one in json.loads(entry["body"])["alerts"]]
        self.wait_until(lambda: expected <= {key for entry in list(grouped.taken) for key in members(entry)}, "the groups", timeout=60)
        for receiver in (single, grouped):
            # One key is one content, at every attempt: it was kept before it was tried.
            contents, places = {}, {}
            for entry in receiver.seen:
                self.assertEqual(contents.setdefault(entry["key"], entry["body"]), entry["body"], entry["key"])
                for key in members(entry):
                    places.setdefault(key, len(places))
            for row in rows:
                after = {**row, "transition": row["transition"] + 1}
                after["key"] = f"{row['alert']}/{row['instance']}/{after['transition']}"
                if after["key"] in places:
                    self.assertLess(places[row["key"]], places[after["key"]])
        repeated = len(single.seen) - len(expected)
        self.assertGreater(repeated, 0)
        self.assertEqual({key for key, outcomes in self.outcomes().items() if "dead letter" in outcomes}, set())


class WithoutServerTest(CommandTest):
    def test_a_script_tells_before_it_ends(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        rows = [transition("load", "a", 1, "firing"), transition("load", "a", 2, "resolved")]
        self.write("rows.json", lines(rows))
        script = ALERTS + f"""
            CREATE NOTIFIER ops WITH (type = webhook, url = '{receiver.url}');
            CREATE TABLE given (alert VARCHAR, instance VARCHAR, keys MAP<VARCHAR, VARCHAR>, transition BIGINT, from_state VARCHAR, to_state VARCHAR,
              event_time TIMESTAMP(3), processed_at TIMESTAMP(3), severity VARCHAR, labels MAP<VARCHAR, VARCHAR>, annotations MAP<VARCHAR, VARCHAR>,
              "values" MAP<VARCHAR, VARCHAR>, cause VARCHAR, reason VARCHAR, notify ARRAY<VARCHAR>, "key" VARCHAR)
              WITH (connector = 'file', path = 'rows.json', format = 'json');
            INSERT INTO alerts SELECT * FROM given;"""
        self.run_sql(script, "--data", self.data)
        self.assertEqual(receiver.keys(), [row["key"] for row in rows])
        # What was told is not told again by whoever opens the directory next.
        self.run_sql("SHOW NOTIFIERS;", "--data", self.data)
        self.assertEqual(len(receiver.keys()), 2)

    def test_definitions_are_deployed(self):
        definitions = """
            CREATE STREAM machine (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE NOTIFIER ops WITH (url = 'http://127.0.0.1:1/', type = 'webhook', secret = 'quiet');
            CREATE INHIBITION down OF WHERE severity = 'warning' BY host_down EQUAL (host);
            CREATE ALERT busy AS SELECT host, cpu FROM machine WHERE cpu > 90 KEY (host) WITH (severity = 'warning', notify = 'ops');
        """
        path = self.write("rules.sql", definitions)
        def deploy(*more):
            return self.millrace("deploy", path, "--data", self.data, "--yes", *more)
        self.assertIn("4 definitions deployed", deploy().stderr)
        self.assertIn("Nothing to do", deploy().stderr)
        self.assertEqual(self.millrace("diff", path, "--data", self.data).stdout, "")
        # What is kept of alerts is in no file, and is not what somebody has forgotten to name.
        self.assertIn("Nothing to do", deploy("--prune").stderr)
        self.write("rules.sql", definitions.replace("EQUAL (host)", "EQUAL (host, zone)").replace("'http://127.0.0.1:1/'", "'http://127.0.0.1:2/'"))
        done = deploy()
        self.assertIn("2 definitions deployed", done.stderr)
        rows = self.rows("SHOW NOTIFIERS; SHOW INHIBITIONS;", "--data", self.data)
        self.assertEqual([(row["name"], row.get("target") or row["equal"]) for row in rows][0], ("ops", "http://127.0.0.1:2/"))
        self.assertEqual(rows[1]["equal"], "host, zone")
        self.write("rules.sql", definitions.split("CREATE NOTIFIER")[0])
        deploy("--prune")
        self.assertEqual(self.rows("SHOW NOTIFIERS; SHOW INHIBITIONS;", "--data", self.data), [])

    def test_the_prompt_tells_above_the_line(self):
        self.run_sql(ALERTS, "--data", self.data)
        terminal = Terminal("--data", self.data, cwd=self.folder, environment={"MILLRACE_HISTORY": self.path("history"), "PAGER": "cat"})
        self.addCleanup(terminal.close)
        terminal.expect("millrace=> ")
        at = now()
        terminal.type("INSERT INTO alerts (alert, instance, transition, from_state, to_state, event_time, processed_at, severity, \"key\") VALUES "
                      f"('load', 'i1', 1, 'pending', 'firing', TIMESTAMP '{at}', TIMESTAMP '{at}', 'critical', 'k');\r")
        terminal.expect("INSERT 0 1")
        # The line that is being typed survives.
        terminal.type("SELECT 40 +")
        terminal.expect("FIRING load critical")
        terminal.type(" 2 AS answer;\r")
        terminal.expect("42")
        terminal.type("\\da\r")
        terminal.expect("acknowledged_by")
        terminal.type("\\alerts off\r")
        terminal.expect("Telling of alerts is off")
        terminal.type("\\q\r")
        self.assertEqual(terminal.wait(), 0)


if __name__ == "__main__":
    unittest.main()
