package limittest

import (
	"fmt"
	"slices"
	"time"
)

// The demands. Where nothing else is said, the mean service time is 10 ms and
// clients leave after 100 ms; a load of 1 is the plant's capacity. They are
// demands of liveness: what a law must not fall below on any seed.

const s = time.Second // a unit, in this file

const constantOnly, exponentialOnly = 1, 2

// pick returns what to run at full size, or else.
func pick[T any](atFullSize, otherwise []T) []T {
	if full() {
		return atFullSize
	}
	return otherwise
}

func all(demands []demand) (cs []*contest) {
	for _, d := range demands {
		cs = append(cs, d.contests()...)
	}
	return cs
}

// steady: goodput under a constant load, from capacity to ten times.
func steady() []*contest {
	var ds []demand
	for _, load := range pick([]float64{0.85, 1, 1.2, 2, 5, 10}, []float64{1.2, 2, 10}) {
		ds = append(ds, demand{
			name: fmt.Sprintf("8 workers at %gx", load), services: 5,
			trial: Trial{Workers: 8, Load: []Load{{For: 7 * s, Of: load}}}, judge: []stretch{{3 * s, 7 * s, 0.85}},
		})
	}
	return all(ds)
}

// sizes: no one number of slots suits them all.
func sizes() []*contest {
	var ds []demand
	for _, workers := range pick([]int{2, 64, 256}, []int{2, 64}) {
		for _, load := range pick([]float64{1.2, 2, 10}, []float64{2}) {
			ds = append(ds, demand{
				name: fmt.Sprintf("%d workers at %gx", workers, load), services: 3,
				trial: Trial{Workers: workers, Load: []Load{{For: 5 * s, Of: load}}}, judge: []stretch{{2 * s, 5 * s, 0.8}},
			})
		}
	}
	return all(ds)
}

// plants: the others than the plain queue.
func plants() []*contest {
	var ds []demand
	for _, p := range []struct {
		name    string
		plant   Plant
		workers int
		only    int
	}{{"sharing 4", Sharing, 4, exponentialOnly}, {"scaling to 40", Scaling, 40, exponentialOnly}, {"8 workers and a collector", Collected, 8, constantOnly}} {
		for _, load := range pick([]float64{1.2, 2, 5, 10}, []float64{2}) {
			ds = append(ds, demand{
				name: fmt.Sprintf("%s at %gx", p.name, load), services: 4, only: p.only,
				trial: Trial{Plant: p.plant, Workers: p.workers, Load: []Load{{For: 8 * s, Of: load}}}, judge: []stretch{{3 * s, 8 * s, 0.75}},
			})
		}
	}
	return all(ds)
}

// scales: the same with service times of 1 ms to 1 s.
func scales() []*contest {
	var ds []demand
	for _, mean := range []time.Duration{s / 1000, s / 100, s / 10, s} {
		unit := func(n int) time.Duration { return max(time.Duration(n)*mean, s).Truncate(WindowLength) }
		for _, load := range pick([]float64{2, 10}, []float64{2}) {
			ds = append(ds, demand{
				name: fmt.Sprintf("service of %v at %gx", mean, load), services: 3, mean: mean,
				trial: Trial{Workers: 8, Load: []Load{{For: unit(300) + s, Of: load}}}, judge: []stretch{{unit(150), unit(300) + s, 0.8}},
			})
		}
	}
	return all(ds)
}

// starts: wherever it is when load comes. The first stretch is the first second
// and a half.
func starts() []*contest {
	var ds []demand
	for _, from := range []struct {
		name  string
		start Start
	}{{"from its own start", Fresh}, {"from the floor", Sunk}, {"from 1000", Raised}} {
		for _, load := range pick([]float64{2, 10}, []float64{2}) {
			ds = append(ds, demand{
				name: fmt.Sprintf("%s at %gx", from.name, load), start: from.start, services: 3,
				trial: Trial{Workers: 8, Load: []Load{{For: 6 * s, Of: load}}}, judge: []stretch{{3 * s / 2, 3 * s, 0.2}, {3 * s, 6 * s, 0.8}},
			})
		}
	}
	return all(ds)
}

// steps: the capacity falls to a quarter for ten seconds, and rises again. The
// stretches are the first second, the ten seconds, and the ten after.
func steps() []*contest {
	var ds []demand
	for i, step := range []struct {
		name       string
		down, back Event
	}{
		{"service 4x slower", Event{Speed: 0.25}, Event{Speed: 1}},
		{"2 of 8 workers", Event{Workers: 2}, Event{Workers: 8}},
	} {
		for k, load := range []float64{0.8, 2} {
			step.down.At, step.back.At = 5*s, 15*s
			ds = append(ds, demand{
				name: fmt.Sprintf("%s at %gx", step.name, load), services: 4, only: 1 + (i+k)%2,
				trial: Trial{Workers: 8, Load: []Load{{For: 25 * s, Of: load}}, Events: []Event{step.down, step.back}},
				judge: []stretch{{5 * s, 6 * s, 0}, {5 * s, 15 * s, 0.7}, {16 * s, 25 * s, 0.75}},
			})
		}
	}
	// From few to many: what was learned on two workers must not stay.
	ds = append(ds, demand{
		name: "from 2 workers to 8 at 2x", services: 3, only: exponentialOnly,
		trial: Trial{Workers: 8, Load: []Load{{For: 20 * s, Of: 2}}, Events: []Event{{Workers: 2}, {At: 10 * s, Workers: 8}}},
		judge: []stretch{{10 * s, 20 * s, 0.75}},
	})
	return all(ds)
}

// bursts: eight times the capacity for a tenth of the time, 0.2x between.
func bursts() []*contest {
	burst := []Load{{For: 100 * time.Millisecond, Of: 8}, {For: 900 * time.Millisecond, Of: 0.2}}
	return all([]demand{{
		name: "bursts of 100 ms at 8x", services: 3,
		trial: Trial{Workers: 8, Load: slices.Repeat(burst, 15)}, judge: []stretch{{5 * s, 15 * s, 0.75}},
	}})
}

// lull: a tenth of the load for a while, then twice the capacity.
func lull() []*contest {
	return all([]demand{{
		name: "2x, then 20 s at 0.1x, then 2x", services: 4,
		trial: Trial{Workers: 8, Load: []Load{{For: 3 * s, Of: 2}, {For: 20 * s, Of: 0.1}, {For: 6 * s, Of: 2}}},
		judge: []stretch{{23 * s, 24 * s, 0}, {24 * s, 29 * s, 0.85}},
	}})
}

// timeouts: for 90 seconds nothing is answered and every caller leaves.
func timeouts() []*contest {
	var ds []demand
	for _, at := range []struct {
		load float64
		only int
	}{{0.8, 0}, {2, exponentialOnly}} {
		ds = append(ds, demand{
			name: fmt.Sprintf("a stall of 90 s at %gx", at.load), services: 4, only: at.only,
			trial: Trial{
				Workers: 8, Untold: true, Load: []Load{{For: 105 * s, Of: at.load}},
				Events: []Event{{At: 5 * s, Stall: true}, {At: 95 * s, Workers: 8}},
			},
			judge: []stretch{{97 * s, 100 * s, 0}, {100 * s, 105 * s, 0.85}},
		})
	}
	return all(ds)
}

// incident: for 90 seconds service is 50 times slower, so that every call takes
// longer than its caller waits, and the server works for those who have left.
func incident() []*contest {
	loads := pick([]float64{0.8, 2}, []float64{0.8})
	var ds []demand
	for _, load := range loads {
		ds = append(ds, demand{
			name: fmt.Sprintf("50x slower for 90 s at %gx", load), only: constantOnly,
			trial: Trial{
				Workers: 8, Load: []Load{{For: 108 * s, Of: load}},
				Events: []Event{{At: 5 * s, Speed: 0.02}, {At: 95 * s, Speed: 1}},
			},
			judge: []stretch{{97 * s, 100 * s, 0}, {102 * s, 108 * s, 0.85}},
		})
	}
	return all(ds)
}

// floor: whatever losses have brought a law to, it rises again.
func floor() []*contest {
	return all([]demand{{
		name: "after 60 s of nothing but losses, at 2x", start: Sunk, services: 4, only: exponentialOnly,
		trial: Trial{Workers: 8, Load: []Load{{For: 10 * s, Of: 2}}}, judge: []stretch{{5 * s, 10 * s, 0.85}},
	}})
}

// soak: nothing drifts. Every half minute is judged; at full size for twenty
// minutes, of eight workers.
func soak() []*contest {
	d := demand{name: "2 workers at 2x for a minute", only: exponentialOnly, trial: Trial{Workers: 2}}
	length, windows := 10*s, 6
	if full() {
		d.name, d.trial.Workers, d.services = "20 minutes at 2x", 8, 3
		length, windows = 30*s, 40
	}
	d.trial.Load = []Load{{For: time.Duration(windows) * length, Of: 2}}
	for i := 1; i < windows; i++ {
		d.judge = append(d.judge, stretch{time.Duration(i) * length, time.Duration(i+1) * length, 0.7})
	}
	return all([]demand{d})
}
