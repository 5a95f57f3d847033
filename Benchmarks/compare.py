"""Runs a query here, on Apache Flink and on DuckDB over the same JSON file, folds the changelogs, and compares the multisets.

    Benchmarks/compare.py q3 q9                      queries of the Nexmark suite, over ../shared/nexmark or --events N of our generator
    Benchmarks/compare.py my.sql [more.sql ...]      scripts of your own
    Benchmarks/compare.py --against duckdb q19

A script is SQL that both Millrace and Flink take: sources ('connector' = 'filesystem', 'format' = 'json'), views, then one CREATE TABLE of the sink
and one INSERT INTO it. The sink's options are replaced, so that each engine writes where it can be read. A file beside it that ends in .duckdb.sql
instead of .sql is the same question as a batch for DuckDB, which sees each source as a table.

Flink is installed from PyPI into Benchmarks/.cache/flink-venv at the first use (about 850 MB) and needs Java (openjdk-17-jre-headless). Row times
of a tie are for each engine to order: a query whose result depends on it may differ there, which is then shown.

Exit code: 0 all the same, 1 a difference, 2 an engine could not run a query.
"""

import argparse
import collections
import decimal
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "Benchmarks", "nexmark"))
import suite  # noqa: E402

MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, ".build", "release", "millrace"))
SHARED = os.environ.get("NEXMARK_DIR", os.path.join(os.path.dirname(ROOT), "shared", "nexmark"))
FLINK_VERSION = "2.3.0"
FLINK_VENV = os.path.join(ROOT, "Benchmarks", ".cache", "flink-venv")
ISO = "ISO-8601"


class CannotRun(Exception):
    pass


# What to run


class Job:
    """A query with its sources: the statements before the sink, for each engine, and the sink."""

    def __init__(self, name, query, sources, duckdb_select):
        self.name, self.query, self.sources, self.duckdb_select = name, query, sources, duckdb_select

    def statements(self, sink_options):
        return [*self.sources, *self.query.prelude, self.query.sink_definition(sink_options), self.query.insert]


def side_input(folder):
    """The table that q13 looks up, in a folder, and its definition with the options of today: the suite's are those of Flink 1.9."""
    path = os.path.join(folder, "side_input.csv")
    with open(path, "w") as file:
        file.writelines(f"{key},value {key}\n" for key in range(10_000))
    return f"CREATE TABLE side_input (\n    key BIGINT,\n    `value` VARCHAR\n){suite.options({'connector': 'filesystem', 'path': path, 'format': 'csv'})}"


def nexmark_job(name, events, folder):
    if name in ("q10", "q12"):
        raise CannotRun("its result is a folder of files" if name == "q10" else "its result depends on the clock")
    query = suite.Query(name)
    query.prelude = [side_input(folder) if "side_input" in statement else statement for statement in query.prelude]
    source = suite.events("events", {"connector": "filesystem", "path": events, "format": "json", "json.timestamp-format.standard": ISO})
    return Job(name, query, [source, *suite.views("events")], suite.duckdb_select(name))


def script_job(path):
    with open(path) as file:
        text = "".join(line for line in file if not line.lstrip().startswith("--"))
    duck = re.sub(r"\.sql$", ".duckdb.sql", path)
    select = None
    if os.path.exists(duck):
        with open(duck) as file:
            select = file.read().strip().rstrip(";")
    return Job(os.path.splitext(os.path.basename(path))[0], suite.Query(path, text), [], select)


# Millrace


def run_millrace(job, folder):
    path = os.path.join(folder, "millrace.jsonl")
    text = ";\n".join(job.statements({"connector": "file", "path": path, "format": "json"})) + ";\n"
    done = subprocess.run([MILLRACE, "run", "-"], input=text, text=True, capture_output=True)
    if done.returncode != 0:
        raise CannotRun(done.stderr.strip())
    with open(path) as file:
        return fold((row.pop("op", "+I"), row.values()) for row in map(parse, file))


# Flink


def flink_python():
    """The interpreter of a virtual environment with PyFlink, made when it is not there."""
    if shutil.which("java") is None:
        raise CannotRun("Flink needs Java: apt-get install openjdk-17-jre-headless")
    python = os.path.join(FLINK_VENV, "bin", "python")
    if subprocess.run([python, "-c", "import pyflink"], capture_output=True).returncode != 0 if os.path.exists(python) else True:
        print(f"installing apache-flink {FLINK_VERSION} into {FLINK_VENV} (about 850 MB)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", FLINK_VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"apache-flink=={FLINK_VERSION}"], check=True)
    return python


def for_flink(statement):
    """Functions of ours that a script defines are written out; Flink has them only in Java."""
    if re.match(r"CREATE\s+FUNCTION\b", statement, re.IGNORECASE):
        return None
    return re.sub(r"\bcount_char\((\w+), ('.')\)", r"(CHAR_LENGTH(\1) - CHAR_LENGTH(REPLACE(\1, \2, '')))", statement)


def run_flink(jobs, folder):
    """Name -> folded result or CannotRun. All jobs share one Java machine."""
    work = []
    for job in jobs:
        path = os.path.join(folder, f"flink-{job.name}")
        options = {
            "connector": "filesystem", "path": path, "format": "debezium-json", "debezium-json.timestamp-format.standard": ISO,
            "debezium-json.encode.decimal-as-plain-number": "true",
        }
        work.append({"name": job.name, "path": path, "statements": [s for s in map(for_flink, job.statements(options)) if s]})
    keys = {job.name: key_positions(job.query) for job in jobs}
    python = flink_python()
    done = subprocess.run([python, __file__, "--flink-worker"], input=json.dumps(work), text=True, capture_output=True)
    answers = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            answer = json.loads(line)
            answers[answer["name"]] = answer["error"]
    results = {}
    for item in work:
        error = answers.get(item["name"], (done.stderr.strip().splitlines() or ["no answer"])[-1])
        results[item["name"]] = CannotRun(error) if error else fold(flink_changes(item["path"]), keys[item["name"]])
    return results


def flink_changes(path):
    for name in sorted(glob.glob(os.path.join(path, "*"))):
        with open(name) as file:
            for change in map(parse, file):
                if change["op"] == "c":
                    yield "+I", change["after"].values()
                else:
                    yield "-D", change["before"].values()


def flink_worker():
    """In the other environment: executes the jobs of standard input."""
    from pyflink.table import EnvironmentSettings, TableEnvironment

    for job in json.load(sys.stdin):
        tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
        for key, value in {
            # One thread keeps the order of the file, so that ties are broken as they arrive.
            "parallelism.default": "1", "table.local-time-zone": "UTC", "table.exec.source.idle-timeout": "0 ms",
        }.items():
            tables.get_config().set(key, value)
        error = None
        try:
            for statement in job["statements"][:-1]:
                tables.execute_sql(statement)
            tables.execute_sql(job["statements"][-1]).wait()
        except Exception as failure:  # noqa: BLE001  (whatever Java threw is the answer)
            causes = [line.strip() for line in str(failure).splitlines() if line.strip() and not line.startswith("\tat ")]
            error = next((c for c in reversed(causes) if c.startswith(("Caused by", ": "))), repr(failure)).removeprefix(": ")
        print(json.dumps({"name": job["name"], "error": error}), flush=True)


# DuckDB


def run_duckdb(job, events):
    import duckdb

    with duckdb.connect() as connection:
        if events is not None:
            suite.load_duckdb(connection, events)
        for statement in [*job.sources, *job.query.prelude]:
            source = re.match(r"CREATE\s+(?:TEMPORARY\s+)?TABLE\s+(\w+)\b.*?'path'\s*=\s*'([^']*)'", statement, re.IGNORECASE | re.DOTALL)
            if source and source.group(2) != events:
                rows = f"'{source.group(2)}'"
                if source.group(2).endswith(".csv"):
                    names = re.findall(r"`?(\w+)`? +(?:BIGINT|VARCHAR)", statement)
                    rows = f"read_csv({rows}, header = false, names = {names})"
                connection.execute(f"CREATE TABLE {source.group(1)} AS SELECT *, row_number() OVER () AS n FROM {rows}")
        try:
            return fold(("+I", row) for row in connection.execute(job.duckdb_select).fetchall())
        except duckdb.Error as error:
            raise CannotRun(str(error)) from None


# Rows


def parse(line):
    return json.loads(line, parse_float=decimal.Decimal)


def plain(value):
    """A value in one spelling: fractions without trailing zeros, doubles to 9 digits, times as ISO 8601."""
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        value = decimal.Decimal(repr(value)) if value == value and abs(value) != float("inf") else decimal.Decimal("NaN")
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return str(value)
        rounded = decimal.Context(prec=max(9, value.adjusted() + 5 if value.adjusted() > 4 else 9)).plus(value)
        return int(rounded) if rounded == rounded.to_integral_value() else str(rounded.normalize())
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, dict):
        return tuple((key, plain(inner)) for key, inner in value.items())
    text = value if isinstance(value, str) else value.isoformat()
    time = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?(Z?)", text)
    if time is None:
        return text
    clock = time.group(2) if len(time.group(2)) > 5 else time.group(2) + ":00"
    return f"{time.group(1)}T{clock}{(time.group(3) or '').rstrip('0').rstrip('.')}{time.group(4)}"


def fold(changes, key=None):
    """A changelog as the multiset it amounts to. With `key`, an addition replaces the row whose values stand at the same positions."""
    rows = collections.Counter()
    latest = {}
    for operation, row in changes:
        if key is not None:
            row = tuple(row)
            place = tuple(row[position] for position in key)
            if operation in ("+I", "+U"):
                latest[place] = row
            else:
                latest.pop(place, None)
            continue
        rows[tuple(map(plain, row))] += 1 if operation in ("+I", "+U") else -1
    if key is not None:
        return collections.Counter(tuple(map(plain, row)) for row in latest.values())
    bad = [row for row, count in rows.items() if count < 0]
    if bad:
        raise CannotRun(f"its changelog takes back what it never gave: {bad[0]}")
    return +rows


def difference(mine, theirs, engine, columns):
    missing, surplus = theirs - mine, mine - theirs
    lines = []
    for title, rows in ((f"only in {engine}", missing), ("only in millrace", surplus)):
        if rows:
            lines.append(f"    {title}: {sum(rows.values()):,} rows")
            for row in sorted(rows, key=str)[:5]:
                lines.append("      " + ", ".join(f"{name}={value!r}" for name, value in zip(columns, row)))
    return lines


# The whole


#: Flink's Top-1 replaces a row without taking the old one back: what its rows are replaced by.
UPSERT_KEYS = {"q9": ["id"]}


def column_names(query):
    parts = re.split(r",\s*(?![^(<]*[)>])", query.columns)
    return [part.split()[0].strip("`\"") for part in parts if not re.match(r"(PRIMARY\s+KEY|WATERMARK)\b", part, re.IGNORECASE)]


def key_positions(query):
    """Where the columns of the sink's key stand; None without one."""
    declared = re.search(r"PRIMARY\s+KEY\s*\(([^)]*)\)", query.columns, re.IGNORECASE)
    key = [name.strip(" `\"") for name in declared.group(1).split(",")] if declared else UPSERT_KEYS.get(query.name)
    return key and [column_names(query).index(name) for name in key]


def events_file(option, folder):
    """The JSON file of the suite's events: the shared ones, or so many of our generator."""
    path = os.path.join(folder, "events.jsonl")
    if option is not None and not option.isdigit():
        return os.path.abspath(option)
    if option is None:
        shared = os.path.join(SHARED, "events.jsonl.gz")
        if not os.path.exists(shared):
            option = "50000"
        else:
            with gzip.open(shared, "rb") as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target)
            return path
    text = suite.events("datagen", {"connector": "nexmark", "events.num": option, "first-event.rate": 500, "seed": 1})
    text += ";\n" + suite.copy_to_file("datagen", path) + ";\n"
    subprocess.run([MILLRACE, "run", "-"], input=text, text=True, check=True, capture_output=True)
    return path


def compare(names, against, events, folder):
    """Prints what came out; the exit code."""
    jobs, code, rows = [], 0, None
    for name in names:
        try:
            jobs.append(script_job(name) if name.endswith(".sql") else nexmark_job(name, events, folder))
        except CannotRun as error:
            print(f"{name}: left out, {error}")
    flink = run_flink(jobs, folder) if "flink" in against and jobs else {}
    for job in jobs:
        try:
            mine = run_millrace(job, folder)
        except CannotRun as error:
            print(f"{job.name}: millrace cannot run it\n    " + "\n    ".join(str(error).splitlines()[:8]))
            code = 2
            continue
        rows = sum(mine.values())
        print(f"{job.name}: {rows:,} rows")
        theirs = {}
        if job.name in flink:
            theirs["flink"] = flink[job.name]
        if "duckdb" in against and job.duckdb_select:
            try:
                theirs["duckdb"] = run_duckdb(job, events)
            except CannotRun as error:
                theirs["duckdb"] = error
            except ImportError:
                theirs["duckdb"] = CannotRun("pip install duckdb")
        for engine, result in theirs.items():
            if isinstance(result, CannotRun):
                print(f"  {engine}: cannot run it: {str(result)[:400]}")
                code = max(code, 2)
            elif result == mine:
                print(f"  {engine}: the same")
            else:
                print(f"  {engine}: DIFFERENT")
                print("\n".join(difference(mine, result, engine, column_names(job.query))))
                code = 1 if code != 2 else code
    return code


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("queries", nargs="*", help="qN of the Nexmark suite, or a .sql file")
    parser.add_argument("--against", nargs="+", choices=["flink", "duckdb"], default=["flink", "duckdb"])
    parser.add_argument("--events", help="a JSON file of Nexmark events, or how many to generate")
    parser.add_argument("--flink-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flink_worker:
        flink_worker()
        return 0
    names = options.queries or [name for name in suite.NAMES if name not in ("q10", "q12")]
    unknown = [name for name in names if not name.endswith(".sql") and name not in suite.NAMES]
    if unknown:
        parser.error(f"there is no query {unknown[0]}; name q0 to q23 or a .sql file")
    with tempfile.TemporaryDirectory(prefix="millrace-compare-") as folder:
        needs_events = any(not name.endswith(".sql") for name in names)
        return compare(names, options.against, events_file(options.events, folder) if needs_events else None, folder)


if __name__ == "__main__":
    sys.exit(main())
