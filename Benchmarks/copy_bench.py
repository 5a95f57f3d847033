#!/usr/bin/env python3
"""COPY FROM, COPY TO, SELECT * and a live read of Millrace, beside COPY of PostgreSQL on the same machine, the same file and the same client (psql).

    MILLRACE=.build/release/millrace Benchmarks/copy_bench.py [--rows 2000000] [--repeat 3]

Needs psql; PostgreSQL's figures need its server (apt: postgresql). Both write durably: PostgreSQL with fsync and WAL as it is set up by default,
Millrace with sync = 'always', its default. The best of the repeats counts.
"""

import argparse
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, ".build", "release", "millrace"))
COLUMNS = "id BIGINT, customer INT, amount DECIMAL(12, 2), note VARCHAR, at TIMESTAMP(3), ok BOOLEAN"
PG_COLUMNS = "id BIGINT, customer INT, amount NUMERIC(12, 2), note VARCHAR, at TIMESTAMP(3), ok BOOLEAN"


def make_rows(path, count):
    with open(path, "w") as file:
        for start in range(0, count, 10_000):
            file.write("".join(
                f"{n}\t{n * 7919 % 100_000}\t{n % 100_000}.{n % 100:02d}\torder number {n} of customer {n * 7919 % 100_000}\t"
                f"2026-11-{n % 28 + 1:02d} {n % 24:02d}:{n % 60:02d}:{n % 59:02d}.{n % 1000:03d}\t{'t' if n % 3 else 'f'}\n"
                for n in range(start, min(start + 10_000, count))))


def timed(command, environment=None):
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return seconds


class Server:
    def psql(self, *arguments):
        return ["psql", "-X", "-q", "-h", self.host, "-p", str(self.port), "-U", self.user, "-d", self.database, *arguments]

    def run(self, sql):
        timed(self.psql("-c", sql))


class Millrace(Server):
    name, user, host, database = "Millrace", "ann", "127.0.0.1", "millrace"

    def __init__(self, folder):
        self.data = os.path.join(folder, "millrace")
        self.log = open(os.path.join(folder, "millrace.log"), "w")
        self.child = subprocess.Popen([MILLRACE, "serve", "--data", self.data, "--listen", "postgres://127.0.0.1:0"], stderr=self.log)
        while not os.path.exists(os.path.join(self.data, "server")):
            if self.child.poll() is not None:
                raise SystemExit("millrace did not start: " + open(self.log.name).read())
            time.sleep(0.05)
        with open(os.path.join(self.data, "server")) as file:
            self.port = int(dict(line.split() for line in file)["postgres"].rsplit(":", 1)[1])

    def create(self):
        self.run("DROP STREAM IF EXISTS orders")
        self.run(f"CREATE STREAM orders ({COLUMNS})")

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()


class PostgreSQL(Server):
    name, user, database = "PostgreSQL", "postgres", "postgres"

    def __init__(self, folder):
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.data = os.path.join(folder, "postgres")
        os.mkdir(self.data)
        os.chmod(folder, 0o755)
        # PostgreSQL does not run as root.
        self.prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.prefix:
            shutil.chown(self.data, "postgres", "postgres")
        subprocess.run([*self.prefix, f"{binaries}/initdb", "-D", self.data, "-A", "trust", "-U", "postgres"], check=True, capture_output=True, cwd="/")
        self.host, self.port = "127.0.0.1", 54_329
        self.child = subprocess.Popen(
            [*self.prefix, f"{binaries}/postgres", "-D", self.data, "-p", str(self.port), "-c", f"unix_socket_directories={self.data}", "-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        while subprocess.run(self.psql("-c", "SELECT 1"), capture_output=True).returncode != 0:
            time.sleep(0.1)

    def create(self):
        self.run("DROP TABLE IF EXISTS orders")
        self.run(f"CREATE TABLE orders ({PG_COLUMNS})")

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()


def live(server, path, count):
    """A SELECT STREAM that is there before the rows, and ends with the last of them."""
    server.create()
    reader = subprocess.Popen(server.psql("-A", "-t", "-c", f"COPY (SELECT STREAM * FROM orders LIMIT {count}) TO STDOUT"), stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    start = time.monotonic()
    timed(server.psql("-c", f"\\copy orders from '{path}'"))
    reader.wait()
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="copy-bench-") as folder:
        path = os.path.join(folder, "orders.txt")
        make_rows(path, arguments.rows)
        os.chmod(path, 0o644)
        megabytes = os.path.getsize(path) / 1e6
        print(f"{arguments.rows} rows, {megabytes:.0f} MB")
        servers = [Millrace(folder)]
        if glob.glob("/usr/lib/postgresql/*/bin/initdb"):
            servers.append(PostgreSQL(folder))
        best = {}
        try:
            for _ in range(arguments.repeat):
                for server in servers:
                    server.create()
                    figures = [("COPY FROM", timed(server.psql("-c", f"\\copy orders from '{path}'")))]
                    figures.append(("COPY TO", timed(server.psql("-c", "\\copy orders to '/dev/null'"))))
                    figures.append(("COPY TO csv", timed(server.psql("-c", "\\copy orders to '/dev/null' csv"))))
                    figures.append(("SELECT *", timed(server.psql("-A", "-t", "-o", "/dev/null", "-c", "SELECT * FROM orders"))))
                    if isinstance(server, Millrace):
                        figures.append(("live read during COPY FROM", live(server, path, arguments.rows)))
                    for name, seconds in figures:
                        key = (name, server.name)
                        best[key] = min(best.get(key, seconds), seconds)
        finally:
            for server in servers:
                server.stop()
        for name in dict.fromkeys(name for name, _ in best):
            line = f"{name:28}"
            for server in servers:
                if (name, server.name) in best:
                    seconds = best[name, server.name]
                    line += f"  {server.name} {seconds:6.2f} s {megabytes / seconds:6.0f} MB/s {arguments.rows / seconds / 1e6:5.2f} M rows/s"
            print(line)


if __name__ == "__main__":
    main()
