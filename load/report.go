package load

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// lagWarning is the generator's own p99 lag above which a report warns: latency
// then says as much about the generator as about the server.
const lagWarning = 5 * time.Millisecond

// Report is what a run found. Counts and latencies leave the warm-up out: they
// are those of the requests that were meant to be sent after it.
//
// Offered = Good + Late + Refused + Errors + NotSent + Unfinished, exactly.
type Report struct {
	URL      string        `json:"url"`
	Method   string        `json:"method"`
	Profile  string        `json:"profile"`  // as arrival.ParseProfile reads it
	Arrivals string        `json:"arrivals"` // poisson or constant
	Seed     uint64        `json:"seed"`
	Deadline time.Duration `json:"-"` // deadline_ms
	Warmup   time.Duration `json:"-"` // warmup_s
	Duration time.Duration `json:"-"` // duration_s: how long requests were offered, after the warm-up

	// Interrupted: the run was ended before its time.
	Interrupted bool `json:"interrupted"`

	Offered      uint64 `json:"offered"`       // retries included
	FirstOffered uint64 `json:"first_offered"` // without retries
	Good         uint64 `json:"good"`
	Late         uint64 `json:"late"`
	Refused      uint64 `json:"refused"`
	Errors       uint64 `json:"errors"`
	NotSent      uint64 `json:"not_sent"`
	Unfinished   uint64 `json:"unfinished"`

	RefusedByStatus map[string]uint64 `json:"refused_by_status"`
	RefusedByReason map[string]uint64 `json:"refused_by_reason"` // "unstated" without one
	ErrorsByKind    map[string]uint64 `json:"errors_by_kind"`
	Statuses        map[string]uint64 `json:"statuses"` // of every answer, late ones included

	OfferedPerSecond float64 `json:"offered_per_s"`
	GoodPerSecond    float64 `json:"good_per_s"`
	RefusedPerSecond float64 `json:"refused_per_s"`

	Latency  Latency `json:"latency"`  // of good requests, from the intended instant
	Refusals Latency `json:"refusals"` // of refused ones
	Lag      Latency `json:"lag"`      // from the intended instant to the sending: the generator's own part

	Connections uint64 `json:"connections"` // opened, warm-up included
	Bytes       int64  `json:"bytes"`       // of bodies

	Series   []Interval `json:"series"`
	Warnings []string   `json:"warnings"`
}

// Interval is one row of a report's series: what was offered in it, and what
// ended in it. Rows go on after the last request was offered until the last one
// has ended.
type Interval struct {
	At           time.Duration `json:"-"` // at_s: its beginning, from the warm-up's end
	Offered      uint64        `json:"offered"`
	FirstOffered uint64        `json:"first_offered"`
	Good         uint64        `json:"good"`
	Late         uint64        `json:"late"`
	Refused      uint64        `json:"refused"`
	Errors       uint64        `json:"errors"`
	NotSent      uint64        `json:"not_sent"`
	Unfinished   uint64        `json:"unfinished"`
	P50          time.Duration `json:"-"` // p50_ms, of good requests
	P99          time.Duration `json:"-"` // p99_ms
}

// Latency describes a distribution; all 0 when nothing was seen. In JSON it is
// milliseconds: p50_ms, p90_ms, p99_ms, p999_ms, max_ms.
type Latency struct{ P50, P90, P99, P999, Max time.Duration }

type latencyJSON struct {
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

// MarshalJSON writes milliseconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	return json.Marshal(latencyJSON{ms(l.P50), ms(l.P90), ms(l.P99), ms(l.P999), ms(l.Max)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Latency) UnmarshalJSON(data []byte) error {
	var j latencyJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*l = Latency{ofMS(j.P50), ofMS(j.P90), ofMS(j.P99), ofMS(j.P999), ofMS(j.Max)}
	return nil
}

// plainReport has Report's fields and not its methods.
type plainReport Report

type reportJSON struct {
	*plainReport
	Deadline float64 `json:"deadline_ms"`
	Warmup   float64 `json:"warmup_s"`
	Duration float64 `json:"duration_s"`
}

// MarshalJSON writes times in the units that the field names end in.
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(reportJSON{(*plainReport)(&r), ms(r.Deadline), r.Warmup.Seconds(), r.Duration.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Report) UnmarshalJSON(data []byte) error {
	j := reportJSON{plainReport: (*plainReport)(r)}
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	r.Deadline, r.Warmup, r.Duration = ofMS(j.Deadline), ofMS(1000*j.Warmup), ofMS(1000*j.Duration)
	return nil
}

type plainInterval Interval

type intervalJSON struct {
	At float64 `json:"at_s"`
	*plainInterval
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// MarshalJSON writes times in the units that the field names end in.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(intervalJSON{i.At.Seconds(), (*plainInterval)(&i), ms(i.P50), ms(i.P99)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Interval) UnmarshalJSON(data []byte) error {
	j := intervalJSON{plainInterval: (*plainInterval)(i)}
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	i.At, i.P50, i.P99 = ofMS(1000*j.At), ofMS(j.P50), ofMS(j.P99)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func ofMS(v float64) time.Duration {
	return time.Duration(v * float64(time.Millisecond)).Round(time.Microsecond)
}

// report sums up a run whose offering ended at the given instant.
func (r *recorder) report(c Config, ended mono.Time, interrupted bool) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeRow()
	rep := Report{
		URL: c.URL, Method: c.Method, Profile: c.Profile.String(), Arrivals: "poisson", Seed: c.Seed,
		Deadline: c.Deadline, Warmup: c.Warmup, Duration: max(ended.Sub(r.from), 0), Interrupted: interrupted,
		Offered: r.totals.offered, FirstOffered: r.totals.first,
		Good: r.totals.fate[Good], Late: r.totals.fate[Late], Refused: r.totals.fate[Refused],
		Errors: r.totals.fate[Failed], NotSent: r.totals.fate[NotSent], Unfinished: r.totals.fate[Unfinished],
		RefusedByStatus: r.refusedByStatus, RefusedByReason: r.refusedByReason,
		ErrorsByKind: map[string]uint64{}, Statuses: r.statuses,
		Latency: r.good.latency(), Refusals: r.refusals.latency(), Lag: r.lags.latency(),
		Connections: r.opened, Bytes: r.bytes, Series: r.series, Warnings: []string{},
	}
	if c.Even {
		rep.Arrivals = "constant"
	}
	for k, n := range r.errors {
		if n > 0 {
			rep.ErrorsByKind[ErrorKind(k).String()] = n
		}
	}
	if s := rep.Duration.Seconds(); s > 0 {
		rep.OfferedPerSecond = float64(rep.Offered) / s
		rep.GoodPerSecond = float64(rep.Good) / s
		rep.RefusedPerSecond = float64(rep.Refused) / s
	}
	rep.warn(c)
	return rep
}

// warn says where the numbers are about the generator and not the server.
func (r *Report) warn(c Config) {
	if r.Lag.P99 > lagWarning {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"the generator was late: 1 %% of the requests were sent %.1f ms or more after their time; latencies include this; offer less, or give it a processor of its own",
			ms(r.Lag.P99)))
	}
	if r.NotSent > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"%d requests were not sent because %d were outstanding; a shorter deadline or a higher bound sends more", r.NotSent, c.Outstanding))
	}
}
