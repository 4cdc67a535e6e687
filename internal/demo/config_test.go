package demo_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/demo"
	"github.com/penstock-go/penstock/sim"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  demo.Config
		want []string // parts of the error; none: it is fine
	}{
		"default":     {demo.Config{}, nil},
		"exponential": {demo.Config{Service: sim.Exponential(20 * time.Millisecond), Workers: 4, Peak: 10, Retries: 3}, nil},
		"workers":     {demo.Config{Workers: -1}, []string{"workers: -1 is not between 1 and 1000"}},
		"fast":        {demo.Config{Service: sim.Constant(time.Microsecond)}, []string{"service: a mean of 1µs is not between 100µs and 10s"}},
		"peak":        {demo.Config{Peak: -2}, []string{"peak: -2 is not above 0"}},
		"high peak":   {demo.Config{Peak: 101}, []string{"peak: 101 is not above 0 and up to 100"}},
		"short":       {demo.Config{For: time.Millisecond}, []string{"for: 1ms is not between 100ms and 1h"}},
		"deadline":    {demo.Config{Deadline: time.Microsecond}, []string{"deadline: 1µs is not between 1ms and 1h"}},
		"retries":     {demo.Config{Retries: 11}, []string{"retries: 11 is not between 0 and 10"}},
		"too much":    {demo.Config{Workers: 100}, []string{"would reach 30000/s", "20000/s: use fewer workers"}},
		"two":         {demo.Config{Workers: 1001, Retries: -1}, []string{"workers:", "retries:"}},
	} {
		err := c.cfg.Check()
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
		if err != nil {
			if _, serr := demo.Start(c.cfg); serr == nil || serr.Error() != err.Error() {
				t.Errorf("%s: Start says %v, Check %v", name, serr, err)
			}
		}
	}
}

func TestParseService(t *testing.T) {
	for text, want := range map[string]sim.ServiceLaw{
		"10ms":          sim.Constant(10 * time.Millisecond),
		"constant:10ms": sim.Constant(10 * time.Millisecond),
		"exp:1.5s":      sim.Exponential(1500 * time.Millisecond),
	} {
		if got, err := demo.ParseService(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "0s", "-1ms", "exp:", "exp:0s", "pareto:10ms", ":10ms", "exp:10ms:20ms"} {
		if got, err := demo.ParseService(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
