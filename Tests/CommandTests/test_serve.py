"""`millrace serve`: its start and its end, its log, its configuration, its limits."""

import json
import os
import signal
import socket
import struct
import subprocess
import unittest

from served import PSQL, SOCKETS, ServedTest
from support import MILLRACE, CommandTest


def startup(port, **parameters):
    """A connection that has said who it is; what was answered is read up to ReadyForQuery or an error."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    SOCKETS.append(connection)
    body = struct.pack("!I", 196608)
    for name, value in {"user": "ann", **parameters}.items():
        body += name.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    connection.sendall(struct.pack("!I", len(body) + 4) + body)
    return connection


def read_messages(connection, until=b"Z"):
    """Messages up to one of a type, or to the end."""
    stream = connection.makefile("rb")
    messages = []
    while True:
        head = stream.read(5)
        if len(head) < 5:
            return messages
        kind, length = head[:1], struct.unpack("!I", head[1:])[0]
        messages.append((kind, stream.read(length - 4)))
        if kind == until:
            return messages


def error_fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def query(connection, sql):
    body = sql.encode() + b"\0"
    connection.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
    return read_messages(connection)


class ServeTest(ServedTest):
    def test_it_says_where_it_is_and_ends_cleanly(self):
        addresses = self.addresses()
        self.assertEqual(addresses["pid"], str(self.server.pid))
        self.assertIn(f"event=listening protocol=postgres address=127.0.0.1:{self.port}", self.log())
        connection = startup(self.port)
        self.assertEqual(read_messages(connection)[-1], (b"Z", b"I"))
        query(connection, "CREATE STREAM s (a INT); CREATE STREAM t (a INT); CREATE QUERY q AS INSERT INTO t SELECT a * 2 FROM s")
        query(connection, "INSERT INTO s VALUES (1), (2)")
        # A statement that runs is ended, and its client told.
        body = b"SELECT STREAM * FROM s\0"
        connection.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        self.wait_until(lambda: self.rows_of("t") == 2, "the query")
        self.stop_server()
        last = [message for message in read_messages(connection) if message[0] == b"E"]
        self.assertEqual(error_fields(last[-1][1])["C"], "57P01")
        self.assertEqual(self.addresses(), {})
        self.assertIn("event=stopped", self.log())
        # Its checkpoint stands: a second run goes on.
        self.assertEqual(self.tail("t"), [{"a": 2}, {"a": 4}])
        self.serve()
        connection = startup(self.port)
        read_messages(connection)
        query(connection, "INSERT INTO s VALUES (3)")
        self.wait_until(lambda: self.rows_of("t") == 3, "the query")

    def rows_of(self, stream):
        connection = startup(self.port)
        read_messages(connection)
        rows = [message for message in query(connection, f"SELECT * FROM {stream}") if message[0] == b"D"]
        connection.close()
        return len(rows)

    def test_the_directory_is_its_own(self):
        done = self.millrace("serve", "--data", self.data, "--listen", "127.0.0.1:0", expect=1)
        self.assertIn("millrace serve", done.stderr)
        self.assertIn(str(self.server.pid), done.stderr)

    def test_a_port_that_is_taken_is_named(self):
        done = self.millrace("serve", "--data", self.path("other"), "--listen", f"postgres://127.0.0.1:{self.port}", expect=1)
        self.assertIn(f"cannot listen on 127.0.0.1:{self.port}", done.stderr)

    def test_what_makes_no_sense_closes_only_its_own_connection(self):
        good = startup(self.port)
        read_messages(good)
        for rubbish in [b"\0\0\0\x08\x01\x02\x03\x04", b"\xff" * 100, b"\0\0\0\x04", b"\0\0\0\x08\x04\xd2\x16\x2f" + b"GET"]:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            connection.sendall(rubbish)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
            connection.close()
        bad = startup(self.port)
        read_messages(bad)
        bad.sendall(b"?\0\0\0\x04")
        self.assertEqual(error_fields(read_messages(bad)[-1][1])["C"], "08P01")
        self.assertEqual(query(good, "SELECT 1")[1][0], b"D")

    def test_encryption_is_refused_and_the_start_goes_on(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        for code in (80877103, 80877104):
            connection.sendall(struct.pack("!II", 8, code))
            self.assertEqual(connection.recv(1), b"N")
        body = struct.pack("!I", 196608) + b"user\0ann\0\0"
        connection.sendall(struct.pack("!I", len(body) + 4) + body)
        self.assertEqual(read_messages(connection)[-1], (b"Z", b"I"))


class LimitsTest(ServedTest):
    options = ["--max-connections", "3", "--max-statement-size", "2000", "--max-active-statements", "2", "--max-result-rows", "10"]

    def test_connections(self):
        open_ones = [startup(self.port) for _ in range(3)]
        for connection in open_ones:
            read_messages(connection)
        refused = read_messages(startup(self.port))
        self.assertEqual(error_fields(refused[-1][1])["C"], "53300")
        open_ones[0].close()
        self.wait_until(lambda: read_messages(startup(self.port))[-1][0] == b"Z", "a place")

    def test_statements_and_results(self):
        connection = startup(self.port)
        read_messages(connection)
        messages = query(connection, "SELECT '" + "x" * 5000 + "'")
        self.assertEqual(error_fields(messages[0][1])["C"], "54000")
        # The connection goes on.
        self.assertEqual(query(connection, "SELECT 1")[1][0], b"D")
        query(connection, "CREATE STREAM s (a INT)")
        query(connection, "INSERT INTO s VALUES " + ", ".join(f"({n})" for n in range(11)))
        self.assertEqual(error_fields(query(connection, "SELECT * FROM s")[-2][1])["C"], "54000")
        self.assertEqual(len(query(connection, "SELECT * FROM s LIMIT 10")), 13)

    def test_active_statements(self):
        first = startup(self.port)
        read_messages(first)
        query(first, "CREATE STREAM s (a INT)")
        live = [startup(self.port) for _ in range(2)]
        for connection in live:
            read_messages(connection)
            body = b"SELECT STREAM * FROM s\0"
            connection.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        self.wait_until(lambda: error_fields(query(first, "SELECT 1")[0][1]).get("C") == "53300", "the refusal")
        live[0].close()
        self.wait_until(lambda: query(first, "SELECT 1")[0][0] == b"T", "a free thread")


class ConfigurationTest(CommandTest):
    def test_places_and_their_order(self):
        config = self.write("serve.conf", f"# a server\ndata = '{self.data}'\nlisten = postgres://127.0.0.1:0\nlog-format = json\nmax_connections = 7 # few\n")
        child = subprocess.Popen(
            [MILLRACE, "serve", "--config", config], stderr=subprocess.PIPE, text=True, cwd=self.folder,
            env={**os.environ, "MILLRACE_LOG_LEVEL": "debug"},
        )
        self.children.append(child)
        events = []
        while not any(event["event"] == "listening" for event in events):
            events.append(json.loads(child.stderr.readline()))
        port = int(events[-1]["address"].rsplit(":", 1)[1])
        read_messages(startup(port))
        self.assertEqual(json.loads(child.stderr.readline())["event"], "connected")
        child.send_signal(signal.SIGINT)
        child.wait(timeout=30)
        self.assertEqual(child.returncode, 0)

    def test_mistakes_are_named(self):
        for text, word in [("max_conections = 3", "max_connections"), ("nonsense", "line 1"), ("max_connections = 0", "number"), ("listen = x", "HOST:PORT")]:
            config = self.write("bad.conf", text + "\n")
            done = self.millrace("serve", "--data", self.data, "--config", config, expect=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)
        self.assertIn("postgres or http", self.millrace("serve", "--listen", "ftp://a:1", expect=2).stderr)

    def test_other_machines_need_a_password(self):
        done = self.millrace("serve", "--data", self.data, "--listen", "postgres://0.0.0.0:0", expect=1)
        self.assertIn("--password-file", done.stderr)


class PasswordTest(ServedTest):
    def serve(self, *options, **more):
        self.write("passwords", "ann:s3cret,=x\nbob:other\n")
        super().serve("--password-file", self.path("passwords"), *options, **more)

    @unittest.skipUnless(PSQL, "psql is not installed (apt: postgresql-client)")
    def test_scram(self):
        self.assertEqual(self.psql("SELECT 1", environment={"PGPASSWORD": "s3cret,=x"}), "1\n")
        self.assertEqual(self.psql("SELECT 2", user="bob", environment={"PGPASSWORD": "other"}), "2\n")
        for user, password in [("ann", "wrong"), ("bob", "s3cret,=x"), ("eve", "s3cret,=x")]:
            self.psql("SELECT 1", user=user, environment={"PGPASSWORD": password}, expect=2)
            self.assertIn(f'password authentication failed for user "{user}"', self.errors)
        self.assertIn("event=authentication_failed", self.log())

    def test_nobody_comes_in_without(self):
        connection = startup(self.port)
        messages = read_messages(connection, until=b"R")
        self.assertEqual(messages[0][1], struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0")
        body = b"SELECT 1\0"
        connection.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        self.assertEqual(read_messages(connection)[-1][0], b"E")


if __name__ == "__main__":
    unittest.main()
