//go:build unix

package gateway

import "syscall"

// openFiles is how many files the process may hold open. The runtime has
// already raised the soft limit to the hard one.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fallbackOpenFiles
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some systems
}
