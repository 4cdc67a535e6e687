#!/usr/bin/env bash
# Compares the simulator with queueing theory at full size, and writes the report
# docs/reports/DATE-theory.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

report=docs/reports/$(date -u +%F)-theory.md
table=$(mktemp)
trap 'rm -f "$table"' EXIT
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
start=$SECONDS status=0
PENSTOCK_FULL=1 PENSTOCK_REPORT=$table go test -count=1 -timeout=60m -run Theory ./sim || status=1
{
	echo "# The simulator against theory, $(date -u +%F)"
	echo
	echo "Made by \`make theory\` at commit $commit, $(nproc) processors, $(go env GOVERSION), in $((SECONDS - start)) s."
	echo
	echo "Times are in mean service times, losses and throughputs in shares. Theory's value must lie in the interval"
	echo "(Student's t over independent replications, of which there are so many; their seeds count from 1), and intervals must be short: what each"
	echo "comparison resolves is in \`sim/theory_test.go\`, at a quarter of what ordinary test runs ask. The square-root"
	echo "law of AIMD and the end of the retry storm are approximations: there, 15 % decide."
	echo
	cat "$table"
} >"$report"
echo "wrote $report"
exit "$status"
