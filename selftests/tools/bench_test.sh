#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The benchmark, natively: each case by each peer that could be built, with few messages; its figures mean nothing here.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
cd "$top" || exit 1
make --no-print-directory -s -j"$(nproc)" -f tools/bench/native.mk || exit 1

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bench() { build/host/plain/mqshm-bench "$@"; }

test_case "it lists its cases and peers"
want 0 "latency" "throughput" "fan-out" "growth" "start-up" "settle" "memory" "mqshm" "raw ring" "pipe" -- bench --list
test_case "what is wrong is said"
want 2 "--rounds takes a number" -- bench --rounds 0
want 2 "--ms takes a number" -- bench --ms 0
want 2 "--case fan-out" -- bench fan-out
want 2 "no case is called fan-in: 4 KB*; --list shows them" -- bench --case 'fan-in: 4 KB*'

test_case "as a command of mqtool"
make --no-print-directory -s all
want 0 "latency" "pipe" -- build/bin/mqtool bench --list
want 2 "mqtool bench" -- build/bin/mqtool bench --rounds 0

# iceoryx's daemon takes half a second for each case
test_case "every case, and every peer"
want 0 -- bench --noisy --rounds 1 --ms 0.2 --case '!(latency|settle|memory)' --peer '@(raw ring|Boost queue)' --json "$tmp/cases.json"
want 0 -- bench --noisy --rounds 1 --ms 0.2 --case latency --peer '[!i]*' --json "$tmp/peers.json"
jq -s '.[0].rows += .[1].rows | .[0]' "$tmp/cases.json" "$tmp/peers.json" > "$tmp/bench-1.json"
# one that takes seconds, on a busy machine, is given up
test_case "its JSON has all repetitions, with a time and a place each"
same 0 "$(jq '[.rows[] | select(.missing == null and (.runs | length) != 1 and .rejected == 0)] | length' "$tmp/bench-1.json")" "rows without them"
same 0 "$(jq '[.rows[].runs[] | select(.ns <= 0 or .floor_ns < 0 or (.cpus | IN("siblings", "across", "far") | not))] | length' "$tmp/bench-1.json")" "odd ones"
same 0 "$(jq '[.rows[] | select((.runs | length) > 0 and (.case == "latency") != ([.runs[].p99_ns] | any))] | length' "$tmp/bench-1.json")" "single ways of others than pings"
same native "$(jq -r .place "$tmp/bench-1.json")" "place"
test_case "bars are kept, or not"
# as if all had been quick, but one
quick() {
	jq --arg slow "$1" '.rows[] |= (.peer as $p | .runs |= [.[0] // {floor_ns: 60, cpu_ns: 1, sender_ns: null, p99_ns: null}
		| .cpus = "across" | .ns = (if $p == $slow then 2000 elif $p == "mqshm" then 10 elif ($p | startswith("raw")) then 9.8 else 1000 end)
		| ., ., .])' "$tmp/bench-1.json" > "$tmp/quick.json"
	jq -L tools/bench -r 'include "rows"; [bars | select(.what | test("two-line|bare ring|Boost queue")) | met] | join(" ")' "$tmp/quick.json"
}
same "yes yes yes yes" "$(quick none)" "all quick"
same "**no** **no** **no** **no**" "$(quick mqshm)" "mqshm slow"
if command -v gnuplot > /dev/null; then
	test_case "a report is written"
	mkdir "$tmp/report"
	want 0 "RESULTS.md" -- tools/bench/report "$tmp/quick.json" "$tmp/none.json" "$tmp/report"
	same 2 "$(grep -c '<svg' "$tmp"/report/*.svg | grep -c ':[1-9]')" "charts"
	same 2 "$(grep -c '^| latency.* two-line\|^\*\*latency: 1 MB' "$tmp/report/RESULTS.md")" "a bar and a table"
fi
test_case "memory grows as the module says"
want 0 -- bench --case memory --json "$tmp/memory.json"
# a count and metadata at least; a hold; two pages
same true "$(jq '.memory | .buffer_bytes > 16 and .buffer_bytes < 64 and .buffer_client_bytes >= 2 and .buffer_client_bytes < 3 and
	.connection_bytes > 8192 and .connection_bytes <= 16384' "$tmp/memory.json")" "bytes"
if python3 -c 'import jsonschema' 2> /dev/null; then
	test_case "and is as its schema says"
	mkdir "$tmp/few"
	cp "$tmp/memory.json" "$tmp/few/bench-4.json"
	want 0 -- bench --noisy --rounds 1 --ms 0.2 --case 'fan*' --peer '*l*' --json "$tmp/few/bench-1.json"
	want 0 -- bench --noisy --rounds 1 --case settle --json "$tmp/few/bench-2.json"
	want 0 -- bench --noisy --rounds 1 --ms 0.2 --case latency --peer 'r*' --json "$tmp/few/bench-3.json"
	want 0 -- "$here/json_check" "$top/tools/mqtool/schema" "$tmp/few" bench
	test_case "and so are the figures of copying a file"
	make --no-print-directory -s -j"$(nproc)" -f tools/bench/file/native.mk
	want 0 -- build/host/plain/mqshm-bench-file --mbytes 5 --rounds 1 --json "$tmp/few/file-1.json" "$tmp"
	want 0 -- "$here/json_check" "$top/tools/bench/file" "$tmp/few" file
fi
finish
