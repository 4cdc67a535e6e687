#!/usr/bin/env bash
# Builds the dashboard if it can be built here. Without it, the binary works and
# says how to build it, so the lack of Node or of npm's packages is no failure;
# sources that do not build are.
set -eu -o pipefail

if [ ! -f web/package.json ]; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	printf 'dashboard: left out, as Node and npm are not installed\n'
	exit 0
fi
installed=web/node_modules/.package-lock.json
if [ ! -f "$installed" ] || [ web/package-lock.json -nt "$installed" ]; then
	if ! npm --prefix web ci --no-audit --no-fund; then
		printf 'dashboard: left out, as npm could not fetch its packages\n'
		exit 0
	fi
fi
npm --prefix web run build
