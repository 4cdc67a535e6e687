package pressure_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

func TestMerge(t *testing.T) {
	own := pressure.Signal{Level: 0.5, Price: 300, Delay: 7 * ms, Retry: 50 * ms}
	for _, row := range []struct{ callee, want pressure.Signal }{
		{pressure.Signal{}, own},
		{pressure.Signal{Level: 0.9, Price: 100, Delay: time.Second}, pressure.Signal{Level: 0.9, Price: 300, Delay: 7 * ms, Retry: 50 * ms}},
		{pressure.Signal{Level: 0.1, Price: 1000, Retry: time.Second}, pressure.Signal{Level: 0.5, Price: 1000, Delay: 7 * ms, Retry: time.Second}},
		{pressure.Signal{Level: math.NaN(), Price: 60000, Retry: -1}, pressure.Signal{Level: 0.5, Price: penstock.MaxPrice, Delay: 7 * ms, Retry: 50 * ms}},
	} {
		if got := pressure.Merge(own, row.callee); got != row.want {
			t.Errorf("%+v merged is %+v; want %+v", row.callee, got, row.want)
		}
	}
}

// Merging does not care in which order the callees were heard.
func mergeOrder(t *rapid.T) {
	a, b, c := drawSignal(t), drawSignal(t), drawSignal(t)
	x, y := pressure.Merge(pressure.Merge(a, b), c), pressure.Merge(pressure.Merge(a, c), b)
	if x != y || x != x.Clamp() {
		t.Fatalf("%+v, then %+v and %+v: %+v or %+v", a, b, c, x, y)
	}
}

func TestMergeOrder(t *testing.T) { rapid.Check(t, mergeOrder) }

func TestNews(t *testing.T) {
	var n pressure.News
	full := pressure.Signal{Level: 1, Price: 400, Delay: 10 * ms, Retry: 200 * ms}
	for _, row := range []struct {
		what         string
		at           time.Duration
		hear         *pressure.Signal
		level, price float64
		retry        time.Duration
		fresh        bool
	}{
		{what: "nothing heard"},
		{what: "the first counts in full", hear: &full, level: 1, price: 400, retry: 200 * ms, fresh: true},
		{what: "a time constant later most of it is new", at: 100 * ms, hear: &pressure.Signal{}, level: math.Exp(-1), price: 400 * math.Exp(-1), retry: 100 * ms, fresh: true},
		{what: "the clock jumps back: a little counts", at: -time.Hour, hear: &pressure.Signal{}, level: 0.99 * math.Exp(-1), price: 396 * math.Exp(-1), retry: 100 * ms, fresh: true},
		{what: "it is fresh for a second", at: 1100 * ms, level: 0.99 * math.Exp(-1), price: 396 * math.Exp(-1), fresh: true},
		{what: "then it fades", at: 2100 * ms, level: 0.99 * math.Exp(-2), price: 396 * math.Exp(-2)},
		{what: "until nothing is left", at: 11 * time.Second},
		{what: "and begins anew", at: time.Hour, hear: &full, level: 1, price: 400, retry: 200 * ms, fresh: true},
	} {
		now := mono.Time(0).Add(row.at)
		if row.hear != nil {
			n.Hear(now, *row.hear)
		}
		got := n.At(now)
		if math.Abs(got.Level-row.level) > 1e-9 || math.Abs(float64(got.Price)-row.price) > 0.5 || got.Retry != row.retry || n.Fresh(now) != row.fresh {
			t.Errorf("%s: %+v, fresh %v; want level %v, price %v, retry %v, fresh %v", row.what, got, n.Fresh(now), row.level, row.price, row.retry, row.fresh)
		}
	}
}

// TestNewsLast: the last word counts in full, whatever was said before, and fades
// as the average does.
func TestNewsLast(t *testing.T) {
	var n pressure.News
	full := pressure.Signal{Level: 1, Price: 400, Delay: 10 * ms, Retry: 200 * ms}
	idle := pressure.Signal{Level: 0.25}
	for _, row := range []struct {
		what string
		at   time.Duration
		hear *pressure.Signal
		want pressure.Signal
	}{
		{what: "nothing heard"},
		{what: "the first", hear: &idle, want: idle},
		{what: "the next", at: ms, hear: &full, want: full},
		{what: "and the next, with the wait that is left", at: 2 * ms, hear: &idle, want: pressure.Signal{Level: 0.25, Retry: 199 * ms}},
		{what: "it counts for a second", at: 1002 * ms, want: idle},
		{what: "then it fades", at: 2002 * ms, want: pressure.Signal{Level: 0.25 * math.Exp(-1)}},
		{what: "until nothing is left", at: 11 * time.Second},
	} {
		now := mono.Time(0).Add(row.at)
		if row.hear != nil {
			n.Hear(now, *row.hear)
		}
		got := n.Last(now)
		if math.Abs(got.Level-row.want.Level) > 1e-9 {
			t.Errorf("%s: level %v, want %v", row.what, got.Level, row.want.Level)
		}
		if got.Level = row.want.Level; got != row.want {
			t.Errorf("%s: %+v, want %+v", row.what, got, row.want)
		}
	}
}

// Whatever is heard at whatever instants, what is believed lies between what was
// heard and nothing, and ten seconds of silence end it.
func newsBounds(t *rapid.T) {
	var n pressure.News
	var most pressure.Signal
	latest := mono.Time(math.MinInt64 / 4)
	for range rapid.IntRange(1, 30).Draw(t, "signals") {
		now := mono.Time(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "now"))
		s := drawSignal(t).Clamp()
		n.Hear(now, s)
		latest = max(latest, now)
		most = pressure.Signal{
			Level: max(most.Level, s.Level), Price: max(most.Price, s.Price),
			Delay: max(most.Delay, s.Delay), Retry: max(most.Retry, s.Retry),
		}
		got := n.At(now)
		if got != got.Clamp() || got.Level > most.Level+1e-9 || got.Price > most.Price || got.Delay > most.Delay || got.Retry > most.Retry {
			t.Fatalf("at %v: %+v; the most ever heard is %+v", now, got, most)
		}
	}
	if got := n.At(latest.Add(11 * time.Second)); got != (pressure.Signal{}) {
		t.Fatalf("after silence: %+v", got)
	}
}

func TestNewsBounds(t *testing.T) { rapid.Check(t, newsBounds) }
func FuzzNewsBounds(f *testing.F) { f.Fuzz(rapid.MakeFuzz(newsBounds)) }

// TestLastAlongAPath: five hops that pass on what they heard last tell the first
// at once; averages of averages would be half a second late.
func TestLastAlongAPath(t *testing.T) {
	var hops [5]pressure.News
	tell := func(now mono.Time, s pressure.Signal) pressure.Signal {
		for i := range hops {
			hops[i].Hear(now, s)
			s = hops[i].Last(now)
		}
		return s
	}
	for at := time.Duration(0); at < time.Second; at += 10 * ms {
		tell(mono.Time(at), pressure.Signal{})
	}
	full := pressure.Signal{Level: 1, Price: 400, Delay: 10 * ms, Retry: 200 * ms}
	if got := tell(mono.Time(time.Second), full); got != full {
		t.Errorf("the first hears %+v; want %+v", got, full)
	}
	first := &hops[len(hops)-1]
	if got := first.At(mono.Time(time.Second)); got.Level > 0.2 {
		t.Errorf("it believes %+v at once", got)
	}
	tell(mono.Time(1100*ms), full)
	if got, want := first.At(mono.Time(1100*ms)).Level, 1-math.Exp(-1); got < want {
		t.Errorf("100 ms later it believes a level of %v; want %v at least", got, want)
	}
	if got, want := first.Last(mono.Time(3100*ms)).Level, math.Exp(-1); math.Abs(got-want) > 1e-9 {
		t.Errorf("after two seconds of silence it tells a level of %v; want %v", got, want)
	}
	if got := first.Last(mono.Time(time.Minute)); got != (pressure.Signal{}) {
		t.Errorf("after a minute it tells %+v", got)
	}
}
