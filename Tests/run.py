#!/usr/bin/env python3
"""Runs the tests: each class of unit tests, and each file of command tests, in a process of its own, as many side by side as there are cores. One
that stops its process loses nothing of the others.

    Tests/run.py FOLDER-OF-BUILD [--unit REGEX] [--command REGEX]

The expressions choose classes (Module.Class) and files (test_prompt.py); given one kind only, the other does not run. What each printed lies in
FOLDER/tests/NAME.txt; of one that failed it is printed here, and at the end every failure again.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMMAND_TESTS = os.path.join(ROOT, "Tests", "CommandTests")
# What takes longer than this hangs.
SECONDS_MAX = 1_200
# These take longest, so they begin first.
LONG = ["MatchOperatorTests", "SimulationTests", "HeldAggregateOperatorTests", "test_nexmark_generated", "test_kill", "WindowOperatorTests",
        "GoldenTests", "JoinOperatorTests", "AggregateOperatorTests", "OverOperatorTests", "OracleTests", "test_soak", "GrammarSentenceTests"]
# These look at the load of the machine, so they run at the end, by themselves.
ALONE = ["test_alert_story"]
FAILED = re.compile(r": error: |Fatal error|' failed \(|^Exited|Illegal instruction|^(FAIL|ERROR): |^[A-Za-z]*Error: ")


class UnitTests:
    """A class of the bundle."""

    def __init__(self, bundle, name):
        self.name = name
        self.command = [bundle, name]
        self.folder = ROOT

    @staticmethod
    def all(bundle, pattern):
        listed = subprocess.run([bundle, "--list-tests"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
        names = dict.fromkeys(re.findall(r"^([A-Za-z0-9_]+\.[A-Za-z0-9_]+)/", listed, re.M))
        return [UnitTests(bundle, name) for name in names if re.search(pattern, name)]

    @staticmethod
    def counts(text):
        """How many ran and how many were skipped."""
        executed = re.findall(r"Executed (\d+) tests?, with (?:(\d+) tests? skipped)?", text)
        return (int(executed[-1][0]), int(executed[-1][1] or 0)) if executed else (0, 0)


class CommandTests:
    """A file of Tests/CommandTests."""

    def __init__(self, file):
        self.name = file[:-3]
        self.command = [sys.executable, "-m", "unittest", "-v", self.name]
        self.folder = COMMAND_TESTS

    @staticmethod
    def all(pattern):
        return [CommandTests(file) for file in sorted(os.listdir(COMMAND_TESTS)) if re.fullmatch(r"test_\w+\.py", file) and re.search(pattern, file)]

    @staticmethod
    def counts(text):
        ran = re.search(r"^Ran (\d+) tests?", text, re.M)
        skipped = re.search(r"skipped=(\d+)", text)
        return int(ran[1]) if ran else 0, int(skipped[1]) if skipped else 0


def run(item, folder):
    path = os.path.join(folder, item.name + ".txt")
    start = time.monotonic()
    with open(path, "w") as output:
        try:
            code = subprocess.run(
                item.command, cwd=item.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=SECONDS_MAX).returncode
        except subprocess.TimeoutExpired:
            output.write(f"\nExited: not ready after {SECONDS_MAX} s\n")
            code = 1
    with open(path, errors="replace") as output:
        text = output.read()
    count, skipped = item.counts(text)
    # One of which nothing ran did not pass.
    return item.name, code if count else code or 1, time.monotonic() - start, count, skipped, text


def main():
    # Whoever is started in the background ignores the signal, and all that it starts; tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--unit")
    parser.add_argument("--command")
    chosen = parser.parse_args()
    both = chosen.unit is None and chosen.command is None
    products = os.path.join(os.path.abspath(chosen.build), "release")
    os.environ["MILLRACE"] = os.path.join(products, "millrace")
    folder = os.path.join(chosen.build, "tests")
    os.makedirs(folder, exist_ok=True)
    items = []
    if both or chosen.unit is not None:
        items += UnitTests.all(os.path.join(products, "MillracePackageTests.xctest"), chosen.unit or "")
    if both or chosen.command is not None:
        items += CommandTests.all(chosen.command or "")
    if not items:
        sys.exit("no test is meant by that")
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.name.split(".")[-1], len(LONG)))
    start = time.monotonic()
    tests = skips = 0
    failures = []

    def take(done):
        nonlocal tests, skips
        name, code, seconds, count, skipped, text = done
        tests += count
        skips += skipped
        note = f", {skipped} skipped" if skipped else ""
        print(f"{'passed' if code == 0 else 'FAILED'} {name}: {count} tests in {seconds:.1f} s{note}", flush=True)
        if code:
            print(text[-20_000:], flush=True)
            failures.append((name, code, [line for line in text.splitlines() if FAILED.search(line)]))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, item, folder) for item in items if item.name not in ALONE]):
            take(done.result())
    for item in items:
        if item.name in ALONE:
            take(run(item, folder))
    print(f"{tests} tests, {skips} of them skipped, in {time.monotonic() - start:.0f} s; {len(failures)} of {len(items)} classes and files failed", flush=True)
    for name, code, lines in failures:
        print(f"FAILED {name} (exit code {code})")
        for line in lines[:20]:
            print("    " + line[:500])
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
