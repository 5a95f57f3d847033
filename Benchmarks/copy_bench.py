#!/usr/bin/env python3
"""COPY FROM, POST, COPY TO, SELECT * and live reads of Millrace, beside COPY of PostgreSQL on the same machine, the same rows and the same client (psql;
for POST curl).

    MILLRACE=.build/release/millrace Benchmarks/copy_bench.py [--rows 2000000] [--repeat 3]

Needs psql; PostgreSQL's figures need its server (apt: postgresql). Both write durably: PostgreSQL with fsync and WAL as it is set up by default,
Millrace with sync = 'always', its default. Medians of the repeats, in which the two take turns; the last column is PostgreSQL's time for the same work divided
by ours: COPY FROM is what POST and the live read beside it are compared with, COPY TO what the live read of what is there already is.
"""

import argparse
import glob
import os
import shutil
import signal
import statistics
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
        self.child = subprocess.Popen([MILLRACE, "serve", "--data", self.data, "--listen", "postgres://127.0.0.1:0", "--listen", "http://127.0.0.1:0"], stderr=self.log)
        while not os.path.exists(os.path.join(self.data, "server")):
            if self.child.poll() is not None:
                raise SystemExit("millrace did not start: " + open(self.log.name).read())
            time.sleep(0.05)
        with open(os.path.join(self.data, "server")) as file:
            addresses = dict(line.split() for line in file)
        self.port = int(addresses["postgres"].rsplit(":", 1)[1])
        self.http = addresses["http"]

    def create(self):
        self.run("DROP STREAM IF EXISTS orders")
        self.run(f"CREATE STREAM orders ({COLUMNS})")

    def post(self, path, content_type):
        """One request with all rows, as a program that has a file would send it."""
        self.create()
        took = timed(["curl", "-sS", "--fail-with-body", "-o", "/dev/null", "-X", "POST", "-H", f"Content-Type: {content_type}", "-H", "Expect:", "-T", path,
                      f"http://{self.http}/v1/streams/orders"])
        self.check_count(path)
        return took

    def check_count(self, path):
        with open(path) as file:
            sent = sum(1 for _ in file) - path.endswith(".csv")
        there = int(subprocess.run(self.psql("-A", "-t", "-c", "SELECT count(*) FROM orders"), capture_output=True, text=True, check=True).stdout)
        if there != sent:
            raise SystemExit(f"{sent} rows were posted and {there} are there")

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()


class PostgreSQL(Server):
    name, user, database = "PostgreSQL", "postgres", "postgres"

    def __init__(self, folder):
        binaries = self.binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
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
        subprocess.run([*self.prefix, f"{self.binaries}/pg_ctl", "stop", "-D", self.data, "-m", "fast"], check=True, capture_output=True, cwd="/")
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


def other_forms(path, csv_path, json_path):
    """The same rows for POST."""
    names = ["id", "customer", "amount", "note", "at", "ok"]
    with open(path) as rows, open(csv_path, "w") as csv, open(json_path, "w") as lines:
        csv.write(",".join(names) + "\n")
        for row in rows:
            id, customer, amount, note, at, ok = row[:-1].split("\t")
            csv.write(f"{id},{customer},{amount},{note},{at},{ok}\n")
            lines.write(f'{{"id":{id},"customer":{customer},"amount":{amount},"note":"{note}","at":"{at}","ok":{"true" if ok == "t" else "false"}}}\n')


# What of PostgreSQL's each of ours is compared with.
PEERS = {
    "COPY FROM": "COPY FROM", "POST CSV": "COPY FROM", "POST JSON lines": "COPY FROM", "live read beside COPY FROM": "COPY FROM",
    "COPY TO": "COPY TO", "COPY TO csv": "COPY TO csv", "SELECT *": "SELECT *", "live read of what is there": "COPY TO",
}


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
        csv_path, json_path = os.path.join(folder, "orders.csv"), os.path.join(folder, "orders.jsonl")
        other_forms(path, csv_path, json_path)
        seconds = {}
        try:
            for _ in range(arguments.repeat):
                for server in servers:
                    server.create()
                    figures = [("COPY FROM", timed(server.psql("-c", f"\\copy orders from '{path}'")))]
                    figures.append(("COPY TO", timed(server.psql("-c", "\\copy orders to '/dev/null'"))))
                    figures.append(("COPY TO csv", timed(server.psql("-c", "\\copy orders to '/dev/null' csv"))))
                    figures.append(("SELECT *", timed(server.psql("-A", "-t", "-o", "/dev/null", "-c", "SELECT * FROM orders"))))
                    if isinstance(server, Millrace):
                        read = f"\\copy (SELECT STREAM * FROM orders START FROM TRIM_HORIZON LIMIT {arguments.rows}) to '/dev/null'"
                        figures.append(("live read of what is there", timed(server.psql("-c", read))))
                        figures.append(("live read beside COPY FROM", live(server, path, arguments.rows)))
                        figures.append(("POST CSV", server.post(csv_path, "text/csv")))
                        figures.append(("POST JSON lines", server.post(json_path, "application/x-ndjson")))
                    for name, took in figures:
                        seconds.setdefault((name, server.name), []).append(took)
        finally:
            for server in servers:
                server.stop()
        median = {key: statistics.median(taken) for key, taken in seconds.items()}
        for name, peer in PEERS.items():
            line = f"{name:28}"
            for server, of in ((Millrace.name, name), (PostgreSQL.name, peer)):
                if (of, server) in median:
                    took = median[of, server]
                    line += f"  {server} {took:6.2f} s {megabytes / took:6.0f} MB/s {arguments.rows / took / 1e6:5.2f} M rows/s"
            if (peer, PostgreSQL.name) in median:
                line += f"  {median[peer, PostgreSQL.name] / median[name, Millrace.name]:5.2f}"
            print(line)


if __name__ == "__main__":
    main()
