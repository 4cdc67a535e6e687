package lab

import (
	"strings"
	"time"

	"github.com/penstock-go/penstock/config"
)

// An Expectation is a statement about a scenario that can turn out false: one or
// more comparisons, all of which must hold.
//
//	expectation = comparison { "and" comparison }
//	comparison  = term ( "<" | "<=" | ">" | ">=" ) quantity [ "of" term ]
//	term        = [ variant "." ] metric [ "(" part ")" ] [ window ]
//	part        = name [ "/" name or number ]
//	window      = "[" from ":" to "]"
//
// as in
//
//	backpressure.goodput[90s:120s] > 98% of backpressure.first_offered
//	push.p99(api) > 1s and push.deaths > 0
type Expectation struct {
	Comparisons []Comparison
}

// A Comparison demands that one term is below or above a bound.
type Comparison struct {
	Left  Term
	Op    Op
	Bound Quantity
	Of    *Term // the bound is so much of this term; nil: the bound stands alone
}

// A Term is a metric of a variant: the same measurement in every replication.
type Term struct {
	Variant   string // empty: of every variant
	Metric    string
	Of        string // the part; empty: of the whole system
	Window    Window
	HasWindow bool // else from the end of the warm-up to the end of the run

	window string // as written
	column int    // where it begins in the text, from 1
}

// A Window is a stretch of virtual time. It holds its beginning and not its end.
type Window struct{ From, To time.Duration }

// String writes the window as an expectation may.
func (w Window) String() string {
	return "[" + config.FormatDuration(w.From) + ":" + config.FormatDuration(w.To) + "]"
}

// Op compares.
type Op uint8

// The comparisons.
const (
	Below Op = iota
	AtMost
	Above
	AtLeast
)

var opNames = [...]string{Below: "<", AtMost: "<=", Above: ">", AtLeast: ">="}

// String writes the sign.
func (o Op) String() string { return opNames[o] }

// upper reports whether the bound is an upper one.
func (o Op) upper() bool { return o == Below || o == AtMost }

// String writes the expectation with single blanks between its words:
// [ParseExpectation] reads the same.
func (e Expectation) String() string {
	var b strings.Builder
	for i, c := range e.Comparisons {
		if i > 0 {
			b.WriteString(" and ")
		}
		b.WriteString(c.String())
	}
	return b.String()
}

// String writes the comparison.
func (c Comparison) String() string {
	s := c.Left.String() + " " + c.Op.String() + " " + c.Bound.String()
	if c.Of != nil {
		s += " of " + c.Of.String()
	}
	return s
}

// String writes the term.
func (t Term) String() string {
	s := t.Metric
	if t.Variant != "" {
		s = t.Variant + "." + s
	}
	if t.Of != "" {
		s += "(" + t.Of + ")"
	}
	if t.HasWindow {
		s += "[" + t.window + "]"
	}
	return s
}
