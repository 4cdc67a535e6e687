// Package engine runs flows live: it gives the cores a lock, a clock and a
// store. One goroutine commits, in groups: what comes while a commit is at work
// waits for the next, so that many share one sync. It also does what is to happen
// by itself. A worker that waits is handed its item in the moment in which there
// is one; nothing polls.
package engine
