//go:build race

package lab_test

// raced says that the race detector watches: long simulations, which are
// single-threaded, take ten times as long under it and are left to other runs.
const raced = true
