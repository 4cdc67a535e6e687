package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

const (
	warmup = 5 * time.Second        // before the first phase
	settle = 5 * time.Second        // left out at the begin of each phase but the first
	window = 100 * time.Millisecond // of goodput
)

type bench struct {
	phase time.Duration
	out   io.Writer
}

func (b *bench) say(format string, args ...any) { must(fmt.Fprintf(b.out, format+"\n", args...)) }

// A run is what one load over all phases has shown.
type run struct {
	times   float64
	listens bool
	report  load.Report
	halved  int64 // when, and
	back    int64 // when that ended: nanoseconds since 1970
	// states at the ends of: the warm-up; the first phase; the second's settling;
	// the second phase; the third's settling; the third phase
	states [6][hops]state
}

// measure runs a load while the last hop loses half of its speed for a phase.
func (b *bench) measure(protocol string, times float64, listens bool) *run {
	c := start(protocol, listens)
	defer c.close()
	r := &run{times: times, listens: listens}
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		until := func(d time.Duration) { time.Sleep(time.Until(begin.Add(d))) }
		until(warmup)
		r.states[0] = c.all(mark)
		until(warmup + b.phase)
		r.states[1] = c.all(mark)
		r.halved = c.tell(hops-1, speed(0.5)).At
		until(warmup + b.phase + settle)
		r.states[2] = c.all(nothing)
		until(warmup + 2*b.phase)
		r.states[3] = c.all(mark)
		r.back = c.tell(hops-1, speed(1)).At
		until(warmup + 2*b.phase + settle)
		r.states[4] = c.all(nothing)
		until(warmup + 3*b.phase)
		r.states[5] = c.all(nothing)
	})
	r.report = must(load.Run(context.Background(), load.Config{
		URL: c.url, Profile: must(arrival.Flat(times * capacity)), Seed: 1, For: warmup + 3*b.phase, Warmup: warmup,
		Deadline: patience, SendDeadline: true, Interval: window,
	}))
	wg.Wait()
	return r
}

// A phase is a part of a run in which nothing changed.
type phase struct {
	name     string
	from, to time.Duration // from the warm-up's end
	before   [hops]state
	after    [hops]state
	capacity float64 // of the last hop
}

func (r *run) phases(long time.Duration) []phase {
	return []phase{
		{"full speed", 0, long, r.states[0], r.states[1], capacity},
		{"half", long + settle, 2 * long, r.states[2], r.states[3], capacity / 2},
		{"full again", 2*long + settle, 3 * long, r.states[4], r.states[5], capacity},
	}
}

// good is the goodput per second between two instants of a run.
func (r *run) good(from, to time.Duration) float64 {
	var n uint64
	for _, i := range r.report.Series {
		if i.At >= from && i.At < to {
			n += i.Good
		}
	}
	return float64(n) / (to - from).Seconds()
}

// p99 is the median of the windows' p99 of good work.
func (r *run) p99(from, to time.Duration) time.Duration {
	var all []time.Duration
	for _, i := range r.report.Series {
		if i.At >= from && i.At < to && i.Good > 0 {
			all = append(all, i.P99)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.SortFunc(all, cmp.Compare)
	return all[len(all)/2]
}

// protocol measures all for one protocol and writes its tables.
func (b *bench) protocol(name string, loads []float64, deaf bool) {
	var runs []*run
	for _, times := range loads {
		if deaf {
			runs = append(runs, b.measure(name, times, false))
		}
		runs = append(runs, b.measure(name, times, true))
	}
	b.say("\n## %s", map[string]string{"http": "HTTP", "grpc": "gRPC"}[name])
	b.where(runs)
	for _, r := range runs {
		if r.listens {
			b.when(r)
		}
	}
	b.held(runs)
	for _, r := range runs {
		for _, w := range r.report.Warnings {
			b.say("\nAt %gx: %s.", r.times, w)
		}
	}
}

func (r *run) hearing() string {
	if r.listens {
		return "listen"
	}
	return "do not"
}

// where says where work is refused, and what is left of it.
func (b *bench) where(runs []*run) {
	b.say("\n| offered | hops | the last at | goodput/s | of what it can do | p99 of good | refused by the first /s | behind it /s | of calls to the second | let through to test /s |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range runs {
		for _, p := range r.phases(b.phase) {
			long := (p.to - p.from).Seconds()
			rate := func(of func(state) uint64, hop int) float64 {
				return float64(of(p.after[hop])-of(p.before[hop])) / long
			}
			own := func(s state) uint64 { return s.Passed.Own }
			behind := 0.0
			for hop := 1; hop < hops; hop++ {
				behind += rate(own, hop)
			}
			arrived := func(s state) uint64 { return s.Passed.Arrived }
			tested := func(s state) uint64 { return s.Tested }
			good := r.good(p.from, p.to)
			b.say("| %gx | %s | %s | %.0f | %.3f | %d ms | %.0f | %.1f | %.2f %% | %.1f |", r.times, r.hearing(), p.name, good, good/min(p.capacity, r.times*capacity),
				r.p99(p.from, p.to).Milliseconds(), rate(own, 0), behind, 100*behind/max(rate(arrived, 1), 1), rate(tested, 0))
		}
	}
}

// when says when the hops felt that the last one was full.
func (b *bench) when(r *run) {
	b.say("\nAt %gx, milliseconds after the last hop lost half of its speed until the first answer that says full, that tells a price, and that refuses without calling the next hop:\n", r.times)
	b.say("| hop | says full | tells a price | refuses by itself |\n|---|---|---|---|")
	for i, s := range r.states[3] {
		since := func(at int64) string {
			if at == 0 {
				return "never"
			}
			return fmt.Sprintf("%.1f", float64(at-r.halved)/1e6)
		}
		b.say("| %d | %s | %s | %s |", i+1, since(s.Passed.Full), since(s.Passed.Priced), since(s.Passed.Refusing))
	}
	last := r.states[5][0].Passed.LastRefuse
	if r.times < 1 && last > 0 {
		b.say("\nThe first hop's last refusal came %.1f ms after the last hop was well again.", float64(last-r.back)/1e6)
	}
	b.say("Goodput in the first second after it was halved: %.0f/s; after it was well again: %.0f/s.", r.good(b.phase, b.phase+time.Second), r.good(2*b.phase, 2*b.phase+time.Second))
}

// held says how much each hop held at most.
func (b *bench) held(runs []*run) {
	b.say("\nRequests that a hop held at most, in service and waiting; the bound is %d places and 4096 that wait (the last: the limit that it finds, and 4096).\n", places)
	b.say("| offered | hops | 1 | 2 | 3 | 4 | 5 | 6 | callees remembered, at most 2 x 512 |\n|---|---|---|---|---|---|---|---|---|")
	for _, r := range runs {
		var most [hops]int
		peers := 0
		for _, at := range r.states {
			for i, s := range at {
				most[i] = max(most[i], s.Passed.PeakInside)
				peers = max(peers, s.Peers)
			}
		}
		b.say("| %gx | %s | %d | %d | %d | %d | %d | %d | %d |", r.times, r.hearing(), most[0], most[1], most[2], most[3], most[4], most[5], peers)
	}
}
