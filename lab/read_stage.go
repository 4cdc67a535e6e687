package lab

import (
	"time"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/sim"
)

// A stageSpec is a stage as a file writes it.
type stageSpec struct {
	sim.Stage
	admission admissionSpec
	admitted  bool // admission is given
}

var uslKeys = table[sim.USL]{
	{"alpha", "what contention costs", "", number(func(u *sim.USL) *float64 { return &u.Alpha }, 0, 1)},
	{"beta", "what keeping consistent costs", "", number(func(u *sim.USL) *float64 { return &u.Beta }, 0, 1)},
}

var codelKeys = table[queue.CoDel]{
	{"target", "acceptable wait", "5ms", duration(func(c *queue.CoDel) *time.Duration { return &c.Target }, minTime, maxTime)},
	{
		"interval", "how long the wait must stay above", "100ms",
		duration(func(c *queue.CoDel) *time.Duration { return &c.Interval }, minTime, maxTime),
	},
}

var memoryKeys = table[sim.Memory]{
	{"max", "the memory limit: reaching it kills the process", "", bytes(func(m *sim.Memory) *float64 { return &m.Max })},
	{"base", "what always lives", "0B", bytes(func(m *sim.Memory) *float64 { return &m.Base })},
	{"held", "what each unit of work holds while it is inside", "0B", bytes(func(m *sim.Memory) *float64 { return &m.Bytes })},
	{"garbage", "what each unit of work allocates besides", "0B", bytes(func(m *sim.Memory) *float64 { return &m.Garbage })},
	{
		"mark_per_byte", "seconds of the machine's time that marking a byte takes", "1e-9",
		number(func(m *sim.Memory) *float64 { return &m.MarkPerByte }, 1e-12, 1e-3),
	},
	{
		"most_gc", "most of its time that the collector takes", "95%",
		share(func(m *sim.Memory) *float64 { return &m.MostGC }, 0.01, 0.99),
	},
}

// bytes reads a size into a float.
func bytes[T any](at func(*T) *float64) form[T] {
	var b int64
	f := size(func(*T) *int64 { return &b }, 0, 1<<50)
	f.read = func(v value, into *T) { *at(into) = float64(v.place.Size(0, 0, 1<<50)) }
	return f
}

var coldKeys = table[sim.Cold]{
	{"speed", "how fast it works at first", "", share(func(c *sim.Cold) *float64 { return &c.Speed }, 0.001, 0.999)},
	{"for", "how long until it is warm", "", duration(func(c *sim.Cold) *time.Duration { return &c.For }, minTime, maxTime)},
}

var healthKeys = table[sim.Health]{
	{"every", "time between probes", "", duration(func(h *sim.Health) *time.Duration { return &h.Every }, time.Millisecond, maxTime)},
	{"timeout", "when a probe counts as failed", "", duration(func(h *sim.Health) *time.Duration { return &h.Timeout }, time.Millisecond, maxTime)},
	{"fails", "failed probes in a row that take a machine out", "3", integer(func(h *sim.Health) *int { return &h.Fails }, 1, 1000)},
	{"passes", "good probes in a row that take it back", "1", integer(func(h *sim.Health) *int { return &h.Passes }, 1, 1000)},
	{"kill", "restart a machine that is taken out", "false", boolean(func(h *sim.Health) *bool { return &h.Kill })},
	{"max_out", "largest share of the machines that may be out", "100%", share(func(h *sim.Health) *float64 { return &h.MaxOut }, 0.001, 1)},
}

// queueLength reads a bound where 0 means none and negative means that nothing
// may wait.
func queueLength[T any](at func(*T) *int) form[T] {
	return orWord("unbounded", func(t *T) { *at(t) = 0 }, orWord("none", func(t *T) { *at(t) = -1 },
		integer(at, 1, sim.MaxQueue)))
}

var callKeys = joined(clientKeys(func(c *sim.Call) *sim.Client { return &c.Client }), table[sim.Call]{
	{"times", "calls of this kind that are made at once", "1", integer(func(c *sim.Call) *int { return &c.Times }, 1, sim.MaxParallel)},
	{"together", "made at the same time as the call before it in the list", "false", boolean(func(c *sim.Call) *bool { return &c.With })},
	{"optional", "the work goes on if the call fails: a partial result", "false", boolean(func(c *sim.Call) *bool { return &c.Optional })},
	{"share", "share of the work that makes the call", "100%", share(func(c *sim.Call) *float64 { return &c.Share }, 1e-6, 1)},
	{"frees", "the server does other work while the call lasts, instead of waiting", "false", boolean(func(c *sim.Call) *bool { return &c.Frees })},
})

const maxCalls = 32 // of one stage

var stageKeys = table[stageSpec]{
	{"machines", "processes, each with a queue and servers of its own", "1", integer(func(s *stageSpec) *int { return &s.Machines }, 1, sim.MaxMachines)},
	{"servers", "how much work each machine serves at once", "1", integer(func(s *stageSpec) *int { return &s.Machine.Servers }, 1, sim.MaxServers)},
	{"service", "time that one unit of work takes a server", "no time", law(func(s *stageSpec) *sim.ServiceLaw { return &s.Machine.Service })},
	{
		"order", "order in which a machine serves; sharing is all at once, each at its share of the speed", "fifo",
		word2(func(s *stageSpec, name string) { s.Machine.Order = orders[name] }, "fifo", "lifo", "priority", "fair", "sharing"),
	},
	{"queue", "how many may wait in a machine's own queue; more are refused", "unbounded", queueLength(func(s *stageSpec) *int { return &s.Machine.Queue })},
	{
		"codel", "drop from the head of a machine's queue, by RFC 8289", "none",
		optional(func(s *stageSpec) **queue.CoDel { return &s.Machine.CoDel }, "a mapping of target and interval, or {}", codelKeys),
	},
	{
		"usl", "servers slow each other down (universal scalability law); order is sharing", "they do not",
		optional(func(s *stageSpec) **sim.USL { return &s.Machine.USL }, "a mapping of alpha and beta", uslKeys),
	},
	{
		"memory", "the heap, under Go's collector", "unlimited",
		optional(func(s *stageSpec) **sim.Memory { return &s.Machine.Memory }, "a mapping such as {max: 256MiB, held: 1MiB}", memoryKeys),
	},
	{"dies_above", "a machine with more work than this inside dies", "never", integer(func(s *stageSpec) *int { return &s.Machine.DiesAbove }, 1, sim.MaxQueue)},
	{"restart", "how long a machine that died is down", "for ever", duration(func(s *stageSpec) *time.Duration { return &s.Machine.Restart }, minTime, maxTime)},
	{"cold", "how a machine works after its start", "warm at once", mappingOf(func(s *stageSpec) *sim.Cold { return &s.Machine.Cold }, coldKeys)},
	{
		"balance", "how work is spread over machines where admission does not", "round_robin",
		word2(func(s *stageSpec, name string) { s.Balance = balances[name] }, "round_robin", "random", "two_choices"),
	},
	{
		"health", "a watchdog that takes slow machines for dead ones", "none",
		optional(func(s *stageSpec) **sim.Health { return &s.Health }, "a mapping such as {every: 1s, timeout: 500ms}", healthKeys),
	},
	{"admission", "penstock's admission control, in front", "none: everything enters", admissionForm(func(s *stageSpec) *admissionSpec { return &s.admission })},
	{
		"rival", "somebody else's published overload control, in front of admission, for comparison; calls must not listen then, and rajomon needs a source with tokens",
		"none", rivalForm,
	},
	{"calls", "what the stage asks of others after its own service", "nothing", form[stageSpec]{
		"a list of 1 to 32 mappings such as {to: db}",
		object{"type": "array", "items": callKeys.jsonSchema(), "minItems": 1, "maxItems": maxCalls},
		func(v value, s *stageSpec) {
			for _, item := range v.items(maxCalls) {
				var c sim.Call
				callKeys.read(item, &c)
				s.Calls = append(s.Calls, c)
			}
		},
	}},
	{
		"abandoned", "what a machine does with work whose caller has left: wait goes on with it, cancel stops", "wait",
		word2(func(s *stageSpec, name string) { s.Stops = name == "cancel" }, "wait", "cancel"),
	},
}

var orders = map[string]sim.Order{"fifo": sim.FIFO, "lifo": sim.LIFO, "priority": sim.Priority, "fair": sim.Fair, "sharing": sim.Sharing}

var balances = map[string]sim.Balance{"round_robin": sim.RoundRobin, "random": sim.Random, "two_choices": sim.TwoChoices}

// readStage reads a stage and checks what its keys mean together.
func readStage(name string, v value) stageSpec {
	s := stageSpec{}
	s.Name = name
	stageKeys.read(v, &s)
	get := v.fields(stageKeys.names()...)
	if s.Machine.USL != nil && s.Machine.Order != sim.Sharing {
		get("usl").place.BadKey("usl with an order other than sharing", "order: sharing")
	}
	if cold := get("cold"); cold.present() && !get("restart").present() {
		cold.place.BadKey("cold without restart", "restart: the time that a machine is down")
	}
	if s.Machine.Memory != nil && s.Machine.Memory.Max > 0 && s.Machine.Memory.Base >= s.Machine.Memory.Max {
		get("memory").place.Bad("base is not below max", "base below max")
	}
	if s.admitted {
		if s.admission.law != "none" {
			s.Admit = new(s.admission.Admit)
		}
		if r := s.admission.rate; r.PerSecond > 0 {
			s.Rate = &r
		}
	}
	return s
}
