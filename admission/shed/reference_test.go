package shed_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/shed"
	"github.com/penstock-go/penstock/mono"
)

// A reference remembers every offer and every end of work with its instant.
type reference struct {
	offered  []event
	finished []event
}

type event struct {
	at   mono.Time // the step after which it was counted
	rank penstock.Rank
	cost float64
}

// weight is what is left of an event a quarter of a second's memory later.
func (e event) weight(now mono.Time) float64 { return e.cost * math.Exp(-now.Sub(e.at).Seconds()/0.25) }

// sums returns what was offered in all, above a price, at and above it, and twice
// what finished.
func (r *reference) sums(now mono.Time, p penstock.Price) (all, above, at, room float64) {
	for _, e := range r.offered {
		w := e.weight(now)
		all += w
		if penstock.Price(e.rank) > p {
			above += w
		}
		if p.Admits(e.rank) {
			at += w
		}
	}
	for _, e := range r.finished {
		room += 2 * e.weight(now)
	}
	return all, above, at, room
}

// The price against the whole history, step by step: what lies above it fits, and
// with what lies at it there is more than fits; 0 exactly where all fits or
// nothing is refused in a sustained way.
func priceAgainstHistory(t *rapid.T) {
	var p shed.Pricer
	var ref reference
	now := mono.Time(rapid.Int64Range(-1e12, 1e12).Draw(t, "origin"))
	p.Step(now, false)
	ranks := rapid.OneOf(rapid.Uint16Range(0, 1023), rapid.SampledFrom([]uint16{0, 127, 128, 255, 256, 511, 1023}))
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		for range rapid.IntRange(0, 30).Draw(t, "offers") {
			e := event{now, penstock.Rank(ranks.Draw(t, "rank")), rapid.Float64Range(0.5, 1000).Draw(t, "cost")}
			p.Offered(e.rank, e.cost)
			ref.offered = append(ref.offered, e)
		}
		for range rapid.IntRange(0, 10).Draw(t, "ends") {
			e := event{at: now, cost: rapid.Float64Range(0.5, 1000).Draw(t, "cost")}
			p.Finished(e.cost)
			ref.finished = append(ref.finished, e)
		}
		now = now.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "passed")))
		refusing := rapid.IntRange(0, 4).Draw(t, "refusing") > 0
		price := p.Step(now, refusing)
		all, above, at, room := ref.sums(now, price)
		slack := 1e-9 * (all + room)
		switch {
		case !refusing && price != 0:
			t.Fatalf("price %d though nothing is refused", price)
		case price == 0 && refusing && above > room+slack:
			t.Fatalf("no price, and %g above rank 0 for a room of %g", above, room)
		case price > 0 && (above > room+slack || at < room-slack):
			t.Fatalf("price %d: %g above it and %g at and above it, for a room of %g", price, above, at, room)
		}
	}
}

func TestPriceAgainstHistory(t *testing.T) { rapid.Check(t, priceAgainstHistory) }
func FuzzPriceAgainstHistory(f *testing.F) { f.Fuzz(rapid.MakeFuzz(priceAgainstHistory)) }

// 128 cohorts let the price refuse a share of one criticality: of a class that
// asks for k times what finishes, about 2/k stays, to within one cohort, and
// always the same cohorts.
func TestPriceCutsInsideAClass(t *testing.T) {
	for _, k := range []float64{2.5, 4, 10, 50} {
		var p shed.Pricer
		const each = 100
		for c := range 128 {
			w := penstock.Work{Criticality: penstock.SheddablePlus, Cohort: penstock.CohortAt(uint64(c))}
			p.Offered(w.Rank(), each)
		}
		p.Finished(128 * each / k)
		price := p.Step(0, true)
		in := 0
		for c := range 128 {
			w := penstock.Work{Criticality: penstock.SheddablePlus, Cohort: penstock.CohortAt(uint64(c))}
			if price.Admits(w.Rank()) {
				in++
			}
			w.Attempt = 2
			if price.Admits(w.Rank()) {
				t.Errorf("%gx: a retry of cohort %d is let in while first attempts are refused", k, c)
			}
		}
		if want := 2 / k * 128; math.Abs(float64(in)-want) > 1 {
			t.Errorf("%gx: %d of 128 cohorts are let in, want about %.1f", k, in, want)
		}
		higher := penstock.Work{Criticality: penstock.Critical, Attempt: 9, Cohort: penstock.CohortAt(127)}
		if !price.Admits(higher.Rank()) {
			t.Errorf("%gx: a higher criticality is refused", k)
		}
	}
}
