"""Many connections: what an idle one costs, and that many active ones get on beside each other.

MILLRACE_IDLE_CONNECTIONS=10000 MILLRACE_ACTIVE_CONNECTIONS=200 is the whole size.
"""

import os
import resource
import selectors
import socket
import struct
import threading
import time
import unittest

from served import ServedTest
from test_serve import query, read_messages, startup

IDLE = int(os.environ.get("MILLRACE_IDLE_CONNECTIONS", "2000"))
ACTIVE = int(os.environ.get("MILLRACE_ACTIVE_CONNECTIONS", "50"))


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


def thread_count(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


class ConnectionsTest(ServedTest):
    options = ["--max-active-statements", "4000"]

    def setUp(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.idle = []
        super().setUp()

    def tearDown(self):
        for connection in self.idle:
            connection.close()
        super().tearDown()

    def open_idle(self, count):
        """Connections that have been welcomed, made side by side."""
        body = struct.pack("!I", 196608) + b"user\0ann\0\0"
        hello = struct.pack("!I", len(body) + 4) + body
        for start in range(0, count, 500):
            fresh = []
            for _ in range(min(500, count - start)):
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
                connection.sendall(hello)
                fresh.append(connection)
            for connection in fresh:
                data = b""
                while not data.endswith(b"Z\0\0\0\5I"):
                    more = connection.recv(4096)
                    self.assertTrue(more, data)
                    data += more
            self.idle += fresh

    def test_idle_connections_cost_little(self):
        warm = startup(self.port)
        read_messages(warm)
        query(warm, "SELECT 1")
        time.sleep(0.2)
        before, threads = resident(self.server.pid), thread_count(self.server.pid)
        self.open_idle(IDLE)
        # Each has said something once.
        for connection in self.idle:
            connection.sendall(b"Q\0\0\0\5\0")
        for connection in self.idle:
            data = b""
            while not data.endswith(b"Z\0\0\0\5I"):
                data += connection.recv(4096)
        time.sleep(0.2)
        after = resident(self.server.pid)
        each = (after - before) / IDLE
        print(f"\n{IDLE} idle connections: {each / 1024:.1f} KiB each, {after >> 20} MiB resident, {thread_count(self.server.pid)} threads (before: {threads})", flush=True)
        self.assertLess(each, 16 << 10)
        # No thread belongs to an idle connection.
        self.assertLess(thread_count(self.server.pid), threads + 60)
        start = time.monotonic()
        query(warm, "SELECT 1")
        self.assertLess(time.monotonic() - start, 2)

    def test_active_connections(self):
        first = startup(self.port)
        read_messages(first)
        query(first, "CREATE STREAM s (a INT) WITH (sync = 'none')")
        failures = []
        rows = []

        def work(number):
            try:
                connection = startup(self.port)
                connection.settimeout(60)
                read_messages(connection)
                if number % 4 == 0:
                    body = f"SELECT STREAM a FROM s LIMIT {ACTIVE}\0".encode()
                    connection.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
                    live.wait(timeout=60)
                    rows.append(sum(1 for message in read_messages(connection) if message[0] == b"D"))
                else:
                    live.wait(timeout=60)
                    time.sleep(0.5)
                    for step in range(5):
                        answer = query(connection, f"INSERT INTO s VALUES ({number})" if step % 2 == 0 else "SELECT count(*) FROM s")
                        if any(kind == b"E" for kind, _ in answer):
                            failures.append(answer)
                connection.close()
            except Exception as error:
                failures.append(error)

        live = threading.Barrier(ACTIVE + 1)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(ACTIVE)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        live.wait(timeout=60)
        # The writers come to an end; who still waits for rows gets them.
        while any(thread.is_alive() for thread in threads) and time.monotonic() - start < 90:
            query(first, "INSERT INTO s VALUES " + ", ".join("(0)" for _ in range(100)))
            time.sleep(0.2)
        for thread in threads:
            thread.join(timeout=30)
        self.assertEqual(failures, [])
        self.assertEqual(rows, [ACTIVE] * len(range(0, ACTIVE, 4)))
        print(f"\n{ACTIVE} active connections: {time.monotonic() - start:.1f} s", flush=True)

    def test_a_slow_reader_slows_only_itself(self):
        writer = startup(self.port)
        read_messages(writer)
        query(writer, "CREATE STREAM wide (a INT, b VARCHAR) WITH (sync = 'none')")
        body = "".join(f"{number}\t{'x' * 1000}\n" for number in range(1000)).encode()
        writer.sendall(b"Q" + struct.pack("!I", 4 + 21) + b"COPY wide FROM STDIN\0")
        for _ in range(60):
            writer.sendall(b"d" + struct.pack("!I", len(body) + 4) + body)
        writer.sendall(b"c\0\0\0\4")
        self.assertEqual(read_messages(writer)[-2], (b"C", b"COPY 60000\0"))
        slow = startup(self.port)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        read_messages(slow)
        before = resident(self.server.pid)
        slow.sendall(b"Q" + struct.pack("!I", 4 + 19) + b"SELECT * FROM wide\0")
        time.sleep(1)
        # 60 MB wait for the slow one, and are not in memory; others are served.
        start = time.monotonic()
        for _ in range(20):
            query(writer, "SELECT 1")
        self.assertLess(time.monotonic() - start, 3)
        self.assertLess(resident(self.server.pid) - before, 150 << 20)
        slow.close()
        self.assertEqual(query(writer, "SELECT count(*) FROM wide")[1][0], b"D")


if __name__ == "__main__":
    unittest.main()
