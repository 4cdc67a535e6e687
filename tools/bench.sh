#!/usr/bin/env bash
# Runs benchmarks: tools/bench.sh REGEXP COUNT PACKAGE...
# Keeps the run and the one before it in bin/bench, and compares them.
set -eu -o pipefail

regexp=$1 count=$2
shift 2
mkdir -p bin/bench
go test -run='^$' -bench="$regexp" -benchmem -count="$count" -timeout=30m "$@" | tee bin/bench/running.txt
if [ -f bin/bench/new.txt ]; then
	mv bin/bench/new.txt bin/bench/old.txt
fi
mv bin/bench/running.txt bin/bench/new.txt

runs=(bin/bench/new.txt)
if [ -f bin/bench/old.txt ]; then
	runs=(before=bin/bench/old.txt now=bin/bench/new.txt)
fi
if grep -q '^Benchmark' bin/bench/new.txt; then
	go tool -modfile=tools/go.mod benchstat "${runs[@]}"
else
	printf 'no benchmark matches %s\n' "$regexp"
fi
