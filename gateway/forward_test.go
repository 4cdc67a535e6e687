package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

func TestForwards(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s host=%s length=%d body=%s", r.Method, r.RequestURI, r.Host, r.ContentLength, body))
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
	})))
	tests := []struct{ method, path, body, want, answer string }{
		{"GET", "/", "", "GET / host=shop.example length=0 body=", "made"},
		{"GET", "/a%2Fb/c?x=1;y&&z=%zz", "", "GET /a%2Fb/c?x=1;y&&z=%zz host=shop.example length=0 body=", "made"},
		{"GET", "//double", "", "GET //double host=shop.example length=0 body=", "made"},
		{"HEAD", "/h", "", "HEAD /h host=shop.example length=0 body=", ""},
		{"POST", "/p", "hello", "POST /p host=shop.example length=5 body=hello", "made"},
		{"DELETE", "/d", "", "DELETE /d host=shop.example length=0 body=", "made"},
		{"BREW", "/coffee", "black", "BREW /coffee host=shop.example length=5 body=black", "made"},
	}
	for _, tt := range tests {
		c, in := r.dial()
		_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n%s", tt.method, tt.path, len(tt.body), tt.body)
		res, err := http.ReadResponse(in, &http.Request{Method: tt.method})
		if err != nil {
			t.Fatalf("%s %s: %v", tt.method, tt.path, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusCreated || string(body) != tt.answer {
			t.Errorf("%s %s: status %d, body %q, error %v", tt.method, tt.path, res.StatusCode, body, err)
		}
		if got := res.Header.Get("X-Seen"); got != tt.want {
			t.Errorf("%s %s: the backend saw\n%s, want\n%s", tt.method, tt.path, got, tt.want)
		}
		if got := res.Header.Values("X-Two"); len(got) != 2 {
			t.Errorf("X-Two is %q", got)
		}
	}
	r.until("all slots free", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Stats.Good == uint64(len(tests)) })
}

func TestRedirectsAreTheClients(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})))
	if res, _ := r.get("/"); res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/elsewhere" {
		t.Fatalf("status %d, Location %q", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestTrailersBothWays(t *testing.T) {
	for _, size := range []int{100, 3 * gateway.ReadAhead} {
		r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum, Penstock-Pressure")
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprint(w, len(body))
			w.Header().Set("X-Sum", r.Trailer.Get("X-Sent"))
			w.Header().Set("Penstock-Pressure", "level=1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "unannounced")
		})))
		pr, pw := io.Pipe()
		req, _ := http.NewRequest(http.MethodPost, r.front, pr)
		req.Trailer = http.Header{"X-Sent": nil}
		go func() {
			_, _ = pw.Write(make([]byte, size))
			req.Trailer.Set("X-Sent", "abc")
			_ = pw.Close()
		}()
		res, body := r.do(req)
		if body != strconv.Itoa(size) || res.Trailer.Get("X-Sum") != "abc" || res.Trailer.Get("X-Late") != "unannounced" {
			t.Errorf("size %d: body %q, trailers %v", size, body, res.Trailer)
		}
		if res.Trailer.Get("Penstock-Pressure") != "" {
			t.Errorf("a backend's signal came through as a trailer: %v", res.Trailer)
		}
	}
}

// An answer may begin before the request has ended: what the client sends after
// the read-ahead comes back while it goes on sending.
func TestFullDuplex(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 4096)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	})))
	c, in := r.dial()
	const first = gateway.ReadAhead
	_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", first, strings.Repeat("a", first))
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, res.Body, first); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, _ = fmt.Fprint(c, "5\r\nhello\r\n")
		got := make([]byte, 5)
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	_, _ = fmt.Fprint(c, "0\r\n\r\n")
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
		t.Fatalf("rest %q, %v", rest, err)
	}
	// It began before the request's end: the connection must not serve again.
	if _, err := in.ReadByte(); err != io.EOF {
		t.Fatalf("the connection goes on: %v", err)
	}
}

func TestContinue(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "got %d", len(body))
	})))
	c, in := r.dial()
	for _, size := range []int{10, 2 * gateway.ReadAhead} {
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("got %q, %v, want 100 Continue", line, err)
		}
		_, _ = in.ReadString('\n')
		_, _ = c.Write(make([]byte, size))
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != fmt.Sprintf("got %d", size) {
			t.Fatalf("status %d, body %q", res.StatusCode, body)
		}
	}
}

// A client that waits for 100 Continue sends nothing to a route that refuses.
func TestRefusedBeforeContinue(t *testing.T) {
	release := make(chan struct{})
	cfg := config(backend(t, func(http.ResponseWriter, *http.Request) { <-release }))
	cfg.Routes[0].Limit = fixed(1)
	cfg.Routes[0].WaitFor = -1
	r := serve(t, cfg)
	t.Cleanup(func() { close(release) })
	go r.ask(r.front) // holds the only slot
	r.until("slot taken", func(s gateway.State) bool { return s.Stats.InFlight == 1 })

	c, in := r.dial()
	_, _ = fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	r.wantProblem(res, string(body), http.StatusServiceUnavailable, "queue_full")
	if _, err := in.ReadByte(); err != io.EOF {
		t.Fatalf("the connection goes on: %v", err)
	}
}

func TestEarlyHints(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "done")
	})))
	c, in := r.dial()
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	first, err := http.ReadResponse(in, nil)
	if err != nil || first.StatusCode != http.StatusEarlyHints || first.Header.Get("Link") == "" {
		t.Fatalf("%v %v", first, err)
	}
	second, err := http.ReadResponse(in, nil)
	if err != nil || second.StatusCode != http.StatusOK || second.Header.Get("Link") != "" {
		t.Fatalf("%v %v", second, err)
	}
}

func TestUpgradeEchoes(t *testing.T) {
	cfg := config(rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, in)
	}))
	cfg.Streams = 1
	r := serve(t, cfg)
	open := func() (net.Conn, *bufio.Reader, *http.Response) {
		c, in := r.dial()
		_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c, in, res
	}
	c, in, res := open()
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Upgrade") != "echo" {
		t.Fatalf("status %d, header %v", res.StatusCode, res.Header)
	}
	for i := range 100 {
		_, _ = fmt.Fprintf(c, "line %d\n", i)
		if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	r.until("a stream and no slot", func(s gateway.State) bool { return s.Front.Streams == 1 && s.Stats.InFlight == 0 })

	_, _, second := open() // beyond the bound on streams
	body, _ := io.ReadAll(second.Body)
	r.wantProblem(second, string(body), http.StatusServiceUnavailable, "limit")
	_ = c.Close()
	r.until("the stream ended", func(s gateway.State) bool { return s.Front.Streams == 0 })
	if _, _, third := open(); third.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d after the first has ended", third.StatusCode)
	}
}

func TestEventStreamFlushesAndFreesItsSlot(t *testing.T) {
	next := make(chan string)
	gone := make(chan struct{}, 2)
	cfg := config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		defer func() { gone <- struct{}{} }()
		for {
			select {
			case data := <-next:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
				_ = rc.Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	cfg.Streams = 1
	r := serve(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.front, nil)
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(res.Body)
	in := bufio.NewReader(res.Body)
	for i := range 10 {
		next <- strconv.Itoa(i)
		if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
		_, _ = in.ReadString('\n')
	}
	r.until("a stream and no slot", func(s gateway.State) bool { return s.Front.Streams == 1 && s.Stats.InFlight == 0 && s.Stats.Good == 1 })

	second, body := r.get("/") // beyond the bound on streams
	r.wantProblem(second, body, http.StatusServiceUnavailable, "limit")
	wait(t, "the refused stream's backend is told", gone)

	cancel() // with nothing on its way, the backend must learn that the client has left
	wait(t, "the stream's backend is told", gone)
	r.until("no stream", func(s gateway.State) bool { return s.Front.Streams == 0 })
}

func TestLargeTransfersStayWhole(t *testing.T) {
	const size = 64 << 20
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Sum", hex.EncodeToString(sum.Sum(nil)))
		if r.URL.Path == "/down" {
			_, _ = io.CopyN(w, rand.NewChaCha8([32]byte{7}), size)
		}
	})))
	sum := sha256.New()
	up := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sum)
	req, _ := http.NewRequest(http.MethodPut, r.front+"/up", up)
	req.ContentLength = size
	res, _ := r.do(req)
	if got, want := res.Header.Get("X-Sum"), hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("the backend's sum is %s, want %s", got, want)
	}

	down, err := r.client.Get(r.front + "/down")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(down.Body)
	got, want := sha256.New(), sha256.New()
	n, err := io.Copy(got, down.Body)
	_, _ = io.CopyN(want, rand.NewChaCha8([32]byte{7}), size)
	if err != nil || n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("%d bytes, error %v, sums equal: %t", n, err, bytes.Equal(got.Sum(nil), want.Sum(nil)))
	}
}
