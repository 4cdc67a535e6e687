package rate

import (
	"math/bits"
	"time"

	"github.com/penstock-go/penstock/mono"
)

const (
	// DefaultKeys is how many keys a Keyed limiter holds where
	// KeyedConfig.Keys is 0. They take 2 MiB.
	DefaultKeys = 1 << 16
	// MaxKeys is the largest KeyedConfig.Keys. They take 128 MiB.
	MaxKeys = 1 << 22

	// reach is how many neighbouring places of the table a key may have.
	reach = 16
)

// KeyedConfig says what a Keyed limiter permits.
type KeyedConfig struct {
	PerSecond float64 // events per second and key; as in [New]
	Burst     int     // events at once per key, 1 to [MaxBurst]
	// Keys is how many keys may be short of tokens at once, each with a bucket
	// of its own. 0 means [DefaultKeys]; at most [MaxKeys].
	Keys int
	// Seed keys the hash that spreads keys over the table, so that nobody
	// outside can choose keys that crowd one part of it.
	Seed uint64
}

// A Keyed limiter gives each key its own bucket, in a table of fixed size.
//
// A full bucket says nothing, so its place goes to the next key that needs one:
// a key that has been idle for long enough costs nothing, and forgetting it
// changes nothing. While more keys than KeyedConfig.Keys are short of tokens, a
// key may find no place. All such keys share one more bucket, with the rate and
// burst of a single key: strangers who invent keys get that much together, and
// so do the newcomers who arrive during their flood. Keys that have a place are
// not affected.
//
// It is a state machine for one goroutine at a time: its owner adds a lock.
// After [NewKeyed] it allocates nothing.
type Keyed struct {
	law    law
	seed   uint64
	shift  int // of a hash, to get a home
	places []place
	shared int64 // theoretical arrival time of the shared bucket
}

type place struct {
	key uint64
	tat int64
}

// NewKeyed returns a Keyed limiter whose buckets are full. It panics as [New]
// does, and if cfg.Keys is not 0 to [MaxKeys].
func NewKeyed(cfg KeyedConfig) *Keyed {
	if cfg.Keys < 0 || cfg.Keys > MaxKeys {
		panic("rate: KeyedConfig.Keys must be 0 to MaxKeys")
	}
	if cfg.Keys == 0 {
		cfg.Keys = DefaultKeys
	}
	// Half of the places stay free at cfg.Keys, so that a key practically
	// always finds one within reach.
	width := bits.Len(uint(2*max(cfg.Keys, reach) - 1))
	k := &Keyed{
		law:    newLaw(cfg.PerSecond, cfg.Burst),
		seed:   cfg.Seed,
		shift:  64 - width,
		places: make([]place, 1<<width+reach-1),
		shared: full,
	}
	for i := range k.places {
		k.places[i].tat = full
	}
	return k
}

// AllowAt reports whether an event of the given key may happen at now, and
// counts it if so. If not, wait is how long until one may, always positive. Keys
// are hashes of what they stand for: equal keys share a bucket.
func (k *Keyed) AllowAt(now mono.Time, key uint64) (ok bool, wait time.Duration) {
	return k.AllowN(now, key, 1)
}

// AllowN is AllowAt for an event that costs n tokens, kept within 1 and the
// burst.
func (k *Keyed) AllowN(now mono.Time, key uint64, n int) (ok bool, wait time.Duration) {
	at := instant(now)
	tat := &k.shared
	if p := k.find(key, at); p != nil {
		if p.key != key {
			*p = place{key, full}
		}
		tat = &p.tat
	}
	after, wait := k.law.take(*tat, at, n)
	if wait > 0 {
		return false, wait
	}
	*tat = after
	return true, 0
}

// Quota returns how many more events of the key may happen at now, and the time
// until its bucket is full again if none do.
func (k *Keyed) Quota(now mono.Time, key uint64) (remaining int, reset time.Duration) {
	at := instant(now)
	p := k.find(key, at)
	switch {
	case p == nil:
		return k.law.quota(k.shared, at)
	case p.key != key:
		return k.law.quota(full, at)
	}
	return k.law.quota(p.tat, at)
}

// Set changes rate and burst of every key from now on; the buckets stay as full
// as they are. It takes time in proportion to KeyedConfig.Keys. It panics as
// [New] does.
func (k *Keyed) Set(now mono.Time, perSecond float64, burst int) {
	law, at := newLaw(perSecond, burst), instant(now)
	if law == k.law {
		return
	}
	for i := range k.places {
		if p := &k.places[i]; p.tat > at {
			p.tat = law.adopt(k.law, p.tat, at)
		}
	}
	k.shared = law.adopt(k.law, k.shared, at)
	k.law = law
}

// find returns the key's place; else one within its reach whose bucket is full,
// and so may be taken over; else nil.
func (k *Keyed) find(key uint64, now int64) *place {
	home := k.home(key)
	var idle *place
	for i := home; i < home+reach; i++ {
		p := &k.places[i]
		if p.key == key {
			return p
		}
		if idle == nil && p.tat <= now {
			idle = p
		}
	}
	return idle
}

// home spreads keys by a folded multiplication.
func (k *Keyed) home(key uint64) int {
	hi, lo := bits.Mul64(key^k.seed^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	hi, lo = bits.Mul64(hi^lo^k.seed, 0xa0761d6478bd642f)
	return int((hi ^ lo) >> k.shift)
}
