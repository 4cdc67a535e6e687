#!/usr/bin/env bash
# A server that nobody here wrote: Debian's gunicorn, 8 sync workers, a page that
# sleeps 10 ms; at about 5 times what it can do, without and with the gateway
# before it (nothing configured but the address), driven by hey and by penstock
# load.
#
# Usage: bench/gunicorn/run.sh [seconds per run]     (default: 15)
# Needs root on Debian once, to install gunicorn and hey.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-15}
missing=()
for tool in gunicorn hey curl; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -eq 0 ] || { apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null; }
go build -trimpath -o bin/penstock ./cmd/penstock
tmp=$(mktemp -d)
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT

serve() {
	gunicorn -w 8 -b 127.0.0.1:9600 --backlog 2048 --chdir bench/gunicorn --log-level critical page:app & server=$!
	pids+=("$server")
	for _ in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:9600/ && break; sleep 0.1; done
}
restart() { # an emptied backlog and a gateway that knows nothing, for every row
	for p in "$server" "$gateway"; do kill "$p" && wait "$p" 2>/dev/null || true; done
	serve
	admit
}
admit() {
	bin/penstock gateway --listen 127.0.0.1:9601 --admin 127.0.0.1:9602 --to http://127.0.0.1:9600 2>/dev/null & gateway=$!
	pids+=("$gateway")
	for _ in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:9602/readyz && break; sleep 0.1; done
}
serve
admit

capacity=$(hey -z 5s -c 16 -disable-keepalive http://127.0.0.1:9600/ | awk '/Requests\/sec/ { printf "%d", $2 }')
rate=$((capacity * 5))
echo "gunicorn, 8 sync workers, finishes $capacity requests/s when kept busy (16 connections); offered $rate/s."
echo
echo "penstock load, open loop, clients leave after 100 ms:"
echo
echo "| server | good/s | of capacity | p50 ms | p99 ms of good | refused | late | errors |"
echo "|---|---|---|---|---|---|---|---|"
for lane in "gunicorn alone:9600" "behind penstock gateway:9601"; do
	restart
	bin/penstock load "http://127.0.0.1:${lane##*:}/" --rate "$rate/s" --for "$((seconds + 3))s" --warmup 3s --deadline 100ms --json >"$tmp/load.json"
	python3 - "$tmp/load.json" "${lane%%:*}" "$capacity" <<-'PY'
		import json, sys
		r = json.load(open(sys.argv[1]))
		o = max(1, r["offered"])
		print("| %s | %.0f | %.3f | %.1f | %.1f | %.1f %% | %.1f %% | %d |" % (
		    sys.argv[2], r["good_per_s"], r["good_per_s"] / float(sys.argv[3]), r["latency"]["p50_ms"], r["latency"]["p99_ms"],
		    100 * r["refused"] / o, 100 * r["late"] / o, r["errors"]))
	PY
done
echo
clients=400
echo "hey -q, $clients clients that wait for each answer (so a slow server slows them down), $((rate / clients)) requests/s each at most:"
echo
echo "| server | 200s/s | of capacity | p50 of all answers | p99 of all answers | answers by status |"
echo "|---|---|---|---|---|---|"
for lane in "gunicorn alone:9600" "behind penstock gateway:9601"; do
	restart
	hey -z "${seconds}s" -c "$clients" -q $((rate / clients)) -t 2 "http://127.0.0.1:${lane##*:}/" >"$tmp/hey.txt" || true
	awk -v name="${lane%%:*}" -v secs="$seconds" -v cap="$capacity" '
		/50% in/ { p50 = $3 } /99% in/ { p99 = $3 }
		/\[[0-9]+\]/ && /responses/ { s = s " " $1 $2; if ($1 == "[200]") ok = $2 }
		END { printf "| %s | %.0f | %.3f | %.0f ms | %.0f ms |%s |\n", name, ok / secs, ok / secs / cap, p50 * 1000, p99 * 1000, s }' "$tmp/hey.txt"
done
