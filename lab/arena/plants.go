package arena

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/sim"
)

// A Plant is a server with a load on it, and the stretches of time in which
// limiters are judged.
type Plant struct {
	Name  string
	About string
	// Trial is the plant without law and seed.
	Trial limittest.Trial
	// Skips makes the server skip work whose client has left by the time a
	// worker takes it. The simulator's servers do not, so there are no virtual
	// runs on such a plant; what is attainable is taken from the plant that
	// works on, and can be passed.
	Skips  bool
	Phases []Phase
	// Curve asks for goodput over time: something happens on this plant.
	Curve bool
}

// A Phase is a stretch of a plant's time in which limiters are judged.
type Phase struct {
	Name     string
	From, To time.Duration // by when the client asked
	// Since is when the stretch's state began: settling is counted from there.
	Since time.Duration
}

// All plants have 8 workers, a mean service time of 10 ms and clients that leave
// after 100 ms: the plant on which the peers' own figures were first taken.
const (
	workers     = 8
	serviceMean = 10 * time.Millisecond
	patience    = 100 * time.Millisecond
)

var services = []struct {
	name string
	law  sim.ServiceLaw
}{
	{"constant", sim.Constant(serviceMean)},
	{"exponential", sim.Exponential(serviceMean)},
	{"lognormal", sim.LogNormal{Of: serviceMean, CV2: 9}},
}

// Plants returns all plants, in the order of the tables.
func Plants() []Plant {
	var all []Plant
	for _, s := range services {
		for _, load := range []float64{0.5, 1.2, 2, 5, 10} {
			all = append(all, steady(s.name, s.law, load))
		}
	}
	for _, s := range services {
		for _, load := range []float64{0.8, 2} {
			all = append(all, slowdown(s.name, s.law, load))
		}
	}
	noisy := services[1]
	for _, load := range []float64{0.8, 2} {
		all = append(all, outage(noisy.name, noisy.law, load))
	}
	all = append(all, lull(noisy.name, noisy.law))
	for _, p := range []Plant{
		steady(noisy.name, noisy.law, 2),
		slowdown(noisy.name, noisy.law, 0.8),
		outage(noisy.name, noisy.law, 0.8),
	} {
		p.Name += ", skips"
		p.About += " The server skips work whose client has left."
		p.Skips = true
		all = append(all, p)
	}
	return all
}

func trial(law sim.ServiceLaw, load ...limittest.Load) limittest.Trial {
	return limittest.Trial{Workers: workers, Service: law, Deadline: patience, Load: load}
}

func steady(service string, law sim.ServiceLaw, load float64) Plant {
	const length = 10 * time.Second
	return Plant{
		Name:   fmt.Sprintf("%gx, %s", load, service),
		About:  fmt.Sprintf("A steady load of %g times what 8 workers with %s service times of 10 ms can do.", load, service),
		Trial:  trial(law, limittest.Load{For: length, Of: load}),
		Phases: []Phase{{Name: "steady", From: 4 * time.Second, To: length}},
	}
}

func slowdown(service string, law sim.ServiceLaw, load float64) Plant {
	const start, end, length = 5 * time.Second, 15 * time.Second, 25 * time.Second
	p := Plant{
		Name:  fmt.Sprintf("4x slower at %gx, %s", load, service),
		About: fmt.Sprintf("At %g times the load, %s service times grow from 10 to 40 ms for ten seconds.", load, service),
		Trial: trial(law, limittest.Load{For: length, Of: load}),
		Phases: []Phase{
			{Name: "slow", From: start, To: end, Since: start},
			{Name: "after", From: end, To: length, Since: end},
		},
		Curve: true,
	}
	p.Trial.Events = []limittest.Event{{At: start, Speed: 0.25}, {At: end, Speed: 1}}
	return p
}

func outage(service string, law sim.ServiceLaw, load float64) Plant {
	const start, end, length = 5 * time.Second, 95 * time.Second, 105 * time.Second
	p := Plant{
		Name:   fmt.Sprintf("90 s of timeouts at %gx, %s", load, service),
		About:  fmt.Sprintf("At %g times the load, the server answers nothing for 90 seconds, then works as before (%s service). Judged from two seconds after.", load, service),
		Trial:  trial(law, limittest.Load{For: length, Of: load}),
		Phases: []Phase{{Name: "after", From: end + 2*time.Second, To: length, Since: end}},
		Curve:  true,
	}
	p.Trial.Events = []limittest.Event{{At: start, Stall: true}, {At: end, Workers: workers}}
	return p
}

func lull(service string, law sim.ServiceLaw) Plant {
	const busy, quiet, again = 5 * time.Second, 20 * time.Second, 6 * time.Second
	const flood = busy + quiet
	return Plant{
		Name:  "lull, then 2x, " + service,
		About: "Twice the capacity, twenty seconds at a tenth of it, then twice again.",
		Trial: trial(law, limittest.Load{For: busy, Of: 2}, limittest.Load{For: quiet, Of: 0.1}, limittest.Load{For: again, Of: 2}),
		Phases: []Phase{
			{Name: "first second", From: flood, To: flood + time.Second, Since: flood},
			{Name: "flood", From: flood, To: flood + again, Since: flood},
		},
		Curve: true,
	}
}
