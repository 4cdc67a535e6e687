package limit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// The default law obeys a callee that reports its queue, from the first report
// on, goes on from where it was, and infers again when the reports cease.
func TestDefaultListens(t *testing.T) {
	law := limit.Default()
	now := mono.Time(-5e9)
	end := func(delay time.Duration, reported bool, o penstock.Outcome) {
		now = now.Add(10 * time.Millisecond)
		law.Observe(now, limit.Sample{
			Started: now.Add(-10 * time.Millisecond), InFlightAtStart: int(law.Limit()), Outcome: o, Cost: 1,
			QueueDelay: delay, HasDelay: reported,
		})
	}
	start := law.Limit()
	end(0, true, penstock.OK)
	if law.Limit() != start || !strings.Contains(law.Explain(), "callee") {
		t.Errorf("at the first report: limit %g, %s", law.Limit(), law.Explain())
	}
	for range 100 {
		end(0, true, penstock.OK)
	}
	grown := law.Limit()
	if grown < 2*start {
		t.Errorf("the callee's queue is empty: the limit went from %g to %g", start, grown)
	}
	for range 100 {
		end(40*time.Millisecond, true, penstock.OK)
	}
	shrunk := law.Limit()
	if shrunk > grown/2 {
		t.Errorf("work waits for 40 ms: the limit went from %g to %g", grown, shrunk)
	}
	// Lost work carries no report and says nothing of whether there will be more.
	for range 100 {
		end(0, false, penstock.Dropped)
	}
	if !strings.Contains(law.Explain(), "callee") {
		t.Errorf("after losses: %s", law.Explain())
	}
	for range 100 {
		end(0, true, penstock.OK)
	}
	again := law.Limit()
	for range 31 {
		end(0, false, penstock.OK)
	}
	if !strings.Contains(law.Explain(), "callee") {
		t.Errorf("after 31 answers without a report: %s", law.Explain())
	}
	end(0, false, penstock.OK)
	if law.Limit() < again/2 || law.Limit() > 2*again || strings.Contains(law.Explain(), "callee") {
		t.Errorf("after 32 answers without a report: limit %g, was %g: %s", law.Limit(), again, law.Explain())
	}
}
