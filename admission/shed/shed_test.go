package shed_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/shed"
	"github.com/penstock-go/penstock/mono"
)

func TestNoPriceWithoutRefusals(t *testing.T) {
	var p shed.Pricer
	for range 1000 {
		p.Offered(5, 1)
	}
	if p.Price() != 0 || p.Step(0, false) != 0 {
		t.Errorf("price %d though nothing is refused in a sustained way", p.Price())
	}
	if p.Step(1, true) == 0 {
		t.Error("no price though nothing finishes and all is refused")
	}
	if p.Step(2, false) != 0 {
		t.Error("the price outlives the refusals")
	}
}

// The price lets through about twice what finishes, from the top.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		name     string
		offered  map[penstock.Rank]float64
		finished float64
		want     penstock.Price
	}{
		{"all fits", map[penstock.Rank]float64{100: 10, 900: 10}, 10, 0},
		{"the lower half does not", map[penstock.Rank]float64{100: 100, 900: 10}, 10, 100},
		{"the upper half alone is too much", map[penstock.Rank]float64{100: 100, 900: 30}, 10, 900},
		{"some rank always gets in", map[penstock.Rank]float64{700: 1000}, 0, 700},
		{"the top rank", map[penstock.Rank]float64{penstock.MaxRank: 1000, 3: 1000}, 10, penstock.Price(penstock.MaxRank)},
		{"beyond the top counts as the top", map[penstock.Rank]float64{5000: 1000}, 10, penstock.Price(penstock.MaxRank)},
		{"rank 0", map[penstock.Rank]float64{0: 1000}, 10, 0},
		{"exactly twice", map[penstock.Rank]float64{4: 20}, 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p shed.Pricer
			for r, n := range c.offered {
				p.Offered(r, n)
			}
			p.Finished(c.finished)
			if got := p.Step(0, true); got != c.want || p.Price() != c.want {
				t.Errorf("price %d (%d), want %d", got, p.Price(), c.want)
			}
		})
	}
}

// What happened a second ago counts for little: memory is 250 ms.
func TestForgets(t *testing.T) {
	var p shed.Pricer
	p.Step(0, true)
	p.Offered(1000, 1000)
	p.Finished(100)
	perSecond := p.FinishedPerSecond()
	if perSecond != 400 {
		t.Errorf("%g per second, want 100 in 250 ms", perSecond)
	}
	for now := mono.Time(0); now <= mono.Time(time.Second); now = now.Add(10 * time.Millisecond) {
		p.Step(now, true)
	}
	if got, want := p.FinishedPerSecond(), perSecond*math.Exp(-4); math.Abs(got-want) > 1e-6*want {
		t.Errorf("%g per second after a second, want %g", got, want)
	}
	// A flood of lower rank now meets the price of its own class.
	p.Offered(10, 100)
	p.Finished(30)
	if got := p.Step(mono.Time(time.Second), true); got != 10 {
		t.Errorf("price %d, want 10", got)
	}
}

// However long it runs, and however long nothing happens, the cut is that of what
// was offered of late.
func TestNeverLosesCount(t *testing.T) {
	var p shed.Pricer
	now := mono.Time(0)
	for _, gap := range []time.Duration{10 * time.Millisecond, 3 * time.Second, 10 * time.Millisecond} {
		now = now.Add(time.Hour)
		p.Step(now, true)
		for range 10_000 { // far beyond the minute after which counts are weighed anew
			now = now.Add(gap)
			p.Offered(900, 1)
			p.Offered(100, 3)
			p.Finished(1)
			if got := p.Step(now, true); got != 100 {
				t.Fatalf("price %d at %v, want 100", got, time.Duration(now))
			}
		}
	}
}

// The price against a plain count: the work above it fits, and with the work at
// it there would be more than fits.
func priceAgainstCount(t *rapid.T) {
	var p shed.Pricer
	offered := rapid.MapOf(rapid.Uint16Range(0, uint16(penstock.MaxRank)), rapid.IntRange(1, 50)).Draw(t, "offered")
	total := 0
	for r, n := range offered {
		for range n {
			p.Offered(penstock.Rank(r), 1)
		}
		total += n
	}
	finished := rapid.IntRange(0, 200).Draw(t, "finished")
	p.Finished(float64(finished))
	price := p.Step(mono.Time(rapid.Int64().Draw(t, "now")), true)
	above, atOrAbove := 0, 0
	for r, n := range offered {
		if penstock.Price(r) > price {
			above += n
		}
		if price.Admits(penstock.Rank(r)) {
			atOrAbove += n
		}
	}
	switch {
	case total <= 2*finished:
		if price != 0 {
			t.Fatalf("price %d though all %d fit twice %d", price, total, finished)
		}
	case above > 2*finished || atOrAbove <= 2*finished:
		t.Fatalf("price %d lets %d in, %d above it, for twice %d", price, atOrAbove, above, finished)
	}
}

func TestPriceAgainstCount(t *testing.T) { rapid.Check(t, priceAgainstCount) }

func FuzzPriceAgainstCount(f *testing.F) { f.Fuzz(rapid.MakeFuzz(priceAgainstCount)) }

func TestAllocatesNothing(t *testing.T) {
	var p shed.Pricer
	now := mono.Time(0)
	if n := testing.AllocsPerRun(100, func() {
		now += 1e7
		p.Offered(3, 1)
		p.Finished(1)
		p.Step(now, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStep(b *testing.B) {
	var p shed.Pricer
	now := mono.Time(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 1e7
		p.Offered(900, 10)
		p.Finished(1)
		p.Step(now, true)
	}
}

func ExamplePricer() {
	var p shed.Pricer
	rankOf := func(c penstock.Criticality) penstock.Rank {
		return (&penstock.Work{Criticality: c, Cohort: penstock.CohortAt(0)}).Rank()
	}
	batch, users := rankOf(penstock.Sheddable), rankOf(penstock.Critical)
	for range 100 {
		p.Offered(batch, 1)
	}
	for range 15 {
		p.Offered(users, 1)
	}
	for range 10 {
		p.Finished(1)
	}
	price := p.Step(0, true)
	fmt.Println(price.Admits(users), price.Admits(batch-1))
	// Output: true false
}
