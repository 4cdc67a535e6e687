package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim"
)

// The ranges that all parts share.
const (
	minTime = time.Microsecond
	maxTime = 365 * 24 * time.Hour
	maxCV2  = 1000
)

// A lawSpec is a law of times as a file writes it.
type lawSpec struct {
	law               string
	mean, fast, slow  time.Duration
	least, most       time.Duration
	cv2, share, alpha float64
	values            []time.Duration
}

// laws are the distributions and the keys that each takes.
var laws = []struct {
	name string
	uses []string
}{
	{"constant", []string{"mean"}},
	{"exponential", []string{"mean"}},
	{"lognormal", []string{"mean", "cv2"}},
	{"gamma", []string{"mean", "cv2"}},
	{"uniform", []string{"least", "most"}},
	{"pareto", []string{"least", "most", "alpha"}},
	{"bimodal", []string{"fast", "slow", "share"}},
	{"empirical", []string{"values"}},
}

func lawKinds() []string {
	var names []string
	for _, l := range laws {
		names = append(names, l.name)
	}
	return names
}

var lawKeys = table[lawSpec]{
	{"law", "which distribution", "", word(func(l *lawSpec) *string { return &l.law }, lawKinds()...)},
	{"mean", "mean time, of constant, exponential, lognormal and gamma", "needed there", duration(func(l *lawSpec) *time.Duration { return &l.mean }, minTime, maxTime)},
	{"cv2", "variance over squared mean, of lognormal and gamma", "1", number(func(l *lawSpec) *float64 { return &l.cv2 }, 0.001, maxCV2)},
	{"least", "shortest time, of uniform and pareto", "needed there", duration(func(l *lawSpec) *time.Duration { return &l.least }, minTime, maxTime)},
	{"most", "longest time, of uniform and pareto", "needed there", duration(func(l *lawSpec) *time.Duration { return &l.most }, minTime, maxTime)},
	{"alpha", "how fast the tail of pareto falls: the smaller, the heavier", "needed there", number(func(l *lawSpec) *float64 { return &l.alpha }, 0.01, 100)},
	{"fast", "the usual time, of bimodal", "needed there", duration(func(l *lawSpec) *time.Duration { return &l.fast }, minTime, maxTime)},
	{"slow", "the other time, of bimodal", "needed there", duration(func(l *lawSpec) *time.Duration { return &l.slow }, minTime, maxTime)},
	{"share", "share of slow ones, of bimodal", "needed there", share(func(l *lawSpec) *float64 { return &l.share }, 0, 1)},
	{"values", "measured times, each as likely as any other, of empirical", "needed there", times(func(l *lawSpec) *[]time.Duration { return &l.values }, minTime)},
}

// law reads a law of times: a time that is always the same, or a mapping.
func law[T any](at func(*T) *sim.ServiceLaw) form[T] {
	short := form[T]{
		fmt.Sprintf("a duration such as 10ms, from %s to %s", config.FormatDuration(minTime), config.FormatDuration(maxTime)),
		textOf(durationPattern),
		func(v value, into *T) {
			if d := v.place.Duration(0, minTime, maxTime); d > 0 {
				*at(into) = sim.Constant(d)
			}
		},
	}
	long := form[T]{
		"a mapping such as {law: exponential, mean: 10ms}",
		lawKeys.jsonSchema(),
		func(v value, into *T) {
			spec := lawSpec{cv2: 1}
			lawKeys.read(v, &spec)
			if l := spec.build(v); l != nil {
				*at(into) = l
			}
		},
	}
	return either(short, long)
}

// build makes the law. It reports keys that the law needs and has not, and those
// that it has no use for.
func (l lawSpec) build(v value) sim.ServiceLaw {
	i := slices.Index(lawKinds(), l.law)
	if i < 0 {
		return nil // reported
	}
	uses := laws[i].uses
	get := v.fields(lawKeys.names()...)
	complete := true
	for _, k := range lawKeys[1:] {
		c, used := get(k.name), slices.Contains(uses, k.name)
		switch {
		case c.present() && !used:
			c.place.BadKey("law "+l.law+" has no "+k.name, config.Alternatives(uses...))
		case !c.present() && used && k.name != "cv2":
			c.place.Bad("missing", k.allowed)
			complete = false
		}
	}
	if !complete {
		return nil
	}
	if l.least >= l.most && slices.Contains(uses, "least") {
		get("most").place.Bad("not above least", "a time above least")
		return nil
	}
	switch l.law {
	case "constant":
		return sim.Constant(l.mean)
	case "exponential":
		return sim.Exponential(l.mean)
	case "lognormal":
		return sim.LogNormal{Of: l.mean, CV2: l.cv2}
	case "gamma":
		return sim.Gamma{Of: l.mean, CV2: l.cv2}
	case "uniform":
		return sim.Uniform{Least: l.least, Most: l.most}
	case "pareto":
		return sim.BoundedPareto{Least: l.least, Most: l.most, Alpha: l.alpha}
	case "bimodal":
		return sim.Bimodal{Fast: l.fast, Slow: l.slow, Share: l.share}
	}
	if len(l.values) == 0 {
		return nil // reported
	}
	return sim.NewEmpirical(l.values)
}
