package limittest_test

import (
	"math"
	"testing"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
)

// BenchmarkLaws is no measure of speed: its metrics are how good each law is,
// check by check, beside the oracle. At full size (PENSTOCK_FULL=1) it takes
// long; -bench 'Laws/law=auto/steady' picks.
//
//	goodput, worst: share of the oracle's, mean and least
//	p99: of good requests over the oracle's, geometric mean
//	limit: over the oracle's, geometric mean
//	failed: demands of the suite that were not met
func BenchmarkLaws(b *testing.B) {
	for _, name := range []string{"auto", "vegas", "gradient2", "aimd", "delay"} {
		for _, c := range limittest.Checks() {
			law := limit.Named(name, 0)
			if name == "delay" {
				c, law = c.Reporting(), func() limit.Law { return limit.Delay(0, math.Inf(1)) }
			}
			b.Run("law="+name+"/"+c.Name, func(b *testing.B) {
				for b.Loop() {
					report(b, c.Score(law))
				}
			})
		}
	}
}

func report(b *testing.B, scores []limittest.Score) {
	var goodput, p99, limits, failed float64
	worst, n := scores[0], float64(len(scores))
	for _, s := range scores {
		goodput += s.Goodput / n
		p99 += math.Log(max(s.P99, 1e-3)) / n
		limits += math.Log(max(s.Limit, 1e-3)) / n
		if !s.Passes() {
			failed++
		}
		if s.Goodput < worst.Goodput {
			worst = s
		}
		if testing.Verbose() {
			b.Logf("%-60s %.0f-%.0fs goodput %.3f p99 %.2f refused %+.3f limit %.2f",
				s.Case, s.From.Seconds(), s.To.Seconds(), s.Goodput, s.P99, s.Refused, s.Limit)
		}
	}
	b.ReportMetric(goodput, "goodput")
	b.ReportMetric(worst.Goodput, "worst")
	b.ReportMetric(math.Exp(p99), "p99")
	b.ReportMetric(math.Exp(limits), "limit")
	b.ReportMetric(failed, "failed")
	b.ReportMetric(0, "ns/op")
}
