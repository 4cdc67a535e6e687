//go:build unix

package sense_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/metrics"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/sense"
	"github.com/penstock-go/penstock/mono"
)

const (
	childEnv = "PENSTOCK_SENSE_CHILD"
	stolen   = 300 * time.Millisecond
)

// beTheChild is the child of TestStolenTime: it says that it runs, is stopped
// and continued by its parent, and tells what it saw.
func beTheChild() {
	if os.Getenv(childEnv) == "" {
		return
	}
	p := sense.NewProbe()
	p.Look(mono.Now())
	hist := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(hist)
	before := slices.Clone(hist[0].Value.Float64Histogram().Counts)
	due := mono.Now() // before the parent is told: whenever it strikes, a look is due
	p.Due(due)
	p.Look(due)
	fmt.Println("ready")
	worst := 0.0
	for worst < stolen.Seconds()/2 { // until the theft shows: the parent kills a child that sees none
		due = due.Add(sense.Period)
		p.Due(due)
		<-time.NewTimer(due.Sub(mono.Now())).C
		worst = max(worst, p.Look(mono.Now()).Lateness/0.3)
	}
	metrics.Read(hist)
	h := hist[0].Value.Float64Histogram()
	longest := 0.0
	for i, n := range h.Counts {
		if n > before[i] {
			longest = h.Buckets[i]
		}
	}
	fmt.Println(worst >= stolen.Seconds()*0.9, longest < stolen.Seconds()/2)
	os.Exit(0)
}

// A process that the kernel does not run is here one that is stopped. The timer
// is late by it each time; the scheduler delay, as long as the package says that it
// misses it, has seen nothing. It does see it where a goroutine happened to wait for
// its turn as the process was stopped, which is rare: so one theft unseen is enough.
func TestStolenTime(t *testing.T) {
	for range 3 {
		switch got := rob(t); got {
		case "true true":
			return
		case "true false":
			t.Log("a goroutine was waiting as the process was stopped")
		default:
			t.Fatalf("lateness sees the theft: the child says %q", got)
		}
	}
	t.Error("the scheduler delay sees every theft")
}

// rob stops a child for a while, and returns what it has to say of that.
func rob(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	read := func() string {
		buf := make([]byte, 64)
		n, _ := out.Read(buf)
		return strings.TrimSpace(string(buf[:n]))
	}
	if got := read(); got != "ready" {
		t.Fatalf("the child says %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.NewTimer(stolen + sense.Period).C
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	got := read()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return got
}
