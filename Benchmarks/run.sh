#!/usr/bin/env bash
# Makes the virtual environment of the peers and runs the measurements (FIGURES="1 4" chooses some of them), or the comparison:
#
#   Benchmarks/run.sh
#   Benchmarks/run.sh compare QUERY... [--against flink duckdb]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-bench
if [ ! -x "$venv/bin/python" ]; then python3 -m venv "$venv"; fi
"$venv/bin/python" -c 'import duckdb' 2>/dev/null || "$venv/bin/pip" install --quiet --disable-pip-version-check duckdb
if [ "${1:-}" = compare ]; then
    shift
    exec "$venv/bin/python" Benchmarks/compare.py "$@"
fi
# shellcheck disable=SC2086
exec "$venv/bin/python" Benchmarks/bench.py ${FIGURES:-}
