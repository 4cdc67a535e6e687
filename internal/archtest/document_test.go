package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const fence = "```"

// TestDocument compares the table with the fenced block of ARCHITECTURE.md
// whose first line is "layers:", word by word.
func TestDocument(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown, ok := layersBlock(string(data))
	if !ok {
		t.Fatalf("ARCHITECTURE.md has no fenced block that begins with \"layers:\"; it should be:\n%s", block())
	}
	if words(shown) != words(block()) {
		t.Errorf("ARCHITECTURE.md and the table in internal/archtest/table_test.go disagree.\nThe document has:\n%s\nThe table gives:\n%s",
			shown, block())
	}
}

// layersBlock returns the inside of the first fenced block whose first line is
// "layers:".
func layersBlock(document string) (string, bool) {
	var inside []string
	open := false
	for line := range strings.Lines(document) {
		switch line = strings.TrimRight(line, " \t\r\n"); {
		case strings.HasPrefix(line, fence) && open:
			if len(inside) > 0 && inside[0] == "layers:" {
				return strings.Join(inside, "\n") + "\n", true
			}
			open, inside = false, nil
		case strings.HasPrefix(line, fence):
			open = true
		case open:
			inside = append(inside, line)
		}
	}
	return "", false
}

// words keeps the lines and forgets how they are aligned.
func words(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

func TestLayersBlock(t *testing.T) {
	document := "a\n" + fence + "go\nlayers\n" + fence + "\nb\n" + fence + "\nlayers:\n  mono   mono\n" + fence + "\n"
	got, ok := layersBlock(document)
	if want := "layers:\n  mono   mono\n"; !ok || got != want {
		t.Errorf("got %q, %v, want %q", got, ok, want)
	}
	if got, ok := layersBlock("layers:\n" + fence + "\nx\n" + fence); ok {
		t.Errorf("got %q from a document without the block", got)
	}
}
