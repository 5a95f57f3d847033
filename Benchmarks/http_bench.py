#!/usr/bin/env python3
"""Throughput of the HTTP interface: rows in by POST (JSON lines, CSV), rows out of the log, and a live SELECT that is read while rows come in.

    Benchmarks/http_bench.py [--rows 2000000] [--port PORT]

Starts a server of its own on a new directory (MILLRACE names the binary) unless --port names one that runs. Rows are those of wire's COPY benchmark in
kind: a timestamp, two numbers, a short text and a double. The stream syncs each append (the default).
"""

import argparse
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, ".build", "release", "millrace"))


def make_input(path, rows, is_csv):
    """A file of rows; the same whenever it is made."""
    with open(path, "w", buffering=1 << 20) as file:
        if is_csv:
            file.write("at,id,quantity,name,price\n")
        for number in range(rows):
            at = f"2026-01-01T{number // 3600000 % 24:02}:{number // 60000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}"
            name = f"item-{number * 7919 % 10007}"
            price = number * 31 % 100000 / 100
            if is_csv:
                file.write(f"{at},{number},{number % 97},{name},{price}\n")
            else:
                file.write(f'{{"at":"{at}","id":{number},"quantity":{number % 97},"name":"{name}","price":{price}}}\n')


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    return connection


def post(port, path, body, content_type="text/plain"):
    """A POST of bytes or of a file, sent as fast as the server takes it; the response's body."""
    is_file = hasattr(body, "fileno")
    size = os.fstat(body.fileno()).st_size if is_file else len(body)
    connection = connect(port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {size}\r\n\r\n"
    connection.sendall(head.encode())
    if is_file:
        connection.sendfile(body)
    else:
        connection.sendall(body)
    answer = b""
    while more := connection.recv(1 << 16):
        answer += more
    connection.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], answer[:500]
    return content


def read_until(connection, done):
    """Takes what comes until `done` says so; how many lines it was."""
    lines = 0
    tail = b""
    buffer = bytearray(1 << 20)
    while count := connection.recv_into(buffer):
        lines += buffer.count(b"\n", 0, count)
        tail = bytes(buffer[max(0, count - 64):count])
        if done(lines, tail):
            break
    return lines


def report(what, rows, size, seconds):
    print(f"{what:<34} {rows / seconds / 1e6:7.2f} M rows/s {size / seconds / 1e6:9.1f} MB/s {seconds:8.2f} s", flush=True)


def measure(port, rows, folder):
    columns = "at TIMESTAMP(3), id BIGINT, quantity INTEGER, name VARCHAR, price DOUBLE"
    for kind, content_type in (("jsonl", "application/x-ndjson"), ("csv", "text/csv")):
        path = os.path.join(folder, "rows." + kind)
        make_input(path, rows, kind == "csv")
        size = os.path.getsize(path)
        best = None
        for attempt in range(3):
            name = f"bench_{kind}_{attempt}"
            post(port, "/v1/sql", f"CREATE STREAM {name} ({columns}, WATERMARK FOR at AS at)".encode())
            with open(path, "rb") as file:
                start = time.perf_counter()
                summary = json.loads(post(port, f"/v1/streams/{name}", file, content_type))
                seconds = time.perf_counter() - start
            assert (summary["rows"], summary["rejected"]) == (rows, 0), summary
            best = min(best or seconds, seconds)
        report(f"POST /v1/streams, {kind}", rows, size, best)
    # Out of the log, bounded.
    connection = connect(port)
    start = time.perf_counter()
    connection.sendall(b"GET /v1/streams/bench_jsonl_0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    read_until(connection, lambda lines, tail: False)
    report("GET /v1/streams, JSON lines", rows, os.path.getsize(os.path.join(folder, "rows.jsonl")), time.perf_counter() - start)
    # A live SELECT beside the rows that come in.
    post(port, "/v1/sql", f"CREATE STREAM live ({columns}, WATERMARK FOR at AS at)".encode())
    sql = b"SELECT STREAM at, id, quantity, name, price FROM live WHERE quantity >= 0"
    connection = connect(port)
    connection.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(sql), sql))
    connection.recv(4096)
    path = os.path.join(folder, "rows.jsonl")
    start = time.perf_counter()
    with open(path, "rb") as file:
        feeder = threading.Thread(target=post, args=(port, "/v1/streams/live", file, "application/x-ndjson"))
        feeder.start()
        # Each chunk of the response ends its own lines besides the rows', so the last row is looked for.
        read_until(connection, lambda lines, tail: f'"id":{rows - 1},'.encode() in tail or lines > rows * 2 or f"{rows - 1}".encode() in tail)
        seconds = time.perf_counter() - start
        feeder.join()
    report("live SELECT STREAM while POSTed", rows, os.path.getsize(path), seconds)
    connection.close()
    # Many small appends: what one costs, and what they cost beside each other.
    row = open(path, "rb").readline()
    for clients in (1, 16):
        count = 100
        def work():
            connection = connect(port)
            for _ in range(count):
                connection.sendall(b"POST /v1/streams/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(row), row))
                answer = connection.recv(4096)
                assert b" 200 OK" in answer, answer
        threads = [threading.Thread(target=work) for _ in range(clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        print(f"POST of one row, {clients:>2} clients          {clients * count / seconds:7.0f} requests/s, {seconds / count * 1e3:.2f} ms each", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-http-bench-") as folder:
        if arguments.port:
            return measure(arguments.port, arguments.rows, folder)
        data = os.path.join(folder, "data")
        server = subprocess.Popen([MILLRACE, "serve", "--data", data, "--listen", "http://127.0.0.1:0", "--listen", "postgres://127.0.0.1:0"], stderr=subprocess.DEVNULL)
        try:
            path = os.path.join(data, "server")
            while not os.path.exists(path):
                assert server.poll() is None, "the server has ended"
                time.sleep(0.05)
            port = next(int(line.rsplit(":", 1)[1]) for line in open(path) if line.startswith("http "))
            measure(port, arguments.rows, folder)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
