package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing wrong with a file.
type Problem struct { //nolint:errname // it is data first: what penstock check prints
	File   string
	Line   int    // from 1; 0 for a problem of no place, such as of a command-line flag
	Column int    // from 1, in characters
	Field  string // dotted path, such as routes[0].limit; empty for problems of the file
	Text   string // what is wrong, and what is allowed
}

// Error returns file:line:column: field: text, without the parts that are not
// set.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		b.WriteByte(':')
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Field != "" {
		b.WriteString(p.Field)
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems are all that is wrong with a file, in its order. Never empty where it
// is an error.
type Problems []*Problem //nolint:errname // a list of data that is an error only when handed back

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.AsType find the first *[Problem].
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// sorted returns the problems in the order of the file, in a slice of its own.
// Problems of one place keep the order in which they were found.
func (ps Problems) sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return out
}

// maxQuoted bounds how much of a value a message repeats, in bytes.
const maxQuoted = 64

// Quote returns s as messages show it: in double quotes, without control
// characters, and cut where it is longer than a line has room for.
func Quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// Alternatives lists words as in "a, b or c".
func Alternatives(words ...string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
