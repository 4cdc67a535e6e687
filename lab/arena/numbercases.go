package arena

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/sim"
)

// Cases are the trials behind the numbers that the default law is to reach: every
// plant under every service law at a steady load, then everything that happens to
// a server.
func Cases() []Case { return append(steadyCases(), eventCases()...) }

// What is due.
const (
	dueMean, dueWorst = 0.98, 0.95
	dueFirst          = 0.8 // of the first second after a change
	dueSlow           = 0.9 // of the ten seconds
	dueBack           = 0.95
)

// numberServices are the service laws: squared coefficients of variation 0, 1, 9
// and 2.25.
func numberServices(mean time.Duration) []serviceNamed {
	return []serviceNamed{
		{"constant", sim.Constant(mean)},
		{"exponential", sim.Exponential(mean)},
		{"lognormal", sim.LogNormal{Of: mean, CV2: 9}},
		{"bimodal", sim.Bimodal{Fast: mean / 2, Slow: mean * 11 / 2, Share: 0.1}},
	}
}

type serviceNamed struct {
	name string
	law  sim.ServiceLaw
}

// classes is work of two kinds, half of each, one nine times as long as the other.
type classes struct{ of sim.ServiceLaw }

func (c classes) Draw(rng *rand.Rand) time.Duration {
	factor := 0.2
	if rng.Uint64()&1 == 0 {
		factor = 1.8
	}
	return max(1, time.Duration(factor*float64(c.of.Draw(rng))))
}

func (c classes) Mean() time.Duration { return c.of.Mean() }

// The pauses of a collector that stops the world.
const (
	pauseEvery = time.Second
	pauseFor   = 50 * time.Millisecond
)

func steadyCases() (all []Case) {
	for _, p := range []struct {
		row     string
		plant   limittest.Plant
		workers int
		mean    time.Duration
		wrap    func(sim.ServiceLaw) sim.ServiceLaw
		pauses  bool
	}{
		{row: "queue, 2 workers", workers: 2},
		{row: "queue, 8 workers", workers: 8},
		{row: "queue, 64 workers", workers: 64},
		{row: "queue, 256 workers", workers: 256},
		{row: "sharing, 4 processors", plant: limittest.Sharing, workers: 4},
		{row: "USL, best at 40", plant: limittest.Scaling, workers: 40},
		{row: "two classes of work", workers: 8, wrap: func(s sim.ServiceLaw) sim.ServiceLaw { return classes{s} }},
		{row: "pauses of 50 ms each second", workers: 8, pauses: true},
		{row: "Go's collector", plant: limittest.Collected, workers: 8},
		{row: "a hidden shared database", plant: limittest.Behind, workers: 8},
		{row: "service of 0.5 ms", workers: 8, mean: time.Millisecond / 2},
		{row: "service of 500 ms", workers: 8, mean: time.Second / 2},
	} {
		mean := p.mean
		if mean == 0 {
			mean = serviceMean
		}
		for _, s := range numberServices(mean) {
			if p.wrap != nil {
				s.law = p.wrap(s.law)
			}
			for _, load := range []float64{0.85, 1, 1.2, 2, 5, 10} {
				// Long enough for the oracle's luck to be small: some thousand services.
				from := round100(300 * mean)
				length := from + max(round100(time.Duration(8000/p.workers)*mean), round100(200*mean), limittest.WindowLength*5)
				c := Case{
					Row: p.row, Name: fmt.Sprintf("%gx, %s", load, s.name), Grid: numberGrid,
					Trial: limittest.Trial{
						Plant: p.plant, Workers: p.workers, Service: s.law, Deadline: 10 * mean,
						Load: []limittest.Load{{For: length, Of: load}},
					},
					Stretches: []Stretch{{Name: "steady", From: from, To: length, Mean: dueMean, Worst: dueWorst}},
					P99:       load >= 2, Refusals: load < 1,
				}
				if p.pauses {
					for at := pauseEvery / 2; at < length; at += pauseEvery {
						c.Trial.Events = append(c.Trial.Events, limittest.Event{At: at, Stall: true}, limittest.Event{At: at + pauseFor, Workers: p.workers})
					}
				}
				all = append(all, c)
			}
		}
	}
	return all
}

func round100(d time.Duration) time.Duration {
	return max(limittest.WindowLength, d.Truncate(limittest.WindowLength))
}

// eventGrid is the oracle's where workers come and go.
var eventGrid = []float64{0.25, 0.375, 0.5, 0.75, 1, 1.25, 1.5, 2, 3}

func eventCases() (all []Case) {
	const s = time.Second
	add := func(row string, t limittest.Trial, start limittest.Start, stretches ...Stretch) {
		for _, service := range numberServices(serviceMean) {
			c := Case{Row: row, Name: service.name, Trial: t, Start: start, Stretches: stretches, Grid: eventGrid}
			c.Trial.Workers, c.Trial.Service, c.Trial.Deadline = workers, service.law, patience
			all = append(all, c)
		}
	}
	for _, step := range []struct {
		name       string
		down, back limittest.Event
	}{
		{"service four times slower", limittest.Event{Speed: 0.25}, limittest.Event{Speed: 1}},
		{"2 of 8 workers left", limittest.Event{Workers: 2}, limittest.Event{Workers: workers}},
	} {
		for _, load := range []float64{0.8, 2} {
			step.down.At, step.back.At = 5*s, 15*s
			add(fmt.Sprintf("%s, at %gx", step.name, load),
				limittest.Trial{Load: []limittest.Load{{For: 20 * s, Of: load}}, Events: []limittest.Event{step.down, step.back}}, limittest.Fresh,
				Stretch{"first second", 5 * s, 6 * s, dueFirst, 0}, Stretch{"ten seconds", 5 * s, 15 * s, dueSlow, 0}, Stretch{"seconds 2 to 5 after", 17 * s, 20 * s, dueBack, 0})
		}
	}
	for _, load := range []float64{0.8, 2} {
		after := []Stretch{{"seconds 2 to 5 after", 97 * s, 100 * s, dueBack, 0}}
		add(fmt.Sprintf("90 s of timeouts, at %gx", load), limittest.Trial{
			Untold: true, Load: []limittest.Load{{For: 100 * s, Of: load}},
			Events: []limittest.Event{{At: 5 * s, Stall: true}, {At: 95 * s, Workers: workers}},
		}, limittest.Fresh, after...)
		add(fmt.Sprintf("90 s at a fiftieth of the speed, at %gx", load), limittest.Trial{
			Load:   []limittest.Load{{For: 100 * s, Of: load}},
			Events: []limittest.Event{{At: 5 * s, Speed: 0.02}, {At: 95 * s, Speed: 1}},
		}, limittest.Fresh, after...)
	}
	for _, from := range []struct {
		name  string
		start limittest.Start
	}{{"its own start", limittest.Fresh}, {"the floor", limittest.Sunk}, {"1000", limittest.Raised}} {
		add("from "+from.name+", at 2x", limittest.Trial{Load: []limittest.Load{{For: 4 * s, Of: 2}}}, from.start,
			Stretch{"1.5 to 4 s", 3 * s / 2, 4 * s, dueBack, 0})
	}
	add("2x after 20 s at 0.1x", limittest.Trial{Load: []limittest.Load{{For: 3 * s, Of: 2}, {For: 20 * s, Of: 0.1}, {For: 4 * s, Of: 2}}}, limittest.Fresh,
		Stretch{"first second", 23 * s, 24 * s, dueBack, 0}, Stretch{"the four", 23 * s, 27 * s, dueBack, 0})
	return all
}
