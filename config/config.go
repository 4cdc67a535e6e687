// Package config reads YAML files into checked values: booleans, numbers,
// words, durations, rates, percentages and sizes, in lists and mappings.
//
// It reports every problem of a file at once, each with its line, its column,
// the field it belongs to, what is wrong and what is allowed:
//
//	gate.yaml:3:12: routes[0].limit: "0" is out of range, allowed: a whole number from 1 to 100
//	gate.yaml:4:5: routes[0].limitt: unknown key, did you mean limit?
//
// [Parse] makes a [Doc]. Its [Node] and [Mapping] hand out values: a reader
// takes what to answer when the key is absent, and the range that is allowed; it
// answers with a value inside that range whatever the file says. [Doc.Err] tells
// in the end whether the values may be used.
//
// The dialect is small on purpose: one document, no anchors and aliases, no
// tags, no merge keys, no directives. Files are bounded in size, depth and
// shape, so that no file, however made, costs more than moments to refuse.
//
// The package knows nothing of what the files are about.
package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// The bounds on a file.
const (
	MaxFileBytes = 1 << 20 // size
	MaxDepth     = 64      // lists and mappings inside each other
	MaxKeys      = 4096    // keys of one mapping in block style
	MaxEmpty     = 4096    // keys and list items without a value
	MaxProblems  = 1000    // problems reported
)

// A Doc is one YAML document and the problems found in it so far. It is not safe
// for concurrent use.
type Doc struct {
	file     string
	root     *node
	broken   bool // not readable: only the problems of Parse count
	problems Problems
	more     bool // there were problems beyond MaxProblems
}

// Parse reads data. It never fails: a file that is no YAML yields a Doc with an
// empty root whose [Doc.Err] says so, and which takes no further problems. The
// file name is for messages only.
func Parse(file string, data []byte) *Doc {
	d := &Doc{file: file}
	root, problems := parse(data)
	for _, p := range problems {
		d.add(p.Line, p.Column, "", p.Text)
	}
	d.broken = len(problems) > 0
	if root == nil || d.broken {
		root = &node{kind: absent, line: 1, column: 1}
	}
	d.root = root
	return d
}

// Root is the value of the whole file. It is absent where the file is empty.
func (d *Doc) Root() Node {
	return Node{doc: d, node: d.root, keyLine: d.root.line, keyColumn: d.root.column}
}

// Err is nil if there was no problem, else the [Problems] in the order of the
// file.
func (d *Doc) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	sorted := d.problems.sorted()
	if d.more {
		last := sorted[len(sorted)-1]
		sorted = append(sorted, &Problem{
			File: d.file, Line: last.Line, Column: last.Column, Text: "there are more problems than these",
		})
	}
	return sorted
}

func (d *Doc) add(line, column int, field, text string) {
	switch {
	case d.broken:
	case len(d.problems) >= MaxProblems:
		d.more = true
	default:
		d.problems = append(d.problems, &Problem{File: d.file, Line: line, Column: column, Field: field, Text: text})
	}
}

// clean checks that data is printable text of bounded size, and returns it with
// line feeds for line breaks and without a byte order mark.
func clean(data []byte) ([]byte, *Problem) {
	if len(data) > MaxFileBytes {
		return nil, &Problem{Line: 1, Column: 1, Text: fmt.Sprintf(
			"the file is too long, allowed: %d bytes at most", MaxFileBytes)}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return nil, &Problem{Line: line, Column: column, Text: fmt.Sprintf(
				"the byte 0x%02x is no UTF-8, allowed: text in UTF-8", data[i])}
		case r < ' ' && r != '\n' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0:
			return nil, &Problem{Line: line, Column: column, Text: fmt.Sprintf(
				"the control character %U, allowed: printable text, tabs and line breaks", r)}
		}
		i += size
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return data, nil
}
