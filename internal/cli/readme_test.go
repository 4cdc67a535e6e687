package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const repository = "../.."

func readRepository(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fences returns the fenced blocks of a page that are in the given language;
// empty is none.
func fences(page, language string) []string {
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

// TestReadmePrograms: what the README shows in Go is compiled and tested.
func TestReadmePrograms(t *testing.T) {
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	compiled := []string{"examples/protect/main.go", "demand/readme_test.go"}
	blocks := fences(readRepository(t, "README.md"), "go")
	if len(blocks) != len(compiled) {
		t.Fatalf("README.md shows %d pieces of Go, and %v are to be the ones", len(blocks), compiled)
	}
	for i, block := range blocks {
		if !strings.Contains(flat(readRepository(t, compiled[i])), flat(block)) {
			t.Errorf("README.md shows what %s does not have:\n%s", compiled[i], block)
		}
	}
}

func TestReadmeConfiguration(t *testing.T) {
	blocks := fences(readRepository(t, "README.md"), "yaml")
	if len(blocks) == 0 {
		t.Fatal("README.md shows no configuration")
	}
	for _, block := range blocks {
		if code, stdout, _ := runMain(t, block, "check", "-"); code != 0 {
			t.Errorf("README.md shows a configuration that is wrong:\n%s", stdout)
		}
	}
}

// TestCommandsShown: every command on the pages is one that there is.
func TestCommandsShown(t *testing.T) {
	seen := 0
	for _, page := range []string{"README.md", "docs/demo.md", "docs/load.md", "docs/gateway-config.md"} {
		for _, block := range fences(readRepository(t, page), "") {
			for line := range strings.Lines(block) {
				line, _, _ = strings.Cut(line, "#")
				words := strings.Fields(line)
				if len(words) < 2 || words[0] != "penstock" {
					continue
				}
				seen++
				cmd, args, err := Root().Find(words[1:])
				if err == nil {
					err = cmd.ParseFlags(args)
				}
				if err == nil && cmd.Args != nil {
					err = cmd.Args(cmd, cmd.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: %s: %v", page, strings.Join(words, " "), err)
				}
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d commands were found", seen)
	}
}

// TestLinks: what the pages link to is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range []string{"README.md", "docs/demo.md"} {
		for _, m := range link.FindAllStringSubmatch(readRepository(t, page), -1) {
			if _, err := os.Stat(filepath.Join(repository, filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}
