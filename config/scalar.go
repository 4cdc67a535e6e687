package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text returns a scalar's text. It reports anything else but absence.
func (n Node) text(allowed string) (string, bool) {
	switch n.node.kind {
	case scalar:
		return n.node.text, true
	case absent:
	case null, list, mapping:
		n.Bad(n.what(), allowed)
	}
	return "", false
}

// plain is text for values that must not be in quotes.
func (n Node) plain(allowed string) (string, bool) {
	s, ok := n.text(allowed)
	if ok && n.node.quoted {
		n.Bad(Quote(s)+" is text in quotes", allowed)
		return "", false
	}
	return s, ok
}

// Text reads text that is not empty. Numbers and words such as true read as they
// are written.
func (n Node) Text(def string) string {
	const allowed = "a text that is not empty"
	s, ok := n.text(allowed)
	switch {
	case !ok:
		return def
	case s == "":
		n.Bad("is empty", allowed)
		return def
	}
	return s
}

// Bool reads true or false.
func (n Node) Bool(def bool) bool {
	s, ok := n.plain("true or false")
	switch {
	case !ok:
		return def
	case s == "true":
		return true
	case s == "false":
		return false
	}
	n.Bad(Quote(s)+" is neither true nor false", "true or false")
	return def
}

// Int reads a whole number from lo to hi, in decimal digits.
func (n Node) Int(def, lo, hi int) int {
	allowed := fmt.Sprintf("a whole number from %d to %d", lo, hi)
	s, ok := n.plain(allowed)
	if !ok {
		return def
	}
	digits := strings.TrimPrefix(s, "-")
	if strings.Trim(digits, "0123456789") != "" || digits == "" || len(digits) > 1 && digits[0] == '0' {
		n.Bad(Quote(s)+" is no whole number", allowed)
		return def
	}
	// Digits that overflow are a number all the same: one out of range.
	v, err := strconv.Atoi(s)
	if err != nil || v < lo || v > hi {
		n.Bad(Quote(s)+" is out of range", allowed)
		return def
	}
	return v
}

// Float reads a finite number from lo to hi, in decimal digits with or without
// an exponent.
func (n Node) Float(def, lo, hi float64) float64 {
	allowed := fmt.Sprintf("a number from %v to %v", lo, hi)
	s, ok := n.plain(allowed)
	if !ok {
		return def
	}
	if strings.Trim(s, "0123456789.eE+-") != "" {
		n.Bad(Quote(s)+" is no number", allowed)
		return def
	}
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && v == 0:
		n.Bad(Quote(s)+" is no number", allowed)
	case !(v >= lo && v <= hi):
		n.Bad(Quote(s)+" is out of range", allowed)
	default:
		return v
	}
	return def
}

// Enum reads one of the names and returns its index, as of an array that names
// the values of an enumeration.
func (n Node) Enum(def int, names ...string) int {
	allowed := Alternatives(names...)
	s, ok := n.text(allowed)
	if !ok {
		return def
	}
	if i := slices.Index(names, s); i >= 0 {
		return i
	}
	n.Bad(Quote(s)+" is unknown", allowed)
	return def
}

// Duration reads a duration from lo to hi in the syntax of [ParseDuration]. A
// word such as auto or none is the caller's to look for ([Node.Is]) before.
func (n Node) Duration(def, lo, hi time.Duration) time.Duration {
	allowed := fmt.Sprintf("%s from %s to %s", durationSyntax, FormatDuration(lo), FormatDuration(hi))
	return within(n, def, allowed, parseDuration, func(d time.Duration) bool { return d >= lo && d <= hi })
}

// Rate reads a rate from lo to hi in the syntax of [ParseRate].
func (n Node) Rate(def, lo, hi Rate) Rate {
	allowed := fmt.Sprintf("%s from %s to %s", rateSyntax, lo, hi)
	return within(n, def, allowed, parseRate, func(r Rate) bool {
		return r.PerSecond() >= lo.PerSecond() && r.PerSecond() <= hi.PerSecond()
	})
}

// Percent reads a percentage in the syntax of [ParsePercent], as a fraction from
// lo to hi.
func (n Node) Percent(def, lo, hi float64) float64 {
	allowed := fmt.Sprintf("%s from %s to %s", percentSyntax, FormatPercent(lo), FormatPercent(hi))
	return within(n, def, allowed, parsePercent, func(f float64) bool { return f >= lo && f <= hi })
}

// Size reads a number of bytes from lo to hi in the syntax of [ParseSize].
func (n Node) Size(def, lo, hi int64) int64 {
	allowed := fmt.Sprintf("%s from %s to %s", sizeSyntax, FormatSize(lo), FormatSize(hi))
	return within(n, def, allowed, parseSize, func(b int64) bool { return b >= lo && b <= hi })
}

// within reads a value that has a syntax of its own, and a range.
func within[T any](n Node, def T, allowed string, parse func(string) (T, string), in func(T) bool) T {
	s, ok := n.text(allowed)
	if !ok {
		return def
	}
	v, problem := parse(s)
	switch {
	case problem != "":
		n.Bad(problem, allowed)
	case !in(v):
		n.Bad(Quote(s)+" is out of range", allowed)
	default:
		return v
	}
	return def
}
