#!/usr/bin/env bash
# Runs the durability tests of flows at full size, and writes what they say to
# docs/reports.
set -euo pipefail
cd "$(dirname "$0")/.."

report="docs/reports/$(date -u +%F)-flow-durability.md"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

PENSTOCK_FULL=1 go test -count=1 -v -timeout=120m -run='^(TestKills|TestRecordedDisk)$' ./flow/boltstore | tee "$log"
PENSTOCK_FULL=1 go test -count=1 -v -timeout=30m -run='^TestLives$' ./flow -rapid.checks=100000 | tee -a "$log"

{
	echo "# Flows lose nothing: $(date -u +%F)"
	echo
	echo "\`make flow-proof\` at commit $(git rev-parse --short HEAD), $(go version | cut -d' ' -f3-4), $(nproc) processors."
	echo
	echo "What each test demands is in its comment: \`flow/boltstore/kill_test.go\`,"
	echo "\`flow/boltstore/cuts_test.go\`, \`flow/model_test.go\`. The builds without syncs, which"
	echo "must fail the power cuts, are part of \`TestRecordedDisk\`."
	echo
	echo '```'
	grep -E 'kills:|power cuts of|crash points of|systems: full|passed 100000|^(---|ok)|^ +--- ' "$log" | sed 's/^ *//'
	echo '```'
} >"$report"
echo "wrote $report"
