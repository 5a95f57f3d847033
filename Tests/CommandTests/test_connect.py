"""The command line as a client of PostgreSQL's protocol, against PostgreSQL itself (Debian package `postgresql`): what it understands is not our own
dialect of it."""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from support import MILLRACE, CommandTest

PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))


def postgres_can_run():
    if not PROGRAMS:
        return False
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return False
    return os.getuid() == 0


@unittest.skipUnless(postgres_can_run(), "Debian's postgresql is not installed, or this is not root")
class PostgresServerTests(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = tempfile.mkdtemp(prefix="millrace-postgres-")
        os.chmod(cls.cluster, 0o777)
        with open(os.path.join(cls.cluster, "password"), "w") as file:
            file.write("secret\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cls.port = probe.getsockname()[1]
        data = os.path.join(cls.cluster, "data")
        cls.as_postgres(f"{PROGRAMS[-1]}/initdb -D {data} -A scram-sha-256 --pwfile={cls.cluster}/password -U postgres -N")
        cls.as_postgres(f"{PROGRAMS[-1]}/pg_ctl -D {data} -w -o '-p {cls.port} -k {cls.cluster} -F' -l {cls.cluster}/log start")

    @classmethod
    def tearDownClass(cls):
        cls.as_postgres(f"{PROGRAMS[-1]}/pg_ctl -D {cls.cluster}/data -m immediate stop")
        shutil.rmtree(cls.cluster, ignore_errors=True)

    @classmethod
    def as_postgres(cls, command):
        subprocess.run(["su", "postgres", "-c", command], check=True, capture_output=True, timeout=60, cwd=cls.cluster)

    def environment(self, password="secret"):
        return dict(os.environ, PGUSER="postgres", PGDATABASE="postgres", PGPASSWORD=password)

    def prompt(self, text, *arguments, expect=0, password="secret"):
        done = subprocess.run(
            [MILLRACE, "--connect", f"127.0.0.1:{self.port}", *arguments], input=text, capture_output=True, text=True, timeout=60,
            env=self.environment(password), cwd=self.folder,
        )
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def test_values_of_every_kind(self):
        done = self.prompt(
            "select true as b, cast(7 as smallint) as s, 2147483647 as i, 9000000000 as l, 1.5::double precision as d, 12.50::numeric(10, 2) as n,"
            " 'x' as t, date '2026-01-02' as day, timestamp '2026-01-02 03:04:05.678' as ts, array[1, null, 3] as a, null::int as z;",
            "--format", "json",
        )
        self.assertEqual(
            done.stdout,
            '{"b":true,"s":7,"i":2147483647,"l":9000000000,"d":1.5,"n":12.50,"t":"x","day":"2026-01-02","ts":"2026-01-02T03:04:05.678000",'
            '"a":[1,null,3],"z":null}\n',
        )

    def test_errors_have_their_place(self):
        done = self.prompt("select 1 as one;\n\nselect 'ä' as a, nosuch from pg_class;\nselect 2 as two;\n", expect=1)
        self.assertIn("line 3, column 18", done.stderr)
        line = next(line for line in done.stderr.splitlines() if "nosuch from" in line)
        caret = next(line for line in done.stderr.splitlines() if "^^^^^^" in line)
        self.assertEqual(line.index("nosuch"), caret.index("^"))
        self.assertIn("(1 row)", done.stdout.split("two")[1])

    def test_many_rows(self):
        rows = " union all ".join(f"select {number} as n" for number in range(3))
        done = self.prompt(f"select count(*) as n from ({rows}) a, generate_series(1, 100000) b;", "--format", "csv")
        self.assertEqual(done.stdout, "n\n300000\n")

    def test_passwords(self):
        self.assertIn("password authentication failed", self.prompt("select 1;", expect=1, password="wrong").stderr)
        self.assertIn("MILLRACE_PASSWORD", self.prompt("select 1;", expect=1, password="").stderr)

    def test_scripts_and_cancelling(self):
        self.write("a.sql", "select 1 as a; select ${b} as b;")
        done = subprocess.run(
            [MILLRACE, "run", "a.sql", "--connect", f"127.0.0.1:{self.port}", "--set", "b=2", "--format", "csv"],
            capture_output=True, text=True, timeout=60, env=self.environment(), cwd=self.folder,
        )
        self.assertEqual((done.stdout, done.returncode), ("a\n1\nb\n2\n", 0))
        self.write("b.sql", "select count(*) as n from generate_series(1, 1000000000000);")
        child = subprocess.Popen(
            [MILLRACE, "run", "b.sql", "--connect", f"127.0.0.1:{self.port}"], env=self.environment(), cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.children.append(child)
        time.sleep(1)
        self.stop(child, signal.SIGINT, timeout=10)

    def test_nobody_there(self):
        done = self.millrace("status", "--connect", "127.0.0.1:1", expect=1)
        self.assertIn("no server answers at 127.0.0.1:1", done.stderr)
        self.assertIn("HOST:PORT", self.millrace("--connect", "nowhere", expect=2).stderr)
        self.assertIn("exclude each other", self.millrace("--connect", "a:1", "--data", "b", expect=2).stderr)
