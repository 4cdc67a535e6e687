// Package arrival says when work arrives, and nothing else: a [Profile] is a
// rate that changes over time, and a [Process] places single arrivals under it,
// evenly ([Constant]) or at random ([Poisson]).
//
// The simulator and the live load generator draw from the same processes, so
// that a run in virtual time and a run against a real server can be offered the
// same arrivals: the same profile, the same seed, the same instants.
//
// All processes are open loop: the next arrival never waits for the answer to
// an earlier one. Work that returns because it was refused (a retry) is a matter
// for whoever draws the arrivals.
package arrival

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Process is a sequence of arrivals. It is not safe for concurrent use.
type Process interface {
	// Next returns the next arrival as an offset from the start of the
	// process, never earlier than the one before. ok is false when nothing
	// arrives any more, and stays false.
	Next() (at time.Duration, ok bool)
}

// Constant returns evenly spaced arrivals: the first at once, and then one
// whenever the profile's rate has summed up to one more. A flat profile of
// 100/s arrives at exactly 0, 10 ms, 20 ms, and so on.
func Constant(p Profile) Process { return &process{profile: p} }

// Poisson returns arrivals of a Poisson process whose intensity is the
// profile's rate: gaps within a step are exponential, and counts in disjoint
// windows are independent. A change of rate in the middle of a gap is exact,
// not approximated, because an exponential wait has no memory: what is left of
// it after the change is exponential again, at the new rate.
//
// The process draws one number from rng per arrival and must be its only user
// for the arrivals to be reproducible.
//
// Source: Çinlar, Introduction to Stochastic Processes, chapter 4, section 7
// (time change of a Poisson process with unit rate).
func Poisson(p Profile, rng *rand.Rand) Process {
	if rng == nil {
		panic("arrival: Poisson without a source of randomness")
	}
	return &process{profile: p, rng: rng}
}

// process walks the profile with a budget of "mass": the integral of the rate,
// which is the expected number of arrivals. A unit-rate process advances by one
// (constant) or by an exponential draw of mean one (Poisson), and the walk maps
// that mass back to time.
type process struct {
	profile Profile
	rng     *rand.Rand // nil means constant
	started bool
	over    bool

	step  int           // index of the current step
	begun time.Duration // when the current step began
	mass  float64       // mass spent since then
}

func (p *process) Next() (time.Duration, bool) {
	if p.over {
		return 0, false
	}
	mass := p.mass + p.draw()
	for p.step < len(p.profile.steps) {
		s := p.profile.steps[p.step]
		at, left, within := s.spend(mass)
		if within && at < MaxLength-p.begun {
			p.mass = mass
			return p.begun + at, true
		}
		if within || s.For >= MaxLength-p.begun {
			break
		}
		mass = left
		p.begun += s.For
		p.step++
		if p.step == len(p.profile.steps) && p.profile.cyclic {
			p.step = 0
			mass = p.skipCycles(mass)
		}
	}
	p.over = true
	return 0, false
}

// draw is the mass up to the next arrival.
func (p *process) draw() float64 {
	if p.rng != nil {
		return p.rng.ExpFloat64()
	}
	if !p.started {
		p.started = true
		return 0
	}
	return 1
}

// skipCycles jumps over the whole cycles that the mass outlasts, at the start
// of one, so that a slow rate in a short cycle costs one step and not millions.
func (p *process) skipCycles(mass float64) (left float64) {
	perCycle, length := p.profile.sum()
	cycles := math.Floor(mass / perCycle)
	if cycles < 1 {
		return mass
	}
	skipped := cycles * float64(length)
	if skipped >= float64(MaxLength-p.begun) {
		p.begun = MaxLength
		return mass
	}
	p.begun += time.Duration(cycles) * length
	return max(mass-float64(cycles*perCycle), 0)
}

// spend says how long into the step the mass lasts. If it outlasts the step,
// within is false and left is what remains of it for the steps to come.
func (s Step) spend(mass float64) (at time.Duration, left float64, within bool) {
	if s.PerSecond > 0 {
		ns := mass / s.PerSecond * float64(time.Second)
		if ns < float64(s.For) {
			return time.Duration(min(ns, float64(MaxLength))), 0, true
		}
	}
	return 0, max(mass-s.mass(), 0), false
}
