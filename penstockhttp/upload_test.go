package penstockhttp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/penstock-go/penstock/penstockhttp"
)

// A refused upload of 10 MB is not read, and the client gets its answer. Of one
// of unknown length net/http reads 256 KiB, after the answer.
func TestRefusedUploadIsNotRead(t *testing.T) {
	const blocks, block = 160, 64 << 10
	for _, row := range []struct {
		name, field string
		most        int64
	}{
		{"known", fmt.Sprintf("Content-Length: %d", blocks*block), 16 << 10},
		{"chunked", "Transfer-Encoding: chunked", 320 << 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := serve(t, protocols[0], penstockhttp.Handler(drained(t), nothing))
			c := s.dial(t)
			c.say("POST /upload HTTP/1.1", "Host: x", row.field)
			go c.upload(blocks, block, row.name == "chunked")
			res := c.hear("POST")
			if p := readProblem(t, res); res.StatusCode != http.StatusServiceUnavailable || p.Reason != "draining" || !res.Close {
				t.Errorf("%s, closes %v, %+v", res.Status, res.Close, p)
			}
			if _, err := c.in.ReadByte(); err == nil {
				t.Error("the connection goes on")
			}
			if read := s.read.Load(); read > row.most {
				t.Errorf("the server read %d bytes", read)
			}
		})
	}
}

// A client that announces a body and does not send it is answered, and loses
// its connection: it holds nothing for longer.
func TestRefusedSilentBody(t *testing.T) {
	for _, field := range []string{
		"Content-Length: 5", "Content-Length: 100000", "Content-Length: 10000000", "Transfer-Encoding: chunked",
		"Content-Length: 5\r\nExpect: 100-continue", "Transfer-Encoding: chunked\r\nExpect: 100-continue",
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel() // each takes as long as the server lingers
			s := serve(t, protocols[0], penstockhttp.Handler(drained(t), nothing))
			c := s.dial(t)
			c.say("POST / HTTP/1.1", "Host: x", field)
			res := c.hear("POST")
			if p := readProblem(t, res); res.StatusCode != http.StatusServiceUnavailable || p.Reason != "draining" {
				t.Errorf("%s, %+v", res.Status, p)
			}
			if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("the connection ends with %v", err)
			}
		})
	}
}

// upload writes until it is done or the server hangs up.
func (c client) upload(blocks, size int, chunked bool) {
	block := make([]byte, size)
	if chunked {
		block = fmt.Appendf(nil, "%x\r\n%s\r\n", size, block)
	}
	for range blocks {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// Small refused bodies are read after all, and their connection is kept.
func TestRefusedSmallBodyKeepsConnection(t *testing.T) {
	s := serve(t, protocols[0], penstockhttp.Handler(drained(t), nothing))
	c := s.dial(t)
	for range 3 {
		c.say("POST / HTTP/1.1", "Host: x", "Content-Length: 5")
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		res := c.hear("POST")
		if p := readProblem(t, res); res.StatusCode != http.StatusServiceUnavailable || p.Reason != "draining" || res.Close {
			t.Fatalf("%s, closes %v, %+v", res.Status, res.Close, p)
		}
	}
}

// Over HTTP/2 only the stream ends: the next request uses the same connection.
func TestRefusedUploadHTTP2(t *testing.T) {
	s := serve(t, protocols[1], penstockhttp.Handler(drained(t), nothing))
	for i := range 2 {
		reused := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, io.LimitReader(zeros{}, 10<<20))
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if p := readProblem(t, res); res.ProtoMajor != 2 || res.StatusCode != http.StatusServiceUnavailable || p.Reason != "draining" || reused != (i == 1) {
			t.Errorf("request %d: %s %s, connection reused: %v, %+v", i, res.Proto, res.Status, reused, p)
		}
		closeBody(t, res)
	}
	if read := s.read.Load(); read > 3<<20 {
		t.Errorf("the server read %d bytes", read)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestExpectContinue(t *testing.T) {
	upload := []string{"POST / HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 5"}

	c := serve(t, protocols[0], penstockhttp.Handler(drained(t), nothing)).dial(t)
	c.say(upload...)
	if res := c.hear("POST"); res.StatusCode != http.StatusServiceUnavailable || !res.Close { // the first thing said: no 100
		t.Errorf("refused: %s, closes %v", res.Status, res.Close)
	}

	c = serve(t, protocols[0], penstockhttp.Handler(capped(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))).dial(t)
	c.say(upload...)
	if res := c.hear("POST"); res.StatusCode != http.StatusContinue {
		t.Fatalf("admitted: %s; want 100 first", res.Status)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	res := c.hear("POST")
	if body, err := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(body) != "hello" || err != nil {
		t.Errorf("admitted: %s, %q, %v", res.Status, body, err)
	}
	if res.Header.Get("Penstock-Pressure") == "" { // the copy was what wrote the headers
		t.Errorf("admitted: header %v", res.Header)
	}
}
