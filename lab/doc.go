// Package lab answers whether a system collapses, and what saves it. It reads
// scenarios (YAML: a system, what happens to it, its variants, and what is
// expected of them), runs them in the simulator, and judges.
//
// A scenario's variants see the same arrivals and the same service draws, seed
// by seed. An expectation holds when the whole 95 % interval over the seeds
// does; one that compares two variants is about the differences, seed by seed.
// The controllers inside are those of production: the simulator has none of its
// own.
//
// [Parse] reads a scenario, [Runner] runs it, [Result] prints it as a table, as
// JSON, as JUnit XML and as one HTML page. docs/lab.md says how scenarios are
// written.
package lab
