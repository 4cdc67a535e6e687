package load_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/leak"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

func TestMain(m *testing.M) { leak.Main(m) }

// network is a network in memory with one server: in a bubble, what happens on
// it takes no time.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// profile parses or panics: the texts are constants.
func profile(text string) arrival.Profile {
	p, err := arrival.ParseProfile(text)
	if err != nil {
		panic(err)
	}
	return p
}

// run offers load to a handler in a bubble.
func run(ctx context.Context, t *testing.T, cfg load.Config, handler http.HandlerFunc) load.Report {
	t.Helper()
	n := newNetwork()
	server := &http.Server{Handler: handler}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(n) })
	cfg.Dial = n.Dial
	if cfg.URL == "" {
		cfg.URL = "http://memory/"
	}
	report, err := load.Run(ctx, load.InBubble(cfg))
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	serving.Wait()
	// A server that has refused a body lingers for half a second.
	t.Cleanup(func() { time.Sleep(time.Second) })
	checkSums(t, report)
	return report
}

// runRaw offers load to a server that answers each request with the given
// bytes and then, if hangUp, closes the connection.
func runRaw(t *testing.T, cfg load.Config, answer string, hangUp bool) load.Report {
	t.Helper()
	n := newNetwork()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := n.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serveRaw(c, answer, hangUp) })
		}
	})
	cfg.Dial, cfg.URL = n.Dial, "http://memory/"
	report, err := load.Run(t.Context(), load.InBubble(cfg))
	if err != nil {
		t.Fatal(err)
	}
	_ = n.Close()
	serving.Wait()
	checkSums(t, report)
	return report
}

func serveRaw(c net.Conn, answer string, hangUp bool) {
	defer func() { _ = c.Close() }()
	br := bufio.NewReader(c)
	for {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		if _, err := c.Write([]byte(answer)); err != nil || hangUp {
			return
		}
	}
}

// checkSums holds for every report.
func checkSums(t *testing.T, r load.Report) {
	t.Helper()
	if sum := r.Good + r.Late + r.Refused + r.Errors + r.NotSent + r.Unfinished; sum != r.Offered {
		t.Errorf("offered %d, fates add up to %d: %+v", r.Offered, sum, r)
	}
	for name, c := range map[string]struct {
		m    map[string]uint64
		want uint64
	}{
		"refused by status": {r.RefusedByStatus, r.Refused},
		"refused by reason": {r.RefusedByReason, r.Refused},
		"errors by kind":    {r.ErrorsByKind, r.Errors},
	} {
		sum := uint64(0)
		for _, n := range c.m {
			sum += n
		}
		if sum != c.want {
			t.Errorf("%s: %v adds up to %d, want %d", name, c.m, sum, c.want)
		}
	}
	var rows load.Interval
	for _, row := range r.Series {
		rows.Offered += row.Offered
		rows.FirstOffered += row.FirstOffered
		rows.Good += row.Good
		rows.Late += row.Late
		rows.Refused += row.Refused
		rows.Errors += row.Errors
		rows.NotSent += row.NotSent
		rows.Unfinished += row.Unfinished
	}
	want := load.Interval{
		Offered: r.Offered, FirstOffered: r.FirstOffered, Good: r.Good, Late: r.Late,
		Refused: r.Refused, Errors: r.Errors, NotSent: r.NotSent, Unfinished: r.Unfinished,
	}
	if rows != want {
		t.Errorf("the series adds up to %+v, the report says %+v", rows, want)
	}
}

const ms = time.Millisecond
