package rival_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/rival"
)

// All tokens are spent in the end: whatever the price, what requests carry is
// what the purse got. So a price of p lets through about tokens per second over p.
func TestPurseSpends(t *testing.T) {
	for _, price := range []int64{0, 10, 100, 1000} {
		p := rival.NewPurse(20_000, rand.New(rand.NewPCG(1, 2)))
		p.Heard(price)
		const asked, length = 100_000, 100 * time.Second
		spent, sent := int64(0), 0
		for i := range asked {
			tokens, ok := p.Draw(mono.Time(i) * mono.Time(length/asked))
			if ok {
				spent, sent = spent+tokens, sent+1
			}
			if ok && tokens < price || !ok && tokens != 0 {
				t.Fatalf("price %d: %d tokens, %v", price, tokens, ok)
			}
		}
		if want := 20_000 * length.Seconds(); math.Abs(float64(spent)-want) > 0.02*want {
			t.Errorf("price %d: %d tokens spent; want about %.0f", price, spent, want)
		}
		if price == 0 && sent != asked {
			t.Errorf("%d of %d sent for nothing", sent, asked)
		}
		if most := 20_000 * length.Seconds() / float64(max(price, 1)); float64(sent) > 1.02*most {
			t.Errorf("price %d: %d sent; %.0f can pay", price, sent, most)
		}
	}
}

// What is held back costs nothing, and a purse never gives what it has not.
func purseNeverOwes(t *rapid.T) {
	rate := rapid.Float64Range(1, 1e6).Draw(t, "tokens per second")
	seed := rapid.Uint64().Draw(t, "seed")
	p := rival.NewPurse(rate, rand.New(rand.NewPCG(seed, 0)))
	now, spent := mono.Time(0), int64(0)
	for range rapid.IntRange(1, 50).Draw(t, "draws") {
		p.Heard(rapid.Int64Range(0, 1000).Draw(t, "price"))
		now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "passed")))
		tokens, _ := p.Draw(now)
		spent += tokens
	}
	// Ten standard deviations of the number of refills.
	refills := now.Sub(0).Seconds() * rate / rival.PurseRefill
	if most := rival.PurseRefill * (refills + 10*math.Sqrt(refills) + 20); float64(spent) > most {
		t.Fatalf("%d tokens spent of about %.0f", spent, rival.PurseRefill*refills)
	}
}

func TestPurseNeverOwes(t *testing.T) { rapid.Check(t, purseNeverOwes) }
func FuzzPurseNeverOwes(f *testing.F) { f.Fuzz(rapid.MakeFuzz(purseNeverOwes)) }
