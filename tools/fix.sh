#!/usr/bin/env bash
# Formats, modernizes and tidies all modules: tools/fix.sh LINTER
set -eu -o pipefail

linter=$PWD/$1
for dir in . ${MODULES-}; do
	(
		cd "$dir"
		go fix ./...
		go mod tidy
		"$linter" fmt
		"$linter" run --fix ./...
	)
done
