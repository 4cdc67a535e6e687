package penstock_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
)

// Stats survives JSON. Durations are written in milliseconds to the microsecond.
func statsRoundTrip(t *rapid.T) {
	micros := func(name string) time.Duration {
		return time.Duration(rapid.Int64Range(0, 1e11).Draw(t, name)) * time.Microsecond
	}
	quantiles := func() penstock.Quantiles {
		return penstock.Quantiles{P50: micros("p50"), P90: micros("p90"), P99: micros("p99")}
	}
	var refused, would penstock.RefusedCounts
	for range rapid.IntRange(0, 20).Draw(t, "refused") {
		r := rapid.IntRange(1, penstock.Reasons-1).Draw(t, "reason")
		refused[r][rapid.IntRange(0, penstock.Criticalities-1).Draw(t, "criticality")] += rapid.Uint64Range(1, 1<<50).Draw(t, "n")
		would[r][2]++
	}
	s := penstock.Stats{
		Offered: rapid.Uint64().Draw(t, "offered"), Refused: refused, WouldRefuse: would,
		Limit: rapid.Float64Range(0, 1e6).Draw(t, "limit"), Level: rapid.Float64Range(0, 1).Draw(t, "level"),
		Price: penstock.Price(rapid.IntRange(0, 1024).Draw(t, "price")), Sojourn: quantiles(), Service: quantiles(),
		Little: penstock.Little{L: 1.5, Lambda: 3, W: 0.5, Gap: -0.25},
		Gates:  []penstock.GateStats{{Name: "a", Limit: 2.5, Service: quantiles(), Explain: "fixed"}},
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back penstock.Stats
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s, back) {
		t.Fatalf("%+v\nbecomes %s\nand %+v", s, data, back)
	}
}

func TestStatsRoundTrip(t *testing.T) { rapid.Check(t, statsRoundTrip) }

func TestRefusedCounts(t *testing.T) {
	var c penstock.RefusedCounts
	c[penstock.ReasonSojourn][penstock.Critical] = 2
	c[penstock.ReasonSojourn][penstock.Sheddable] = 5
	c[penstock.ReasonRate][penstock.Unspecified] = 1
	if c.Of(penstock.ReasonSojourn) != 7 || c.Of(penstock.ReasonLimit) != 0 || c.Total() != 8 {
		t.Errorf("%d for sojourn, %d for limit, %d in all", c.Of(penstock.ReasonSojourn), c.Of(penstock.ReasonLimit), c.Total())
	}
	data, err := json.Marshal(c)
	if want := `{"rate":{"unspecified":1},"sojourn":{"critical":2,"sheddable":5}}`; err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
	// A newer writer's names are skipped, what is not named is 0.
	err = json.Unmarshal([]byte(`{"sojourn":{"critical":3,"vital":9},"boredom":{"critical":4}}`), &c)
	if err != nil || c.Total() != 3 || c[penstock.ReasonSojourn][penstock.Critical] != 3 {
		t.Errorf("%v, %v", c, err)
	}
	for _, bad := range []string{`[]`, `{"rate":1}`, `{"rate":{"critical":-1}}`} {
		if json.Unmarshal([]byte(bad), &c) == nil {
			t.Errorf("takes %s", bad)
		}
	}
}

func TestQuantilesAreMilliseconds(t *testing.T) {
	q := penstock.Quantiles{P50: 1500 * time.Microsecond, P90: 2 * time.Second, P99: time.Hour}
	data, err := json.Marshal(q)
	if want := `{"p50_ms":1.5,"p90_ms":2000,"p99_ms":3600000}`; err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
	if err := json.Unmarshal([]byte(`{"p50_ms":"x"}`), &q); err == nil || !strings.Contains(err.Error(), "p50_ms") {
		t.Errorf("error %v", err)
	}
}
