package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTwenty is all of it with twenty small pictures.
func TestTwenty(t *testing.T) {
	if _, err := magick(t.Context()); err != nil {
		t.Skip(err)
	}
	penstock := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", penstock, "../../cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var out bytes.Buffer
	cfg := config{pictures: 20, scale: 30, penstock: penstock, dir: t.TempDir(), wip: 2, slowFor: 10 * time.Millisecond, out: &out}
	if err := run(t.Context(), cfg); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"the entrance refuses", "decode is full, ", "finished and blocked", "kill -9 of the server", "all 20 arrived, once"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	t.Log(out.String())
}
