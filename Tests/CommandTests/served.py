"""A test with a server of its own, on ports that nobody else has."""

import os
import shutil
import signal
import subprocess

from support import MILLRACE, CommandTest

PSQL = shutil.which("psql")
# Sockets of the test that runs; closed with it.
SOCKETS = []


class ServedTest(CommandTest):
    """`self.server` runs on `self.data`; `self.port` is PostgreSQL's."""

    options = []
    environment = {}

    def setUp(self):
        super().setUp()
        self.server = None
        self.serve(*self.options, environment=self.environment)

    def tearDown(self):
        while SOCKETS:
            SOCKETS.pop().close()
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                pass
        super().tearDown()

    def serve(self, *options, environment=None, listen="postgres://127.0.0.1:0"):
        """Starts the server and waits until it listens; its log goes to a file."""
        self.log_path = self.path("server.log")
        with open(self.log_path, "ab") as log:
            listening = ["--listen", listen] if listen else []
            self.server = subprocess.Popen(
                [MILLRACE, "serve", "--data", self.data, *listening, *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd=self.folder, env={**os.environ, **(environment or {})},
            )
        self.children.append(self.server)
        self.wait_until(lambda: self.addresses().get("pid") == str(self.server.pid) or self.server.poll() is not None, "the server")
        self.assertIsNone(self.server.poll(), self.log())
        self.port = int(self.addresses()["postgres"].rsplit(":", 1)[1])

    def addresses(self):
        try:
            with open(os.path.join(self.data, "server")) as file:
                return dict(line.split() for line in file)
        except FileNotFoundError:
            return {}

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def stop_server(self, number=signal.SIGTERM):
        self.server.send_signal(number)
        self.server.wait(timeout=60)
        self.assertEqual(self.server.returncode, 0, self.log())

    def psql_command(self, *arguments, user="ann"):
        return [
            PSQL, "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", "millrace", "-v", "VERBOSITY=default", *arguments,
        ]

    def psql(self, sql, *arguments, expect=0, user="ann", environment=None, timeout=60):
        """What psql prints on standard output for a script; unaligned, without headings."""
        done = subprocess.run(
            self.psql_command("-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *arguments, user=user), input=sql, capture_output=True, text=True,
            timeout=timeout, cwd=self.folder, env={**os.environ, **(environment or {})},
        )
        if expect is not None:
            self.assertEqual(done.returncode, expect, done.stderr + done.stdout)
        self.errors = done.stderr
        return done.stdout
