package lab

import (
	"fmt"
	"io"
	"math"
	"time"
)

// Little compares both sides of Little's law, L = lambda x W: the mean number in
// a system is the rate at which work goes through it times the mean time that it
// stays there, whatever the system and its distributions.
//
// Source: J. D. C. Little, "A Proof for the Queuing Formula L = lambda W",
// Operations Research 9 (1961).
type Little struct {
	PerSecond float64       `json:"rate_per_second"`
	Time      time.Duration `json:"time"`
	// L is the number in flight that rate and time make.
	L float64 `json:"l"`
	// InFlight is the number that was counted; HasInFlight says whether it was.
	InFlight    float64 `json:"in_flight,omitempty"`
	HasInFlight bool    `json:"has_in_flight"`
	// Gap is InFlight - L.
	Gap float64 `json:"gap"`
}

// NewLittle computes L, and the gap to what was counted; a negative number means
// that nothing was.
func NewLittle(perSecond float64, stays time.Duration, inFlight float64) Little {
	l := Little{PerSecond: perSecond, Time: stays, L: perSecond * stays.Seconds()}
	if inFlight >= 0 {
		l.InFlight, l.HasInFlight, l.Gap = inFlight, true, inFlight-l.L
	}
	return l
}

// sameWithin is the gap that measurements have anyway, as a share of L.
const sameWithin = 0.05

// Write explains both sides in words.
func (l Little) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "L = rate x time = %s x %s = %s in flight\n",
		Rate.format(l.PerSecond), formatSeconds(l.Time.Seconds()), digits(l.L)); err != nil {
		return err
	}
	if !l.HasInFlight {
		_, err := fmt.Fprintf(w, "Fewer than %s at once cannot carry this rate.\n", digits(math.Ceil(l.L)))
		return err
	}
	verdict := "the sides agree: nothing is hidden."
	switch {
	case l.Gap > sameWithin*l.L:
		verdict = fmt.Sprintf("%s are in flight that rate and time do not explain. Either work waits in a queue that the time leaves out (it then takes %s in truth), or slots leak.",
			digits(l.Gap), formatSeconds(l.InFlight/l.PerSecond))
	case l.Gap < -sameWithin*l.L:
		verdict = fmt.Sprintf("%s fewer are in flight than rate and time demand. The rate counts work that does not get in, or the time is of the slow ones alone: %s would fit.",
			digits(-l.Gap), formatSeconds(l.InFlight/l.PerSecond))
	}
	_, err := fmt.Fprintf(w, "counted: %s in flight, gap %s: %s\n", digits(l.InFlight), digits(l.Gap), verdict)
	return err
}
