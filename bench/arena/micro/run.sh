#!/usr/bin/env bash
# What limiters cost per call: medians of interleaved rounds, as a table.
#
# Usage: bench/arena/micro/run.sh [rounds] [benchtime]     (default: 6 100ms)
# Run it on an idle machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
rounds=${1:-6} benchtime=${2:-100ms}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go test -c -o "$tmp/micro" .
for _ in $(seq "$rounds"); do
	"$tmp/micro" -test.run='^$' -test.bench=. -test.benchtime="$benchtime" >>"$tmp/out" 2>/dev/null
done

echo "$(go version | cut -d' ' -f3-), $(grep -m1 '^cpu:' "$tmp/out" | cut -c6-), $(nproc) processors, medians of $rounds"
printf '%-28s %18s %14s %18s\n' '' 'admit ns (allocs)' 'parallel ns' 'refuse ns (allocs)'
# A line is: Benchmark<kind>/<name>-<procs> runs ns ns/op bytes B/op allocs allocs/op
awk '/^Benchmark/ {
	sub(/^Benchmark/, "", $1); sub(/-[0-9]+$/, "", $1)
	kind = $1; sub(/\/.*/, "", kind); name = substr($1, length(kind) + 2)
	if (!(name in order)) { order[name] = ++names; byorder[names] = name }
	n[kind, name]++; ns[kind, name, n[kind, name]] = $3; allocs[kind, name] = $7
}
function median(kind, name,   i, j, m, t, a) {
	m = n[kind, name]
	if (!m) return "-"
	for (i = 1; i <= m; i++) a[i] = ns[kind, name, i] + 0
	for (i = 2; i <= m; i++) for (j = i; j > 1 && a[j] < a[j-1]; j--) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }
	return sprintf("%.0f", m % 2 ? a[(m+1)/2] : (a[m/2] + a[m/2+1]) / 2)
}
function cell(kind, name,   v) {
	v = median(kind, name)
	return v == "-" ? v : v " (" allocs[kind, name] ")"
}
END {
	for (i = 1; i <= names; i++)
		printf "%-28s %18s %14s %18s\n", byorder[i], cell("Admit", byorder[i]), median("AdmitParallel", byorder[i]), cell("Refuse", byorder[i])
}' "$tmp/out"
