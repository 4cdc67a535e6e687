//go:build !unix

package sense_test

// beTheChild has nothing to do where a process cannot be stopped.
func beTheChild() {}
