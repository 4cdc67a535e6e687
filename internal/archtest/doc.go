// Package archtest holds the tests that keep ARCHITECTURE.md true: which
// package may import which, what the pure packages may use, and what no file of
// the repository may contain. It has no code of its own.
package archtest
