#!/usr/bin/env bash
# Runs every fuzz function: tools/fuzz.sh TIME PACKAGE...
# What makes one fail is kept by go test under the package's testdata/fuzz.
set -eu -o pipefail

time=$1
shift
failed='' count=0
listing=$(go list -f '{{.ImportPath}} {{.Dir}}' "$@")

while read -r package dir; do
	names=$(find "$dir" -maxdepth 1 -name '*_test.go' -exec \
		sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*\*testing\.F\).*/\1/p' {} + | sort -u)
	for name in $names; do
		count=$((count + 1))
		printf '== %s %s\n' "$package" "$name"
		if ! go test -run='^$' -fuzz="^$name\$" -fuzztime="$time" "$package" </dev/null; then
			failed="$failed"$'\n  '"$package $name"
		fi
	done
done <<<"$listing"

printf '%d fuzz functions, %s each\n' "$count" "$time"
if [ -n "$failed" ]; then
	printf 'failed:%s\n' "$failed" >&2
	exit 1
fi
