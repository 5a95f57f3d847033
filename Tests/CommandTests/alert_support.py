"""What tests of alerts share: the stream `alerts` filled by hand, and receivers that can fail."""

import datetime
import hashlib
import hmac
import http.server
import json
import random
import threading
import time

ALERTS = """
    CREATE STREAM alerts (alert VARCHAR, instance VARCHAR, keys MAP<VARCHAR, VARCHAR>, transition BIGINT, from_state VARCHAR, to_state VARCHAR,
      event_time TIMESTAMP(3), processed_at TIMESTAMP(3), severity VARCHAR, labels MAP<VARCHAR, VARCHAR>, annotations MAP<VARCHAR, VARCHAR>,
      "values" MAP<VARCHAR, VARCHAR>, cause VARCHAR, reason VARCHAR, notify ARRAY<VARCHAR>, "key" VARCHAR,
      WATERMARK FOR event_time AS event_time - INTERVAL '1' MINUTE);
"""


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def transition(alert, host, number, to_state, severity="warning", labels=None, notify=None, **more):
    """A row of `alerts` as a rule would write it."""
    row = {
        "alert": alert, "instance": f"{sum(host.encode()):016x}", "keys": {"host": host}, "transition": number,
        "from_state": "firing" if to_state == "resolved" else "inactive", "to_state": to_state, "event_time": now(), "processed_at": now(),
        "severity": severity, "labels": labels or {}, "annotations": {"summary": f"load of {host}"}, "values": {"host": host, "cpu": "0.97"},
        "cause": "{}", "reason": "condition", "notify": notify or [],
    }
    row["key"] = f"{alert}/{row['instance']}/{number}"
    return {**row, **more}


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


class Receiver:
    """Takes notifications, or not: `trouble` is how likely each attempt fails, in one of several ways. `taken` are those that it answered with 200, `seen` all
    that it read: what it read and did not confirm comes again."""

    def __init__(self, trouble=0.0, seed=1, status=200):
        self.trouble, self.status, self.random = trouble, status, random.Random(seed)
        self.lock = threading.Lock()
        self.seen, self.taken = [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                entry = {"path": self.path, "headers": dict(self.headers), "body": body, "key": self.headers["Idempotency-Key"], "at": time.monotonic()}
                with receiver.lock:
                    receiver.seen.append(entry)
                    dice, way = receiver.random.random(), receiver.random.randrange(3)
                    status = receiver.status if dice >= receiver.trouble else 503
                    if status == 200:
                        receiver.taken.append(entry)
                if status == 503 and way == 0:
                    # It was read, and nobody hears of it.
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # Whoever is killed in the middle of a request is no news.
        self.server.handle_error = lambda *arguments: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def keys(self):
        with self.lock:
            return [entry["key"] for entry in self.taken]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def signature(secret, body):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
