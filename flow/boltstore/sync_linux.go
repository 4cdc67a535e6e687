package boltstore

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes a file's content durable, and of what the system knows about it
// only what reading needs.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// direct lets writes pass the cache: then they do not wait behind what the fold of
// the journal has put there. Where a file system cannot, which a read tells, they
// do not.
func direct(f *os.File) {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_GETFL, 0)
	if errno != 0 {
		return
	}
	set := func(flags uintptr) { _, _, _ = syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_SETFL, flags) }
	set(flags | syscall.O_DIRECT)
	if _, err := f.ReadAt(onBlock(block), 0); err != nil {
		set(flags)
	}
}

// available is how many bytes the disk of a file has left for us.
func available(path string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ by architecture
}
