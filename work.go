package penstock

import (
	"fmt"

	"github.com/penstock-go/penstock/mono"
)

// Work describes one unit of work that asks to enter. The zero Work is a first
// attempt of unspecified criticality, cost one, with no deadline and no flow.
//
// Its methods take a pointer, as they are called just after a field was set: a copy
// has to wait for what was set, for half as long as a whole refusal takes.
type Work struct {
	// Criticality says how much the work matters. Unspecified means [Critical]
	// to a library user's controller; hosts that face strangers replace it with
	// [SheddablePlus].
	Criticality Criticality

	// Cohort spreads work of one criticality over 128 groups, so that a price
	// can refuse a share of it. Unspecified means that the host derives it from
	// Flow, or draws it.
	Cohort Cohort

	// Attempt counts from 1; 0 means 1. Retries rank below first attempts.
	Attempt int

	// Cost is how many slots the work takes while it runs, 1 to [MaxCost]; 0
	// means 1, larger values mean MaxCost. Work that costs more than a whole
	// limit runs alone.
	Cost int

	// Flow identifies whom the work is for (a tenant, a user, an API key) as a
	// hash: inside a rank, flows get equal shares. 0 is the flow of all work
	// that names none.
	Flow uint64

	// Deadline is the instant at which the result becomes worthless. It counts
	// only where HasDeadline is true.
	Deadline    mono.Time
	HasDeadline bool
}

// MaxCost bounds [Work.Cost]: a stranger's cost cannot exceed it.
const MaxCost = 1000

// Slots is how many slots the work takes: Cost within 1 to [MaxCost].
func (w *Work) Slots() int { return min(max(w.Cost, 1), MaxCost) }

// Rank is the work's place in the order of who is refused first. Unspecified
// criticality ranks as [Critical] and an unspecified cohort as cohort 0.
func (w *Work) Rank() Rank {
	c := w.Criticality
	if c == Unspecified {
		c = Critical
	}
	r := Rank(c-1) * 256
	if w.Attempt <= 1 {
		r += 128
	}
	return r + Rank(127-w.Cohort.Index())
}

// Rank orders work: criticality x 256 + (first attempt ? 128 : 0) +
// (127 - cohort), from 0 to [MaxRank]. Higher ranks are refused later.
type Rank uint16

// MaxRank is the highest rank: critical_plus, first attempt, cohort 0.
const MaxRank Rank = 1023

// Criticality returns the criticality that the rank was made from.
func (r Rank) Criticality() Criticality { return Criticality(min(r, MaxRank)/256) + 1 }

// Band numbers the eight groups that a waiting room serves in order: four
// criticalities, first attempts before retries. 7 is served first.
func (r Rank) Band() int { return int(min(r, MaxRank) / 128) }

// Bands is the number of values that [Rank.Band] takes.
const Bands = 8

// Price is the lowest rank still admitted: work enters iff its rank is at least
// the price. 0 admits everything, [MaxPrice] nothing.
type Price uint16

// MaxPrice refuses every rank.
const MaxPrice = Price(MaxRank) + 1

// Admits reports whether work of rank r may enter at this price.
func (p Price) Admits(r Rank) bool { return uint16(r) >= uint16(p) }

// Criticality says how much work matters, in the four steps of Google's Site
// Reliability Engineering book, chapter 21.
type Criticality uint8

// The criticalities, from the first refused to the last. Their names on the
// wire are sheddable, sheddable_plus, critical and critical_plus.
const (
	Unspecified   Criticality = iota // Critical inside a process, SheddablePlus from strangers
	Sheddable                        // batch work: may be unavailable for long
	SheddablePlus                    // partial unavailability is expected
	Critical                         // user-visible: the default inside a process
	CriticalPlus                     // serious user-visible harm when refused
)

// Criticalities is the number of values including [Unspecified]: the length of
// an array indexed by Criticality.
const Criticalities = 5

var criticalityNames = [Criticalities]string{"unspecified", "sheddable", "sheddable_plus", "critical", "critical_plus"}

// String returns the name used on the wire, in metrics and in configuration.
func (c Criticality) String() string {
	if int(c) < len(criticalityNames) {
		return criticalityNames[c]
	}
	return fmt.Sprintf("Criticality(%d)", uint8(c))
}

// MarshalText returns the wire name.
func (c Criticality) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts the four wire names; [Unspecified] has none.
func (c *Criticality) UnmarshalText(text []byte) error {
	v, ok := ParseCriticality(string(text))
	if !ok {
		return fmt.Errorf("penstock: %q is no criticality: critical_plus, critical, sheddable_plus or sheddable", text)
	}
	*c = v
	return nil
}

// ParseCriticality returns the criticality with the given wire name.
func ParseCriticality(name string) (Criticality, bool) {
	for c := Sheddable; c <= CriticalPlus; c++ {
		if criticalityNames[c] == name {
			return c, true
		}
	}
	return Unspecified, false
}

// Cohort is one of 128 groups of flows, or unspecified (the zero value). Work
// of cohort 0 is refused last within its criticality, cohort 127 first.
type Cohort uint8

// Cohorts is the number of cohorts.
const Cohorts = 128

// CohortAt returns cohort k modulo [Cohorts].
func CohortAt(k uint64) Cohort { return Cohort(k%Cohorts) + 1 }

// Specified reports whether the cohort was set.
func (c Cohort) Specified() bool { return c != 0 }

// Index returns the cohort's number, 0 to 127; 0 when unspecified.
func (c Cohort) Index() int {
	if c == 0 {
		return 0
	}
	return int(min(c, Cohorts)) - 1
}
