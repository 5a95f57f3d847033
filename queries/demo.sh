#!/usr/bin/env bash
# The demo (`make demo`): live data into the log, three saved queries and two alert rules over it, their results as they appear, and then the prompt on
# the same data. Without a terminal it ends by itself after about 20 seconds.
#
#   queries/demo.sh [MILLRACE] [SECONDS]
#
# The data stays in ./millrace-data/demo (MILLRACE_DEMO_DATA chooses another place) and is begun afresh each time.
set -euo pipefail
cd "$(dirname "$0")/.."

millrace=${1:-.build/release/millrace}
seconds=${2:-16}
data=${MILLRACE_DEMO_DATA:-millrace-data/demo}
outputs=(auction_dashboard bidder_sessions load_spikes alerts)
scripts=(queries/feed.sql queries/auction_dashboard.sql queries/bidder_sessions.sql queries/load_spikes.sql queries/busy_machine.sql queries/big_money.sql)
children=()

cleanup() {
    trap - EXIT INT TERM
    local child
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }

rm -rf "$data"
mkdir -p "$(dirname "$data")"

say "Feeding an auction house and this machine's load into the log, with three saved queries and two alert rules over them ($data)"
"$millrace" run "${scripts[@]}" --data "$data" 2>"$data.messages" &
engine=$!
children+=("$engine")

# Followers look at the log beside the process that holds it. They wait until it is there.
for _ in $(seq 100); do
    "$millrace" status --data "$data" --json 2>/dev/null | grep -q '"name":"alerts"' && break
    if ! kill -0 "$engine" 2>/dev/null; then cat "$data.messages" >&2; exit 1; fi
    sleep 0.1
done

say "Results as they appear, for $seconds seconds"
for output in "${outputs[@]}"; do
    "$millrace" tail "$output" --data "$data" --from TRIM_HORIZON --follow \
        > >(while IFS= read -r row; do printf '%-18s %s\n' "$output" "$row"; done) &
    children+=("$!")
done

# Something for the spike detector and the alert on this machine to see: all processors busy for two seconds.
sleep $((seconds / 2))
say "(two seconds of load, made on purpose)"
for _ in $(seq "$(nproc)"); do timeout 2 sh -c 'while :; do :; done' & done
sleep $((seconds - seconds / 2))

cleanup
cat "$data.messages" >&2

say "What each stream holds"
"$millrace" status --data "$data"
for output in "${outputs[@]}"; do
    say "$output, the last rows"
    "$millrace" tail "$output" --data "$data" --no-follow --format csv | { IFS= read -r header; echo "$header"; tail -n 8; }
done

if [ -t 0 ] && [ -t 1 ]; then
    say "The prompt, on the same data; the queries and alerts go on. Try:  SHOW ALERTS;  or  SELECT STREAM * FROM auction_dashboard;"
    exec "$millrace" --data "$data"
fi
