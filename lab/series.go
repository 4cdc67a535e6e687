package lab

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// points is about how many points a curve has.
const points = 150

// A sampler cuts a run into equal stretches.
type sampler struct {
	result *Result
	window time.Duration // of the run's metrics
}

func (r *Result) sampler() sampler {
	s := sampler{result: r, window: r.Scenario.Run.For / points}
	if len(r.Scenario.Variants) > 0 {
		s.window = max(1, r.Scenario.Variants[0].System.Plan.Window)
	}
	return s
}

// step is how long the stretches of a metric are: whole windows.
func (s sampler) step(metric string) time.Duration {
	unit := s.window
	if isQuantile(metric) {
		unit *= sim.LatencyWindows
	}
	windows := int64(s.result.Scenario.Run.For / points / unit)
	return time.Duration(max(1, windows) * int64(unit))
}

func isQuantile(metric string) bool { return metric == "p50" || metric == "p90" || metric == "p99" }

// curve measures a metric of one variant over time.
func (s sampler) curve(variant, metric, of string) curve {
	length, step := s.result.Scenario.Run.For, s.step(metric)
	c := curve{name: variant}
	for from := time.Duration(0); from < length; from += step {
		w := Window{from, min(from+step, length)}
		if w.To-w.From < step/2 {
			break // too short to say anything
		}
		mean, low, high, n := 0.0, math.Inf(1), math.Inf(-1), 0
		for _, rep := range s.result.Replications {
			v := rep.Variants[variant].Measure(Probe{metric, of, w})
			if math.IsNaN(v) {
				continue
			}
			n++
			mean += v
			low, high = min(low, v), max(high, v)
		}
		if n == 0 {
			low, high = math.NaN(), math.NaN()
		}
		c.mean = append(c.mean, ratio(mean, float64(n)))
		c.low, c.high = append(c.low, low), append(c.high, high)
	}
	return c
}

// chart draws a metric of all variants; ok is false if there is nothing of it.
func (s sampler) chart(metric, of string) (c *chart, ok bool) {
	m, known := MetricNamed(metric)
	if !known {
		return nil, false
	}
	r := s.result
	c = &chart{
		title: metric, about: m.About, dimension: m.Dimension, log: m.Dimension == Time,
		step: s.step(metric), length: r.Scenario.Run.For, warmup: r.Scenario.Run.Warmup, bands: r.bands(),
	}
	for _, v := range r.Variants {
		if !r.has(v, of, m) {
			continue
		}
		l := s.curve(v, metric, of)
		l.class = r.class(v)
		for _, v := range l.mean {
			ok = ok || !math.IsNaN(v) && v != 0
		}
		c.curves = append(c.curves, l)
	}
	return c, ok
}

// palette is how many colours there are for variants.
const palette = 6

// bands are the events of the first variant that has any.
func (r *Result) bands() []band {
	for _, v := range r.Scenario.Variants {
		var out []band
		for _, e := range v.System.Plan.Events {
			b := band{e.At, e.At + e.For, describe(e)}
			if e.For == 0 {
				b.to = e.At
				if e.Set != sim.Kill && e.Set != sim.Flush {
					b.to = r.Scenario.Run.For
				}
			}
			if n := len(out); n > 0 && out[n-1].from == b.from { // at once: one label
				out[n-1].label += ", " + b.label
				out[n-1].to = max(out[n-1].to, b.to)
				continue
			}
			out = append(out, b)
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// describe says in a few words what an event does.
func describe(e sim.Event) string {
	to := digits(e.To)
	switch e.Set {
	case sim.Speed:
		return e.Of + " at " + to + "x speed"
	case sim.Servers:
		return e.Of + " with " + plural(int(e.To), "server")
	case sim.NumUsers:
		return e.Of + ": " + plural(int(e.To), "user")
	case sim.Latency:
		return e.Of + ": " + to + "x latency"
	case sim.Bandwidth:
		return e.Of + ": " + to + "x bandwidth"
	case sim.MemoryMax:
		return e.Of + " with " + formatBytes(e.To)
	case sim.Kill:
		return e.Of + " dies"
	case sim.Flush:
		return e.Of + " forgets all"
	case sim.Inflow:
		return e.Of + ": inflow " + to + "/s"
	case sim.Outflow:
		return e.Of + ": outflow " + to + "/s"
	case sim.Packets:
		return e.Of + " passes " + to + "/s"
	}
	return e.Of
}
