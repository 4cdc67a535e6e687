package sim

import (
	"math/rand/v2"

	"github.com/penstock-go/penstock/admission/balance"
	"github.com/penstock-go/penstock/mono"
)

// balancer chooses a machine where no controller does.
type balancer struct {
	stage *stage
	rng   *rand.Rand
	turn  int
}

// pick returns a machine that is not taken out; nil if all are. It does not know
// which are down: it finds out by trying.
func (b *balancer) pick() *machine {
	ms := b.stage.machines
	if len(ms) == 1 {
		if ms[0].out {
			return nil
		}
		return ms[0]
	}
	i := -1
	switch b.stage.cfg.Balance {
	case TwoChoices:
		i = balance.PowerOfTwo(b.rng.Uint64(), len(ms), b.load)
	case Random:
		i = b.open(b.rng.IntN(len(ms)))
	case RoundRobin:
		if i = b.open(b.turn); i >= 0 {
			b.turn = (i + 1) % len(ms)
		}
	}
	if i < 0 {
		return nil
	}
	return ms[i]
}

func (b *balancer) load(i int) (load float64, open bool) {
	m := b.stage.machines[i]
	return float64(m.inside), !m.out
}

// open returns the first machine from i on that is not taken out.
func (b *balancer) open(i int) int {
	n := len(b.stage.machines)
	for k := range n {
		if j := (i + k) % n; !b.stage.machines[j].out {
			return j
		}
	}
	return -1
}

// probeBit marks a probe among a machine's jobs.
const probeBit = 1 << 63

// pulse is what a watchdog knows of a machine.
type pulse struct {
	sent     uint64 // probes
	answered uint64 // the latest that was answered
	fails    int
	passes   int
}

// watchdog sends probes to machines and takes those out that do not answer in
// time: see [Health].
type watchdog struct {
	stage         *stage
	cfg           Health
	fails, passes int
	out           int
	most          int
}

// The two events of a probe.
const (
	probeSend uint64 = iota
	probeCheck
)

func newWatchdog(s *stage) *watchdog {
	w := &watchdog{stage: s, cfg: *s.cfg.Health, most: len(s.machines)}
	w.fails, w.passes = max(1, w.cfg.Fails), max(1, w.cfg.Passes)
	if w.cfg.Fails == 0 {
		w.fails = 3
	}
	if w.cfg.MaxOut > 0 {
		w.most = int(w.cfg.MaxOut * float64(len(s.machines)))
	}
	s.world.loop.At(mono.Time(w.cfg.Every), w, probeSend)
	return w
}

// Fire sends a probe to every machine, or looks whether it was answered.
func (w *watchdog) Fire(now mono.Time, what uint64) {
	if what == probeCheck {
		for _, m := range w.stage.machines {
			w.check(now, m)
		}
		return
	}
	for _, m := range w.stage.machines {
		m.sent++
		if !m.down {
			m.engine.Submit(now, probeBit|m.sent)
		}
	}
	w.stage.world.loop.At(now.Add(w.cfg.Timeout), w, probeCheck)
	w.stage.world.loop.At(now.Add(w.cfg.Every), w, probeSend)
}

// check looks at the latest probe that is old enough.
func (w *watchdog) check(now mono.Time, m *machine) {
	// Probes are answered in order of sending. Of those still within their time,
	// Timeout/Every were sent after the one looked at.
	due := m.sent - min(m.sent, uint64((w.cfg.Timeout-1)/w.cfg.Every))
	if m.answered >= due {
		m.passes, m.fails = m.passes+1, 0
	} else {
		m.fails, m.passes = m.fails+1, 0
	}
	switch {
	case !m.out && m.fails >= w.fails && w.out < w.most:
		w.out++
		m.out = true
		if w.cfg.Kill {
			m.die(now)
		}
	case m.out && m.passes >= w.passes:
		w.out--
		m.out = false
	default:
		return
	}
	if s := w.stage; s.adm != nil && w.out < len(s.machines) {
		if err := s.adm.use(now, func(i int) bool { return s.machines[i].out }); err != nil {
			s.world.stop(err.Error())
		}
	}
}
