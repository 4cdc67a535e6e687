package pressure

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
)

// The bounds on a report in the ORCA format.
const (
	MaxLoadBytes   = 4096 // a longer field is ignored wholly
	MaxLoadMetrics = 64   // so is a fuller one
	MaxPerSecond   = 1e9  // of [Load.RPS] and [Load.EPS]
)

// LoadEvery is how often a server's answers carry its load: once in a controller's
// tick. A balancer weighs once in a second or so, and each field costs both sides
// two allocations and more.
const LoadEvery = 10 * time.Millisecond

// The names of a report's metrics.
const (
	metricLevel = "application_utilization"
	metricRPS   = "rps_fractional"
	metricEPS   = "eps"
	metricPrice = "penstock_price"
	metricDelay = "penstock_delay_ms"
	named       = "named_metrics."
)

// A Load is the report that the field endpoint-load-metrics carries (Open
// Request Cost Aggregation, xds.data.orca.v3.OrcaLoadReport), as far as it
// concerns us. Its Retry never travels this way.
type Load struct {
	Signal
	RPS float64 // finished work per second; refusals are not work
	EPS float64 // those of RPS that failed
}

// AppendLoad appends l as a value of the field endpoint-load-metrics in its
// TEXT form. The level is application_utilization, price and delay are the
// named metrics penstock_price and penstock_delay_ms; the latter are left out
// while they are 0. Values are clamped first. It allocates only where dst lacks
// room; 192 bytes are enough.
func AppendLoad(dst []byte, l Load) []byte {
	s := l.Clamp()
	dst = append(dst, "TEXT "+metricLevel+"="...)
	dst = appendDecimal(dst, toThousandths(s.Level, 1))
	dst = append(dst, ","+metricRPS+"="...)
	dst = appendDecimal(dst, toThousandths(l.RPS, MaxPerSecond))
	dst = append(dst, ","+metricEPS+"="...)
	dst = appendDecimal(dst, toThousandths(l.EPS, MaxPerSecond))
	if s.Price > 0 {
		dst = append(dst, ","+named+metricPrice+"="...)
		dst = strconv.AppendInt(dst, int64(s.Price), 10)
	}
	if us := s.Delay.Microseconds(); us > 0 {
		dst = append(dst, ","+named+metricDelay+"="...)
		dst = appendDecimal(dst, us)
	}
	return dst
}

// ParseLoad reads a value of the field endpoint-load-metrics in its TEXT form
// (name=value or name:value, with commas between), its JSON form, or its BIN
// form (see [ParseLoadBinary]). Metrics that it does not know are skipped; values
// are clamped. It reports false for a field that is malformed, in text states
// one of our metrics twice, or states neither the level nor one of penstock's
// own metrics.
func ParseLoad(field string) (Load, bool) {
	if len(field) > MaxLoadBytes {
		return Load{}, false
	}
	if report, ok := strings.CutPrefix(field, "TEXT "); ok {
		return parseLoadText(report)
	}
	if report, ok := strings.CutPrefix(field, "JSON "); ok {
		return parseLoadJSON(report)
	}
	if report, ok := strings.CutPrefix(field, "BIN "); ok {
		return parseLoadBase64(report)
	}
	return Load{}, false
}

// metrics is a report while it is being read.
type metrics struct{ level, rps, eps, price, delay metric }

type metric struct {
	value float64
	given bool
}

// find returns the place of the metric of that name, nil if it is not ours.
func (m *metrics) find(name string) *metric {
	switch name {
	case metricLevel:
		return &m.level
	case metricRPS:
		return &m.rps
	case metricEPS:
		return &m.eps
	case named + metricPrice:
		return &m.price
	case named + metricDelay:
		return &m.delay
	}
	return nil
}

func (m *metrics) load() (Load, bool) {
	if !m.level.given && !m.price.given && !m.delay.given {
		return Load{}, false
	}
	return Load{
		Signal: Signal{
			Level: m.level.within(1),
			Price: penstock.Price(m.price.within(float64(penstock.MaxPrice))),
			Delay: time.Duration(math.Round(m.delay.within(float64(MaxDelay/time.Millisecond))*1e6)) * time.Nanosecond,
		},
		RPS: m.rps.within(MaxPerSecond),
		EPS: m.eps.within(MaxPerSecond),
	}, true
}

func (m metric) within(most float64) float64 { return min(max(m.value, 0), most) }

func parseLoadText(report string) (Load, bool) {
	if strings.Count(report, ",") >= MaxLoadMetrics {
		return Load{}, false
	}
	var m metrics
	for entry := range strings.SplitSeq(report, ",") {
		at := strings.IndexAny(entry, "=:")
		if at < 0 {
			return Load{}, false
		}
		known := m.find(strings.Trim(entry[:at], " \t"))
		if known == nil {
			continue
		}
		value, ok := parseFinite(strings.Trim(entry[at+1:], " \t"))
		if !ok || known.given {
			return Load{}, false
		}
		*known = metric{value, true}
	}
	return m.load()
}

// parseFinite reads a decimal number, with or without an exponent, of at most
// 32 bytes. What [strconv.ParseFloat] accepts beyond that (inf, nan, hex) it
// does not.
func parseFinite(s string) (float64, bool) {
	if s == "" || len(s) > 32 || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsInf(x, 0) && !math.IsNaN(x)
}
