package admission

import "github.com/penstock-go/penstock/mono"

// An Alarm decides when a host must set its timer again for a [Core]. A timer
// that is already set for an earlier instant is left alone: stepping the core
// early is harmless, and setting a timer for every unit of work is not cheap.
// Every host uses the same rule, so that all step the core at the same
// instants. The zero Alarm is not set.
type Alarm struct {
	at  mono.Time
	set bool
}

// Set takes what [Core.Next] says and reports whether the timer must be set,
// to fire at the given instant.
func (a *Alarm) Set(next mono.Time, ok bool) (at mono.Time, reset bool) {
	if !ok || a.set && a.at <= next {
		return 0, false
	}
	a.at, a.set = next, true
	return next, true
}

// Fired reports that the timer has fired for the given instant. It returns
// false if it has been set for another since.
func (a *Alarm) Fired(at mono.Time) bool {
	if !a.set || a.at != at {
		return false
	}
	a.set = false
	return true
}
