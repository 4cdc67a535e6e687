package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/golden"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

// filled has a value in every field.
func filled() load.Report {
	return load.Report{
		URL: "http://127.0.0.1:8080/", Method: "GET", Profile: "1000/s", Arrivals: "poisson", Seed: 1,
		Deadline: 100 * ms, Warmup: 2 * time.Second, Duration: 10 * time.Second, Interrupted: true,
		Offered: 12_000, FirstOffered: 10_000, Good: 7900, Late: 100, Refused: 3800, Errors: 90, NotSent: 60, Unfinished: 50,
		RefusedByStatus:  map[string]uint64{"503": 3500, "429": 300},
		RefusedByReason:  map[string]uint64{"queue_full": 3000, "rate": 300, "unstated": 500},
		ErrorsByKind:     map[string]uint64{"connect": 80, "reset": 10},
		Statuses:         map[string]uint64{"200": 7900, "503": 3500, "429": 300},
		OfferedPerSecond: 1200, GoodPerSecond: 790, RefusedPerSecond: 380,
		Latency:     load.Latency{P50: 12 * ms, P90: 19 * ms, P99: 27500 * time.Microsecond, P999: 40 * ms, Max: 99900 * time.Microsecond},
		Refusals:    load.Latency{P50: 400 * time.Microsecond, P90: 500 * time.Microsecond, P99: 2 * ms, P999: 3 * ms, Max: 4 * ms},
		Lag:         load.Latency{P50: 60 * time.Microsecond, P90: 90 * time.Microsecond, P99: 6 * ms, P999: 7 * ms, Max: 8 * ms},
		Connections: 40, Bytes: 8_089_600,
		Series: []load.Interval{
			{Offered: 1200, FirstOffered: 1000, Good: 790, Late: 10, Refused: 380, Errors: 9, NotSent: 6, Unfinished: 5, P50: 12 * ms, P99: 27 * ms},
			{At: 1500 * ms},
		},
		Warnings: []string{"something is odd"},
	}
}

func TestReportGolden(t *testing.T) {
	data, err := json.MarshalIndent(filled(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "report.json", append(data, '\n'))
	for name, r := range map[string]load.Report{
		"report.txt": filled(),
		"quiet.txt": {
			URL: "http://127.0.0.1:8080/", Method: "GET", Profile: "10/s", Arrivals: "constant",
			Deadline: 30 * time.Second, Duration: time.Second, Offered: 10, FirstOffered: 10, Good: 10,
		},
		"empty.txt": {},
	} {
		var b strings.Builder
		if err := r.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, b.String())
	}
}

func TestReportReadsBack(t *testing.T) {
	data, err := json.Marshal(filled())
	if err != nil {
		t.Fatal(err)
	}
	var got load.Report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, filled()) {
		t.Errorf("got  %+v\nwant %+v", got, filled())
	}
	v := reflect.ValueOf(got)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is empty: filled has to fill it", v.Type().Field(i).Name)
		}
	}
}

// TestReportKeys: the keys of a report are there whether or not there is
// anything to count, so that readers need no special cases.
func TestReportKeys(t *testing.T) {
	keys := func(r load.Report) map[string]any {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	r := live(t, load.Config{URL: server.URL, Profile: profile("100/s"), Even: true, For: 20 * ms})
	full, plain := keys(filled()), keys(r)
	for k := range full {
		if v, ok := plain[k]; !ok || v == nil {
			t.Errorf("%s is missing or null", k)
		}
	}
}

func TestWriteTableReportsErrors(t *testing.T) {
	if err := filled().WriteTable(failing{}); err == nil {
		t.Error("no error from a writer that fails")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func ExampleRun() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()

	profile, err := arrival.ParseProfile("steps:100/s@100ms,1000/s@50ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := load.Run(context.Background(), load.Config{URL: server.URL, Profile: profile, Even: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Offered, "offered,", report.Refused, "refused:", report.RefusedByStatus)
	// Output:
	// 60 offered, 60 refused: map[429:60]
}
