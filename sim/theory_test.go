package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/arrival"
)

const millisecond = time.Millisecond

// poisson is a Poisson source of a constant rate.
func poisson(perSecond float64) sim.Arrivals {
	profile, err := arrival.Flat(perSecond)
	if err != nil {
		panic(err)
	}
	return func(rng *rand.Rand) arrival.Process { return arrival.Poisson(profile, rng) }
}

// queueing is a plan with one source and one stage.
func queueing(perSecond float64, m sim.Machine, length time.Duration) sim.Plan {
	return sim.Plan{
		For: length, Window: length / 10,
		Sources: []sim.Source{{Name: "source", Arrivals: poisson(perSecond), Client: sim.Client{To: "queue"}}},
		Stages:  []sim.Stage{{Name: "queue", Machine: m}},
	}
}

// run runs a plan with a seed and adds up all windows of a part but the first,
// which is the warm-up.
func run(t *testing.T, p sim.Plan, seed uint64, part string) sim.Window {
	t.Helper()
	r := report(t, p, seed)
	found, ok := r.Part(part)
	if !ok {
		t.Fatalf("no part %q", part)
	}
	return r.Between(found, p.Window, p.For)
}

func report(t *testing.T, p sim.Plan, seed uint64) *sim.Report {
	t.Helper()
	p.Seed = seed
	w, err := sim.New(p)
	if err != nil {
		t.Fatal(err)
	}
	r := w.Run()
	if r.Stopped != "" {
		t.Fatal(r.Stopped)
	}
	return r
}

// timeInside is the mean time inside in units of the mean service time of a
// millisecond, by Little's law, which holds exactly in the simulator.
func timeInside(w sim.Window) float64 {
	return float64(w.InFlight) / float64(w.Good) / float64(millisecond)
}

func waiting(w sim.Window) float64 { return float64(w.Delay) / float64(w.Begun) / float64(millisecond) }

// M/M/1: W = S/(1 - rho).
func TestTheoryMM1(t *testing.T) {
	skipUnderRace(t)
	for _, row := range []struct {
		rho        float64
		size       int // thousand customers in each replication
		resolution float64
	}{
		{0.3, 20, 0.02},
		{0.5, 30, 0.03},
		{0.8, 60, 0.06},
		{0.9, 100, 0.1},
		{0.95, 250, 0.25},
	} {
		t.Run(fmt.Sprint(row.rho), func(t *testing.T) {
			t.Parallel()
			length := time.Duration(float64(sized(1, 60)*row.size)/row.rho) * time.Second
			e := replicate(t, 10, func(seed uint64) float64 {
				return timeInside(run(t, queueing(1000*row.rho, sim.Machine{Service: sim.Exponential(millisecond)}, length), seed, "queue"))
			})
			agree(t, e, 1/(1-row.rho), row.resolution)
		})
	}
}

// M/M/c: the mean wait is that of Erlang's C formula.
func TestTheoryMMc(t *testing.T) {
	skipUnderRace(t)
	for _, row := range []struct {
		servers    int
		offered    float64 // Erlang
		size       int     // thousand customers in each replication
		wait       float64 // in mean service times
		resolution float64
	}{
		{10, 8, 80, 0.20459, 0.12},
		{10, 9, 80, 0.66873, 0.2},
		{100, 90, 160, 0.021694, 0.3},
	} {
		t.Run(fmt.Sprintf("%d,%v", row.servers, row.offered), func(t *testing.T) {
			t.Parallel()
			length := time.Duration(float64(sized(row.size, 4000))/row.offered*1000) * millisecond
			// At full size so many, as ten say too little of how they spread.
			e := replicate(t, sized(10, 30), func(seed uint64) float64 {
				m := sim.Machine{Servers: row.servers, Service: sim.Exponential(millisecond)}
				return waiting(run(t, queueing(1000*row.offered, m, length), seed, "queue"))
			})
			agree(t, e, row.wait, row.resolution)
		})
	}
}

// lost is the share of arrivals that find no place.
func lost(w sim.Window) float64 { return float64(w.Refused) / float64(w.Offered) }

// M/M/c/c: Erlang's B formula, which holds for any law of service.
func TestTheoryMMcc(t *testing.T) {
	skipUnderRace(t)
	for _, row := range []struct {
		servers int
		offered float64
		law     sim.ServiceLaw
		lost    float64
	}{
		{10, 8, sim.Exponential(millisecond), 0.121661},
		{10, 10, sim.LogNormal{Of: millisecond, CV2: 4}, 0.214582},
		{100, 100, sim.Exponential(millisecond), 0.075700},
	} {
		t.Run(fmt.Sprintf("%d,%v", row.servers, row.offered), func(t *testing.T) {
			t.Parallel()
			length := time.Duration(float64(sized(60, 1200))/row.offered*1000) * millisecond
			e := replicate(t, 10, func(seed uint64) float64 {
				m := sim.Machine{Servers: row.servers, Service: row.law, Queue: -1}
				return lost(run(t, queueing(1000*row.offered, m, length), seed, "queue"))
			})
			agree(t, e, row.lost, 0.1)
		})
	}
}

// M/M/1/K: (1 - rho) rho^K / (1 - rho^(K+1)) are lost; 1/(K+1) at rho = 1.
func TestTheoryMM1K(t *testing.T) {
	skipUnderRace(t)
	for _, row := range []struct{ rho, lost float64 }{{2, 0.507937}, {1, 1.0 / 6}} {
		t.Run(fmt.Sprint(row.rho), func(t *testing.T) {
			t.Parallel()
			length := time.Duration(sized(30, 600)) * time.Second
			e := replicate(t, 10, func(seed uint64) float64 {
				m := sim.Machine{Service: sim.Exponential(millisecond), Queue: 4}
				return lost(run(t, queueing(1000*row.rho, m, length), seed, "queue"))
			})
			agree(t, e, row.lost, 0.06)
		})
	}
}

// M/G/1: Pollaczek and Khinchine, Wq = rho S (1 + cv²) / (2 (1 - rho)).
func TestTheoryMG1(t *testing.T) {
	skipUnderRace(t)
	for _, row := range []struct {
		name       string
		law        sim.ServiceLaw
		rho, cv2   float64
		resolution float64
	}{
		{"M/D/1", sim.Constant(millisecond), 0.9, 0, 0.1},
		{"lognormal", sim.LogNormal{Of: millisecond, CV2: 4}, 0.7, 4, 0.25},
		{"gamma", sim.Gamma{Of: millisecond, CV2: 0.5}, 0.8, 0.5, 0.1},
		{"bounded Pareto", pareto, 0.5, paretoCV2(), 0.25},
		{"bimodal", sim.Bimodal{Fast: millisecond / 2, Slow: 3 * millisecond, Share: 0.2}, 0.7, 1, 0.1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			length := time.Duration(float64(sized(100, 2000))/row.rho) * time.Second
			e := replicate(t, 10, func(seed uint64) float64 {
				return waiting(run(t, queueing(1000*row.rho, sim.Machine{Service: row.law}, length), seed, "queue"))
			})
			agree(t, e, row.rho*(1+row.cv2)/(2*(1-row.rho)), row.resolution)
		})
	}
}

// pareto has a mean of a millisecond within rounding: Least = 1/3 of it, nearly,
// as its end cuts little off.
var pareto = func() sim.BoundedPareto {
	p := sim.BoundedPareto{Least: millisecond / 3, Most: 100 * millisecond, Alpha: 1.5}
	p.Least = time.Duration(float64(p.Least) * float64(millisecond) / float64(p.Mean()))
	p.Least = time.Duration(float64(p.Least) * float64(millisecond) / float64(p.Mean()))
	return p
}()

// paretoCV2 integrates t² over the law's density.
func paretoCV2() float64 {
	l, h, a := float64(pareto.Least), float64(pareto.Most), pareto.Alpha
	second := a * math.Pow(l, a) / (1 - math.Pow(l/h, a)) * (math.Pow(h, 2-a) - math.Pow(l, 2-a)) / (2 - a)
	mean := float64(pareto.Mean())
	return second/(mean*mean) - 1
}

// M/G/1 with processor sharing: W = S/(1 - rho), whatever the law.
func TestTheorySharing(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	length := time.Duration(sized(80, 1600)) * time.Second
	e := replicate(t, 10, func(seed uint64) float64 {
		m := sim.Machine{Service: sim.LogNormal{Of: millisecond, CV2: 4}, Order: sim.Sharing}
		return timeInside(run(t, queueing(700, m, length), seed, "queue"))
	})
	agree(t, e, 1/(1-0.7), 0.15)
}

// throughput of a saturated line in items per mean service time.
func throughput(t *testing.T, l sim.Line, length time.Duration, seed uint64) float64 {
	l.Name, l.Saturated = "line", true
	w := run(t, sim.Plan{For: length, Window: length / 10, Lines: []sim.Line{l}}, seed, "line")
	return float64(w.Good) / (float64(w.Length) / float64(millisecond))
}

// Two equal exponential stations with b places between them: (b+2)/(b+3).
func TestTheoryTandem(t *testing.T) {
	skipUnderRace(t)
	for b, want := range []float64{2.0 / 3, 3.0 / 4, 4.0 / 5} {
		t.Run(strconv.Itoa(b), func(t *testing.T) {
			t.Parallel()
			length := time.Duration(sized(40, 800)) * time.Second
			e := replicate(t, 10, func(seed uint64) float64 {
				return throughput(t, sim.Line{Stations: []sim.Station{
					{Name: "a", Service: sim.Exponential(millisecond)},
					{Name: "b", Service: sim.Exponential(millisecond), Buffer: b},
				}}, length, seed)
			})
			agree(t, e, want, 0.02)
		})
	}
}

// CONWIP, the practical worst case: w cards over N equal exponential stations
// give w/(w + N - 1).
func TestTheoryCONWIP(t *testing.T) {
	skipUnderRace(t)
	for _, cards := range []int{5, 10, 20} {
		t.Run(strconv.Itoa(cards), func(t *testing.T) {
			t.Parallel()
			length := time.Duration(sized(30, 600)) * time.Second
			e := replicate(t, 10, func(seed uint64) float64 {
				l := sim.Line{Cards: cards}
				for i := range 5 {
					l.Stations = append(l.Stations, sim.Station{
						Name: string(rune('a' + i)), Service: sim.Exponential(millisecond), Buffer: -1,
					})
				}
				return throughput(t, l, length, seed)
			})
			agree(t, e, float64(cards)/float64(cards+4), 0.03)
		})
	}
}

// The universal scalability law: X(N) = N/(1 + alpha (N-1) + beta N (N-1)), with
// its best at N = sqrt((1-alpha)/beta), which is 44.27 here.
func TestTheoryUSL(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	const alpha, beta = 0.02, 0.0005
	optimum := math.Sqrt((1 - alpha) / beta)
	best, at := 0.0, 0
	for _, n := range []int{22, 36, int(optimum), 54, 88} {
		length := time.Duration(sized(10, 200)) * time.Second
		e := replicate(t, 10, func(seed uint64) float64 {
			w := run(t, sim.Plan{
				For: length, Window: length / 10,
				Sources: []sim.Source{{
					Name: "users", Client: sim.Client{To: "db"},
					Users: &sim.Users{Number: n, Think: sim.Constant(1)},
				}},
				Stages: []sim.Stage{{Name: "db", Machine: sim.Machine{
					Servers: 1000, Service: sim.Exponential(millisecond), Order: sim.Sharing, USL: &sim.USL{Alpha: alpha, Beta: beta},
				}}},
			}, seed, "db")
			return float64(w.Good) / (float64(w.Length) / float64(millisecond))
		})
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			x := float64(n)
			agree(t, e, x/(1+alpha*(x-1)+beta*x*(x-1)), 0.05)
		})
		if e.mean > best {
			best, at = e.mean, n
		}
	}
	if at != int(optimum) {
		t.Errorf("the best is at %d, theory says %.1f", at, optimum)
	}
}

// Chiu and Jain: additive increase and multiplicative decrease make flows of
// equal round trips equal, wherever they start.
func TestTheoryFairness(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	length := time.Duration(sized(150, 1500)) * time.Second
	e := replicate(t, 6, func(seed uint64) float64 {
		r := report(t, sim.Plan{For: length, Bottlenecks: []sim.Bottleneck{{
			Name: "link", PacketsPerSecond: 1000, Buffer: 100, CoDel: &queue.CoDel{},
			Flows: sim.Flows{Number: 5, RTT: sim.Constant(50 * millisecond)},
		}}}, seed)
		p, _ := r.Part("link")
		sum, squares := 0.0, 0.0
		for _, n := range p.PerFlow {
			sum += float64(n)
			squares += float64(n) * float64(n)
		}
		return sum * sum / (float64(len(p.PerFlow)) * squares)
	})
	record(t, e.row("at least 0.99", e.mean-e.half >= 0.99))
}

// One loss in every 1/p packets gives the mean window sqrt(3/(2p)).
func TestTheoryAIMD(t *testing.T) {
	skipUnderRace(t)
	for _, every := range []int{100, 1000} {
		t.Run(strconv.Itoa(every), func(t *testing.T) {
			t.Parallel()
			const rtt = 100 * millisecond
			length := time.Duration(sized(300, 3000)) * time.Second
			p := sim.Plan{For: length, Window: length / 10, Bottlenecks: []sim.Bottleneck{{
				Name: "link", PacketsPerSecond: 1e6, Buffer: 10_000, Loss: every,
				Flows: sim.Flows{Number: 1, RTT: sim.Constant(rtt)},
			}}}
			w := run(t, p, 1, "link")
			window := float64(w.Good) / w.Length.Seconds() * rtt.Seconds()
			want := math.Sqrt(1.5 * float64(every))
			within15(t, window, want, 1)
		})
	}
}

// A retry storm ends (B - mu T)/(mu - lambda (1+b)) after its trigger, if the
// budget b keeps lambda (1+b) below mu: B is the backlog then, and T how long
// users wait. Without a budget's savings it would be (lambda (1+b) - mu') x 10 s,
// where mu' is the rate of service meanwhile.
func TestTheoryRetryStorm(t *testing.T) {
	skipUnderRace(t)
	const mu, lambda, patience, end = 1000.0, 700.0, 1.0, 40 * time.Second
	for _, b := range []float64{0, 0.1, 0.2} {
		t.Run(fmt.Sprint(b), func(t *testing.T) {
			t.Parallel()
			got, want := 0.0, 0.0
			n := float64(sized(5, 30))
			for seed := range uint64(n) {
				r := report(t, retryStorm(&b, nil), seed+1)
				users, _ := r.Part("users")
				api, _ := r.Part("api")
				now := r.Between(api, end-r.Window, end)
				backlog := now.Mean(now.InFlight)
				want += (backlog - mu*patience) / (mu - lambda*(1+b)) / n
				got += goodAgain(r, users, end, lambda/2).Seconds() / n
			}
			within15(t, got, want, int(n))
		})
	}
}

// retryStorm is the recipe: a stage of ten servers of 10 ms at 70 %, slowed down
// to 0.3 for ten seconds, and users who wait for a second and try four times.
func retryStorm(budget *float64, admit *sim.Admit) sim.Plan {
	return sim.Plan{
		For: 120 * time.Second,
		Sources: []sim.Source{{
			Name: "users", Arrivals: poisson(700),
			Client: sim.Client{
				To: "api", Deadline: time.Second,
				Retry: sim.Retry{Attempts: 4, Backoff: retry.Backoff{Base: 100 * millisecond}, Budget: budget},
			},
		}},
		Stages: []sim.Stage{{
			Name: "api", Machine: sim.Machine{Servers: 10, Service: sim.Exponential(10 * millisecond)}, Admit: admit,
		}},
		Events: []sim.Event{{At: 30 * time.Second, For: 10 * time.Second, Of: "api", Set: sim.Speed, To: 0.3}},
	}
}

// goodAgain is how long after an instant the first half second begins in which
// goodput is at least perSecond.
func goodAgain(r *sim.Report, p *sim.Part, after time.Duration, perSecond float64) time.Duration {
	for at := after; at+time.Second/2 <= r.Until; at += r.Window {
		w := r.Between(p, at, at+time.Second/2)
		if w.PerSecond(w.Good) >= perSecond {
			return at - after
		}
	}
	return r.Until - after
}
