package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/penstock-go/penstock/examples/shop/services"
)

// A view shows the services as they are, and what they did since the last frame.
type view struct {
	all  []*services.Protected // front first
	at   time.Time
	last map[string]counts
}

type counts struct{ good, refused, door uint64 }

func newView(all []*services.Protected) *view {
	return &view{all: all, at: time.Now(), last: map[string]counts{}}
}

// count reads a service's counters.
func count(v *services.Protected) counts {
	if v.Ctl == nil {
		return counts{}
	}
	s := v.Ctl.Stats()
	door := v.Door.Stats()
	return counts{s.Good, s.Refused.Total(), door.Refused.Total()}
}

// frame is one picture: a line for each service, front first.
func (v *view) frame(now time.Time) string {
	seconds := max(now.Sub(v.at).Seconds(), 1e-3)
	v.at = now
	var b strings.Builder
	b.WriteString("\n            pressure               limit  in flight  away   good/s  refused/s  at its door/s\n")
	for _, s := range v.all {
		if s.Ctl == nil {
			fmt.Fprintf(&b, "  %-9s not protected: it says nothing\n", s.Name)
			continue
		}
		c, st := count(s), s.Ctl.Stats()
		was := v.last[s.Name]
		v.last[s.Name] = c
		level := max(st.Level, s.Door.Fullest().Level) // its own, or that of a callee
		bar := strings.Repeat("#", int(level*20+0.5))
		fmt.Fprintf(&b, "  %-9s %-20s %4.2f %6.1f %6d %8d %8.0f %9.0f %11.0f\n", s.Name, bar, level, st.Limit, st.InFlight, st.Gates[0].Away,
			float64(c.good-was.good)/seconds, float64(c.refused-was.refused)/seconds, float64(c.door-was.door)/seconds)
	}
	return b.String()
}
