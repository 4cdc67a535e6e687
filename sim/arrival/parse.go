package arrival

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxText is how long, in bytes, a profile's text may be.
const MaxText = 64 << 10

const rateAllowedText = "a number and a unit, as in 100/s, 6000/m or 0.5/h"

// ParseRate reads a rate such as 1000/s, 90/m or 2.5/h (per second, minute or
// hour) and returns it per second. It accepts 0 to [MaxPerSecond].
func ParseRate(text string) (perSecond float64, err error) {
	number, unit, _ := strings.Cut(text, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if seconds == 0 || !plainNumber(number) {
		return 0, fmt.Errorf("%q is not a rate: %s", text, rateAllowedText)
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n/seconds > MaxPerSecond {
		return 0, fmt.Errorf("%q is not a rate up to %.0e/s", text, MaxPerSecond)
	}
	return n / seconds, nil
}

// plainNumber accepts digits with at most one decimal point between them. It
// keeps out what ParseFloat would read besides: signs, exponents, infinities.
func plainNumber(s string) bool {
	whole, fraction, point := strings.Cut(s, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return digits(whole) && (!point || digits(fraction))
}

// ParseProfile reads the compact syntax of command lines:
//
//	1000/s                                            the same rate for ever
//	steps:100/s@5s,2000/s@10s,100/s@5s                and then nothing
//	steps:100/s@5s,2000/s@10s,100/s                   the last one for ever
//	spike:base=100/s,peak=2000/s,at=5s,for=3s         see [Spike]
//	onoff:rate=2000/s,on=2s,off=3s,low=100/s          see [OnOff]; low is 0/s if left out
//	diurnal:low=20/s,high=200/s,every=24h             see [Diurnal]
//
// Rates are those of [ParseRate], times those of [time.ParseDuration]. The
// error names every problem, and what is allowed.
func ParseProfile(text string) (Profile, error) {
	if len(text) > MaxText {
		return Profile{}, fmt.Errorf("arrival: a profile of %d bytes: up to %d are allowed", len(text), MaxText)
	}
	kind, rest, ok := strings.Cut(text, ":")
	if !ok {
		return parseFlat(text)
	}
	switch kind {
	case "steps":
		return parseSteps(rest)
	case "spike":
		return parseSpike(rest)
	case "onoff":
		return parseOnOff(rest)
	case "diurnal":
		return parseDiurnal(rest)
	}
	return Profile{}, fmt.Errorf("arrival: %q is not a kind of profile: a rate, or one of steps:, spike:, onoff: and diurnal: and what follows", kind)
}

func parseFlat(text string) (Profile, error) {
	perSecond, err := ParseRate(text)
	if err != nil {
		return Profile{}, fmt.Errorf("arrival: %w", err)
	}
	return Flat(perSecond)
}

func parseSteps(text string) (Profile, error) {
	parts := strings.Split(text, ",")
	if len(parts) > MaxSteps {
		return Profile{}, fmt.Errorf("arrival: %d steps: 1 to %d are allowed", len(parts), MaxSteps)
	}
	var steps []Step
	var errs []error
	for i, part := range parts {
		s, err := parseStep(part, i == len(parts)-1)
		if err != nil {
			errs = append(errs, fmt.Errorf("arrival: step %d: %w", i+1, err))
		}
		steps = append(steps, s)
	}
	if err := errors.Join(errs...); err != nil {
		return Profile{}, err
	}
	return Steps(steps...)
}

func parseStep(text string, last bool) (Step, error) {
	rate, length, timed := strings.Cut(text, "@")
	perSecond, err := ParseRate(rate)
	if err != nil {
		return Step{}, err
	}
	if !timed {
		if !last {
			return Step{}, fmt.Errorf("%q has no length: only the last step may leave it out, others are as 100/s@5s", text)
		}
		return Step{perSecond, Endless}, nil
	}
	d, err := parseLength(length)
	return Step{perSecond, d}, err
}

func parseLength(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > MaxLength {
		return 0, fmt.Errorf("%q is not a time above 0 and up to %v, as in 500ms, 5s or 2m", text, MaxLength)
	}
	return d, nil
}

func parseSpike(text string) (Profile, error) {
	f := parseFields("spike", text, "base", "peak", "at", "for")
	base, peak := f.rate("base"), f.rate("peak")
	at, length := f.length("at"), f.length("for")
	if err := f.err(); err != nil {
		return Profile{}, err
	}
	return Spike(base, peak, at, length)
}

func parseOnOff(text string) (Profile, error) {
	f := parseFields("onoff", text, "rate", "on", "off", "low")
	if _, given := f.values["low"]; !given {
		f.values["low"] = "0/s"
	}
	rate, low := f.rate("rate"), f.rate("low")
	on, off := f.length("on"), f.length("off")
	if err := f.err(); err != nil {
		return Profile{}, err
	}
	return OnOff(rate, low, on, off)
}

func parseDiurnal(text string) (Profile, error) {
	f := parseFields("diurnal", text, "low", "high", "every")
	low, high, every := f.rate("low"), f.rate("high"), f.length("every")
	if err := f.err(); err != nil {
		return Profile{}, err
	}
	return Diurnal(low, high, every)
}

// fields are the key=value pairs of one profile, with all that is wrong in them.
type fields struct {
	kind   string
	values map[string]string
	errs   []error
}

func parseFields(kind, text string, allowed ...string) *fields {
	f := &fields{kind: kind, values: map[string]string{}}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		_, twice := f.values[key]
		switch {
		case !ok:
			f.fail("%q is not key=value: the keys are %s", pair, strings.Join(allowed, ", "))
		case !slices.Contains(allowed, key):
			f.fail("%q is not a key: the keys are %s", key, strings.Join(allowed, ", "))
		case twice:
			f.fail("%s is given twice", key)
		default:
			f.values[key] = value
		}
	}
	return f
}

func (f *fields) fail(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("arrival: "+f.kind+": "+format, args...))
}

func (f *fields) rate(key string) float64 {
	return parseField(f, key, rateAllowedText, ParseRate)
}

func (f *fields) length(key string) time.Duration {
	return parseField(f, key, "a time, as in 5s", parseLength)
}

func (f *fields) err() error { return errors.Join(f.errs...) }

func parseField[T any](f *fields, key, allowed string, parse func(string) (T, error)) T {
	text, given := f.values[key]
	if !given {
		f.fail("%s is missing: %s", key, allowed)
		var zero T
		return zero
	}
	v, err := parse(text)
	if err != nil {
		f.fail("%s: %w", key, err)
	}
	return v
}
