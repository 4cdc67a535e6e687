package load

import "time"

// alarm wakes the pacer. Only one goroutine waits; set may be called from any.
type alarm interface {
	// set makes wait return in d from now, at once if d is not positive,
	// instead of when it was set to before.
	set(d time.Duration)
	// wait returns once the time has come.
	wait() error
	close() error
}

// timerAlarm is the portable alarm. On Linux it is up to a millisecond late
// when the process is otherwise idle, because the Go runtime then waits for
// timers in whole milliseconds.
type timerAlarm struct{ timer *time.Timer }

func newTimerAlarm() (alarm, error) { return timerAlarm{time.NewTimer(0)}, nil }

func (a timerAlarm) set(d time.Duration) { a.timer.Reset(max(d, 0)) }

func (a timerAlarm) wait() error { <-a.timer.C; return nil }

func (a timerAlarm) close() error { a.timer.Stop(); return nil }
