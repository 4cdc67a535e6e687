package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-go/penstock"
)

// A collector makes metrics of a gateway's state. docs/metrics.md documents
// them. Labels are route names, backend addresses, reasons and criticalities:
// nothing that a stranger chooses.
type collector struct{ g *Gateway }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("penstock_"+name, help, labels, nil)
}

var (
	descOffered     = describe("offered_total", "Work that asked to enter.")
	descAdmitted    = describe("admitted_total", "Work that entered a gate.")
	descLeft        = describe("left_total", "Work that gave up while it waited.")
	descRefused     = describe("refused_total", "Work refused by the controller.", "reason", "criticality")
	descWouldRefuse = describe("would_refuse_total", "Work that observe mode would have refused.", "reason", "criticality")
	descExplored    = describe("explored_total", "Work admitted to test an estimate that says no.")
	descFinished    = describe("finished_total", "Work that ended, by result: good, wasted, dropped, ignored.", "result")
	descStale       = describe("stale_done_total", "Permits returned twice: bugs.")
	descInFlight    = describe("in_flight", "Slots taken, zombies included.")
	descZombies     = describe("zombies", "Slots taken for clients that have left.")
	descWaiting     = describe("waiting", "Work in the waiting rooms.")
	descLimit       = describe("limit", "Slots, summed over the gates.")
	descLevel       = describe("level", "How full, 0 to 1.")
	descPrice       = describe("price", "Lowest rank admitted, 0 to 1024.")
	descSojourn     = describe("sojourn_seconds", "Time waited by admitted work, over the last seconds.", "quantile")
	descService     = describe("service_seconds", "Time from entering a gate to the answer, over the last seconds.", "quantile")
	descLittle      = describe("little", "Both sides of Little's law and their gap: l, lambda, w, gap.", "term")

	descGateLimit    = describe("gate_limit", "Slots of a backend.", "backend")
	descGateInFlight = describe("gate_in_flight", "Slots of a backend that are taken.", "backend")
	descGateZombies  = describe("gate_zombies", "Slots of a backend taken for clients that have left.", "backend")
	descGateAdmitted = describe("gate_admitted_total", "Work that entered a backend's gate.", "backend")
	descGateGood     = describe("gate_good_total", "Work that a backend finished in time.", "backend")
	descGateDropped  = describe("gate_dropped_total", "Work that a backend lost to load.", "backend")
	descGateService  = describe("gate_service_seconds", "Time from entering a backend's gate to the answer, over the last seconds.", "backend", "quantile")
	descGateFailing  = describe("gate_failing", "1 while a backend's last exchange failed without an answer.", "backend")
	descGateFaults   = describe("gate_faults_total", "Exchanges with a backend that failed without an answer.", "backend")

	descRequests     = describe("gateway_requests_total", "Requests by route.", "route")
	descRouteRefused = describe("gateway_refused_total", "Requests refused by route, rate limits included.", "route", "reason")
	descRouteWould   = describe("gateway_would_refuse_total", "Requests that a rate or the bound on streams would have refused, but for observe mode.", "route", "reason")
	descAnswers      = describe("gateway_answers_total", "Answers by route and class of status.", "route", "class")
	descFaults       = describe("gateway_faults_total", "Requests that failed otherwise than by a refusal.", "kind")
	descConns        = describe("gateway_connections", "Connections open at the front.")
	descMaxConns     = describe("gateway_connections_max", "Connections beyond which accepting stops.")
	descStopped      = describe("gateway_accept_stopped_total", "How often accepting stopped at the bound on connections.")
	descInHand       = describe("gateway_in_hand", "Requests with a handler, streams apart.")
	descStreams      = describe("gateway_streams", "Upgrades, event streams and streaming calls.")
	descMaxStreams   = describe("gateway_streams_max", "Streams beyond which more are refused.")
	descReady        = describe("gateway_ready", "1 while the gateway serves and does not drain.")
	descObserve      = describe("gateway_observe", "1 in observe mode.")
	descReloads      = describe("gateway_reloads_total", "Configurations taken since the start.")
	descWritten      = describe("gateway_recorded_total", "Requests written to the recording.")
	descLost         = describe("gateway_recording_dropped_total", "Requests that the recording was too slow for.")
	descBuild        = describe("build_info", "1, with the version.", "version", "go")
)

// Describe implements [prometheus.Collector]. It sends nothing: what routes and
// backends there are is known when they are collected.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.g.State()
	m := emitter{out}
	m.controller(&s.Stats)
	for i := range s.Stats.Gates {
		m.gate(&s.Stats.Gates[i])
	}
	for _, be := range s.Backends {
		m.gauge(descGateFailing, flag(be.Failing), be.Backend)
		m.count(descGateFaults, be.Faults, be.Backend)
	}
	for _, r := range s.Routes {
		m.route(r)
	}
	m.gateway(&s)
	for f := range faults {
		m.count(descFaults, s.Faults[f.String()], f.String())
	}
}

type emitter struct{ out chan<- prometheus.Metric }

func (m emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m emitter) count(d *prometheus.Desc, n uint64, labels ...string) {
	m.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (m emitter) quantiles(d *prometheus.Desc, q penstock.Quantiles, labels ...string) {
	m.gauge(d, q.P50.Seconds(), append(labels, "0.5")...)
	m.gauge(d, q.P90.Seconds(), append(labels, "0.9")...)
	m.gauge(d, q.P99.Seconds(), append(labels, "0.99")...)
}

func (m emitter) controller(s *penstock.Stats) {
	m.count(descOffered, s.Offered)
	m.count(descAdmitted, s.Admitted)
	m.count(descLeft, s.Left)
	m.refusals(descRefused, &s.Refused)
	m.refusals(descWouldRefuse, &s.WouldRefuse)
	m.count(descExplored, s.Explored)
	m.count(descFinished, s.Good, "good")
	m.count(descFinished, s.Wasted, "wasted")
	m.count(descFinished, s.Dropped, "dropped")
	m.count(descFinished, s.Ignored, "ignored")
	m.count(descStale, s.StaleDone)
	m.gauge(descInFlight, float64(s.InFlight))
	m.gauge(descZombies, float64(s.Zombies))
	m.gauge(descWaiting, float64(s.Waiting))
	m.gauge(descLimit, s.Limit)
	m.gauge(descLevel, s.Level)
	m.gauge(descPrice, float64(s.Price))
	m.quantiles(descSojourn, s.Sojourn)
	m.quantiles(descService, s.Service)
	m.gauge(descLittle, s.Little.L, "l")
	m.gauge(descLittle, s.Little.Lambda, "lambda")
	m.gauge(descLittle, s.Little.W, "w")
	m.gauge(descLittle, s.Little.Gap, "gap")
}

// refusals sends every reason and criticality, so that a rate over them exists
// before the first refusal.
func (m emitter) refusals(d *prometheus.Desc, counts *penstock.RefusedCounts) {
	for r := penstock.ReasonLimit; r < penstock.Reasons; r++ {
		for k := penstock.Sheddable; k <= penstock.CriticalPlus; k++ {
			m.count(d, counts[r][k], r.String(), k.String())
		}
	}
}

func (m emitter) gate(g *penstock.GateStats) {
	m.gauge(descGateLimit, g.Limit, g.Name)
	m.gauge(descGateInFlight, float64(g.InFlight), g.Name)
	m.gauge(descGateZombies, float64(g.Zombies), g.Name)
	m.count(descGateAdmitted, g.Admitted, g.Name)
	m.count(descGateGood, g.Good, g.Name)
	m.count(descGateDropped, g.Dropped, g.Name)
	m.quantiles(descGateService, g.Service, g.Name)
}

func (m emitter) route(r RouteState) {
	m.count(descRequests, r.Requests, r.Route)
	for reason := penstock.ReasonLimit; reason < penstock.Reasons; reason++ {
		m.count(descRouteRefused, r.Refused[reason.String()], r.Route, reason.String())
	}
	for _, reason := range []penstock.Reason{penstock.ReasonLimit, penstock.ReasonRate} {
		m.count(descRouteWould, r.WouldRefuse[reason.String()], r.Route, reason.String())
	}
	for _, class := range answerClasses[1:] {
		m.count(descAnswers, r.Answers[class], r.Route, class)
	}
}

func (m emitter) gateway(s *State) {
	m.gauge(descConns, float64(s.Front.Connections))
	m.gauge(descMaxConns, float64(s.Front.MaxConnections))
	m.count(descStopped, s.Front.AcceptStopped)
	m.gauge(descInHand, float64(s.Front.InHand))
	m.gauge(descStreams, float64(s.Front.Streams))
	m.gauge(descMaxStreams, float64(s.Front.MaxStreams))
	m.gauge(descReady, flag(s.Ready))
	m.gauge(descObserve, flag(s.Observe))
	m.count(descReloads, s.Reloads)
	m.gauge(descBuild, 1, s.Build.Version, s.Build.Go)
	if s.Recording != nil {
		m.count(descWritten, s.Recording.Written)
		m.count(descLost, s.Recording.Dropped)
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
