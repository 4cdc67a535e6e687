#!/usr/bin/env bash
# Builds the six hops, measures them, and writes a dated report (8 minutes).
# Usage: bench/signal/run.sh [-protocols http,grpc] [-loads 0.8,2] [-deaf=false] [-phase 15s]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
go -C bench build -trimpath -o ../bin/signal ./signal
report=docs/reports/$(date -u +%F)-signal.md
mkdir -p docs/reports
{
	echo "# The signal over six processes, $(date -u +%F)"
	echo
	echo "Made by \`make signal-live\` at commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(nproc) cores, $(go version | cut -d' ' -f3)."
	echo "Six hops, each a process, hop by hop to a last one that finishes 400/s (8 workers x 20 ms); it loses half of its speed in the second of three phases. The other hops work 2 ms each and have 300 places. Deadline 500 ms, Poisson arrivals. The load and the six processes share the machine. p99 is the median of those of 100 ms."
} >"$report.new"
./bin/signal "$@" | tee -a "$report.new"
mv "$report.new" "$report"
echo "written to $report"
