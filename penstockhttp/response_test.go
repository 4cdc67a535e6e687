package penstockhttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/penstockhttp"
)

// plain is a ResponseWriter that can do nothing else.
type plain struct{ *sinkWriter }

func (plain) Flush(int) {} // hides the other

// taken is a writer that can be hijacked, but copies by itself.
type taken struct{ plain }

func (taken) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// wrapped is a middleware's writer, which can do what it wraps can do.
type wrapped struct {
	http.ResponseWriter
	inner http.ResponseWriter
}

func (w wrapped) Unwrap() http.ResponseWriter { return w.inner }

// pushes is a writer that pushes.
type pushes struct{ plain }

func (pushes) Push(target string, _ *http.PushOptions) error {
	if target != "/style.css" {
		return http.ErrNotSupported
	}
	return nil
}

// The handler's writer has what the server's has, however deep that lies.
func TestWriterIsWhatItWraps(t *testing.T) {
	sink := func() *sinkWriter { return &sinkWriter{header: http.Header{}} }
	around := func(inner http.ResponseWriter) http.ResponseWriter { return wrapped{plain{sink()}, inner} }
	for name, row := range map[string]struct {
		w    http.ResponseWriter
		want string
	}{
		"plain":            {plain{sink()}, ""},
		"flusher":          {sink(), "flush"},
		"hijacker":         {taken{plain{sink()}}, "flush hijack"},
		"pusher":           {pushes{plain{sink()}}, "flush push"},
		"wrapped plain":    {around(plain{sink()}), ""},
		"wrapped flusher":  {around(sink()), "flush"},
		"wrapped hijacker": {around(around(taken{plain{sink()}})), "flush hijack"},
		"wrapped pusher":   {around(pushes{plain{sink()}}), "flush push"},
	} {
		ctl := capped(t)
		h := penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var has []string
			if f, ok := w.(http.Flusher); ok {
				has = append(has, "flush")
				f.Flush() // must do no harm where the server's cannot
			}
			if hijacker, ok := w.(http.Hijacker); ok {
				has = append(has, "hijack")
				if _, _, err := hijacker.Hijack(); err != nil || ctl.Stats().InFlight != 0 {
					t.Errorf("%s: hijacked with %v, %d in flight", name, err, ctl.Stats().InFlight)
				}
			}
			if p, ok := w.(http.Pusher); ok {
				has = append(has, "push")
				if err := p.Push("/style.css", nil); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if got := strings.Join(has, " "); got != row.want {
				t.Errorf("%s: can %q; want %q", name, got, row.want)
			}
		}))
		h.ServeHTTP(row.w, request(t, stranger, "GET", "/"))
		if got, want := counts(ctl.Stats()), "good 1"; got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

// Copying works where the server's writer has no way of its own.
func TestReadFromWithoutReaderFrom(t *testing.T) {
	w := taken{plain{&sinkWriter{header: http.Header{}}}}
	h := penstockhttp.Handler(capped(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("hello"))
		if n != 5 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}))
	h.ServeHTTP(w, request(t, stranger, "GET", "/"))
	if w.bytes != 5 || w.header.Get("Penstock-Pressure") == "" {
		t.Errorf("%d bytes, %v", w.bytes, w.header)
	}
}
