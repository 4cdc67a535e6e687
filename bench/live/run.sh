#!/usr/bin/env bash
# Builds the gateway and the live bench, runs it, and writes a dated report.
# Usage: bench/live/run.sh [-only steady,exponential,steps,timeouts,storm,cpu] [-for 10s]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
go build -trimpath -o bin/penstock ./cmd/penstock
go -C bench build -trimpath -o ../bin/live ./live
report=docs/reports/$(date -u +%F)-live.md
mkdir -p docs/reports
{
	echo "# Live figures, $(date -u +%F)"
	echo
	echo "Made by \`make live\` at commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(nproc) cores, $(go version | cut -d' ' -f3)."
	echo "Load generator, gateway and plant share the machine; goodput is given as a ratio to what the plant can do in the same run."
} >"$report.new"
./bin/live -penstock bin/penstock "$@" | tee -a "$report.new"
mv "$report.new" "$report"
echo "written to $report"
