package rival

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The refill of a [Purse] in the authors' experiments (service-app, client): 10
// tokens at a time, at the instants of a Poisson process of 200 a second.
const (
	PurseRefill = 10
	PurseRate   = 2000.0 // tokens per second

	// maxTokens bounds a purse that nobody draws from.
	maxTokens = 1 << 40
)

// A Purse is the client of services that a [Rajomon] prices: it gets tokens at a
// constant mean rate, gives each request a number of them that is drawn evenly
// from 0 up to what it has, and holds back a request whose number is below the
// price that it was told last; that one costs nothing.
//
// Source: the paper's section 4; tokenRefillDist "poisson" and tokenStrategy
// "uniform" of the authors' library, without waiting.
type Purse struct {
	every float64 // mean time between refills, nanoseconds
	rng   *rand.Rand
	next  mono.Time
	begun bool
	left  int64
	price int64
}

// NewPurse returns an empty purse that gets so many tokens per second; 0 or less
// means [PurseRate].
func NewPurse(perSecond float64, rng *rand.Rand) *Purse {
	if !(perSecond > 0) {
		perSecond = PurseRate
	}
	return &Purse{every: PurseRefill / perSecond * float64(time.Second), rng: rng}
}

// Draw gives a request its tokens; ok is false where it is to be held back.
func (p *Purse) Draw(now mono.Time) (tokens int64, ok bool) {
	p.refill(now)
	if p.left > 0 {
		tokens = p.rng.Int64N(p.left)
	}
	if tokens < p.price {
		return 0, false
	}
	p.left -= tokens
	return tokens, true
}

// Heard takes the price that an answer told.
func (p *Purse) Heard(price int64) { p.price = price }

func (p *Purse) refill(now mono.Time) {
	if !p.begun {
		p.next, p.begun = now.Add(p.gap()), true
	}
	for now >= p.next {
		p.left = min(p.left+PurseRefill, maxTokens)
		p.next = p.next.Add(p.gap())
	}
}

func (p *Purse) gap() time.Duration { return max(1, time.Duration(p.rng.ExpFloat64()*p.every)) }
