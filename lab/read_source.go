package lab

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/arrival"
)

// A sourceSpec is a source as a file writes it.
type sourceSpec struct {
	sim.Source
	process string
	profile arrival.Profile
	trace   []time.Duration
	kind    sim.Kind // where there is no mix
}

var criticalityNames = []string{
	penstock.CriticalPlus.String(), penstock.Critical.String(),
	penstock.SheddablePlus.String(), penstock.Sheddable.String(),
}

func criticality[T any](at func(*T) *penstock.Criticality) form[T] {
	return form[T]{
		config.Alternatives(criticalityNames...),
		object{"enum": criticalityNames},
		func(v value, into *T) {
			if i := v.place.Enum(-1, criticalityNames...); i >= 0 {
				*at(into), _ = penstock.ParseCriticality(criticalityNames[i])
			}
		},
	}
}

// kindKeys are what work is like: the keys of a source, or of each kind in its
// mix.
func kindKeys[T any](at func(*T) *sim.Kind) table[T] {
	return table[T]{
		{
			"criticality", "how much the work matters", "critical, or what admission says",
			criticality(func(t *T) *penstock.Criticality { return &at(t).Criticality }),
		},
		{
			"cost", "slots that it takes", "1",
			integer(func(t *T) *int { return &at(t).Cost }, 1, penstock.MaxCost),
		},
		{
			"demand", "multiplies its service times", "1",
			number(func(t *T) *float64 { return &at(t).Demand }, 0.001, 1000),
		},
		{
			"flows", "how many users or tenants send it, in equal shares, told apart", "none are told apart",
			integer(func(t *T) *int { return &at(t).Flows }, 1, 1_000_000),
		},
	}
}

var mixKeys = append(table[sim.Kind]{
	{
		"share", "its part of the work, relative to the other kinds'", "",
		number(func(k *sim.Kind) *float64 { return &k.Share }, 1e-6, 1e6),
	},
}, kindKeys(func(k *sim.Kind) *sim.Kind { return k })...)

var userKeys = table[sim.Users]{
	{"number", "how many there are", "", integer(func(u *sim.Users) *int { return &u.Number }, 1, sim.MaxUsers)},
	{
		"think", "time between an answer and the next request", "none",
		law(func(u *sim.Users) *sim.ServiceLaw { return &u.Think }),
	},
}

var refreshKeys = table[sim.Refresh]{
	{
		"after", "how long a user waits before asking again", "",
		law(func(r *sim.Refresh) *sim.ServiceLaw { return &r.After }),
	},
	{"most", "refreshes of one request", "1", integer(func(r *sim.Refresh) *int { return &r.Most }, 1, sim.MaxAttempts)},
}

const rateForms = "a rate such as 500/s, or one that changes: steps:100/s@5s,2000/s@10s,100/s or " +
	"spike:base=100/s,peak=2000/s,at=5s,for=3s or onoff:rate=2000/s,on=2s,off=3s,low=100/s or " +
	"diurnal:low=20/s,high=200/s,every=24h"

// profile reads a rate of arrivals.
func profile[T any](at func(*T) *arrival.Profile) form[T] {
	return form[T]{
		rateForms,
		object{"type": "string", "minLength": 1},
		func(v value, into *T) {
			s := v.place.Allowing(rateForms).Text("")
			if s == "" {
				return
			}
			p, err := arrival.ParseProfile(s)
			if err != nil {
				v.place.Bad(strings.ReplaceAll(strings.ReplaceAll(err.Error(), "arrival: ", ""), "\n", "; "), rateForms)
				return
			}
			*at(into) = p
		},
	}
}

var sourceKeys = joined(clientKeys(func(s *sourceSpec) *sim.Client { return &s.Client }), table[sourceSpec]{
	{
		"rate", "first attempts that arrive, whatever comes of earlier ones", "trace or users instead",
		profile(func(s *sourceSpec) *arrival.Profile { return &s.profile }),
	},
	{
		"trace", "the instants at which first attempts arrive, the same in every replication", "rate or users instead",
		times(func(s *sourceSpec) *[]time.Duration { return &s.trace }, 0),
	},
	{
		"arrivals", "how arrivals are placed: poisson is at random, as independent users; constant is evenly", "poisson",
		word(func(s *sourceSpec) *string { return &s.process }, "poisson", "constant"),
	},
	{
		"users", "instead of a rate: users who each wait for what comes of a request, think, and ask again", "rate or trace instead",
		optional(func(s *sourceSpec) **sim.Users { return &s.Users }, "a mapping of number and think", userKeys),
	},
	{"mix", "kinds of work, instead of criticality, cost, demand and flows", "one kind", form[sourceSpec]{
		"a list of 1 to 16 mappings such as {share: 1, criticality: critical}",
		object{"type": "array", "items": mixKeys.jsonSchema(), "minItems": 1, "maxItems": maxKinds},
		func(v value, s *sourceSpec) {
			for _, item := range v.items(maxKinds) {
				var k sim.Kind
				mixKeys.read(item, &k)
				s.Mix = append(s.Mix, k)
			}
		},
	}},
	{
		"keys", "how many different things can be asked for: caches hold them", "no two are the same",
		integer(func(s *sourceSpec) *int { return &s.Keys }, 1, sim.MaxKeys),
	},
	{
		"zipf", "key k is asked for in proportion to 1/k^zipf", "0: all alike",
		number(func(s *sourceSpec) *float64 { return &s.Zipf }, 0, 10),
	},
	{
		"tokens", "the source is a client of stages with the rival rajomon, which gets so many tokens to give to its requests; its authors begin at 2000/s", "it is none",
		perSecond(func(s *sourceSpec) *float64 { return &s.Tokens }, 1, sim.MaxTokens),
	},
	{
		"refresh", "impatient users: who has waited asks again, and the earlier request is left behind", "nobody does",
		optional(func(s *sourceSpec) **sim.Refresh { return &s.Refresh }, "a mapping of after and most", refreshKeys),
	},
}, kindKeys(func(s *sourceSpec) *sim.Kind { return &s.kind }))

const maxKinds = 16

func joined[T any](tables ...table[T]) table[T] {
	var out table[T]
	for _, t := range tables {
		out = append(out, t...)
	}
	return out
}

// readSource reads a source and checks what its keys mean together.
func readSource(name string, v value) (sim.Source, disturbance) {
	spec := sourceSpec{process: "poisson"}
	sourceKeys.read(v, &spec)
	spec.Name = name
	get := v.fields(sourceKeys.names()...)
	rate, trace, users := get("rate"), get("trace"), get("users")
	given := slices.DeleteFunc([]value{rate, trace, users}, func(v value) bool { return !v.present() })
	switch {
	case !v.isMapping():
	case len(given) == 0:
		v.place.BadKey("neither rate nor trace nor users", "one of them")
	case len(given) > 1:
		given[1].place.BadKey("rate, trace and users exclude each other", "one of them")
	}
	if arrivals := get("arrivals"); arrivals.present() && !rate.present() {
		arrivals.place.BadKey("arrivals without a rate", "rate with arrivals")
	}
	if zipf := get("zipf"); zipf.present() && spec.Keys == 0 {
		zipf.place.BadKey("zipf without keys", "keys with zipf")
	}
	if spec.Refresh != nil && spec.Refresh.Most == 0 {
		spec.Refresh.Most = 1
	}
	spec.mix(get)
	switch {
	case rate.present():
		spec.Arrivals = arrivalsOf(spec.process, spec.profile)
	case trace.present():
		spec.Arrivals = func(*rand.Rand) arrival.Process { return arrival.Trace(spec.trace) }
	}
	return spec.Source, disturbanceOf(spec.profile)
}

// mix makes the source's kinds.
func (s *sourceSpec) mix(get func(string) value) {
	for _, key := range []string{"criticality", "cost", "demand", "flows"} {
		if k := get(key); k.present() && get("mix").present() {
			k.place.BadKey("a source with a mix has no "+key+" of its own", key+" in each kind of the mix")
		}
	}
	if len(s.Mix) == 0 {
		s.kind.Share = 1
		s.Mix = []sim.Kind{s.kind}
	}
}

func arrivalsOf(process string, p arrival.Profile) sim.Arrivals {
	if process == "constant" {
		return func(*rand.Rand) arrival.Process { return arrival.Constant(p) }
	}
	return func(rng *rand.Rand) arrival.Process { return arrival.Poisson(p, rng) }
}

// A disturbance is when something changes that a system must recover from.
type disturbance struct {
	first, last time.Duration
	any         bool
}

func (d *disturbance) at(t time.Duration) {
	if !d.any {
		*d = disturbance{t, t, true}
		return
	}
	d.first, d.last = min(d.first, t), max(d.last, t)
}

func (d *disturbance) join(o disturbance) {
	if o.any {
		d.at(o.first)
		d.at(o.last)
	}
}

// disturbanceOf finds where a rate of arrivals changes. A rate that changes for
// ever (onoff) is no disturbance: it is what the system lives with.
func disturbanceOf(p arrival.Profile) disturbance {
	var d disturbance
	s, ok := strings.CutPrefix(p.String(), "steps:")
	if !ok {
		return d
	}
	at := time.Duration(0)
	for step := range strings.SplitSeq(s, ",") {
		if at > 0 {
			d.at(at)
		}
		_, length, _ := strings.Cut(step, "@")
		if length == "" {
			break
		}
		took, err := time.ParseDuration(length)
		if err != nil {
			break
		}
		at += took
	}
	return d
}
