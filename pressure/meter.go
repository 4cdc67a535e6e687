package pressure

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// meterMemory is the time constant with which a Meter forgets: short enough to
// follow a spike, long enough that 100 per second are known to about 5 %.
const meterMemory = 2 * time.Second

// A Meter estimates how much work finishes per second, and how much of it
// failed, from counts that decay exponentially with a time constant of 2 s. The
// zero Meter has seen nothing and is ready to use.
type Meter struct {
	at               mono.Time // of the counts; meaningless while finished is 0
	finished, failed float64
}

// Count adds one unit of work that has finished.
func (m *Meter) Count(now mono.Time, failed bool) {
	if failed {
		m.Add(now, 1, 1)
	} else {
		m.Add(now, 1, 0)
	}
}

// Add adds work that has finished, and how much of it failed: positive numbers, and
// 0.
func (m *Meter) Add(now mono.Time, finished, failed float64) {
	if m.finished == 0 {
		m.at = now // the first
	}
	keep := m.decay(now)
	m.finished = m.finished*keep + finished
	m.failed = m.failed*keep + failed
	m.at = max(m.at, now)
}

// Rates returns the estimates; [Load] has places for them.
func (m *Meter) Rates(now mono.Time) (rps, eps float64) {
	perSecond := m.decay(now) / meterMemory.Seconds()
	return m.finished * perSecond, m.failed * perSecond
}

// decay is the share of the counts that is left at now. An instant before the
// latest counts as the latest.
func (m *Meter) decay(now mono.Time) float64 {
	return math.Exp(-max(0, now.Sub(m.at).Seconds()) / meterMemory.Seconds())
}
