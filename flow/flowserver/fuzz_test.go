package flowserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
	"github.com/penstock-go/penstock/flow/storetest"
)

// FuzzBodies sends anything to every path that takes a body: the answer is JSON and
// never 500, and the engine goes on.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"items":[{"id":"x","json":1}]}`, `{"items":[{"payload":"eA==","due":"2030-01-01T00:00:00Z"}]}`, `{"done":[{"lease":"1.1.1"}]}`,
		`{"lease":"1.1.1","delay":"1s"}`, `{"max":5,"wait":"0s","lease":"1h"}`, `{"ids":["x"]}`, `{"stages":[{"name":"a","wip":1}]}`,
		`{"items":[{"cost":-1}]}`, `{"items":[{"deadline":"0001-01-01T00:00:00Z"}]}`, `[`, "\x00", `{"max":-9223372036854775808,"lease":"-1h"}`,
	} {
		for path := range uint8(len(fuzzed)) {
			f.Add(path, s)
		}
	}
	e, err := engine.Open(f.Context(), &storetest.Mem{}, engine.Options{Seed: 1})
	if err != nil {
		f.Fatal(err)
	}
	def := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 3}, {Name: "b", WIP: 3}}}
	if err := e.Define(f.Context(), def); err != nil {
		f.Fatal(err)
	}
	s := flowserver.New(e, flowserver.Tokens{})
	f.Cleanup(func() {
		s.Close()
		if err := e.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		if strings.Contains(body, "wait") {
			return // it would
		}
		method, target, _ := strings.Cut(fuzzed[int(path)%len(fuzzed)], " ")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		if w.Code == http.StatusInternalServerError || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %q: %d %s", target, body, w.Code, w.Body)
		}
		if d, err := e.Definition("f"); err != nil || len(d.Stages) == 0 {
			t.Errorf("%+v, %v", d, err)
		}
		if err := e.Err(); err != nil {
			t.Fatalf("%s %q ended the engine: %v", target, body, err)
		}
	})
}

var fuzzed = []string{
	"POST /v1/flows/f/offer", "POST /v1/flows/f/items", "POST /v1/flows/f/stages/a/pull", "POST /v1/flows/f/ack", "POST /v1/flows/f/nack",
	"POST /v1/flows/f/extend", "POST /v1/flows/f/spill", "POST /v1/flows/f/spillway/replay", "POST /v1/flows/f/spillway/discard", "PUT /v1/flows/f",
}
