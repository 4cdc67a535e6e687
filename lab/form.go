package lab

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/penstock-go/penstock/config"
)

// A key is one key of a mapping: how it is read, what the published schema says
// of it, and what people are told. All three come from this one table.
type key[T any] struct {
	name  string
	about string // ends without a full stop
	def   string // what its absence means; empty: it must be there
	form[T]
}

// A form is the shape of a value.
type form[T any] struct {
	allowed string // in words
	schema  object // JSON Schema, draft 2020-12
	read    func(v value, into *T)
}

// An object is a part of a JSON document.
type object = map[string]any

// A table lists the keys of a mapping.
type table[T any] []key[T]

func (t table[T]) names() []string {
	names := make([]string, len(t))
	for i, k := range t {
		names[i] = k.name
	}
	return names
}

// read reads a mapping. Keys that are missing and must not be are reported.
func (t table[T]) read(v value, into *T) {
	get := v.fields(t.names()...)
	for _, k := range t {
		c := get(k.name)
		switch {
		case c.present():
			k.read(c, into)
		case k.def == "" && v.isMapping():
			c.place.Bad("missing", k.allowed)
		}
	}
}

// jsonSchema describes the mapping.
func (t table[T]) jsonSchema() object {
	properties, required := object{}, []string{}
	for _, k := range t {
		p := object{}
		maps.Copy(p, k.schema)
		about := k.about
		if k.def != "" {
			about += "; default: " + k.def
		} else {
			required = append(required, k.name)
		}
		p["description"] = about + "."
		properties[k.name] = p
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// A KeyDoc describes one key for people.
type KeyDoc struct {
	Path    string // such as stages.NAME.servers
	Allowed string
	Default string // empty: the key must be there
	About   string
}

func (t table[T]) docs(path string) []KeyDoc {
	var out []KeyDoc
	for _, k := range t {
		out = append(out, KeyDoc{path + k.name, k.allowed, k.def, k.about})
	}
	return out
}

const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`
	ratePattern     = `^[0-9]+(\.[0-9]+)?/[smh]$`
	percentPattern  = `^[0-9]+(\.[0-9]+)?%$`
	sizePattern     = `^[0-9]+(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$`
)

func textOf(pattern string) object { return object{"type": "string", "pattern": pattern} }

func duration[T any](at func(*T) *time.Duration, lo, hi time.Duration) form[T] {
	return form[T]{
		fmt.Sprintf("a duration such as 250ms or 1m30s, from %s to %s", config.FormatDuration(lo), config.FormatDuration(hi)),
		textOf(durationPattern),
		func(v value, into *T) { *at(into) = v.place.Duration(*at(into), lo, hi) },
	}
}

const maxTimes = 10_000 // of an empirical law or a trace

// times reads a list of durations.
func times[T any](at func(*T) *[]time.Duration, lo time.Duration) form[T] {
	return form[T]{
		"a list of 1 to 10000 durations",
		object{"type": "array", "items": textOf(durationPattern), "minItems": 1, "maxItems": maxTimes},
		func(v value, into *T) {
			for _, item := range v.place.List(maxTimes) {
				*at(into) = append(*at(into), item.Duration(lo, lo, maxTime))
			}
		},
	}
}

// perSecond reads a rate.
func perSecond[T any](at func(*T) *float64, lo, hi float64) form[T] {
	low, high := config.Rate{Count: lo, Per: time.Second}, config.Rate{Count: hi, Per: time.Second}
	return form[T]{
		fmt.Sprintf("a rate such as 500/s, 10/m or 1.5/h, from %s to %s", low, high),
		textOf(ratePattern),
		func(v value, into *T) {
			if r := v.place.Rate(config.Rate{}, low, high); r.Per > 0 {
				*at(into) = r.PerSecond()
			}
		},
	}
}

func share[T any](at func(*T) *float64, lo, hi float64) form[T] {
	return form[T]{
		fmt.Sprintf("a percentage from %s to %s", config.FormatPercent(lo), config.FormatPercent(hi)),
		textOf(percentPattern),
		func(v value, into *T) { *at(into) = v.place.Percent(*at(into), lo, hi) },
	}
}

func number[T any](at func(*T) *float64, lo, hi float64) form[T] {
	return form[T]{
		fmt.Sprintf("a number from %v to %v", lo, hi),
		object{"type": "number", "minimum": lo, "maximum": hi},
		func(v value, into *T) { *at(into) = v.place.Float(*at(into), lo, hi) },
	}
}

func integer[T any](at func(*T) *int, lo, hi int) form[T] {
	return form[T]{
		fmt.Sprintf("a whole number from %d to %d", lo, hi),
		object{"type": "integer", "minimum": lo, "maximum": hi},
		func(v value, into *T) { *at(into) = v.place.Int(*at(into), lo, hi) },
	}
}

func size[T any](at func(*T) *int64, lo, hi int64) form[T] {
	return form[T]{
		fmt.Sprintf("a size such as 64KiB or 1GiB, from %s to %s", config.FormatSize(lo), config.FormatSize(hi)),
		textOf(sizePattern),
		func(v value, into *T) { *at(into) = v.place.Size(*at(into), lo, hi) },
	}
}

func boolean[T any](at func(*T) *bool) form[T] {
	return form[T]{
		"true or false",
		object{"type": "boolean"},
		func(v value, into *T) { *at(into) = v.place.Bool(*at(into)) },
	}
}

func text[T any](at func(*T) *string) form[T] {
	return form[T]{
		"a text that is not empty",
		object{"type": "string", "minLength": 1},
		func(v value, into *T) { *at(into) = v.place.Text(*at(into)) },
	}
}

// word reads one of some names.
func word[T any](at func(*T) *string, names ...string) form[T] {
	return form[T]{
		config.Alternatives(names...),
		object{"enum": names},
		func(v value, into *T) {
			if i := v.place.Enum(-1, names...); i >= 0 {
				*at(into) = names[i]
			}
		},
	}
}

// mappingOf reads a mapping with a table of its own.
func mappingOf[T, U any](at func(*T) *U, t table[U]) form[T] {
	return form[T]{
		"a mapping of " + strings.Join(t.names(), ", "),
		t.jsonSchema(),
		func(v value, into *T) { t.read(v, at(into)) },
	}
}

// either reads a value that has a short form and a mapping.
func either[T any](short, long form[T]) form[T] {
	allowed := short.allowed + ", or " + long.allowed
	return form[T]{
		allowed,
		object{"anyOf": []object{short.schema, long.schema}},
		func(v value, into *T) {
			if v.isMapping() {
				long.read(v, into)
				return
			}
			short.read(v.allowing(allowed), into)
		},
	}
}

// orWord reads a value that may be one word instead.
func orWord[T any](w string, then func(*T), f form[T]) form[T] {
	allowed := w + ", or " + f.allowed
	if strings.Contains(f.allowed, ", or ") {
		allowed = w + ", " + f.allowed
	}
	return form[T]{
		allowed,
		object{"anyOf": []object{{"const": w}, f.schema}},
		func(v value, into *T) {
			if v.place.Is(w) {
				then(into)
				return
			}
			f.read(v.allowing(allowed), into)
		},
	}
}
