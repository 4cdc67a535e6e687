package flowserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/storetest"
)

// TestMistakes answers what is asked wrongly: precisely, and without harm.
func TestMistakes(t *testing.T) {
	b := start(t, 5, setup{})
	if a := b.do("POST", "/offer", `{"items":[{"id":"in"}]}`); a.StatusCode != http.StatusOK {
		t.Fatal(a.text)
	}
	for _, row := range []struct {
		request, body string
		status        int
		detail        string
	}{
		// What is not there.
		{"GET /v1/flows/g", "", 404, `no such flow: "g"`},
		{"POST /v1/flows/g/offer", `{"items":[{}]}`, 404, `no such flow: "g"`},
		{"POST /v1/flows/g/items", "x", 404, `no such flow: "g"`},
		{"POST /v1/flows/g/ack", `{"done":[{"lease":"1.1.1"}]}`, 404, `no such flow: "g"`},
		{"POST /v1/flows/g/stages/a/pull", "{}", 404, `no such flow: "g"`},
		{"GET /v1/flows/g/spillway", "", 404, `no such flow: "g"`},
		{"POST /v1/flows/f/stages/z/pull", "{}", 404, `no such stage: "z"`},
		{"POST /v1/flows/f/stages/z/pull", `{"wait":"30s"}`, 404, `no such stage: "z"`},
		{"GET /v1/flows/f/spillway?after=gone", "", 404, `in the spillway: "gone"`},
		{"POST /v1/flows/f/spillway/replay", `{"ids":["in"]}`, 404, `in the spillway: "in"`},
		{"GET /v1/backup", "", 404, "cannot be backed up"},
		// What is not JSON, or not this JSON.
		{"POST /v1/flows/f/offer", `{"items":`, 400, "body: unexpected EOF"},
		{"POST /v1/flows/f/offer", `{"items":[{}]}]`, 400, "body: more follows the JSON value"},
		{"POST /v1/flows/f/offer", `{"items":[{}]} {}`, 400, "body: more follows the JSON value"},
		{"POST /v1/flows/f/offer", `{"items":[{"idd":"x"}]}`, 400, `body: unknown field "idd"`},
		{"POST /v1/flows/f/offer", `{"items":"x"}`, 400, "cannot unmarshal string"},
		{"POST /v1/flows/f/offer", `hello`, 400, "body: invalid character 'h'"},
		{"POST /v1/flows/f/offer", "\x00\xff", 400, "body: invalid character"},
		{"POST /v1/flows/f/offer", `{"items":[{"payload":"%%%"}]}`, 400, "illegal base64"},
		{"POST /v1/flows/f/offer", `{"items":[{"due":"soon"}]}`, 400, `"soon"`},
		{"POST /v1/flows/f/offer", `{"items":[{},{"criticality":"vital"}]}`, 400, `items[1].criticality: "vital" is none of critical_plus`},
		{"POST /v1/flows/f/stages/a/pull", `{"wait":"long"}`, 400, `"long" is no duration, as "1.5s"`},
		{"POST /v1/flows/f/ack", `{"done":[{"lease":"x"}]}`, 400, "done[0].lease:"},
		{"GET /v1/flows/f/spillway?max=all", "", 400, `max: "all" is no whole number`},
		// Definitions.
		{"PUT /v1/flows/f", `{"stages":[{"name":"a","wip":0},{"name":"a","wip":1}]}`, 400, "stages[0].wip: 0 is not a whole number from 1 to"},
		{"PUT /v1/flows/f", `{"stages":[{"name":"a","wip":0},{"name":"a","wip":1}]}`, 400, "stages[1].name"},
		{"PUT /v1/flows/f", `{"stages":[]}`, 400, "stages: "},
		{"PUT /v1/flows/f", `{"name":"g","stages":[{"name":"a","wip":1}]}`, 400, `name: "g" is not that of the path`},
		{"PUT /v1/flows/BIG", `{"stages":[{"name":"a","wip":1}]}`, 400, "name: "},
		{"PUT /v1/flows/f", `{"stages":[{"name":"b","wip":1}]}`, 400, `stages: "a" is missing, but 1 items are in it`},
		// Methods and paths.
		{"GET /v1/flows/f/offer", "", 405, ""},
		{"POST /v2/flows", "", 404, ""},
	} {
		method, path, _ := strings.Cut(row.request, " ")
		a := b.send(b.request(method, path, strings.NewReader(row.body)))
		if a.StatusCode != row.status || !strings.Contains(a.body.Detail, row.detail) {
			t.Errorf("%s %s: %d %s, want %d %s", row.request, row.body, a.StatusCode, a.text, row.status, row.detail)
		}
	}
	if st, err := b.engine.Stats("f"); err != nil || st.Items != 1 || st.Stages[0].Waiting != 1 {
		t.Errorf("the item that was in: %+v, %v", st, err)
	}
}

// TestDuplicates come in one batch, later, and while the first is worked on.
func TestDuplicates(t *testing.T) {
	b := start(t, 5, setup{})
	a := b.do("POST", "/offer", `{"items":[{"id":"x"},{"id":"x"},{"id":"y"}]}`)
	var outcomes []string
	for _, r := range a.body.Results {
		outcomes = append(outcomes, r.ID+" "+r.Outcome)
	}
	if got := strings.Join(outcomes, ", "); got != "x accepted, x duplicate, y accepted" {
		t.Error(got)
	}
	job := b.do("POST", "/stages/a/pull", "{}").body.Jobs[0]
	if a := b.do("POST", "/offer", `{"items":[{"id":"x"}]}`); a.body.Results[0].Outcome != "duplicate" {
		t.Error(a.text)
	}
	b.do("POST", "/ack", `{"done":[{"lease":"`+job.Lease+`"}]}`)
	if st, err := b.engine.Stats("f"); err != nil || st.Items != 2 {
		t.Errorf("%+v, %v", st, err)
	}
}

// define gives each stage a limit.
func (b *bench) define(stages ...string) answer {
	b.t.Helper()
	for i, s := range stages {
		name, wip, _ := strings.Cut(s, ":")
		stages[i] = fmt.Sprintf(`{"name":%q,"wip":%s}`, name, wip)
	}
	return b.do("PUT", "", `{"stages":[`+strings.Join(stages, ",")+`]}`)
}

// TestALimitBelowWhatIsThere lets nothing in until it has sunk, and loses nothing.
func TestALimitBelowWhatIsThere(t *testing.T) {
	b := start(t, 4, setup{})
	b.fill()
	if a := b.define("a:1", "b:9"); a.StatusCode != http.StatusOK {
		t.Fatal(a.text)
	}
	for left := 4; left > 0; left-- {
		if a := b.do("POST", "/items", "x"); a.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("with %d inside: %d %s", left, a.StatusCode, a.text)
		}
		job := b.do("POST", "/stages/a/pull", "{}").body.Jobs[0]
		if a := b.do("POST", "/ack", `{"done":[{"lease":"`+job.Lease+`"}]}`); a.body.Results[0].Outcome != "moved" {
			t.Fatal(a.text)
		}
	}
	if a := b.do("POST", "/items", "x"); a.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if st, err := b.engine.Stats("f"); err != nil || st.Stages[0].Used != 1 || st.Stages[1].Waiting != 4 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestLeasesOfADeletedStage: a stage in which something is cannot go; one that is
// gone leaves leases behind that act on nothing.
func TestLeasesOfADeletedStage(t *testing.T) {
	b := start(t, 4, setup{})
	b.do("POST", "/offer", `{"items":[{"id":"x"}]}`)
	job := b.do("POST", "/stages/a/pull", "{}").body.Jobs[0]
	if a := b.define("b:4"); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body.Detail, `"a" is missing, but 1 items are in it`) {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	b.do("POST", "/ack", `{"done":[{"lease":"`+job.Lease+`"}]}`)
	if a := b.define("b:4"); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.text)
	}
	for path, body := range map[string]string{
		"/ack":    `{"done":[{"lease":"` + job.Lease + `"}]}`,
		"/nack":   `{"lease":"` + job.Lease + `"}`,
		"/extend": `{"lease":"` + job.Lease + `"}`,
		"/spill":  `{"lease":"` + job.Lease + `"}`,
	} {
		if a := b.do("POST", path, body); a.StatusCode != http.StatusConflict || !strings.Contains(a.body.Detail, "stale") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.text)
		}
	}
	if a := b.do("POST", "/stages/a/pull", `{"wait":"1s"}`); a.StatusCode != http.StatusNotFound {
		t.Errorf("pull: %d %s", a.StatusCode, a.text)
	}
	if jobs := b.do("POST", "/stages/b/pull", "{}").body.Jobs; len(jobs) != 1 || jobs[0].ID != "x" {
		t.Errorf("the item: %v", jobs)
	}
}

// TestAFullDisk refuses what is new with a reason, lets what is in leave, and
// takes in again when there is room.
func TestAFullDisk(t *testing.T) {
	var full atomic.Bool
	store := &storetest.Mem{Fail: func(cs []flow.Change) error {
		for _, c := range cs {
			if full.Load() && c.Op == flow.OpPut {
				return flow.ErrStoreFull
			}
		}
		return nil
	}}
	b := start(t, 5, setup{store: store})
	b.do("POST", "/offer", `{"items":[{"id":"in"}]}`)
	full.Store(true)
	for _, path := range []string{"/offer", "/items", "/offer"} { // the later ones before their bodies
		a := b.do("POST", path, `{"items":[{"id":"new"}]}`)
		if a.StatusCode != http.StatusInsufficientStorage || a.Header.Get("Retry-After") != "1" || !strings.Contains(a.body.Detail, "full") {
			t.Errorf("%s: %d %v %s", path, a.StatusCode, a.Header, a.text)
		}
	}
	for _, stage := range []string{"a", "b"} {
		job := b.do("POST", "/stages/"+stage+"/pull", "{}").body.Jobs[0]
		if a := b.do("POST", "/ack", `{"done":[{"lease":"`+job.Lease+`"}]}`); a.StatusCode != http.StatusOK {
			t.Errorf("what is in cannot leave: %s", a.text)
		}
	}
	full.Store(false)
	for {
		a := b.do("POST", "/offer", `{"items":[{"id":"new"}]}`)
		if a.StatusCode == http.StatusOK {
			break
		}
		if a.StatusCode != http.StatusInsufficientStorage {
			t.Fatalf("%d %s", a.StatusCode, a.text)
		}
	}
	if st, err := b.engine.Stats("f"); err != nil || st.Counts.Finished != 1 || st.Items != 1 {
		t.Errorf("%+v, %v", st, err)
	}
}
