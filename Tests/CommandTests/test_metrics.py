"""The figures: Prometheus' own check, the real Prometheus scraping, and that they are true."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import unittest
import urllib.request

from http_support import HTTPTest

PIPELINE = """
CREATE STREAM bids (auction BIGINT, price BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) PARTITION BY (auction) SHARDS 2;
CREATE STREAM totals (auction BIGINT, n BIGINT);
CREATE QUERY "per ""auction"" \\ 10 s" AS INSERT INTO totals
SELECT auction, count(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(at), INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end;
"""


class MetricsTest(HTTPTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.sql(PIPELINE)
        rows = [{"auction": n % 7, "price": n, "at": f"2026-01-01T00:{n // 60:02}:{n % 60:02}"} for n in range(1000)] + [{"auction": 1, "price": 1, "at": None}]
        summary = json.loads(self.ask("POST", "/v1/streams/bids", body="\n".join(json.dumps(row) for row in rows).encode()))
        self.assertEqual((summary["rows"], summary["rejected"]), (1000, 1))
        self.wait_until(lambda: self.sample("millrace_query_rows_in_total") == 1000, "the query to have read")

    def samples(self):
        """Name and labels → value."""
        samples = {}
        for line in self.ask("GET", "/metrics").decode().splitlines():
            if not line.startswith("#"):
                key, value = line.rsplit(" ", 1)
                self.assertNotIn(key, samples)
                samples[key] = float(value)
        return samples

    def sample(self, name, **labels):
        """The sum of the samples of that name with these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(v for k, v in self.samples().items() if k.split("{")[0] == name and all(w in k for w in wanted))

    def test_figures_are_true(self):
        self.ask("GET", "/metrics")
        self.assertTrue(self.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        self.assertEqual(self.sample("millrace_stream_rows_total", stream="bids"), 1000)
        self.assertEqual(self.sample("millrace_stream_error_rows_total", stream="bids"), 1)
        self.assertEqual(self.sample("millrace_query_state", state="running"), 1)
        self.assertEqual(self.sample("millrace_query_state"), 1)
        self.assertEqual(self.sample("millrace_query_late_rows_total"), 0)
        self.ask("POST", "/v1/streams/bids", body="\n".join(json.dumps({"auction": n, "price": 1, "at": "2025-12-31T00:00:00"}) for n in range(5)).encode())
        self.wait_until(lambda: self.sample("millrace_operator_late_rows_total") == 5, "the late rows")
        self.assertEqual(self.sample("millrace_query_late_rows_total"), 5)
        self.assertEqual(self.sample("millrace_operator_rows_in_total"), 1005)
        self.assertGreater(self.sample("millrace_operator_state_bytes"), 0)
        self.assertGreater(self.sample("millrace_operator_busy_seconds_total"), 0)
        self.assertGreater(self.sample("millrace_query_latency_seconds_count"), 0)
        buckets = [v for k, v in self.samples().items() if k.startswith("millrace_query_epoch_duration_seconds_bucket")]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], self.sample("millrace_query_epoch_duration_seconds_count"))
        self.assertEqual(self.sample("millrace_source_behind_rows"), 0)
        self.assertEqual(self.sample("millrace_source_position_rows_total"), 1005)
        lag = self.sample("millrace_query_watermark_lag_seconds")
        # The watermark stands somewhere in the first minutes of the year.
        self.assertLess(abs(time.time() - lag - 1767225600), 1200)
        with open(f"/proc/{self.server.pid}/statm") as file:
            resident = int(file.read().split()[1]) * 4096
        self.assertLess(abs(self.sample("process_resident_memory_bytes") - resident), 64 << 20)
        self.assertLess(abs(self.sample("process_open_fds") - len(os.listdir(f"/proc/{self.server.pid}/fd"))), 5)
        self.assertLess(abs(self.sample("process_start_time_seconds") - time.time()), 600)
        before = self.sample("millrace_http_requests_total", status="4xx")
        self.ask("GET", "/nothing", expect=404)
        self.wait_until(lambda: self.sample("millrace_http_requests_total", status="4xx") == before + 1, "the refused request")

    def test_checkpoints(self):
        self.sql("SET checkpoint_interval = '50 ms'; CREATE STREAM copies (n BIGINT); CREATE STREAM numbers (n BIGINT); CREATE QUERY copy AS INSERT INTO copies SELECT n FROM numbers")
        self.ask("POST", "/v1/streams/numbers", body=b'{"n":1}')
        self.wait_until(lambda: self.sample("millrace_query_checkpoints_total", query="copy") > 0, "a checkpoint")
        self.assertLess(self.sample("millrace_query_checkpoint_age_seconds", query="copy"), 60)
        self.assertGreater(self.sample("millrace_query_checkpoint_bytes", query="copy"), 0)
        query = self.get("/v1/queries/copy")
        self.assertGreater(query["checkpoints"]["count"], 0)
        self.assertEqual([e["to_operator"] for e in query["graph"]["edges"]], [None])
        self.assertEqual(query["graph"]["target"], "copies")

    @unittest.skipUnless(shutil.which("promtool"), "promtool (Debian package prometheus) is not installed")
    def test_promtool(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.ask("GET", "/metrics"), capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))

    @unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
    def test_prometheus_scrapes(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.write("prometheus.yml", f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: millrace
  static_configs: [{{targets: ["127.0.0.1:{self.port}"]}}]
""")
        prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={self.path('prometheus.yml')}", f"--storage.tsdb.path={self.path('tsdb')}", f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.children.append(prometheus)

        def ask(query):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.request.quote(query)}", timeout=5) as answer:
                    return [(r["metric"], float(r["value"][1])) for r in json.load(answer)["data"]["result"]]
            except OSError:
                return []

        self.wait_until(lambda: [v for _, v in ask('up{job="millrace"}')] == [1.0], "a scrape", timeout=60)
        self.assertEqual(sum(v for _, v in ask('millrace_stream_rows_total{stream="bids"}')), 1000)
        metric, value = ask("millrace_query_rows_in_total")[0]
        self.assertEqual((metric["query"], value), ('per "auction" \\ 10 s', 1000))
        self.assertEqual(len(ask("histogram_quantile(0.99, sum by (le) (millrace_query_latency_seconds_bucket))")), 1)
        prometheus.kill()


if __name__ == "__main__":
    unittest.main()
