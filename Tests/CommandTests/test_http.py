"""The HTTP interface as clients use it: SQL, rows in and out, what is refused, and what a client that misbehaves can do."""

import base64
import json
import os
import random
import socket
import subprocess
import shutil
import threading
import time
import unittest

from http_support import HTTPTest

READINGS = """
CREATE STREAM readings (at TIMESTAMP(3), sensor VARCHAR, value DOUBLE, WATERMARK FOR at AS at - INTERVAL '1' SECOND);
"""


def reading(number, sensor="a"):
    return json.dumps({"at": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}", "sensor": sensor, "value": number})


class SQLTest(HTTPTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def test_statements_and_rows(self):
        lines = self.lines(READINGS + "INSERT INTO readings VALUES (TIMESTAMP '2026-01-01 00:00:00', 'a', 1.5), (TIMESTAMP '2026-01-01 00:00:01', 'b', NULL); SELECT * FROM readings")
        self.assertEqual(lines[0], {"done": {"tag": "CREATE STREAM"}})
        self.assertEqual(lines[1], {"done": {"tag": "INSERT 0 2"}})
        self.assertEqual(lines[2:], [
            {"at": "2026-01-01T00:00:00.000", "sensor": "a", "value": 1.5}, {"at": "2026-01-01T00:00:01.000", "sensor": "b", "value": None},
            {"done": {"tag": "SELECT 2", "rows": 2}}])
        arrays = self.lines("SELECT sensor, value FROM readings", path="/v1/sql?rows=arrays")
        self.assertEqual([c["name"] for c in arrays[0]["columns"]], ["sensor", "value"])
        self.assertEqual(arrays[1:], [["a", 1.5], ["b", None], {"done": {"tag": "SELECT 2", "rows": 2}}])
        csv = self.ask("POST", "/v1/sql", body=b"SELECT sensor, value FROM readings", headers={"Accept": "text/csv"})
        self.assertEqual(csv, b"sensor,value\na,1.5\nb,\n")
        self.assertTrue(self.headers["Content-Type"].startswith("text/csv"))
        body = json.dumps({"sql": "SELECT 1 AS one"})
        done = self.ask("POST", "/v1/sql", body=body.encode(), headers={"Content-Type": "application/json"})
        self.assertEqual(done.splitlines()[0], b'{"one":1}')
        body = json.dumps({"sql": "SELECT sensor, value FROM readings WHERE sensor = $1 OR value > $2 AND $3", "parameters": ["b", 1.25, True]})
        rows = self.ask("POST", "/v1/sql", body=body.encode(), headers={"Content-Type": "application/json"}).splitlines()
        self.assertEqual([json.loads(row) for row in rows[:-1]], [{"sensor": "a", "value": 1.5}, {"sensor": "b", "value": None}])
        text = "'; DROP STREAM readings; --"
        body = json.dumps({"sql": "INSERT INTO readings VALUES ($1, $2, $3)", "parameters": ["2026-01-01T00:00:02", text, None]})
        self.ask("POST", "/v1/sql", body=body.encode(), headers={"Content-Type": "application/json"})
        self.assertEqual(self.sql("SELECT sensor FROM readings WHERE value IS NULL")[-1], {"sensor": text})

    def test_errors_have_a_place(self):
        error = json.loads(self.ask("POST", "/v1/sql", body=b"SELECT 1;\nSELECT * FORM x", expect=400))["error"]
        self.assertEqual((error["code"], error["line"], error["column"]), ("42601", 2, 10))
        self.assertEqual(error["hint"], "did you mean FROM?")
        self.assertIn("^^^^", error["text"])
        error = json.loads(self.ask("POST", "/v1/sql", body=b"SELECT * FROM nothing", expect=400))["error"]
        self.assertEqual(error["code"], "42P01")
        # Behind the first output the status has been told already.
        lines = self.lines("SELECT 1 AS a; SELECT 1 / 0 AS b; SELECT 2 AS c")
        self.assertEqual(lines[0], {"a": 1})
        self.assertEqual(lines[-1]["error"]["code"], "22003")
        self.assertNotIn({"c": 2}, lines)
        for body, headers, status in [
            (b"", {}, 400), (b"-- nothing", {}, 400), (b"\xff", {}, 400), (b"{", {"Content-Type": "application/json"}, 400),
            (b'{"sq":"SELECT 1"}', {"Content-Type": "application/json"}, 400),
            (b'{"sql":"SELECT 1","parameters":[1]}', {"Content-Type": "application/json"}, 400),
            (b'{"sql":"SELECT $1","parameters":[[]]}', {"Content-Type": "application/json"}, 501),
            (b"SELECT '" + b"x" * (1 << 20) + b"'", {}, 413),
        ]:
            with self.subTest(body[:30]):
                self.assertIn("message", json.loads(self.ask("POST", "/v1/sql", body=body, headers=headers, expect=status))["error"])

    def test_live_select_flows_until_the_client_goes(self):
        self.sql(READINGS)
        connection = self.connection()
        connection.request("POST", "/v1/sql", body="SELECT STREAM sensor, value FROM readings")
        response = connection.getresponse()
        for number in range(3):
            self.ask("POST", "/v1/streams/readings", body=reading(number).encode())
            self.assertEqual(json.loads(response.readline())["value"], number)
        self.wait_until(lambda: self.metric("millrace_statements_active") == 1, "one statement")
        connection.sock.close() if connection.sock else response.close()
        response.close()
        self.wait_until(lambda: self.metric("millrace_statements_active") == 0, "the statement to be gone")

    def metric(self, name):
        for line in self.ask("GET", "/metrics").decode().splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                return float(line.rsplit(" ", 1)[1])
        return None

    def test_stop_ends_live_responses_properly(self):
        self.sql(READINGS)
        connection = self.connection()
        connection.request("POST", "/v1/sql", body="SELECT STREAM * FROM readings")
        response = connection.getresponse()
        tail = self.connection()
        tail.request("GET", "/v1/streams/readings?follow=true")
        rows = tail.getresponse()
        started = time.monotonic()
        self.stop(self.server)
        self.assertLess(time.monotonic() - started, 8)
        self.assertEqual(json.loads(response.read())["done"]["rows"], 0)
        self.assertEqual(rows.read(), b"")


class StreamTest(HTTPTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.sql(READINGS)

    def test_rows_in(self):
        body = "\n".join([reading(0), "{bad", reading(1), '{"at":null}', reading(2)])
        summary = json.loads(self.ask("POST", "/v1/streams/readings", body=body.encode()))
        self.assertEqual((summary["rows"], summary["rejected"], summary["rejected_rows_in"]), (3, 2, "readings_errors"))
        self.assertEqual(len(summary["reasons"]), 2)
        self.assertIn("line 2", summary["reasons"][0])
        self.assertEqual([row["value"] for row in self.sql("SELECT value FROM readings")], [0, 1, 2])
        self.assertEqual(len(self.sql("SELECT * FROM readings_errors")), 2)
        lines = self.lines(body + "\n\n", path="/v1/streams/READINGS?outcome=rows")
        self.assertEqual([line.get("status") for line in lines[:-1]], ["stored", "rejected", "stored", "rejected", "stored"])
        self.assertEqual([line["row"] for line in lines[:-1]], [1, 2, 3, 4, 5])
        self.assertIn("null is not allowed", lines[3]["reason"])
        self.assertEqual(lines[-1]["done"]["rows"], 3)

    def test_csv_in_and_out(self):
        csv = b'value,sensor,at\n1,"a,b\nc",2026-01-01T00:00:00\nx,b,2026-01-01T00:00:00\n2,c,2026-01-01T00:00:01\n'
        lines = self.lines(csv.decode(), path="/v1/streams/readings?outcome=rows", headers={"Content-Type": "text/csv; charset=utf-8"})
        self.assertEqual([line.get("status") for line in lines[:-1]], ["stored", "rejected", "stored"])
        out = self.ask("GET", "/v1/streams/readings", headers={"Accept": "text/csv"})
        self.assertEqual(out, b'at,sensor,value\n2026-01-01T00:00:00.000,"a,b\nc",1\n2026-01-01T00:00:01.000,c,2\n')

    def test_acknowledged_rows_survive_a_kill(self):
        for number in range(20):
            self.ask("POST", "/v1/streams/readings", body=reading(number).encode())
        self.server.kill()
        self.server.wait()
        self.assertEqual([row["value"] for row in self.tail("readings")], list(range(20)))

    def test_chunked_body_is_streamed(self):
        """A body of unknown length: its rows are in the stream before it ends, and memory does not hold it."""
        count, block = 400, "".join(reading(n) + "\n" for n in range(1000)).encode()

        def pieces():
            for number in range(count):
                yield block
                if number == count // 2:
                    self.wait_until(lambda: self.rows_of("readings") > 10_000, "rows before the end")

        before = self.memory()
        connection = self.connection(60)
        connection.request("POST", "/v1/streams/readings", body=pieces(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        response = connection.getresponse()
        self.assertEqual(json.loads(response.read())["rows"], count * 1000)
        self.assertLess(self.memory() - before, 200 << 20)

    def memory(self):
        with open(f"/proc/{self.server.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096

    def rows_of(self, name):
        return next(s["rows"] for s in self.get("/v1/streams")["streams"] if s["name"] == name)

    def test_broken_body(self):
        """What came before a body broke off is appended, the cut line is not, and the server is none the worse."""
        connection = self.socket()
        body = (reading(0) + "\n" + reading(1) + "\n" + reading(2)[:20]).encode()
        connection.sendall(b"POST /v1/streams/readings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
        self.assertIn(b" 400 ", answer.splitlines()[0])
        self.assertIn(b"2 rows had been appended", answer)
        self.assertEqual([row["value"] for row in self.sql("SELECT value FROM readings")], [0, 1])

    def test_tail(self):
        self.ask("POST", "/v1/streams/readings", body="\n".join(reading(n) for n in range(10)).encode())
        values = lambda path, **options: [json.loads(line)["value"] for line in self.ask("GET", path, **options).splitlines()]
        self.assertEqual(values("/v1/streams/readings"), list(range(10)))
        self.assertEqual(values("/v1/streams/readings?from=7"), [7, 8, 9])
        self.assertEqual(values("/v1/streams/readings?from=LATEST"), [])
        self.assertEqual(values("/v1/streams/readings?limit=2"), [0, 1])
        self.assertEqual(values("/v1/streams/readings?from=2020-01-01T00:00:00Z&limit=1"), [0])
        self.assertEqual(values("/v1/streams/readings?from=2222-01-01"), [])
        connection = self.connection()
        connection.request("GET", "/v1/streams/readings?follow&from=8")
        response = connection.getresponse()
        self.assertEqual([json.loads(response.readline())["value"] for _ in range(2)], [8, 9])
        self.ask("POST", "/v1/streams/readings", body=reading(10).encode())
        self.assertEqual(json.loads(response.readline())["value"], 10)

    def events(self, headers=None, path="/v1/streams/wide?from=TRIM_HORIZON", count=1):
        """The next so many events: their ids and rows."""
        connection = self.connection()
        connection.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
        response = connection.getresponse()
        self.assertTrue(response.headers["Content-Type"].startswith("text/event-stream"))
        events, identity = [], None
        while len(events) < count:
            line = response.readline().decode().rstrip("\n")
            if line.startswith("id: "):
                identity = line[4:]
            elif line.startswith("data: "):
                events.append((identity, json.loads(line[6:])["n"]))
        connection.close()
        return events

    def test_events_resume_where_they_broke_off(self):
        self.sql("CREATE STREAM wide (n BIGINT) PARTITION BY (n) SHARDS 3")
        self.ask("POST", "/v1/streams/wide", body="\n".join(json.dumps({"n": n}) for n in range(60)).encode())
        all_events = self.events(count=60)
        self.assertEqual(sorted(n for _, n in all_events), list(range(60)))
        for cut in (1, 17, 40, 59):
            identity = all_events[cut - 1][0]
            rest = self.events({"Last-Event-ID": identity}, count=60 - cut)
            self.assertEqual(sorted(n for _, n in all_events[:cut] + rest), list(range(60)), identity)
        self.assertIn("Last-Event-ID", self.ask("GET", "/v1/streams/wide", headers={"Last-Event-ID": "x"}, expect=400).decode())

    def test_names_and_parameters(self):
        error = json.loads(self.ask("GET", "/v1/streams/reading", expect=404))["error"]
        self.assertEqual((error["code"], error["hint"]), ("42P01", "did you mean readings?"))
        for path in ("/v1/streams/readings?fromm=1", "/v1/streams/readings?from=yesterday", "/v1/streams/readings?limit=-1", "/v1/streams/readings?follow=maybe"):
            self.assertIn("message", json.loads(self.ask("GET", path, expect=400))["error"], path)
        self.ask("POST", "/v1/streams/readings", body=b"x", headers={"Content-Type": "image/png"}, expect=415)
        self.sql('CREATE STREAM "a/b %" (n BIGINT)')
        self.ask("POST", "/v1/streams/a%2Fb%20%25", body=b'{"n":7}')
        self.assertEqual(self.ask("GET", "/v1/streams/a%2fb%20%25"), b'{"n":7}\n')
        self.ask("GET", "/v1/streams/a/b", expect=404)
        self.assertEqual(self.ask("HEAD", "/v1/streams/readings?follow=true"), b"")
        self.sql("CREATE STREAM numbers (n BIGINT) WITH (connector = 'blackhole')")
        self.ask("POST", "/v1/streams/numbers", body=b"{}", expect=409)


class ProtocolTest(HTTPTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def test_routes(self):
        self.assertEqual(self.get("/healthz"), {"status": "ok"})
        self.assertIn("streams", self.get("/v1/status"))
        error = json.loads(self.ask("GET", "/v1/statu", expect=404))["error"]
        self.assertEqual(error["hint"], "did you mean /v1/status?")
        self.ask("DELETE", "/v1/status", expect=405)
        self.assertEqual(self.headers["Allow"], "GET, HEAD")
        self.assertEqual(self.ask("HEAD", "/v1/status"), b"")
        self.assertGreater(int(self.headers["Content-Length"]), 10)
        self.assertIsNone(self.headers["Access-Control-Allow-Origin"])

    def test_description_names_every_route(self):
        description = self.get("/openapi.json")
        for path, item in description["paths"].items():
            for method in ("get", "post", "put", "delete"):
                status = self.ask(method.upper(), path.replace("{name}", "nothing"), body=b"" if method == "post" else None, expect=None)
                known = b"does not take" not in status
                self.assertEqual(known, method in item, f"{method} {path}: {status[:200]}")
        # Every reference leads somewhere.
        text = json.dumps(description)
        for reference in set(part.split('"')[0] for part in text.split('"#/')[1:]):
            place = description
            for step in reference.split("/"):
                place = place[step]

    def test_keep_alive_and_pipelining(self):
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = self.raw(request * 50)
        self.assertEqual(answer.count(b'{"status":"ok"}'), 50)
        body = b"SELECT 1 AS a"
        post = b"POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        answer = self.raw(post + request + post)
        self.assertEqual((answer.count(b'{"a":1}'), answer.count(b"HTTP/1.1 200 OK")), (2, 3))
        self.assertLess(answer.index(b'{"a":1}'), answer.index(b'"ok"'))
        answer = self.raw(b"GET /healthz HTTP/1.0\r\n\r\n", shut=False)
        self.assertIn(b"Connection: close", answer)
        answer = self.raw(b"GET /v1/streams HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + request, shut=False)
        self.assertEqual(answer.count(b"HTTP/1.1"), 1)

    def test_expect_continue(self):
        connection = self.socket()
        connection.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n")
        self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b"SELECT 1")
        self.assertIn(b"200 OK", connection.recv(1000))
        # Who is refused at once is not told to go on.
        connection = self.socket()
        connection.sendall(b"POST /v1/streams/none HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n")
        answer = connection.recv(1000)
        self.assertIn(b" 404 ", answer.splitlines()[0])
        self.assertIn(b"Connection: close", answer)

    def test_bad_requests(self):
        for request, status in [
            (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET /\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400), (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
            (b"POST /v1/sql HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n", 414), (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
        ]:
            answer = self.raw(request)
            self.assertIn(b" %d " % status, answer.splitlines()[0], request[:50])
            self.assertIn(b'{"error":{', answer)

    def test_other_pages_and_other_names(self):
        """Without a password: DNS rebinding and foreign pages."""
        for host, status in [("localhost", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 403)]:
            self.ask("GET", "/healthz", headers={"Host": host}, expect=status)
        host = f"127.0.0.1:{self.port}"
        for headers, status in [
            ({"Origin": f"http://{host}"}, 200), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}, 200),
        ]:
            self.ask("POST", "/v1/sql", body=b"SELECT 1", headers={"Host": host, **headers}, expect=status)

    def test_garbage_disturbs_nobody(self):
        """Damaged requests by the thousand over real sockets, while a client goes on."""
        generator = random.Random(int(os.environ.get("MILLRACE_HTTP_GARBAGE_SEED", "5")))
        seeds = [
            b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nSELECT 1",
            b"POST /v1/streams/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ]
        good = self.connection()
        for round_number in range(int(os.environ.get("MILLRACE_HTTP_GARBAGE", "1500"))):
            data = bytearray(generator.choice(seeds) * generator.randint(1, 3))
            for _ in range(generator.randint(0, 5)):
                place = generator.randrange(len(data))
                if generator.random() < 0.5:
                    data[place] = generator.randrange(256)
                else:
                    data[place:place + generator.randint(0, 8)] = generator.randbytes(generator.randint(0, 10))
            connection = socket.create_connection(("127.0.0.1", self.port))
            connection.sendall(bytes(data))
            if generator.random() < 0.3:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            if round_number % 100 == 0:
                good.request("GET", "/healthz")
                self.assertEqual(good.getresponse().read(), b'{"status":"ok"}\n')
        self.assertIsNone(self.server.poll())
        self.wait_until(lambda: self.descriptors() < 60, "connections to be gone")
        self.stop(self.server)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl(self):
        def curl(*arguments):
            return subprocess.run(["curl", "-sS", "--fail-with-body", *arguments], capture_output=True, text=True, timeout=30, check=True).stdout

        curl(self.base + "/v1/sql", "--data-binary", READINGS)
        path = self.write("rows.jsonl", "".join(reading(n) + "\n" for n in range(50_000)))
        self.assertEqual(json.loads(curl(self.base + "/v1/streams/readings", "-T", path, "-X", "POST"))["rows"], 50_000)
        self.assertEqual(json.loads(curl(self.base + "/v1/streams/readings", "--data-binary", "@" + path))["rows"], 50_000)
        self.assertEqual(len(curl(self.base + "/v1/streams/readings").splitlines()), 100_000)
        self.assertEqual(curl("--http1.0", self.base + "/v1/sql", "-d", "SELECT count(*) AS n FROM readings").splitlines()[0], '{"n":100000}')


class PasswordTest(HTTPTest):
    def test_password(self):
        self.write("password", "millrace:secret\n")
        self.serve("--password-file", self.path("password"))
        self.ask("GET", "/v1/status", expect=401)
        self.assertIn("Basic", self.headers["WWW-Authenticate"])
        basic = lambda text: {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
        self.ask("GET", "/v1/status", headers=basic("millrace:wrong"), expect=401)
        self.ask("GET", "/v1/status", headers={"Authorization": "Basic !"}, expect=401)
        self.ask("GET", "/v1/status", headers=basic("millrace:secret"))
        self.ask("GET", "/v1/status", headers={"Authorization": "Bearer secret"})
        self.ask("GET", "/healthz")
        # Whoever knows the password may come under any name.
        self.ask("GET", "/v1/status", headers={"Host": "metrics.example", **basic("millrace:secret")})


if __name__ == "__main__":
    unittest.main()
