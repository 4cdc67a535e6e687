package main

import (
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNothingIsLost runs the whole pipe, with a sink that stops half-way.
func TestNothingIsLost(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "access.log")
	if err := generate(in, 500_000); err != nil {
		t.Fatal(err)
	}
	stopped := false
	r, err := run(t.Context(), config{
		in: in, db: filepath.Join(dir, "access.db"),
		stop: 50 * time.Millisecond, stopped: func() { stopped = true },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !stopped || r.bytes < 500_000 || r.rows != r.lines || r.lines < 5000 {
		t.Errorf("%+v, stopped: %v", r, stopped)
	}
}

func TestParse(t *testing.T) {
	e, err := parse("1700000000 10.1.2.3 GET /a?b=c 404 12")
	if want := (entry{second: 1700000000, client: "10.1.2.3", path: "/a?b=c", status: 404, bytes: 12}); e != want || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
	for _, line := range []string{"", "1 2 3", "x 10.1.2.3 GET /a 404 12", "1 10.1.2.3 GET /a x 12", "1 10.1.2.3 GET /a 404 x"} {
		if _, err := parse(line); err == nil {
			t.Errorf("%q was parsed", line)
		}
	}
}
