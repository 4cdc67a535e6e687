package lab

import (
	"fmt"
	"strings"
)

// A ReferencePart is one generated part of docs/lab.md.
type ReferencePart struct{ Name, Text string }

// Reference returns the tables of docs/lab.md: every key and every metric, from
// the tables that the code reads by.
func Reference() []ReferencePart {
	var out []ReferencePart
	add := func(name string, docs []KeyDoc) {
		var b strings.Builder
		fmt.Fprintf(&b, "\n| key | allowed | absent | |\n|---|---|---|---|\n")
		for _, d := range docs {
			absent := d.Default
			if absent == "" {
				absent = "**needed**"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Path, cell(d.Allowed), cell(absent), cell(d.About))
		}
		b.WriteString("\n")
		out = append(out, ReferencePart{name, b.String()})
	}
	add("run", runKeys.docs(""))
	for _, n := range named {
		add(n.key, n.docs(""))
	}
	for _, t := range []struct {
		name string
		docs []KeyDoc
	}{
		{"mix", mixKeys.docs("")},
		{"users", userKeys.docs("")},
		{"refresh", refreshKeys.docs("")},
		{"retry", retryKeys.docs("")},
		{"throttle", throttleKeys.docs("")},
		{"breaker", breakerKeys.docs("")},
		{"laws", lawKeys.docs("")},
		{"admission", admissionKeys.docs("")},
		{"limit", limitKeys.docs("")},
		{"waiting_room", roomKeys.docs("")},
		{"rate", rateKeys.docs("")},
		{"rival", rivalKeys.docs("")},
		{"calls", callKeys.docs("")},
		{"memory", memoryKeys.docs("")},
		{"codel", codelKeys.docs("")},
		{"usl", uslKeys.docs("")},
		{"cold", coldKeys.docs("")},
		{"health", healthKeys.docs("")},
		{"stations", stationKeys.docs("")},
		{"batch", batchKeys.docs("")},
		{"events", eventKeys.docs("")},
	} {
		add(t.name, t.docs)
	}
	return append(out, ReferencePart{"metrics", metricReference()})
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func metricReference() string {
	var b strings.Builder
	b.WriteString("\n| metric | compared with | of | |\n|---|---|---|---|\n")
	for _, m := range Metrics {
		about := m.About
		if m.Whole {
			about += " (no window)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Dimension, cell(m.Scope.String()), cell(about))
	}
	b.WriteString("\n")
	return b.String()
}
