package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// watchdog ends a test that hangs; nothing is expected to take so long.
const watchdog = time.Minute

// TestMain is a hop where it is started as one.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-role") {
		main()
		return
	}
	os.Exit(m.Run())
}

// ask asks the first hop.
func ask(ctx context.Context, client *http.Client, url string) (status int, said pressure.Signal) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, said
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, said
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	said, _ = pressure.Parse(res.Header.Get(penstockhttp.FieldPressure))
	return res.StatusCode, said
}

// TestChain: over six processes, a request passes all hops; when the last one is
// slow under load, the first says full, and refuses work for which it does not
// call the second; the last, well again, is heard too.
func TestChain(t *testing.T) {
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) { chainTest(t, protocol) })
	}
}

func chainTest(t *testing.T, protocol string) {
	c := start(protocol, true)
	defer c.close()
	base := &http.Transport{MaxIdleConnsPerHost: 100}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: base}
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	if status, said := ask(ctx, client, c.url); status != http.StatusOK || said.Level >= full {
		t.Fatalf("at rest: %d at %+v", status, said)
	}
	for i, s := range c.all(mark) {
		if s.Passed.Arrived != 1 || s.Passed.Refused != 0 || s.Passed.PeakInside != 1 {
			t.Errorf("hop %d has seen %+v of one request", i+1, s.Passed)
		}
	}
	c.tell(hops-1, speed(0.2))
	crowd, disperse := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 60 { // closed loop: as fast as it answers
		wg.Go(func() {
			for crowd.Err() == nil {
				ask(crowd, client, c.url)
			}
		})
	}
	for ctx.Err() == nil {
		if s := c.tell(0, nothing); s.Passed.Full > 0 && s.Passed.Own > 0 {
			break
		}
	}
	disperse()
	wg.Wait()
	if s := c.tell(0, nothing); s.Passed.Full == 0 || s.Passed.Own == 0 || s.Passed.Own > s.Passed.Refused {
		t.Fatalf("the first hop has seen %+v", s.Passed)
	}
	c.tell(hops-1, speed(1))
	for ctx.Err() == nil {
		if status, said := ask(ctx, client, c.url); status == http.StatusOK && said.Level < full {
			return
		}
	}
	t.Error("the first hop does not recover")
}
