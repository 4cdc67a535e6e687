package pressure

import (
	"strconv"
	"strings"

	"github.com/penstock-go/penstock"
)

// The bounds on W3C baggage: what every system must pass on. A larger field is
// ignored wholly.
const (
	MaxBaggageBytes   = 8192
	MaxBaggageMembers = 64
)

// The keys of baggage that this package reads: a criticality by its wire name,
// and a cohort from 0 to 127. Applications that pass baggage on carry them past
// hops that know nothing of penstock.
const (
	BaggageCriticality = "penstock.c"
	BaggageCohort      = "penstock.k"
)

// ParseBaggage reads a value of the field baggage (W3C Baggage, section 3.3).
// Of the result only Criticality and Cohort are ever set. Everybody else's
// members are skipped unread, and so are properties; of two members with one
// key the last counts. It reports false where neither key has a value that it
// knows, and for a field beyond its bounds.
func ParseBaggage(field string) (w penstock.Work, ok bool) {
	if len(field) > MaxBaggageBytes || strings.Count(field, ",") >= MaxBaggageMembers {
		return w, false
	}
	for member := range strings.SplitSeq(field, ",") {
		member, _, _ = strings.Cut(member, ";") // its properties
		key, value, _ := strings.Cut(member, "=")
		value = strings.Trim(value, " \t")
		switch strings.Trim(key, " \t") {
		case BaggageCriticality:
			if c, known := penstock.ParseCriticality(value); known {
				w.Criticality, ok = c, true
			}
		case BaggageCohort:
			if k, err := strconv.ParseUint(value, 10, 16); err == nil {
				w.Cohort, ok = penstock.CohortAt(min(k, penstock.Cohorts-1)), true
			}
		}
	}
	return w, ok
}
