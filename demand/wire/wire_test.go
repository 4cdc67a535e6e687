package wire_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/demand/wire"
	"github.com/penstock-go/penstock/internal/leak"
	"github.com/penstock-go/penstock/mono"
)

func TestMain(m *testing.M) { leak.Main(m) }

var errEnd = errors.New("the source broke")

func words(n int) demand.Stream[string] {
	return demand.From(func(yield func(string) bool) {
		for i := range n {
			if !yield(strconv.Itoa(i)) {
				return
			}
		}
	})
}

func wanted(n int) []string {
	var out []string
	for i := range n {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

// sending runs Send over one end of a pipe, and gives the other end.
func sending(t *testing.T, s demand.Stream[string]) (far net.Conn, result func() error) {
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- wire.Send(t.Context(), near, s, demand.Text{})
	}()
	return far, func() error { return <-done }
}

func TestRoundTrip(t *testing.T) {
	for _, cfg := range []wire.Config{{}, {Window: 1}, {Window: 7, Refill: 0.1}, {Window: 1 << 16}, {TTL: time.Minute}} {
		far, result := sending(t, words(5000))
		got, err := wire.Receive(far, demand.Text{}, cfg).Collect(t.Context(), 1<<20)
		if err != nil || !slices.Equal(got, wanted(5000)) {
			t.Errorf("%+v: %d items, %v", cfg, len(got), err)
		}
		if err := result(); err != nil {
			t.Errorf("%+v: Send: %v", cfg, err)
		}
	}
}

func TestOverHTTP(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wire.Accept(w, r)
		if err != nil {
			return
		}
		if r.URL.Path == "/up" { // the client has the items
			got, err := wire.Receive(conn, demand.Text{}, wire.Config{}).Collect(r.Context(), 1<<20)
			if err != nil || !slices.Equal(got, wanted(3000)) {
				t.Errorf("%s: %d items, %v", r.Proto, len(got), err)
			}
			return
		}
		if err := wire.Send(r.Context(), conn, words(3000), demand.Text{}); err != nil {
			t.Errorf("%s: Send: %v", r.Proto, err)
		}
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	for _, scheme := range []string{"ws", "http"} {
		url := scheme + strings.TrimPrefix(server.URL, "http")
		t.Run(scheme+" down", func(t *testing.T) {
			conn, err := wire.Dial(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := wire.Receive(conn, demand.Text{}, wire.Config{Window: 100}).Collect(t.Context(), 1<<20)
			if err != nil || !slices.Equal(got, wanted(3000)) {
				t.Errorf("%d items, %v", len(got), err)
			}
		})
		t.Run(scheme+" up", func(t *testing.T) {
			conn, err := wire.Dial(t.Context(), url+"/up", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := wire.Send(t.Context(), conn, words(3000), demand.Text{}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("neither", func(t *testing.T) {
		resp, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUpgradeRequired {
			t.Error(resp.Status)
		}
	})
	wire.CloseIdle()
}

// TestSlowReceiver stops taking, and looks how far the sender's source goes.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		source := demand.Func(func(context.Context) (string, error) { made++; return "x", nil })
		far, result := sending(t, source)
		s := wire.Receive(far, demand.Text{}, wire.Config{Window: 10})
		synctest.Wait()
		if made != 0 {
			t.Errorf("the source made %d before anybody asked", made)
		}
		n := 0
		for _, err := range s.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 25 {
				break
			}
			synctest.Wait()
			// Granted are those taken and a window; one more is in the sender's hand.
			if made > n-1+10+1 {
				t.Fatalf("the source made %d when %d were taken", made, n)
			}
		}
		if err := result(); err != nil { // cancelled: not an error
			t.Error(err)
		}
	})
}

func TestLeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far, result := sending(t, demand.Map(demand.Ticks(time.Second), func(mono.Time) string { return "x" }))
		_, _ = far.Write(grant(100, 3500))
		got := make(chan int)
		go func() {
			n, _ := io.Copy(io.Discard, far)
			got <- int(n)
		}()
		time.Sleep(60500 * time.Millisecond)
		_, _ = far.Write(grant(100, 0))
		time.Sleep(2200 * time.Millisecond)
		_ = far.Close()
		if err := result(); err == nil {
			t.Error("a receiver that is gone is no error")
		}
		// Three in time, the one in hand when the new grant came, and two more.
		if n, item := <-got, len("x")+4+17; n != 6*item {
			t.Errorf("%d bytes, want those of 6 frames of %d", n, item)
		}
	})
}

func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := demand.Map(demand.Ticks(10*time.Second), func(mono.Time) string { return "x" }).Take(5)
		far, result := sending(t, slow)
		got, err := wire.Receive(far, demand.Text{}, wire.Config{TTL: time.Second}).Collect(t.Context(), 9)
		if len(got) != 5 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		if err := result(); err != nil {
			t.Error(err)
		}
	})
}

func TestErrorArrives(t *testing.T) {
	failing := demand.From2(func(yield func(string, error) bool) {
		yield("a", nil)
		yield("", errEnd)
	})
	far, result := sending(t, failing)
	got, err := wire.Receive(far, demand.Text{}, wire.Config{}).Collect(t.Context(), 9)
	remote, ok := errors.AsType[*wire.RemoteError](err)
	if !slices.Equal(got, []string{"a"}) || !ok || !strings.Contains(remote.Text, "the source broke") {
		t.Errorf("%v, %v", got, err)
	}
	if err := result(); !errors.Is(err, errEnd) {
		t.Error(err)
	}
}

func TestCancelledSender(t *testing.T) {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		_, _ = far.Write(grant(1, 0))
		_, _ = io.ReadFull(far, make([]byte, 20))
		cancel(errEnd)
	}()
	if err := wire.Send(ctx, near, words(9), demand.Text{}); !errors.Is(err, errEnd) {
		t.Error(err)
	}
}

func grant(upto uint64, ms uint32) []byte {
	b := []byte{1, 0, 0, 0, 12}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, upto), ms)
}

// recorded is what a sender writes for three items.
func recorded(t *testing.T) []byte {
	t.Helper()
	far, result := sending(t, words(3))
	_, _ = far.Write(grant(3, 0))
	data, _ := io.ReadAll(far)
	if err := result(); err != nil {
		t.Fatal(err)
	}
	return data
}

// canned is a connection that reads given bytes.
type canned struct{ io.Reader }

func (canned) Write(p []byte) (int, error) { return len(p), nil }
func (canned) Close() error                { return nil }

func TestCutAtEveryByte(t *testing.T) {
	data := recorded(t)
	for n := range data {
		got, err := wire.Receive(canned{bytes.NewReader(data[:n])}, demand.Text{}, wire.Config{}).Collect(t.Context(), 9)
		if err == nil || len(got) > 3 {
			t.Errorf("cut after %d of %d bytes: %q without an error", n, len(data), got)
		}
	}
	request := append(grant(2, 0), 5, 0, 0, 0, 0)
	for n := range request {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Write(request[:n])
			_ = far.Close()
		}()
		if err := wire.Send(t.Context(), near, demand.Channel(make(chan string)), demand.Text{}); err == nil {
			t.Errorf("cut after %d of %d bytes without an error", n, len(request))
		}
	}
}

func TestMalformed(t *testing.T) {
	items := func(first uint64, count uint32, rest ...byte) []byte {
		b := []byte{2, 0, 0, 0, byte(12 + len(rest))}
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, first), count)
		return append(b, rest...)
	}
	for name, data := range map[string][]byte{
		"unknown kind":      {9, 0, 0, 0, 0},
		"a grant":           grant(1, 0),
		"too long":          {2, 255, 255, 255, 255},
		"end with a body":   {3, 0, 0, 0, 1, 0},
		"no items":          items(0, 0),
		"items too short":   {2, 0, 0, 0, 3, 0, 0, 0},
		"wrong number":      items(1, 1, 0, 0, 0, 0),
		"more than granted": items(0, 257, 0, 0, 0, 0),
		"2^32-1 items":      items(0, math.MaxUint32),
		"item cut":          items(0, 1, 0, 0, 0, 9, 1),
		"item missing":      items(0, 2, 0, 0, 0, 0),
		"bytes left over":   items(0, 1, 0, 0, 0, 0, 7),
		"error too long":    append([]byte{4, 0, 0, 8, 0}, make([]byte, 2048)...),
	} {
		_, err := wire.Receive(canned{bytes.NewReader(data)}, demand.Text{}, wire.Config{}).Collect(t.Context(), 9)
		if !errors.Is(err, wire.ErrFormat) && !errors.Is(err, demand.ErrOverflow) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, cfg := range []wire.Config{{Window: -1}, {Window: 1 << 40}, {Refill: 2}, {TTL: 1}, {TTL: math.MaxInt64}} {
		_, err := wire.Receive(canned{&bytes.Buffer{}}, demand.Text{}, cfg).Collect(t.Context(), 9)
		if !errors.Is(err, demand.ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 65, 3, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := wire.Receive(canned{bytes.NewReader(data)}, demand.Text{}, wire.Config{Window: 64}).Collect(t.Context(), 1<<20)
		if err == nil && !bytes.Contains(data, []byte{3, 0, 0, 0, 0}) {
			t.Errorf("%d items without an end", len(got))
		}
	})
}

// TestUnboundedCredit grants 2^63 and 2^64-1, which mean without bound.
func TestUnboundedCredit(t *testing.T) {
	for _, upto := range []uint64{1 << 63, math.MaxUint64, math.MaxInt64} {
		far, result := sending(t, words(1000))
		var got atomic.Int64
		go func() {
			_, _ = far.Write(grant(upto, 0))
			_, _ = far.Write(grant(upto, 0))
		}()
		data, _ := io.ReadAll(far)
		got.Store(int64(len(data)))
		if err := result(); err != nil || got.Load() < 1000*5 {
			t.Errorf("grant of %d: %d bytes, %v", upto, got.Load(), err)
		}
	}
}

func TestLargeItems(t *testing.T) {
	big := strings.Repeat("x", wire.MaxItem)
	source := demand.Of("a", big, "b", big, big)
	far, result := sending(t, source)
	got, err := wire.Receive(far, demand.Text{}, wire.Config{}).Collect(t.Context(), 9)
	if err != nil || len(got) != 5 || got[1] != big || got[4] != big {
		t.Errorf("%d items, %v", len(got), err)
	}
	if err := result(); err != nil {
		t.Error(err)
	}
	far, result = sending(t, demand.Of(big+"y"))
	if _, err := wire.Receive(far, demand.Text{}, wire.Config{}).Collect(t.Context(), 9); err == nil {
		t.Error("an item beyond the bound passed")
	}
	if err := result(); err == nil {
		t.Error("an item beyond the bound was sent")
	}
}

// quiet is a connection on which nothing happens until it is closed.
type quiet struct {
	in     io.Reader // what comes before the silence; nil: nothing
	wrote  func()    // told of every write, if set
	closed chan struct{}
	once   sync.Once
}

func (q *quiet) Read(p []byte) (int, error) {
	if q.in != nil {
		if n, _ := q.in.Read(p); n > 0 {
			return n, nil
		}
	}
	<-q.closed
	return 0, io.EOF
}

func (q *quiet) Write(p []byte) (int, error) {
	if q.wrote != nil {
		q.wrote()
	}
	return len(p), nil
}

func (q *quiet) Close() error { q.once.Do(func() { close(q.closed) }); return nil }
