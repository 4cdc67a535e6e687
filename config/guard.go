package config

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// A guard looks at a file's tokens before the parser does. It refuses what this
// dialect leaves out, and shapes on which the parser recurses without bound or
// takes time that grows with the square of the file: mappings of very many
// keys, and very many empty values.
type guard struct {
	flow     []token.Type // the flow brackets that are open
	columns  []column     // the block mappings that are open, by indentation
	dashes   int          // list items begun on this line
	empty    int          // keys and items without a value
	ended    bool         // ... was seen
	last     *token.Token // the latest token, comments apart
	before   *token.Token // the one before it
	problems Problems
}

// A column counts the keys at one indentation.
type column struct{ at, keys int }

// check returns what the file may not contain. Where it returns nothing, the
// parser's stack and time are bounded.
func check(tokens token.Tokens) Problems {
	var g guard
	for _, t := range tokens {
		if t.Type == token.CommentType || t.Type == token.InvalidType {
			continue
		}
		if !g.take(t) {
			break
		}
	}
	return g.problems
}

func (g *guard) refuse(t *token.Token, format string, args ...any) {
	g.problems = append(g.problems, &Problem{
		Line: t.Position.Line, Column: t.Position.Column, Text: fmt.Sprintf(format, args...),
	})
}

// take looks at the next token and reports whether there is any use in looking
// at more.
func (g *guard) take(t *token.Token) bool {
	if g.last == nil || t.Position.Line != g.last.Position.Line {
		g.dashes = 0
	}
	if g.leavesEmpty(t) {
		g.empty++
	}
	if g.empty > MaxEmpty {
		g.refuse(t, "too many keys and list items without a value, allowed: %d at most", MaxEmpty)
		return false
	}
	if !g.shape(t) || !g.document(t) {
		return false
	}
	g.dialect(t)
	g.before, g.last = g.last, t
	return len(g.problems) <= MaxProblems
}

// shape follows brackets, dashes and keys.
func (g *guard) shape(t *token.Token) bool {
	at := t.Position.Column
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		g.flow = append(g.flow, t.Type)
	case token.SequenceEndType, token.MappingEndType:
		g.flow = g.flow[:max(0, len(g.flow)-1)]
	case token.SequenceEntryType:
		g.dashes++
		g.dedent(at)
	case token.MappingValueType:
		if len(g.flow) > 0 || g.last == nil {
			break
		}
		at = g.last.Position.Column // where its key begins
		g.dedent(at)
		if n := len(g.columns); n == 0 || g.columns[n-1].at < at {
			g.columns = append(g.columns, column{at: at})
		}
		top := &g.columns[len(g.columns)-1]
		if top.keys++; top.keys > MaxKeys {
			g.refuse(g.last, "too many keys in one mapping, allowed: %d at most", MaxKeys)
			return false
		}
	default:
	}
	if len(g.flow) > MaxDepth || g.dashes > MaxDepth {
		g.refuse(t, "%s", tooDeep)
		return false
	}
	return true
}

var tooDeep = fmt.Sprintf("too many lists and mappings inside each other, allowed: %d", MaxDepth)

// dedent closes the mappings that are indented deeper than a column.
func (g *guard) dedent(at int) {
	for n := len(g.columns); n > 0 && g.columns[n-1].at > at; n-- {
		g.columns = g.columns[:n-1]
	}
}

// leavesEmpty reports whether the token before t is a key or a list item that
// t leaves without a value.
func (g *guard) leavesEmpty(t *token.Token) bool {
	if g.last == nil {
		return false
	}
	ends := closes(t) || t.Type == token.CollectEntryType
	newLine := t.Position.Line > g.last.Position.Line
	switch g.last.Type {
	case token.MappingValueType:
		if ends || g.before == nil {
			return true
		}
		key := g.before.Position.Column
		return newLine && (t.Position.Column < key || t.Position.Column == key && t.Type != token.SequenceEntryType)
	case token.SequenceEntryType:
		return newLine && t.Position.Column <= g.last.Position.Column
	case token.SequenceEndType, token.MappingEndType:
		return false
	default: // {key, key}
		inMapping := len(g.flow) > 0 && g.flow[len(g.flow)-1] == token.MappingStartType
		return inMapping && ends && g.before != nil && g.before.Type != token.MappingValueType
	}
}

// document allows one document, with or without its marks.
func (g *guard) document(t *token.Token) bool {
	switch {
	case t.Type == token.DocumentEndType:
		g.ended = true
		return true
	case g.ended, t.Type == token.DocumentHeaderType && g.last != nil:
		g.refuse(t, "a second document begins here, allowed: one document in a file")
		return false
	}
	return true
}

// dialect refuses the parts of YAML that this package leaves out.
func (g *guard) dialect(t *token.Token) {
	switch t.Type {
	case token.AnchorType:
		g.refuse(t, "anchors are not supported, allowed: the value written out (in quotes if it begins with &)")
	case token.AliasType:
		g.refuse(t, "aliases are not supported, allowed: the value written out (in quotes if it begins with *)")
	case token.TagType:
		g.refuse(t, "tags are not supported, allowed: the plain value (in quotes if it begins with !)")
	case token.MergeKeyType:
		g.refuse(t, "merge keys are not supported, allowed: the keys written out")
	case token.DirectiveType:
		g.refuse(t, "directives are not supported, allowed: nothing before the document")
	case token.MappingKeyType:
		g.refuse(t, "keys that begin with ? are not supported, allowed: key: value")
	default:
	}
}
