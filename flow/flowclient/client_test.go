package flowclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
	"github.com/penstock-go/penstock/flow/flowserver"
	"github.com/penstock-go/penstock/flow/storetest"
	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// serve starts a server with a flow of two stages.
func serve(t *testing.T, wip int, tokens flowserver.Tokens) *flowclient.Client {
	t.Helper()
	return serveFrom(t, &storetest.Mem{}, wip, tokens)
}

func serveFrom(t *testing.T, store flow.Store, wip int, tokens flowserver.Tokens) *flowclient.Client {
	t.Helper()
	e, err := engine.Open(t.Context(), store, engine.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	fs := flowserver.New(e, tokens)
	s := httptest.NewServer(fs)
	t.Cleanup(func() {
		fs.Close()
		s.CloseClientConnections()
		s.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &flowclient.Client{URL: s.URL, Flow: "orders", HTTP: s.Client()}
	if len(tokens.Admin) > 0 {
		c.Token = tokens.Admin[0]
	}
	err = c.Define(t.Context(), flowapi.Definition{Stages: []flowapi.Stage{{Name: "a", WIP: wip, Backoff: flowapi.Duration(time.Millisecond)}, {Name: "b", WIP: wip}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func item(id, text string) flowapi.Item {
	return flowapi.Item{ID: id, Content: flowapi.Content{Payload: []byte(text)}}
}

// TestWorkers take items through two stages; one handler fails, one panics.
func TestWorkers(t *testing.T) {
	c := serve(t, 2, flowserver.Tokens{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var done, troubles atomic.Int32
	finished := make(chan string, 20)
	work := func(stage string, f func(j flowapi.Job) (flowapi.Content, error)) chan struct{} {
		ended := make(chan struct{})
		w := flowclient.Worker{
			Client: c, Stage: stage, Concurrency: 3,
			Handler: func(_ context.Context, j flowapi.Job) (flowapi.Content, error) { return f(j) },
			Failed: func(j flowapi.Job, err error) {
				if j.ID != "" {
					troubles.Add(1)
				}
			},
		}
		go func() {
			w.Run(ctx)
			close(ended)
		}()
		return ended
	}
	a := work("a", func(j flowapi.Job) (flowapi.Content, error) {
		switch {
		case j.ID == "fails" && j.Attempt == 1:
			return flowapi.Content{}, errors.New("try again")
		case j.ID == "panics" && j.Attempt == 1:
			panic("oops")
		}
		return flowapi.Content{Payload: append(j.Payload, '!')}, nil
	})
	b := work("b", func(j flowapi.Job) (flowapi.Content, error) {
		done.Add(1)
		finished <- string(j.Payload)
		return flowapi.Content{}, nil
	})
	// More than the flow holds: the client waits when it is told to.
	items := []flowapi.Item{item("fails", "x"), item("panics", "x")}
	for id := range strings.FieldsSeq("1 2 3 4 5 6 7 8") {
		items = append(items, item(id, "x"))
	}
	rs, err := c.Offer(t.Context(), items...)
	if err != nil || len(rs) != 10 {
		t.Fatal(rs, err)
	}
	for range items {
		if got := <-finished; got != "x!" {
			t.Errorf("the last stage got %q", got)
		}
	}
	stop()
	<-a
	<-b
	if done.Load() != 10 || troubles.Load() != 2 {
		t.Errorf("%d done, %d troubles", done.Load(), troubles.Load())
	}
	d, err := c.Describe(t.Context())
	if err != nil || d.Stats.Counts.Finished != 10 {
		t.Errorf("%+v, %v", d.Stats, err)
	}
}

func TestErrors(t *testing.T) {
	c := serve(t, 1, flowserver.Tokens{})
	if _, err := c.Offer(t.Context(), item("x", "")); err != nil {
		t.Fatal(err)
	}
	jobs, err := c.Pull(t.Context(), "a", 5, 0)
	if err != nil || len(jobs) != 1 || jobs[0].Attempt != 1 {
		t.Fatal(jobs, err)
	}
	err = c.Call(t.Context(), http.MethodPost, "/offer", flowapi.OfferRequest{Items: []flowapi.Item{item("y", "")}}, nil)
	refusal, ok := errors.AsType[*penstock.RejectedError](err)
	if !ok || refusal.Reason != penstock.ReasonLimit || refusal.RetryAfter <= 0 {
		t.Errorf("a full flow: %v", err)
	}
	if err := c.Spill(t.Context(), jobs[0].Lease, "no good"); err != nil {
		t.Fatal(err)
	}
	if err := c.Extend(t.Context(), jobs[0].Lease, 0); !errors.Is(err, flow.ErrStale) {
		t.Error(err)
	}
	if _, err := c.Ack(t.Context(), jobs[0].Lease, flowapi.Content{}); !errors.Is(err, flow.ErrStale) {
		t.Error(err)
	}
	spilled, err := c.Spillway(t.Context(), "", 10)
	if err != nil || len(spilled) != 1 || spilled[0].Reason != "no good" {
		t.Fatal(spilled, err)
	}
	if rs, err := c.Replay(t.Context(), "x"); err != nil || rs[0].Outcome != "replayed" {
		t.Error(rs, err)
	}
	for _, row := range []struct {
		path   string
		status int
		detail string
	}{
		{"/ack", http.StatusBadRequest, "done: 0 of them"},
		{"/nack", http.StatusBadRequest, "lease:"},
		{"/spillway/discard", http.StatusBadRequest, "ids:"},
		{"/stages/z/pull", http.StatusNotFound, `no such stage: "z"`},
		{"/what", http.StatusNotFound, ""},
	} {
		err := c.Call(t.Context(), http.MethodPost, row.path, struct{}{}, nil)
		if e, ok := errors.AsType[*flowclient.Error](err); !ok || e.Status != row.status || !strings.Contains(e.Detail, row.detail) {
			t.Errorf("%s: %v, want %d %s", row.path, err, row.status, row.detail)
		}
	}
	for body, want := range map[string]string{`{"done":[{"leese":"x"}]}`: `unknown field \"leese\"`, `{"done":`: "unexpected EOF", `{} {}`: "more follows"} {
		res, err := c.HTTP.Post(c.URL+"/v1/flows/orders/ack", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s, want %s", body, res.StatusCode, b, want)
		}
	}
}

func TestRoles(t *testing.T) {
	c := serve(t, 5, flowserver.Tokens{Offer: []string{"o"}, Work: []string{"w"}, Admin: []string{"a"}})
	for _, row := range []struct {
		token, method, path string
		allowed             bool
	}{
		{"", http.MethodGet, "", false},
		{"x", http.MethodGet, "", false},
		{"o", http.MethodGet, "", true},
		{"o", http.MethodPost, "/offer", true},
		{"w", http.MethodPost, "/offer", false},
		{"a", http.MethodPost, "/offer", true},
		{"o", http.MethodPost, "/stages/a/pull", false},
		{"w", http.MethodPost, "/stages/a/pull", true},
		{"w", http.MethodGet, "/spillway", false},
		{"a", http.MethodGet, "/spillway", true},
	} {
		k := *c
		k.Token = row.token
		err := k.Call(t.Context(), row.method, row.path, nil, nil)
		e, _ := errors.AsType[*flowclient.Error](err)
		if denied := e != nil && e.Status == http.StatusUnauthorized; denied == row.allowed {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

// TestAFullDiskIsWaitedFor: what had no room is offered again, and taken once.
func TestAFullDiskIsWaitedFor(t *testing.T) {
	refusals := 0
	store := &storetest.Mem{Fail: func(cs []flow.Change) error {
		if cs[0].Op == flow.OpPut && refusals == 0 {
			refusals++
			return flow.ErrStoreFull
		}
		return nil
	}}
	c := serveFrom(t, store, 5, flowserver.Tokens{})
	rs, err := c.Offer(t.Context(), item("x", ""), item("y", ""))
	if err != nil || len(rs) != 2 || rs[0].Outcome != "accepted" || rs[1].Outcome != "accepted" || refusals != 1 {
		t.Errorf("%+v, %v, after %d refusals", rs, err, refusals)
	}
}

// TestBatches of acknowledgements say of each what became of it.
func TestBatches(t *testing.T) {
	c := serve(t, 5, flowserver.Tokens{})
	if _, err := c.Offer(t.Context(), item("x", ""), item("y", "")); err != nil {
		t.Fatal(err)
	}
	jobs, err := c.Pull(t.Context(), "a", 2, 0)
	if err != nil || len(jobs) != 2 {
		t.Fatal(jobs, err)
	}
	rs, err := c.AckAll(t.Context(), flowapi.Done{Lease: jobs[0].Lease}, flowapi.Done{Lease: jobs[0].Lease}, flowapi.Done{Lease: jobs[1].Lease})
	if err != nil || len(rs) != 3 || rs[0].Outcome != "moved" || rs[1].Error == "" || rs[2].ID != "y" || rs[2].Outcome != "moved" {
		t.Errorf("%+v, %v", rs, err)
	}
	if err := c.Call(t.Context(), http.MethodPost, "/ack", flowapi.AckRequest{Done: []flowapi.Done{{Lease: jobs[0].Lease}}}, nil); !errors.Is(err, flow.ErrStale) {
		t.Error(err)
	}
}
