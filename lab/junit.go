package lab

import (
	"encoding/xml"
	"io"
)

// A Report is what lab test found, scenario by scenario.
type Report struct {
	Scenarios []Summary        `json:"scenarios"`
	Mutants   []MutantSummary  `json:"mutants,omitempty"`
	Failures  []ScenarioFailed `json:"failures,omitempty"`
}

// A ScenarioFailed is a scenario that could not be run.
type ScenarioFailed struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Passed reports whether all expectations hold, all scenarios ran, and no mutant
// survived.
func (r *Report) Passed() bool {
	for _, s := range r.Scenarios {
		if !s.Passed {
			return false
		}
	}
	for _, m := range r.Mutants {
		if !m.Killed {
			return false
		}
	}
	return len(r.Failures) == 0
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Failure *junitText `xml:"failure,omitempty"`
	Error   *junitText `xml:"error,omitempty"`
	Out     string     `xml:"system-out,omitempty"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML: a suite for each scenario, a case
// for each expectation and each mutant. There are no times in it: the same
// scenarios give the same file.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "penstock lab"}
	for _, s := range r.Scenarios {
		suite := junitSuite{Name: s.Name}
		for _, e := range s.Expectations {
			c := junitCase{Class: "lab." + s.Name, Name: e.Text}
			if e.Verdict == Holds {
				c.Out = e.Explain
			} else {
				c.Failure = &junitText{e.Explain, e.Explain}
			}
			suite.add(c)
		}
		for _, m := range r.Mutants {
			if m.Scenario != s.Name {
				continue
			}
			c := junitCase{Class: "lab." + s.Name, Name: m.Variant + " without " + m.Path + " is noticed"}
			if m.Killed {
				c.Out = m.Why
			} else {
				c.Failure = &junitText{m.Why, m.Why}
			}
			suite.add(c)
		}
		all.add(suite)
	}
	for _, f := range r.Failures {
		suite := junitSuite{Name: f.Name}
		suite.add(junitCase{Class: "lab." + f.Name, Name: "runs", Error: &junitText{f.Why, f.Why}})
		all.add(suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func (a *junitSuites) add(s junitSuite) {
	a.Tests += s.Tests
	a.Failures += s.Failures
	a.Errors += s.Errors
	a.Suites = append(a.Suites, s)
}
