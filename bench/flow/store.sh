#!/usr/bin/env bash
# Measures the store of flows beside what bounds it, in the same run: a bare append
# and sync, bbolt alone in groups of 100, the store in groups of 100, 64 workers
# hop by hop; a start with a million items; and how soon pressure is felt through a
# server. Once on the disk of a folder, once in memory, where syncs cost nothing.
#
# Usage: bench/flow/store.sh [rounds] [folder]        (default: 3 /tmp)
# Run it on an idle machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rounds=${1:-3} folder=${2:-/tmp}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
mkdir -p bin
go test -c -o bin/boltstore.test ./flow/boltstore
go -C bench/flow build -trimpath -o ../../bin/flowbench .

places=("$folder")
[ ! -d /dev/shm ] || places+=(/dev/shm)
bench() { # place, benchmarks, iterations
	TMPDIR=$1 PENSTOCK_FULL=1 bin/boltstore.test -test.run='^$' -test.bench="$2" -test.benchtime="$3" | sed -n "s#^Benchmark#$1 #p" >>"$out"
}
for ((i = 0; i < rounds; i++)); do
	for place in "${places[@]}"; do
		bench "$place" 'Sync' 300x
		bench "$place" 'Group' 1000x
		bench "$place" 'Workers/workers=64' 150000x
	done
done
for place in "${places[@]}"; do bench "$place" 'Million' 20000x; done

# The median of each figure of each row.
awk '
	{
		row = $1 " " $2
		if (!(row in seen)) { seen[row] = ++rows; name[rows] = row }
		for (i = 4; i < NF; i += 2) {
			unit = $(i + 1)
			if (unit == "ns/op" || unit == "B/op" || unit == "allocs/op") continue
			key = row SUBSEP unit
			v[key, ++n[key]] = $i
			if (n[key] == 1) units[row] = units[row] " " unit
		}
	}
	END {
		for (r = 1; r <= rows; r++) {
			line = name[r] ":"
			m = split(units[name[r]], u, " ")
			for (i = 1; i <= m; i++) {
				key = name[r] SUBSEP u[i]
				for (a = 2; a <= n[key]; a++) for (b = a; b > 1 && v[key, b - 1] + 0 > v[key, b] + 0; b--) { t = v[key, b]; v[key, b] = v[key, b - 1]; v[key, b - 1] = t }
				line = line " " v[key, int((n[key] + 1) / 2)] " " u[i]
			}
			print line
		}
	}' "$out"
for place in "${places[@]}"; do
	printf '\npressure, %s\n\n' "$place"
	bin/flowbench -dir "$place" pressure
done
