package limit_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

func TestNamed(t *testing.T) {
	for _, name := range limit.Names() {
		for _, most := range []float64{0, 1, 7.5, 1e6} {
			law := limit.Named(name, most)
			if name == "fixed" && most == 0 {
				if law != nil {
					t.Error("fixed without a number of slots")
				}
				continue
			}
			if law == nil {
				t.Errorf("%s, %g: none", name, most)
				continue
			}
			if got := law().Limit(); !(got >= 1) || most > 0 && got > most {
				t.Errorf("%s, %g: starts at %g", name, most, got)
			}
		}
		for _, most := range []float64{-1, 0.5, math.NaN()} {
			if limit.Named(name, most) != nil {
				t.Errorf("%s takes a bound of %g", name, most)
			}
		}
	}
	if limit.Named("bbr", 0) != nil || limit.Named("", 0) != nil {
		t.Error("an unknown name has a law")
	}
}

// Whatever a law is told, in whatever order, its limit is a number from 1 to its
// bound, and it has something to say.
func anyLawStaysInItsBounds(t *rapid.T) {
	most := rapid.Float64Range(1, 5000).Draw(t, "most")
	target := time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "target"))
	laws := map[string]limit.Law{"delay": limit.Delay(target, most)}
	for _, name := range limit.Names() {
		laws[name] = limit.Named(name, most)()
	}
	delay := rapid.OneOf(rapid.Int64Range(0, 1e9), rapid.Int64())
	for range rapid.IntRange(1, 60).Draw(t, "samples") {
		now := mono.Time(rapid.OneOf(rapid.Int64Range(0, 1e10), rapid.Int64()).Draw(t, "now"))
		s := limit.Sample{
			Started:         mono.Time(rapid.OneOf(rapid.Int64Range(0, 1e10), rapid.Int64()).Draw(t, "started")),
			InFlightAtStart: rapid.IntRange(0, 1<<20).Draw(t, "in flight"),
			QueueDelay:      time.Duration(delay.Draw(t, "delay")),
			HasDelay:        rapid.Bool().Draw(t, "reported"),
			Outcome:         rapid.SampledFrom([]penstock.Outcome{penstock.OK, penstock.Dropped, penstock.Ignored}).Draw(t, "outcome"),
			Late:            rapid.Bool().Draw(t, "late"),
			Cost:            1,
		}
		times := rapid.IntRange(1, 40).Draw(t, "times")
		for name, law := range laws {
			for range times {
				if starter, ok := law.(limit.Starter); ok {
					starter.Start(s.Started, max(1, s.InFlightAtStart))
				}
				law.Observe(now, s)
				if got := law.Limit(); !(got >= min(1, most/2) && got <= most) {
					t.Fatalf("%s: limit %g of %g after %+v at %d", name, got, most, s, now)
				}
			}
			if law.Explain() == "" {
				t.Fatalf("%s says nothing", name)
			}
		}
	}
}

func TestAnyLawStaysInItsBounds(t *testing.T) { rapid.Check(t, anyLawStaysInItsBounds) }
func FuzzAnyLawStaysInItsBounds(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anyLawStaysInItsBounds)) }
func BenchmarkObserve(b *testing.B) {
	for _, name := range []string{"auto", "aimd", "vegas", "gradient2", "delay"} {
		b.Run("law="+name, func(b *testing.B) {
			law := limit.Delay(0, 1000)
			if named := limit.Named(name, 1000); named != nil {
				law = named()
			}
			now := mono.Time(0)
			b.ReportAllocs()
			for b.Loop() {
				now += 1000
				law.Observe(now, limit.Sample{
					Started: now - 1e7, InFlightAtStart: 20, Outcome: penstock.OK, Cost: 1, HasDelay: true, QueueDelay: ms,
				})
			}
		})
	}
}
