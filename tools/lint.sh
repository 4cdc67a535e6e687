#!/usr/bin/env bash
# Checks all modules and changes nothing: tools/lint.sh LINTER
set -eu -o pipefail

linter=$PWD/$1
failed=''

# check DIR COMMAND...
check() {
	local dir=$1
	shift
	printf '== %s: %s\n' "$dir" "$(basename "$1") ${*:2}"
	if ! (cd "$dir" && "$@"); then
		failed="$failed"$'\n  '"$dir: $(basename "$1") ${*:2}"
	fi
}

for dir in . ${MODULES-}; do
	check "$dir" "$linter" run ./...
	check "$dir" go vet ./...
	check "$dir" go fix -diff ./...
	check "$dir" go mod tidy -diff
done

if [ -n "$failed" ]; then
	printf '\nfailed (make fix may help):%s\n' "$failed" >&2
	exit 1
fi
