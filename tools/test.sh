#!/usr/bin/env bash
# Runs the tests of all modules: tools/test.sh [FLAG...] PACKAGE...
# The flags go to every module, the packages to the main one; the other modules
# (in MODULES) and the dashboard are tested where PACKAGE is ./... .
set -eu -o pipefail

flags=() packages=()
for arg in "$@"; do
	case $arg in
	-*) flags+=("$arg") ;;
	*) packages+=("$arg") ;;
	esac
done

failed='' skipped=''
mkdir -p bin/tools
go -C tools build -o ../bin/tools/testlog ./testlog
testlog=$PWD/bin/tools/testlog

# run_module DIR PACKAGE...
run_module() {
	local dir=$1
	shift
	printf '== go test: %s\n' "$dir"
	if ! (cd "$dir" && go test -json ${flags[@]+"${flags[@]}"} "$@") | "$testlog"; then
		failed="$failed $dir"
	fi
}

run_web() {
	if [ ! -f web/package.json ]; then
		return
	fi
	if ! command -v npm >/dev/null; then
		skipped="$skipped"$'\n  web: its tests need Node and npm'
		return
	fi
	if [ ! -d web/node_modules ] && ! npm --prefix web ci --no-audit --no-fund; then
		skipped="$skipped"$'\n  web: npm could not fetch what its tests need'
		return
	fi
	printf '== npm test: web\n'
	if ! npm --prefix web run --if-present test; then
		failed="$failed web"
	fi
}

run_module . "${packages[@]}"
if [ "${packages[*]}" = ./... ]; then
	for dir in ${MODULES-}; do
		run_module "$dir" ./...
	done
	run_web
else
	skipped="$skipped"$'\n  all but '"${packages[*]}: asked for"
fi

if [ -n "$skipped" ]; then
	printf '\nnot run:%s\n' "$skipped"
fi
if [ -n "$failed" ]; then
	printf '\nfailed in:%s\n' "$failed" >&2
	exit 1
fi
