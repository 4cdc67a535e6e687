package penstockhttp_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// TestLoadOncePerTick: every answer tells the pressure, and the first of each tick
// the load; what an inner hop said of its own never gets through.
func TestLoadOncePerTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := admission.New(admission.Config{Limit: limit.Fixed(8), Seed: 1})
		defer ctl.Close()
		h := penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			penstockhttp.Announce(w.Header(), pressure.Load{RPS: 12345})
		}))
		for i, row := range []struct {
			after time.Duration
			told  bool
		}{
			{0, true},
			{0, false},
			{pressure.LoadEvery - 1, false},
			{1, true},
			{0, false},
			{time.Hour, true},
		} {
			time.Sleep(row.after)
			w := &sinkWriter{header: http.Header{}}
			h.ServeHTTP(w, request(t, loopback, "GET", "/"))
			if _, ok := pressure.Parse(w.header.Get(penstockhttp.FieldPressure)); !ok {
				t.Errorf("answer %d: pressure %q", i, w.header[penstockhttp.FieldPressure])
			}
			load, ok := pressure.ParseLoad(w.header.Get(penstockhttp.FieldLoad))
			if ok != row.told || load.RPS > 12000 {
				t.Errorf("answer %d: load %q; want one: %v", i, w.header[penstockhttp.FieldLoad], row.told)
			}
		}
	})
}
