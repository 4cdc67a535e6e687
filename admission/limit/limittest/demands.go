package limittest

import (
	"fmt"
	"time"
)

// The demands. All plants have a mean service time of 10 ms and clients that
// leave after 100 ms; a load of 1 is the plant's capacity.

// steady: goodput under a constant load, from just above capacity to ten times.
func steady(seeds int) (all []*contest) {
	for _, load := range []float64{1.2, 2, 10} {
		t := Trial{Workers: 8, Load: []Load{{For: 8 * time.Second, Of: load}}}
		all = append(all, contests(seeds, fmt.Sprintf("8 workers at %gx", load), t, false,
			stretch{3 * time.Second, 8 * time.Second, 0.9})...)
	}
	return all
}

// sizes: no one number of slots suits them all.
func sizes(seeds int) (all []*contest) {
	for _, workers := range []int{2, 64} {
		t := Trial{Workers: workers, Load: []Load{{For: 5 * time.Second, Of: 2}}}
		all = append(all, contests(seeds, fmt.Sprintf("%d workers at 2x", workers), t, false,
			stretch{2 * time.Second, 5 * time.Second, 0.9})...)
	}
	return all
}

// steps: the capacity falls to a quarter for ten seconds, and rises again.
func steps(seeds int) (all []*contest) {
	const s = time.Second
	for _, step := range []struct {
		name       string
		down, back Event
	}{
		{"service 4x slower", Event{Speed: 0.25}, Event{Speed: 1}},
		{"2 of 8 workers", Event{Workers: 2}, Event{Workers: 8}},
	} {
		for _, load := range []float64{0.8, 2} {
			step.down.At, step.back.At = 5*s, 15*s
			t := Trial{Workers: 8, Load: []Load{{For: 25 * s, Of: load}}, Events: []Event{step.down, step.back}}
			all = append(all, contests(seeds, fmt.Sprintf("%s at %gx", step.name, load), t, false,
				stretch{5 * s, 15 * s, 0.75}, stretch{15 * s, 25 * s, 0.75})...)
		}
	}
	// From few to many: what was learned on two workers must not stay.
	t := Trial{Workers: 8, Load: []Load{{For: 20 * s, Of: 2}}, Events: []Event{{Workers: 2}, {At: 10 * s, Workers: 8}}}
	return append(all, contests(seeds, "from 2 workers to 8 at 2x", t, false, stretch{10 * s, 20 * s, 0.75})...)
}

// timeouts: for 90 seconds nothing is answered and every caller leaves.
func timeouts(seeds int) (all []*contest) {
	const s = time.Second
	for _, load := range []float64{0.8, 2} {
		t := Trial{
			Workers: 8, Untold: true, Load: []Load{{For: 105 * s, Of: load}},
			Events: []Event{{At: 5 * s, Stall: true}, {At: 95 * s, Workers: 8}},
		}
		all = append(all, contests(seeds, fmt.Sprintf("a stall of 90 s at %gx", load), t, false,
			stretch{100 * s, 105 * s, 0.9})...)
	}
	return all
}

// lull: a tenth of the load for a while, then twice the capacity.
func lull(seeds int) []*contest {
	const s = time.Second
	t := Trial{Workers: 8, Load: []Load{{For: 3 * s, Of: 2}, {For: 20 * s, Of: 0.1}, {For: 6 * s, Of: 2}}}
	return contests(seeds, "2x, then 20 s at 0.1x, then 2x", t, false, stretch{24 * s, 29 * s, 0.9})
}

// floor: whatever losses have brought a law to, it rises again.
func floor(seeds int) []*contest {
	const s = time.Second
	t := Trial{Workers: 8, Load: []Load{{For: 10 * s, Of: 2}}}
	return contests(seeds, "after 60 s of nothing but losses, at 2x", t, true, stretch{5 * s, 10 * s, 0.9})
}
