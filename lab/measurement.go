package lab

import (
	"math"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/sim"
)

// A measurement is one run's report, asked by [Probe].
type measurement struct {
	system *System
	report *sim.Report
	parts  map[string]*sim.Part
}

func newMeasurement(s *System, r *sim.Report) *measurement {
	m := &measurement{system: s, report: r, parts: make(map[string]*sim.Part, len(r.Parts))}
	for _, p := range r.Parts {
		m.parts[p.Name] = p
	}
	return m
}

// Stopped says why the run ended early.
func (m *measurement) Stopped() string {
	if m.report.Stopped == "" {
		return ""
	}
	return "stopped at " + formatSeconds(m.report.Until.Seconds()) + ": " + m.report.Stopped
}

// Measure returns one value.
func (m *measurement) Measure(p Probe) float64 {
	if m.report.Stopped != "" && m.report.Until < p.Window.To {
		return math.NaN()
	}
	switch p.Metric {
	case "recovery":
		return m.recovery(p.Of)
	case "felt":
		return m.felt(p.Of)
	case "fairness":
		return m.fairness(p)
	case "deaths":
		return m.deaths(p.Of)
	case "p50", "p90", "p99":
		return m.quantile(p, map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99}[p.Metric])
	}
	w := m.window(m.owners(p), p.Window)
	if what, ok := strings.CutPrefix(p.Metric, refusedPrefix); ok {
		if r, ok := penstock.ParseReason(what); ok {
			return perSecondOf(w, w.RefusedBy[r])
		}
		c, _ := penstock.ParseCriticality(what)
		return perSecondOf(w, w.RefusedOf[c])
	}
	if f, ok := simple[p.Metric]; ok {
		return f(w)
	}
	return math.NaN()
}

// simple are the metrics that a window's sums tell.
var simple = map[string]func(w *sim.Window) float64{
	"offered":       func(w *sim.Window) float64 { return perSecondOf(w, w.Offered) },
	"first_offered": func(w *sim.Window) float64 { return perSecondOf(w, w.First) },
	"amplification": func(w *sim.Window) float64 { return ratio(float64(w.Offered), float64(w.First)) },
	"goodput":       func(w *sim.Window) float64 { return perSecondOf(w, w.Good) },
	"late":          func(w *sim.Window) float64 { return perSecondOf(w, w.Late) },
	"failed":        func(w *sim.Window) float64 { return perSecondOf(w, w.Failed) },
	"refused":       func(w *sim.Window) float64 { return perSecondOf(w, w.Refused) },
	"wasted":        func(w *sim.Window) float64 { return perSecondOf(w, w.Wasted) },
	"satisfied":     func(w *sim.Window) float64 { return ratio(float64(w.Satisfied), float64(w.Satisfied+w.GaveUp)) },
	"delay":         func(w *sim.Window) float64 { return ratio(w.Delay.Seconds(), float64(w.Begun)) },
	"queue":         func(w *sim.Window) float64 { return ratio(float64(w.Waiting), float64(w.Length)) },
	"queue_max":     func(w *sim.Window) float64 { return float64(w.MaxWaiting) },
	"in_flight":     func(w *sim.Window) float64 { return ratio(float64(w.InFlight), float64(w.Length)) },
	"limit":         func(w *sim.Window) float64 { return ratio(w.Limit, float64(w.Samples)) },
	"level":         func(w *sim.Window) float64 { return ratio(w.Level, float64(w.Samples)) },
	"utilisation":   func(w *sim.Window) float64 { return ofServers(w, w.Busy+w.Blocked) },
	"busy":          func(w *sim.Window) float64 { return ofServers(w, w.Busy) },
	"blocked":       func(w *sim.Window) float64 { return ofServers(w, w.Blocked) },
	"starved":       func(w *sim.Window) float64 { return ofServers(w, w.Starved) },
	"idle":          func(w *sim.Window) float64 { return ofServers(w, w.Idle) },
	"down":          func(w *sim.Window) float64 { return ofServers(w, w.Down) },
	"hit_rate":      func(w *sim.Window) float64 { return ratio(float64(w.Hits), float64(w.Offered)) },
	"duplicates":    func(w *sim.Window) float64 { return ratio(w.Amount, w.Length.Seconds()) },
	"spilled":       func(w *sim.Window) float64 { return ratio(w.Amount, w.Length.Seconds()) },
	"held":          func(w *sim.Window) float64 { return ratio(w.Held, w.Length.Seconds()) },
}

func perSecondOf(w *sim.Window, n uint64) float64 { return ratio(float64(n), w.Length.Seconds()) }

// ratio is not a number where there is nothing to divide by.
func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

func ofServers(w *sim.Window, time int64) float64 {
	return ratio(float64(time), float64(w.Busy+w.Blocked+w.Starved+w.Idle+w.Down))
}

// owners are the parts that a probe is about. For the whole system, what users
// see is the sources', the rest the stages'; a system without sources is its
// lines and bottlenecks.
func (m *measurement) owners(p Probe) []*sim.Part {
	if p.Of != "" {
		if part, ok := m.parts[p.Of]; ok {
			return []*sim.Part{part}
		}
		return nil
	}
	kinds := []sim.PartKind{sim.SourcePart}
	switch p.Metric {
	case "wasted", "queue", "deaths":
		kinds = []sim.PartKind{sim.StagePart}
	}
	out := m.ofKind(kinds...)
	if len(out) == 0 {
		out = m.ofKind(sim.LinePart, sim.BottleneckPart)
	}
	return out
}

func (m *measurement) ofKind(kinds ...sim.PartKind) []*sim.Part {
	var out []*sim.Part
	for _, p := range m.report.Parts {
		for _, k := range kinds {
			if p.Kind == k {
				out = append(out, p)
			}
		}
	}
	return out
}

// span is the range of windows that a stretch of time covers, rounded to whole
// ones.
func (m *measurement) span(w Window, n int) (from, to int) {
	length := max(1, m.report.Window)
	from = min(int((w.From+length/2)/length), n)
	return from, min(max(int((w.To+length/2)/length), from+1), n)
}

// window adds up what happened to some parts in a stretch of time.
func (m *measurement) window(parts []*sim.Part, w Window) *sim.Window {
	var sum sim.Window
	for i, p := range parts {
		from, to := m.span(w, len(p.Windows))
		length := sum.Length
		for j := from; j < to; j++ {
			sum.Add(&p.Windows[j])
		}
		if i > 0 { // the same stretch of time
			sum.Length = length
		}
	}
	return &sum
}

// quantile is of good work, by when it ended.
func (m *measurement) quantile(p Probe, share float64) float64 {
	var sum sim.Histogram
	for _, part := range m.owners(p) {
		from, to := m.span(p.Window, len(part.Windows))
		for j := from / sim.LatencyWindows; j*sim.LatencyWindows < to && j < len(part.Latencies); j++ {
			sum.Merge(&part.Latencies[j])
		}
	}
	d, ok := sum.Quantile(share)
	if !ok {
		return math.NaN()
	}
	return d.Seconds()
}

// fairness is Jain's index: (sum x)^2 / (n sum x^2).
func (m *measurement) fairness(p Probe) float64 {
	var shares []float64
	for _, part := range m.owners(p) {
		if p.Of == "" && part.Kind == sim.SourcePart {
			shares = append(shares, float64(m.window([]*sim.Part{part}, p.Window).Good))
			continue
		}
		for _, n := range part.PerFlow {
			shares = append(shares, float64(n))
		}
	}
	sum, squares := 0.0, 0.0
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	return ratio(sum*sum, float64(len(shares))*squares)
}

func (m *measurement) deaths(of string) float64 {
	n := 0
	for _, p := range m.owners(Probe{Metric: "deaths", Of: of}) {
		n += p.Deaths
	}
	return float64(n)
}

// felt counts from the first disturbance.
func (m *measurement) felt(of string) float64 {
	p, ok := m.parts[of]
	switch {
	case !ok || !m.system.Disturbed:
		return math.NaN()
	case !p.FeltSet:
		return (m.system.Plan.For - m.system.First).Seconds()
	}
	return max(0, (p.Felt - m.system.First).Seconds())
}

// What counts as recovered.
const (
	recoveredShare = 0.9         // of the share of good answers before
	recoveryLook   = time.Second // over which that share is taken
	recoveryWork   = 400         // at least so many first attempts in it
)

// recovery is the time from the last disturbance until the share of good answers
// is back for good.
func (m *measurement) recovery(of string) float64 {
	s := m.system
	owners := m.owners(Probe{Metric: "recovery", Of: of})
	if !s.Disturbed || s.First <= s.Warmup || len(owners) == 0 {
		return math.NaN() // there is nothing to compare with
	}
	before := goodShare(m.window(owners, Window{s.Warmup, s.First}))
	if math.IsNaN(before) || before == 0 {
		return math.NaN()
	}
	w := m.report.Window
	whole := m.window(owners, Window{0, s.Plan.For})
	look := recoveryLook
	if whole.First > 0 {
		look = max(look, time.Duration(recoveryWork*float64(s.Plan.For)/float64(whole.First)))
	}
	n := max(1, int((look+w-1)/w)) // windows in a look
	last := len(owners[0].Windows)
	first, _ := m.span(Window{s.Last, s.Plan.For}, last)
	for at := max(first, last-n); at >= first; at-- {
		got := goodShare(m.window(owners, Window{time.Duration(at) * w, time.Duration(min(at+n, last)) * w}))
		if got < recoveredShare*before { // not so for NaN: nobody asked
			if at >= last-n {
				return (s.Plan.For - s.Last).Seconds()
			}
			return max(0, (time.Duration(at+1)*w - s.Last).Seconds())
		}
	}
	return 0
}

func goodShare(w *sim.Window) float64 { return ratio(float64(w.Good), float64(w.First)) }
