package lab

import (
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim"
)

// check reports parts that name others which are not there, and calls that go
// round in circles.
func (b *builder) check() {
	b.eachClient("", func(c *sim.Client, path string) {
		if kind, ok := b.find(c.To); c.To != "" && (!ok || kind&(aStage|aCache|aLine) == 0) {
			b.bad(path+".to", unknownPart("stage", c.To, b.namesOf(aStage|aCache|aLine)), "")
		}
		if kind, ok := b.find(c.Link); c.Link != "" && (!ok || kind != aLink) {
			b.bad(path+".link", unknownPart("link", c.Link, b.namesOf(aLink)), "")
		}
		if c.Deadline > 0 && c.Timeout > 0 && c.Timeout > c.Deadline && c.Timeout != maxTime {
			b.bad(path+".timeout", "the caller waits beyond its deadline", "at most the deadline")
		}
	})
	for _, r := range b.Plan.Reservoirs {
		if kind, ok := b.find(r.To); r.To != "" && (!ok || kind != aReservoir || r.To == r.Name) {
			b.bad("reservoirs."+r.Name+".below", unknownPart("reservoir below", r.To, b.namesOf(aReservoir)), "")
		}
	}
	if len(b.Plan.Sources)+len(b.Plan.Lines)+len(b.Plan.Bottlenecks)+len(b.Plan.Reservoirs) == 0 {
		b.bad("stages", "nothing ever asks for anything", "at least one source, line, bottleneck or reservoir")
	}
	b.checkCycles()
}

// A hop is one way from a part to another, with how much work takes it.
type hop struct {
	from, to string
	mean     float64 // calls for each unit of work
	path     string
}

// The bounds on looking for circles: work that is not down to a billionth after
// so many hops counts as endless.
const (
	maxHops  = 2000
	workLeft = 1e-9
)

// checkCycles reports calls that lead back to where they came from and bring as
// much work as they took, or more: such work would never end.
func (b *builder) checkCycles() {
	var hops []hop
	for _, s := range b.Plan.Stages {
		for i, c := range s.Calls {
			part := c.Share
			if part == 0 {
				part = 1
			}
			hops = append(hops, hop{s.Name, c.To, part * float64(max(1, c.Times)), fmt.Sprintf("stages.%s.calls[%d].to", s.Name, i)})
		}
	}
	for _, c := range b.Plan.Caches {
		hops = append(hops, hop{c.Name, c.To, 1, "caches." + c.Name + ".to"})
	}
	work := endless(hops)
	for _, h := range hops {
		if work[h.from] == 0 {
			continue
		}
		if way := wayBack(h, hops); way != nil {
			b.bad(h.path, "the calls go round in circles without an end: "+strings.Join(way, " -> "), "a share below 100% on the way round")
			return
		}
	}
}

// endless lets a unit of work into every part and follows the calls. It returns
// what is still there after very many: nothing, unless calls go round.
func endless(hops []hop) map[string]float64 {
	work := map[string]float64{}
	for _, h := range hops {
		work[h.from] = 1
	}
	for range maxHops {
		next, most := map[string]float64{}, 0.0
		for _, h := range hops {
			next[h.to] = min(next[h.to]+work[h.from]*h.mean, 1/workLeft)
			most = max(most, next[h.to])
		}
		if most < workLeft {
			return nil
		}
		work = next
	}
	return work
}

// wayBack is the shortest way along the hops that begins with h and ends where
// it began; nil if there is none.
func wayBack(h hop, hops []hop) []string {
	before := map[string]string{h.to: h.from}
	for next := []string{h.to}; len(next) > 0; next = next[1:] {
		at := next[0]
		if at == h.from {
			way := []string{at}
			for p := before[at]; ; p = before[p] {
				way = append([]string{p}, way...)
				if p == h.from {
					return way
				}
			}
		}
		for _, o := range hops {
			if _, seen := before[o.to]; o.from == at && !seen {
				before[o.to] = at
				next = append(next, o.to)
			}
		}
	}
	return nil
}

// simulatorCheck reports what the simulator does not like and nobody above has
// found. anywhere is the place of what has none.
func (b *builder) simulatorCheck(anywhere config.Node) {
	_, err := sim.New(b.Plan)
	for _, p := range problemsIn(err) {
		path := strings.ReplaceAll(p.Path, ".machine.", ".")
		placed := false
		for at := path; at != "" && !placed; at = parentOf(at) {
			if n, ok := b.places[at]; ok {
				n.Bad(p.What, "")
				placed = true
			}
		}
		if !placed {
			anywhere.Bad(p.Error(), "")
		}
	}
}

// problemsIn takes a joined error apart.
func problemsIn(err error) []*sim.Problem {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*sim.Problem
		for _, e := range many.Unwrap() {
			out = append(out, problemsIn(e)...)
		}
		return out
	}
	if p, ok := errors.AsType[*sim.Problem](err); ok {
		return []*sim.Problem{p}
	}
	return []*sim.Problem{{Path: "stages", What: err.Error()}}
}
