"""What the tests of the command share: the binary, a directory of their own, and ways to wait."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, ".build", "release", "millrace"))


class CommandTest(unittest.TestCase):
    """A test with a directory that is removed afterwards, and with processes that are ended with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-test-")
        self.children = []

    def tearDown(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self):
        return self.path("data")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        path = self.path(name)
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(path, mode) as file:
            file.write(text)
        return path

    def read_json_lines(self, name):
        with open(self.path(name)) as file:
            return [json.loads(line) for line in file]

    def millrace(self, *arguments, input="", timeout=120, expect=0, text=True):
        """Runs the command to its end; `expect` is the exit code it must have, None for any."""
        if text is False and isinstance(input, str):
            input = input.encode()
        done = subprocess.run(
            [MILLRACE, *arguments], input=input, capture_output=True, timeout=timeout, text=text, cwd=self.folder
        )
        if expect is not None:
            self.assertEqual(
                done.returncode, expect, f"millrace {' '.join(arguments)}\n{done.stderr}\n{done.stdout[:2000]}"
            )
        return done

    def run_sql(self, sql, *arguments, **options):
        return self.millrace("run", "-", *arguments, input=sql, **options)

    def rows(self, sql, *arguments, **options):
        """The rows of the script's SELECT, as objects."""
        done = self.run_sql(sql, "--format", "json", *arguments, **options)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def tail(self, stream, *arguments):
        done = self.millrace("tail", stream, "--data", self.data, *arguments)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def put(self, stream, lines, *arguments, **options):
        return self.millrace("put", stream, "--data", self.data, *arguments, input=lines, **options)

    def start(self, *arguments, stdin=subprocess.DEVNULL):
        """Starts the command in the background."""
        child = subprocess.Popen(
            [MILLRACE, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder
        )
        self.children.append(child)
        return child

    def stop(self, child, number=signal.SIGTERM, timeout=60):
        """Ends a background command with a signal; what it printed, after its exit code was checked."""
        child.send_signal(number)
        output, errors = child.communicate(timeout=timeout)
        self.assertEqual(child.returncode, 0, errors)
        return output, errors

    def wait_until(self, condition, what, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        self.fail(f"waited {timeout} s in vain for {what}")

    def status(self):
        return json.loads(self.millrace("status", "--json", "--data", self.data).stdout)

    def stream_rows(self, name):
        """How many rows a stream holds; 0 when there is none."""
        done = self.millrace("status", "--json", "--data", self.data, expect=None)
        if done.returncode != 0:
            return 0
        for stream in json.loads(done.stdout)["streams"]:
            if stream["name"] == name:
                return stream["rows"]
        return 0


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *arguments, cwd, environment=None):
        self.output = ""
        self.status = None
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.environ.update(TERM="xterm", INPUTRC="/dev/null", **(environment or {}))
            try:
                os.execv(MILLRACE, [MILLRACE, *arguments])
            finally:
                os._exit(127)

    def type(self, keys):
        os.write(self.descriptor, keys.encode())

    def read(self, seconds):
        """Takes what comes within the time; False when the other side has gone."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.output += data.decode(errors="replace")
        return bool(data)

    def expect(self, text, timeout=20):
        """Waits until `text` has come; returns everything up to and with it and forgets that."""
        end = time.monotonic() + timeout
        while text not in self.output:
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} did not come; what came is {self.output!r}")
            if not self.read(0.1) and text not in self.output:
                raise AssertionError(f"the command ended before {text!r}; what came is {self.output!r}")
        end_of_text = self.output.index(text) + len(text)
        seen, self.output = self.output[:end_of_text], self.output[end_of_text:]
        return seen

    def wait(self, timeout=20):
        """The exit code, once the command has ended."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
        raise AssertionError(f"the command did not end; what came is {self.output!r}")

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.descriptor)
