// Testlog reads the output of go test -json and prints what go test alone would
// print, and then what go test keeps to itself: each test that was skipped, with
// its reason.
//
//	go test -json ./... | testlog
//
// It exits with 1 if anything failed, or if the input ends too early.
package main

import (
	"fmt"
	"os"
)

func main() {
	ok, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}
