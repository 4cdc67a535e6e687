package pressure

import (
	"encoding/json"
	"errors"
	"strings"
)

var errNoNumber = errors.New("pressure: not a finite number")

// loadJSON is a report as protocol buffers' JSON mapping writes it: names in
// either style, numbers as numbers or as strings.
type loadJSON struct {
	Level      metric `json:"application_utilization"`
	LevelCamel metric `json:"applicationUtilization"`
	RPS        metric `json:"rps_fractional"`
	RPSCamel   metric `json:"rpsFractional"`
	EPS        metric `json:"eps"`

	Named      namedJSON `json:"named_metrics"`
	NamedCamel namedJSON `json:"namedMetrics"`
}

type namedJSON struct {
	Price metric `json:"penstock_price"`
	Delay metric `json:"penstock_delay_ms"`
}

func parseLoadJSON(report string) (Load, bool) {
	var j loadJSON
	if err := json.Unmarshal([]byte(report), &j); err != nil {
		return Load{}, false
	}
	m := metrics{eps: j.EPS}
	for _, pair := range []struct {
		to   *metric
		from [2]metric
	}{
		{&m.level, [2]metric{j.Level, j.LevelCamel}},
		{&m.rps, [2]metric{j.RPS, j.RPSCamel}},
		{&m.price, [2]metric{j.Named.Price, j.NamedCamel.Price}},
		{&m.delay, [2]metric{j.Named.Delay, j.NamedCamel.Delay}},
	} {
		if pair.from[0].given && pair.from[1].given {
			return Load{}, false // stated twice
		}
		*pair.to = pair.from[0]
		if pair.from[1].given {
			*pair.to = pair.from[1]
		}
	}
	return m.load()
}

// UnmarshalJSON reads a number, or a number in a string. null is no number, as
// is usual; everything else is an error.
func (m *metric) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	s := string(data)
	if inner, ok := strings.CutPrefix(s, `"`); ok {
		s = strings.TrimSuffix(inner, `"`)
	}
	x, ok := parseFinite(s)
	if !ok || m.given {
		return errNoNumber
	}
	*m = metric{x, true}
	return nil
}
