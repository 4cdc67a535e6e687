package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/config"
)

// readExpect reads the expectations and checks that they are about something.
func (s *Scenario) readExpect(n config.Node) {
	for _, item := range n.List(MaxExpectations) {
		text := item.Text("")
		if text == "" {
			continue
		}
		e, err := ParseExpectation(text)
		if err != nil {
			item.Bad(config.Quote(text)+": "+err.Error(), "")
			continue
		}
		before := len(s.Expect)
		if err := s.checkExpectation(e); err != nil {
			for _, p := range unjoin(err) {
				item.Bad(config.Quote(text)+": "+p.Error(), "")
			}
			continue
		}
		s.Expect = append(s.Expect[:before], e)
	}
}

func unjoin(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// checkExpectation reports what an expectation says and the scenario has not.
// The errors are of type *[SyntaxError], joined.
func (s *Scenario) checkExpectation(e Expectation) error {
	var errs []error
	for _, c := range e.Comparisons {
		left, err := s.checkTerm(c.Left)
		errs = append(errs, err)
		if c.Of == nil {
			if err == nil && c.Bound.Dimension != left && c.Bound.Value != 0 {
				errs = append(errs, termError(c.Left, c.Left.Metric+" is compared with "+config.Quote(c.Bound.text), left.String()))
			}
			continue
		}
		right, ofErr := s.checkTerm(*c.Of)
		errs = append(errs, ofErr)
		switch {
		case c.Bound.Dimension != Share:
			errs = append(errs, termError(*c.Of, config.Quote(c.Bound.text)+" of something", "a percentage such as 98%"))
		case err == nil && ofErr == nil && left != right:
			errs = append(errs, termError(*c.Of, c.Of.Metric+" and "+c.Left.Metric+" have different units", "two metrics of one unit"))
		}
	}
	return errors.Join(errs...)
}

func termError(t Term, problem, allowed string) error {
	return &SyntaxError{t.column, problem + ", allowed: " + allowed}
}

// checkTerm returns the dimension of a term, or what is wrong with it.
func (s *Scenario) checkTerm(t Term) (Dimension, error) {
	var variants []string
	for _, v := range s.Variants {
		variants = append(variants, v.Name)
	}
	m, ok := MetricNamed(t.Metric)
	switch {
	case t.Variant != "" && !slices.Contains(variants, t.Variant):
		return 0, termError(t, "there is no variant "+config.Quote(t.Variant), config.Alternatives(variants...))
	case !ok:
		return 0, termError(t, config.Quote(t.Metric)+" is no metric", config.Alternatives(metricNames()...)+", or refused_ with a reason")
	case t.HasWindow && m.Whole:
		return 0, termError(t, m.Name+" is of the whole run", "no window")
	case t.HasWindow && t.Window.To > s.Run.For:
		return 0, termError(t, "the window "+t.Window.String()+" ends after the run", "up to "+config.FormatDuration(s.Run.For))
	case t.Of == "" && m.Scope&OfAll == 0:
		return 0, termError(t, m.Name+" needs to know whose it is", m.Name+"(NAME), with "+m.Scope.String())
	}
	for _, v := range s.Variants {
		if t.Variant != "" && t.Variant != v.Name {
			continue
		}
		if err := v.System.checkOwner(t, m); err != nil {
			return 0, err
		}
	}
	return m.Dimension, nil
}

// checkOwner reports a part that is not there, or has no such metric.
func (s *System) checkOwner(t Term, m Metric) error {
	kind, ok := s.find(t.Of)
	switch {
	case t.Of == "" && !s.has("", m):
		return termError(t, m.Name+" is about sources, and there are none", m.Scope.String())
	case t.Of == "":
		return nil
	case !ok:
		return termError(t, "there is no "+config.Quote(t.Of), config.Alternatives(s.namesOf(m.Scope.kinds())...))
	case m.Scope.kinds()&kind == 0:
		return termError(t, fmt.Sprintf("a %s has no %s", partNames[kind], m.Name), m.Scope.String())
	case !s.has(t.Of, m):
		return termError(t, t.Of+" has no "+m.Name, "a stage with admission that has a limit")
	}
	return nil
}

// has reports whether a part, or with an empty name the whole system, has a
// metric.
func (s *System) has(name string, m Metric) bool {
	if name == "" {
		onlySources := m.Scope == OfSources|OfAll
		return m.Scope&OfAll != 0 && (!onlySources || len(s.namesOf(aSource)) > 0)
	}
	kind, ok := s.find(name)
	if !ok || m.Scope.kinds()&kind == 0 {
		return false
	}
	if m.Name != "limit" {
		return true
	}
	stage, _, _ := strings.Cut(name, "/") // a machine's limit is its stage's
	for _, st := range s.Plan.Stages {
		if st.Name == stage {
			return st.Admit != nil
		}
	}
	return false
}
