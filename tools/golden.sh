#!/usr/bin/env bash
# Rewrites the golden files of every package whose tests use internal/golden.
set -eu -o pipefail

helper=$(go list -m)/internal/golden
# shellcheck disable=SC2016 # the dollar is for the template
packages=$(go list -f '{{$p := .ImportPath}}{{range .TestImports}}{{.}} {{$p}}{{"\n"}}{{end}}{{range .XTestImports}}{{.}} {{$p}}{{"\n"}}{{end}}' ./... |
	awk -v helper="$helper" '$1 == helper { print $2 }' | sort -u)
# The words of the list are import paths: they have no blanks.
# shellcheck disable=SC2086
go test $packages -update
