// Package micro measures what limiters cost per call: ours and other people's,
// side by side. It has benchmarks alone: see "make micro" and docs/bench.md.
package micro
