package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// An event is one line of go test -json; see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package, in events about building
	Test       string
	Output     string
}

// A test is one test's, or with an empty name one package's, part of the log.
type test struct {
	pkg, name string
}

// A reporter holds what is known so far. Output is kept until its test ends well, so
// that a crash shows everything that was running.
type reporter struct {
	out     io.Writer
	err     error
	output  map[test]*strings.Builder
	order   []test // keys of output, as they came
	skipped []string
	running map[string]bool
	failed  bool
}

// report copies r to w as go test would print it. It returns whether all went
// well.
func report(r io.Reader, w io.Writer) (ok bool, err error) {
	l := &reporter{out: w, output: map[test]*strings.Builder{}, running: map[string]bool{}}
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			l.line(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
	}
	l.end()
	return !l.failed, l.err
}

// line takes one line of input. What is no event comes from the go command
// itself, which speaks plainly when it cannot start.
func (l *reporter) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		l.print(string(line))
		return
	}
	if e.Package == "" {
		if e.Action == "build-output" {
			l.print(e.Output)
		}
		return
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "start":
		l.running[e.Package] = true
	case "output":
		l.keep(t, e.Output)
	case "pass", "skip":
		if e.Test == "" {
			l.packageEnd(e)
			return
		}
		if e.Action == "skip" {
			l.skip(t)
		}
		delete(l.output, t)
	case "fail":
		l.failed = true
		if e.Test == "" {
			l.packageEnd(e)
		}
	}
}

func (l *reporter) keep(t test, s string) {
	if l.output[t] == nil {
		l.output[t] = &strings.Builder{}
		l.order = append(l.order, t)
	}
	l.output[t].WriteString(s)
}

// skip remembers the reason: the test's output without go test's own lines.
func (l *reporter) skip(t test) {
	var reason []string
	if b := l.output[t]; b != nil {
		for s := range strings.Lines(b.String()) {
			s = strings.TrimSpace(s)
			if s != "" && !strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "--- ") {
				reason = append(reason, s)
			}
		}
	}
	if len(reason) == 0 {
		reason = []string{"(no reason given)"}
	}
	l.skipped = append(l.skipped, fmt.Sprintf("%s %s: %s", t.pkg, t.name, strings.Join(reason, " ")))
}

// packageEnd prints a package: one line if all went well, else whatever its
// tests that did not pass have said, and then what it said itself.
func (l *reporter) packageEnd(e event) {
	own := test{pkg: e.Package}
	rest := l.order[:0]
	for _, t := range l.order {
		if t.pkg != e.Package {
			rest = append(rest, t)
			continue
		}
		if b := l.output[t]; b != nil && e.Action == "fail" && t != own {
			l.print(readable(b.String()))
		}
		if t != own {
			delete(l.output, t)
		}
	}
	l.order = rest
	if b := l.output[own]; b != nil && e.Action == "fail" {
		l.print(b.String())
	} else if b != nil {
		l.print(lastLine(b.String()))
	}
	delete(l.output, own)
	delete(l.running, e.Package)
}

// readable puts the verdict of a test that has ended before what it said, and
// leaves out what -json adds through -v. A test that never ended stays as it
// is: that it ran is all there is to know.
func readable(s string) string {
	var verdict, said strings.Builder
	for line := range strings.Lines(s) {
		switch text := strings.TrimSpace(line); {
		case strings.HasPrefix(text, "--- "):
			verdict.WriteString(line)
		case !strings.HasPrefix(text, "=== "):
			said.WriteString(line)
		}
	}
	if verdict.Len() == 0 {
		return s
	}
	return verdict.String() + said.String()
}

func lastLine(s string) string {
	trimmed := strings.TrimRight(s, "\n")
	return trimmed[strings.LastIndexByte(trimmed, '\n')+1:] + "\n"
}

// end reports packages without an end, and the skipped tests.
func (l *reporter) end() {
	for _, p := range slices.Sorted(maps.Keys(l.running)) {
		l.packageEnd(event{Action: "fail", Package: p})
		l.print("FAIL\t" + p + "\t[its log ends too early]\n")
		l.failed = true
	}
	if len(l.skipped) == 0 {
		return
	}
	l.print(fmt.Sprintf("\n%d skipped:\n", len(l.skipped)))
	for _, s := range l.skipped {
		l.print("  " + s + "\n")
	}
}

func (l *reporter) print(s string) {
	if _, err := io.WriteString(l.out, s); err != nil && l.err == nil {
		l.err = err
	}
}
