package penstockhttp

import (
	"net/http"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// The fields that carry the signal, in net/http's spelling. Baggage travels end
// to end. The others are hop by hop: each penstock strips what it received and
// writes its own.
const (
	FieldWork     = "Penstock-Work"                  // to the callee: criticality, cohort, attempt
	FieldDeadline = "Penstock-Deadline"              // to the callee: remaining ms
	FieldPressure = "Penstock-Pressure"              // to the caller: level, price, delay, retry
	FieldLoad     = "Endpoint-Load-Metrics"          // to the caller: ORCA's report
	FieldEnvoy    = "X-Envoy-Expected-Rq-Timeout-Ms" // to the callee: remaining ms, Envoy's
	FieldBaggage  = "Baggage"                        // to the callee, end to end: W3C baggage
)

// Classify reads from a request's fields what the work is. What a field says
// outside its bounds is clamped; a malformed field counts as absent.
//
//   - Criticality and cohort are believed only where trusted: from
//     Penstock-Work, and what that leaves open from baggage. A stranger's work
//     is [penstock.SheddablePlus]; a trusted caller's stays unspecified.
//   - The attempt is believed from anybody, as it can only lower the rank.
//   - The deadline is believed from anybody, as it can only make the work worth
//     less: from Penstock-Deadline, else from x-envoy-expected-rq-timeout-ms.
//     It counts from now.
func Classify(h http.Header, trusted bool, now mono.Time) penstock.Work {
	var work penstock.Work
	if field, ok := listField(h, FieldWork, pressure.MaxFieldBytes); ok {
		work, _ = pressure.ParseWork(field)
	}
	if !trusted {
		work = penstock.Work{Criticality: penstock.SheddablePlus, Attempt: work.Attempt}
	} else if work.Criticality == penstock.Unspecified || !work.Cohort.Specified() {
		fillFromBaggage(&work, h)
	}
	if remaining, ok := deadlineOf(h); ok {
		work.Deadline, work.HasDeadline = now.Add(remaining), true
	}
	return work
}

func fillFromBaggage(work *penstock.Work, h http.Header) {
	field, ok := listField(h, FieldBaggage, pressure.MaxBaggageBytes)
	if !ok {
		return
	}
	baggage, _ := pressure.ParseBaggage(field)
	if work.Criticality == penstock.Unspecified {
		work.Criticality = baggage.Criticality
	}
	if !work.Cohort.Specified() {
		work.Cohort = baggage.Cohort
	}
}

func deadlineOf(h http.Header) (time.Duration, bool) {
	if field, ok := singleField(h, FieldDeadline); ok {
		if remaining, ok := pressure.ParseDeadline(field); ok {
			return remaining, true
		}
	}
	if field, ok := singleField(h, FieldEnvoy); ok {
		return pressure.ParseEnvoyTimeout(field)
	}
	return 0, false
}

// singleField returns a field that may occur once; twice is malformed.
func singleField(h http.Header, name string) (string, bool) {
	if lines := h[name]; len(lines) == 1 {
		return lines[0], true
	}
	return "", false
}

// listField returns a field whose lines form one list (RFC 9110, section 5.3).
// A list longer than most bytes is not even put together.
func listField(h http.Header, name string, most int) (string, bool) {
	lines := h[name]
	if len(lines) < 2 {
		return strings.Join(lines, ""), len(lines) == 1
	}
	size := 2 * (len(lines) - 1)
	for _, line := range lines {
		size += len(line)
	}
	if size > most {
		return "", false
	}
	return strings.Join(lines, ", "), true
}
