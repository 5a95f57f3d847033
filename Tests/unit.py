#!/usr/bin/env python3
"""Runs the unit tests: each class in a process of its own, as many side by side as there are cores, so that one that stops the process loses
nothing of the others.

    Tests/unit.py FOLDER-OF-BUILD [PATTERN]     PATTERN: a regular expression that a class's name, Module.Class, must match

What a class printed lies in FOLDER/unit-test/Module.Class.txt; of one that failed it is printed here, and at the end every failure again.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

# A class that takes longer than this hangs.
SECONDS_MAX = 900
# These take longest, so they begin first.
LONG = ["MatchOperatorTests", "SimulationTests", "HeldAggregateOperatorTests", "WindowOperatorTests", "GoldenTests", "JoinOperatorTests",
        "AggregateOperatorTests", "OverOperatorTests", "OracleTests", "GrammarSentenceTests"]
FAILED = re.compile(r": error: |Fatal error|' failed \(|^Exited|Illegal instruction")


def classes(bundle, pattern):
    listed = subprocess.run([bundle, "--list-tests"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    found = {}
    for name in re.findall(r"^([A-Za-z0-9_]+\.[A-Za-z0-9_]+)/", listed, re.M):
        if re.search(pattern, name):
            found[name] = None
    rank = {name: place for place, name in enumerate(LONG)}
    return sorted(found, key=lambda name: rank.get(name.split(".")[1], len(LONG)))


def run(bundle, folder, name):
    path = os.path.join(folder, name + ".txt")
    start = time.monotonic()
    with open(path, "w") as output:
        try:
            code = subprocess.run([bundle, name], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=SECONDS_MAX).returncode
        except subprocess.TimeoutExpired:
            output.write(f"\nExited: nothing more came for {SECONDS_MAX} s\n")
            code = 1
    with open(path, errors="replace") as output:
        text = output.read()
    executed = re.findall(r"Executed (\d+) tests?(?:, with (?:(\d+) tests? skipped)?)?", text)
    count, skipped = (int(executed[-1][0]), int(executed[-1][1] or 0)) if executed else (0, 0)
    # A class of which nothing ran did not pass.
    return name, code if count else code or 1, time.monotonic() - start, count, skipped, text


def main():
    build = sys.argv[1]
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    bundle = os.path.join(os.path.abspath(build), "release", "MillracePackageTests.xctest")
    folder = os.path.join(build, "unit-test")
    os.makedirs(folder, exist_ok=True)
    names = classes(bundle, pattern)
    if not names:
        sys.exit(f"no class of tests matches {pattern!r}")
    start = time.monotonic()
    tests = skips = 0
    failures = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, bundle, folder, name) for name in names]):
            name, code, seconds, count, skipped, text = done.result()
            tests += count
            skips += skipped
            print(f"{'passed' if code == 0 else 'FAILED'} {name}: {count} tests in {seconds:.1f} s", flush=True)
            if code:
                print(text[-20_000:], flush=True)
                failures.append((name, code, [line for line in text.splitlines() if FAILED.search(line)]))
    print(f"{tests} unit tests of {len(names)} classes in {time.monotonic() - start:.0f} s, {skips} skipped, {len(failures)} classes failed", flush=True)
    for name, code, lines in failures:
        print(f"FAILED {name} (exit code {code})")
        for line in lines[:20]:
            print("    " + line[:500])
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
