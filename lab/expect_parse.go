package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock-go/penstock/config"
)

// The bounds on an expectation's text.
const (
	MaxExpectationBytes = 1000
	MaxComparisons      = 16
)

// A SyntaxError says where an expectation is wrong.
type SyntaxError struct {
	Column int // character of the text, from 1
	Text   string
}

// Error names the place and what is wrong there.
func (e *SyntaxError) Error() string { return fmt.Sprintf("character %d: %s", e.Column, e.Text) }

// ParseExpectation reads an expectation. It knows the form alone: whether its
// names mean anything is the scenario's to say. The error is a *[SyntaxError].
func ParseExpectation(s string) (Expectation, error) {
	if len(s) > MaxExpectationBytes {
		return Expectation{}, &SyntaxError{1, fmt.Sprintf("%d bytes, allowed: %d at most", len(s), MaxExpectationBytes)}
	}
	p := parser{tokens: lex(s)}
	var e Expectation
	for {
		c, err := p.comparison()
		if err != nil {
			return Expectation{}, err
		}
		e.Comparisons = append(e.Comparisons, c)
		t := p.peek()
		switch {
		case t.kind == endToken:
			return e, nil
		case t.text != "and":
			return Expectation{}, p.unexpected(`"and", or the end`)
		case len(e.Comparisons) == MaxComparisons:
			return Expectation{}, &SyntaxError{t.column, fmt.Sprintf("too many comparisons, allowed: %d at most", MaxComparisons)}
		}
		p.next++
	}
}

// A parser goes through the tokens once and never back.
type parser struct {
	tokens []token
	next   int
}

func (p *parser) peek() token { return p.tokens[p.next] }

// accept takes a token of the given text if it is next.
func (p *parser) accept(text string) bool {
	if t := p.peek(); t.kind != signToken && t.kind != nameToken || t.text != text {
		return false
	}
	p.next++
	return true
}

func (p *parser) unexpected(allowed string) error {
	t := p.peek()
	found := config.Quote(t.text) + " is unexpected"
	if t.kind == endToken {
		found = "the expectation ends too early"
	}
	return &SyntaxError{t.column, found + ", allowed: " + allowed}
}

func (p *parser) comparison() (c Comparison, err error) {
	if c.Left, err = p.term(); err != nil {
		return c, err
	}
	t := p.peek()
	op := slices.Index(opNames[:], t.text)
	if t.kind != signToken || op < 0 {
		return c, p.unexpected("<, <=, > or >=")
	}
	c.Op = Op(op)
	p.next++
	if c.Bound, err = p.quantity(); err != nil {
		return c, err
	}
	if !p.accept("of") {
		return c, nil
	}
	of, err := p.term()
	c.Of = &of
	return c, err
}

// words that are no names.
var reserved = []string{"and", "of"}

func (p *parser) name(allowed string) (string, error) {
	t := p.peek()
	if t.kind != nameToken || slices.Contains(reserved, t.text) {
		return "", p.unexpected(allowed)
	}
	p.next++
	return t.text, nil
}

func (p *parser) term() (t Term, err error) {
	t.column = p.peek().column
	if t.Metric, err = p.name("a metric such as goodput, or a variant such as push"); err != nil {
		return t, err
	}
	if p.accept(".") {
		t.Variant = t.Metric
		if t.Metric, err = p.name("a metric such as goodput"); err != nil {
			return t, err
		}
	}
	if p.accept("(") {
		if t.Of, err = p.owner(); err != nil {
			return t, err
		}
		if !p.accept(")") {
			return t, p.unexpected(")")
		}
	}
	if p.accept("[") {
		t.HasWindow = true
		first := p.next
		if t.Window, err = p.window(); err == nil {
			t.window = p.tokens[first].text + ":" + p.tokens[first+2].text
		}
	}
	return t, err
}

// owner reads the name of a part: api, line/saw, or api/2 for a machine.
func (p *parser) owner() (string, error) {
	name, err := p.name("the name of a stage or a source")
	if err != nil || !p.accept("/") {
		return name, err
	}
	if t := p.peek(); t.kind == quantityToken && strings.Trim(t.text, "0123456789") == "" {
		p.next++
		return name + "/" + t.text, nil
	}
	inner, err := p.name("the name of a station, or the number of a machine")
	return name + "/" + inner, err
}

// window reads what follows the opening bracket.
func (p *parser) window() (w Window, err error) {
	begins := p.peek().column
	if w.From, err = p.instant(); err != nil {
		return w, err
	}
	if !p.accept(":") {
		return w, p.unexpected(":")
	}
	if w.To, err = p.instant(); err != nil {
		return w, err
	}
	if !p.accept("]") {
		return w, p.unexpected("]")
	}
	if w.From >= w.To {
		return w, &SyntaxError{begins, "the window " + w.String() + " ends before it begins"}
	}
	return w, nil
}

func (p *parser) instant() (time.Duration, error) {
	const allowed = "a time of the run such as 90s"
	t := p.peek()
	if t.kind != quantityToken {
		return 0, p.unexpected(allowed)
	}
	d, err := config.ParseDuration(t.text)
	if err != nil || d < 0 {
		return 0, p.unexpected(allowed)
	}
	p.next++
	return d, nil
}

func (p *parser) quantity() (Quantity, error) {
	t := p.peek()
	if t.kind != quantityToken {
		return Quantity{}, p.unexpected("a number with its unit, such as 98%, 500/s, 2s or 64MiB")
	}
	q, problem := ParseQuantity(t.text)
	if problem != "" {
		return q, &SyntaxError{t.column, problem}
	}
	p.next++
	return q, nil
}
