package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// kind is what a node holds.
type kind uint8

const (
	absent kind = iota // the file has no such key
	null               // the key has no value
	scalar
	list
	mapping
)

// A node is one value of the file.
type node struct {
	kind         kind
	line, column int
	text         string // of a scalar, quotes and escapes resolved
	quoted       bool   // text that can be nothing else: quoted or a block
	items        []*node
	entries      []entry
}

// implied reports whether the value is a null that nobody wrote: its place is
// that of the key or the dash that lacks it.
func (n *node) implied() bool { return n.kind == null && n.text == "" }

// An entry is one key of a mapping with its value.
type entry struct {
	key          string
	line, column int
	value        *node
}

// parse returns the file's tree, nil if it is empty, or what keeps it from being
// read.
func parse(data []byte) (*node, Problems) {
	text, problem := clean(data)
	if problem != nil {
		return nil, Problems{problem}
	}
	tokens := rejoin(lexer.Tokenize(string(text)))
	if problems := check(tokens); len(problems) > 0 {
		return nil, problems
	}
	file, err := parseTokens(tokens)
	if err != nil {
		return nil, Problems{syntaxProblem(err)}
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		root, err := convert(doc.Body, 0)
		if err != nil {
			return nil, Problems{syntaxProblem(err)}
		}
		return root, nil
	}
	return nil, nil
}

// errParser stands for a fault of the YAML library.
var errParser = errors.New("this text is more than the YAML reader can take")

// parseTokens keeps a fault of the YAML library from ending the process: a
// running gateway reads files again when it is told to.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errParser
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// syntaxProblem places an error of the parser or of convert.
func syntaxProblem(err error) *Problem {
	p := &Problem{Line: 1, Column: 1, Text: "not valid YAML: "}
	if own, ok := errors.AsType[*Problem](err); ok {
		return own
	}
	located, ok := errors.AsType[yaml.Error](err)
	if !ok {
		p.Text += errParser.Error()
		return p
	}
	if t := located.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Column = max(1, t.Position.Line), max(1, t.Position.Column)
	}
	p.Text += strings.NewReplacer("\t", `\t`, "\n", `\n`).Replace(located.GetMessage())
	return p
}

// convert copies the parser's tree into ours. depth is the number of lists and
// mappings around n, at most MaxDepth.
func convert(n ast.Node, depth int) (*node, error) {
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return nil, errParser
	}
	out := &node{line: max(1, t.Position.Line), column: max(1, t.Position.Column), text: t.Value}
	switch v := n.(type) {
	case *ast.MappingNode:
		out.kind = mapping
		return out, convertEntries(out, v, depth+1)
	case *ast.SequenceNode:
		out.kind = list
		return out, convertItems(out, v, depth+1)
	case *ast.NullNode:
		out.kind = null
		if t.Type == token.ImplicitNullType {
			out.text = ""
		}
	case *ast.LiteralNode:
		out.kind, out.quoted = scalar, true
		out.text = v.Value.Value
	case *ast.StringNode:
		out.kind = scalar
		out.quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
		out.text = v.Value
	case ast.ScalarNode:
		out.kind = scalar
	default:
		return nil, &Problem{Line: out.line, Column: out.column, Text: fmt.Sprintf(
			"a YAML %s is not supported, allowed: lists, mappings and plain values", strings.ToLower(n.Type().YAMLName()))}
	}
	return out, nil
}

func convertItems(out *node, l *ast.SequenceNode, depth int) error {
	if depth > MaxDepth {
		return &Problem{Line: out.line, Column: out.column, Text: tooDeep}
	}
	for i, item := range l.Values {
		value, err := convert(item, depth)
		if err != nil {
			return err
		}
		if value.implied() && i < len(l.Entries) {
			dash := l.Entries[i].Start.Position
			value.line, value.column = dash.Line, dash.Column
		}
		out.items = append(out.items, value)
	}
	return nil
}

// convertEntries fills out from m. A mapping begins where its first key does, or
// at its bracket; the parser says that it begins at the first colon.
func convertEntries(out *node, m *ast.MappingNode, depth int) error {
	if !m.IsFlowStyle && len(m.Values) > 0 {
		first := m.Values[0].Key.GetToken().Position
		out.line, out.column = first.Line, first.Column
	}
	if depth > MaxDepth {
		return &Problem{Line: out.line, Column: out.column, Text: tooDeep}
	}
	for _, pair := range m.Values {
		key, err := convert(pair.Key, depth)
		if err != nil {
			return err
		}
		if key.kind != scalar {
			return &Problem{Line: key.line, Column: key.column, Text: "a key that is no text, allowed: key: value"}
		}
		value, err := convert(pair.Value, depth)
		if err != nil {
			return err
		}
		if value.implied() {
			value.line, value.column = key.line, key.column
		}
		out.entries = append(out.entries, entry{key: key.text, line: key.line, column: key.column, value: value})
	}
	return nil
}
