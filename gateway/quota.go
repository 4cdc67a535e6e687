package gateway

import (
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/rate"
)

// A quota is a route's rate limit. It lives as long as the route keeps it.
type quota struct {
	one *rate.Limiter // for the route as a whole

	mu    sync.Mutex
	keyed *rate.Keyed // per client or per value of a field
}

func newQuota(r Rate) *quota {
	if !(r.PerSecond > 0) {
		return nil
	}
	burst := max(r.Burst, 1)
	if r.Header == "" && !r.PerClient {
		return &quota{one: rate.New(r.PerSecond, burst)}
	}
	seed := rand.Uint64() //nolint:forbidigo // a secret of the process, from the system's entropy
	return &quota{keyed: rate.NewKeyed(rate.KeyedConfig{PerSecond: r.PerSecond, Burst: burst, Seed: seed})}
}

// allow takes a token, or says how long to wait for one.
func (q *quota) allow(now mono.Time, r *route, c caller, h http.Header) (wait time.Duration, ok bool) {
	if q.one != nil {
		ok, wait = q.one.AllowAt(now)
		return wait, ok
	}
	key := rateKey(r, c, h)
	q.mu.Lock()
	defer q.mu.Unlock()
	ok, wait = q.keyed.AllowAt(now, key)
	return wait, ok
}

// rateKey is the bucket that a request counts against. Requests without the
// field share one; so do requests whose client is unknown, by their proxy.
func rateKey(r *route, c caller, h http.Header) uint64 {
	switch {
	case !r.Rate.PerClient:
		return maphash.String(flowSeed, h.Get(r.Rate.Header))
	case c.client.IsValid():
		return maphash.Comparable(flowSeed, c.client)
	}
	return maphash.Comparable(flowSeed, c.peer)
}
