//go:build unix

package sockets

import (
	"net"
	"syscall"
)

// Pending reports whether there is something to read: data, the connection's
// end, or an error. It does not wait, and takes nothing.
func Pending(tcp *net.TCPConn) bool {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	found := true
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		found = err != syscall.EAGAIN
	})
	return found || err != nil
}
