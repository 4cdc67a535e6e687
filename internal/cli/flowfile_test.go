package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
	"github.com/penstock-go/penstock/internal/golden"
)

// TestFlowStatus shows a flow as it might be, for people and for programs.
func TestFlowStatus(t *testing.T) {
	stats := flow.Stats{
		Flow: "orders", Level: 1, Items: 19, Delayed: 2, Spillway: 1,
		Counts: flow.Counts{Offered: 130, Accepted: 119, Duplicates: 3, Refused: 8, Finished: 100, Spilled: 1, Expired: 1, TimedOut: 2, Stale: 1},
		Stages: []flow.StageStats{
			{Stage: "check", Limit: 10, Used: 10, Waiting: 7, Blocked: 3, OldestMS: 1234.5, Rate: 9.5, Busy: .25, Blocks: .75, Workers: 3},
			{Stage: "pack", Limit: 4, Used: 4, Leased: 4, OldestMS: 250, Rate: 9.25, Busy: 1, Workers: 1},
			{Stage: "ship", Limit: 2, Used: 2, Waiting: 2, Paused: true, Idle: 1},
		},
	}
	d := flow.Definition{Name: "orders", Stages: []flow.Stage{{Name: "check", WIP: 10}, {Name: "pack", WIP: 4}, {Name: "ship", WIP: 2}}}.Normalize()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/flows/orders" {
			t.Errorf("asks for %s", r.URL)
		}
		_ = json.NewEncoder(w).Encode(flowapi.Description{Definition: flowapi.DefinitionOf(d), Stats: stats})
	}))
	defer s.Close()
	for name, args := range map[string][]string{
		"flow-status.txt":  {"flow", "status", "orders", "--server", s.URL},
		"flow-status.json": {"flow", "status", "orders", "--server", s.URL, "--json"},
	} {
		code, out, errOut := runMain(t, "", args...)
		if code != 0 || errOut != "" {
			t.Errorf("%s: %d %s", name, code, errOut)
		}
		golden.Check(t, name, out)
	}
}

// drain works for all stages of a flow until it is stopped.
func drain(t *testing.T, url string, stages ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{}
	var wg sync.WaitGroup
	for _, stage := range stages {
		w := flowclient.Worker{
			Client: &flowclient.Client{URL: url, Flow: "orders", HTTP: &http.Client{Transport: transport}}, Stage: stage, Concurrency: 4,
			Handler: func(context.Context, flowapi.Job) (flowapi.Content, error) { return flowapi.Content{}, nil },
		}
		wg.Go(func() { w.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		transport.CloseIdleConnections()
	})
}

// finished is how many items have left a file, and how many are in it.
func finished(t *testing.T, file string) (ended, others int) {
	t.Helper()
	r, err := boltstore.Verify(file)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for state, n := range r.Items {
		if state == flow.Ended.String() {
			ended += n
		} else {
			others += n
		}
	}
	return ended, others
}

// untilFlow looks at a flow, also while its server is away, until it is as it
// should be.
func untilFlow(t *testing.T, c *flowclient.Client, what string, so func(flow.Stats) bool) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	watchdog := time.After(2 * time.Minute)
	for {
		d, err := c.Describe(t.Context())
		if err == nil && so(d.Stats) {
			return
		}
		select {
		case <-ticks.C:
		case <-watchdog:
			t.Fatalf("%s: never; %+v, %v", what, d.Stats, err)
		}
	}
}

// freeAddress is one that nobody listens on, for a server that comes back.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // nothing was done with it
	return ln.Addr().String()
}

// TestOfferThroughARestart offers more than fits, while the server ends and comes
// back: each line leaves the flow once.
func TestOfferThroughARestart(t *testing.T) {
	const items = 600
	addr, file := freeAddress(t), filepath.Join(t.TempDir(), "flow.db")
	serve := []string{"--listen", addr, "--data", file, "--flow", "orders", "--stage", "a:80", "--stage", "b:20"}
	url, stop := serving(t, serve...)
	drain(t, url, "a", "b")
	var text strings.Builder
	for i := range items {
		fmt.Fprintln(&text, "line", i)
	}
	type ending struct {
		code int
		err  string
	}
	offered := make(chan ending, 1)
	go func() {
		out, errOut := newOutput(), newOutput()
		code := run(context.Background(), []string{"flow", "offer", "orders", "--server", url}, strings.NewReader(text.String()), out, errOut, nil, func(int) {})
		offered <- ending{code, errOut.String()}
	}()
	c := &flowclient.Client{URL: url, Flow: "orders"}
	for restart := 1; restart <= 2; restart++ {
		untilFlow(t, c, "some of the rest have gone through", func(st flow.Stats) bool { return st.Counts.Finished > 50 })
		if code := stop(); code != 0 {
			t.Fatalf("flow serve ended with code %d", code)
		}
		_, stop = serving(t, serve...)
	}
	end := <-offered
	if end.code != 0 || !strings.Contains(end.err, fmt.Sprintf("offered %d:", items)) {
		t.Errorf("code %d, %s", end.code, end.err)
	}
	untilFlow(t, c, "all have gone through", func(st flow.Stats) bool { return st.Items == 0 })
	stop()
	if ended, others := finished(t, file); ended != items || others != 0 {
		t.Errorf("%d have left and %d are in, of %d", ended, others, items)
	}
}

// TestFlowBackup takes copies while items go through, and finds each sound, with all
// that was in before it.
func TestFlowBackup(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	url, stop := serving(t, "--listen", "127.0.0.1:0", "--flow", "orders", "--stage", "a:50", "--stage", "b:50")
	t.Setenv(flowServerEnv, url)
	drain(t, url, "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	var offers atomic.Int64
	more := make(chan struct{}, 1) // something new is in
	var wg sync.WaitGroup
	wg.Go(func() {
		c := flowclient.Client{URL: url, Flow: "orders"}
		for ctx.Err() == nil {
			if rs, err := c.Offer(ctx, make([]flowapi.Item, 20)...); err == nil {
				offers.Add(int64(len(rs)))
				select {
				case more <- struct{}{}:
				default:
				}
			}
		}
	})
	sure := int64(0) // so many are in: it was answered
	for i := range 5 {
		for offers.Load() == sure {
			<-more
		}
		sure = offers.Load()
		name := fmt.Sprintf("copy-%d.db", i)
		if code, out, errOut := runMain(t, "", "flow", "backup", name); code != 0 || !strings.Contains(out, "sound") {
			t.Fatalf("%d %s%s", code, out, errOut)
		}
		ended, others := finished(t, name)
		if got := int64(ended + others); got < sure {
			t.Errorf("copy %d has %d items; %d were in before it", i, got, sure)
		}
	}
	cancel()
	wg.Wait()
	if code, _, errOut := runMain(t, "", "flow", "backup", "copy-0.db"); code != 1 || !strings.Contains(errOut, "is there already") {
		t.Errorf("%d %s", code, errOut)
	}
	stop()
	if code, _, _ := runMain(t, "", "flow", "backup", "late.db"); code != 1 {
		t.Errorf("from no server: code %d", code)
	}
	if left, err := filepath.Glob("*.part-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// A copy serves.
	_, stop = serving(t, "--listen", "127.0.0.1:0", "--data", "copy-4.db")
	if code := stop(); code != 0 {
		t.Errorf("a server of the copy: code %d", code)
	}
	if _, err := os.Stat("late.db"); err == nil {
		t.Error("a copy of nothing has a name")
	}
}

// TestFlowSpillway lists, sends back and discards.
func TestFlowSpillway(t *testing.T) {
	serveFlow(t)
	c := flowclient.Client{URL: os.Getenv(flowServerEnv), Flow: "orders"}
	for _, id := range []string{"x", "y"} {
		if _, err := c.Offer(t.Context(), flowapi.Item{ID: id}); err != nil {
			t.Fatal(err)
		}
		jobs, err := c.Pull(t.Context(), "pack", 1, 0)
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		if err := c.Spill(t.Context(), jobs[0].Lease, "no box for "+id); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		args string
		code int
		want string
	}{
		{"flow spillway orders", 0, "x   pack   0         0      no box for x\ny   pack   0         0      no box for y\n"},
		{"flow spillway orders --json", 0, `"reason": "no box for x"`},
		{"flow spillway orders --replay x z", 1, "x replayed\nflow: no such item in the spillway: \"z\""},
		{"flow spillway orders --discard z", 1, `no such item in the spillway: "z"`},
		{"flow spillway orders --discard y", 0, "y discarded\n"},
		{"flow spillway orders --json", 0, "[]\n"},
		{"flow spillway orders --replay", 2, "give ids"},
		{"flow spillway orders --replay --discard x", 2, "give ids with one of"},
	} {
		code, out, errOut := runMain(t, "", strings.Fields(row.args)...)
		if code != row.code || !strings.Contains(out+errOut, row.want) {
			t.Errorf("%s: %d %q %q, want %d %q", row.args, code, out, errOut, row.code, row.want)
		}
	}
	if jobs, err := c.Pull(t.Context(), "pack", 1, 10*time.Second); err != nil || len(jobs) != 1 || jobs[0].ID != "x" {
		t.Errorf("the replayed one: %v, %v", jobs, err)
	}
}
