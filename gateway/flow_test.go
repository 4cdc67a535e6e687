package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
	"github.com/penstock-go/penstock/flow/storetest"
	"github.com/penstock-go/penstock/gateway"
)

// flows starts a flow server with the flow "orders" of one stage, and returns its
// address.
func flows(t *testing.T, wip int, tokens flowserver.Tokens) (string, *engine.Engine) {
	t.Helper()
	e, err := engine.Open(t.Context(), &storetest.Mem{}, engine.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	def := flow.Definition{Name: "orders", PayloadMax: 200_000, Stages: []flow.Stage{{Name: "a", WIP: wip}}}
	if err := e.Define(t.Context(), def); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := flowserver.New(e, tokens)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), e
}

// flowConfig is read from a file as an operator writes it.
func flowConfig(t *testing.T, server string) gateway.Config {
	t.Helper()
	cfg, err := gateway.Parse("penstock.yaml", fmt.Appendf(nil,
		"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nroutes:\n  - match: {path: /orders}\n    to: flow://%s/orders\n", server))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

type offered struct {
	ID, Outcome, Reason string
	RetryAfterMS        float64 `json:"retry_after_ms"`
}

// post offers an item through the gateway.
func (r *rig) post(path, id, body string) (*http.Response, offered) {
	r.Helper()
	req, err := http.NewRequest(http.MethodPost, r.front+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if id != "" {
		req.Header.Set("Idempotency-Key", id)
	}
	res, text := r.do(req)
	var o offered
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		r.Fatalf("%d %q: %v", res.StatusCode, text, err)
	}
	return res, o
}

// take finishes the next item, and returns it.
func take(t *testing.T, e *engine.Engine) engine.Job {
	t.Helper()
	jobs, err := e.Pull(t.Context(), "orders", "a", 1, watchdog, 0)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("pull: %v, %v", jobs, err)
	}
	if r := e.Ack(t.Context(), "orders", engine.Ack{Lease: jobs[0].Lease})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	return jobs[0]
}

// TestAPostBecomesAnItem, with its id, key and criticality, and again is told so.
func TestAPostBecomesAnItem(t *testing.T) {
	server, e := flows(t, 10, flowserver.Tokens{})
	r := serve(t, flowConfig(t, server))
	large := strings.Repeat("x", 150_000) // more than is read ahead
	for _, row := range []struct {
		path, id, body string
		want           offered
	}{
		{"/orders", "o-1", `{"total":12}`, offered{ID: "o-1", Outcome: "accepted"}},
		{"/orders", "o-1", `{"total":12}`, offered{ID: "o-1", Outcome: "duplicate"}},
		{"/orders/of/ann?key=ann", `"o-2"`, large, offered{ID: "o-2", Outcome: "accepted"}},
		{"/orders", "o-3", "", offered{ID: "o-3", Outcome: "accepted"}},
	} {
		res, o := r.post(row.path, row.id, row.body)
		if res.StatusCode != http.StatusAccepted || o != row.want {
			t.Errorf("%s %s: %d %+v, want %+v", row.path, row.id, res.StatusCode, o, row.want)
		}
		if res.Header.Get("Penstock-Pressure") == "" {
			t.Error("no pressure is told")
		}
	}
	if res, o := r.post("/orders", "", "x"); res.StatusCode != http.StatusAccepted || o.ID == "" {
		t.Errorf("without an id: %d %+v", res.StatusCode, o)
	}
	req, err := http.NewRequest(http.MethodPost, r.front+"/orders", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://shop.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, body := r.do(req); res.StatusCode != http.StatusAccepted {
		t.Errorf("from another site's page: %d %s", res.StatusCode, body)
	}
	first, second := take(t, e), take(t, e)
	if first.Item.ID != "o-1" || string(first.Payload) != `{"total":12}` || second.Item.Key != "ann" || string(second.Payload) != large {
		t.Errorf("%+v, %+v", first.Item, second.Item)
	}
	if res, body := r.get("/orders"); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d %s", res.StatusCode, body)
	}
	if res, o := r.post("/orders", "", strings.Repeat("x", 200_001)); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %+v", res.StatusCode, o)
	}
	if res, _ := r.post("/elsewhere", "", "x"); res.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %d", res.StatusCode)
	}
}

// TestAFullFlowRefuses with its own time to come back, does not count as a sick
// backend, and takes in again as soon as there is room.
func TestAFullFlowRefuses(t *testing.T) {
	server, e := flows(t, 2, flowserver.Tokens{})
	r := serve(t, flowConfig(t, server))
	for range 2 {
		if res, o := r.post("/orders", "", "x"); res.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %+v", res.StatusCode, o)
		}
	}
	for i := range 100 {
		res, o := r.post("/orders", "", "x")
		if res.StatusCode != http.StatusServiceUnavailable || o.Reason != "limit" || o.RetryAfterMS < 50 {
			t.Fatalf("%d. refusal: %d %+v", i+1, res.StatusCode, o)
		}
		if got, want := res.Header.Get("Retry-After"), fmt.Sprint(math.Ceil(o.RetryAfterMS/1000)); got != want {
			t.Errorf("Retry-After: %s, want %s", got, want)
		}
	}
	take(t, e)
	if res, o := r.post("/orders", "", "x"); res.StatusCode != http.StatusAccepted {
		t.Errorf("with room again: %d %+v", res.StatusCode, o)
	}
	if st, err := e.Stats("orders"); err != nil || st.Counts.Accepted != 3 || st.Counts.Refused != 100 {
		t.Errorf("%+v, %v", st.Counts, err)
	}
}

// TestAFlowsTokens are the caller's business: its Authorization is passed on.
func TestAFlowsTokens(t *testing.T) {
	server, _ := flows(t, 2, flowserver.Tokens{Admin: []string{"a"}, Offer: []string{"o"}})
	r := serve(t, flowConfig(t, server))
	if res, o := r.post("/orders", "", "x"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without: %d %+v", res.StatusCode, o)
	}
	req, err := http.NewRequest(http.MethodPost, r.front+"/orders", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer o")
	if res, body := r.do(req); res.StatusCode != http.StatusAccepted {
		t.Errorf("with: %d %s", res.StatusCode, body)
	}
}

// TestFlowAddresses in files and flags.
func TestFlowAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"flow://127.0.0.1:8082/orders":     "flow://127.0.0.1:8082/orders",
		"flow://127.0.0.1:8082/orders/":    "flow://127.0.0.1:8082/orders",
		"FLOW://Flows.Example:8082/orders": "flow://flows.example:8082/orders",
		"flows://flows.example/a-b_7":      "flows://flows.example/a-b_7",
		"flow://[::1]:8082/orders":         "flow://[::1]:8082/orders",
		"flow://orders":                    "flow://127.0.0.1:8082/orders",
		"flow://":                          "names no flow",
		"flow:///orders":                   "has no valid server",
		"flow://127.0.0.1:8082":            "names no flow",
		"flow://127.0.0.1:8082/":           "names no flow",
		"flow://127.0.0.1:8082/Orders":     "names no flow",
		"flow://127.0.0.1:8082/a/b":        "names no flow",
		"flow://127.0.0.1:8082/a?x":        "names no flow",
		"flow://127.0.0.1:0/orders":        "has no valid server",
		"flow://u:p@host/orders":           "a user name or password",
	} {
		text := fmt.Sprintf("routes:\n  - to: [%q, \"http://127.0.0.1:9000\"]\n", in)
		cfg, err := gateway.Parse("penstock.yaml", []byte(text))
		if err != nil {
			if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "penstock.yaml:2:10: routes[0].to[0]: ") {
				t.Errorf("%s: %v, want %q", in, err, want)
			}
		} else if got := cfg.Routes[0].To[0].String(); got != want {
			t.Errorf("%s: is %s, want %q", in, got, want)
		}
		if cfg, err := gateway.ForBackends("", "", []string{in}); err == nil && cfg.Routes[0].To[0].String() != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("--to %s: %v", in, err)
		}
	}
}
