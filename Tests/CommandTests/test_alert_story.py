"""From a load to everybody who is told of it: a rule of queries/, the stream `alerts`, a webhook, the real Alertmanager, the console's stream and a prompt on the
server; and the end of it. Once with rows that are put, which tells the same on any machine, and once with a real load on the processors."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import unittest

from alert_support import Receiver, now
from http_support import HTTPTest
from support import Terminal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALERTMANAGER = os.environ.get("ALERTMANAGER") or shutil.which("prometheus-alertmanager")
# From the load to the receiver; more when the machine that tests is slow.
SECONDS = float(os.environ.get("MILLRACE_ALERT_SECONDS", "5"))
CONFIGURATION = """
route: {{receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: '{url}'}}]}}]
"""


def busy_share(seconds=1.0):
    """Which part of the processors' time is used."""
    def read():
        with open("/proc/stat") as file:
            times = [int(word) for word in file.readline().split()[1:]]
        return sum(times[:3]) + sum(times[5:8]), sum(times[:8])
    before = read()
    time.sleep(seconds)
    after = read()
    return (after[0] - before[0]) / max(1, after[1] - before[1])


class AlertStoryTest(HTTPTest):
    def setUp(self):
        super().setUp()
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)

    def start_alertmanager(self):
        """The real one, told of by a notifier of its own, and what it sends on; None when it is not installed."""
        if not ALERTMANAGER:
            return None
        hook = Receiver()
        self.addCleanup(hook.close)
        with open(self.path("alertmanager.yml"), "w") as file:
            file.write(CONFIGURATION.format(url=hook.url))
        log = open(self.path("alertmanager.log"), "w")
        self.addCleanup(log.close)
        port = self.free_port()
        child = subprocess.Popen(
            [ALERTMANAGER, f"--config.file={self.path('alertmanager.yml')}", f"--storage.path={self.path('am')}", f"--web.listen-address=127.0.0.1:{port}",
             "--cluster.listen-address="], stdout=log, stderr=log, cwd=self.folder)
        self.children.append(child)
        self.alertmanager = f"http://127.0.0.1:{port}"

        def is_ready():
            try:
                return urllib.request.urlopen(self.alertmanager + "/-/ready", timeout=1).status == 200
            except OSError:
                return False

        def started():
            if child.poll() is not None:
                with open(self.path("alertmanager.log")) as file:
                    self.fail(f"the Alertmanager does not start: {file.read()[-500:]}")
            return is_ready()

        self.wait_until(started, "the Alertmanager")
        return hook

    def free_port(self):
        import socket

        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return one.getsockname()[1]

    def active(self):
        with urllib.request.urlopen(self.alertmanager + "/api/v2/alerts?active=true", timeout=10) as answer:
            return [alert["labels"] for alert in json.load(answer)]

    def told(self, receiver, state, count=1, timeout=30):
        def bodies():
            return [json.loads(entry["body"]) for entry in list(receiver.taken)]
        return self.wait_until(lambda: [body for body in bodies() if body["status"] == state][count - 1:], f"{state}: {bodies()}", timeout=timeout)[0]

    def follow_console(self):
        """What the console's event stream says of alerts."""
        self.events = []
        answer = urllib.request.urlopen(self.base + "/v1/streams/alerts?from=TRIM_HORIZON&follow=true", timeout=300)
        self.addCleanup(answer.close)

        def read():
            try:
                for line in answer:
                    if line.startswith(b"data:"):
                        self.events.append(json.loads(line[5:]))
                    elif line.startswith(b"{"):
                        self.events.append(json.loads(line))
            except (OSError, ValueError, AttributeError):
                pass
        threading.Thread(target=read, daemon=True).start()

    def story(self, definitions, raise_load, end_load):
        hook = self.start_alertmanager()
        self.serve()
        self.sql(definitions)
        self.sql(f"CREATE NOTIFIER hook WITH (type = webhook, url = '{self.receiver.url}')")
        if hook:
            self.sql(f"CREATE NOTIFIER am WITH (type = alertmanager, url = '{self.alertmanager}')")
        self.follow_console()
        with open(os.path.join(self.data, "server")) as file:
            address = dict(line.split() for line in file)["postgres"]
        terminal = Terminal("--connect", address, cwd=self.folder, environment={"MILLRACE_HISTORY": self.path("history")})
        self.addCleanup(terminal.close)
        terminal.expect("millrace=> ")
        # A quiet machine has been seen before the load comes.
        time.sleep(1)

        start = time.monotonic()
        raise_load()
        firing = self.told(self.receiver, "firing")
        seconds = next(entry["at"] for entry in self.receiver.taken if json.loads(entry["body"])["status"] == "firing") - start
        print(f"\n  from the load to the receiver: {seconds:.2f} s", file=sys.stderr)
        self.assertLess(seconds, SECONDS)
        alert = firing["alerts"][0]
        self.assertEqual((alert["alert"], alert["severity"], alert["labels"]["team"]), ("busy_machine", "warning", "operations"))
        self.assertRegex(alert["annotations"]["summary"], r"the processors are busy: [\d.]+ %")
        terminal.expect("FIRING busy_machine")
        self.wait_until(lambda: [one for one in self.events if one["to_state"] == "firing"], "the console's stream")
        self.assertEqual([one["state"] for one in self.get("/v1/alerts")["alerts"]], ["firing"])
        self.assertIn('millrace_alerts{state="firing"} 1', self.ask("GET", "/metrics").decode())
        if hook:
            self.wait_until(lambda: [one for one in self.active() if one["alertname"] == "busy_machine"], "the Alertmanager to have it")
            self.assertEqual(self.told(hook, "firing")["commonLabels"]["team"], "operations")

        end_load()
        resolved = self.told(self.receiver, "resolved")
        self.assertEqual(resolved["alerts"][0]["instance"], alert["instance"])
        self.assertEqual(resolved["alerts"][0]["transition"], alert["transition"] + 1)
        terminal.expect("resolved busy_machine")
        if hook:
            self.wait_until(lambda: not self.active(), "the Alertmanager to forget it")
            self.told(hook, "resolved")
        terminal.type("\\q\r")
        self.assertEqual(terminal.wait(), 0)
        # Nobody was told twice.
        keys = self.receiver.keys()
        self.assertEqual(len(keys), len(set(keys)))

    @staticmethod
    def definition(name, without_connector=False):
        with open(os.path.join(ROOT, "queries", name)) as file:
            return file.read()

    def test_with_rows_that_are_put(self):
        feed = self.definition("feed.sql")
        start = feed.index("CREATE STREAM IF NOT EXISTS system")
        # The same stream, filled from here.
        stream = feed[start:].split("WITH (connector")[0] + ";"
        stop = threading.Event()
        self.addCleanup(stop.set)
        load = {"cpu": 5.0}

        def put():
            while not stop.is_set():
                row = {"ts": now(), "cpu": load["cpu"], "load1": 1.5, "processes_running": 3}
                try:
                    self.ask("POST", "/v1/streams/system", json.dumps(row) + "\n", headers={"Content-Type": "application/x-ndjson"})
                except OSError:
                    return
                stop.wait(0.1)

        def raise_load():
            threading.Thread(target=put, daemon=True).start()
            time.sleep(0.5)
            self.assertEqual(self.receiver.keys(), [])
            load["cpu"] = 93.5

        def end_load():
            load["cpu"] = 12.0

        self.story(stream + self.definition("busy_machine.sql"), raise_load, end_load)
        stop.set()

    def test_with_a_real_load(self):
        used = busy_share()
        if used > 0.2:
            self.skipTest(f"the processors of this machine are busy already ({used:.0%}): nothing would begin to fire")
        feed = self.definition("feed.sql")
        load = []
        self.addCleanup(lambda: [child.kill() for child in load])

        def raise_load():
            for _ in range(os.cpu_count() or 1):
                load.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))

        def end_load():
            for child in load:
                child.send_signal(signal.SIGKILL)
                child.wait()

        self.story(feed[feed.index("CREATE STREAM IF NOT EXISTS system"):] + self.definition("busy_machine.sql"), raise_load, end_load)

    def test_a_server_that_is_killed_while_it_fires(self):
        """kill -9 while the rule fires and while its receiver is away: nothing is lost, and the stream has each transition once."""
        receiver = Receiver(trouble=0.5, seed=5)
        self.addCleanup(receiver.close)
        child = self.serve()
        stream = """CREATE STREAM machine (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE ALERT busy AS SELECT host, max(cpu) AS cpu FROM TABLE(TUMBLE(TABLE machine, DESCRIPTOR(ts), INTERVAL '1' SECOND))
              GROUP BY window_start, window_end, host HAVING max(cpu) >= 50 WITH (severity = 'critical');"""
        self.sql(stream)
        self.sql(f"CREATE NOTIFIER hook WITH (type = webhook, url = '{receiver.url}', retry_min = '20 ms', retry_max = '200 ms')")
        second = 0

        def put(cpus):
            nonlocal second
            for cpu in cpus:
                rows = "".join(json.dumps({"host": host, "cpu": cpu, "ts": f"2026-01-01T00:{second // 60:02}:{second % 60:02}"}) + "\n" for host in "abc")
                self.ask("POST", "/v1/streams/machine", rows, headers={"Content-Type": "application/x-ndjson"})
                second += 1
        for index in range(4):
            put([90, 90] if index % 2 == 0 else [10, 10])
            time.sleep(0.3)
            child.send_signal(signal.SIGKILL)
            child.wait()
            os.remove(os.path.join(self.data, "server"))
            child = self.serve()
        put([10, 10, 10])
        rows = self.wait_until(
            lambda: [rows for rows in [self.sql("SELECT instance, transition, to_state, \"key\" FROM alerts")] if sum(row["to_state"] == "resolved" for row in rows) == 6],
            "six ends")[0]
        self.assertEqual(len(rows), len({(row["instance"], row["transition"]) for row in rows}), rows)
        expected = {row["key"] for row in rows if row["to_state"] in ("firing", "resolved")}
        self.assertEqual(len(expected), 12)
        self.wait_until(lambda: expected <= set(receiver.keys()), f"all of {expected}")
        self.assertEqual({entry["key"] for entry in receiver.seen}, expected)


if __name__ == "__main__":
    unittest.main()
