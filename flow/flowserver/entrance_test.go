package flowserver_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow/flowserver"
	"github.com/penstock-go/penstock/pressure"
)

// dial opens a connection, for requests that no client would send.
func (b *bench) dial() (net.Conn, *bufio.Reader) {
	b.t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() }) // the test may have closed it
	if err := c.SetDeadline(time.Now().Add(watchdog)); err != nil {
		b.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func (b *bench) post(c io.Writer, path, header string) {
	b.t.Helper()
	if _, err := fmt.Fprintf(c, "POST /v1/flows/f%s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, header); err != nil {
		b.t.Fatal(err)
	}
}

// refusedFull checks a refusal of a full flow: all that DESIGN's section on the
// signal asks for.
func (b *bench) refusedFull(what string, a answer) {
	b.t.Helper()
	seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
	signal, ok := pressure.Parse(a.Header.Get("Penstock-Pressure"))
	switch {
	case a.StatusCode != http.StatusServiceUnavailable:
		b.t.Errorf("%s: status %d: %s", what, a.StatusCode, a.text)
	case err != nil || seconds < 1:
		b.t.Errorf("%s: Retry-After %q", what, a.Header.Get("Retry-After"))
	case !ok || signal.Level != 1 || signal.Retry <= 0:
		b.t.Errorf("%s: Penstock-Pressure %q", what, a.Header.Get("Penstock-Pressure"))
	case !strings.Contains(a.Header.Get("Endpoint-Load-Metrics"), "application_utilization=1"):
		b.t.Errorf("%s: endpoint-load-metrics %q", what, a.Header.Get("Endpoint-Load-Metrics"))
	case a.body.Reason != penstock.ReasonLimit.String() || !a.body.RetrySafe || a.body.Pressure != 1 || a.body.RetryAfterMS <= 0:
		b.t.Errorf("%s: %s", what, a.text)
	case int(a.body.RetryAfterMS+999)/1000 != seconds:
		b.t.Errorf("%s: Retry-After %d, retry_after_ms %v", what, seconds, a.body.RetryAfterMS)
	}
}

// TestRefusedBeforeTheBody sends the header alone: the refusal comes before a byte
// of the body, and before any "100 Continue".
func TestRefusedBeforeTheBody(t *testing.T) {
	b := start(t, 2, setup{})
	if n := b.fill(); n != 2 {
		t.Fatalf("%d went in", n)
	}
	for _, path := range []string{"/offer", "/items"} {
		for name, header := range map[string]string{
			"expects":         "Expect: 100-continue\r\nContent-Length: 9000\r\n",
			"expects, chunks": "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
			"1 GiB":           "Content-Length: 1073741824\r\n",
			"expects 1 GiB":   "Expect: 100-continue\r\nContent-Length: 1073741824\r\n",
		} {
			c, in := b.dial()
			b.post(c, path, header)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s, %s: %v", path, name, err)
			}
			b.refusedFull(path+", "+name, b.read(res))
		}
	}
	if st, err := b.engine.Stats("f"); err != nil || st.Items != 2 || st.Counts.Refused != 9 {
		t.Errorf("%+v, %v", st.Counts, err)
	}
}

// TestAGibibyteIsNotRead lets a client send all it can: it is cut off long before
// the end, and has its refusal.
func TestAGibibyteIsNotRead(t *testing.T) {
	b := start(t, 1, setup{})
	b.fill()
	const whole = 1 << 30
	c, in := b.dial()
	b.post(c, "/offer", "Content-Length: "+strconv.Itoa(whole)+"\r\n")
	sent := make(chan int)
	go func() {
		chunk, n := make([]byte, 64<<10), 0
		for n < whole {
			m, err := c.Write(chunk)
			if n += m; err != nil {
				break
			}
		}
		sent <- n
	}()
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.refusedFull("1 GiB", b.read(res))
	if n := <-sent; n > 64<<20 { // what lies in the sockets' buffers
		t.Errorf("%d MiB were taken of a body that nobody wants", n>>20)
	}
}

// TestContinues asks for the body where there is room.
func TestContinues(t *testing.T) {
	b := start(t, 2, setup{})
	r := b.request("POST", "/v1/flows/f/items?key=ann", strings.NewReader("hello"))
	r.Header.Set("Expect", "100-continue")
	r.Header.Set(flowserver.IdempotencyKey, `"o-\"7\""`)
	a := b.send(r)
	if a.StatusCode != http.StatusAccepted || a.body.ID != `o-"7"` || a.body.Outcome != "accepted" {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if s, ok := pressure.Parse(a.Header.Get("Penstock-Pressure")); !ok || s.Level != 0.4 {
		t.Errorf("Penstock-Pressure %q, want the level of a stage that is half full", a.Header.Get("Penstock-Pressure"))
	}
	jobs, err := b.engine.Pull(t.Context(), "f", "a", 1, 0, 0)
	if err != nil || len(jobs) != 1 || string(jobs[0].Payload) != "hello" || jobs[0].Item.Key != "ann" {
		t.Errorf("%+v, %v", jobs, err)
	}
	// Again, as after a lost answer; and without quotes.
	r = b.request("POST", "/v1/flows/f/items", strings.NewReader("hello"))
	r.Header.Set(flowserver.IdempotencyKey, `o-"7"`)
	if a := b.send(r); a.StatusCode != http.StatusAccepted || a.body.Outcome != "duplicate" {
		t.Errorf("again: %d %s", a.StatusCode, a.text)
	}
}

// TestBodiesAreBounded names each bound of a request, one above it.
func TestBodiesAreBounded(t *testing.T) {
	b := start(t, 10, setup{})
	items := strings.TrimSuffix(strings.Repeat(`{},`, flowserver.ItemsMax+1), ",")
	leases := strings.TrimSuffix(strings.Repeat(`{"lease":"1.1.1"},`, flowserver.ItemsMax+1), ",")
	large := fmt.Sprintf("Content-Length: %d\r\n", flowserver.BodyMax+1)
	for name, row := range map[string]struct {
		path, header, body string
		status             int
		detail             string
	}{
		"batch":             {"/offer", "", `{"items":[` + items + `]}`, 400, "items: 1001 of them, where 1 to 1000 are allowed"},
		"batch of acks":     {"/ack", "", `{"done":[` + leases + `]}`, 400, "done: 1001 of them"},
		"no batch":          {"/offer", "", `{}`, 400, "items: 0 of them"},
		"body":              {"/offer", large, "", 413, "33554433 bytes, where at most 33554432 are allowed"},
		"body of acks":      {"/ack", large, "", 413, "33554433 bytes"},
		"body, expecting":   {"/ack", "Expect: 100-continue\r\n" + large, "", 413, "33554433 bytes"},
		"payload":           {"/items", "", strings.Repeat("x", 10_001), 413, "10001 bytes, where at most 10000"},
		"payload in JSON":   {"/offer", "", `{"items":[{"json":"` + strings.Repeat("x", 10_000) + `"}]}`, 400, "payload: 10002 bytes, where at most 10000"},
		"payload in chunks": {"/items", "Transfer-Encoding: chunked\r\n", "2711\r\n" + strings.Repeat("x", 10_001) + "\r\n0\r\n\r\n", 413, "at most 10000 bytes"},
		"broken chunks":     {"/items", "Transfer-Encoding: chunked\r\n", "zz\r\n", 400, "invalid byte in chunk length"},
		"id":                {"/items", "Idempotency-Key: " + strings.Repeat("i", 129) + "\r\n", "x", 400, "id: 129 bytes, where at most 128"},
		"key":               {"/items?key=" + strings.Repeat("k", 129), "", "x", 400, "key: 129 bytes"},
	} {
		c, in := b.dial()
		if !strings.Contains(row.header, "Content-Length") && !strings.Contains(row.header, "chunked") {
			row.header += fmt.Sprintf("Content-Length: %d\r\n", len(row.body))
		}
		b.post(c, row.path, row.header)
		if _, err := io.WriteString(c, row.body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, err := b.tryRead(res)
		if err != nil {
			t.Errorf("%s: %d, %v", name, res.StatusCode, err)
		}
		if a.StatusCode != row.status || !strings.Contains(a.body.Detail, row.detail) {
			t.Errorf("%s: %d %s, want %d %s", name, a.StatusCode, a.text, row.status, row.detail)
		}
	}
	r := b.request("GET", "/v1/flows/f", nil)
	r.Header.Set("X-Large", strings.Repeat("x", flowserver.HeaderMax+8<<10))
	res, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // the server may have cut it off
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large header: %d", res.StatusCode)
	}
	if st, err := b.engine.Stats("f"); err != nil || st.Items != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestBodiesInHandAreBounded begins more large uploads than may be in hand: some
// are refused before their bodies, and a small offer still goes in.
func TestBodiesInHandAreBounded(t *testing.T) {
	b := start(t, 10, setup{})
	const uploads = flowserver.Slots/33 + 1 // of unknown length each
	refusals := make(chan answer, uploads)
	var conns []net.Conn
	for range uploads {
		c, in := b.dial()
		conns = append(conns, c)
		b.post(c, "/offer", "Transfer-Encoding: chunked\r\n")
		go func() {
			if res, err := http.ReadResponse(in, nil); err == nil {
				refusals <- b.read(res)
			}
		}()
	}
	a := <-refusals
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Header.Get("Penstock-Pressure") == "" || a.body.Reason == "" {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if a := b.do("POST", "/items", "x"); a.StatusCode != http.StatusAccepted {
		t.Errorf("a small one: %d %s", a.StatusCode, a.text)
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestASlowBody is cut off when its time is up.
func TestASlowBody(t *testing.T) {
	defer flowserver.SetBodyTime(20 * time.Millisecond)()
	b := start(t, 10, setup{})
	for _, length := range []string{"100", "1000000"} {
		c, in := b.dial()
		b.post(c, "/offer", "Content-Length: "+length+"\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := b.read(res); a.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%s: %d %s", length, a.StatusCode, a.text)
		}
	}
}

// TestConnectionsAreBounded accepts the next when one has gone.
func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := flowserver.Bound(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // of a test
	}
	first, second := <-accepted, <-accepted
	if n := flowserver.Places(ln); n != 2 {
		t.Errorf("%d places are taken", n)
	}
	select {
	case <-accepted:
		t.Error("a third is accepted while two are open")
	default:
	}
	for range 2 { // closing twice gives back one place
		_ = first.Close() // the second time fails
	}
	third := <-accepted
	if n := flowserver.Places(ln); n != 2 {
		t.Errorf("%d places are taken after one has gone and one has come", n)
	}
	for _, c := range []io.Closer{ln, second, third} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
