package gateway

import "time"

// wallClock is for people and for sockets: log lines, a recording's first line,
// and deadlines of connections. Decisions take a mono.Time.
func wallClock() time.Time {
	return time.Now() //nolint:forbidigo // what package net wants is a time.Time
}

// in is the instant d from now, as a socket wants it.
func in(d time.Duration) time.Time { return wallClock().Add(d) }
