#!/usr/bin/env bash
# What a call with the signal costs: on all processors, and on one, where nothing
# has to be woken on another. Run it on an idle machine.
#
# Usage: bench/call/run.sh [rounds]     (default: 150)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-150}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -o "$tmp/call" ./call
"$tmp/call" -rounds "$rounds"
GOMAXPROCS=1 "$tmp/call" -rounds "$rounds"
