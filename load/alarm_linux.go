package load

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fdAlarm is a timerfd in the runtime's poller: some ten microseconds late where
// a time.Timer in an idle process is hundreds, and no thread is blocked.
type fdAlarm struct {
	file *os.File
}

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: create timer: %w", err)
	}
	return fdAlarm{os.NewFile(uintptr(fd), "timerfd")}, nil
}

func (a fdAlarm) set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))} // 0 would disarm it
	raw, err := a.file.SyscallConn()
	if err != nil {
		return // closed: nobody waits any more
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
}

func (a fdAlarm) wait() error {
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil {
		return fmt.Errorf("load: wait for timer: %w", err)
	}
	return nil
}

func (a fdAlarm) close() error { return a.file.Close() }
