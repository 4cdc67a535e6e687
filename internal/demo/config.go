package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// Defaults and bounds of a [Config]. Eight workers of 10 ms do 800 jobs a second:
// three times that on each lane is what two processor cores can carry beside
// everything else.
const (
	DefaultWorkers  = 8
	MaxWorkers      = 1000
	DefaultService  = 10 * time.Millisecond
	MinService      = 100 * time.Microsecond
	MaxService      = 10 * time.Second
	DefaultFor      = 40 * time.Second
	MinFor          = 100 * time.Millisecond
	MaxFor          = time.Hour
	DefaultPeak     = 3.0
	MaxPeak         = 100.0
	DefaultDeadline = 100 * time.Millisecond
	MaxRetries      = 10

	// MaxOffered is the most that a lane may be offered per second: beyond, one
	// process cannot be clients, gateway and services at once.
	MaxOffered = 20_000
)

// Config says what to show. Every zero value but that of Retries means the
// default that its comment names.
type Config struct {
	Workers  int            // of each service, 1 to MaxWorkers; default DefaultWorkers
	Service  sim.ServiceLaw // of one job, mean MinService to MaxService; default constant, DefaultService
	For      time.Duration  // all phases together, MinFor to MaxFor; default DefaultFor
	Peak     float64        // load of the second phase, times the capacity, up to MaxPeak; default DefaultPeak
	Deadline time.Duration  // the clients' patience, up to 1 h; default DefaultDeadline
	Retries  int            // how often a client tries again, 0 to MaxRetries
	Listen   string         // the gateway's front; a free port if taken; default 127.0.0.1:8080
	Admin    string         // its admin interface; the same; default 127.0.0.1:8081
}

func (c Config) withDefaults() Config {
	if c.Service == nil {
		c.Service = sim.Constant(DefaultService)
	}
	c.Workers = orDefault(c.Workers, DefaultWorkers)
	c.For = orDefault(c.For, DefaultFor)
	c.Peak = orDefault(c.Peak, DefaultPeak)
	c.Deadline = orDefault(c.Deadline, DefaultDeadline)
	c.Listen = orDefault(c.Listen, "127.0.0.1:8080")
	c.Admin = orDefault(c.Admin, "127.0.0.1:8081")
	return c
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Check names every problem of the configuration.
func (c Config) Check() error { return c.withDefaults().check() }

func (c Config) check() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("demo: "+format, args...))
		}
	}
	mean := c.Service.Mean()
	workersOK := c.Workers >= 1 && c.Workers <= MaxWorkers
	serviceOK := mean >= MinService && mean <= MaxService
	peakOK := c.Peak > 0 && c.Peak <= MaxPeak // not so for NaN
	wrong(!workersOK, "workers: %d is not between 1 and %d", c.Workers, MaxWorkers)
	wrong(!serviceOK, "service: a mean of %v is not between %v and %v", mean, MinService, MaxService)
	wrong(!peakOK, "peak: %v is not above 0 and up to %v times the capacity", c.Peak, MaxPeak)
	wrong(c.For < MinFor || c.For > MaxFor, "for: %v is not between %v and %v", c.For, MinFor, MaxFor)
	wrong(c.Deadline < time.Millisecond || c.Deadline > time.Hour, "deadline: %v is not between 1ms and 1h", c.Deadline)
	wrong(c.Retries < 0 || c.Retries > MaxRetries, "retries: %d is not between 0 and %d", c.Retries, MaxRetries)
	if workersOK && serviceOK && peakOK {
		most := c.capacity() * max(c.Peak, afterPeak)
		wrong(most > MaxOffered, "the load would reach %.0f/s, and one process can offer %d/s: use fewer workers, slower service or a lower peak",
			most, MaxOffered)
	}
	return errors.Join(errs...)
}

// capacity is how many jobs per second a service finishes at most.
func (c Config) capacity() float64 { return float64(c.Workers) / c.Service.Mean().Seconds() }

// ParseService reads a law of service times: 10ms or exp:10ms.
func ParseService(text string) (sim.ServiceLaw, error) {
	kind, mean, ok := strings.Cut(text, ":")
	if !ok {
		kind, mean = "constant", text
	}
	d, err := time.ParseDuration(mean)
	if err != nil || d <= 0 {
		return nil, fmt.Errorf("demo: service: %q is not a time above 0, such as 10ms or exp:10ms", text)
	}
	switch kind {
	case "constant":
		return sim.Constant(d), nil
	case "exp":
		return sim.Exponential(d), nil
	}
	return nil, fmt.Errorf("demo: service: %q is not a law of service times: a time such as 10ms for a constant, or exp:10ms", kind)
}

// lawText writes a law as ParseService reads it.
func lawText(law sim.ServiceLaw) string {
	if _, ok := law.(sim.Exponential); ok {
		return "exp:" + law.Mean().String()
	}
	return law.Mean().String()
}

// A Phase is a stretch of constant load.
type Phase struct {
	Load float64       // offered, times the capacity
	For  time.Duration // how long
}

// The loads around the peak.
const (
	beforePeak = 0.5
	afterPeak  = 0.8
)

// plan divides the time: a quarter of light load, half of it at the peak, and a
// quarter of what the service could easily do.
func plan(total time.Duration, peak float64) []Phase {
	quarter := total / 4
	return []Phase{{beforePeak, quarter}, {peak, 2 * quarter}, {afterPeak, quarter}}
}
