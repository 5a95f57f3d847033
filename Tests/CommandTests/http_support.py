"""A server with its HTTP side, for tests: starts it on free ports, and asks it."""

import contextlib
import http.client
import json
import os
import socket

from support import CommandTest


class HTTPTest(CommandTest):
    """A test with a running server."""

    def serve(self, *arguments):
        child = self.start("serve", "--data", self.data, "--listen", "postgres://127.0.0.1:0", "--listen", "http://127.0.0.1:0", *arguments)
        path = os.path.join(self.data, "server")

        def listening():
            self.assertIsNone(child.poll(), child.stderr.read() if child.poll() is not None else "")
            with contextlib.suppress(OSError):
                with open(path) as file:
                    return [line.split()[1] for line in file if line.startswith("http ")]

        address = self.wait_until(listening, "the server's addresses")[0]
        self.port = int(address.rsplit(":", 1)[1])
        self.base = f"http://127.0.0.1:{self.port}"
        return child

    def connection(self, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        self.addCleanup(connection.close)
        return connection

    def ask(self, method, path, body=None, headers=None, expect=200):
        """The response's body, after its status was checked; its headers are in `self.headers`."""
        connection = self.connection()
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        self.headers = response.headers
        if expect is not None:
            self.assertEqual(response.status, expect, content[:2000])
        return content

    def get(self, path, **options):
        return json.loads(self.ask("GET", path, **options))

    def lines(self, sql, path="/v1/sql", **options):
        return [json.loads(line) for line in self.ask("POST", path, body=sql.encode(), **options).splitlines()]

    def sql(self, sql):
        """Executes statements that must all succeed; their rows."""
        lines = self.lines(sql)
        self.assertFalse([line for line in lines if "error" in line], lines)
        return [line for line in lines if set(line) not in ({"done"}, {"notice"})]

    def socket(self, timeout=20):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        self.addCleanup(connection.close)
        return connection

    def raw(self, request, shut=True):
        """Everything that the server says to these bytes until it closes."""
        connection = self.socket()
        connection.sendall(request if isinstance(request, bytes) else request.encode())
        if shut:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                break
            if not more:
                break
            answer += more
        connection.close()
        return answer
