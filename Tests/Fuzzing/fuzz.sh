#!/bin/sh
# libFuzzer over one of the targets of Tests/FuzzTests: Tests/Fuzzing/fuzz.sh TARGET [SECONDS]
#
# TARGET is json, csv, segment, epochs, catalog, sql, or checkpoint-aggregate|windows|session|join|interval|rank|over. What it finds is left in
# .build-fuzz/found/TARGET; put it into Tests/FuzzTests/Corpus/TARGET, where every test run tries it. The first run builds everything once more,
# with coverage (some minutes).
set -eu
cd "$(dirname "$0")/../.."
target=${1:?which target?}
seconds=${2:-600}
export MILLRACE_FUZZING=1
swift build -c release --scratch-path .build-fuzz --sanitize fuzzer -Xswiftc -enable-testing -Xswiftc -DMILLRACE_CHECKS --product millrace-fuzz
mkdir -p ".build-fuzz/corpus/$target" ".build-fuzz/found/$target"
if [ -d "Tests/FuzzTests/Corpus/$target" ]; then cp "Tests/FuzzTests/Corpus/$target/"* ".build-fuzz/corpus/$target/" 2>/dev/null || true; fi
MILLRACE_FUZZ_TARGET=$target MILLRACE_FUZZ_INPUTS=.build-fuzz/corpus/$target exec .build-fuzz/release/millrace-fuzz \
    -max_total_time="$seconds" -timeout=1 -rss_limit_mb=256 -max_len=65536 -artifact_prefix=".build-fuzz/found/$target/" ".build-fuzz/corpus/$target"
