package penstockhttp_test

import (
	"net/http"
	"testing"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/penstockhttp"
)

// sinkWriter is a ResponseWriter that keeps its header map, as a server's would
// be new for each request whoever answers it.
type sinkWriter struct {
	header http.Header
	status int
	bytes  int
}

func (w *sinkWriter) Header() http.Header         { return w.header }
func (w *sinkWriter) WriteHeader(status int)      { w.status = status }
func (w *sinkWriter) Write(p []byte) (int, error) { w.bytes += len(p); return len(p), nil }
func (w *sinkWriter) Flush()                      {}

// costs are the handlers whose cost is known, with the most allocations that
// each may make.
func costs(t testing.TB) map[string]struct {
	handler http.Handler
	fields  []string
	most    float64
} {
	admits := admission.New(admission.Config{Limit: limit.Fixed(8), Seed: 1})
	t.Cleanup(admits.Close)
	type cost = struct {
		handler http.Handler
		fields  []string
		most    float64
	}
	work := []string{"Penstock-Work: c=critical, k=3, a=2"}
	return map[string]cost{
		"bare":                  {nothing, nil, 0},
		"admitted":              {penstockhttp.Handler(admits, nothing), nil, 1}, // the wrapper, which holds the request, its context and the fields
		"admitted/expose=none":  {penstockhttp.Handler(admits, nothing, penstockhttp.WithExpose(penstockhttp.ExposeNone)), nil, 1},
		"admitted/work=stated":  {penstockhttp.Handler(admits, nothing), work, 1},
		"admitted/deadline=own": {penstockhttp.Handler(admits, nothing), []string{"Penstock-Deadline: 60000"}, 1},
		"refused":               {penstockhttp.Handler(drained(t), nothing), nil, 3}, // the page, the fields, the id
		"refused/expose=none":   {penstockhttp.Handler(drained(t), nothing, penstockhttp.WithExpose(penstockhttp.ExposeNone)), nil, 2},
		"exempt":                {penstockhttp.Handler(drained(t), nothing, penstockhttp.WithExempt(func(*http.Request) bool { return true })), nil, 0},
	}
}

func TestAllocations(t *testing.T) {
	for name, c := range costs(t) {
		w, r := &sinkWriter{header: http.Header{}}, request(t, loopback, "GET", "/", c.fields...)
		got := testing.AllocsPerRun(200, func() {
			clear(w.header)
			c.handler.ServeHTTP(w, r)
		})
		if got > c.most {
			t.Errorf("%s: %v allocations; want at most %v", name, got, c.most)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	for name, c := range costs(b) {
		b.Run(name, func(b *testing.B) {
			w, r := &sinkWriter{header: http.Header{}}, request(b, loopback, "GET", "/", c.fields...)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				c.handler.ServeHTTP(w, r)
			}
		})
	}
}
