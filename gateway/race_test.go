package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/gateway"
)

// A backend that closes each connection after one answer, without saying so,
// costs its clients nothing: what can be repeated is.
func TestKeptConnectionsMayClose(t *testing.T) {
	r := serve(t, config(rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			send(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})))
	for range 100 {
		if res, body := r.get("/"); res.StatusCode != http.StatusOK || body != "ok" {
			t.Fatalf("status %d, %s", res.StatusCode, body)
		}
	}
}

// Answers, deadlines and clients that leave come at the same moment, again and
// again: every permit comes back once, and nothing is left.
func TestEverythingAtOnce(t *testing.T) {
	for _, abandoned := range []gateway.Abandoned{gateway.Wait, gateway.Cancel} {
		cfg := config(backend(t, func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = w.Write(make([]byte, n%5000))
		}))
		cfg.Routes[0].Abandoned = abandoned
		cfg.Routes[0].Deadline = time.Millisecond // as long as an exchange takes
		r := serve(t, cfg)
		done := make(chan struct{})
		for i := range 8 {
			go func() {
				defer func() { done <- struct{}{} }()
				for j := range 60 {
					c, err := net.Dial("tcp", r.Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					body := strings.Repeat("x", (i*60+j)*200)
					send(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
					if j%3 != 0 { // every third leaves without waiting
						if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
							_, _ = io.Copy(io.Discard, res.Body)
						}
					}
					_ = c.Close()
				}
			}()
		}
		for range 8 {
			wait(t, "a client", done)
		}
		r.until("everything has ended", func(s gateway.State) bool {
			return s.Stats.InFlight == 0 && s.Stats.Zombies == 0 && s.Front.InHand == 0 && s.Front.Connections == 0
		})
		s := r.State().Stats
		if got := s.Good + s.Dropped + s.Ignored; got != s.Admitted { // what is wasted is dropped, too
			t.Errorf("%d were admitted, %d ended: %d good, %d wasted, %d dropped, %d ignored", s.Admitted, got, s.Good, s.Wasted, s.Dropped, s.Ignored)
		}
	}
}

// Whatever bytes a client sends, its connection ends, no handler panics, and
// the next client is served.
func FuzzFront(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.1\r\nHost: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: \x7f\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET http://user:pw@x/ HTTP/1.0\r\nPenstock-Work: c=critical;k=999\r\nPenstock-Deadline: -1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nVia: penstock, penstock, penstock, penstock, penstock, penstock, penstock, penstock\r\n\r\n",
		"\x00\xff\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	g, err := gateway.New(config("http://127.0.0.1:9"), gateway.WithMaxBody(1000), gateway.WithTimes(gateway.Times{
		Header: 20 * time.Millisecond, Body: 20 * time.Millisecond, Linger: time.Millisecond,
	}))
	if err != nil {
		f.Fatal(err)
	}
	g.FakeBackends(canned{"hello"})
	if err := g.Listen(); err != nil {
		f.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(context.Background()) }()
	f.Cleanup(func() {
		_ = g.Close()
		if err := <-served; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, sent := range [][]byte{data, []byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")} {
			c, err := net.Dial("tcp", g.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer shut(c)
			if err := c.SetDeadline(time.Now().Add(watchdog)); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = c.Write(sent)
				if i == 0 { // no more will come; the second is to look like one who waits
					_ = c.(*net.TCPConn).CloseWrite()
				}
			}()
			got, err := io.ReadAll(c)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the connection does not end after %q", sent)
			}
			if i == 1 && !bytes.HasPrefix(got, []byte("HTTP/1.1 200 OK\r\n")) {
				t.Fatalf("after %q the next client got %q", data, got)
			}
		}
		if n := g.State().Faults["panic"]; n != 0 {
			t.Fatalf("%q made a handler panic", data)
		}
	})
}
