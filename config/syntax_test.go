package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/config"
)

// TestFileProblems has one row per way in which a file is not even a tree.
func TestFileProblems(t *testing.T) {
	deep := func(n int) string { return "a: " + strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := []struct {
		name, data string
		want       string // joined by line breaks; empty for none
	}{
		{"fine", "a: 1\n", ""},
		{"empty", "", ""},
		{"only a comment", "# nothing\n", ""},
		{"only marks", "---\n...\n", ""},
		{"document marks", "---\na: 1\n...\n", ""},
		{"byte order mark", "\ufeffa: 1\n", ""},
		{"CR LF", "a: 1\r\nb: 2\r\n", ""},

		{"second document", "a: 1\n---\nb: 2\n", "f:2:1: a second document begins here, allowed: one document in a file"},
		{"text after the end", "a: 1\n...\nb: 2\n", "f:3:1: a second document begins here, allowed: one document in a file"},
		{"indentation", "a: 1\n  b: 2\n", "f:1:4: not valid YAML: mapping value is not allowed in this context"},
		{"tab", "a:\n\tb: 1\n", `f:2:1: not valid YAML: found character '\t' that cannot start any token`},
		{"open list", "a: [1, 2\nb: 3\n", "f:2:1: not valid YAML: ',' or ']' must be specified"},
		{"open quote", "a: \"x\nb: 3\n", "f:1:4: not valid YAML: could not find end character of double-quoted text"},
		{"mapping as key", "{a: 1}: 2\n", "f:1:7: not valid YAML: found an invalid key for this map"},
		{"null as key", "null: 2\n", "f:1:1: a key that is no text, allowed: key: value"},

		{
			"anchor and alias", "a: &x 1\nb: *x\n",
			"f:1:4: anchors are not supported, allowed: the value written out (in quotes if it begins with &)\n" +
				"f:2:4: aliases are not supported, allowed: the value written out (in quotes if it begins with *)",
		},
		{"tag", "a: !!str 1\n", "f:1:4: tags are not supported, allowed: the plain value (in quotes if it begins with !)"},
		{"merge key", "a:\n  <<: {b: 1}\n", "f:2:3: merge keys are not supported, allowed: the keys written out"},
		{"explicit key", "? a\n: 1\n", "f:1:1: keys that begin with ? are not supported, allowed: key: value"},
		{
			"directive", "%YAML 1.2\n---\na: 1\n",
			"f:1:1: directives are not supported, allowed: nothing before the document\n" +
				"f:2:1: a second document begins here, allowed: one document in a file",
		},

		{"size", strings.Repeat(" ", config.MaxFileBytes+1), "f:1:1: the file is too long, allowed: 1048576 bytes at most"},
		{"not UTF-8", "a: é\nb: \xff\n", "f:2:4: the byte 0xff is no UTF-8, allowed: text in UTF-8"},
		{"control character", "é: \x1b[1m\n", "f:1:4: the control character U+001B, allowed: printable text, tabs and line breaks"},
		{"C1 control character", "a: \u0085\n", "f:1:4: the control character U+0085, allowed: printable text, tabs and line breaks"},

		{"depth of lists", deep(config.MaxDepth - 1), ""},
		{"too deep", deep(config.MaxDepth), "f:1:67: too many lists and mappings inside each other, allowed: 64"},
		{"much too deep", deep(30_000), "f:1:68: too many lists and mappings inside each other, allowed: 64"},
		{"dashes in a line", strings.Repeat("- ", 64) + "1", ""},
		{"too many dashes in a line", strings.Repeat("- ", 30_000), "f:1:129: too many lists and mappings inside each other, allowed: 64"},
		{"too deep in blocks", blocks(65), "f:65:65: too many lists and mappings inside each other, allowed: 64"},
		{"deep in blocks", blocks(64), ""},

		{"keys", keys(config.MaxKeys, "%d: 1\n"), ""},
		{"too many keys", keys(config.MaxKeys+1, "%d: 1\n"), "f:4097:1: too many keys in one mapping, allowed: 4096 at most"},
		{"too many keys, indented", "a:\n" + keys(10_000, "  %d: 1\n"), "f:4098:3: too many keys in one mapping, allowed: 4096 at most"},
		{"many keys in many mappings", keys(5_000, "- a%d: 1\n  b: 2\n"), ""},
		{"empty keys", keys(10_000, "- a%d:\n"), "f:4098:1: too many keys and list items without a value, allowed: 4096 at most"},
		{"empty items", strings.Repeat("-\n", 20_000), "f:4098:1: too many keys and list items without a value, allowed: 4096 at most"},
		{"empty keys in brackets", "{" + strings.Repeat("a,", 20_000) + "}", "f:1:8195: too many keys and list items without a value, allowed: 4096 at most"},
		{"empty values in brackets", "{" + strings.Repeat("a:,", 20_000) + "}", "f:1:12292: too many keys and list items without a value, allowed: 4096 at most"},
		{"many values in brackets", keys(2_000, "- {a%d: {b: 1, c: [x, {d: e}]}, f: [], g: h}\n"), ""},
		{"lists at the column of their key", keys(5000, "- a%d:\n  - 1\n"), ""},
		{"long list in brackets", "[" + strings.Repeat("a,", 20_000) + "]", ""},
		{"too many anchors to report", strings.Repeat("&a ", 5_000), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := config.Parse("f", []byte(test.data)).Err()
			if test.name == "too many anchors to report" {
				ps, ok := errors.AsType[config.Problems](err)
				if !ok || len(ps) != config.MaxProblems+1 {
					t.Fatalf("%d problems, want %d and a count of the rest", len(ps), config.MaxProblems)
				}
				return
			}
			if got := text(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// blocks is a file of n mappings inside each other.
func blocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// keys repeats a line n times with the numbers from 0.
func keys(n int, line string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}
