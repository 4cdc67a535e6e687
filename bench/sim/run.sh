#!/usr/bin/env bash
# Compares the simulator's speed with SimPy's on the same model: an M/M/1 queue
# at 80 % load. Both count customers and events per second of processor time, on
# one core, in interleaved rounds; medians.
#
# Usage: bench/sim/run.sh [rounds]     (default: 5)
# Needs Python and SimPy 3 or later (Debian: python3-simpy3); as root on Debian it
# installs them. Run it on an idle machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
rounds=${1:-5}
python=python3
[ -x /usr/bin/python3 ] && python=/usr/bin/python3 # the one that packages are for

if ! "$python" -c 'import simpy' 2>/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -qq && apt-get install -y -qq python3-simpy3 >/dev/null
	else
		echo "not run: SimPy is missing (Debian: apt-get install python3-simpy3)" >&2
		exit 0
	fi
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -trimpath -o "$tmp/mm1" .
for _ in $(seq "$rounds"); do
	GOMAXPROCS=1 "$tmp/mm1" >>"$tmp/penstock"
	"$python" mm1.py >>"$tmp/simpy"
done

median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
printf '%-28s %14s %14s %10s\n' engine customers/s events/s 'mean W/S'
for engine in penstock simpy; do
	for model in $(awk '{ print $1 }' "$tmp/$engine" | sort -u); do
		printf '%-28s %14.0f %14.0f %10.3f\n' "$engine $model" \
			"$(awk -v m="$model" '$1 == m { print $2 }' "$tmp/$engine" | median)" \
			"$(awk -v m="$model" '$1 == m { print $3 }' "$tmp/$engine" | median)" \
			"$(awk -v m="$model" '$1 == m { print $4 }' "$tmp/$engine" | median)"
	done
done
