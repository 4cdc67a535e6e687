package config

import (
	"fmt"
	"strconv"
	"strings"
)

// A Node is one value of a file, or its absence. Its readers take the value to
// answer with when the key is absent; they answer with the same when the value
// has a problem, which they report.
type Node struct {
	doc                *Doc
	node               *node
	field              string
	keyLine, keyColumn int    // of the key that the value belongs to, else of the value
	allowed            string // replaces what the readers say is allowed
	later              []string
}

// Present reports whether the file has the value, be it an empty one.
func (n Node) Present() bool { return n.node.kind != absent }

// IsNull reports whether the key is there and its value is not, or is null.
func (n Node) IsNull() bool { return n.node.kind == null }

// IsScalar reports whether the value is one word, number or text.
func (n Node) IsScalar() bool { return n.node.kind == scalar }

// IsList reports whether the value is a list.
func (n Node) IsList() bool { return n.node.kind == list }

// IsMapping reports whether the value is a mapping.
func (n Node) IsMapping() bool { return n.node.kind == mapping }

// Is reports whether the value is the given word, as auto in "limit: auto".
// Words in quotes count too.
func (n Node) Is(word string) bool { return n.node.kind == scalar && n.node.text == word }

// Field is the dotted path of the value, such as routes[0].limit.
func (n Node) Field() string { return n.field }

// Allowing returns the node with a description of its own of what is allowed:
// for values that take more forms than one reader knows. Every problem that a
// reader of the value itself reports uses it; problems of its items and keys do
// not.
func (n Node) Allowing(what string) Node {
	n.allowed = what
	return n
}

// Later returns the node with keys that [Node.Mapping] is to refuse as those of
// a later version, instead of as unknown.
func (n Node) Later(keys ...string) Node {
	n.later = keys
	return n
}

// Bad reports a problem of the value: what is wrong, and, unless empty, what is
// allowed.
func (n Node) Bad(problem, allowed string) {
	n.doc.add(n.node.line, n.node.column, n.field, n.say(problem, allowed))
}

// BadKey reports a problem of the key instead of its value.
func (n Node) BadKey(problem, allowed string) {
	n.doc.add(n.keyLine, n.keyColumn, n.field, n.say(problem, allowed))
}

func (n Node) say(problem, allowed string) string {
	if n.allowed != "" {
		allowed = n.allowed
	}
	if allowed == "" {
		return problem
	}
	return problem + ", allowed: " + allowed
}

// what describes the value in a message.
func (n Node) what() string {
	switch n.node.kind {
	case absent, null:
		return "has no value"
	case list:
		return "is a list"
	case mapping:
		return "is a mapping"
	case scalar:
	}
	return Quote(n.node.text)
}

// Either calls one of two functions, by whether the value is a scalar or a
// mapping. It reports any other value, and does nothing for an absent one.
// [Node.Allowing] says what is allowed; the functions get the node with it.
func (n Node) Either(ifScalar, ifMapping func(Node)) {
	switch n.node.kind {
	case absent:
	case scalar:
		ifScalar(n)
	case mapping:
		ifMapping(n)
	case null, list:
		n.Bad(n.what(), "a single value or a mapping")
	}
}

// List returns the items of a list of at least one and at most limit items. An
// absent node has none.
func (n Node) List(limit int) []Node {
	switch {
	case n.node.kind == absent:
		return nil
	case n.node.kind != list:
		n.Bad(n.what(), fmt.Sprintf("a list of 1 to %d items", limit))
		return nil
	}
	return n.itemsWithin(1, limit)
}

// ListOrEmpty is [Node.List] for lists that may be empty.
func (n Node) ListOrEmpty(limit int) []Node {
	switch {
	case n.node.kind == absent:
		return nil
	case n.node.kind != list:
		n.Bad(n.what(), fmt.Sprintf("a list of at most %d items", limit))
		return nil
	}
	return n.itemsWithin(0, limit)
}

// OneOrMore is [Node.List], where a single item may stand without a list.
func (n Node) OneOrMore(limit int) []Node {
	switch n.node.kind {
	case absent:
		return nil
	case scalar, mapping:
		return []Node{n}
	case null:
		n.Bad(n.what(), fmt.Sprintf("one item or a list of 1 to %d", limit))
		return nil
	case list:
	}
	return n.itemsWithin(1, limit)
}

func (n Node) itemsWithin(least, most int) []Node {
	items := n.node.items
	if len(items) < least || len(items) > most {
		allowed := fmt.Sprintf("%d to %d", least, most)
		if least == 0 {
			allowed = fmt.Sprintf("at most %d", most)
		}
		n.Bad(fmt.Sprintf("%d items", len(items)), allowed)
		items = items[:min(len(items), most)]
	}
	out := make([]Node, len(items))
	for i, item := range items {
		out[i] = Node{
			doc: n.doc, node: item, field: n.field + "[" + strconv.Itoa(i) + "]",
			keyLine: item.line, keyColumn: item.column,
		}
	}
	return out
}

// join appends a key to a dotted path. Keys that are not plain words are quoted.
func join(field, key string) string {
	plain := key != "" && len(key) <= maxQuoted && strings.Trim(key, wordCharacters) == ""
	if !plain {
		return field + "[" + Quote(key) + "]"
	}
	if field == "" {
		return key
	}
	return field + "." + key
}

const wordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
