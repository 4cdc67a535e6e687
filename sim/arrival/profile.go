package arrival

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bounds on what a profile may ask for.
const (
	// MaxPerSecond is the highest rate: one arrival per nanosecond.
	MaxPerSecond = 1e9
	// MaxSteps is how many steps a profile may have.
	MaxSteps = 1000
	// MaxLength is when every process ends at the latest: ten years.
	MaxLength = 10 * 365 * 24 * time.Hour
	// Endless, as the length of a profile's last step, lasts until MaxLength.
	Endless time.Duration = math.MaxInt64
)

// A Step is a constant rate for some time.
type Step struct {
	PerSecond float64       // arrivals per second, 0 (a pause) to MaxPerSecond
	For       time.Duration // how long; positive, Endless in the last step only
}

// mass is the expected number of arrivals.
func (s Step) mass() float64 {
	return float64(s.PerSecond * s.For.Seconds()) // the conversion forbids a fused multiply-add
}

// A Profile is a rate that changes over time: steps of constant rate, once or
// over and over. The zero Profile offers nothing. Profiles do not change once
// made and may be shared.
type Profile struct {
	steps  []Step
	cyclic bool
	day    day // where the steps are a day's: how to write them
}

// day is what [Diurnal] was told.
type day struct {
	low, high float64
	every     time.Duration // 0: no day
}

// Flat offers the same rate for ever.
func Flat(perSecond float64) (Profile, error) {
	return build(positive("rate", perSecond), false, Step{perSecond, Endless})
}

// Steps offers one rate after the other and then nothing, unless the last step
// is [Endless]. At least one rate must be above zero.
func Steps(steps ...Step) (Profile, error) {
	return build(nil, false, steps...)
}

// Spike offers base, from at on peak for the given time, and then base for
// ever. A base of zero leaves the spike alone.
func Spike(base, peak float64, at, length time.Duration) (Profile, error) {
	err := errors.Join(positive("peak", peak), rateAllowed("base", base), within("at", at), within("for", length))
	return build(err, false, Step{base, at}, Step{peak, length}, Step{base, Endless})
}

// OnOff offers rate for the time on and low for the time off, over and over,
// beginning with rate.
func OnOff(rate, low float64, on, off time.Duration) (Profile, error) {
	err := errors.Join(positive("rate", rate), rateAllowed("low", low), within("on", on), within("off", off))
	return build(err, true, Step{rate, on}, Step{low, off})
}

// dayParts is into how many steps of equal length a day is divided: a quarter of
// an hour each where it lasts 24.
const dayParts = 96

// Diurnal rises and falls like the load of a day, over and over: a cosine from low
// at the start to high after half the time every, and back. It is made of 96
// steps, each with the mean rate of its stretch, so that a day offers (low+high)/2
// on average, exactly.
func Diurnal(low, high float64, every time.Duration) (Profile, error) {
	err := errors.Join(rateAllowed("low", low), positive("high", high), within("every", every))
	if err == nil && every < dayParts {
		err = fmt.Errorf("arrival: every: %v is not at least %d ns", every, dayParts)
	}
	if err == nil && low > high {
		err = fmt.Errorf("arrival: low: %v per second is more than high", low)
	}
	if err != nil {
		return Profile{}, err
	}
	steps := make([]Step, dayParts)
	for i := range steps {
		from, to := every*time.Duration(i)/dayParts, every*time.Duration(i+1)/dayParts
		turn := func(d time.Duration) float64 { return 2 * math.Pi * float64(d) / float64(every) }
		mean := (math.Sin(turn(to)) - math.Sin(turn(from))) / (turn(to) - turn(from)) // of the cosine
		steps[i] = Step{max(0, (low+high)/2-(high-low)/2*mean), to - from}
	}
	p, err := build(nil, true, steps...)
	p.day = day{low, high, every}
	return p, err
}

// build checks the steps unless the caller has found an error already, in its
// own words.
func build(err error, cyclic bool, steps ...Step) (Profile, error) {
	if err == nil {
		err = checkSteps(steps)
	}
	if err != nil {
		return Profile{}, err
	}
	return Profile{steps: append([]Step(nil), steps...), cyclic: cyclic}, nil
}

func checkSteps(steps []Step) error {
	if len(steps) == 0 || len(steps) > MaxSteps {
		return fmt.Errorf("arrival: %d steps: 1 to %d are allowed", len(steps), MaxSteps)
	}
	var errs []error
	var length time.Duration
	offers := false
	for i, s := range steps {
		name := "step " + strconv.Itoa(i+1)
		errs = append(errs, rateAllowed(name, s.PerSecond))
		offers = offers || s.PerSecond > 0
		if s.For == Endless && i == len(steps)-1 {
			continue
		}
		if err := within(name, s.For); err != nil {
			errs = append(errs, err)
			continue
		}
		if length += s.For; length > MaxLength {
			errs = append(errs, fmt.Errorf("arrival: %s ends after more than %v", name, MaxLength))
			break
		}
	}
	if !offers {
		errs = append(errs, errors.New("arrival: every rate is 0: at least one must be above"))
	}
	return errors.Join(errs...)
}

func positive(name string, perSecond float64) error {
	if perSecond == 0 {
		return fmt.Errorf("arrival: %s: 0 is not a rate above 0", name)
	}
	return rateAllowed(name, perSecond)
}

func rateAllowed(name string, perSecond float64) error {
	if perSecond >= 0 && perSecond <= MaxPerSecond { // not so for NaN
		return nil
	}
	return fmt.Errorf("arrival: %s: %v per second is not between 0 and %.0e", name, perSecond, MaxPerSecond)
}

func within(name string, d time.Duration) error {
	if d > 0 && d <= MaxLength {
		return nil
	}
	return fmt.Errorf("arrival: %s: %v is not a time above 0 and up to %v", name, d, MaxLength)
}

// Length is how long the profile lasts; ok is false if it never ends.
func (p Profile) Length() (length time.Duration, ok bool) {
	if p.cyclic || len(p.steps) > 0 && p.steps[len(p.steps)-1].For == Endless {
		return 0, false
	}
	_, length = p.sum()
	return length, true
}

// sum adds up the steps, none of which may be endless.
func (p Profile) sum() (mass float64, length time.Duration) {
	for _, s := range p.steps {
		mass += s.mass()
		length += s.For
	}
	return mass, length
}

// PerSecondAt is the rate at an offset from the start. A step begins with its
// first instant; before the start and after the end the rate is 0.
func (p Profile) PerSecondAt(at time.Duration) float64 {
	if at < 0 || at >= MaxLength || len(p.steps) == 0 {
		return 0
	}
	if p.cyclic {
		_, length := p.sum()
		at %= length
	}
	for _, s := range p.steps {
		if at < s.For {
			return s.PerSecond
		}
		at -= s.For
	}
	return 0
}

// Expected is the number of arrivals to expect from the start up to the given
// offset: the integral of the rate.
func (p Profile) Expected(until time.Duration) float64 {
	until = min(max(until, 0), MaxLength)
	sum := 0.0
	if p.cyclic {
		mass, length := p.sum()
		sum = mass * float64(until/length)
		until %= length
	}
	for _, s := range p.steps {
		d := min(until, s.For)
		sum += s.PerSecond * d.Seconds()
		until -= d
	}
	return sum
}

// String writes the profile so that [ParseProfile] reads it back: as a rate, as
// steps, as onoff or as diurnal. A spike is written as the steps that it is.
func (p Profile) String() string {
	switch {
	case len(p.steps) == 0:
		return "nothing"
	case p.day.every > 0:
		return "diurnal:low=" + formatRate(p.day.low) + ",high=" + formatRate(p.day.high) + ",every=" + p.day.every.String()
	case p.cyclic:
		on, off := p.steps[0], p.steps[1]
		return "onoff:rate=" + formatRate(on.PerSecond) + ",on=" + on.For.String() +
			",off=" + off.For.String() + ",low=" + formatRate(off.PerSecond)
	case len(p.steps) == 1 && p.steps[0].For == Endless:
		return formatRate(p.steps[0].PerSecond)
	}
	var b strings.Builder
	b.WriteString("steps:")
	for i, s := range p.steps {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(formatRate(s.PerSecond))
		if s.For != Endless {
			b.WriteString("@" + s.For.String())
		}
	}
	return b.String()
}

func formatRate(perSecond float64) string {
	return strconv.FormatFloat(perSecond, 'f', -1, 64) + "/s"
}
