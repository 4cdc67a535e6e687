#!/usr/bin/env bash
# Compares flows with JetStream, River on PostgreSQL and Asynq on Redis: items of
# 1 KiB through three stages, 64 in the line, 64 workers, durably. Interleaved
# rounds, medians.
#
# Usage: bench/flow/run.sh [rounds] [length of a run] [folder]   (default: 3 5s /tmp)
# Needs root on Debian once, to install postgresql and redis-server. The folder's
# disk is what is measured. Run it on an idle machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rounds=${1:-3} each=${2:-5s} folder=${3:-/tmp}
dir=$(mktemp -d "$folder/flowbench.XXXXXX")
pg_port=$((20000 + RANDOM % 10000)) redis_port=$((30000 + RANDOM % 2000)) # below those that are given out
redis=''
cleanup() {
	[ -z "$redis" ] || kill "$redis" 2>/dev/null || true
	[ ! -d "$dir/pg" ] || as_postgres "$pgbin/pg_ctl" -D "$dir/pg" -m immediate stop >/dev/null 2>&1 || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT

# PostgreSQL does not run as root.
as_postgres() {
	if [ "$(id -u)" = 0 ]; then su postgres -s /bin/bash -c "cd / && $(printf '%q ' "$@")"; else "$@"; fi
}

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
if [ ${#missing[@]} -gt 0 ]; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
	for s in redis-server postgresql; do service "$s" stop >/dev/null 2>&1 || true; done
fi
pgbin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1)")

chmod 755 "$dir"
mkdir "$dir/pg" "$dir/redis" "$dir/work"
[ "$(id -u)" != 0 ] || chown postgres "$dir/pg"
as_postgres "$pgbin/initdb" -D "$dir/pg" -A trust -U bench >/dev/null
as_postgres "$pgbin/pg_ctl" -D "$dir/pg" -w -l "$dir/pg/log" \
	-o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c shared_buffers=256MB" start >/dev/null
as_postgres "$pgbin/createdb" -h 127.0.0.1 -p "$pg_port" -U bench bench
redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$dir/redis" --appendonly yes --appendfsync always --save '' --logfile "$dir/redis/log" &
redis=$!

go -C bench/flow build -trimpath -o ../../bin/flowbench .
bin/flowbench -dir "$dir/work" -rounds "$rounds" -for "$each" \
	-pg "postgres://bench@127.0.0.1:$pg_port/bench?sslmode=disable" -redis "127.0.0.1:$redis_port" peers
