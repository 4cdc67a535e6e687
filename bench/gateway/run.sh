#!/usr/bin/env bash
# Compares what forwarding and refusing a request costs here, in HAProxy, nginx
# and Caddy: requests per second, p99, and user + system CPU seconds per 100,000
# requests, from the processes' own accounts. Interleaved rounds, medians.
#
# Usage: bench/gateway/run.sh [rounds] [seconds per run]     (default: 3 5)
# Needs root on Debian once, to install haproxy, nginx and wrk; Caddy is built
# from its Go module. Run it on an idle machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rounds=${1:-3} seconds=${2:-5}
tmp=$(mktemp -d)
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT

missing=()
for tool in haproxy nginx wrk curl; do command -v "$tool" >/dev/null || [ -x "/usr/sbin/$tool" ] || missing+=("$tool"); done
if [ ${#missing[@]} -gt 0 ]; then
	apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null
	for s in haproxy nginx; do service "$s" stop >/dev/null 2>&1 || true; done
fi
PATH=$PATH:/usr/sbin
caddy=bin/tools/caddy
[ -x "$caddy" ] || GOBIN="$PWD/bin/tools" go install github.com/caddyserver/caddy/v2/cmd/caddy@latest
go build -trimpath -o bin/penstock ./cmd/penstock
go -C bench build -trimpath -o ../bin/hello ./gateway/hello
go -C bench build -trimpath -o ../bin/bare ./gateway/bare

bin/hello -listen 127.0.0.1:9100 & pids+=($!)

cat >"$tmp/haproxy.cfg" <<CFG
global
	nbthread 2
	maxconn 4096
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	http-reuse always
frontend forward
	bind 127.0.0.1:9201
	default_backend hello
frontend refuse
	bind 127.0.0.1:9301
	http-request deny deny_status 503
backend hello
	server one 127.0.0.1:9100
CFG
haproxy -f "$tmp/haproxy.cfg" >/dev/null 2>&1 & haproxy=$!; pids+=($haproxy)

cat >"$tmp/nginx.conf" <<CFG
worker_processes 2;
daemon off;
pid $tmp/nginx.pid;
error_log /dev/null;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path $tmp; proxy_temp_path $tmp; fastcgi_temp_path $tmp; uwsgi_temp_path $tmp; scgi_temp_path $tmp;
	upstream hello { server 127.0.0.1:9100; keepalive 256; keepalive_requests 100000000; }
	server { listen 127.0.0.1:9202; location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://hello; } }
	server { listen 127.0.0.1:9302; location / { return 503; } }
}
CFG
nginx -c "$tmp/nginx.conf" 2>/dev/null & nginx=$!; pids+=($nginx)

cat >"$tmp/Caddyfile" <<CFG
{
	admin off
	auto_https off
}
http://127.0.0.1:9203 {
	reverse_proxy 127.0.0.1:9100
}
http://127.0.0.1:9303 {
	respond 503
}
CFG
XDG_DATA_HOME=$tmp XDG_CONFIG_HOME=$tmp "$caddy" run --config "$tmp/Caddyfile" --adapter caddyfile >/dev/null 2>&1 & caddy_pid=$!; pids+=($caddy_pid)

bin/bare http://127.0.0.1:9100 127.0.0.1:9206 127.0.0.1:9306 & bare=$!; pids+=($bare)

gate() { # name, listen port, admin port, route settings
	printf 'listen: 127.0.0.1:%s\nadmin: 127.0.0.1:%s\nroutes:\n  - match: {path: /}\n    to: [http://127.0.0.1:9100]\n%s\n' "$2" "$3" "$4" >"$tmp/$1.yaml"
	bin/penstock gateway --config "$tmp/$1.yaml" >/dev/null 2>&1 &
}
gate forward 9204 9404 '    limit: {law: fixed, max: 1000}'; ours=$!; pids+=($ours)
gate auto 9205 9405 ''; ours_auto=$!; pids+=($ours_auto)
gate refuse 9304 9504 $'    limit: {law: fixed, max: 1}\n    waiting_room: {for: none}'; ours_refuse=$!; pids+=($ours_refuse)
sleep 2
# One request takes the only slot for good; all others are refused.
curl -s -o /dev/null http://127.0.0.1:9304/hold & pids+=($!)
sleep 0.5

cpu() { # user + system ticks of a process and its children
	local total=0 p
	for p in "$1" $(pgrep -P "$1" || true); do
		total=$((total + $(awk '{ print $14 + $15 }' "/proc/$p/stat" 2>/dev/null || echo 0)))
	done
	echo "$total"
}

one() { # label, pid, port
	local before after out requests
	before=$(cpu "$2")
	out=$(wrk -t1 -c64 -d"${seconds}s" --latency "http://127.0.0.1:$3/")
	after=$(cpu "$2")
	requests=$(awk '/requests in/ { print $1 }' <<<"$out")
	awk -v l="$1" -v n="$requests" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" \
		-v rps="$(awk '/Requests\/sec/ { print $2 }' <<<"$out")" -v p99="$(awk '$1 == "99%" { print $2 }' <<<"$out")" \
		-v bad="$(awk '/Non-2xx/ { print $NF }' <<<"$out")" \
		'BEGIN { printf "%s %.0f %s %.3f %.4f\n", l, rps, p99, t / hz / n * 100000, (bad + 0) / n }' >>"$tmp/results"
}

for ((i = 0; i < rounds; i++)); do
	one forward/haproxy "$haproxy" 9201
	one forward/nginx "$nginx" 9202
	one forward/caddy "$caddy_pid" 9203
	one forward/bare-net-http "$bare" 9206
	one forward/penstock "$ours" 9204
	one forward/penstock-auto "$ours_auto" 9205
	one refuse/haproxy "$haproxy" 9301
	one refuse/nginx "$nginx" 9302
	one refuse/caddy "$caddy_pid" 9303
	one refuse/bare-net-http "$bare" 9306
	one refuse/penstock "$ours_refuse" 9304
done

echo "| what | req/s | p99 | CPU s per 100k | share not 2xx |"
echo "|---|---|---|---|---|"
sort -k1,1 -s "$tmp/results" | awk '
	function flush() {
		if (label == "") return
		m = int((n + 1) / 2)
		asort_n(c, n); asort_n(r, n)
		printf "| %s | %d | %s | %.2f | %s |\n", label, r[m], p, c[m], bad
		median[label] = c[m]
	}
	function asort_n(a, n,  i, j, t) { for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j+1] = a[j]; a[j+1] = t } }
	$1 != label { flush(); label = $1; n = 0 }
	{ n++; r[n] = $2; p = $3; c[n] = $4; bad = $5 }
	END {
		flush()
		printf "\nCPU per request, forwarding: %.2fx of Caddy, %.2fx of HAProxy, %.2fx of a bare net/http proxy (which is %.2fx of HAProxy)\n",
			median["forward/penstock"] / median["forward/caddy"], median["forward/penstock"] / median["forward/haproxy"],
			median["forward/penstock"] / median["forward/bare-net-http"], median["forward/bare-net-http"] / median["forward/haproxy"]
		printf "CPU per request, refusing: %.2fx of HAProxy, %.2fx of a bare net/http handler (which is %.2fx of HAProxy)\n",
			median["refuse/penstock"] / median["refuse/haproxy"], median["refuse/penstock"] / median["refuse/bare-net-http"],
			median["refuse/bare-net-http"] / median["refuse/haproxy"]
	}'
