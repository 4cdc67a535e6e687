#!/usr/bin/env bash
# Measures the shop with each protection and writes a dated report (7 minutes).
# Usage: bench/shop/run.sh [-only PART-OF-NAME] [-times 3] [-for 45s]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
go -C bench build -trimpath -o ../bin/shop ./shop
report=docs/reports/$(date -u +%F)-shop.md
mkdir -p docs/reports
{
	echo "# A shop with a slow database, $(date -u +%F)"
	echo
	echo "Made by \`make shop\` at commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(nproc) cores, $(go version | cut -d' ' -f3)."
	echo "Four services in a row in one process, the load in another. The database has half of its speed: the shop can do 100/s; 300/s ask, Poisson, each for 1 s and once. Counted over 45 s after 5 s of warm-up."
	echo
} >"$report.new"
./bin/shop "$@" | tee -a "$report.new"
mv "$report.new" "$report"
echo "written to $report"
