package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Mapping is a mapping whose keys are known.
type Mapping struct {
	Node
	keys   []string
	values map[string]Node
}

// Mapping reads a mapping that may have the given keys. It reports keys that are
// none of them, keys that appear twice, and a value that is no mapping. An
// absent or unusable value reads as a mapping without keys.
func (n Node) Mapping(keys ...string) Mapping {
	m := Mapping{Node: n, keys: keys, values: map[string]Node{}}
	for _, e := range n.Entries(MaxKeys) {
		switch {
		case slices.Contains(keys, e.Key):
			m.values[e.Key] = e.Value
		case slices.Contains(n.later, e.Key):
			e.Value.BadKey("not supported by this version yet", "")
		default:
			e.Value.BadKey(unknown(e.Key, keys), "")
		}
	}
	return m
}

func unknown(key string, keys []string) string {
	if head, _, colon := strings.Cut(key, ":"); colon && slices.Contains(keys, head) {
		return "unknown key, a space is missing after " + head + ":"
	}
	if like, ok := nearest(key, keys); ok {
		return "unknown key, did you mean " + like + "?"
	}
	return "unknown key, allowed: " + Alternatives(keys...)
}

// Get returns the value of a key, or an absent node. It panics if the key is
// none of those that Mapping was given.
func (m Mapping) Get(key string) Node {
	if !slices.Contains(m.keys, key) {
		panic("config: Get of the undeclared key " + key)
	}
	if v, ok := m.values[key]; ok {
		return v
	}
	return Node{
		doc: m.doc, field: join(m.field, key),
		node:    &node{kind: absent, line: m.node.line, column: m.node.column},
		keyLine: m.keyLine, keyColumn: m.keyColumn,
	}
}

// Need is [Mapping.Get] for a key that must be there: it reports one that is
// not, unless the mapping itself is absent or has been reported as none. The
// root of an empty file counts as a mapping without keys.
func (m Mapping) Need(key, allowed string) Node {
	v := m.Get(key)
	if !v.Present() && (m.IsMapping() || m.field == "" && !m.Present()) {
		v.Bad("missing", allowed)
	}
	return v
}

// An Entry is one key of a mapping whose keys are free.
type Entry struct {
	Key   string
	Value Node
}

// Entries reads a mapping with any keys, at most limit, in the order of the file.
// It reports keys that appear twice and returns the first of them.
func (n Node) Entries(limit int) []Entry {
	switch n.node.kind {
	case absent:
		return nil
	case mapping:
	case null, scalar, list:
		n.Bad(n.what(), "a mapping")
		return nil
	}
	entries := n.node.entries
	if len(entries) > limit {
		n.Bad(fmt.Sprintf("%d keys", len(entries)), fmt.Sprintf("%d at most", limit))
		entries = entries[:limit]
	}
	first := make(map[string]int, len(entries)) // line of each key
	out := make([]Entry, 0, len(entries))
	for _, e := range entries {
		v := Node{doc: n.doc, node: e.value, field: join(n.field, e.key), keyLine: e.line, keyColumn: e.column}
		if line, twice := first[e.key]; twice {
			v.BadKey(fmt.Sprintf("duplicate key, first set in line %d", line), "")
			continue
		}
		first[e.key] = e.line
		out = append(out, Entry{Key: e.key, Value: v})
	}
	return out
}
